/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "service/listings.h"
#include "web/assets.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include <string.h>

bool page_projects(struct web_call *c, struct err *e)
{
    struct db_rows rows;
    struct sheet s = sheet_new(c, "/projects", "Projects", "Projects");
    TRY(listing(c->service, QUERY_projects_list, DB_ARGS(DB_TEXT(c->actor.organization)), c->arena,
                &rows, e));
    struct view *list = view_list(s.root, "projects");
    while (rows_next(&rows)) {
        struct view *p = view_item(list);
        view_text(p, "slug", row_text(&rows, "slug"));
        view_text(p, "name", row_text(&rows, "name"));
        view_text(p, "status", row_text(&rows, "status"));
    }
    return sheet_send(&s, PAGE_PROJECTS, 200, e);
}

/* Names on a list of a project or policy. */
static bool add_members(struct sheet *s, struct view *to, const char *name, const char *object,
                        const char *list, struct err *e)
{
    struct db_rows rows;
    TRY(listing(s->call->service, QUERY_principals_list, DB_ARGS(DB_TEXT(object), DB_TEXT(list)),
                s->call->arena, &rows, e));
    struct view *members = view_list(to, name);
    while (rows_next(&rows))
        view_text(view_item(members), "name", row_text(&rows, "name"));
    return true;
}

static const char *mode_words(const char *mode)
{
    return strcmp(mode, "ifConfigured") == 0 ? "when a server is set" : mode;
}

static bool add_policies(struct sheet *s, const char *project, struct err *e)
{
    struct db_rows rows;
    TRY(listing(s->call->service, QUERY_policies_list, DB_ARGS(DB_TEXT(project)), s->call->arena,
                &rows, e));
    struct view *list = view_list(s->root, "policies");
    while (rows_next(&rows)) {
        struct view *p = view_item(list);
        bool alike = strcmp(row_text(&rows, "slug"), row_text(&rows, "name")) == 0;
        view_text(p, "slug", alike ? "" : row_text(&rows, "slug"));
        view_text(p, "name", row_text(&rows, "name"));
        view_text(p, "purpose", row_text(&rows, "purpose"));
        view_text(p, "purposeTone", purpose_tone(row_text(&rows, "purpose")));
        view_text(p, "status", row_text(&rows, "status"));
        view_text(p, "certificate", row_text(&rows, "certificate_slug"));
        view_text(p, "timestampMode", mode_words(row_text(&rows, "timestamp_mode")));
        view_text(p, "scanMode", mode_words(row_text(&rows, "scan_mode")));
        TRY(add_members(s, p, "submitters", row_text(&rows, "id"), "submitter", e));
    }
    return true;
}

static bool add_configurations(struct sheet *s, const char *project, const char *usual,
                               struct err *e)
{
    struct db_rows rows;
    TRY(listing(s->call->service, QUERY_configurations_list, DB_ARGS(DB_TEXT(project)),
                s->call->arena, &rows, e));
    struct view *list = view_list(s->root, "configurations");
    while (rows_next(&rows)) {
        struct view *p = view_item(list);
        view_text(p, "slug", row_text(&rows, "slug"));
        view_text(p, "name", row_text(&rows, "name"));
        view_number(p, "version", row_int(&rows, "version"));
        view_text(p, "status", row_text(&rows, "status"));
        view_bool(p, "isDefault", usual != NULL && strcmp(usual, row_text(&rows, "id")) == 0);
    }
    return true;
}

static bool find_project(struct web_call *c, struct db_rows *ret, struct err *e)
{
    return listing_one(
        c->service, QUERY_project_by_slug,
        DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(service_fold(c->arena, c->captures[0]))),
        "project", c->arena, ret, e);
}

