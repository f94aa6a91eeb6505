/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MSI_MSI_PACKAGE_H
#define FORMATS_MSI_MSI_PACKAGE_H
#include "archive/cab.h"
#include "formats/msi/msi.h"
#include "formats/msi/msi_database.h"

/* The files that a database installs, and the cabinets that hold them. */
struct msi_cab {
    int32_t last;                  /* sequence number of its last file */
    const char *name;              /* as the Media table has it, '#' left out; NULL: none */
    const struct cfb_entry *entry; /* the stream; NULL: the cabinet is not in this file */
    int32_t disk;
    bool beside;      /* it is a file beside the installer */
    bool pinned;      /* its certificate is in the database */
    uint32_t outside; /* as in struct entry */
    struct cab *cab;  /* NULL: it cannot be read, and `problem` says why */
    struct err problem;
    uint32_t *sorted; /* files of the cabinet by path */
};
struct msi_file {
    const char *key;  /* primary key, and name in the cabinet */
    const char *path; /* of the target folder tree, long names */
    int32_t sequence, size;
    size_t row;        /* of the table File */
    size_t cab;        /* SIZE_MAX: none */
    size_t in_cab;     /* number there; SIZE_MAX: it is not there */
    size_t hash_row;   /* of the table MsiFileHash; SIZE_MAX: none */
    const char *apart; /* uncompressed, in this place beside the installer; NULL: in a cabinet */
    uint32_t outside;  /* as in struct entry */
};
struct msi_package {
    struct msi msi;
    struct msi_database database;
    struct msi_table table, hashes; /* File, MsiFileHash */
    size_t size_column, hash_columns[4];
    struct msi_file *files; /* as the rows of File */
    size_t file_count;
    struct msi_cab *cabs;
    size_t cab_count;
    const struct surroundings *around; /* NULL: nothing is known of files beside the installer */
};

/* Tables and paths; no cabinet is opened. */
MUST_CHECK bool msi_package_read(struct arena *a, const struct msi *m, struct msi_package *ret,
                                 struct err *e);
/* Opens the cabinets, p->around says which are there beside the installer. One that cannot be read
 * is no error before a file in it is asked for. */
MUST_CHECK bool msi_package_cabs(struct arena *a, struct msi_package *p, struct budget *budget,
                                 struct err *e);
/* An uncompressed file beside the installer. */
MUST_CHECK bool msi_package_apart(const struct msi_package *p, size_t index, struct source *ret,
                                  struct err *e);
/* The file inside of its cabinet; what lies elsewhere is refused with the reason. */
MUST_CHECK bool msi_package_find(const struct msi_package *p, size_t index, struct cab **ret,
                                 size_t *ret_in_cab, struct err *e);

/* What the database says of a file after it was replaced. */
struct msi_file_facts {
    size_t index;
    uint64_t size;
    uint8_t md5[16]; /* only for files with a row in MsiFileHash */
};
/* The tables File and MsiFileHash with these facts; ret[i].len is 0 for a table that stays. */
MUST_CHECK bool msi_package_tables(const struct msi_package *p, const struct msi_file_facts *facts,
                                   size_t count, struct writer ret[2], struct err *e);

/* Those of struct format. */
MUST_CHECK bool msi_container(struct arena *a, const struct source *in, struct budget *budget,
                              struct container **ret, struct err *e);
MUST_CHECK bool msi_container_near(struct arena *a, const struct source *in, struct budget *budget,
                                   const struct surroundings *around, struct container **ret,
                                   struct err *e);
MUST_CHECK bool msi_rebuild(const struct container *c, size_t outside, const struct change *changes,
                            size_t count, struct sink *out, struct err *e);
MUST_CHECK bool msi_extract(const struct container *c, size_t index, struct sink *out,
                            struct err *e);
MUST_CHECK bool msi_extract_many(const struct container *c, const size_t *indexes, size_t count,
                                 struct sink *outs, struct err *e);
MUST_CHECK bool msi_repack(const struct container *c, const struct change *changes, size_t count,
                           struct sink *out, struct err *e);
MUST_CHECK bool msi_compare(struct arena *a, const struct container *before,
                            const struct container *after, const bool *changed, struct err *e);
#endif
