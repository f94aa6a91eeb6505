/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_SPLICE_INTERNAL_H
#define ARCHIVE_SPLICE_INTERNAL_H

enum {
    SPLICE_REACH = 32768, /* how far back a match may look (RFC 1951, 2) */
    SPLICE_EDITS = 65536, /* edits are looked for in the first so many bytes */
    SPLICE_LEVEL = 6,     /* of head and tail */
};
#endif
