/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "service/apply_parts.h"
#include <string.h>

struct certificate_item {
    const char *slug, *name, *description, *purpose, *type, *method, *store;
    struct certificate_wish wish;
};

static bool read_subject(const json_t *object, struct place at, struct arena *arena,
                         struct certificate_item *c, struct err *e)
{
    const json_t *subject = json_object_get(object, "subject");
    const char *key;
    json_t *value;
    CLEANUP(writer_done) struct writer w = {0};
    if (subject == NULL)
        return true;
    if (!json_is_object(subject))
        return apply_err(e, at, "subject",
                         "must be an object such as {CN: Acme, O: Acme GmbH, C: DE}.");
    writer_init(&w, 16 * 1024);
    json_object_foreach((json_t *)(uintptr_t)subject, key, value)
    {
        if (!json_is_string(value))
            return apply_err(e, at, "subject", "its values must be texts.");
        record_PAIR_write(&w,
                          &(struct record_PAIR){.name = reader_text(key),
                                                .value = reader_text(json_string_value(value))});
    }
    TRY(writer_ok(&w, e));
    c->wish.subject = arena_bytes(arena, writer_view(&w));
    return c->wish.subject.at != NULL || arena_err(e);
}

static bool read_item(struct apply *a, const json_t *object, struct place at,
                      struct certificate_item *c, struct err *e)
{
    static const char *const keys[] = {"slug",    "name",           "description", "purpose",
                                       "type",    "creationMethod", "keyStore",    "key",
                                       "subject", "validDays",      NULL};
    static const char *const purposes[] = {"Test", "Release", NULL};
    static const char *const types[] = {"X509", NULL};
    static const char *const methods[] = {"SelfSigned", NULL};
    static const char *const stores[] = {"software", NULL};
    TRY(apply_keys(object, at, keys, e));
    TRY(apply_text(object, at, "slug", NULL, &c->slug, e) &&
        apply_required(c->slug, at, "slug", e));
    TRY(service_check_slug("slug", c->slug, e));
    TRY(apply_text(object, at, "name", NULL, &c->name, e));
    TRY(apply_text(object, at, "description", NULL, &c->description, e));
    TRY(apply_choice(object, at, "purpose", NULL, purposes, &c->purpose, e));
    TRY(apply_choice(object, at, "type", "X509", types, &c->type, e));
    TRY(apply_choice(object, at, "creationMethod", "SelfSigned", methods, &c->method, e));
    TRY(apply_choice(object, at, "keyStore", "software", stores, &c->store, e));
    TRY(apply_text(object, at, "key", NULL, &c->wish.key_type, e));
    TRY(apply_number(object, at, "validDays", 3650, 1, 36500, &c->wish.valid_days, e));
    c->wish.slug = c->slug;
    c->wish.purpose = c->purpose;
    return (c->name == NULL || service_check_name("name", c->name, e)) &&
           read_subject(object, at, a->arena, c, e);
}

static bool find_row(struct apply *a, const char *slug, struct db_rows *row, struct err *e)
{
    return tx_one(a->tx, QUERY_certificate_by_slug,
                  DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(service_fold(a->arena, slug))), row,
                  e);
}

/* What must be made before the transaction; the key process is asked outside of it. */
bool apply_certificates_find(struct apply *a, struct err *e)
{
    const json_t *list;
    struct place top = {""};
    TRY(apply_list(a->document, top, "certificates", &list, e));
    size_t count = list == NULL ? 0 : json_array_size(list);
    a->made = ARENA_ARRAY(a->arena, count + 1, struct certificate_made);
    a->wishes = ARENA_ARRAY(a->arena, count + 1, struct certificate_wish);
    if (a->made == NULL || a->wishes == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        struct certificate_item c = {0};
        struct db_rows row;
        struct place at = place_item(a, top, "certificates", i);
        TRY(read_item(a, json_array_get(list, i), at, &c, e));
        for (size_t k = 0; k < a->made_count; k++)
            if (text_equal_ascii_fold(a->made[k].slug, c.slug))
                return apply_err(e, at, "slug", "stands in the list twice.");
        TRY(find_row(a, c.slug, &row, e));
        if (row.count == 1)
            continue;
        TRY(apply_required(c.purpose, at, "purpose", e) &&
            apply_required(c.wish.key_type, at, "key", e));
        struct err why = {0};
        if (!certificate_check_wish(&c.wish, &why))
            return err_user(e, why.code, "%s: %s", at.text, why.user);
        a->wishes[a->made_count] = c.wish;
        a->made[a->made_count++].slug = c.slug;
    }
    return true;
}