bool page_project(struct web_call *c, struct err *e)
{
    struct db_rows row;
    TRY(find_project(c, &row, e));
    const char *id = row_text(&row, "id"), *name = row_text(&row, "name");
    struct sheet s = sheet_new(c, "/projects", name, name);
    sheet_crumb(&s, "/projects", "Projects");
    view_text(s.root, "slug", row_text(&row, "slug"));
    view_text(s.root, "description", row_text(&row, "description"));
    view_text(s.root, "status", row_text(&row, "status"));
    view_text(s.root, "tone", object_tone(row_text(&row, "status")));
    TRY(add_policies(&s, id, e));
    TRY(add_configurations(&s, id, row_text(&row, "default_configuration"), e));
    TRY(add_members(&s, s.root, "configurators", id, "configurator", e));
    TRY(add_members(&s, s.root, "readers", id, "reader", e));
    return sheet_send(&s, PAGE_PROJECT, 200, e);
}

static void add_lines(struct sheet *s, struct reader xml)
{
    struct view *lines = view_list(s->root, "lines");
    for (int64_t number = 1; xml.left > 0; number++) {
        struct reader line = xml, skipped;
        size_t at = reader_find(xml, 0, "\n", 1);
        if (!reader_take(&xml, at == SIZE_MAX ? xml.left : at, &line) ||
            (xml.left > 0 && !reader_take(&xml, 1, &skipped)))
            break;
        if (line.left > 0 && line.at[line.left - 1] == '\r')
            line.left--;
        struct view *item = view_item(lines);
        view_number(item, "number", number);
        view_bytes(item, "text", line);
    }
}

static void add_versions(struct sheet *s, int64_t version, int64_t latest)
{
    view_number(s->root, "version", version);
    view_number(s->root, "latest", latest);
    view_bool(s->root, "current", version == latest);
    view_number(s->root, "older", version - 1);
    view_number(s->root, "newer", version < latest ? version + 1 : 0);
}

bool page_configuration(struct web_call *c, struct err *e)
{
    struct db_rows project, row, text;
    uint64_t version;
    const char *wanted = web_query(c, "version");
    TRY(find_project(c, &project, e));
    TRY(listing_one(
        c->service, QUERY_configuration_by_slug,
        DB_ARGS(DB_TEXT(row_text(&project, "id")), DB_TEXT(service_fold(c->arena, c->captures[1]))),
        "artifact configuration", c->arena, &row, e));
    if (wanted[0] == '\0')
        version = (uint64_t)row_int(&row, "version");
    else if (!text_u64(reader_text(wanted), &version) || version > INT64_MAX)
        return err_user(e, ERR_NOT_FOUND, "There is no such version of the configuration.");
    TRY(listing_one(c->service, QUERY_configuration_version,
                    DB_ARGS(DB_TEXT(row_text(&row, "id")), DB_INT(version)),
                    "version of the artifact configuration", c->arena, &text, e));
    const char *name = row_text(&row, "name");
    struct sheet s = sheet_new(c, "/projects", name, name);
    sheet_crumb(&s, "/projects", "Projects");
    sheet_crumb(&s, arena_format(c->arena, "/projects/%s", row_text(&project, "slug")),
                row_text(&project, "name"));
    sheet_script(&s, assets[ASSET_COPY_JS].url);
    view_text(s.root, "slug", row_text(&row, "slug"));
    view_text(s.root, "projectSlug", row_text(&project, "slug"));
    add_versions(&s, (int64_t)version, row_int(&row, "version"));
    add_lines(&s, row_bytes(&text, "xml"));
    view_hex(c->arena, s.root, "sha256", row_bytes(&text, "sha256"));
    view_time(s.root, "created", row_int(&text, "created"));
    return sheet_send(&s, PAGE_CONFIGURATION, 200, e);
}

/* Expired follows from the dates; the row keeps what people decided. */
static const char *certificate_status(const struct db_rows *row)
{
    bool over = !row_null(row, "not_after") && row_int(row, "not_after") < clock_wall_ms();
    return over && strcmp(row_text(row, "status"), "Active") == 0 ? "Expired"
                                                                  : row_text(row, "status");
}

static const char *date_of(struct web_call *c, const struct db_rows *row, const char *column)
{
    return row_null(row, column) ? "" : page_time(c->arena, row_int(row, column));
}

