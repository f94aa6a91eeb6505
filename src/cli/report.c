/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include <stdio.h>
#include <string.h>

static bool grow(struct report *r, void **list, size_t count, size_t *room, size_t size,
                 struct err *e)
{
    if (count < *room)
        return true;
    size_t more = 2 * *room + 16;
    void *larger = arena_grow(r->arena, *list, count, more, size);
    if (larger == NULL)
        return arena_err(e);
    *list = larger;
    *room = more;
    return true;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool name_signer(struct report *r, const struct reader *certificates, size_t count,
                        const char **ret_subject, const char **ret_issuer, struct err *e)
{
    if (count == 0)
        return true;
    struct certificate c;
    TRY(certificate_parse(r->arena, certificates[0], &c, e));
    *ret_subject = c.subject_text;
    if (ret_issuer != NULL)
        *ret_issuer = c.issuer_text;
    return true;
}

/* The reason why a chain is not good, or NULL. */
static const char *judge_chain(struct report *r, const struct reader *certificates, size_t count,
                               const struct trust *trust)
{
    struct err e = {0};
    if (count == 0)
        return "the signature names no certificate";
    if (chain_verify(r->arena, certificates[0], certificates + 1, count - 1, trust, NULL, NULL, &e))
        return NULL;
    const char *text = arena_format(r->arena, "%s", e.user);
    return text != NULL ? text : "no memory";
}

static void judge(struct report *r, struct report_signature *s, const struct report_trust *t)
{
    const struct signature *x = s->signature;
    if (!x->intact) {
        s->problem = x->problem != NULL ? x->problem : "the signature does not fit the file";
        return;
    }
    if (x->stamped && t->stamp_root_count > 0) {
        struct trust trust = {.roots = t->stamp_roots,
                              .root_count = t->stamp_root_count,
                              .time = x->stamp_time,
                              .usage = OID_TIME_STAMPING};
        s->stamp_judged = true;
        s->problem = judge_chain(r, x->stamp_certificates, x->stamp_certificate_count, &trust);
    }
    if (s->problem == NULL && t->root_count > 0) {
        struct trust trust = {.roots = t->roots,
                              .root_count = t->root_count,
                              .time = x->stamped ? x->stamp_time : t->time,
                              .usage = OID_CODE_SIGNING};
        s->chain_judged = true;
        s->problem = judge_chain(r, x->certificates, x->certificate_count, &trust);
    }
}

bool report_add(struct report *r, const char *path, const struct signature *list, size_t count,
                const struct report_trust *trust, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        TRY(grow(r, (void **)&r->signatures, r->count, &r->room, sizeof *r->signatures, e));
        struct report_signature s = {.path = path, .signature = &list[i]};
        TRY(name_signer(r, list[i].certificates, list[i].certificate_count, &s.signer, &s.issuer,
                        e));
        TRY(name_signer(r, list[i].stamp_certificates, list[i].stamp_certificate_count, &s.stamper,
                        NULL, e));
        judge(r, &s, trust);
        r->signatures[r->count++] = s;
    }
    return true;
}

bool report_note(struct report *r, const char *path, const char *text, struct err *e)
{
    TRY(grow(r, (void **)&r->notes, r->note_count, &r->note_room, sizeof *r->notes, e));
    const char *copy = arena_format(r->arena, "%s", text);
    if (copy == NULL)
        return arena_err(e);
    r->notes[r->note_count++] = (struct report_note){path, copy};
    return true;
}

