/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_TREE_H
#define ARTIFACT_TREE_H
#include "artifact/pool.h"
#include "artifact/scratch.h"
#include "configuration/configuration.h"
#include "crypto/judge.h"
#include "formats/format.h"

/* What a job works with. Lanes are the threads of the pool; each has an arena that lives as long
 * as the job, so that what one thread made can be read by all later ones. */
struct workspace {
    struct pool *pool; /* borrowed */
    struct scratch scratch;
    struct budget budget;
    struct arena **arenas;  /* by lane */
    struct judging judging; /* borrowed: whom verify directives trust; nobody unless it is set */
};

struct workspace_limits {
    uint64_t entries, expanded_bytes, scratch_bytes;
    uint32_t depth, ratio;
    size_t memory; /* of all arenas together */
};
/* The defaults of the settings max_entries, max_expanded_bytes, max_nesting, max_ratio. */
struct workspace_limits workspace_default_limits(void);
MUST_CHECK bool workspace_init(struct workspace *w, struct pool *pool, int scratch_fd,
                               const struct workspace_limits *limits, struct err *e);
void workspace_done(struct workspace *w);

/* What is to be worked on. The configuration is resolved. All borrowed. */
struct artifact {
    const char *name; /* file name, without folders */
    struct source in;
    const struct configuration *configuration;
};

/* One directive on one file. */
struct step {
    const struct configuration_directive *directive;
    const struct format *format; /* whose directive it is */
    struct attributes attributes;
    unsigned can;            /* DIRECTIVE_* */
    uint32_t slot, slots;    /* slot is set by the plan */
    const char *output;      /* DIRECTIVE_NEW_FILE: name of the new file, without folders */
    struct attributes facts; /* DIRECTIVE_VERIFY: whose signature it found, for the plan */
};

/* A file beside a container that changes with entries of it, as a cabinet of an installer does. */
struct beside {
    size_t outside;          /* of the container */
    size_t index;            /* entry of the container that holds both */
    const struct part *part; /* when the configuration matches that file too; NULL */
};

/* One file of the artifact that the configuration matches. */
struct part {
    struct part *parent; /* the container it lies in; NULL: the artifact */
    size_t index;        /* its entry there */
    const char *entry;   /* its path there, as stored */
    const char *name;    /* the same without folders */
    const char *path;    /* for people: "a.zip » lib/b.exe" */
    uint32_t depth;      /* of nesting; the artifact has 0 */
    size_t number;       /* index in the tree's list of parts */
    /* At least one of the two: a typed element, then a file element on its result. */
    const struct configuration_node *typed, *file;
    const struct configuration_match *typed_match, *file_match;
    const struct format *format; /* of the typed element; NULL when there is only `file` */
    struct source in;
    bool extracted;              /* `in` is there, with the others of its container */
    struct container *container; /* NULL: nothing inside is asked for */
    struct part **children;      /* by entry path, case folded: the canonical order */
    size_t child_count;
    struct beside *besides;
    size_t beside_count;
    struct entry_claim
        *claims; /* on each of its entries, once a file beside an installer changes */
    const struct part *rebuilt_by; /* the part that has this one as a beside->part; NULL: none */
    size_t rebuilt_as;             /* which outside of it this is */
    struct attributes facts;
    struct step *steps; /* in the order of work; new files last */
    size_t step_count;
    uint8_t sha256[32]; /* of `in`, when the tree was asked for digests */
};

struct tree {
    struct part *root;
    struct part **parts; /* every part, containers before what they hold, level by level */
    size_t count;
    size_t *levels; /* levels[d] is the first part of depth d; levels[level_count] == count */
    size_t level_count;
    uint32_t items, slots; /* set by the plan */
};

/* Matches the configuration with the real content of the artifact: types, counts, restrictions,
 * verify directives, output names. False: *r says what, where and which line asked for it.
 * digests: also the SHA-256 of every part (a plan needs them, a signature does not). */
MUST_CHECK bool tree_build(struct workspace *w, const struct artifact *a, bool digests,
                           struct tree **ret, struct refusal *r);

/* Whether signing this part gives other bytes for it (not only a new file beside it). */
bool part_changes(const struct part *p);
/* How many steps of the part make a file beside it. */
size_t part_new_files(const struct part *p);
/* Path of such a file in the container. NULL without memory. */
char *part_output_path(struct arena *a, const struct part *p, const struct step *s);

/* Before part_near looks for many files in a container, so that it need not look at every entry
 * each time. Not for two threads at once. */
MUST_CHECK bool part_sort_near(struct arena *a, struct container *c, struct err *e);
/* The entry at `path`, seen from the folder of `entry`, by names whose case does not count;
 * SIZE_MAX: there is none. */
MUST_CHECK bool part_near(const struct container *c, const char *entry, const char *path,
                          size_t *ret, struct err *e);
/* Opens what was found as `entry` of `holder`, with the files around it where the format asks for
 * them; holder NULL: there are none. */
MUST_CHECK bool part_open(struct workspace *w, struct budget *budget, struct arena *a,
                          const struct part *p, const struct source *in,
                          const struct container *holder, struct container **ret, struct err *e);
/* Extracts an entry to scratch. */
MUST_CHECK bool part_extract(struct workspace *w, const struct container *c, size_t index,
                             struct source *ret, struct err *e);
/* Several entries to ret[i], decoded together where the format can. The arena is for work only. */
MUST_CHECK bool parts_extract(struct workspace *w, struct arena *a, const struct container *c,
                              const size_t *indexes, size_t count, struct source *ret,
                              struct err *e);
#endif
