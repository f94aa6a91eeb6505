/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "configuration/configuration.h"
#include "crypto/digest.h"
#include "service/certificates.h"
#include "service/events.h"
#include "service/refusals.h"
#include "service/requests.h"
#include "store/queue.h"
#include <string.h>

/* Everything a submission touches. The parameters are resolved first, over a snapshot, because
 * parsing a configuration must not hold up everybody's writes; then all the rest is found and
 * checked inside the writing transaction, so that nothing changes between the check and the row. */
struct checked {
    struct service *service;
    const struct actor *actor;
    const struct submission *in;
    struct arena *arena;
    struct db_rows project, policy, configuration, version, certificate;
    struct reader parameters; /* resolved PAIRs */
    struct digest_value content;
    struct submitted result;
    int64_t pinned_version; /* 0: the configuration's current one */
    /* What the parameters were resolved for; the transaction must find the same. */
    const char *resolved_configuration, *resolved_certificate;
    bool stale;
};

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static bool find_project(struct db_tx *tx, struct checked *c, struct err *e)
{
    const char *organization = c->actor->organization;
    if (given(c->in->policy_id)) {
        TRY(tx_one(tx, QUERY_policy_by_id,
                   DB_ARGS(DB_TEXT(organization), DB_TEXT(c->in->policy_id)), &c->policy, e));
        if (c->policy.count == 0)
            return service_field_err(e, "SigningPolicyId",
                                     "There is no signing policy with this id.");
        return tx_one(tx, QUERY_project_by_id,
                      DB_ARGS(DB_TEXT(organization), DB_TEXT(row_text(&c->policy, "project"))),
                      &c->project, e);
    }
    if (!given(c->in->project))
        return service_field_err(e, "ProjectSlug", "The ProjectSlug field is required.");
    TRY(tx_one(tx, QUERY_project_by_slug,
               DB_ARGS(DB_TEXT(organization), DB_TEXT(service_fold(c->arena, c->in->project))),
               &c->project, e));
    return c->project.count == 1 ||
           service_field_err(e, "ProjectSlug",
                             "There is no project with this slug in the organization.");
}

static bool find_policy(struct db_tx *tx, struct checked *c, struct err *e)
{
    if (given(c->in->policy_id))
        return !given(c->in->project) && !given(c->in->policy)
                   ? true
                   : service_field_err(e, "SigningPolicyId",
                                       "Name the signing policy by ids or by slugs, not by both.");
    if (!given(c->in->policy))
        return service_field_err(e, "SigningPolicySlug",
                                 "The SigningPolicySlug field is required.");
    TRY(tx_one(tx, QUERY_policy_by_slug,
               DB_ARGS(DB_TEXT(row_text(&c->project, "id")),
                       DB_TEXT(service_fold(c->arena, c->in->policy))),
               &c->policy, e));
    return c->policy.count == 1 ||
           service_field_err(e, "SigningPolicySlug",
                             "There is no signing policy with this slug in the project.");
}

static bool find_configuration(struct db_tx *tx, struct checked *c, struct err *e)
{
    const char *project = row_text(&c->project, "id");
    const char *id = given(c->in->configuration_id)
                         ? c->in->configuration_id
                         : row_text(&c->project, "default_configuration");
    if (given(c->in->configuration))
        TRY(tx_one(tx, QUERY_configuration_by_slug,
                   DB_ARGS(DB_TEXT(project), DB_TEXT(service_fold(c->arena, c->in->configuration))),
                   &c->configuration, e));
    else if (given(id))
        TRY(tx_one(tx, QUERY_configuration_by_id,
                   DB_ARGS(DB_TEXT(c->actor->organization), DB_TEXT(id)), &c->configuration, e));
    else
        return service_field_err(e, "ArtifactConfigurationSlug",
                                 "The project has no default artifact configuration: name one.");
    if (c->configuration.count == 0 || strcmp(row_text(&c->configuration, "project"), project) != 0)
        return service_field_err(
            e, "ArtifactConfigurationSlug",
            "There is no artifact configuration with this slug in the project.");
    int64_t version =
        c->pinned_version != 0 ? c->pinned_version : row_int(&c->configuration, "version");
    TRY(tx_one(tx, QUERY_configuration_version,
               DB_ARGS(DB_TEXT(row_text(&c->configuration, "id")), DB_INT(version)), &c->version,
               e));
    c->pinned_version = version;
    return c->version.count == 1 || err_set(e, ERR_INTERNAL, "configuration version is missing");
}

