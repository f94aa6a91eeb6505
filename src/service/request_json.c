/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "service/requests.h"
#include <string.h>

static void put_link(struct json *j, const char *key, const struct service *s,
                     const char *organization, const struct request_view *v, const char *route)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    writer_format(&w, "%s/API/v1/%s/SigningRequests/%s/%s", s->base_url, organization, v->id,
                  route);
    json_bytes(j, key, writer_view(&w));
}

void request_status_json(struct json *j, const struct service *s, const struct request_view *v)
{
    json_text(j, "signingRequestId", v->id);
    json_text(j, "status", v->status);
    json_text(j, "workflowStatus", v->workflow_status);
    json_bool(j, "isFinalStatus", v->final);
    /* The artifact came with the submission, so it is here from the start. */
    json_bool(j, "hasArtifactBeenDownloadedBySignPathInCaseOfArtifactRetrieval", true);
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    writer_format(&w, "%s/requests/%s", s->base_url, v->id);
    json_bytes(j, "webLink", writer_view(&w));
}

static void put_error(struct json *j, const struct request_view *v)
{
    if (v->error_code == NULL || v->error_code[0] == '\0')
        return;
    json_open_object(j, "error");
    json_text(j, "code", v->error_code);
    json_text(j, "message", v->error_user);
    if (v->error_path[0] != '\0')
        json_text(j, "path", v->error_path);
    if (v->error_line > 0) {
        json_i64(j, "line", v->error_line);
        json_i64(j, "column", v->error_column);
    }
    json_text(j, "detail", v->error_detail);
    json_end_object(j);
}

static void put_time(struct json *j, const char *key, int64_t ms)
{
    char text[25];
    clock_iso(ms, text);
    json_text(j, key, text);
}

void request_summary_json(struct json *j, const struct service *s, const struct request_view *v)
{
    request_status_json(j, s, v);
    json_text(j, "description", v->description);
    json_text(j, "projectSlug", v->project_slug);
    json_text(j, "signingPolicySlug", v->policy_slug);
    json_text(j, "artifactConfigurationSlug", v->configuration_slug);
    json_text(j, "fileName", v->file_name);
    json_text(j, "submitterName", v->submitter_name);
    put_time(j, "createdDate", v->created);
}

void request_json(struct json *j, const struct service *s, const char *organization,
                  const struct request_view *v)
{
    json_open_object(j, NULL);
    request_status_json(j, s, v);
    json_text(j, "description", v->description);
    json_text(j, "projectId", v->project);
    json_text(j, "projectSlug", v->project_slug);
    json_text(j, "projectName", v->project_name);
    json_text(j, "artifactConfigurationId", v->configuration);
    json_text(j, "artifactConfigurationSlug", v->configuration_slug);
    json_text(j, "artifactConfigurationName", v->configuration_name);
    json_i64(j, "artifactConfigurationVersion", v->configuration_version);
    json_text(j, "signingPolicyId", v->policy);
    json_text(j, "signingPolicySlug", v->policy_slug);
    json_text(j, "signingPolicyName", v->policy_name);
    if (!v->artifact_deleted) { /* clients test for presence: omitted, never null */
        put_link(j, "unsignedArtifactLink", s, organization, v, "UnsignedArtifact");
        put_link(j, "signedArtifactLink", s, organization, v, "SignedArtifact");
    }
    json_open_object(j, "parameters");
    struct reader list = v->parameters;
    struct record_PAIR pair;
    while (list.left > 0 && record_PAIR_next(&list, &pair)) {
        char name[256];
        struct reader text = pair.name;
        size_t n = text.left < sizeof name ? text.left : sizeof name - 1;
        if (!reader_copy(&text, name, n))
            break;
        name[n] = '\0';
        json_bytes(j, name, pair.value);
    }
    json_end_object(j);
    json_text(j, "fileName", v->file_name);
    json_hex(j, "artifactSha256", v->artifact.at, v->artifact.left);
    if (v->output.left > 0)
        json_hex(j, "signedArtifactSha256", v->output.at, v->output.left);
    if (v->original != NULL)
        json_text(j, "originalSigningRequestId", v->original);
    json_text(j, "submitterName", v->submitter_name);
    put_time(j, "createdDate", v->created);
    if (v->final)
        put_time(j, "finishedDate", v->finished);
    if (v->scan[0] != '\0')
        json_text(j, "malwareScan", v->scan);
    if (strcmp(v->status, "Canceled") == 0)
        json_text(j, "cancellationReason", v->reason);
    put_error(j, v);
    json_end_object(j);
}
