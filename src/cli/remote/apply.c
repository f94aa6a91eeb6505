/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/text.h"
#include "cli/helper.h"
#include "cli/remote/commands.h"
#include "cli/remote/http.h"
#include "cli/remote/service_state.h"
#include "cli/remote/yaml_json.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "apply -f FILE.yaml [--dry-run] (--data DIR | --url URL ...)";

enum { XML_MOST = 1 << 20, DOCUMENT_MOST = 8 << 20, ANSWER_MOST = 64 << 20 };

struct apply {
    struct client client;
    const char *file, *data, *token_output;
    bool dry_run;
    struct yaml_document document;
    json_t *answer;
};

/* --- the document ----------------------------------------------------------------------------- */

static bool read_all(struct arena *a, int fd, size_t most, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    uint8_t piece[16384];
    writer_init(&w, most + 1);
    for (size_t got = 1; got > 0 && w.len <= most;) {
        TRY(file_read_some(fd, piece, sizeof piece, &got, e));
        writer_bytes(&w, piece, got);
    }
    if (w.failed || w.len > most)
        return err_user(e, ERR_USAGE, "This is larger than %zu bytes.", most);
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool read_file(struct arena *a, const char *path, size_t most, struct reader *ret,
                      struct err *e)
{
    CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_user(e, ERR_USAGE, "%.200s cannot be read: %s.", path, strerror(errno));
    return read_all(a, fd, most, ret, e);
}

/* `file: acme.xml` becomes `xml: ...`; the path counts from the folder of the YAML file. */
static bool put_file(struct apply *p, json_t *configuration, const char *place, struct err *e)
{
    struct arena *a = p->client.cli->arena;
    const json_t *file = json_object_get(configuration, "file");
    const char *name = json_string_value(file), *slash = strrchr(p->file, '/');
    struct reader text;
    struct err why = {0};
    if (file == NULL)
        return true;
    if (name == NULL || name[0] == '\0')
        return err_user(e, ERR_USAGE, "%s.file: must be the path of a file.", place);
    if (json_object_get(configuration, "xml") != NULL)
        return err_user(e, ERR_USAGE, "%s.file: either file or xml, not both.", place);
    int folder = slash == NULL ? 0 : (int)(slash - p->file) + 1;
    const char *path = name[0] == '/' ? name : arena_format(a, "%.*s%s", folder, p->file, name);
    if (path == NULL)
        return arena_err(e);
    if (!read_file(a, path, XML_MOST, &text, &why))
        return err_user(e, ERR_USAGE, "%s.file: %.240s", place, why.user);
    if (!text_is_utf8(text) || reader_find(text, 0, "", 1) != SIZE_MAX)
        return err_user(e, ERR_USAGE, "%s.file: %.200s is not UTF-8 text.", place, path);
    json_t *xml = json_stringn((const char *)text.at, text.left);
    if (xml == NULL || json_object_set_new(configuration, "xml", xml) != 0)
        return err_set(e, ERR_NO_MEMORY, "JSON");
    return json_object_del(configuration, "file") == 0 || err_set(e, ERR_INTERNAL, "JSON");
}

static bool put_files(struct apply *p, struct err *e)
{
    size_t i, k;
    json_t *project, *configuration;
    json_array_foreach(json_object_get(p->document.value, "projects"), i, project)
    {
        json_array_foreach(json_object_get(project, "artifactConfigurations"), k, configuration)
        {
            const char *place = arena_format(p->client.cli->arena,
                                             "projects[%zu].artifactConfigurations[%zu]", i, k);
            TRY(place != NULL ? put_file(p, configuration, place, e) : arena_err(e));
        }
    }
    return true;
}

static bool read_document(struct apply *p, struct err *e)
{
    struct arena *a = p->client.cli->arena;
    struct reader text;
    TRY(strcmp(p->file, "-") == 0 ? read_all(a, STDIN_FILENO, YAML_MOST, &text, e)
                                  : read_file(a, p->file, YAML_MOST, &text, e));
    return yaml_read(a, text, &p->document, e) && put_files(p, e);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool dump(const json_t *value, struct writer *w, struct err *e)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return err_set(e, ERR_NO_MEMORY, "JSON");
    writer_text(w, text);
    free(text);
    return writer_ok(w, e);
}

static bool send_to_url(struct apply *p, struct err *e)
{
    CLEANUP(writer_done) struct writer body = {0};
    writer_init(&body, DOCUMENT_MOST);
    TRY(client_open(&p->client, e));
    TRY(dump(p->document.value, &body, e));
    struct http_call q = {.path = p->dry_run ? "/Configuration/Apply?dryRun=true"
                                             : "/Configuration/Apply?dryRun=false",
                          .post = true,
                          .once = true, /* new tokens are in the first answer only */
                          .to = -1,
                          .json = writer_view(&body)};
    return http_json(&p->client, &q, &p->answer, e);
}

/* By core and the key process, which the supervisor starts for this one task. */
static bool send_to_folder(struct apply *p, struct err *e)
{
    CLEANUP(writer_done) struct writer task = {0};
    CLEANUP(writer_done) struct writer answer = {0};
    json_error_t problem;
    struct service_state state;
    int status = 0;
    TRY(service_state_read(p->client.cli->arena, p->data, &state, e));
    if (state.running)
        return err_user(e, ERR_USAGE,
                        "The service is running on %.120s. Apply through it: --url %.60s with "
                        "--organization and --token-file of a GlobalAdministrator.",
                        p->data, state.url[0] != '\0' ? state.url : "URL");
    writer_init(&task, 2 * DOCUMENT_MOST);
    writer_init(&answer, ANSWER_MOST);
    writer_format(&task,
                  "{\"task\":\"apply\",\"dryRun\":%s,\"document\":", p->dry_run ? "true" : "false");
    TRY(dump(p->document.value, &task, e));
    writer_text(&task, "}");
    TRY(writer_ok(&task, e));
    const char *const arguments[] = {"--data", p->data, "--task", NULL};
    TRY(helper_program("chanceryd", arguments, writer_view(&task), &answer, &status, e));
    p->answer = json_loadb((const char *)answer.data, answer.len, 0, &problem);
    if (status == 0 && json_is_object(p->answer))
        return true;
    const char *said = client_text(p->answer, "error");
    return err_from(e, client_text(p->answer, "code"),
                    said[0] != '\0' ? said : "The task was not carried out.",
                    client_text(p->answer, "detail"));
}

/* --- the answer ------------------------------------------------------------------------------- */

static size_t count_changes(const struct apply *p)
{
    size_t i, n = 0;
    json_t *change;
    json_array_foreach(json_object_get(p->answer, "changes"), i, change)
    {
        n += strcmp(client_text(change, "action"), "none") != 0;
    }
    return n;
}

static void write_change(struct writer *w, const json_t *change)
{
    const char *action = client_text(change, "action"), *key;
    json_t *pair;
    if (strcmp(action, "none") == 0)
        return;
    writer_format(w, "%s %s %s\n", strcmp(action, "create") == 0 ? "+" : "~",
                  client_text(change, "kind"), client_text(change, "slug"));
    json_object_foreach(json_object_get(change, "fields"), key, pair)
    {
        const char *before = json_string_value(json_array_get(pair, 0)),
                   *after = json_string_value(json_array_get(pair, 1));
        writer_format(w, "    %s: %s%s%s\n", key, before == NULL ? "" : before,
                      before == NULL ? "" : " -> ", after == NULL ? "" : after);
    }
}

static bool print_changes(struct apply *p, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    size_t i, n = count_changes(p);
    json_t *item;
    writer_init(&w, ANSWER_MOST);
    json_array_foreach(json_object_get(p->answer, "changes"), i, item)
    {
        write_change(&w, item);
    }
    json_array_foreach(json_object_get(p->answer, "warnings"), i, item)
    {
        cli_say(p->client.cli, "%s: line %lld, column %lld: warning: %s",
                client_text(item, "object"),
                (long long)json_integer_value(json_object_get(item, "line")),
                (long long)json_integer_value(json_object_get(item, "column")),
                client_text(item, "warning"));
    }
    if (n == 0)
        writer_text(&w, "No changes.\n");
    else
        writer_format(&w, "%zu change%s%s.\n", n, n == 1 ? "" : "s",
                      p->dry_run ? " would be made" : "");
    json_array_foreach(json_object_get(p->answer, "tokens"), i, item)
    {
        if (p->token_output == NULL && !p->dry_run)
            writer_format(&w, "token %s/%s  %s   (shown once)\n", client_text(item, "user"),
                          client_text(item, "token"), client_text(item, "value"));
    }
    return writer_ok(&w, e) && cli_print_text(writer_view(&w), e);
}

/* One line a token, the token first: the file can be used as --token-file. */
static bool append_tokens(struct apply *p, int fd, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    size_t i;
    json_t *item;
    writer_init(&w, ANSWER_MOST);
    json_array_foreach(json_object_get(p->answer, "tokens"), i, item)
    {
        writer_format(&w, "%s %s %s\n", client_text(item, "value"), client_text(item, "user"),
                      client_text(item, "token"));
    }
    TRY(writer_ok(&w, e) && file_write_fd(fd, writer_view(&w), e));
    return json_object_del(p->answer, "tokens") == 0 || err_set(e, ERR_JSON, "no tokens member");
}

/* Opened before anything is changed: a token that cannot be kept is lost. */
static bool open_tokens(const struct apply *p, int *ret_fd, struct err *e)
{
    struct stat st;
    if (p->token_output == NULL || p->dry_run)
        return true;
    int fd = open(p->token_output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_user(e, ERR_USAGE, "%.200s cannot be written: %s.", p->token_output,
                        strerror(errno));
    *ret_fd = fd;
    if (fstat(fd, &st) != 0)
        return err_errno(e, p->token_output);
    return !S_ISREG(st.st_mode) || (st.st_mode & 077) == 0 ||
           err_user(e, ERR_USAGE,
                    "Other users can read %.200s, where the tokens go. Close it: chmod 0600.",
                    p->token_output);
}

static void remove_if_empty(const struct apply *p, int fd)
{
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
        (void)unlink(p->token_output);
}

static bool send(struct apply *p, struct err *e)
{
    CLEANUP(file_close) int tokens = -1;
    bool ok =
        open_tokens(p, &tokens, e) && (p->data != NULL ? send_to_folder(p, e) : send_to_url(p, e));
    if (ok && tokens >= 0)
        ok = append_tokens(p, tokens, e);
    remove_if_empty(p, tokens);
    return ok;
}

/* A message that names a place of the document gets its line and column. */
static void add_position(const struct apply *p, struct err *e)
{
    const struct yaml_place *at = yaml_find(&p->document, e->user);
    if (at == NULL)
        return;
    struct err placed = {0};
    (void)err_user(&placed, e->code, "line %zu, column %zu: %.280s", at->line, at->column, e->user);
    (void)memccpy(placed.detail, e->detail, '\0', sizeof placed.detail);
    *e = placed;
}

static bool run(struct apply *p, struct err *e)
{
    if (p->file == NULL || (p->data != NULL && p->client.url != NULL))
        return err_user(e, ERR_USAGE, "usage: chancery %s", usage);
    TRY(read_document(p, e) && send(p, e));
    return p->client.cli->json ? client_print_json(p->answer, e) : print_changes(p, e);
}

int remote_apply(struct cli *c, int argc, char **argv)
{
    struct apply p = {.client = {.cli = c}};
    const char *rest[1];
    const struct option_row rows[] = {
        {"-f", OPTION_VALUE, (void *)&p.file, "the YAML file; - reads standard input"},
        {"--dry-run", OPTION_FLAG, &p.dry_run, "change nothing; status 10 when there are changes"},
        {"--token-output", OPTION_VALUE, (void *)&p.token_output,
         "file (0600) that new tokens are added to, instead of stdout"},
        {"--data", OPTION_VALUE, (void *)&p.data, "the data folder, when the service is stopped"},
        CLIENT_OPTIONS(&p.client),
        {0},
    };
    size_t count;
    struct err e = {0};
    int status = CLI_OK;
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    bool ok = cli_options(c, argc, argv, rows, rest, 0, &count, &e) && run(&p, &e);
    if (ok && p.dry_run && count_changes(&p) > 0)
        status = CLI_CHANGES;
    if (!ok) {
        add_position(&p, &e);
        status = client_fail(&p.client, p.file, &e);
    }
    yaml_done(&p.document);
    json_decref(p.answer);
    client_close(&p.client);
    return status;
}
