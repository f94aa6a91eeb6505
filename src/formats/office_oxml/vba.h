/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_VBA_H
#define FORMATS_VBA_H
#include "archive/cfb.h"
#include "crypto/authenticode.h"
#include "formats/format.h"

/* Signatures of VBA projects ([MS-OSHARED] 2.3.2, [MS-OVBA] 2.4.2): what the formats office_oxml
 * and office_binary share. A project has up to three signatures; Office looks at the last one of
 * this order that is there, and only at that. */
enum vba_kind { VBA_LEGACY, VBA_AGILE, VBA_V3, VBA_KINDS };

/* A project with the data that its signatures are over. */
struct vba {
    const struct cfb *file;
    uint32_t root, storage;                    /* of the project, and its storage "VBA" */
    struct writer content, forms, v3, project; /* normalised data ([MS-OVBA] 2.4.2) */
    /* Why V3 cannot be signed, a sentence; NULL: it can. */
    const char *no_v3;
};

/* Finds the project below the storage `root` of the file. Nothing is done when there is none: then
 * *ret_found is false. After true: vba_done. */
MUST_CHECK bool vba_open(struct arena *a, const struct cfb *file, uint32_t root, struct vba *ret,
                         bool *ret_found, struct err *e);
void vba_done(struct vba *v); /* for CLEANUP */

/* SpcIndirectDataContent as Office and signtool write it. */
MUST_CHECK bool vba_indirect_data(struct arena *a, const struct vba *v, enum vba_kind kind,
                                  enum hash hash, struct writer *w, struct err *e);
/* One signature as DigSigInfoSerialized ([MS-OSHARED] 2.3.2.1). */
MUST_CHECK bool vba_sign(const struct sign_job *job, const struct vba *v, enum vba_kind kind,
                         uint32_t slot, struct writer *info, struct err *e);
/* The PKCS#7 message inside of DigSigInfoSerialized. False: malformed. */
MUST_CHECK bool vba_message(struct reader info, struct reader *ret);
/* Appends what is found in one DigSigInfoSerialized to list, which has room for VBA_SIGNATURES. */
enum { VBA_SIGNATURES = 3 * 16 };
MUST_CHECK bool vba_verify(struct arena *a, const struct vba *v, enum vba_kind kind,
                           struct reader info, struct signature *list, size_t *count,
                           struct err *e);

/* --- parts of vba_open ------------------------------------------------------------------------ */
/* False when something did not go in: memory is out, or the project is larger than we read. */
MUST_CHECK bool vba_fits(const struct writer *w, struct err *e);
struct vba_module {
    struct reader name, wide_name;     /* code page; UTF-16LE, .at NULL: not there */
    struct reader stream, wide_stream; /* the same of the name of its stream */
    uint32_t offset;                   /* of the source in the stream */
    bool procedural, read_only, is_private;
};
struct vba_dir {
    struct vba_module *modules;
    size_t count;
};
/* The dir stream, expanded: appends to v->content and v->v3 what they hold of it before modules. */
MUST_CHECK bool vba_read_dir(struct arena *a, struct reader dir, struct vba *v, struct vba_dir *ret,
                             struct err *e);
/* Appends one module to v->content and v->v3. */
MUST_CHECK bool vba_add_module(const struct vba_module *m, struct reader text, struct vba *v,
                               struct err *e);
/* The PROJECT stream: fills v->project and v->forms. */
MUST_CHECK bool vba_read_project(struct arena *a, struct reader project, const struct vba_dir *dir,
                                 struct vba *v, struct err *e);
/* Children of a storage in the order of the tree ([MS-CFB] 2.6.4): indices into entries. */
MUST_CHECK bool vba_children(struct arena *a, const struct cfb *file, uint32_t storage,
                             const uint32_t **ret, size_t *ret_count, struct err *e);
#endif
