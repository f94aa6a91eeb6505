/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "web/pages/frame.h"
#include <string.h>

/* Word, colour and sentence of every state of a request (wire-contract 2.4). */
static const struct state_row {
    const char *status, *tone, *label;
} states[] = {
    {"InProgress", "info", "In progress"}, {"WaitingForApproval", "wait", "Waiting for approval"},
    {"Completed", "ok", "Completed"},      {"Failed", "bad", "Failed"},
    {"Denied", "bad", "Denied"},           {"Canceled", "neu", "Canceled"},
};
static const struct workflow_row {
    const char *status, *name, *sentence;
} workflows[] = {
    {"Submitted", "Submitted", "Submitted. The artifact is about to be checked."},
    {"RetrievingArtifact", "Retrieving the artifact", "The artifact is being retrieved."},
    {"QueuedForMalwareScanning", "Queued for scanning", "Waiting for the malware scan."},
    {"ScanningForMalware", "Scanning for malware", "The artifact is being scanned for malware."},
    {"QueuedForProcessing", "Queued for signing", "Checked and planned. Waiting to be signed."},
    {"Processing", "Signing", "The files are being signed and verified."},
    {"WaitingForApproval", "Waiting for approval", "Waiting for the approvers of the policy."},
    {"Completed", "Completed", "Signed and verified. The signed artifact can be downloaded."},
    {"ProcessingFailed", "Failed", "Nothing was released. The reason stands below."},
    {"MalwareScanFailed", "Scan failed", "The malware scan did not come to an end."},
    {"MalwareDetected", "Malware found", "Malware was found. Nothing was signed."},
    {"ArtifactRetrievalFailed", "Retrieval failed", "The artifact could not be retrieved."},
    {"Denied", "Denied", "An approver has denied the request."},
    {"Canceled", "Canceled", "The request was canceled. Nothing was released."},
};

const char *state_tone(const char *status)
{
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (strcmp(states[i].status, status) == 0)
            return states[i].tone;
    return "neu";
}

const char *state_label(const char *status)
{
    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (strcmp(states[i].status, status) == 0)
            return states[i].label;
    return status;
}

size_t state_count(void)
{
    return COUNT_OF(states);
}

const char *state_name(size_t i)
{
    return states[i].status;
}

const char *step_label(const char *workflow_status)
{
    for (size_t i = 0; i < COUNT_OF(workflows); i++)
        if (strcmp(workflows[i].status, workflow_status) == 0)
            return workflows[i].name;
    return workflow_status;
}

const char *step_sentence(const char *workflow_status)
{
    for (size_t i = 0; i < COUNT_OF(workflows); i++)
        if (strcmp(workflows[i].status, workflow_status) == 0)
            return workflows[i].sentence;
    return workflow_status;
}

const char *object_tone(const char *status)
{
    bool good = strcmp(status, "Active") == 0 || strcmp(status, "Valid") == 0;
    return good ? "ok" : strcmp(status, "Expired") == 0 ? "bad" : "neu";
}

const char *purpose_tone(const char *purpose)
{
    return strcmp(purpose, "Release") == 0 ? "release" : "test";
}

const char *error_mender(const char *code)
{
    static const char *const theirs[] = {"artifact.", "zip.", "pe.", "file.", "xml.", "deflate."};
    if (strncmp(code, "configuration.", 14) == 0)
        return "A configurator of the project: the artifact configuration, or the submitter: the "
               "parameters.";
    for (size_t i = 0; i < COUNT_OF(theirs); i++)
        if (strncmp(code, theirs[i], strlen(theirs[i])) == 0)
            return "The submitter: the artifact, or a configurator of the project: the artifact "
                   "configuration.";
    return "The operator of this server. The submitter can resubmit when it is mended.";
}

void view_request(struct view *object, const struct request_view *v)
{
    view_text(object, "id", v->id);
    view_text(object, "fileName", v->file_name);
    view_text(object, "description", v->description);
    view_text(object, "projectSlug", v->project_slug);
    view_text(object, "projectName", v->project_name);
    view_text(object, "policyName", v->policy_name);
    view_text(object, "submitter", v->submitter_name);
    view_text(object, "tone", state_tone(v->status));
    view_text(object, "label", state_label(v->status));
    view_time(object, "created", v->created);
}
