/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_OID_H
#define CRYPTO_OID_H
#include "base/arena.h"

/* Object identifiers by name; the content octets are made from the dotted form and tested. */
/* clang-format off */
#define OID_TABLE(O) \
    O(OID_DATA,                   "1.2.840.113549.1.7.1",      "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01") \
    O(OID_SIGNED_DATA,            "1.2.840.113549.1.7.2",      "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02") \
    O(OID_TST_INFO,               "1.2.840.113549.1.9.16.1.4", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04") \
    O(OID_CONTENT_TYPE,           "1.2.840.113549.1.9.3",      "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03") \
    O(OID_MESSAGE_DIGEST,         "1.2.840.113549.1.9.4",      "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04") \
    O(OID_SIGNING_TIME,           "1.2.840.113549.1.9.5",      "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05") \
    O(OID_COUNTER_SIGNATURE,      "1.2.840.113549.1.9.6",      "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x06") \
    O(OID_EMAIL,                  "1.2.840.113549.1.9.1",      "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01") \
    O(OID_COMMITMENT_TYPE,        "1.2.840.113549.1.9.16.2.16","\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x10") \
    O(OID_PROOF_OF_ORIGIN,        "1.2.840.113549.1.9.16.6.1", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x06\x01") \
    O(OID_PROOF_OF_RECEIPT,       "1.2.840.113549.1.9.16.6.2", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x06\x02") \
    O(OID_STAMP_TOKEN,            "1.2.840.113549.1.9.16.2.14","\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0e") \
    O(OID_SIGNING_CERTIFICATE,    "1.2.840.113549.1.9.16.2.12","\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0c") \
    O(OID_SIGNING_CERTIFICATE_V2, "1.2.840.113549.1.9.16.2.47","\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f") \
    O(OID_RSA,                    "1.2.840.113549.1.1.1",      "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") \
    O(OID_RSA_MD5,                "1.2.840.113549.1.1.4",      "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04") \
    O(OID_RSA_SHA1,               "1.2.840.113549.1.1.5",      "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05") \
    O(OID_RSA_SHA256,             "1.2.840.113549.1.1.11",     "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b") \
    O(OID_RSA_SHA384,             "1.2.840.113549.1.1.12",     "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c") \
    O(OID_RSA_SHA512,             "1.2.840.113549.1.1.13",     "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d") \
    O(OID_RSA_PSS,                "1.2.840.113549.1.1.10",     "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") \
    O(OID_MGF1,                   "1.2.840.113549.1.1.8",      "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08") \
    O(OID_EC_KEY,                 "1.2.840.10045.2.1",         "\x2a\x86\x48\xce\x3d\x02\x01") \
    O(OID_P256,                   "1.2.840.10045.3.1.7",       "\x2a\x86\x48\xce\x3d\x03\x01\x07") \
    O(OID_P384,                   "1.3.132.0.34",              "\x2b\x81\x04\x00\x22") \
    O(OID_P521,                   "1.3.132.0.35",              "\x2b\x81\x04\x00\x23") \
    O(OID_ECDSA_SHA1,             "1.2.840.10045.4.1",         "\x2a\x86\x48\xce\x3d\x04\x01") \
    O(OID_ECDSA_SHA256,           "1.2.840.10045.4.3.2",       "\x2a\x86\x48\xce\x3d\x04\x03\x02") \
    O(OID_ECDSA_SHA384,           "1.2.840.10045.4.3.3",       "\x2a\x86\x48\xce\x3d\x04\x03\x03") \
    O(OID_ECDSA_SHA512,           "1.2.840.10045.4.3.4",       "\x2a\x86\x48\xce\x3d\x04\x03\x04") \
    O(OID_ED25519,                "1.3.101.112",               "\x2b\x65\x70") \
    O(OID_CN,                     "2.5.4.3",                   "\x55\x04\x03") \
    O(OID_SURNAME,                "2.5.4.4",                   "\x55\x04\x04") \
    O(OID_SERIAL_NUMBER,          "2.5.4.5",                   "\x55\x04\x05") \
    O(OID_C,                      "2.5.4.6",                   "\x55\x04\x06") \
    O(OID_L,                      "2.5.4.7",                   "\x55\x04\x07") \
    O(OID_ST,                     "2.5.4.8",                   "\x55\x04\x08") \
    O(OID_STREET,                 "2.5.4.9",                   "\x55\x04\x09") \
    O(OID_O,                      "2.5.4.10",                  "\x55\x04\x0a") \
    O(OID_OU,                     "2.5.4.11",                  "\x55\x04\x0b") \
    O(OID_GIVEN_NAME,             "2.5.4.42",                  "\x55\x04\x2a") \
    O(OID_DC,                     "0.9.2342.19200300.100.1.25","\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19") \
    O(OID_KEY_ID,                 "2.5.29.14",                 "\x55\x1d\x0e") \
    O(OID_KEY_USAGE,              "2.5.29.15",                 "\x55\x1d\x0f") \
    O(OID_BASIC_CONSTRAINTS,      "2.5.29.19",                 "\x55\x1d\x13") \
    O(OID_ISSUER_KEY_ID,          "2.5.29.35",                 "\x55\x1d\x23") \
    O(OID_EXTENDED_KEY_USAGE,     "2.5.29.37",                 "\x55\x1d\x25") \
    O(OID_ANY_USAGE,              "2.5.29.37.0",               "\x55\x1d\x25\x00") \
    O(OID_CODE_SIGNING,           "1.3.6.1.5.5.7.3.3",         "\x2b\x06\x01\x05\x05\x07\x03\x03") \
    O(OID_EMAIL_PROTECTION,       "1.3.6.1.5.5.7.3.4",         "\x2b\x06\x01\x05\x05\x07\x03\x04") \
    O(OID_LIFETIME_SIGNING,       "1.3.6.1.4.1.311.10.3.13",   "\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x0d") \
    O(OID_TIME_STAMPING,          "1.3.6.1.5.5.7.3.8",         "\x2b\x06\x01\x05\x05\x07\x03\x08") \
    O(OID_SPC_INDIRECT_DATA,      "1.3.6.1.4.1.311.2.1.4",     "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04") \
    O(OID_SPC_STATEMENT_TYPE,     "1.3.6.1.4.1.311.2.1.11",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0b") \
    O(OID_SPC_OPUS_INFO,          "1.3.6.1.4.1.311.2.1.12",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0c") \
    O(OID_SPC_PE_IMAGE_DATA,      "1.3.6.1.4.1.311.2.1.15",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0f") \
    O(OID_SPC_INDIVIDUAL,         "1.3.6.1.4.1.311.2.1.21",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x15") \
    O(OID_SPC_PAGE_HASHES_V1,     "1.3.6.1.4.1.311.2.3.1",     "\x2b\x06\x01\x04\x01\x82\x37\x02\x03\x01") \
    O(OID_SPC_PAGE_HASHES_V2,     "1.3.6.1.4.1.311.2.3.2",     "\x2b\x06\x01\x04\x01\x82\x37\x02\x03\x02") \
    O(OID_SPC_CAB_DATA,           "1.3.6.1.4.1.311.2.1.25",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x19") \
    O(OID_SPC_VBA_LEGACY,         "1.3.6.1.4.1.311.2.1.29",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x1d") \
    O(OID_SPC_SIP_INFO,           "1.3.6.1.4.1.311.2.1.30",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x1e") \
    O(OID_SPC_SIP_INFO_V2,        "1.3.6.1.4.1.311.2.1.31",    "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x1f") \
    O(OID_SPC_NESTED_SIGNATURE,   "1.3.6.1.4.1.311.2.4.1",     "\x2b\x06\x01\x04\x01\x82\x37\x02\x04\x01") \
    O(OID_SPC_STAMP_TOKEN,        "1.3.6.1.4.1.311.3.3.1",     "\x2b\x06\x01\x04\x01\x82\x37\x03\x03\x01") \
    O(OID_CTL,                    "1.3.6.1.4.1.311.10.1",      "\x2b\x06\x01\x04\x01\x82\x37\x0a\x01")
/* clang-format on */

#define O(name, dotted, bytes) name,
enum oid { OID_TABLE(O) OID__COUNT };
#undef O

struct reader oid_bytes(enum oid id);     /* content octets */
const char *oid_dotted(enum oid id);      /* "1.2.840.113549.1.7.1" */
enum oid oid_find(struct reader content); /* OID__COUNT when not in the table */
static inline bool oid_is(struct reader content, enum oid id)
{
    return oid_find(content) == id;
}
/* Dotted form of any content octets; NULL when they are malformed or memory is out. */
char *oid_text(struct arena *a, struct reader content);
#endif
