/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_TESTCORE_H
#define ARTIFACT_TESTCORE_H
#include "crypto/testkit.h"
#include "ipc/channel.h"

/* For tests only: a core that drives one worker over a socket pair, in a thread of this program
 * or as the real program. Failures inside end the test. */

/* What core does with the nth ASK_SIGN (from 0). */
enum testcore_answer { ANSWER_GOOD, ANSWER_WRONG, ANSWER_REFUSE, ANSWER_CLOSE };

struct testcore {
    struct testkit *kit;
    const char *program; /* path of chancery-worker; NULL: a thread */
    /* The job. */
    const char *name, *configuration;
    struct reader artifact, plan, output; /* plan: sign and verify; output: verify */
    const char *parameter, *value;        /* one parameter, or NULL */
    struct reader effects;                /* EFFECT records to be replayed */
    size_t effect_count;                  /* of them, SIZE_MAX: all */
    enum testcore_answer answer;          /* for the ASK_SIGN number `answer_at` and later */
    size_t answer_at;
    bool kill_at_question; /* program: SIGKILL at the first ASK_SIGN */
    uint64_t max_entries;  /* 0: the default */
};

struct testcore_result {
    bool closed; /* the channel broke before JOB_DONE or JOB_REFUSED */
    bool done;
    char code[64], user[700], path[1100]; /* refused */
    uint32_t line, column, items, slots, asked;
    struct reader plan, output; /* what the worker wrote */
    struct reader effects;      /* EFFECT records, in the order of arrival */
    struct reader found;        /* FOUND records, by slot */
    struct reader sha256;
};

/* Memory of the kit's arena. */
struct testcore_result testcore_run(const struct testcore *t, enum job_kind kind);
/* A ZIP with these entries: name, text, ... NULL. A text that begins with 'PK' is taken from
 * `nested` instead. */
struct reader testcore_zip(struct arena *a, const char *const *entries, struct reader nested);
/* Whether both are ZIP files whose entries have the same names and the same content. */
bool testcore_same_content(struct arena *a, struct reader x, struct reader y);
#endif
