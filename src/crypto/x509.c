/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"
#include "base/text.h"
#include "crypto/digest.h"
#include <string.h>

enum { NAME_PARTS = 64 };

/* clang-format off */
static const struct {
    enum oid id;
    const char *label;
} labels[] = {
    {OID_CN, "CN"}, {OID_O, "O"}, {OID_OU, "OU"}, {OID_L, "L"}, {OID_ST, "ST"}, {OID_C, "C"},
    {OID_EMAIL, "emailAddress"}, {OID_STREET, "STREET"}, {OID_DC, "DC"}, {OID_SURNAME, "SN"},
    {OID_GIVEN_NAME, "GN"}, {OID_SERIAL_NUMBER, "serialNumber"},
};
/* clang-format on */

/* RFC 4514 2.4 */
static void escape(struct writer *w, const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++) {
        char c = value[i];
        bool edge = (c == ' ' && (i == 0 || i + 1 == len)) || (c == '#' && i == 0);
        if (edge || strchr("\"+,;<>\\", c) != NULL)
            writer_u8(w, '\\');
        if ((unsigned char)c < 0x20 || c == 0x7f)
            writer_format(w, "\\%02X", (unsigned)(unsigned char)c);
        else
            writer_u8(w, (uint8_t)c);
    }
}

static bool attribute_text(struct arena *a, struct writer *w, struct reader pair,
                           const char **common_name)
{
    struct reader oid;
    struct der value;
    char *text, *dotted;
    TRY(der_oid(&pair, &oid) && der_any(&pair, &value) && reader_at_end(&pair));
    bool readable = der_string(a, &value, &text);
    enum oid id = oid_find(oid);
    size_t i = 0;
    while (i < COUNT_OF(labels) && labels[i].id != id)
        i++;
    if (i < COUNT_OF(labels)) {
        writer_format(w, "%s=", labels[i].label);
    } else {
        TRY((dotted = oid_text(a, oid)) != NULL);
        writer_format(w, "%s=", dotted);
    }
    if (readable) {
        escape(w, text);
    } else {
        writer_u8(w, '#');
        for (uint8_t b; reader_u8(&value.whole, &b);)
            writer_format(w, "%02x", (unsigned)b);
    }
    if (id == OID_CN && readable)
        *common_name = text;
    return true;
}

/* name: content of the Name. RFC 4514 writes the last RelativeDistinguishedName first. */
static bool name_text(struct arena *a, struct reader name, const char **ret, const char **ret_cn)
{
    struct reader sets[NAME_PARTS], pair;
    size_t count = 0;
    struct writer w;
    const char *cn = NULL;
    while (name.left > 0) {
        TRY(count < NAME_PARTS && der_get(&name, DER_SET, &sets[count]) && sets[count].left > 0);
        count++;
    }
    writer_init(&w, CERTIFICATE_BYTES * 4);
    bool ok = true;
    for (size_t i = count; ok && i > 0; i--) {
        struct reader set = sets[i - 1];
        for (bool first = true; ok && set.left > 0; first = false) {
            if (i < count || !first)
                writer_u8(&w, first ? ',' : '+');
            /* of several common names the one that is written first is shown */
            const char *found = NULL;
            ok = der_get(&set, DER_SEQUENCE, &pair) && attribute_text(a, &w, pair, &found);
            cn = cn == NULL ? found : cn;
        }
    }
    char *text = ok && !w.failed ? arena_text(a, writer_view(&w)) : NULL;
    writer_done(&w);
    TRY(text != NULL);
    *ret = text;
    if (ret_cn != NULL)
        *ret_cn = cn;
    return true;
}

static bool read_key_usage(struct reader value, struct certificate *c)
{
    struct reader bits;
    uint8_t unused, b;
    TRY(der_only(value, DER_BIT_STRING, &bits) && reader_u8(&bits, &unused) && unused < 8);
    c->has_key_usage = true;
    for (unsigned bit = 0; reader_u8(&bits, &b) && bit < 16;)
        for (unsigned mask = 0x80; mask != 0; mask >>= 1, bit++)
            c->key_usage |= (b & mask) != 0 ? 1u << bit : 0;
    return true;
}

static bool read_usages(struct reader value, struct certificate *c)
{
    struct reader list;
    TRY(der_only(value, DER_SEQUENCE, &list) && list.left > 0);
    while (list.left > 0) {
        TRY(c->usage_count < USAGES_MAX && der_oid(&list, &c->usages[c->usage_count]));
        c->usage_count++;
    }
    return true;
}

static bool read_basic_constraints(struct reader value, struct certificate *c)
{
    struct reader seq, depth;
    TRY(der_only(value, DER_SEQUENCE, &seq));
    if (der_next_is(seq, DER_BOOLEAN))
        TRY(der_boolean(&seq, &c->ca));
    if (der_next_is(seq, DER_INTEGER))
        TRY(der_integer(&seq, &depth));
    return reader_at_end(&seq);
}

static bool read_issuer_key_id(struct reader value, struct certificate *c)
{
    struct reader seq;
    return der_only(value, DER_SEQUENCE, &seq) &&
           der_optional(&seq, DER_CONTEXT(0), &c->issuer_key_id);
}