static bool check_usable(struct db_tx *tx, struct checked *c, struct err *e)
{
    if (strcmp(row_text(&c->project, "status"), "Valid") != 0)
        return service_field_err(
            e, "ProjectSlug", "The project is inactive. A Project Administrator can activate it.");
    if (strcmp(row_text(&c->configuration, "status"), "Valid") != 0)
        return service_field_err(e, "ArtifactConfigurationSlug",
                                 "The artifact configuration is inactive. A configurator of the "
                                 "project can activate it.");
    if (strcmp(row_text(&c->policy, "status"), "Valid") != 0)
        return service_field_err(e, "SigningPolicySlug",
                                 "The signing policy is inactive. A Project Administrator can "
                                 "activate it.");
    TRY(tx_one(
        tx, QUERY_certificate_by_id,
        DB_ARGS(DB_TEXT(c->actor->organization), DB_TEXT(row_text(&c->policy, "certificate"))),
        &c->certificate, e));
    return certificate_check_usable(&c->certificate, clock_wall_ms(), e) &&
           policy_check_servers(c->service, row_text(&c->policy, "timestamp_mode"),
                                row_text(&c->policy, "scan_mode"), e);
}

static size_t count_pairs(struct reader list)
{
    size_t n = 0;
    struct record_PAIR pair;
    while (list.left > 0 && record_PAIR_next(&list, &pair))
        n++;
    return n;
}

/* All of them at once (product-spec 5.2.10), under the name of the first. */
static bool parameters_err(const struct configuration_problems *problems, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    const char *name = NULL;
    writer_init(&w, 256 * 1024);
    for (size_t i = 0; i < problems->count; i++) {
        const struct configuration_problem *p = &problems->list[i];
        if (p->warning)
            continue;
        writer_format(&w, "%s%s", w.len == 0 ? "" : " ", p->text);
        name = name == NULL ? p->parameter : name;
    }
    writer_u8(&w, 0);
    if (w.failed || name == NULL)
        return false;
    struct err all = {0};
    (void)err_set(&all, ERR_PARAMETER, "Parameters.%s", name);
    *e = (struct err){0};
    return err_from(e, err_machine_code(ERR_PARAMETER), (const char *)w.data, all.detail);
}

/* Defaults filled in, unknown names refused: what the worker will use and the page shows. */
static bool resolve_parameters(struct checked *c, struct err *e)
{
    struct configuration *parsed, *resolved;
    struct configuration_problems problems = {0};
    size_t n = count_pairs(c->in->parameters);
    if (n > 100)
        return service_field_err(e, "Parameters", "A request has at most 100 parameters.");
    struct parameter_value *values = ARENA_ARRAY(c->arena, n + 1, struct parameter_value);
    if (values == NULL)
        return arena_err(e);
    struct reader list = c->in->parameters;
    for (size_t i = 0; i < n; i++) {
        struct record_PAIR pair;
        if (!record_PAIR_next(&list, &pair))
            return err_set(e, ERR_INTERNAL, "parameters");
        values[i].name = arena_text(c->arena, pair.name);
        values[i].value = arena_text(c->arena, pair.value);
    }
    TRY(configuration_parse(c->arena, row_bytes(&c->version, "xml"), &parsed, &problems, e));
    TRY(configuration_check_key(parsed, certificate_key_kind(&c->certificate), &problems, e));
    if (!configuration_resolve(parsed, values, n, &resolved, &problems, e))
        return e->code == ERR_PARAMETER ? parameters_err(&problems, e) : false;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1 << 20);
    for (size_t i = 0; i < parsed->parameter_count; i++) {
        const struct configuration_parameter *p = &parsed->parameters[i];
        const char *value = p->default_value;
        for (size_t k = 0; k < n; k++)
            if (strcmp(values[k].name, p->name) == 0)
                value = values[k].value;
        record_PAIR_write(
            &w, &(struct record_PAIR){.name = reader_text(p->name), .value = reader_text(value)});
    }
    TRY(writer_ok(&w, e));
    c->parameters = arena_bytes(c->arena, writer_view(&w));
    c->resolved_configuration = row_text(&c->configuration, "id");
    c->resolved_certificate = row_text(&c->certificate, "id");
    return c->parameters.at != NULL || arena_err(e);
}

