/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/runner.h"
#include "artifact/check.h"
#include "artifact/engine.h"
#include "artifact/exchange.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"
#include <string.h>

enum { JOB_MEMORY = 64 * 1024 * 1024, PLAN_MAX = 256 * 1024 * 1024 };

struct job {
    struct channel *core;
    struct arena *arena;
    struct message message;
    uint64_t number;
    enum job_kind kind;
    const char *name;
    int input, scratch, plan, configuration_fd, output, roots;
    struct configuration *configuration;
    struct reader *chain;
    size_t chain_count;
    bool stamps;
    uint8_t roots_sha256[32];
    struct root_store *store;
    uint64_t output_limit;
    struct workspace_limits limits;
    struct signing signing;
    struct effect *effects;
    size_t effect_count, effect_room;
    struct workspace workspace;
    struct tree *tree;
    struct reader plan_bytes;
};

static void job_free(struct job *j)
{
    file_close(&j->input);
    file_close(&j->scratch);
    file_close(&j->plan);
    file_close(&j->configuration_fd);
    file_close(&j->output);
    file_close(&j->roots);
    root_store_free(j->store);
    workspace_done(&j->workspace);
    message_done(&j->message);
    arena_free(j->arena);
}

/* --- taking the job --------------------------------------------------------------------------- */

static bool copy_text(struct arena *a, struct reader text, const char **ret, struct err *e)
{
    char *copy = arena_text(a, text);
    if (copy == NULL)
        return arena_err(e);
    *ret = copy;
    return true;
}

static bool take_number(const struct record_PAIR *p, const char *name, uint64_t *to)
{
    uint64_t v;
    if (!reader_equal_text(p->name, name) || !text_u64(p->value, &v))
        return false;
    *to = v;
    return true;
}

static bool take_limits(struct job *j, struct reader list, struct err *e)
{
    struct workspace_limits *l = &j->limits;
    uint64_t depth = l->depth, ratio = l->ratio, memory = l->memory;
    while (list.left > 0) {
        struct record_PAIR p;
        if (!record_PAIR_next(&list, &p))
            return err_set(e, ERR_IPC_MESSAGE, "limits");
        if (!take_number(&p, "entries", &l->entries) &&
            !take_number(&p, "expanded_bytes", &l->expanded_bytes) &&
            !take_number(&p, "scratch_bytes", &l->scratch_bytes) &&
            !take_number(&p, "output_bytes", &j->output_limit) &&
            !take_number(&p, "nesting", &depth) && !take_number(&p, "ratio", &ratio) &&
            !take_number(&p, "memory", &memory))
            return err_set(e, ERR_IPC_MESSAGE, "unknown limit");
    }
    if (depth > 1000 || ratio < 1 || ratio > UINT32_MAX)
        return err_set(e, ERR_IPC_MESSAGE, "limits");
    l->depth = (uint32_t)depth;
    l->ratio = (uint32_t)ratio;
    l->memory = (size_t)memory;
    return true;
}

static bool take_options(struct job *j, struct reader list, struct err *e)
{
    while (list.left > 0) {
        struct record_PAIR p;
        if (!record_PAIR_next(&list, &p))
            return err_set(e, ERR_IPC_MESSAGE, "options");
        if (reader_equal_text(p.name, "stamps"))
            j->stamps = reader_equal_text(p.value, "yes");
        else if (!reader_equal_text(p.name, "roots") ||
                 !text_unhex(p.value, j->roots_sha256, sizeof j->roots_sha256))
            return err_set(e, ERR_IPC_MESSAGE, "options");
    }
    return true;
}

static bool take_certificates(struct job *j, struct reader list, struct err *e)
{
    enum { MOST = 32 };
    j->chain = ARENA_ARRAY(j->arena, MOST, struct reader);
    if (j->chain == NULL)
        return arena_err(e);
    while (list.left > 0) {
        struct record_CERTIFICATE c;
        if (j->chain_count == MOST || !record_CERTIFICATE_next(&list, &c))
            return err_set(e, ERR_IPC_MESSAGE, "certificates");
        struct reader der = arena_bytes(j->arena, c.der);
        if (der.at == NULL)
            return arena_err(e);
        j->chain[j->chain_count++] = der;
    }
    return true;
}

