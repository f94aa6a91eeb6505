/* SPDX-License-Identifier: Apache-2.0 */
#include "service/service.h"
#include "base/file.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

bool service_new_id(struct arena *a, const char **ret, struct err *e)
{
    uint8_t random[16];
    TRY(file_random(random, sizeof random, e));
    char *id = arena_alloc(a, 37);
    if (id == NULL)
        return arena_err(e);
    text_uuid(random, id);
    *ret = id;
    return true;
}

const char *service_fold(struct arena *a, const char *text)
{
    char *copy = arena_text(a, reader_text(text));
    for (char *c = copy; c != NULL && *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    return copy;
}

bool service_field_err(struct err *e, const char *field, const char *sentence)
{
    if (e->code != ERR_NONE)
        return false;
    (void)err_set(e, ERR_FIELD, "%s", field);
    (void)snprintf(e->user, sizeof e->user, "%s", sentence);
    return false;
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool service_check_slug(const char *field, const char *slug, struct err *e)
{
    static const char *const reserved[] = {"new", "edit"};
    size_t n = strlen(slug);
    bool good = n >= 1 && n <= 100 && is_alphanumeric(slug[0]) && is_alphanumeric(slug[n - 1]);
    for (size_t i = 0; good && i < n; i++)
        good = is_alphanumeric(slug[i]) || strchr("._-", slug[i]) != NULL;
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        good = good && !text_equal_ascii_fold(slug, reserved[i]);
    if (good)
        return true;
    return service_field_err(e, field,
                             "A slug has 1 to 100 letters, digits, dots, dashes and underscores, "
                             "begins and ends with a letter or digit, and is not new or edit.");
}

size_t service_length(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0'; p++)
        n +=
            *p != '\r' && ((unsigned char)*p & 0xc0) != 0x80 ? 1 : 0; /* no continuation of UTF-8 */
    return n;
}

bool service_check_name(const char *field, const char *name, struct err *e)
{
    size_t n = strlen(name);
    if (n >= 1 && service_length(name) <= 100 && name[0] != ' ' && name[n - 1] != ' ' &&
        text_is_printable(reader_text(name)))
        return true;
    return service_field_err(e, field,
                             "A name has 1 to 100 characters, no control characters and no blanks "
                             "at its ends.");
}

bool service_rights(struct db_tx *tx, const struct actor *actor, const char *project,
                    const char *policy, const char *owner, unsigned *ret, struct err *e)
{
    struct db_rows rows;
    unsigned rights = permission_role_bit(actor->role);
    TRY(tx_query(
        tx, QUERY_principal_lists,
        DB_ARGS(DB_TEXT(actor->user), DB_TEXT(project), DB_TEXT(policy == NULL ? project : policy)),
        &rows, e));
    while (rows_next(&rows))
        rights |= permission_list_bit(row_text(&rows, "list"));
    if (owner != NULL && strcmp(owner, actor->user) == 0)
        rights |= 1u << RIGHT_OWN;
    *ret = rights;
    return true;
}
