/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include "base/writer.h"

/* Writes strict JSON (RFC 8259) into a writer; commas and nesting are kept here. Keys are NULL
 * inside arrays. Bytes that are not UTF-8 become U+FFFD. Reading JSON: jansson, core and CLI. */
struct json {
    struct writer *w;
    uint64_t comma; /* bit n: level n has a member already */
    unsigned depth; /* at most 63 */
};

struct json json_into(struct writer *w);
void json_open_object(struct json *j, const char *key);
void json_open_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);
void json_text(struct json *j, const char *key, const char *value); /* NULL becomes null */
void json_bytes(struct json *j, const char *key, struct reader utf8);
void json_hex(struct json *j, const char *key, const void *data, size_t n);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_put_null(struct json *j, const char *key);
/* A value that is JSON already. */
void json_raw(struct json *j, const char *key, struct reader json);
/* Only the quoted string, for text built by hand. */
void json_quote(struct writer *w, struct reader utf8);
#endif
