/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/receipt.h"
#include "artifact/subject.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/key.h"
#include "service/authority.h"
#include "service/certificates.h"
#include "service/events.h"
#include "service/job_steps.h"
#include "store/effects.h"
#include <string.h>

/* One attempt: one grant. A grant that is open already belongs to a run that was cut off; it is
 * used again, with the effects of that run. */
struct attempt {
    struct job_context *context;
    uint32_t number, slots;
    uint8_t grant[GRANT_ID];
    uint64_t intent;
    uint8_t seed[32];
    int64_t time;         /* seconds */
    bool resumed;         /* the grant is that of a run that was cut off */
    const char *outdated; /* why the open grant cannot be used; NULL: it can */
    uint8_t subject[SUBJECT_SIZE];
    bool stamps;
    struct reader plan; /* PLAN_ITEM records */
    struct reader uses; /* USE records, after D16 */
    struct blob output;
    struct reader found; /* FOUND records of the verify run */
    struct writer receipt;
};

/* --- D09: is it still allowed? -------------------------------------------------------------- */

static bool recheck(struct job_context *c, struct err *e)
{
    if (strcmp(row_text(&c->row, "project_status"), "Valid") != 0 ||
        strcmp(row_text(&c->row, "policy_status"), "Valid") != 0)
        return err_user(e, ERR_WRONG_STATE,
                        "The project or its signing policy was deactivated after the submission.");
    return certificate_check_usable(&c->row, clock_wall_ms(), e) &&
           policy_check_servers(c->service, row_text(&c->row, "timestamp_mode"),
                                row_text(&c->row, "scan_mode"), e);
}

static bool enter_processing(struct db_tx *tx, void *ctx, struct err *e)
{
    struct attempt *t = ctx;
    struct job_context *c = t->context;
    struct db_value id = DB_TEXT(c->request);
    TRY(queue_check(tx, &c->job, e));
    TRY(tx_run(tx, QUERY_request_set_state,
               DB_ARGS(id, DB_TEXT("InProgress"), DB_TEXT("Processing")), e));
    return tx_run(tx, QUERY_request_step_add,
                  DB_ARGS(id, DB_TEXT("Processing"), DB_INT(clock_wall_ms()),
                          DB_TEXT(t->stamps ? ""
                                            : "not time-stamped: no server set, or switched "
                                              "off by the signing policy")),
                  e);
}

/* --- D10: the grant ------------------------------------------------------------------------- */

static bool digest_subject(struct attempt *t, struct err *e)
{
    struct db_rows *row = &t->context->row;
    struct subject s = {
        .organisation = reader_text(row_text(row, "organization")),
        .request = reader_text(t->context->request),
        .submitter = reader_text(row_text(row, "submitter")),
        .artifact_sha256 = row_bytes(row, "artifact"),
        .artifact_size = (uint64_t)row_int(row, "artifact_size"),
        .plan_sha256 = row_bytes(row, "plan"),
        .configuration = reader_text(row_text(row, "configuration")),
        .configuration_version = (uint64_t)row_int(row, "configuration_version"),
        .configuration_sha256 = row_bytes(row, "configuration_sha256"),
        .policy = reader_text(row_text(row, "policy")),
        .policy_version = (uint64_t)row_int(row, "policy_current"),
        .key = reader_text(row_text(row, "key_id")),
        .certificate_sha256 = row_bytes(row, "certificate_sha256"),
        .parameters = row_bytes(row, "parameters"),
        .scan = reader_text(row_text(row, "scan")),
    };
    return subject_digest(&s, t->subject, e);
}

/* Every algorithm that the key can make and a directive can ask for. */
static size_t algorithms_of(const char *key_type, sign_algorithm ret[GRANT_ALGORITHMS])
{
    static const enum hash hashes[] = {HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_SHA1};
    bool ec = strncmp(key_type, "ec-", 3) == 0;
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        ret[n++] = SIGN_ALGORITHM(ec ? SCHEME_ECDSA : SCHEME_RSA_PKCS1, hashes[i]);
        if (!ec && hashes[i] != HASH_SHA1)
            ret[n++] = SIGN_ALGORITHM(SCHEME_RSA_PSS, hashes[i]);
    }
    return n;
}

/* A grant stands for one decision and for one time. What was signed under it is of no use once the
 * policy, its certificate or anything else of the subject is another. */
