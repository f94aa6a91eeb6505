/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/remote/request.h"
#include <string.h>

enum { NAME_MOST = 200, RECEIPT_MOST = 256 << 20, PROOF_MS = 5000, PROOF_PAUSE_MS = 200 };

/* Only the last part, and nothing that a terminal or a shell would take amiss. */
static const char *plain_name(struct arena *a, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash == NULL ? name : &slash[1];
    base = strrchr(base, '\\') == NULL ? base : &strrchr(base, '\\')[1];
    bool usable = base[0] != '\0' && base[0] != '.' && base[0] != '-' &&
                  strlen(base) <= NAME_MOST && text_is_utf8(reader_text(base)) &&
                  text_is_printable(reader_text(base));
    return usable ? arena_format(a, "%s", base) : "artifact";
}

/* app.exe becomes app.signed.exe: beside the file that was submitted. */
static const char *default_name(struct arena *a, const char *artifact, bool original)
{
    const char *name = plain_name(a, artifact);
    const char *dot = name == NULL ? NULL : strrchr(name, '.');
    if (name == NULL || original)
        return name;
    size_t stem = dot == NULL ? strlen(name) : (size_t)(dot - name);
    return arena_format(a, "%.*s.signed%s", (int)stem, name, dot == NULL ? "" : dot);
}

static bool try_output(struct client *c, const char *path, bool force, struct err *e)
{
    CLEANUP(output_done) struct output o = {.fd = -1};
    return output_open(c->cli->arena, path, force, 0666, &o, e);
}

bool delivery_prepare(struct client *c, struct delivery *d, const char *artifact, struct err *e)
{
    if (d->output == NULL)
        d->output = default_name(c->cli->arena, artifact, d->original);
    if (d->output == NULL)
        return arena_err(e);
    return try_output(c, d->output, d->force, e) &&
           (d->receipt == NULL || try_output(c, d->receipt, d->force, e));
}

/* --- the receipt ------------------------------------------------------------------------------ */

/* The proof of the log follows its next signed head; it is waited for a little. */
static bool read_receipt(struct client *c, const char *id, struct writer *ret, json_t **ret_json,
                         struct err *e)
{
    struct http_call q = {.to = -1};
    json_error_t problem;
    int64_t end = clock_boot_ms() + PROOF_MS;
    TRY(request_path(c, id, "Receipt", &q.path, e));
    for (;;) {
        writer_reset(ret);
        TRY(http_call(c, &q, ret, e));
        json_t *json = json_loadb((const char *)ret->data, ret->len, 0, &problem);
        if (!json_is_object(json)) {
            json_decref(json);
            return err_user(e, ERR_JSON, "The receipt of request %s is not JSON.", id);
        }
        bool pending = strcmp(client_text(json, "logProof"), "pending") == 0;
        if (!pending || clock_boot_ms() > end) {
            *ret_json = json;
            return true;
        }
        json_decref(json);
        clock_sleep(PROOF_PAUSE_MS);
    }
}

static bool keep_receipt(struct client *c, const struct delivery *d, struct reader text,
                         struct err *e)
{
    CLEANUP(output_done) struct output o = {.fd = -1};
    return output_open(c->cli->arena, d->receipt, d->force, 0666, &o, e) &&
           file_write_fd(o.fd, text, e) && output_keep(&o, e);
}

/* What the receipt says about the file must be what was downloaded. */
static bool receipt(struct client *c, const char *id, const char *sha256, const struct delivery *d,
                    struct err *e)
{
    CLEANUP(writer_done) struct writer text = {0};
    json_t *json;
    writer_init(&text, RECEIPT_MOST);
    TRY(read_receipt(c, id, &text, &json, e));
    const char *said = client_text(json_object_get(json, "output"), "sha256");
    bool ok = strcmp(said, sha256) == 0 ||
              err_user(e, ERR_VERIFY_CHANGED,
                       "The receipt of request %s is for another file: SHA-256 %.64s.", id, said);
    json_decref(json);
    return ok && keep_receipt(c, d, writer_view(&text), e);
}

/* --- the file --------------------------------------------------------------------------------- */

static bool download(struct client *c, const json_t *document, const struct delivery *d, int fd,
                     char hex[65], struct err *e)
{
    struct digest_value got;
    CLEANUP(writer_done) struct writer unused = {0};
    struct http_call q = {.to = fd, .got = &got};
    const char *want =
        client_text(document, d->original ? "artifactSha256" : "signedArtifactSha256");
    writer_init(&unused, 1 << 20);
    TRY(request_path(c, client_text(document, "signingRequestId"),
                     d->original ? "UnsignedArtifact" : "SignedArtifact", &q.path, e));
    TRY(http_call(c, &q, &unused, e));
    text_hex(got.bytes, got.len, hex);
    return strcmp(hex, want) == 0 ||
           err_user(e, ERR_VERIFY_CHANGED,
                    "What was downloaded has SHA-256 %.64s, the request says %.64s. Nothing was "
                    "kept.",
                    hex, want);
}

static bool print_done(struct client *c, const json_t *document, const struct delivery *d,
                       const char *hex, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    if (!c->cli->json) {
        writer_format(&w, "%s  sha256:%s\n", d->output, hex);
        return writer_ok(&w, e) && cli_print_text(writer_view(&w), e);
    }
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "signingRequestId", client_text(document, "signingRequestId"));
    json_text(&j, "status", client_text(document, "status"));
    json_text(&j, "webLink", client_text(document, "webLink"));
    json_text(&j, "file", d->output);
    json_text(&j, "sha256", hex);
    json_text(&j, "receipt", d->receipt);
    json_end_object(&j);
    writer_text(&w, "\n");
    return writer_ok(&w, e) && cli_print_json(writer_view(&w), e);
}

bool request_deliver(struct client *c, const json_t *document, struct delivery *d, struct err *e)
{
    char hex[65] = "";
    CLEANUP(output_done) struct output o = {.fd = -1};
    if (d->output == NULL)
        d->output = default_name(c->cli->arena, client_text(document, "fileName"), d->original);
    if (d->output == NULL)
        return arena_err(e);
    TRY(output_open(c->cli->arena, d->output, d->force, 0666, &o, e));
    TRY(download(c, document, d, o.fd, hex, e));
    if (d->receipt != NULL)
        TRY(receipt(c, client_text(document, "signingRequestId"), hex, d, e));
    return output_keep(&o, e) && print_done(c, document, d, hex, e);
}
