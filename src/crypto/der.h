/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H
#include "base/arena.h"
#include "base/writer.h"
#include "crypto/oid.h"

/* Strict DER (X.690): definite and minimal lengths, one-byte tags. BER is refused, not repaired.
 * A struct reader over content octets is the cursor; false means "not that" and nothing moved. */
enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8 = 0x0c,
    DER_PRINTABLE = 0x13,
    DER_T61 = 0x14,
    DER_IA5 = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_BMP = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_DEPTH = 32, /* deepest nesting that der_valid accepts */
};
#define DER_CONTEXT(n)      (0x80 | (n)) /* [n] IMPLICIT of a primitive type */
#define DER_CONTEXT_MADE(n) (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a constructed type */

/* One element with its tag, whole (tag and length too) and content. */
struct der {
    uint8_t tag;
    struct reader whole, content;
};
MUST_CHECK bool der_any(struct reader *r, struct der *ret);
MUST_CHECK bool der_get(struct reader *r, unsigned tag, struct reader *ret_content);
MUST_CHECK bool der_whole(struct reader *r, unsigned tag, struct reader *ret_whole);
/* Whether the next element has this tag; false at the end. */
MUST_CHECK bool der_next_is(struct reader r, unsigned tag);
/* Absent: true with *ret_content empty and .at NULL. */
MUST_CHECK bool der_optional(struct reader *r, unsigned tag, struct reader *ret_content);
/* The same element as the only one: nothing may follow. */
MUST_CHECK bool der_only(struct reader r, unsigned tag, struct reader *ret_content);

MUST_CHECK bool der_integer(struct reader *r, struct reader *ret); /* minimal, either sign */
MUST_CHECK bool der_uint(struct reader *r, uint64_t *ret);         /* 0 .. 2^64-1 */
MUST_CHECK bool der_boolean(struct reader *r, bool *ret);
MUST_CHECK bool der_oid(struct reader *r, struct reader *ret); /* content octets, well-formed */
MUST_CHECK bool der_octets(struct reader *r, struct reader *ret);
MUST_CHECK bool der_bytes_of_bits(struct reader *r, struct reader *ret); /* no unused bits */
/* UTCTime or GeneralizedTime in Zulu; *ret_nanos (may be NULL) gets the fraction. */
MUST_CHECK bool der_time(struct reader *r, int64_t *ret, uint32_t *ret_nanos);
/* Any of the string types as UTF-8; T61 is read as ISO 8859-1, as everybody does. */
MUST_CHECK bool der_string(struct arena *a, const struct der *element, char **ret);
/* AlgorithmIdentifier; parameters: the whole element, empty when absent. */
MUST_CHECK bool der_algorithm(struct reader *r, struct reader *ret_oid, struct reader *ret_params);
/* One whole element, everything constructed inside of it checked down to DER_DEPTH. */
MUST_CHECK bool der_valid(struct reader one);
bool der_err(struct err *e, const char *what);

/* Constructed elements: at = der_open(w, tag); ...content...; der_close(w, at). */
size_t der_open(struct writer *w, unsigned tag);
void der_close(struct writer *w, size_t at);
void der_put(struct writer *w, unsigned tag, struct reader content);
void der_put_uint(struct writer *w, uint64_t v);
void der_put_unsigned(struct writer *w, struct reader big_endian); /* any length, non-negative */
void der_put_oid(struct writer *w, enum oid id);
void der_put_oid_bytes(struct writer *w, struct reader content);
void der_put_null(struct writer *w);
void der_put_true(struct writer *w);
void der_put_octets(struct writer *w, struct reader bytes);
void der_put_bits(struct writer *w, struct reader bytes); /* BIT STRING without unused bits */
/* UTCTime until 2049, GeneralizedTime from then on (RFC 5280 4.1.2.5). */
void der_put_time(struct writer *w, int64_t seconds);
/* Whole elements in DER order of a SET OF; sorts the array in place. */
void der_sort(struct reader *elements, size_t count);
#endif