static bool take_parameters(struct job *j, struct reader list, struct parameter_value **ret,
                            size_t *ret_count, struct err *e)
{
    size_t count = 0;
    struct reader counted = list;
    struct record_PAIR p;
    for (; counted.left > 0; count++)
        if (!record_PAIR_next(&counted, &p))
            return err_set(e, ERR_IPC_MESSAGE, "parameters");
    struct parameter_value *values = ARENA_ARRAY(j->arena, count, struct parameter_value);
    if (values == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count && record_PAIR_next(&list, &p); i++) {
        TRY(copy_text(j->arena, p.name, &values[i].name, e));
        TRY(copy_text(j->arena, p.value, &values[i].value, e));
    }
    *ret = values;
    *ret_count = count;
    return true;
}

static bool take_effect(struct job *j, struct err *e)
{
    struct msg_JOB_EFFECT m;
    struct record_EFFECT x;
    TRY(message_as_JOB_EFFECT(&j->message, &m, e));
    struct reader one = m.effect;
    if (!record_EFFECT_next(&one, &x) || one.left > 0)
        return err_set(e, ERR_IPC_MESSAGE, "effect");
    if (j->effect_count == j->effect_room) {
        size_t room = 2 * j->effect_room + 64;
        struct effect *more = arena_grow(j->arena, j->effects, j->effect_count, room, sizeof *more);
        if (more == NULL)
            return arena_err(e);
        j->effects = more;
        j->effect_room = room;
    }
    struct effect mine = {.slot = x.slot,
                          .kind = x.kind,
                          .request = arena_bytes(j->arena, x.request),
                          .answer = arena_bytes(j->arena, x.answer)};
    if (mine.request.at == NULL || mine.answer.at == NULL)
        return arena_err(e);
    j->effects[j->effect_count++] = mine;
    return true;
}

static bool take_effects(struct job *j, struct err *e)
{
    for (;;) {
        TRY(channel_receive(j->core, &j->message, e));
        if (j->message.type == MSG_JOB_EFFECT) {
            TRY(take_effect(j, e));
            continue;
        }
        struct msg_JOB_BEGIN m;
        TRY(message_as_JOB_BEGIN(&j->message, &m, e));
        return m.job == j->number || err_set(e, ERR_IPC_MESSAGE, "JOB_BEGIN of another job");
    }
}

static bool take_fds(struct job *j, struct err *e)
{
    j->input = message_take_fd(&j->message, 0);
    j->scratch = message_take_fd(&j->message, 1);
    j->plan = message_take_fd(&j->message, 2);
    j->configuration_fd = message_take_fd(&j->message, 3);
    j->output = j->kind == JOB_INSPECT ? -1 : message_take_fd(&j->message, 4);
    j->roots = message_take_fd(&j->message, j->kind == JOB_INSPECT ? 4 : 5);
    if (j->input < 0 || j->scratch < 0 || j->plan < 0 || j->configuration_fd < 0 ||
        (j->kind != JOB_INSPECT && j->output < 0))
        return err_set(e, ERR_IPC_MESSAGE, "a descriptor is missing");
    return true;
}

/* The message's buffer is used again by the next one, so everything is copied. The parameters
 * are given back, because the configuration may be refused in a way that the user has to read. */