bool page_certificates(struct web_call *c, struct err *e)
{
    struct db_rows rows;
    struct sheet s = sheet_new(c, "/certificates", "Certificates", "Certificates");
    TRY(listing(c->service, QUERY_certificates_list, DB_ARGS(DB_TEXT(c->actor.organization)),
                c->arena, &rows, e));
    struct view *list = view_list(s.root, "certificates");
    while (rows_next(&rows)) {
        struct view *v = view_item(list);
        view_text(v, "slug", row_text(&rows, "slug"));
        view_text(v, "name", row_text(&rows, "name"));
        view_text(v, "purpose", row_text(&rows, "purpose"));
        view_text(v, "purposeTone", purpose_tone(row_text(&rows, "purpose")));
        view_text(v, "keyType", row_text(&rows, "key_type"));
        view_text(v, "subject", row_text(&rows, "subject"));
        view_text(v, "notAfter", date_of(c, &rows, "not_after"));
        view_text(v, "status", certificate_status(&rows));
        view_text(v, "tone", object_tone(certificate_status(&rows)));
    }
    return sheet_send(&s, PAGE_CERTIFICATES, 200, e);
}

static bool find_certificate(struct web_call *c, struct db_rows *ret, struct err *e)
{
    return listing_one(
        c->service, QUERY_certificate_by_slug,
        DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(service_fold(c->arena, c->captures[0]))),
        "certificate", c->arena, ret, e);
}

static bool add_uses(struct sheet *s, const char *certificate, struct err *e)
{
    struct db_rows rows;
    struct web_call *c = s->call;
    TRY(listing(c->service, QUERY_policies_of_certificate,
                DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(certificate)), c->arena, &rows, e));
    struct view *list = view_list(s->root, "policies");
    while (rows_next(&rows)) {
        struct view *p = view_item(list);
        view_text(p, "projectSlug", row_text(&rows, "project_slug"));
        view_text(p, "projectName", row_text(&rows, "project_name"));
        view_text(p, "name", row_text(&rows, "name"));
    }
    return true;
}

bool page_certificate(struct web_call *c, struct err *e)
{
    struct db_rows row;
    TRY(find_certificate(c, &row, e));
    const char *name = row_text(&row, "name");
    struct sheet s = sheet_new(c, "/certificates", name, name);
    sheet_crumb(&s, "/certificates", "Certificates");
    sheet_script(&s, assets[ASSET_COPY_JS].url);
    static const struct {
        const char *name, *column;
    } texts[] = {{"slug", "slug"},        {"description", "description"},
                 {"purpose", "purpose"},  {"subject", "subject"},
                 {"type", "type"},        {"creation", "creation_method"},
                 {"keyType", "key_type"}, {"keyStore", "key_store"}};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        view_text(s.root, texts[i].name, row_text(&row, texts[i].column));
    view_text(s.root, "purposeTone", purpose_tone(row_text(&row, "purpose")));
    view_text(s.root, "status", certificate_status(&row));
    view_text(s.root, "tone", object_tone(certificate_status(&row)));
    view_text(s.root, "notBefore", date_of(c, &row, "not_before"));
    view_text(s.root, "notAfter", date_of(c, &row, "not_after"));
    view_hex(c->arena, s.root, "sha256", row_bytes(&row, "sha256"));
    TRY(add_uses(&s, row_text(&row, "id"), e));
    return sheet_send(&s, PAGE_CERTIFICATE, 200, e);
}

bool page_certificate_download(struct web_call *c, struct err *e)
{
    struct db_rows row;
    TRY(find_certificate(c, &row, e));
    if (row_null(&row, "der"))
        return err_user(e, ERR_NOT_FOUND, "There is no certificate yet.");
    const char *name =
        arena_format(c->arena, "attachment; filename=\"%s.cer\"", row_text(&row, "slug"));
    if (name == NULL)
        return arena_err(e);
    web_reply_text(c, 200, "application/pkix-cert", row_bytes(&row, "der"));
    web_add_header(c, "Content-Disposition", name);
    return true;
}
