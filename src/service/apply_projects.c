/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "configuration/configuration.h"
#include "crypto/digest.h"
#include "service/apply_parts.h"
#include <string.h>

/* One configuration at a time: a document holds several. */
enum { CHECK_MEMORY = 64 << 20 };

struct owner {
    const char *id, *slug; /* of the project */
};

/* The principals of a list as "ci:a user:b", to compare with what is wished. */
static bool current_principals(struct apply *a, const char *object, const char *which,
                               const char **ret, struct err *e)
{
    struct db_rows rows;
    const char *all = "";
    TRY(tx_query(a->tx, QUERY_principals_list, DB_ARGS(DB_TEXT(object), DB_TEXT(which)), &rows, e));
    while (rows_next(&rows)) {
        bool ci = strcmp(row_text(&rows, "kind"), "CI") == 0;
        all = arena_format(a->arena, "%s%s%s%s", all, all[0] == '\0' ? "" : " ",
                           ci ? "ci:" : "user:", row_text(&rows, ci ? "name" : "email"));
        if (all == NULL)
            return arena_err(e);
    }
    *ret = all;
    return true;
}

static bool apply_list_of(struct apply *a, const json_t *object, struct place at, const char *name,
                          const char *which, const char *id, struct change_record *c, struct err *e)
{
    const json_t *list;
    const char *before, *after;
    TRY(apply_list(object, at, name, &list, e));
    if (list == NULL)
        return true;
    TRY(current_principals(a, id, which, &before, e));
    TRY(apply_principals(a, list, at, id, which, &after, e));
    if (strcmp(before, after) != 0)
        change_field(c, name, before, after);
    return true;
}

static void add_warnings(struct apply *a, const struct configuration_problems *problems,
                         struct place at)
{
    struct json *j = &a->warnings;
    for (size_t i = 0; i < problems->count; i++) {
        const struct configuration_problem *p = &problems->list[i];
        json_open_object(j, NULL);
        json_text(j, "object", at.text);
        json_u64(j, "line", p->at.line);
        json_u64(j, "column", p->at.column);
        json_text(j, "warning", p->text);
        json_end_object(j);
    }
}

static bool check_configuration(struct apply *a, const char *xml, struct place at, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *own = arena_new(CHECK_MEMORY);
    struct configuration *parsed;
    struct configuration_problems problems = {0};
    struct err why = {0};
    if (own == NULL)
        return arena_err(e);
    if (configuration_parse(own, reader_text(xml), &parsed, &problems, &why)) {
        add_warnings(a, &problems, at);
        return true;
    }
    (void)err_user(e, why.code, "%s: %s", at.text, why.user);
    (void)snprintf(e->detail, sizeof e->detail, "%s", why.detail);
    return false;
}

static bool put_version(struct apply *a, const char *id, int64_t version, const char *xml,
                        struct err *e)
{
    struct digest_value hash;
    TRY(digest_of(HASH_SHA256, reader_text(xml), &hash, e));
    return tx_run(a->tx, QUERY_configuration_version_insert,
                  DB_ARGS(DB_TEXT(id), DB_INT(version), DB_BYTES(reader_text(xml)),
                          DB_BYTES(digest_view(&hash)), DB_TEXT(a->by->user),
                          DB_INT(clock_wall_ms())),
                  e);
}

static bool change_configuration(struct apply *a, struct db_rows *row, const char *name,
                                 const char *xml, struct change_record *c, struct err *e)
{
    struct db_rows version;
    c->id = row_text(row, "id");
    if (name != NULL && strcmp(name, row_text(row, "name")) != 0) {
        change_field(c, "name", row_text(row, "name"), name);
        TRY(tx_run(a->tx, QUERY_configuration_set_name, DB_ARGS(DB_TEXT(c->id), DB_TEXT(name)), e));
    }
    TRY(tx_one(a->tx, QUERY_configuration_version,
               DB_ARGS(DB_TEXT(c->id), DB_INT(row_int(row, "version"))), &version, e));
    if (xml == NULL || reader_equal_text(row_bytes(&version, "xml"), xml))
        return true;
    int64_t next = row_int(row, "version") + 1;
    change_field(c, "version", arena_format(a->arena, "%lld", (long long)(next - 1)),
                 arena_format(a->arena, "%lld", (long long)next));
    TRY(put_version(a, c->id, next, xml, e));
    return tx_run(a->tx, QUERY_configuration_set_version, DB_ARGS(DB_TEXT(c->id), DB_INT(next)), e);
}