static bool check(struct db_tx *tx, struct checked *c, struct err *e)
{
    unsigned rights;
    tx_into(tx, c->arena);
    TRY(find_project(tx, c, e) && find_policy(tx, c, e) && find_configuration(tx, c, e));
    TRY(service_rights(tx, c->actor, row_text(&c->project, "id"), row_text(&c->policy, "id"), NULL,
                       &rights, e));
    TRY(permission_check(PERM_SUBMIT, rights, e));
    TRY(check_usable(tx, c, e));
    if (c->in->has_origin)
        return err_user(
            e, ERR_FIELD,
            "Origin data counts only from a trusted build system: send its token behind "
            "the API token, or leave the origin fields away.");
    return true;
}

static bool resolve(struct db_tx *tx, void *ctx, struct err *e)
{
    struct checked *c = ctx;
    return check(tx, c, e) && resolve_parameters(c, e);
}

/* The same content again is recognised by everything that the submitter said. */
static bool digest_content(struct checked *c, struct err *e)
{
    const struct submission *in = c->in;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1 << 20);
    const char *const texts[] = {in->project,   in->policy,      in->configuration,
                                 in->policy_id, in->description, in->configuration_id,
                                 in->file_name, in->original};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        record_PAIR_write(&w, &(struct record_PAIR){.value = reader_text(texts[i])});
    writer_reader(&w, in->artifact);
    writer_reader(&w, in->parameters);
    return writer_ok(&w, e) && digest_of(HASH_SHA256, writer_view(&w), &c->content, e);
}

static bool find_replay(struct db_tx *tx, struct checked *c, struct err *e)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct db_rows row;
    TRY(tx_run(tx, QUERY_idempotency_delete_old, DB_ARGS(DB_INT(clock_wall_ms() - DAY_MS)), e));
    TRY(tx_one(tx, QUERY_idempotency_by_key,
               DB_ARGS(DB_TEXT(c->actor->user), DB_TEXT(c->in->idempotency_key)), &row, e));
    if (row.count == 0)
        return true;
    if (!reader_equal(row_bytes(&row, "content"), digest_view(&c->content)))
        return err_user(e, ERR_CONFLICT,
                        "This Idempotency-Key was used within the last 24 hours for a submission "
                        "with other content (request %s). Use a new key.",
                        row_text(&row, "request"));
    c->result = (struct submitted){.id = row_text(&row, "request"), .replayed = true};
    return true;
}

