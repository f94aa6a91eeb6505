/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/remote/client.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/remote/http.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 64 * 1024, TOKEN_MOST = 4096, ADDRESS_MOST = 2000 };

/* --- where values come from ------------------------------------------------------------------- */

struct conf {
    const char *url, *organization, *token_file;
};

static const char *environment(const char *ours, const char *other)
{
    const char *value = getenv(ours);
    if (value == NULL || value[0] == '\0')
        value = getenv(other);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static struct reader trim(struct reader text)
{
    while (text.left > 0 && (text.at[0] == ' ' || text.at[0] == '\t') && reader_skip(&text, 1))
        continue;
    while (text.left > 0 && strchr(" \t\r", text.at[text.left - 1]) != NULL)
        text.left--;
    return text;
}

static struct reader cut(struct reader *rest, const char *at)
{
    struct reader head = *rest, skipped;
    size_t n = reader_find(*rest, 0, at, 1);
    if (!reader_take(rest, n == SIZE_MAX ? rest->left : n, &head) ||
        (rest->left > 0 && !reader_take(rest, 1, &skipped)))
        rest->left = 0;
    return head;
}

static bool conf_line(struct client *c, struct reader line, const char *path, unsigned number,
                      struct conf *ret, struct err *e)
{
    struct reader value = trim(line);
    if (value.left == 0 || value.at[0] == '#')
        return true;
    struct reader name = trim(cut(&value, "="));
    char *text = arena_text(c->cli->arena, trim(value));
    if (text == NULL)
        return arena_err(e);
    const char **to = reader_equal_text(name, "url")            ? &ret->url
                      : reader_equal_text(name, "organization") ? &ret->organization
                      : reader_equal_text(name, "token_file")   ? &ret->token_file
                                                                : NULL;
    if (to == NULL || text[0] == '\0')
        return err_user(e, ERR_USAGE,
                        "%.200s, line %u: expected url, organization or token_file, then = and "
                        "its value.",
                        path, number);
    *to = text;
    return true;
}

static bool read_conf(struct client *c, struct conf *ret, struct err *e)
{
    const char *home = getenv("HOME");
    struct reader text;
    struct err missing = {0};
    if (home == NULL || home[0] != '/')
        return true;
    const char *path = arena_format(c->cli->arena, "%s/.config/chancery/client.conf", home);
    if (path == NULL)
        return arena_err(e);
    if (access(path, F_OK) != 0)
        return true;
    if (!file_read(AT_FDCWD, path, FILE_MOST, c->cli->arena, &text, &missing))
        return err_user(e, ERR_USAGE, "%.200s cannot be read: %.80s.", path, missing.detail);
    for (unsigned number = 1; text.left > 0; number++)
        TRY(conf_line(c, cut(&text, "\n"), path, number, ret, e));
    return true;
}

/* --- the token: never in an arena, an argument or a message ----------------------------------- */

static bool take_token(struct client *c, struct reader text, const char *place, struct err *e)
{
    static const char scheme[] = "Authorization: Bearer ";
    struct reader token = {0};
    while (text.left > 0 && strchr(" \t\r\n", text.at[0]) != NULL && reader_skip(&text, 1))
        continue;
    size_t n = 0;
    while (n < text.left && text.at[n] > ' ' && text.at[n] < 0x7f)
        n++;
    if (!reader_take(&text, n, &token) || n == 0 || n > TOKEN_MOST ||
        (text.left > 0 && strchr(" \t\r\n", text.at[0]) == NULL))
        return err_user(e, ERR_USAGE, "There is no token in %.200s.", place);
    size_t head = sizeof scheme - 1;
    TRY(secret_new(head + n + 1, &c->header, e));
    for (size_t i = 0; i < head; i++)
        c->header.data[i] = (uint8_t)scheme[i];
    for (size_t i = 0; i < n; i++)
        c->header.data[head + i] = token.at[i];
    return true;
}

/* The first word of the file; what follows is a remark (`apply --token-output` names the user). */
static bool read_token_file(struct client *c, const char *path, struct err *e)
{
    uint8_t bytes[TOKEN_MOST];
    struct stat st;
    size_t got = 0;
    CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_user(e, ERR_USAGE, "The token file %.200s cannot be read: %s.", path,
                        strerror(errno));
    if (S_ISREG(st.st_mode) && (st.st_mode & 044) != 0)
        cli_say(c->cli, "chancery: other users can read %s; close it: chmod 0600 %s", path, path);
    bool ok = file_read_some(fd, bytes, sizeof bytes, &got, e) &&
              take_token(c, reader_over(bytes, got), path, e);
    secret_wipe(bytes, sizeof bytes);
    return ok;
}

static bool find_token(struct client *c, const struct conf *conf, struct err *e)
{
    const char *value = environment("CHANCERY_TOKEN", "SIGNPATH_API_TOKEN");
    if (c->token_file != NULL)
        return read_token_file(c, c->token_file, e);
    if (value != NULL)
        return take_token(c, reader_text(value), "CHANCERY_TOKEN", e);
    if (conf->token_file != NULL)
        return read_token_file(c, conf->token_file, e);
    return err_user(e, ERR_USAGE,
                    "There is no token: name its file by --token-file or in "
                    "~/.config/chancery/client.conf (token_file = FILE), or set CHANCERY_TOKEN.");
}

/* --- the address ------------------------------------------------------------------------------ */

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n > m && strncasecmp(&text[n - m], end, m) == 0;
}