static bool apply_configuration(struct apply *a, const json_t *object, struct place at,
                                const struct owner *project, bool *is_default, const char **ret_id,
                                struct err *e)
{
    static const char *const keys[] = {"slug", "name", "default", "xml", NULL};
    const char *slug, *name, *xml;
    struct db_rows row;
    TRY(apply_keys(object, at, keys, e));
    TRY(apply_text(object, at, "slug", NULL, &slug, e) && apply_required(slug, at, "slug", e));
    TRY(service_check_slug("slug", slug, e));
    TRY(apply_text(object, at, "name", NULL, &name, e) &&
        apply_text(object, at, "xml", NULL, &xml, e));
    TRY(apply_flag(object, at, "default", false, is_default, e));
    if (xml != NULL)
        TRY(check_configuration(a, xml, at, e));
    TRY(tx_one(a->tx, QUERY_configuration_by_slug,
               DB_ARGS(DB_TEXT(project->id), DB_TEXT(service_fold(a->arena, slug))), &row, e));
    struct change_record c = {.kind = "ArtifactConfiguration",
                              .slug = arena_format(a->arena, "%s/%s", project->slug, slug),
                              .created = row.count == 0};
    if (c.created) {
        TRY(apply_required(xml, at, "xml", e));
        TRY(service_new_id(a->arena, &c.id, e));
        TRY(tx_run(a->tx, QUERY_configuration_insert,
                   DB_ARGS(DB_TEXT(c.id), DB_TEXT(project->id), DB_TEXT(slug),
                           DB_TEXT(service_fold(a->arena, slug)),
                           DB_TEXT(name == NULL ? slug : name), DB_INT(clock_wall_ms())),
                   e));
        TRY(put_version(a, c.id, 1, xml, e));
        change_field(&c, "version", NULL, "1");
    } else {
        TRY(change_configuration(a, &row, name, xml, &c, e));
    }
    *ret_id = c.id;
    return change_done(a, &c, e);
}

struct policy_item {
    const char *slug, *name, *purpose, *certificate, *timestamp, *scan;
    bool hash_signing;
};

static bool read_policy(const json_t *object, struct place at, const struct db_rows *row,
                        struct policy_item *p, struct err *e)
{
    static const char *const keys[] = {"slug",       "name",      "purpose",     "certificate",
                                       "submitters", "timestamp", "malwareScan", "allowHashSigning",
                                       NULL};
    static const char *const purposes[] = {"Test", "Release", NULL};
    static const char *const stamps[] = {"required", "ifConfigured", "none", NULL};
    static const char *const scans[] = {"required", "ifConfigured", "off", NULL};
    bool there = row->count == 1;
    TRY(apply_keys(object, at, keys, e));
    TRY(apply_text(object, at, "name", there ? row_text(row, "name") : p->slug, &p->name, e));
    TRY(apply_choice(object, at, "purpose", there ? row_text(row, "purpose") : NULL, purposes,
                     &p->purpose, e));
    TRY(apply_required(p->purpose, at, "purpose", e) && service_check_name("name", p->name, e));
    const char *usual = strcmp(p->purpose, "Release") == 0 ? "required" : "ifConfigured";
    TRY(apply_choice(object, at, "timestamp", there ? row_text(row, "timestamp_mode") : usual,
                     stamps, &p->timestamp, e));
    TRY(apply_choice(object, at, "malwareScan", there ? row_text(row, "scan_mode") : usual, scans,
                     &p->scan, e));
    return apply_flag(object, at, "allowHashSigning",
                      there && row_int(row, "allow_hash_signing") != 0, &p->hash_signing, e);
}

static bool find_certificate(struct apply *a, const json_t *object, struct place at,
                             const struct db_rows *row, struct policy_item *p, struct db_rows *ret,
                             struct err *e)
{
    TRY(apply_text(object, at, "certificate", NULL, &p->certificate, e));
    if (p->certificate == NULL && row->count == 1)
        return tx_one(a->tx, QUERY_certificate_by_id,
                      DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(row_text(row, "certificate"))),
                      ret, e);
    TRY(apply_required(p->certificate, at, "certificate", e));
    TRY(tx_one(
        a->tx, QUERY_certificate_by_slug,
        DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(service_fold(a->arena, p->certificate))), ret,
        e));
    return ret->count == 1 ||
           apply_err(e, at, "certificate", "there is no certificate with this slug.");
}

