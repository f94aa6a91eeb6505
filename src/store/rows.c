/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backend.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct db_value db_text(const char *text)
{
    return text == NULL ? DB_NULL : db_utf8(reader_text(text));
}

struct db_value db_utf8(struct reader text)
{
    return (struct db_value){.type = DB_TYPE_TEXT, .bytes = text};
}

struct db_value db_blob(const void *data, size_t n)
{
    return data == NULL ? DB_NULL : DB_BYTES(reader_over(data, n));
}

bool conn_names(struct conn *c, enum query q, size_t columns,
                const char *(*name)(void *of, size_t i), void *of)
{
    char **names = calloc(columns + 1, sizeof *names);
    if (names == NULL)
        return false;
    bool ok = true;
    for (size_t i = 0; i < columns; i++)
        ok = (names[i] = strdup(name(of, i))) != NULL && ok;
    c->names[q] = names;
    c->columns[q] = columns;
    if (!ok) {
        for (size_t i = 0; i < columns; i++)
            free(names[i]);
        free((void *)names);
        c->names[q] = NULL;
    }
    return ok;
}

void conn_names_free(struct conn *c)
{
    for (size_t q = 0; q < QUERY__COUNT; q++) {
        for (size_t i = 0; c->names[q] != NULL && i < c->columns[q]; i++)
            free(c->names[q][i]);
        free((void *)c->names[q]);
        c->names[q] = NULL;
    }
}

bool cells_add(struct cells *c, struct db_value v, struct err *e)
{
    if (c->used == c->room) {
        size_t room = c->room == 0 ? 16 : c->room * 2;
        struct db_value *at = arena_grow(c->a, c->at, c->used, room, sizeof *at);
        if (at == NULL)
            return arena_err(e);
        c->at = at;
        c->room = room;
    }
    c->at[c->used++] = v;
    return true;
}

bool rows_next(struct db_rows *r)
{
    if (r->next >= r->count)
        return false;
    r->next++;
    return true;
}

static const struct db_value *cell(const struct db_rows *r, const char *column, enum db_type want)
{
    assert(r->next > 0 && r->next <= r->count);
    size_t i = 0;
    while (i < r->columns && strcmp(r->names[i], column) != 0)
        i++;
    assert(i < r->columns);
    const struct db_value *v = &r->cells[(r->next - 1) * r->columns + i];
    assert(want == DB_TYPE_NULL || v->type == DB_TYPE_NULL || v->type == want);
    return v;
}

bool row_null(const struct db_rows *r, const char *column)
{
    return cell(r, column, DB_TYPE_NULL)->type == DB_TYPE_NULL;
}

int64_t row_int(const struct db_rows *r, const char *column)
{
    return cell(r, column, DB_TYPE_INT)->number;
}

const char *row_text(const struct db_rows *r, const char *column)
{
    return (const char *)cell(r, column, DB_TYPE_TEXT)->bytes.at;
}

struct reader row_bytes(const struct db_rows *r, const char *column)
{
    return cell(r, column, DB_TYPE_BYTES)->bytes;
}
