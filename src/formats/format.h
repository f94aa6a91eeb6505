/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FORMAT_H
#define FORMATS_FORMAT_H
#include "base/budget.h"
#include "base/source.h"
#include "crypto/signature.h"
#include "formats/facts.h"

/* The code half of a format: only worker and CLI link it. A format sees bytes, attributes and a
 * signer. It never sees a key, a clock, randomness, a path or a network. Every function may run
 * in several threads at once, each with its own arena. */

/* What restrictions, the plan and the request page may look at. A name may come several times
 * (one version resource per language): a restriction wants all of them to match. */
struct file_facts {
    struct attributes facts;
    uint32_t signatures; /* embedded ones that are there already, valid or not */
};

/* Files that lie near the one that is worked on, by paths that begin at its folder, for formats
 * that name others by their hashes. *ret_found false: there is none. */
struct surroundings {
    void *ctx;
    bool (*find)(void *ctx, const char *path, struct source *ret, bool *ret_found, struct err *e);
};

struct sign_job {
    struct arena *arena;
    const struct source *in;
    const char *file_name; /* of the entry, without folders: default descriptions */
    const char *directive; /* name of a row of facts->directives with DIRECTIVE_SIGN */
    struct attributes attributes;
    uint32_t slot; /* first of the slots that `slots` asked for */
    const struct signer *signer;
    struct sink scratch; /* room of its own for intermediate bytes; the format copies the struct */
    struct sink *out;    /* the whole new file; for DIRECTIVE_NEW_FILE the signature file */
    const struct surroundings *around; /* NULL: nothing is known of other files */
};

struct verify_job {
    struct arena *arena;
    const struct source *in;
    const struct source *content; /* for detached signatures; else NULL */
    const char *directive;        /* for detached ones: which directive made the file; else NULL */
    struct attributes attributes;
    const struct reader *certificate;  /* DER: for forms that carry none (raw); may be NULL */
    const char *file_name;             /* of the entry, without folders */
    const struct surroundings *around; /* NULL: nothing is known of other files */
};

/* --- composite formats ----------------------------------------------------------------------- */
struct entry {
    const char *path; /* UTF-8, '/' between segments, as the file states it otherwise */
    uint64_t size;    /* expanded */
    bool folder;
    uint32_t outside; /* 0: it lies in the container; else in outsides[outside - 1] */
};
/* A file beside a container that holds entries of it. */
struct outside {
    const char *path; /* as surroundings take it */
    bool whole;       /* it is the one entry itself, as it stands */
    bool signs;       /* to `compare`, of the later one: it may be signed by itself */
};
struct container {
    const struct format *format;
    struct source in;
    struct entry *entries; /* in file order */
    size_t count;
    struct budget *budget;
    struct outside *outsides; /* of formats with `rebuild` */
    size_t outside_count;
    void *own;               /* the format's */
    const struct near *near; /* the engine's (artifact/near.c), or NULL */
};
/* One replaced (index < count) or added (index == SIZE_MAX, at the end, in order) entry. */
struct change {
    size_t index;
    const char *path; /* of an added entry */
    size_t like; /* added: index of the entry it belongs to, for time and attributes; SIZE_MAX */
    struct source content;
    void *prepared; /* by `prepare`, or NULL */
};

struct format {
    const struct format_facts *facts;
    /* By content only. head: the first 4 KiB or less; in: the whole, when that is not enough. */
    bool (*probe)(struct reader head, const struct source *in);
    bool (*inspect)(struct arena *a, const struct source *in, struct file_facts *ret,
                    struct err *e);
    /* How many slots the directive takes on this file; NULL: one. */
    bool (*slots)(struct arena *a, const struct source *in, const char *directive,
                  struct attributes attributes, uint32_t *ret, struct err *e);
    bool (*sign)(const struct sign_job *job, struct err *e);
    /* Of formats that name other files by their hashes: when it is the turn of a file of this name,
     * after all others of its container; 1 or 2. NULL: 0, at once. */
    unsigned (*turn)(const char *file_name);
    /* All signatures, outermost first; none is not an error. False: the file is malformed. */
    bool (*verify)(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e);
    /* Nothing differs but what signing puts in: signatures, and fields that have to follow them.
     * Of a composite format: apart from entries, which `compare` looks at. NULL: a format that
     * embeds no signatures, or a composite one whose `compare` sees all there is; that is then
     * asked for every signed file. */
    bool (*unchanged)(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e);

    /* Composite formats only. `open` checks the whole structure against the strict profile. */
    bool (*open)(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e);
    /* Optional: for entries in files beside it. `around` lives as long as the container. */
    bool (*open_near)(struct arena *a, const struct source *in, struct budget *budget,
                      const struct surroundings *around, struct container **ret, struct err *e);
    /* The expanded bytes of an entry, checked (CRC and the like). */
    bool (*extract)(const struct container *c, size_t index, struct sink *out, struct err *e);
    /* Optional: several entries in any order, outs[i] for indexes[i]. For formats where one at a
     * time means to decode what stands before it again and again. */
    bool (*extract_many)(const struct container *c, const size_t *indexes, size_t count,
                         struct sink *outs, struct err *e);
    /* Optional: the expensive part of putting one changed entry in (compression), for a thread of
     * its own; writes to scratch and leaves what repack needs in change->prepared. */
    bool (*prepare)(const struct container *c, struct arena *a, struct change *change,
                    struct sink *scratch, struct err *e);
    /* The container with these changes, sorted by index; all else byte for byte as it was. */
    bool (*repack)(const struct container *c, const struct change *changes, size_t count,
                   struct sink *out, struct err *e);
    /* With open_near: that file with those changes that lie in it; repack only tells of them. */
    bool (*rebuild)(const struct container *c, size_t outside, const struct change *changes,
                    size_t count, struct sink *out, struct err *e);
    /* Nothing differs but the contents of the entries marked in `changed` (one flag for each entry
     * of `before`), entries added at the end, and the format's own signature entries. A container
     * is read by many threads at once, so it has no memory to give: room comes from the arena. */
    bool (*compare)(struct arena *a, const struct container *before, const struct container *after,
                    const bool *changed, struct err *e);
    /* Whether signing this container adds or rewrites that entry (META-INF/X.SF). NULL: none. */
    bool (*own_entry)(const struct container *c, size_t index);
};
#define F(name) extern const struct format name##_format;
FORMATS(F)
#undef F

/* All of them, in the order of FORMATS; ended by NULL. (formats/format.c) */
extern const struct format *const all_formats[];
const struct format *format_of(const char *id); /* by facts->id or element; NULL: not built */

/* How everybody calls sign and verify. Once the job's arena has refused something, the answer is
 * "out of memory", whatever the format made of the text that was missing. */
MUST_CHECK bool format_sign(const struct format *f, const struct sign_job *job, struct err *e);
MUST_CHECK bool format_verify(const struct format *f, const struct verify_job *job,
                              struct signature **ret, size_t *ret_count, struct err *e);
#endif