static bool store_policy(struct apply *a, const struct policy_item *p, const struct owner *project,
                         const char *certificate, struct change_record *c, struct err *e)
{
    if (c->created)
        return service_new_id(a->arena, &c->id, e) &&
               tx_run(a->tx, QUERY_policy_insert,
                      DB_ARGS(DB_TEXT(c->id), DB_TEXT(project->id), DB_TEXT(p->slug),
                              DB_TEXT(service_fold(a->arena, p->slug)), DB_TEXT(p->name),
                              DB_TEXT(p->purpose), DB_TEXT(certificate), DB_TEXT(p->timestamp),
                              DB_TEXT(p->scan), DB_INT(p->hash_signing), DB_INT(clock_wall_ms())),
                      e);
    return c->count == 0 ||
           tx_run(a->tx, QUERY_policy_update,
                  DB_ARGS(DB_TEXT(c->id), DB_TEXT(p->name), DB_TEXT(certificate),
                          DB_TEXT(p->timestamp), DB_TEXT(p->scan), DB_INT(p->hash_signing)),
                  e);
}

static bool apply_policy(struct apply *a, const json_t *object, struct place at,
                         const struct owner *project, struct err *e)
{
    struct policy_item p = {0};
    struct db_rows row, certificate;
    TRY(apply_text(object, at, "slug", NULL, &p.slug, e) && apply_required(p.slug, at, "slug", e));
    TRY(service_check_slug("slug", p.slug, e));
    TRY(tx_one(a->tx, QUERY_policy_by_slug,
               DB_ARGS(DB_TEXT(project->id), DB_TEXT(service_fold(a->arena, p.slug))), &row, e));
    TRY(read_policy(object, at, &row, &p, e));
    TRY(find_certificate(a, object, at, &row, &p, &certificate, e));
    if (strcmp(row_text(&certificate, "purpose"), p.purpose) != 0)
        return apply_err(
            e, at, "certificate",
            "a Test policy uses Test certificates only, a Release policy Release ones.");
    bool there = row.count == 1;
    struct db_rows old = {0};
    if (there)
        TRY(tx_one(a->tx, QUERY_certificate_by_id,
                   DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(row_text(&row, "certificate"))),
                   &old, e));
    struct change_record c = {.kind = "SigningPolicy",
                              .slug = arena_format(a->arena, "%s/%s", project->slug, p.slug),
                              .id = there ? row_text(&row, "id") : NULL,
                              .created = !there};
    if (there && strcmp(row_text(&row, "purpose"), p.purpose) != 0)
        return apply_err(e, at, "purpose", "cannot be changed; make another policy.");
    change_field(&c, "name", there ? row_text(&row, "name") : NULL, p.name);
    change_field(&c, "certificate", old.count == 1 ? row_text(&old, "slug") : NULL,
                 row_text(&certificate, "slug"));
    change_field(&c, "timestamp", there ? row_text(&row, "timestamp_mode") : NULL, p.timestamp);
    change_field(&c, "malwareScan", there ? row_text(&row, "scan_mode") : NULL, p.scan);
    change_field(&c, "allowHashSigning",
                 there && row_int(&row, "allow_hash_signing") != 0 ? "true" : "false",
                 p.hash_signing ? "true" : "false");
    TRY(store_policy(a, &p, project, row_text(&certificate, "id"), &c, e));
    return apply_list_of(a, object, at, "submitters", "submitter", c.id, &c, e) &&
           change_done(a, &c, e);
}

static bool join_urls(struct apply *a, const json_t *object, struct place at, const char *fallback,
                      const char **ret, struct err *e)
{
    const json_t *list;
    const char *all = "";
    TRY(apply_list(object, at, "repositoryUrls", &list, e));
    *ret = fallback;
    if (list == NULL)
        return true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *url = json_string_value(json_array_get(list, i));
        if (url == NULL || strlen(url) > 2000 || !strchr(url, ':') ||
            strpbrk(url, "\r\n \t") != NULL)
            return apply_err(e, at, "repositoryUrls", "must be a list of repository addresses.");
        all = arena_format(a->arena, "%s%s\n", all, url);
        if (all == NULL)
            return arena_err(e);
    }
    *ret = all;
    return true;
}

