/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/helper.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: chancery init --data DIR [--organization NAME] "
                            "[--admin-email MAIL] [--base-url URL]\n";

static const char default_settings[] = "# Settings of this Chancery: name = value. See "
                                       "chancery.conf(5); chancery doctor shows them all.\n"
                                       "#listen = 127.0.0.1:8080\n"
                                       "#tsa = http://timestamp.example.com\n";

struct init {
    const char *data, *organization, *email, *base_url;
    char *path; /* of the data folder, absolute */
    int folder;
};

static bool is_empty(const char *path, bool *ret, struct err *e)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return err_errno(e, path);
    *ret = true;
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            *ret = false;
    (void)closedir(d);
    return true;
}

static bool make_folders(struct init *in, struct err *e)
{
    static const char *const parts[] = {"db", "blobs", "audit", "key", "run"};
    bool empty;
    if (mkdir(in->data, 0700) != 0 && errno != EEXIST)
        return err_errno(e, in->data);
    TRY(is_empty(in->data, &empty, e));
    if (!empty)
        return err_user(e, ERR_USAGE, "%.200s is not empty. Name a new folder for --data.",
                        in->data);
    in->path = realpath(in->data, NULL);
    in->folder = open(in->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in->path == NULL || in->folder < 0 || fchmod(in->folder, 0700) != 0)
        return err_errno(e, in->data);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (mkdirat(in->folder, parts[i], 0700) != 0)
            return err_errno(e, parts[i]);
    return true;
}

/* Before anything is made: `serve` would refuse it later. */
static bool check_base_url(struct cli *c, struct init *in, struct err *e)
{
    struct settings s;
    struct reader url = reader_text(in->base_url == NULL ? "" : in->base_url);
    while (url.left > 0 && url.at[url.left - 1] == '/')
        url.left--;
    TRY(settings_init(&s, c->arena, e) && settings_set(&s, SET_base_url, url, FROM_FLAG, 0, e));
    in->base_url = url.left == 0 ? NULL : settings_text(&s, SET_base_url);
    return true;
}

static bool write_settings(struct init *in, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 8192);
    writer_text(&w, default_settings);
    if (in->base_url != NULL)
        writer_format(&w, "base_url = %s\n", in->base_url);
    return writer_ok(&w, e) &&
           file_replace(in->folder, "chancery.conf", 0600, writer_view(&w), CRASH_S03, e);
}

static bool make_keys(struct cli *c, struct init *in, struct err *e)
{
    uint8_t random[16];
    char node[37];
    int status;
    CLEANUP(writer_done) struct writer out = {0};
    writer_init(&out, 1 << 20);
    TRY(file_random(random, sizeof random, e));
    text_uuid(random, node);
    const char *folder = arena_format(c->arena, "%s/key", in->path);
    if (folder == NULL)
        return arena_err(e);
    const char *const arguments[] = {"create", folder, node, NULL};
    TRY(helper_program("chancery-key", arguments, reader_text(""), &out, &status, e));
    return status == 0 || err_set(e, ERR_KEY_FOLDER, "chancery-key create: status %d", status);
}

/* Core answers {"code","error","detail"} when it refuses. */
static bool make_organization(struct init *in, struct writer *answer, struct err *e)
{
    int status;
    CLEANUP(writer_done) struct writer task = {0};
    writer_init(&task, 64 * 1024);
    struct json j = json_into(&task);
    json_open_object(&j, NULL);
    json_text(&j, "task", "init");
    json_text(&j, "organizationName", in->organization);
    json_text(&j, "adminEmail", in->email);
    json_end_object(&j);
    TRY(writer_ok(&task, e));
    const char *const arguments[] = {"--data", in->path, "--task", NULL};
    TRY(helper_program("chanceryd", arguments, writer_view(&task), answer, &status, e));
    return status == 0 ||
           err_user(e, ERR_USAGE, "The organization was not made: %.*s",
                    (int)(answer->len > 250 ? 250 : answer->len), (const char *)answer->data);
}

/* The value of one text member of core's flat answer; empty when it is null. */
static struct reader member(struct reader json, const char *name)
{
    CLEANUP(writer_done) struct writer key = {0};
    struct reader value = {0};
    writer_init(&key, 200);
    writer_format(&key, "\"%s\":\"", name);
    size_t at = reader_find(json, 0, key.data, key.len);
    if (at == SIZE_MAX || !reader_skip(&json, at + key.len))
        return value;
    size_t end = reader_find(json, 0, "\"", 1);
    return end != SIZE_MAX && reader_slice(json, 0, end, &value) ? value : (struct reader){0};
}

static bool print_result(const struct cli *c, const struct init *in, struct reader answer,
                         struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    const char *url = in->base_url != NULL ? in->base_url : "http://localhost:8080";
    struct reader code = member(answer, "setupCode");
    CLEANUP(writer_done) struct writer link = {0};
    writer_init(&w, 64 * 1024);
    writer_init(&link, 4096);
    writer_format(&link, "%s/setup?code=%.*s", url, (int)code.left, (const char *)code.at);
    writer_u8(&link, 0);
    TRY(writer_ok(&link, e));
    const char *setup = code.left == 0 ? NULL : (const char *)link.data;
    if (c->json) {
        struct json j = json_into(&w);
        json_open_object(&j, NULL);
        json_bytes(&j, "organizationId", member(answer, "organizationId"));
        json_text(&j, "organizationName", in->organization);
        json_bytes(&j, "adminToken", member(answer, "adminToken"));
        json_text(&j, "url", url);
        json_text(&j, "setupUrl", setup);
        json_end_object(&j);
        writer_u8(&w, '\n');
    } else {
        struct reader id = member(answer, "organizationId"), token = member(answer, "adminToken");
        writer_format(&w,
                      "organization   %.*s\nadmin token    %.*s   (shown once; user initial-ci)\n",
                      (int)id.left, (const char *)id.at, (int)token.left, (const char *)token.at);
        if (setup != NULL)
            writer_format(&w, "first sign-in  %s   (once, within 24 hours)\n", setup);
        writer_format(&w, "start it with  chancery serve --data %s\n", in->data);
    }
    return writer_ok(&w, e) && cli_print(c, writer_view(&w), e);
}

static bool run(struct cli *c, struct init *in, struct err *e)
{
    CLEANUP(writer_done) struct writer answer = {0};
    writer_init(&answer, 1 << 20);
    return check_base_url(c, in, e) && make_folders(in, e) && write_settings(in, e) &&
           make_keys(c, in, e) && make_organization(in, &answer, e) &&
           print_result(c, in, writer_view(&answer), e);
}

int cmd_init(struct cli *c, int argc, char **argv)
{
    struct init in = {.folder = -1};
    const char *rest[1];
    const struct option_row rows[] = {
        {"--data", OPTION_VALUE, &in.data, "the folder to make; must not exist or be empty"},
        {"--organization", OPTION_VALUE, &in.organization, "its name"},
        {"--admin-email", OPTION_VALUE, &in.email, "account of the first person"},
        {"--base-url", OPTION_VALUE, &in.base_url, "public address of the service"},
        {0},
    };
    size_t count;
    struct err e = {0};
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    bool ok = cli_options(c, argc, argv, rows, rest, 0, &count, &e);
    if (ok && in.data == NULL)
        ok = err_user(&e, ERR_USAGE, "init needs a folder to make: --data DIR");
    if (in.organization == NULL)
        in.organization = "My organization";
    ok = ok && run(c, &in, &e);
    file_close(&in.folder);
    free(in.path);
    return ok ? CLI_OK : cli_fail(c, in.data, &e);
}