static bool check_grant(struct attempt *t, struct reader encoding, struct err *e)
{
    struct record_GRANT grant;
    if (!record_GRANT_next(&encoding, &grant))
        return err_set(e, ERR_DB_DAMAGED, "grant row");
    if (!reader_equal(grant.subject, reader_over(t->subject, sizeof t->subject)))
        t->outdated = "what was decided on has changed";
    else if (grant.expires <= (uint64_t)clock_wall_ms())
        t->outdated = "its time is over";
    return true;
}

static bool reuse_grant(struct db_tx *tx, struct attempt *t, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_grant_open_of_request, DB_ARGS(DB_TEXT(t->context->request)), &row, e));
    t->resumed = row.count == 1;
    if (!t->resumed)
        return true;
    struct reader id = row_bytes(&row, "id"), seed = row_bytes(&row, "seed");
    t->intent = (uint64_t)row_int(&row, "intent");
    t->time = row_int(&row, "time");
    t->number = (uint32_t)row_int(&row, "attempt");
    TRY(check_grant(t, row_bytes(&row, "encoding"), e));
    return (reader_copy(&id, t->grant, sizeof t->grant) &&
            reader_copy(&seed, t->seed, sizeof t->seed)) ||
           err_set(e, ERR_DB_DAMAGED, "grant row");
}

static bool begin_attempt(struct db_tx *tx, void *ctx, struct err *e)
{
    struct attempt *t = ctx;
    struct job_context *c = t->context;
    TRY(queue_check(tx, &c->job, e) && reuse_grant(tx, t, e));
    if (t->resumed)
        return true;
    sign_algorithm algorithms[GRANT_ALGORITHMS];
    struct grant_made made;
    t->number = t->number == 0 ? (uint32_t)row_int(&c->row, "attempt") + 1 : t->number + 1;
    t->time = clock_wall_ms() / 1000;
    struct grant_wish wish = {
        .kind = GRANT_ARTIFACT,
        .request = c->request,
        .attempt = t->number,
        .subject = reader_over(t->subject, sizeof t->subject),
        .key = row_text(&c->row, "key_id"),
        .algorithms = algorithms,
        .algorithm_count = algorithms_of(row_text(&c->row, "key_type"), algorithms),
        .slots = t->slots,
        .lifetime_ms = 2 * c->service->job_timeout_ms,
    };
    TRY(file_random(t->seed, sizeof t->seed, e));
    TRY(authority_intent(tx, c->service, NULL, &wish, &made, e));
    struct reader id = reader_over(made.id, sizeof made.id);
    if (!reader_copy(&id, t->grant, sizeof t->grant))
        return err_set(e, ERR_INTERNAL, "grant id");
    t->intent = made.intent;
    TRY(tx_run(tx, QUERY_grant_insert,
               DB_ARGS(DB_BLOB(made.id, sizeof made.id), DB_TEXT(c->request),
                       DB_INT(GRANT_ARTIFACT), DB_INT(t->number), DB_BYTES(made.encoding),
                       DB_INT(made.intent), DB_BLOB(t->seed, sizeof t->seed), DB_INT(t->time),
                       DB_INT(clock_wall_ms())),
               e));
    return tx_run(
        tx, QUERY_request_begin_attempt,
        DB_ARGS(DB_TEXT(c->request), DB_INT(t->number), DB_BLOB(t->subject, sizeof t->subject)), e);
}

/* --- the two workers ------------------------------------------------------------------------ */

static struct worker_run new_run(struct attempt *t, enum job_kind kind)
{
    struct job_context *c = t->context;
    return (struct worker_run){.service = c->service,
                               .arena = c->arena,
                               .kind = kind,
                               .request = c->request,
                               .name = row_text(&c->row, "file_name"),
                               .parameters = row_bytes(&c->row, "parameters"),
                               .certificates = row_bytes(&c->row, "certificate_records"),
                               .stamps = t->stamps,
                               .time = t->time,
                               .seed = reader_over(t->seed, sizeof t->seed),
                               .grant = kind == JOB_SIGN ? t->grant : NULL,
                               .slots = t->slots};
}

static bool run_with_inputs(struct attempt *t, struct worker_run *run, struct err *e)
{
    struct job_context *c = t->context;
    CLEANUP(file_close) int artifact = -1;
    CLEANUP(file_close) int configuration = -1;
    CLEANUP(file_close) int plan = -1;
    TRY(job_open_inputs(c, &artifact, &configuration, e) && job_roots(c, &run->roots, e) &&
        file_memfd("plan", t->plan, &plan, e));
    run->input = artifact;
    run->configuration = configuration;
    run->plan = plan;
    return worker_run(run, e);
}