bool report_good(const struct report *r)
{
    bool good = r->count > 0;
    for (size_t i = 0; i < r->count; i++)
        good &= r->signatures[i].problem == NULL;
    return good;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void json_time(struct json *j, const char *key, int64_t seconds)
{
    char iso[25];
    clock_iso(seconds * 1000, iso);
    json_text(j, key, iso);
}

static bool json_certificate(struct json *j, const struct signature *x, struct err *e)
{
    if (x->certificate_count == 0)
        return true;
    struct digest_value v;
    TRY(digest_of(HASH_SHA256, x->certificates[0], &v, e));
    json_hex(j, "certificateSha256", v.bytes, v.len);
    return true;
}

static bool json_signature(struct json *j, const struct report_signature *s, struct err *e)
{
    const struct signature *x = s->signature;
    json_open_object(j, NULL);
    json_text(j, "path", s->path);
    json_text(j, "kind", x->kind);
    json_bool(j, "valid", s->problem == NULL);
    json_text(j, "problem", s->problem);
    json_bool(j, "intact", x->intact);
    json_bool(j, "chainJudged", s->chain_judged);
    json_text(j, "hash", hash_name(x->content_hash));
    json_hex(j, "contentDigest", x->content_digest.at, x->content_digest.left);
    json_hex(j, "signedDigest", x->signed_digest.at, x->signed_digest.left);
    json_text(j, "signer", s->signer);
    json_text(j, "issuer", s->issuer);
    TRY(json_certificate(j, x, e));
    if (x->stamped) {
        json_time(j, "timestamp", x->stamp_time);
        json_text(j, "timestampSigner", s->stamper);
        json_bool(j, "timestampJudged", s->stamp_judged);
    } else {
        json_put_null(j, "timestamp");
    }
    json_open_object(j, "details");
    for (size_t i = 0; i < x->details.count; i++)
        json_text(j, x->details.list[i].name, x->details.list[i].value);
    json_end_object(j);
    json_end_object(j);
    return true;
}

bool report_json(const struct report *r, const char *artifact, struct writer *w, struct err *e)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_text(&j, "artifact", artifact);
    json_bool(&j, "valid", report_good(r));
    json_u64(&j, "files", r->files);
    json_open_array(&j, "signatures");
    for (size_t i = 0; i < r->count; i++)
        TRY(json_signature(&j, &r->signatures[i], e));
    json_end_array(&j);
    json_open_array(&j, "notes");
    for (size_t i = 0; i < r->note_count; i++) {
        json_open_object(&j, NULL);
        json_text(&j, "path", r->notes[i].path);
        json_text(&j, "text", r->notes[i].text);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    writer_u8(w, '\n');
    return writer_ok(w, e);
}

static void text_signature(struct writer *w, const struct report_signature *s)
{
    const struct signature *x = s->signature;
    const char *hash = hash_name(x->content_hash);
    writer_format(w, "%s %s\n    %s, %s%s%s\n", s->problem == NULL ? "valid  " : "INVALID", s->path,
                  x->kind, hash != NULL ? hash : "?", s->signer != NULL ? ", by " : "",
                  s->signer != NULL ? s->signer : "");
    if (s->problem != NULL)
        writer_format(w, "    problem: %s\n", s->problem);
    if (x->stamped) {
        char iso[25];
        clock_iso(x->stamp_time * 1000, iso);
        writer_format(w, "    time stamp: %s%s%s%s\n", iso, s->stamper != NULL ? " by " : "",
                      s->stamper != NULL ? s->stamper : "",
                      s->stamp_judged      ? ""
                      : s->problem != NULL ? " (server not judged)"
                                           : " (server not judged: no --tsa-ca)");
    } else {
        writer_text(w, "    no time stamp\n");
    }
    if (s->problem == NULL && !s->chain_judged)
        writer_text(w, "    intact; whether the signer is trusted was not judged: no --ca\n");
}

bool report_text(const struct report *r, const char *artifact, struct writer *w, struct err *e)
{
    size_t bad = 0;
    for (size_t i = 0; i < r->count; i++) {
        text_signature(w, &r->signatures[i]);
        bad += r->signatures[i].problem != NULL;
    }
    for (size_t i = 0; i < r->note_count; i++)
        writer_format(w, "note    %s: %s\n", r->notes[i].path, r->notes[i].text);
    if (r->count == 0)
        writer_format(w, "%s: no signature found in %zu file%s\n", artifact, r->files,
                      r->files == 1 ? "" : "s");
    else
        writer_format(w, "%s: %zu signature%s, %zu invalid\n", artifact, r->count,
                      r->count == 1 ? "" : "s", bad);
    return writer_ok(w, e);
}