static bool insert_request(struct db_tx *tx, struct checked *c, struct err *e)
{
    const struct submission *in = c->in;
    const struct actor *by = c->actor;
    int64_t now = clock_wall_ms();
    TRY(service_new_id(c->arena, &c->result.id, e));
    TRY(tx_run(
        tx, QUERY_request_insert,
        DB_ARGS(DB_TEXT(c->result.id), DB_TEXT(by->organization),
                DB_TEXT(row_text(&c->project, "id")), DB_TEXT(row_text(&c->policy, "id")),
                DB_TEXT(row_text(&c->configuration, "id")), DB_INT(c->pinned_version),
                DB_INT(row_int(&c->policy, "version")), DB_TEXT(row_text(&c->project, "slug")),
                DB_TEXT(row_text(&c->project, "name")), DB_TEXT(row_text(&c->policy, "slug")),
                DB_TEXT(row_text(&c->policy, "name")), DB_TEXT(row_text(&c->configuration, "slug")),
                DB_TEXT(row_text(&c->configuration, "name")), DB_TEXT(by->user), DB_TEXT(by->name),
                DB_TEXT(by->token_name), DB_TEXT(by->address), DB_TEXT(by->user_agent),
                DB_TEXT(in->description == NULL ? "" : in->description), DB_BYTES(c->parameters),
                DB_TEXT(in->original), DB_TEXT(in->file_name), DB_BYTES(in->artifact),
                DB_INT(in->artifact_size),
                in->cancel_seconds == 0 ? DB_NULL
                                        : DB_INT(now + (int64_t)in->cancel_seconds * 1000),
                DB_INT(now)),
        e));
    if (given(in->idempotency_key))
        TRY(tx_run(tx, QUERY_idempotency_insert,
                   DB_ARGS(DB_TEXT(by->user), DB_TEXT(in->idempotency_key),
                           DB_BYTES(digest_view(&c->content)), DB_TEXT(c->result.id), DB_INT(now)),
                   e));
    return tx_run(tx, QUERY_request_step_add,
                  DB_ARGS(DB_TEXT(c->result.id), DB_TEXT("Submitted"), DB_INT(now), DB_TEXT("")),
                  e);
}

static bool store_request(struct db_tx *tx, void *ctx, struct err *e)
{
    struct checked *c = ctx;
    const struct submission *in = c->in;
    TRY(check(tx, c, e));
    c->stale = strcmp(row_text(&c->configuration, "id"), c->resolved_configuration) != 0 ||
               strcmp(row_text(&c->certificate, "id"), c->resolved_certificate) != 0;
    if (c->stale)
        return err_user(e, ERR_CONFLICT,
                        "The project or its signing policy was changed meanwhile: submit again.");
    if (given(in->idempotency_key)) {
        TRY(find_replay(tx, c, e));
        if (c->result.replayed)
            return true;
    }
    TRY(insert_request(tx, c, e));
    struct event event = {.type = "SigningRequest.Submitted",
                          .by = c->actor,
                          .kind = "SigningRequest",
                          .object = c->result.id,
                          .request = c->result.id};
    event_add(&event, "project", row_text(&c->project, "slug"));
    event_add(&event, "signingPolicy", row_text(&c->policy, "slug"));
    event_add(&event, "artifactConfiguration", row_text(&c->configuration, "slug"));
    event_add(&event, "fileName", in->file_name);
    event_add_bytes(&event, "artifactSha256", in->artifact);
    if (given(in->original))
        event_add(&event, "originalSigningRequest", in->original);
    TRY(event_append(tx, &event, NULL, e));
    struct job job = {.lane = "worker",
                      .kind = "inspect",
                      .subject = c->result.id,
                      .project = row_text(&c->project, "id")};
    return queue_add(tx, &job, clock_wall_ms(), e);
}

static bool check_texts(const struct submission *in, struct err *e)
{
    if (!given(in->file_name) || strlen(in->file_name) > 255 ||
        !text_is_printable(reader_text(in->file_name)) || strpbrk(in->file_name, "/\\") != NULL ||
        strcmp(in->file_name, ".") == 0 || strcmp(in->file_name, "..") == 0)
        return service_field_err(e, "Artifact",
                                 "The artifact needs a file name of at most 255 bytes without "
                                 "folders or control characters.");
    if (in->description != NULL && service_length(in->description) > 2000)
        return service_field_err(e, "Description", "A description has at most 2000 characters.");
    if (in->cancel_seconds > 366u * 24 * 3600)
        return service_field_err(e, "CancellationTimeoutInSeconds", "At most one year.");
    if (given(in->idempotency_key)) {
        size_t n = strlen(in->idempotency_key);
        bool visible = n <= 200;
        for (size_t i = 0; i < n; i++)
            visible = visible && in->idempotency_key[i] > 0x20 && in->idempotency_key[i] < 0x7f;
        if (!visible)
            return service_field_err(e, "Idempotency-Key", "1 to 200 visible ASCII characters.");
    }
    return true;
}