/* What a run that did not end in "done" means for the request; *ret_over: nothing more to do. */
static bool judge(struct attempt *t, const struct worker_run *run, bool *ret_over, struct err *e)
{
    *ret_over = run->canceled || run->refused;
    if (run->canceled)
        return job_cancel(t->context, e);
    return !run->refused || job_refuse_artifact(t->context, &run->refusal, e);
}

static bool sign(struct attempt *t, bool *ret_over, struct err *e)
{
    enum { GROWTH = 1 << 30 };
    static const struct blob_steps steps = {CRASH_D15, CRASH_D15};
    struct job_context *c = t->context;
    struct blob_writer *output;
    struct worker_run run = new_run(t, JOB_SIGN);
    uint64_t limit = (uint64_t)row_int(&c->row, "artifact_size") * 2 + GROWTH;
    TRY(blob_begin(c->service->blobs, steps, limit, &output, e));
    run.output = blob_fd(output);
    if (!run_with_inputs(t, &run, e)) {
        blob_abandon(output);
        return false;
    }
    if (run.refused || run.canceled) {
        blob_abandon(output);
        return judge(t, &run, ret_over, e);
    }
    if (!reader_equal(run.sha256, row_bytes(&c->row, "artifact"))) {
        blob_abandon(output);
        return err_set(e, ERR_BLOB_DAMAGED, "the worker read other bytes than were uploaded");
    }
    TRY(blob_finish(output, &t->output, e));
    return t->output.size == run.size || err_set(e, ERR_ATTEMPT, "output size");
}

static bool verify(struct attempt *t, bool *ret_over, struct err *e)
{
    struct job_context *c = t->context;
    struct worker_run run = new_run(t, JOB_VERIFY);
    CLEANUP(file_close) int output = -1;
    uint64_t size;
    TRY(blob_open(c->service->blobs, t->output.sha256, &output, &size, e));
    run.output = output;
    writer_init(&run.found, 64 << 20);
    bool ok = run_with_inputs(t, &run, e);
    if (ok && !run.refused && !run.canceled &&
        !reader_equal(run.sha256, reader_over(t->output.sha256, sizeof t->output.sha256)))
        ok = err_set(e, ERR_UNVERIFIED, "the verify worker read another output");
    t->found = ok ? arena_bytes(c->arena, writer_view(&run.found)) : t->found;
    writer_done(&run.found);
    return ok && (t->found.at != NULL || arena_err(e)) && judge(t, &run, ret_over, e);
}

/* --- the three lists: plan, journal of the key process, verify run ---------------------------- */

/* The journal has its uses in the order they were made. A slot that was not used has no digest. */
static bool sort_uses(struct attempt *t, struct record_USE **ret, struct err *e)
{
    struct reader uses = t->uses;
    struct record_USE use;
    struct record_USE *list =
        ARENA_ARRAY(t->context->arena, (size_t)t->slots + 1, struct record_USE);
    if (list == NULL)
        return arena_err(e);
    while (uses.left > 0) {
        if (!record_USE_next(&uses, &use) || use.slot >= t->slots || list[use.slot].digest.left > 0)
            return err_set(e, ERR_UNVERIFIED, "a use that is of no slot, or of one used before");
        list[use.slot] = use;
    }
    *ret = list;
    return true;
}

/* Slot for slot: what the key signed stands in the output, by the right certificate. (The verify
 * run itself refuses a signature without the time stamp that was wanted.) It sends its slots in
 * rising order, each once. */
static bool compare_lists(struct attempt *t, struct err *e)
{
    struct reader found = t->found;
    struct record_FOUND f;
    struct record_USE *uses;
    uint32_t next = 0;
    TRY(sort_uses(t, &uses, e));
    for (; found.left > 0; next++) {
        if (!record_FOUND_next(&found, &f) || f.slot != next || next >= t->slots)
            return err_set(e, ERR_UNVERIFIED, "slot %u: the verify run is out of order", next);
        if (uses[next].digest.left == 0)
            return err_set(e, ERR_UNVERIFIED, "slot %u was never signed", f.slot);
        if (uses[next].algorithm != f.algorithm || !reader_equal(uses[next].digest, f.digest))
            return err_set(e, ERR_UNVERIFIED, "slot %u: another digest was signed", f.slot);
        if (!reader_equal(f.certificate, row_bytes(&t->context->row, "certificate_sha256")))
            return err_set(e, ERR_UNVERIFIED, "slot %u: another certificate", f.slot);
    }
    return next == t->slots ||
           err_set(e, ERR_UNVERIFIED, "%u slots planned, %u found", t->slots, next);
}

