/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalog/catalog_sample.h"
#include "crypto/der.h"

/* A list of one file without signers, as MakeCat writes it: usage, identifier, date, algorithm,
 * members (the digest as their name, and an attribute), no extensions. */
void catalog_sample(struct writer *w, enum oid type, bool with_content)
{
    static const uint8_t usage[] = {0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04,
                                    0x01, 0x82, 0x37, 0x0c, 0x01, 0x01};
    static const uint8_t member[] = {0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04,
                                     0x01, 0x82, 0x37, 0x0c, 0x01, 0x03};
    size_t info = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_SIGNED_DATA);
    size_t explicit = der_open(w, DER_CONTEXT_MADE(0));
    size_t data = der_open(w, DER_SEQUENCE);
    der_put_uint(w, 1);
    der_put(w, DER_SET, reader_text(""));
    size_t content = der_open(w, DER_SEQUENCE);
    der_put_oid(w, type);
    if (with_content) {
        size_t inside = der_open(w, DER_CONTEXT_MADE(0));
        size_t list = der_open(w, DER_SEQUENCE);
        der_put(w, DER_SEQUENCE, reader_over(usage, sizeof usage));
        der_put_octets(w, reader_text("0123456789abcdef"));
        der_put_time(w, 1790000000);
        size_t algorithm = der_open(w, DER_SEQUENCE);
        writer_bytes(w, member, sizeof member);
        der_put_null(w);
        der_close(w, algorithm);
        size_t members = der_open(w, DER_SEQUENCE), one = der_open(w, DER_SEQUENCE);
        der_put_octets(w, reader_text("a digest of twenty b"));
        der_put(w, DER_SET, reader_text(""));
        der_close(w, one);
        der_close(w, members);
        der_close(w, list);
        der_close(w, inside);
    }
    der_close(w, content);
    der_put(w, DER_SET, reader_text(""));
    der_close(w, data);
    der_close(w, explicit);
    der_close(w, info);
}