static struct certificate_made *made_for(struct apply *a, const char *slug)
{
    for (size_t i = 0; i < a->made_count; i++)
        if (strcmp(a->made[i].slug, slug) == 0)
            return &a->made[i];
    return NULL;
}

static bool insert_row(struct apply *a, const struct certificate_item *c, const char *id,
                       struct err *e)
{
    const struct certificate_made *m = made_for(a, c->slug);
    struct digest_value hash = {.len = 0};
    CLEANUP(writer_done) struct writer chain = {0};
    writer_init(&chain, 64 * 1024);
    if (m == NULL)
        return err_set(e, ERR_CONFLICT, "certificate %s", c->slug);
    if (m->der.left > 0) {
        TRY(digest_of(HASH_SHA256, m->der, &hash, e));
        record_CERTIFICATE_write(&chain, &(struct record_CERTIFICATE){.der = m->der});
        TRY(writer_ok(&chain, e));
    }
    return tx_run(a->tx, QUERY_certificate_insert,
                  DB_ARGS(DB_TEXT(id), DB_TEXT(a->by->organization), DB_TEXT(c->slug),
                          DB_TEXT(service_fold(a->arena, c->slug)),
                          DB_TEXT(c->name == NULL ? c->slug : c->name),
                          DB_TEXT(c->description == NULL ? "" : c->description),
                          DB_TEXT(c->purpose), DB_TEXT(c->type), DB_TEXT(c->method),
                          DB_TEXT(c->store), DB_TEXT(c->wish.key_type),
                          DB_TEXT(m->key_id == NULL ? id : m->key_id), DB_TEXT("Active"),
                          DB_TEXT(m->subject == NULL ? "" : m->subject), DB_BYTES(m->der),
                          DB_BYTES(writer_view(&chain)), DB_BYTES(digest_view(&hash)),
                          DB_INT(m->not_before), DB_INT(m->not_after), DB_INT(clock_wall_ms())),
                  e);
}

static bool refuse_immutable(const struct certificate_item *c, const struct db_rows *row,
                             struct place at, struct err *e)
{
    if (c->purpose != NULL && strcmp(c->purpose, row_text(row, "purpose")) != 0)
        return apply_err(e, at, "purpose", "cannot be changed; make another certificate.");
    if (c->wish.key_type != NULL && strcmp(c->wish.key_type, row_text(row, "key_type")) != 0)
        return apply_err(e, at, "key", "cannot be changed; make another certificate.");
    return true;
}

static bool apply_one(struct apply *a, const json_t *object, struct place at, struct err *e)
{
    struct certificate_item c = {0};
    struct db_rows row;
    TRY(read_item(a, object, at, &c, e));
    TRY(find_row(a, c.slug, &row, e));
    struct change_record change = {
        .kind = "Certificate", .slug = c.slug, .created = row.count == 0};
    if (change.created) {
        TRY(service_new_id(a->arena, &change.id, e));
        TRY(insert_row(a, &c, change.id, e));
        change_field(&change, "purpose", NULL, c.purpose);
        change_field(&change, "key", NULL, c.wish.key_type);
        return change_done(a, &change, e);
    }
    TRY(refuse_immutable(&c, &row, at, e));
    change.id = row_text(&row, "id");
    const char *name = c.name == NULL ? row_text(&row, "name") : c.name;
    const char *text = c.description == NULL ? row_text(&row, "description") : c.description;
    change_field(&change, "name", row_text(&row, "name"), name);
    change_field(&change, "description", row_text(&row, "description"), text);
    if (change.count > 0)
        TRY(tx_run(a->tx, QUERY_certificate_set_name,
                   DB_ARGS(DB_TEXT(change.id), DB_TEXT(name), DB_TEXT(text)), e));
    return change_done(a, &change, e);
}

bool apply_certificates(struct apply *a, struct err *e)
{
    const json_t *list;
    struct place top = {""};
    TRY(apply_list(a->document, top, "certificates", &list, e));
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++)
        TRY(apply_one(a, json_array_get(list, i), place_item(a, top, "certificates", i), e));
    return true;
}
