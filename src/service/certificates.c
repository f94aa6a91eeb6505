/* SPDX-License-Identifier: Apache-2.0 */
#include "service/certificates.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "service/authority.h"
#include "service/events.h"
#include <string.h>

static bool known_type(const char *name, struct key_type *ret, struct err *e)
{
    static const char *const offered[] = {"rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384"};
    for (size_t i = 0; i < COUNT_OF(offered); i++)
        if (strcmp(name, offered[i]) == 0)
            return key_type_from_name(name, ret) || err_set(e, ERR_INTERNAL, "key type");
    return service_field_err(e, "key",
                             "The key must be one of: rsa-2048, rsa-3072, rsa-4096, ec-p256, "
                             "ec-p384.");
}

bool certificate_check_wish(const struct certificate_wish *wish, struct err *e)
{
    struct key_type type;
    TRY(known_type(wish->key_type, &type, e));
    if (strcmp(wish->purpose, "Release") == 0 && type.kind == KEY_RSA && type.bits < 3072)
        return service_field_err(e, "key",
                                 "A Release certificate needs an RSA key of 3072 bits or more, or "
                                 "an EC key.");
    struct reader list = wish->subject;
    struct record_PAIR pair;
    bool has_name = false;
    while (list.left > 0) {
        static const char *const parts[] = {"CN", "O", "OU", "L", "ST", "C", "emailAddress"};
        bool known = false;
        if (!record_PAIR_next(&list, &pair))
            return err_set(e, ERR_INTERNAL, "subject");
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            known = known || reader_equal_text(pair.name, parts[i]);
        if (!known || pair.value.left == 0 || pair.value.left > 400)
            return service_field_err(e, "subject",
                                     "A subject has CN, O, OU, L, ST, C and emailAddress, none of "
                                     "them empty.");
        if (reader_equal_text(pair.name, "C") && pair.value.left != 2)
            return service_field_err(e, "subject", "C is a country code of two letters.");
        has_name = has_name || reader_equal_text(pair.name, "CN");
    }
    return has_name || service_field_err(e, "subject", "The subject needs a common name (CN).");
}

static bool make_key(struct service *s, const char *key, const char *type, struct arena *a,
                     struct reader *ret_spki, struct err *e)
{
    struct call call;
    struct msg_KEY_MADE made;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1000);
    call_begin(s->key, &call);
    msg_KEY_NEW_write(&w, &(struct msg_KEY_NEW){.call = call.number,
                                                .key = reader_text(key),
                                                .type = reader_text(type)});
    bool ok = writer_ok(&w, e) && call_ask(&call, MSG_KEY_NEW, writer_view(&w), MSG_KEY_MADE, e);
    if (ok && !msg_KEY_MADE_read(writer_view(&call.answer), &made))
        ok = err_set(e, ERR_IPC_MESSAGE, "KEY_MADE");
    if (ok) {
        *ret_spki = arena_bytes(a, made.spki);
        ok = ret_spki->at != NULL || arena_err(e);
    }
    call_end(&call);
    return ok;
}

void certificate_discard(struct service *s, const struct certificate_made *made)
{
    struct call call;
    struct err ignored = {0}; /* a key that stays behind signs nothing: no policy names it */
    struct writer w;
    writer_init(&w, 1000);
    call_begin(s->key, &call);
    msg_KEY_DROP_write(
        &w, &(struct msg_KEY_DROP){.call = call.number, .key = reader_text(made->key_id)});
    if (!call_ask(&call, MSG_KEY_DROP, writer_view(&w), MSG_KEY_DROPPED, &ignored))
        ignored.code = ERR_NONE;
    call_end(&call);
    writer_done(&w);
}

static bool write_tbs(const struct certificate_wish *wish, struct reader spki, struct arena *a,
                      struct certificate_made *made, struct writer *tbs,
                      sign_algorithm *ret_algorithm, struct err *e)
{
    enum { MOST = 16, DAY_MS = 24 * 3600 * 1000 };
    struct name_part parts[MOST];
    struct certificate_plan plan = {.subject = parts, .spki = spki};
    struct reader list = wish->subject;
    const char *subject = "";
    while (list.left > 0 && plan.subject_count < MOST) {
        struct record_PAIR pair;
        if (!record_PAIR_next(&list, &pair))
            return err_set(e, ERR_INTERNAL, "subject");
        struct name_part *p = &parts[plan.subject_count++];
        *p = (struct name_part){arena_text(a, pair.name), arena_text(a, pair.value)};
        if (p->type == NULL || p->value == NULL)
            return arena_err(e);
        subject = arena_format(a, "%s%s%s=%s", subject, subject[0] == '\0' ? "" : ", ", p->type,
                               p->value);
    }
    TRY(file_random(plan.serial, sizeof plan.serial, e));
    made->subject = subject;
    made->not_before = clock_wall_ms() / 1000 * 1000;
    made->not_after = made->not_before + wish->valid_days * DAY_MS;
    plan.not_before = made->not_before / 1000;
    plan.not_after = made->not_after / 1000;
    return certificate_tbs(&plan, tbs, ret_algorithm, e);
}

