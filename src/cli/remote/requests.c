/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/remote/commands.h"
#include "cli/remote/http.h"
#include <string.h>

static const char usage[] = "requests [--filter NAME=VALUE]... [--limit N]";

enum { PAGE = 200 };

struct listing {
    struct client client;
    struct option_list filters;
    const char *limit_text;
    uint64_t limit;
    json_t *found;
};

static bool filter_named(const char *filter, const char *name)
{
    size_t n = strlen(name);
    return strncmp(filter, name, n) == 0 && filter[n] == '=';
}

static bool check_filters(const struct listing *l, struct err *e)
{
    static const char *const names[] = {"status",
                                        "workflowStatus",
                                        "projectSlug",
                                        "signingPolicySlug",
                                        "artifactConfigurationSlug",
                                        "fileName",
                                        "submitterName"};
    for (size_t i = 0; i < l->filters.count; i++) {
        bool known = false;
        for (size_t k = 0; k < COUNT_OF(names); k++)
            known |= filter_named(l->filters.values[i], names[k]);
        if (!known)
            return err_user(e, ERR_USAGE,
                            "--filter \"%.100s\": NAME=VALUE with one of status, workflowStatus, "
                            "projectSlug, signingPolicySlug, artifactConfigurationSlug, fileName, "
                            "submitterName.",
                            l->filters.values[i]);
    }
    return true;
}

static bool passes(const struct listing *l, const json_t *item)
{
    for (size_t i = 0; i < l->filters.count; i++) {
        const char *filter = l->filters.values[i], *value = &strchr(filter, '=')[1];
        const char *key;
        json_t *member;
        bool same = false;
        json_object_foreach((json_t *)(uintptr_t)item, key, member)
        {
            if (filter_named(filter, key) && json_is_string(member))
                same = text_equal_fold(json_string_value(member), value);
        }
        if (!same)
            return false;
    }
    return true;
}

static bool page_path(struct listing *l, const char *after, const char **ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 8192);
    writer_format(&w, "/SigningRequests?pageSize=%d", PAGE);
    for (size_t i = 0; i < l->filters.count; i++)
        if (filter_named(l->filters.values[i], "projectSlug")) {
            writer_text(&w, "&projectSlug=");
            http_percent(&w, &strchr(l->filters.values[i], '=')[1]);
        }
    if (after != NULL) {
        writer_text(&w, "&after=");
        http_percent(&w, after);
    }
    TRY(writer_ok(&w, e));
    *ret = arena_text(l->client.cli->arena, writer_view(&w));
    return *ret != NULL || arena_err(e);
}

/* One page; *after is moved on, NULL at the end. */
static bool read_page(struct listing *l, const char **after, struct err *e)
{
    struct http_call q = {.to = -1};
    json_t *page, *item;
    size_t i;
    TRY(page_path(l, *after, &q.path, e));
    TRY(http_json(&l->client, &q, &page, e));
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        if (json_array_size(l->found) < l->limit && passes(l, item) &&
            json_array_append(l->found, item) != 0)
            break;
    }
    const char *next = json_string_value(json_object_get(page, "next"));
    *after = next == NULL ? NULL : arena_format(l->client.cli->arena, "%s", next);
    json_decref(page);
    return true;
}

static bool print_table(const struct listing *l, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    json_t *item;
    size_t i;
    writer_init(&w, 64 << 20);
    json_array_foreach(l->found, i, item)
    {
        writer_format(&w, "%s  %-18s %s  %s/%s  %s\n", client_text(item, "signingRequestId"),
                      client_text(item, "status"), client_text(item, "createdDate"),
                      client_text(item, "projectSlug"), client_text(item, "signingPolicySlug"),
                      client_text(item, "fileName"));
    }
    return writer_ok(&w, e) && cli_print_text(writer_view(&w), e);
}

static bool run(struct listing *l, struct err *e)
{
    const char *after = NULL;
    if (l->limit_text != NULL &&
        (!text_u64(reader_text(l->limit_text), &l->limit) || l->limit == 0))
        return err_user(e, ERR_USAGE, "--limit wants a number, not \"%.60s\".", l->limit_text);
    TRY(check_filters(l, e));
    TRY(client_open(&l->client, e));
    do
        TRY(read_page(l, &after, e));
    while (after != NULL && json_array_size(l->found) < l->limit);
    return l->client.cli->json ? client_print_json(l->found, e) : print_table(l, e);
}

int remote_requests(struct cli *c, int argc, char **argv)
{
    struct listing l = {.client = {.cli = c}, .limit = 50, .found = json_array()};
    const char *rest[1];
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&l.client),
        {"--filter", OPTION_LIST, &l.filters, "status=, projectSlug=, signingPolicySlug= ..."},
        {"--limit", OPTION_VALUE, (void *)&l.limit_text, "at most so many, newest first (50)"},
        {0},
    };
    size_t count;
    struct err e = {0};
    int status = CLI_OK;
    if (cli_help(argc, argv, usage, rows)) {
        json_decref(l.found);
        return CLI_OK;
    }
    if (l.found == NULL || !cli_options(c, argc, argv, rows, rest, 0, &count, &e) || !run(&l, &e))
        status = client_fail(&l.client, NULL, &e);
    json_decref(l.found);
    client_close(&l.client);
    return status;
}
