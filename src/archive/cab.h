/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_CAB_H
#define ARCHIVE_CAB_H
#include "base/budget.h"
#include "base/source.h"

/* Cabinet files (MS-CAB) under a strict profile: header, folder table, file table and data blocks
 * follow each other without gaps, the files of a folder tile its expanded bytes, and behind the
 * last block there is nothing but the signature that the header reserve points at. */
enum { CAB_STORED = 0, CAB_MSZIP = 1, CAB_QUANTUM = 2, CAB_LZX = 3 };
enum { CAB_BLOCK = 32768, CAB_HEADER = 36, CAB_FOLDER = 8, CAB_SIGNATURE = 16 };
enum { CAB_FLAG_PREVIOUS = 1, CAB_FLAG_NEXT = 2, CAB_FLAG_RESERVE = 4 };

struct cab_folder {
    uint64_t data, end;    /* offsets of the first block and behind the last one */
    uint64_t size;         /* expanded */
    uint16_t blocks, kind; /* kind: as the file states it, method in the lower four bits */
    struct reader reserve;
    size_t first, count; /* its files: cab.order[first ... first + count) */
};
struct cab_file {
    const char *path;      /* UTF-8, '/' between segments */
    struct reader record;  /* CFFILE as it stands, with the name and its NUL */
    uint32_t size, offset; /* of the expanded folder */
    uint16_t folder;
};
struct cab {
    struct source in;
    struct reader header;       /* the first 36 bytes */
    struct reader reserve;      /* of the header; empty when there is none */
    struct reader first;        /* of the two blocks inside of it: hashed, kept */
    bool has_reserve, can_sign; /* can_sign: the reserve is empty or such a pair of blocks */
    uint8_t folder_reserve, data_reserve;
    struct cab_folder *folders;
    size_t folder_count;
    struct cab_file *files; /* in the order of the table */
    size_t file_count;
    uint32_t *order;         /* files by folder and offset */
    uint64_t tables;         /* offset of the folder table */
    uint64_t names;          /* offset of the file table */
    uint64_t data;           /* offset of the first block */
    uint64_t end;            /* behind the last block: where a signature stands */
    struct reader signature; /* PKCS#7, may be empty */
    struct budget *budget;   /* may be NULL */
};

bool cab_starts(struct reader head);
/* Checks the whole structure, all block headers included, and pays for the entries. */
MUST_CHECK bool cab_open(struct arena *a, const struct source *in, struct budget *budget,
                         struct cab **ret, struct err *e);
/* The expanded bytes of a file. Any number of threads. */
MUST_CHECK bool cab_extract(const struct cab *c, size_t index, struct sink *out, struct err *e);
/* The same of several files, outs[i] for indexes[i]: each folder is decoded once. */
MUST_CHECK bool cab_extract_many(const struct cab *c, const size_t *indexes, size_t count,
                                 struct sink *outs, struct err *e);
/* All expanded bytes of a folder, in order. */
MUST_CHECK bool cab_expand_folder(const struct cab *c, const struct cab_folder *f,
                                  source_each_fn each, void *ctx, struct err *e);

struct cab_change {
    size_t index;
    struct source content;
};
/* The cabinet with other contents, changes sorted by index. Folders without a change are copied,
 * the others are stored as before or compressed by MSZIP. A signature is left out; its room in the
 * header stays. Goes behind what `out` holds already. The same input gives the same bytes. */
MUST_CHECK bool cab_repack(const struct cab *c, const struct cab_change *changes, size_t count,
                           struct sink *out, struct err *e);
/* Header, reserve and folder table of this cabinet when it carries a signature of that many
 * bytes; *ret_shift is how much longer than now they are. Needs can_sign. */
MUST_CHECK bool cab_signed_head(const struct cab *c, uint32_t signature, struct writer *ret,
                                uint32_t *ret_shift, struct err *e);
#endif
