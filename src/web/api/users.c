/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "service/setup_links.h"
#include "web/api/api.h"
#include <string.h>

static void put_link(struct json *j, const struct service *s, const struct setup_link *l)
{
    CLEANUP(writer_done) struct writer url = {0};
    char until[25];
    writer_init(&url, 8192);
    writer_format(&url, "%s/setup?code=%s", s->base_url, l->code);
    clock_iso(l->expires, until);
    json_open_object(j, NULL);
    json_text(j, "userId", l->user);
    json_text(j, "name", l->name);
    json_text(j, "email", l->email);
    json_bytes(j, "setupUrl", writer_view(&url));
    json_text(j, "expires", until);
    json_end_object(j);
}

bool api_reinvite(struct web_call *c, struct err *e)
{
    struct setup_link link;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 32 * 1024);
    TRY(setup_link_issue(c->service, &c->actor, c->captures[1], c->arena, &link, e));
    struct json j = json_into(&w);
    put_link(&j, c->service, &link);
    explicit_bzero(link.code, sizeof link.code);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}