static bool take_job(struct job *j, struct parameter_value **ret_values, size_t *ret_count,
                     struct err *e)
{
    struct msg_JOB m;
    TRY(channel_receive(j->core, &j->message, e));
    TRY(message_as_JOB(&j->message, &m, e));
    j->number = m.job;
    j->kind = (enum job_kind)m.kind;
    if (m.kind < JOB_INSPECT || m.kind > JOB_VERIFY || m.seed.left != sizeof j->signing.seed)
        return err_set(e, ERR_IPC_MESSAGE, "JOB");
    TRY(take_fds(j, e));
    TRY(copy_text(j->arena, m.name, &j->name, e));
    j->signing.time = (int64_t)m.time;
    if (!reader_copy(&m.seed, j->signing.seed, sizeof j->signing.seed))
        return err_set(e, ERR_IPC_MESSAGE, "seed");
    TRY(take_limits(j, m.limits, e));
    TRY(take_options(j, m.options, e));
    TRY(take_certificates(j, m.certificates, e));
    if (j->kind != JOB_INSPECT && j->chain_count == 0)
        return err_set(e, ERR_IPC_MESSAGE, "no certificate");
    TRY(take_parameters(j, m.parameters, ret_values, ret_count, e));
    return take_effects(j, e);
}

/* --- running it ------------------------------------------------------------------------------- */

static bool load_roots(struct job *j, struct err *e)
{
    enum { BYTES = 16 * 1024 * 1024 };
    struct reader file, *list;
    struct digest_value v;
    size_t count = 0;
    if (j->roots < 0)
        return true;
    TRY(file_read_fd(j->roots, BYTES, j->arena, &file, e));
    TRY(digest_of(HASH_SHA256, file, &v, e));
    if (!reader_equal(digest_view(&v), reader_over(j->roots_sha256, sizeof j->roots_sha256)))
        return err_set(e, ERR_IPC_MESSAGE, "other roots than the job names");
    if ((list = ARENA_ARRAY(j->arena, BUNDLE_MAX, struct reader)) == NULL)
        return arena_err(e);
    while (file.left > 0) {
        struct record_CERTIFICATE c;
        if (count == BUNDLE_MAX || !record_CERTIFICATE_next(&file, &c))
            return err_set(e, ERR_IPC_MESSAGE, "roots");
        list[count++] = c.der;
    }
    TRY(root_store_new(list, count, &j->store, e));
    j->workspace.judging = (struct judging){j->store, j->signing.time};
    return true;
}

static bool prepare(struct job *j, struct pool *pool, const struct parameter_value *values,
                    size_t count, struct refusal *r)
{
    struct err *e = &r->err;
    struct reader xml;
    struct configuration *parsed = NULL;
    struct configuration_problems problems = {0};
    TRY(workspace_init(&j->workspace, pool, j->scratch, &j->limits, e));
    TRY(load_roots(j, e));
    TRY(file_read_fd(j->configuration_fd, CONFIGURATION_MAX_BYTES, j->arena, &xml, e));
    TRY(configuration_parse(j->arena, xml, &parsed, &problems, e));
    TRY(configuration_resolve(parsed, values, count, &j->configuration, &problems, e));
    struct artifact artifact = {.name = j->name, .configuration = j->configuration};
    TRY(source_file(j->input, &artifact.in, e));
    TRY(tree_build(&j->workspace, &artifact, true, &j->tree, r));
    TRY(plan_number(j->tree, e));
    if (j->kind == JOB_INSPECT)
        return true;
    TRY(file_read_fd(j->plan, PLAN_MAX, j->arena, &j->plan_bytes, e));
    return plan_check(j->arena, j->tree, j->plan_bytes, r);
}

static bool run_inspect(struct job *j, uint64_t *ret_size, struct refusal *r)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, PLAN_MAX);
    TRY(plan_write(j->arena, j->tree, &w, r));
    TRY(file_write_fd(j->plan, writer_view(&w), &r->err));
    *ret_size = w.len;
    return true;
}

static bool run_sign(struct job *j, uint64_t *ret_size, struct refusal *r)
{
    struct exchange *x = NULL;
    TRY(exchange_new(j->core, &x, &r->err));
    j->signing.source = exchange_source(x);
    j->signing.effects = j->effects;
    j->signing.effect_count = j->effect_count;
    struct signer signer = signing_signer(&j->signing, j->chain, j->chain_count, j->stamps);
    struct engine_progress progress = exchange_progress(x);
    struct sink out = sink_file(j->output, 0, j->output_limit);
    bool ok = engine_sign(&j->workspace, j->tree, &signer, &progress, &out, r);
    exchange_free(x);
    *ret_size = out.used;
    return ok;
}