static bool read_extension(struct reader ext, struct certificate *c, unsigned *seen)
{
    struct reader oid, value;
    bool critical = false;
    TRY(der_oid(&ext, &oid));
    if (der_next_is(ext, DER_BOOLEAN))
        TRY(der_boolean(&ext, &critical));
    TRY(der_octets(&ext, &value) && reader_at_end(&ext));
    enum oid id = oid_find(oid);
    static const enum oid read[] = {OID_KEY_USAGE, OID_EXTENDED_KEY_USAGE, OID_BASIC_CONSTRAINTS,
                                    OID_KEY_ID, OID_ISSUER_KEY_ID};
    for (unsigned i = 0; i < COUNT_OF(read); i++) {
        if (read[i] != id)
            continue;
        TRY((*seen & 1u << i) == 0); /* RFC 5280 4.2: at most once */
        *seen |= 1u << i;
    }
    if (id == OID_KEY_USAGE)
        return read_key_usage(value, c);
    if (id == OID_EXTENDED_KEY_USAGE) {
        c->usage_critical = critical;
        return read_usages(value, c);
    }
    if (id == OID_BASIC_CONSTRAINTS)
        return read_basic_constraints(value, c);
    if (id == OID_ISSUER_KEY_ID)
        return read_issuer_key_id(value, c);
    return id != OID_KEY_ID || der_only(value, DER_OCTET_STRING, &c->key_id);
}

static bool read_extensions(struct reader tbs, struct certificate *c)
{
    struct reader field, list, ext;
    unsigned seen = 0;
    TRY(der_optional(&tbs, 0x81, &field) && der_optional(&tbs, 0x82, &field) &&
        der_optional(&tbs, DER_CONTEXT_MADE(3), &field) && reader_at_end(&tbs));
    if (field.at == NULL)
        return true;
    TRY(der_only(field, DER_SEQUENCE, &list));
    while (list.left > 0)
        TRY(der_get(&list, DER_SEQUENCE, &ext) && read_extension(ext, c, &seen));
    return true;
}

/* RFC 5280 4.1 */
static bool read_tbs(struct arena *a, struct reader tbs, struct certificate *c)
{
    struct reader version, algorithm, validity, issuer, subject;
    TRY(der_optional(&tbs, DER_CONTEXT_MADE(0), &version) && der_integer(&tbs, &c->serial) &&
        der_get(&tbs, DER_SEQUENCE, &algorithm) && der_whole(&tbs, DER_SEQUENCE, &c->issuer) &&
        der_get(&tbs, DER_SEQUENCE, &validity) && der_time(&validity, &c->not_before, NULL) &&
        der_time(&validity, &c->not_after, NULL) && reader_at_end(&validity) &&
        der_whole(&tbs, DER_SEQUENCE, &c->subject) && der_whole(&tbs, DER_SEQUENCE, &c->spki));
    TRY(der_only(c->issuer, DER_SEQUENCE, &issuer) && der_only(c->subject, DER_SEQUENCE, &subject));
    c->self_issued = reader_equal(c->issuer, c->subject);
    return name_text(a, issuer, &c->issuer_text, NULL) &&
           name_text(a, subject, &c->subject_text, &c->common_name) && read_extensions(tbs, c);
}

static bool thumbprint(enum hash hash, struct reader der, uint8_t *to, struct err *e)
{
    struct digest_value v;
    TRY(digest_of(hash, der, &v, e));
    struct reader bytes = digest_view(&v);
    return reader_copy(&bytes, to, v.len) || err_set(e, ERR_CRYPTO, "digest length");
}

bool certificate_parse(struct arena *a, struct reader der, struct certificate *ret, struct err *e)
{
    struct certificate c = {.der = der};
    struct reader outer, tbs, algorithm, bits;
    if (der.left > CERTIFICATE_BYTES)
        return err_user(e, ERR_CERTIFICATE, "A certificate of %zu bytes is not accepted.",
                        der.left);
    bool ok = der_only(der, DER_SEQUENCE, &outer) && der_whole(&outer, DER_SEQUENCE, &c.tbs) &&
              der_get(&outer, DER_SEQUENCE, &algorithm) && der_bytes_of_bits(&outer, &bits) &&
              reader_at_end(&outer) && der_only(c.tbs, DER_SEQUENCE, &tbs) && read_tbs(a, tbs, &c);
    if (!ok && arena_failed(a))
        return arena_err(e);
    if (!ok)
        return err_user(e, ERR_CERTIFICATE, "This is not a well-formed X.509 certificate.");
    struct err why = {0};
    c.key_known = key_type_of_spki(c.spki, &c.key, &why);
    TRY(thumbprint(HASH_SHA1, der, c.sha1, e) && thumbprint(HASH_SHA256, der, c.sha256, e));
    *ret = c;
    return true;
}

bool certificate_usable_for(const struct certificate *c, enum oid usage)
{
    for (size_t i = 0; i < c->usage_count; i++)
        if (oid_is(c->usages[i], usage) || oid_is(c->usages[i], OID_ANY_USAGE))
            return true;
    return c->usage_count == 0;
}
