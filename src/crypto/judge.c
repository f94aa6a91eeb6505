/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/judge.h"
#include "base/clock.h"

enum { RSA_LEAST = 2048, CLOCKS_DIFFER = 24 * 3600 };
/* Windows: SHA-1 counts for files that were time-stamped before 2016. */
static const int64_t sha1_ends = 1451606400;

static bool strong_enough(const struct signature *s, const struct certificate *c, bool stamped,
                          struct err *e)
{
    if (!c->key_known)
        return err_user(e, ERR_SIGNATURE, "The key of %.150s is of a kind that is not accepted.",
                        c->subject_text);
    if (c->key.kind == KEY_RSA && c->key.bits < RSA_LEAST)
        return err_user(e, ERR_SIGNATURE,
                        "The key of %.150s has %u bits; signatures by RSA keys of less than %d "
                        "bits are not accepted.",
                        c->subject_text, c->key.bits, RSA_LEAST);
    if (s->content_hash < HASH_SHA1)
        return err_user(e, ERR_SIGNATURE, "The file's digest is by MD5, which is not accepted.");
    if (s->content_hash == HASH_SHA1 && (!stamped || s->stamp_time >= sha1_ends))
        return err_user(e, ERR_SIGNATURE,
                        "The file's digest is by SHA-1, which is accepted only with a time stamp "
                        "from before 2016.");
    if (c->has_key_usage && (c->key_usage & (USAGE_DIGITAL_SIGNATURE | USAGE_NON_REPUDIATION)) == 0)
        return err_user(e, ERR_CERTIFICATE, "The certificate of %.150s is not for signatures.",
                        c->subject_text);
    return true;
}

/* A stamp that is not trusted proves no time: then the signature is judged as of now. */
static bool stamp_trusted(struct arena *a, const struct signature *s, const struct judging *by,
                          struct err *why)
{
    if (!s->stamped || s->stamp_certificate_count == 0)
        return false;
    if (s->stamp_time > by->time + CLOCKS_DIFFER)
        return err_user(why, ERR_STAMP_TOKEN, "Its time stamp is from the future.");
    struct trust trust = {.time = s->stamp_time, .usage = OID_TIME_STAMPING, .store = by->roots};
    return chain_verify(a, s->stamp_certificates[0], s->stamp_certificates + 1,
                        s->stamp_certificate_count - 1, &trust, NULL, NULL, why);
}

/* Such a certificate (Microsoft: "lifetime signing") wants to be valid now, stamped or not. */
static bool for_its_lifetime(const struct certificate *c)
{
    for (size_t i = 0; i < c->usage_count; i++)
        if (oid_is(c->usages[i], OID_LIFETIME_SIGNING))
            return true;
    return false;
}

bool signature_judge(struct arena *a, const struct signature *s, const struct judging *by,
                     struct err *e)
{
    struct certificate c;
    struct err stamp = {0}, why = {0};
    if (!s->intact)
        return err_user(e, ERR_SIGNATURE, "%.400s",
                        s->problem != NULL ? s->problem : "The signature does not fit the file.");
    if (s->certificate_count == 0)
        return err_user(e, ERR_SIGNATURE, "The signature does not hold its certificate.");
    TRY(certificate_parse(a, s->certificates[0], &c, e));
    bool stamped = stamp_trusted(a, s, by, &stamp);
    TRY(err_theirs(&stamp, e));
    TRY(strong_enough(s, &c, stamped, e));
    struct trust trust = {.time = stamped && !for_its_lifetime(&c) ? s->stamp_time : by->time,
                          .usage = OID_CODE_SIGNING,
                          .store = by->roots};
    if (chain_verify(a, s->certificates[0], s->certificates + 1, s->certificate_count - 1, &trust,
                     NULL, NULL, &why))
        return true;
    TRY(err_theirs(&why, e));
    return err_user(e, ERR_CERTIFICATE, "%.300s%s%.200s", why.user,
                    s->stamped && !stamped ? " Its time stamp is not trusted either: " : "",
                    s->stamped && !stamped ? stamp.user : "");
}