static bool try_submit(struct service *s, const struct actor *actor, const struct submission *in,
                       int64_t version, struct arena *a, struct submitted *ret, struct err *e)
{
    enum { TIMES = 3 };
    struct checked c = {.service = s, .actor = actor, .in = in, .arena = a};
    TRY(check_texts(in, e));
    TRY(digest_content(&c, e));
    bool stored = false;
    for (int i = 0; i < TIMES && !stored; i++) {
        struct err why = {0};
        c.pinned_version = version;
        c.stale = false;
        TRY(db_read(s->db, resolve, &c, e));
        stored = db_write(s->db, CRASH_D03, store_request, &c, &why);
        if (!stored && (!c.stale || i == TIMES - 1)) {
            *e = why;
            return false;
        }
    }
    *ret = c.result;
    if (!c.result.replayed)
        s->wake(s->wake_ctx);
    return true;
}

static bool is_submitter(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct actor *actor = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_policies_any_of_submitter, DB_ARGS(DB_TEXT(actor->user)), &row, e));
    unsigned list = row.count > 0 ? permission_list_bit("submitter") : 0;
    return permission_check(PERM_SUBMIT, list, e);
}

bool request_check_submitter(struct service *s, const struct actor *actor, struct err *e)
{
    struct actor asked = *actor;
    return db_read(s->db, is_submitter, &asked, e);
}

/* version 0: the configuration's current one. A refusal is an event of its own. */
static bool submit_version(struct service *s, const struct actor *actor,
                           const struct submission *in, int64_t version, struct arena *a,
                           struct submitted *ret, struct err *e)
{
    if (try_submit(s, actor, in, version, a, ret, e))
        return true;
    if (err_http_status(e->code) < 500)
        refusal_note(s,
                     &(struct refusal){.type = "SigningRequest.Refused",
                                       .organization = actor->organization,
                                       .by = actor,
                                       .address = actor->address,
                                       .reason = err_machine_code(e->code),
                                       .sentence = e->user,
                                       .project = in->project,
                                       .policy = given(in->policy) ? in->policy : in->policy_id});
    return false;
}

bool request_submit(struct service *s, const struct actor *actor, const struct submission *in,
                    struct arena *a, struct submitted *ret, struct err *e)
{
    return submit_version(s, actor, in, 0, a, ret, e);
}

bool request_resubmit(struct service *s, const struct actor *actor, const struct resubmission *in,
                      struct arena *a, struct submitted *ret, struct err *e)
{
    struct request_view *original;
    if (!given(in->original))
        return service_field_err(e, "OriginalSigningRequestId",
                                 "The OriginalSigningRequestId field is required.");
    TRY(request_read(s, actor, in->original, a, &original, e));
    const char *wanted = in->current_settings ? "Failed" : "Completed";
    if (strcmp(original->status, wanted) != 0)
        return err_user(e, ERR_WRONG_STATE,
                        "Only a %s request can be resubmitted%s; this one is %s.",
                        in->current_settings ? "failed" : "completed",
                        in->current_settings ? " with current settings" : "", original->status);
    if (original->artifact_deleted)
        return err_user(e, ERR_WRONG_STATE,
                        "The unsigned artifact of this request has been deleted: submit it anew.");
    struct submission next = {
        .project = given(in->policy_id) ? NULL : original->project_slug,
        .policy = in->policy,
        .policy_id = in->policy_id,
        .configuration_id = original->configuration,
        .description = given(in->description) ? in->description : original->description,
        .idempotency_key = in->idempotency_key,
        .parameters = in->parameters.left > 0 ? in->parameters : original->parameters,
        .file_name = original->file_name,
        .artifact = original->artifact,
        .artifact_size = (uint64_t)original->artifact_size,
        .original = original->id,
    };
    int64_t version = in->current_settings ? 0 : original->configuration_version;
    return submit_version(s, actor, &next, version, a, ret, e);
}
