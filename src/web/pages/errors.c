/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include "web/templates/escape.h"
#include <string.h>

static bool is_for_programs(struct web_call *c)
{
    static const char *const others[] = {"/healthz", "/readyz"};
    const char *head = c->path == NULL ? "" : c->path;
    struct reader start = reader_text(head);
    struct reader four;
    if (reader_slice(start, 0, 4, &four) && (head[4] == '/' || head[4] == '\0')) {
        const char *word = arena_text(c->arena, four);
        if (word != NULL && text_equal_ascii_fold(word, "/api"))
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (text_equal_ascii_fold(head, others[i]))
            return true;
    return page_wants_json(c);
}

/* Only the address of a page that was asked for can be returned to; a form cannot be repeated. */
static void to_sign_in(struct web_call *c)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 16 * 1024);
    writer_text(&w, "/signin");
    if (strcmp(c->method, "GET") == 0 && strcmp(c->path, "/") != 0) {
        writer_text(&w, "?return=");
        escape_url_part(&w, reader_text(c->path));
        if (c->query[0] != '\0') {
            escape_url_part(&w, reader_text("?"));
            escape_url_part(&w, reader_text(c->query));
        }
    }
    writer_u8(&w, 0);
    web_redirect(c, w.failed ? "/signin" : (const char *)w.data);
}

static const char *title_of(int status)
{
    switch (status) {
    case 403:
        return "Not allowed";
    case 404:
        return "Not found";
    case 405:
        return "Not possible here";
    case 409:
        return "Already changed";
    case 413:
        return "Too large";
    case 429:
        return "Too many tries";
    default:
        return status < 500 ? "That did not work" : "Something went wrong";
    }
}

/* A form that was refused before anybody read it is returned to; else the dashboard is the start.
 */
static void add_way_back(struct sheet *s, const struct web_call *c)
{
    const char *ignored;
    struct web_call page = *c;
    page.method = "GET";
    bool form =
        c->path != NULL && strcmp(c->method, "POST") == 0 && route_find(&page, &ignored) != NULL;
    view_text(s->root, "back", form ? c->path : "/");
    view_text(s->root, "backName",
              form            ? "Back to the form"
              : c->by_session ? "To the dashboard"
                              : "To the sign-in page");
}

void page_error(struct web_call *c, const struct err *e)
{
    struct err broken = {0};
    int status = err_http_status(e->code);
    if (is_for_programs(c)) {
        web_reply_err(c, e);
        return;
    }
    if (status == 401) {
        to_sign_in(c);
        return;
    }
    struct sheet s = sheet_new(c, "", title_of(status), title_of(status));
    view_text(s.root, "sentence", e->user);
    view_text(s.root, "code", err_machine_code(e->code));
    view_text(s.root, "trace", status >= 500 ? web_trace(c) : "");
    add_way_back(&s, c);
    if (status == 503 || status == 429)
        web_add_header(c, "Retry-After", "10");
    if (!sheet_send(&s, PAGE_ERROR, (unsigned)status, &broken))
        web_reply_err(c, e);
}
