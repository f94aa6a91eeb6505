/* SPDX-License-Identifier: Apache-2.0 */
#include "service/requests.h"
#include "base/text.h"
#include "service/receipts.h"
#include "web/api/api.h"
#include <string.h>

/* Field names begin with one of these; what follows is the parameter (wire-contract 0.4). */
static bool parameter_name(struct reader name, struct reader *ret)
{
    static const char word[] = "parameters";
    struct reader head;
    if (!reader_take(&name, strlen(word), &head) || name.left < 2)
        return false;
    for (size_t i = 0; i < head.left; i++)
        if ((head.at[i] | 0x20) != word[i])
            return false;
    bool dot = name.at[0] == '.', bracket = name.at[0] == '[' && name.at[name.left - 1] == ']';
    if (!dot && !bracket)
        return false;
    return reader_slice(name, 1, name.left - (bracket ? 2 : 1), ret);
}

static bool collect_parameters(struct web_call *c, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct reader list = c->fields;
    writer_init(&w, 4 << 20);
    while (list.left > 0) {
        struct record_PAIR field;
        struct reader name;
        if (!record_PAIR_next(&list, &field))
            return err_set(e, ERR_INTERNAL, "fields");
        if (parameter_name(field.name, &name))
            record_PAIR_write(&w, &(struct record_PAIR){.name = name, .value = field.value});
    }
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(c->arena, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool has_origin(struct web_call *c)
{
    struct reader list = c->fields;
    struct record_PAIR field;
    while (list.left > 0 && record_PAIR_next(&list, &field)) {
        const char *name = arena_text(c->arena, field.name);
        if (name != NULL && strlen(name) > 7 &&
            text_equal_ascii_fold("origin.", arena_text(c->arena, reader_over(name, 7))))
            return true;
    }
    return false;
}

/* Which of two would count is anybody's guess; a second artifact would be left unsigned unsaid. */
static bool check_once(struct web_call *c, struct err *e)
{
    static const char *const fields[] = {"projectSlug",
                                         "projectKey",
                                         "signingPolicySlug",
                                         "signingPolicyKey",
                                         "signingPolicyId",
                                         "artifactConfigurationSlug",
                                         "artifactConfigurationKey",
                                         "artifactConfigurationId",
                                         "description",
                                         "cancellationTimeoutInSeconds",
                                         "isFastSigningRequest"};
    size_t artifacts = 0;
    for (size_t i = 0; i < c->file_count; i++)
        artifacts += text_equal_ascii_fold(c->files[i].name, "artifact") ? 1 : 0;
    if (artifacts > 1)
        return service_field_err(e, "Artifact", "A request has one artifact, not several.");
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (web_field_count(c, fields[i]) > 1)
            return service_field_err(e, fields[i], "The field is given more than once.");
    return true;
}

static const char *first_of(struct web_call *c, const char *name, const char *older)
{
    const char *value = web_field(c, name);
    return value[0] != '\0' ? value : web_field(c, older);
}

bool submission_from_form(struct web_call *c, struct submission *ret, struct err *e)
{
    const struct web_file *artifact = web_file(c, "artifact");
    const char *timeout = web_field(c, "cancellationTimeoutInSeconds");
    struct submission in = {
        .project = first_of(c, "projectSlug", "projectKey"),
        .policy = first_of(c, "signingPolicySlug", "signingPolicyKey"),
        .configuration = first_of(c, "artifactConfigurationSlug", "artifactConfigurationKey"),
        .policy_id = web_field(c, "signingPolicyId"),
        .configuration_id = web_field(c, "artifactConfigurationId"),
        .description = web_field(c, "description"),
        .idempotency_key = web_header(c, "idempotency-key"),
        .has_origin = has_origin(c),
    };
    TRY(check_once(c, e));
    if (timeout[0] != '\0' && !text_u64(reader_text(timeout), &in.cancel_seconds))
        return service_field_err(e, "CancellationTimeoutInSeconds", "A whole number of seconds.");
    /* A browser whose user chose nothing sends an empty part without a name. */
    if (artifact == NULL || (artifact->blob.size == 0 && artifact->file_name[0] == '\0'))
        return service_field_err(e, "Artifact",
                                 "The Artifact field is required: the file to be signed, as a file "
                                 "part of a multipart/form-data body.");
    if (artifact->blob.size == 0)
        return service_field_err(e, "Artifact", "The artifact is empty.");
    in.file_name = artifact->file_name;
    in.artifact = reader_over(artifact->blob.sha256, sizeof artifact->blob.sha256);
    in.artifact_size = artifact->blob.size;
    TRY(collect_parameters(c, &in.parameters, e));
    *ret = in;
    return true;
}

static bool reply_created(struct web_call *c, const struct submitted *made, struct err *e)
{
    struct service *s = c->service;
    struct request_view *view;
    const char *location = arena_format(c->arena, "%s/API/v1/%s/SigningRequests/%s", s->base_url,
                                        c->actor.organization, made->id);
    if (location == NULL)
        return arena_err(e);
    TRY(request_read(s, &c->actor, made->id, c->arena, &view, e));
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    request_status_json(&j, s, view);
    json_end_object(&j);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 201, writer_view(&w));
    web_add_header(c, "Location", location);
    if (made->replayed)
        web_add_header(c, "Idempotency-Replayed", "true");
    return true;
}

bool api_submit(struct web_call *c, struct err *e)
{
    struct submission in;
    struct submitted made;
    if (text_equal_ascii_fold(web_field(c, "isFastSigningRequest"), "true"))
        return service_field_err(e, "IsFastSigningRequest",
                                 "Hash signing is not available in this version of the server.");
    TRY(submission_from_form(c, &in, e));
    TRY(request_submit(c->service, &c->actor, &in, c->arena, &made, e));
    return reply_created(c, &made, e);
}

bool api_resubmit(struct web_call *c, struct err *e)
{
    struct submitted made;
    struct resubmission in = {
        .original = web_field(c, "originalSigningRequestId"),
        .policy = web_field(c, "signingPolicySlug"),
        .policy_id = web_field(c, "signingPolicyId"),
        .description = web_field(c, "description"),
        .idempotency_key = web_header(c, "idempotency-key"),
    };
    TRY(collect_parameters(c, &in.parameters, e));
    TRY(request_resubmit(c->service, &c->actor, &in, c->arena, &made, e));
    return reply_created(c, &made, e);
}

static bool read_captured(struct web_call *c, struct request_view **ret, struct err *e)
{
    return request_read(c->service, &c->actor, c->captures[1], c->arena, ret, e);
}

bool api_request(struct web_call *c, struct err *e)
{
    struct request_view *view;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4 << 20);
    TRY(read_captured(c, &view, e));
    struct json j = json_into(&w);
    request_json(&j, c->service, c->actor.organization, view);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

bool api_status(struct web_call *c, struct err *e)
{
    struct request_view *view;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    TRY(read_captured(c, &view, e));
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    request_status_json(&j, c->service, view);
    json_end_object(&j);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

bool api_requests_list(struct web_call *c, struct err *e)
{
    struct list_place place;
    struct request_list list;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4 << 20);
    TRY(web_list_place(c, &place, e));
    struct request_filter filter = {.project = web_query(c, "projectSlug"),
                                    .status = web_query(c, "status"),
                                    .below = place.below,
                                    .most = place.most};
    TRY(request_list(c->service, &c->actor, &filter, c->arena, &list, e));
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_open_array(&j, "items");
    for (size_t i = 0; i < list.count; i++) {
        json_open_object(&j, NULL);
        request_summary_json(&j, c->service, &list.items[i]);
        json_end_object(&j);
    }
    json_end_array(&j);
    if (list.next == 0)
        json_put_null(&j, "next");
    else
        json_text(&j, "next", arena_format(c->arena, "%lld", (long long)list.next));
    json_end_object(&j);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

bool api_signed_artifact(struct web_call *c, struct err *e)
{
    return web_reply_artifact(c, c->captures[1], REQUEST_SIGNED, e);
}

bool api_unsigned_artifact(struct web_call *c, struct err *e)
{
    return web_reply_artifact(c, c->captures[1], REQUEST_UNSIGNED, e);
}

bool api_receipt(struct web_call *c, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 256 << 20);
    TRY(receipt_read(c->service, &c->actor, c->captures[1], c->arena, &w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

bool api_cancel(struct web_call *c, struct err *e)
{
    TRY(request_cancel(c->service, &c->actor, c->captures[1], web_field(c, "reason"), e));
    web_reply_json(c, 200, reader_text("{}"));
    return true;
}
