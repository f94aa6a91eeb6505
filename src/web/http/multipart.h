/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_MULTIPART_H
#define WEB_HTTP_MULTIPART_H
#include "base/reader.h"

/* multipart/form-data (RFC 7578) as a stream, in constant memory. Bytes before the first and
 * after the last boundary (but line ends), folded lines, bare LF in part headers, transfer
 * encodings and a part that does not have its announced length are refused. */
struct multipart_part {
    struct reader name;         /* UTF-8 */
    bool file;                  /* has filename or filename* */
    struct reader filename;     /* UTF-8; filename* counts before filename */
    struct reader content_type; /* as written, may be empty */
};

struct multipart_sink {
    void *ctx;
    bool (*begin)(void *ctx, const struct multipart_part *part, struct err *e);
    /* Takes *ret_taken bytes from the front of piece; fewer than all means "not now". */
    bool (*data)(void *ctx, struct reader piece, size_t *ret_taken, struct err *e);
    bool (*end)(void *ctx, struct err *e);
};

enum { MULTIPART_HEADER_MAX = 8 * 1024, MULTIPART_PARTS_MAX = 2000 };

struct multipart;

/* The boundary from a Content-Type value; false with *e when it is multipart/form-data without
 * a usable one; *ret_form false when it is something else. `to` holds 71 bytes. */
MUST_CHECK bool multipart_boundary(struct reader content_type, bool *ret_form, char to[71],
                                   struct err *e);
MUST_CHECK bool multipart_new(const char *boundary, struct multipart_sink sink,
                              struct multipart **ret, struct err *e);
void multipart_free(struct multipart *m);
/* Takes *ret_used bytes from the front; fewer than all when the sink said "not now": call again
 * with the rest. */
MUST_CHECK bool multipart_feed(struct multipart *m, struct reader bytes, size_t *ret_used,
                               struct err *e);
/* At the end of the body: false when the closing boundary has not come. */
MUST_CHECK bool multipart_finish(const struct multipart *m, struct err *e);
#endif