/* --- D17: release ---------------------------------------------------------------------------- */

static bool write_receipt(struct attempt *t, struct err *e)
{
    struct job_context *c = t->context;
    CLEANUP(writer_done) struct writer more = {0};
    struct reader records = row_bytes(&c->row, "certificate_records"), chain[32];
    struct receipt r = {.name = row_text(&c->row, "file_name"),
                        .input_sha256 = row_bytes(&c->row, "artifact"),
                        .output_sha256 = reader_over(t->output.sha256, sizeof t->output.sha256),
                        .input_size = (uint64_t)row_int(&c->row, "artifact_size"),
                        .output_size = t->output.size,
                        .time_ms = clock_wall_ms(),
                        .plan = t->plan,
                        .chain = chain,
                        .found = t->found};
    while (records.left > 0 && r.chain_count < COUNT_OF(chain)) {
        struct record_CERTIFICATE certificate;
        if (!record_CERTIFICATE_next(&records, &certificate))
            return err_set(e, ERR_DB_DAMAGED, "certificate chain");
        chain[r.chain_count++] = certificate.der;
    }
    writer_init(&more, 64 * 1024);
    struct json j = json_into(&more);
    json_open_object(&j, NULL);
    json_text(&j, "signingRequestId", c->request);
    json_text(&j, "organizationId", row_text(&c->row, "organization"));
    json_text(&j, "project", row_text(&c->row, "project_slug"));
    json_text(&j, "signingPolicy", row_text(&c->row, "policy_slug"));
    json_text(&j, "certificate", row_text(&c->row, "certificate_slug"));
    json_hex(&j, "subject", t->subject, sizeof t->subject);
    json_text(&j, "malwareScan", row_text(&c->row, "scan"));
    json_u64(&j, "intentLeaf", t->intent);
    json_end_object(&j);
    TRY(writer_ok(&more, e));
    r.more = writer_view(&more);
    return receipt_write(&t->receipt, &r, e) && writer_ok(&t->receipt, e);
}

static bool release(struct db_tx *tx, void *ctx, struct err *e)
{
    struct attempt *t = ctx;
    struct job_context *c = t->context;
    int64_t now = clock_wall_ms();
    struct db_value id = DB_TEXT(c->request);
    struct db_value output = DB_BLOB(t->output.sha256, sizeof t->output.sha256);
    struct reader grant = reader_over(t->grant, sizeof t->grant);
    TRY(queue_complete(tx, &c->job, e));
    TRY(tx_run(tx, QUERY_request_complete,
               DB_ARGS(id, output, DB_INT(t->output.size), DB_BYTES(writer_view(&t->receipt)),
                       DB_INT(now)),
               e));
    if (tx_changed(tx) != 1)
        return err_set(e, ERR_CONFLICT, "canceled at the last moment");
    TRY(tx_run(tx, QUERY_grant_set_state,
               DB_ARGS(DB_BYTES(grant), DB_TEXT("closed"), DB_BYTES(t->uses)), e));
    TRY(effects_drop(tx, grant, e));
    TRY(tx_run(tx, QUERY_request_step_add,
               DB_ARGS(id, DB_TEXT("Completed"), DB_INT(now),
                       DB_TEXT(arena_format(tx_arena(tx), "%u signatures", t->slots))),
               e));
    const char *outbox;
    TRY(service_new_id(tx_arena(tx), &outbox, e));
    TRY(tx_run(tx, QUERY_outbox_insert,
               DB_ARGS(DB_TEXT(outbox), DB_TEXT("Completed"), id, DB_INT(now)), e));
    struct event event = {
        .type = "OUTCOME", .kind = "SigningRequest", .object = c->request, .request = c->request};
    event_add(&event, "status", "Completed");
    event_add_bytes(&event, "grant", grant);
    event_add_bytes(&event, "artifactSha256", row_bytes(&c->row, "artifact"));
    event_add_bytes(&event, "outputSha256", output.bytes);
    return event_append(tx, &event, NULL, e);
}

static bool finish(struct attempt *t, struct err *e)
{
    struct job_context *c = t->context;
    writer_init(&t->receipt, 256 << 20);
    bool ok = write_receipt(t, e) && db_write(c->service->db, CRASH_D17, release, t, e);
    writer_done(&t->receipt);
    if (!ok && e->code == ERR_CONFLICT) {
        *e = (struct err){0};
        return job_cancel(c, e);
    }
    return ok;
}