static bool send_found(struct job *j, const struct found *list, struct err *e)
{
    for (uint32_t i = 0; i < j->tree->slots; i++) {
        const struct found *f = &list[i];
        CLEANUP(writer_done) struct writer w = {0};
        writer_init(&w, MESSAGE_MAX / 2);
        record_FOUND_write(&w, &(struct record_FOUND){.slot = i,
                                                      .algorithm = f->algorithm,
                                                      .digest = f->digest,
                                                      .certificate = f->certificate,
                                                      .stamped = (uint64_t)f->stamp_time,
                                                      .path = reader_text(f->path),
                                                      .sha256 = reader_over(f->sha256, 32)});
        TRY(writer_ok(&w, e));
        TRY(channel_send_FOUND_SLOT(j->core, &(struct msg_FOUND_SLOT){.found = writer_view(&w)},
                                    NULL, 0, e));
    }
    return true;
}

static bool run_verify(struct job *j, uint64_t *ret_size, struct reader *ret_sha256,
                       struct refusal *r)
{
    struct source output;
    struct found *found = NULL;
    struct digest_value v;
    struct check_wants wants = {.certificate = j->chain[0], .stamps = j->stamps};
    TRY(source_file(j->output, &output, &r->err));
    TRY(check_output(&j->workspace, j->tree, &output, &wants, &found, r));
    TRY(digest_of_source(HASH_SHA256, &output, &v, &r->err));
    *ret_sha256 = arena_bytes(j->arena, digest_view(&v));
    if (ret_sha256->at == NULL)
        return arena_err(&r->err);
    *ret_size = output.size;
    return send_found(j, found, &r->err);
}

static bool run(struct job *j, struct pool *pool, const struct parameter_value *values,
                size_t count, struct msg_JOB_DONE *done, struct refusal *r)
{
    TRY(prepare(j, pool, values, count, r));
    done->job = j->number;
    done->items = j->tree->items;
    done->slots = j->tree->slots;
    done->sha256 = reader_over(j->tree->root->sha256, sizeof j->tree->root->sha256);
    switch (j->kind) {
    case JOB_INSPECT:
        return run_inspect(j, &done->size, r);
    case JOB_SIGN:
        return run_sign(j, &done->size, r);
    case JOB_VERIFY:
        return run_verify(j, &done->size, &done->sha256, r);
    }
    return err_set(&r->err, ERR_INTERNAL, "job kind");
}

bool runner_run(struct channel *core, struct pool *pool, struct err *e)
{
    CLEANUP(job_free)
    struct job j = {.core = core,
                    .arena = arena_new(JOB_MEMORY + (size_t)2 * PLAN_MAX),
                    .input = -1,
                    .scratch = -1,
                    .plan = -1,
                    .configuration_fd = -1,
                    .output = -1,
                    .roots = -1,
                    .output_limit = UINT64_MAX / 2,
                    .limits = workspace_default_limits()};
    struct parameter_value *values = NULL;
    size_t count = 0;
    if (j.arena == NULL)
        return arena_err(e);
    TRY(take_job(&j, &values, &count, e));
    struct refusal r = {0};
    struct msg_JOB_DONE done = {0};
    if (run(&j, pool, values, count, &done, &r))
        return channel_send_JOB_DONE(core, &done, NULL, 0, e);
    if (r.err.code == ERR_IPC_CLOSED || r.err.code == ERR_IPC_MESSAGE) {
        *e = r.err;
        return false;
    }
    return channel_send_JOB_REFUSED(
        core,
        &(struct msg_JOB_REFUSED){.job = j.number,
                                  .code = reader_text(err_machine_code(r.err.code)),
                                  .user = reader_text(r.err.user),
                                  .detail = reader_text(r.err.detail),
                                  .path = reader_text(r.path),
                                  .line = r.line,
                                  .column = r.column},
        NULL, 0, e);
}