static bool apply_project_row(struct apply *a, const json_t *object, struct place at,
                              const char *slug, struct change_record *c, struct err *e)
{
    const char *name, *description, *urls;
    struct db_rows row;
    TRY(tx_one(a->tx, QUERY_project_by_slug,
               DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(service_fold(a->arena, slug))), &row,
               e));
    bool there = row.count == 1;
    TRY(apply_text(object, at, "name", there ? row_text(&row, "name") : slug, &name, e));
    TRY(apply_text(object, at, "description", there ? row_text(&row, "description") : "",
                   &description, e));
    TRY(join_urls(a, object, at, there ? row_text(&row, "repository_urls") : "", &urls, e));
    TRY(service_check_name("name", name, e));
    *c = (struct change_record){.kind = "Project", .slug = slug, .created = !there};
    change_field(c, "name", there ? row_text(&row, "name") : NULL, name);
    change_field(c, "description", there ? row_text(&row, "description") : NULL, description);
    change_field(c, "repositoryUrls", there ? row_text(&row, "repository_urls") : NULL, urls);
    if (!there)
        return service_new_id(a->arena, &c->id, e) &&
               tx_run(a->tx, QUERY_project_insert,
                      DB_ARGS(DB_TEXT(c->id), DB_TEXT(a->by->organization), DB_TEXT(slug),
                              DB_TEXT(service_fold(a->arena, slug)), DB_TEXT(name),
                              DB_TEXT(description), DB_TEXT(urls), DB_INT(clock_wall_ms())),
                      e);
    c->id = row_text(&row, "id");
    return c->count == 0 ||
           tx_run(a->tx, QUERY_project_update,
                  DB_ARGS(DB_TEXT(c->id), DB_TEXT(name), DB_TEXT(description), DB_TEXT(urls)), e);
}

static bool apply_configurations(struct apply *a, const json_t *object, struct place at,
                                 const struct owner *project, bool first, struct err *e)
{
    const json_t *list;
    const char *chosen = NULL;
    TRY(apply_list(object, at, "artifactConfigurations", &list, e));
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++) {
        bool is_default;
        const char *id;
        TRY(apply_configuration(a, json_array_get(list, i),
                                place_item(a, at, "artifactConfigurations", i), project,
                                &is_default, &id, e));
        if (is_default || (first && chosen == NULL))
            chosen = id;
    }
    return chosen == NULL || tx_run(a->tx, QUERY_project_set_default,
                                    DB_ARGS(DB_TEXT(project->id), DB_TEXT(chosen)), e);
}

static bool apply_project(struct apply *a, const json_t *object, struct place at, struct err *e)
{
    static const char *const keys[] = {"slug",
                                       "name",
                                       "description",
                                       "repositoryUrls",
                                       "readers",
                                       "configurators",
                                       "artifactConfigurations",
                                       "signingPolicies",
                                       NULL};
    const char *slug;
    const json_t *list;
    struct change_record c;
    TRY(apply_keys(object, at, keys, e));
    TRY(apply_text(object, at, "slug", NULL, &slug, e) && apply_required(slug, at, "slug", e));
    TRY(service_check_slug("slug", slug, e));
    TRY(apply_project_row(a, object, at, slug, &c, e));
    TRY(apply_list_of(a, object, at, "readers", "reader", c.id, &c, e));
    TRY(apply_list_of(a, object, at, "configurators", "configurator", c.id, &c, e));
    TRY(change_done(a, &c, e));
    struct owner project = {c.id, slug};
    TRY(apply_configurations(a, object, at, &project, c.created, e));
    TRY(apply_list(object, at, "signingPolicies", &list, e));
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++)
        TRY(apply_policy(a, json_array_get(list, i), place_item(a, at, "signingPolicies", i),
                         &project, e));
    return true;
}

bool apply_projects(struct apply *a, struct err *e)
{
    const json_t *list;
    struct place top = {""};
    TRY(apply_list(a->document, top, "projects", &list, e));
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++)
        TRY(apply_project(a, json_array_get(list, i), place_item(a, top, "projects", i), e));
    return true;
}