static bool refuse(struct job_context *c, const struct err *why, struct err *e)
{
    struct refusal_text text = {
        .code = err_machine_code(why->code), .user = why->user, .detail = why->detail, .path = ""};
    return job_refuse(c, &text, e);
}

static bool close_and_verify(struct attempt *t, struct err *e)
{
    struct job_context *c = t->context;
    bool over = false;
    CLEANUP(writer_done) struct writer uses = {0};
    writer_init(&uses, 64 << 20);
    TRY(authority_close(c->service, t->grant, &uses, e));
    t->uses = writer_view(&uses);
    TRY(verify(t, &over, e));
    if (over)
        return true;
    struct err differs = {0};
    if (compare_lists(t, &differs))
        return finish(t, e);
    return err_theirs(&differs, e) && refuse(c, &differs, e);
}

static bool give_up_grant(struct db_tx *tx, void *ctx, struct err *e)
{
    struct attempt *t = ctx;
    const char *request = t->context->request;
    struct reader grant = reader_over(t->grant, sizeof t->grant);
    TRY(queue_check(tx, &t->context->job, e));
    TRY(tx_run(tx, QUERY_grant_set_state,
               DB_ARGS(DB_BYTES(grant), DB_TEXT("closed"), DB_BYTES(t->uses)), e) &&
        effects_drop(tx, grant, e));
    struct event event = {.type = "SigningRequest.AttemptGivenUp",
                          .kind = "SigningRequest",
                          .object = request,
                          .request = request};
    event_add(&event, "reason", t->outdated);
    event_add_bytes(&event, "grant", grant);
    event_add(&event, "slotsUsedButNotReleased",
              arena_format(tx_arena(tx), "%u", job_count_uses(t->uses)));
    return event_append(tx, &event, NULL, e);
}

/* A new attempt takes a new grant, after the old one is closed. */
static bool replace_grant(struct attempt *t, struct err *e)
{
    struct service *s = t->context->service;
    CLEANUP(writer_done) struct writer uses = {0};
    writer_init(&uses, 64 << 20);
    TRY(job_close_grant(s, t->grant, &uses, e));
    t->uses = writer_view(&uses);
    TRY(db_write(s->db, CRASH_S01, give_up_grant, t, e));
    t->uses = (struct reader){0};
    t->outdated = NULL;
    return db_write(s->db, CRASH_D10, begin_attempt, t, e);
}

/* The key process refused, for a reason that another attempt would meet again. */
static bool is_answer(const struct err *why)
{
    return why->code == ERR_KEY_PINNED || why->code == ERR_KEY_FROZEN ||
           why->code == ERR_KEY_UNKNOWN;
}

static bool obtain_grant(struct attempt *t, bool *ret_over, struct err *e)
{
    struct job_context *c = t->context;
    struct err why = {0};
    TRY(db_write(c->service->db, CRASH_D10, begin_attempt, t, e));
    bool granted = t->outdated == NULL && authority_grant(c->service, t->intent, &why);
    if (t->resumed && why.code == ERR_GRANT)
        t->outdated = "the key process does not take it any more"; /* a restore of the log, say */
    if (t->outdated != NULL) {
        TRY(replace_grant(t, e));
        why = (struct err){0};
        granted = authority_grant(c->service, t->intent, &why);
    }
    if (granted)
        return true;
    *ret_over = is_answer(&why);
    if (*ret_over)
        return refuse(c, &why, e);
    return err_from(e, err_machine_code(why.code), why.user, why.detail);
}

bool job_sign(struct job_context *c, struct err *e)
{
    struct attempt t = {.context = c, .slots = (uint32_t)row_int(&c->row, "slots")};
    struct err refused = {0};
    bool over = false;
    t.stamps =
        strcmp(row_text(&c->row, "timestamp_mode"), "none") != 0 && c->service->tsa_count > 0;
    if (!recheck(c, &refused))
        return refuse(c, &refused, e);
    TRY(job_plan(c, &t.plan, e) && db_write(c->service->db, CRASH_D09, enter_processing, &t, e));
    TRY(digest_subject(&t, e) && obtain_grant(&t, &over, e));
    if (over)
        return true;
    TRY(sign(&t, &over, e));
    return over || close_and_verify(&t, e);
}