struct certify {
    struct service *service;
    const struct actor *by;
    struct grant_wish wish;
    struct grant_made made;
};

static bool add_intent(struct db_tx *tx, void *ctx, struct err *e)
{
    struct certify *c = ctx;
    return authority_intent(tx, c->service, c->by, &c->wish, &c->made, e);
}

static bool certify(struct service *s, const struct actor *by, const struct certificate_made *made,
                    sign_algorithm algorithm, struct reader tbs, struct writer *signature,
                    struct err *e)
{
    enum { FIVE_MINUTES = 5 * 60 * 1000 };
    struct digest_value digest, subject;
    CLEANUP(writer_done) struct writer known = {0};
    TRY(digest_of(sign_hash(algorithm), tbs, &digest, e));
    TRY(digest_of(HASH_SHA256, tbs, &subject, e)); /* what is decided on is the certificate text */
    writer_init(&known, 1000);
    record_SLOT_write(&known, &(struct record_SLOT){.slot = 0, .digest = digest_view(&digest)});
    struct certify c = {.service = s,
                        .by = by,
                        .wish = {.kind = GRANT_CERTIFY,
                                 .request = made->key_id,
                                 .attempt = 1,
                                 .subject = digest_view(&subject),
                                 .key = made->key_id,
                                 .algorithms = &algorithm,
                                 .algorithm_count = 1,
                                 .slots = 1,
                                 .known = writer_view(&known),
                                 .lifetime_ms = FIVE_MINUTES}};
    TRY(db_write(s->db, CRASH_H1, add_intent, &c, e));
    return authority_hash(s, c.made.intent, signature, e);
}

bool certificate_make(struct service *s, const struct actor *by,
                      const struct certificate_wish *wish, struct arena *a,
                      struct certificate_made *ret, struct err *e)
{
    struct certificate_made made = {.slug = wish->slug, .key_type = wish->key_type};
    CLEANUP(writer_done) struct writer tbs = {0};
    CLEANUP(writer_done) struct writer signature = {0};
    CLEANUP(writer_done) struct writer der = {0};
    sign_algorithm algorithm;
    struct reader spki;
    writer_init(&tbs, 64 * 1024);
    writer_init(&signature, 4096);
    writer_init(&der, 64 * 1024);
    TRY(certificate_check_wish(wish, e));
    TRY(service_new_id(a, &made.key_id, e));
    TRY(make_key(s, made.key_id, wish->key_type, a, &spki, e));
    bool ok = write_tbs(wish, spki, a, &made, &tbs, &algorithm, e) &&
              certify(s, by, &made, algorithm, writer_view(&tbs), &signature, e) &&
              certificate_finish(writer_view(&tbs), algorithm, writer_view(&signature), &der, e);
    made.der = ok ? arena_bytes(a, writer_view(&der)) : made.der;
    if (!ok || made.der.at == NULL) {
        certificate_discard(s, &made);
        return ok ? arena_err(e) : false;
    }
    *ret = made;
    return true;
}

bool certificate_check_usable(const struct db_rows *row, int64_t now, struct err *e)
{
    const char *slug = row_text(row, "slug"), *status = row_text(row, "status");
    char when[25];
    if (strcmp(status, "Active") != 0 || row_null(row, "der"))
        return err_user(e, ERR_WRONG_STATE,
                        "The certificate \"%s\" of the signing policy is not active (%s). A "
                        "Certificate Administrator can change that.",
                        slug, status);
    clock_iso(row_int(row, "not_after"), when);
    if (now > row_int(row, "not_after"))
        return err_user(e, ERR_WRONG_STATE,
                        "The certificate \"%s\" of the signing policy expired on %.10s. A Project "
                        "Administrator can assign another one.",
                        slug, when);
    return now >= row_int(row, "not_before") ||
           err_user(e, ERR_WRONG_STATE, "The certificate \"%s\" is not valid yet.", slug);
}

enum configuration_key certificate_key_kind(const struct db_rows *row)
{
    return strncmp(row_text(row, "key_type"), "ec-", 3) == 0 ? KEY_X509_EC : KEY_X509_RSA;
}

bool policy_check_servers(const struct service *s, const char *timestamp_mode,
                          const char *scan_mode, struct err *e)
{
    if (strcmp(timestamp_mode, "required") == 0 && s->tsa_count == 0)
        return err_user(e, ERR_WRONG_STATE,
                        "The signing policy requires time stamps, but no time-stamp server is "
                        "configured. The operator can name one (setting tsa).");
    if (strcmp(scan_mode, "required") == 0)
        return err_set(e, ERR_SCAN_REQUIRED, NULL);
    return strcmp(scan_mode, "off") == 0 || !s->scanner_set ||
           err_user(e, ERR_SCAN_REQUIRED,
                    "A malware scanner is configured, but this version cannot ask it yet. The "
                    "operator can remove the setting scanner; scans are then recorded as skipped.");
}