/* "https://host", "https://host/", ".../API" and ".../api/v1" all mean the same. */
static size_t without_tail(const char *url)
{
    static const char *const tails[] = {"/", "/v1", "/api"};
    size_t n = strlen(url);
    for (size_t i = 0; i < COUNT_OF(tails);)
        if (ends_with(url, n, tails[i])) {
            n -= strlen(tails[i]);
            i = 0;
        } else {
            i++;
        }
    return n;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && strchr(":/", host[n]) != NULL)
            return true;
    }
    return false;
}

static bool take_address(struct client *c, const char *url, const char *organization, struct err *e)
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    if ((!tls && strncasecmp(url, "http://", 7) != 0) || strlen(url) > ADDRESS_MOST ||
        strpbrk(url, " @?#") != NULL)
        return err_user(e, ERR_USAGE,
                        "\"%.150s\" is not the address of a service: https://HOST is expected.",
                        url);
    if (!text_is_uuid(reader_text(organization)))
        return err_user(e, ERR_USAGE,
                        "\"%.100s\" is not the id of an organization (a UUID; chancery init and "
                        "the page of the organization show it).",
                        organization);
    c->host = arena_text(c->cli->arena, reader_over(url, without_tail(url)));
    c->base = arena_format(c->cli->arena, "%s/API/v1/%s", c->host, organization);
    c->loopback = is_loopback(strstr(url, "://") + 3);
    if (!tls && !c->loopback)
        cli_say(c->cli, "chancery: %s is not encrypted: everybody on the way can read the token.",
                c->host);
    return (c->host != NULL && c->base != NULL) || arena_err(e);
}

bool client_open(struct client *c, struct err *e)
{
    struct conf conf = {0};
    uint64_t seconds;
    TRY(client_seconds("--retry", c->patience, 30, &seconds, e));
    c->patience_ms = (int64_t)seconds * 1000;
    TRY(read_conf(c, &conf, e));
    const char *url = c->url, *organization = c->organization;
    if (url == NULL && (url = environment("CHANCERY_URL", "SIGNPATH_API_URL")) == NULL)
        url = conf.url;
    if (organization == NULL &&
        (organization = environment("CHANCERY_ORGANIZATION", "SIGNPATH_ORGANIZATION_ID")) == NULL)
        organization = conf.organization;
    if (url == NULL)
        return err_user(e, ERR_USAGE,
                        "Which service? Name it by --url or CHANCERY_URL, or in "
                        "~/.config/chancery/client.conf (url = ADDRESS).");
    if (organization == NULL)
        return err_user(e, ERR_USAGE,
                        "Which organization? Name its id by --organization or "
                        "CHANCERY_ORGANIZATION, or in ~/.config/chancery/client.conf "
                        "(organization = ID).");
    return take_address(c, url, organization, e) && find_token(c, &conf, e);
}

void client_close(struct client *c)
{
    secret_done(&c->header);
    http_close(c);
}

int client_fail(const struct client *c, const char *place, const struct err *e)
{
    int status = cli_fail(c->cli, place, e);
    return c->failure != 0 ? c->failure : status;
}

bool client_seconds(const char *name, const char *text, uint64_t fallback, uint64_t *ret,
                    struct err *e)
{
    *ret = fallback;
    if (text == NULL || (text_u64(reader_text(text), ret) && *ret <= 31536000))
        return true;
    return err_user(e, ERR_USAGE, "%s wants a whole number of seconds, not \"%.60s\".", name, text);
}

const char *client_text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "" : value;
}

bool client_print_json(const json_t *value, struct err *e)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (text == NULL)
        return err_set(e, ERR_NO_MEMORY, "JSON");
    bool ok = cli_print_json(reader_text(text), e) && cli_print_text(reader_text("\n"), e);
    secret_wipe(text, strlen(text)); /* it may hold new tokens */
    free(text);
    return ok;
}
