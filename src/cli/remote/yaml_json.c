/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote/yaml_json.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { KEY_MOST = 200 };

/* A list or mapping that is open. */
struct level {
    json_t *value; /* borrowed from its parent */
    const char *path;
    const char *key; /* mapping: waiting for its value */
    size_t items;    /* list: so far */
};

struct build {
    struct arena *arena;
    struct yaml_document *to;
    struct level levels[YAML_DEPTH];
    size_t depth;
    size_t room; /* of to->places */
};

static bool refuse(struct err *e, yaml_mark_t at, const char *sentence)
{
    return err_user(e, ERR_USAGE, "line %zu, column %zu: %s", at.line + 1, at.column + 1, sentence);
}

/* --- scalars: YAML 1.2, 10.3.2 ---------------------------------------------------------------- */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, text) == 0)
            return true;
    return false;
}

static size_t digits(const char *text, const char *allowed)
{
    return strspn(text, allowed);
}

static bool is_integer(const char *text)
{
    const char *at = &text[*text == '-' || *text == '+'];
    return *at != '\0' && at[digits(at, "0123456789")] == '\0';
}

static int radix_of(const char *text)
{
    const char *octal = "01234567", *hexadecimal = "0123456789abcdefABCDEF";
    if (text[0] != '0' || (text[1] != 'o' && text[1] != 'x') || text[2] == '\0')
        return 0;
    const char *allowed = text[1] == 'o' ? octal : hexadecimal;
    return text[2 + digits(&text[2], allowed)] != '\0' ? 0 : text[1] == 'o' ? 8 : 16;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_fraction(const char *text)
{
    const char *at = &text[*text == '-' || *text == '+'];
    size_t whole = digits(at, "0123456789"), behind = 0;
    at = &at[whole];
    if (*at == '.') {
        behind = digits(&at[1], "0123456789");
        at = &at[1 + behind];
    }
    if (whole + behind == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at = &at[1];
        at = &at[*at == '-' || *at == '+'];
        size_t exponent = digits(at, "0123456789");
        if (exponent == 0)
            return false;
        at = &at[exponent];
    }
    return *at == '\0';
}

static bool integer(const char *text, int radix, yaml_mark_t at, json_t **ret, struct err *e)
{
    char *end;
    errno = 0;
    long long value = strtoll(radix == 10 ? text : &text[2], &end, radix);
    if (errno != 0 || *end != '\0')
        return refuse(e, at, "this number is too large; quotes make it a text.");
    *ret = json_integer(value);
    return true;
}

static bool plain(const char *text, yaml_mark_t at, json_t **ret, struct err *e)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL},
                             *const trues[] = {"true", "True", "TRUE", NULL},
                             *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const none[] = {".inf",  ".Inf",  ".INF", "-.inf", "-.Inf", "-.INF", "+.inf",
                                       "+.Inf", "+.INF", ".nan", ".NaN",  ".NAN",  NULL};
    if (one_of(text, nulls))
        *ret = json_null();
    else if (one_of(text, trues))
        *ret = json_true();
    else if (one_of(text, falses))
        *ret = json_false();
    else if (one_of(text, none))
        return refuse(e, at, "infinity and not-a-number have no meaning here.");
    else if (is_integer(text))
        return integer(text, 10, at, ret, e);
    else if (radix_of(text) != 0)
        return integer(text, radix_of(text), at, ret, e);
    else if (is_fraction(text)) {
        *ret = json_real(strtod(text, NULL));
        return *ret != NULL || refuse(e, at, "this number is too large.");
    } else
        *ret = json_string(text);
    return true;
}

/* --- tree ------------------------------------------------------------------------------------- */

static const char *path_of(struct build *b)
{
    const struct level *l = &b->levels[b->depth - 1];
    if (l->key != NULL)
        return arena_format(b->arena, "%s%s%s", l->path, l->path[0] == '\0' ? "" : ".", l->key);
    return arena_format(b->arena, "%s[%zu]", l->path, l->items);
}

static bool add_place(struct build *b, const char *path, yaml_mark_t at, struct err *e)
{
    struct yaml_document *d = b->to;
    if (d->count == b->room) {
        size_t room = b->room == 0 ? 64 : b->room * 2;
        struct yaml_place *more =
            arena_grow(b->arena, d->places, d->count, room, sizeof *d->places);
        if (more == NULL)
            return arena_err(e);
        d->places = more;
        b->room = room;
    }
    d->places[d->count++] = (struct yaml_place){path, at.line + 1, at.column + 1};
    return true;
}

/* Hands `value` over to what is open; *ret_path is its place. */
static bool put(struct build *b, json_t *value, yaml_mark_t at, const char **ret_path,
                struct err *e)
{
    if (value == NULL)
        return err_set(e, ERR_NO_MEMORY, "YAML");
    *ret_path = "";
    if (b->depth == 0) {
        b->to->value = value;
        return true;
    }
    struct level *l = &b->levels[b->depth - 1];
    const char *path = path_of(b);
    int code = l->key != NULL ? json_object_set_new(l->value, l->key, value)
                              : json_array_append_new(l->value, value);
    if (code != 0 || path == NULL)
        return err_set(e, ERR_NO_MEMORY, "YAML");
    bool mapped = l->key != NULL;
    l->items++;
    l->key = NULL;
    *ret_path = path;
    return mapped || add_place(b, path, at, e); /* that of a key is the key's */
}

static bool take_key(struct build *b, const yaml_event_t *event, struct err *e)
{
    struct level *l = &b->levels[b->depth - 1];
    const char *text = (const char *)event->data.scalar.value;
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!quoted && strcmp(text, "<<") == 0)
        return refuse(e, event->start_mark, "merge keys (<<) are not used here.");
    if (text[0] == '\0' || strlen(text) > KEY_MOST)
        return refuse(e, event->start_mark, "a key of 1 to 200 bytes is expected here.");
    if (json_object_get(l->value, text) != NULL)
        return err_user(e, ERR_USAGE, "line %zu, column %zu: the key %.100s is there twice.",
                        event->start_mark.line + 1, event->start_mark.column + 1, text);
    l->key = arena_format(b->arena, "%s", text);
    const char *path = l->key == NULL ? NULL : path_of(b);
    return path != NULL ? add_place(b, path, event->start_mark, e) : arena_err(e);
}

static bool wants_key(const struct build *b)
{
    return b->depth > 0 && json_is_object(b->levels[b->depth - 1].value) &&
           b->levels[b->depth - 1].key == NULL;
}

static bool on_scalar(struct build *b, const yaml_event_t *event, struct err *e)
{
    const char *text = (const char *)event->data.scalar.value, *path;
    json_t *value = NULL;
    if (event->data.scalar.anchor != NULL)
        return refuse(e, event->start_mark, "anchors (&) are not used here.");
    if (event->data.scalar.tag != NULL)
        return refuse(e, event->start_mark, "tags (!) are not used here.");
    if (strlen(text) != event->data.scalar.length)
        return refuse(e, event->start_mark, "a text cannot hold the character NUL.");
    if (wants_key(b))
        return take_key(b, event, e);
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        TRY(plain(text, event->start_mark, &value, e));
    else
        value = json_string(text);
    return put(b, value, event->start_mark, &path, e);
}

static bool on_open(struct build *b, const yaml_event_t *event, bool list, struct err *e)
{
    const char *anchor =
        (const char *)(list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor);
    const char *tag =
        (const char *)(list ? event->data.sequence_start.tag : event->data.mapping_start.tag);
    const char *path;
    if (anchor != NULL || tag != NULL)
        return refuse(e, event->start_mark,
                      anchor != NULL ? "anchors (&) are not used here."
                                     : "tags (!) are not used here.");
    if (wants_key(b))
        return refuse(e, event->start_mark, "a key must be a text.");
    if (b->depth == YAML_DEPTH)
        return refuse(e, event->start_mark, "this is nested too deeply.");
    json_t *value = list ? json_array() : json_object();
    TRY(put(b, value, event->start_mark, &path, e));
    b->levels[b->depth++] = (struct level){.value = value, .path = path};
    return true;
}

static bool on_document(const struct build *b, const yaml_event_t *event, struct err *e)
{
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        return refuse(e, event->start_mark, "directives (%) are not used here.");
    return b->to->value == NULL || refuse(e, event->start_mark, "only one document is expected.");
}

static bool take_event(struct build *b, const yaml_event_t *event, struct err *e)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event, e);
    case YAML_ALIAS_EVENT:
        return refuse(e, event->start_mark, "aliases (*) are not used here.");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event, e);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, event->type == YAML_SEQUENCE_START_EVENT, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return err_set(e, ERR_INTERNAL, "YAML event");
}

/* --- document --------------------------------------------------------------------------------- */

static bool not_yaml(const yaml_parser_t *p, struct err *e)
{
    if (p->error == YAML_MEMORY_ERROR)
        return err_set(e, ERR_NO_MEMORY, "YAML");
    if (p->error == YAML_READER_ERROR)
        return err_user(e, ERR_USAGE, "byte %zu: %s.", p->problem_offset, p->problem);
    return err_user(e, ERR_USAGE, "line %zu, column %zu: %s.", p->problem_mark.line + 1,
                    p->problem_mark.column + 1, p->problem != NULL ? p->problem : "not YAML");
}

static bool parse(yaml_parser_t *p, struct build *b, struct err *e)
{
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (yaml_parser_parse(p, &event) == 0)
            return not_yaml(p, e);
        end = event.type == YAML_STREAM_END_EVENT;
        bool ok = take_event(b, &event, e);
        yaml_event_delete(&event);
        TRY(ok);
    }
    return b->to->value != NULL || err_user(e, ERR_USAGE, "line 1: there is no document.");
}

bool yaml_read(struct arena *a, struct reader text, struct yaml_document *ret, struct err *e)
{
    yaml_parser_t parser;
    struct yaml_document made = {0};
    struct build b = {.arena = a, .to = &made};
    if (text.left > YAML_MOST)
        return err_user(e, ERR_USAGE, "The document is larger than 1 MiB.");
    if (!text_is_utf8(text))
        return err_user(e, ERR_USAGE, "The document is not UTF-8.");
    if (yaml_parser_initialize(&parser) == 0)
        return err_set(e, ERR_NO_MEMORY, "YAML");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.at, text.left);
    bool ok = parse(&parser, &b, e);
    yaml_parser_delete(&parser);
    if (!ok)
        yaml_done(&made);
    else
        *ret = made;
    return ok;
}

void yaml_done(struct yaml_document *d)
{
    json_decref(d->value);
    d->value = NULL;
}

const struct yaml_place *yaml_find(const struct yaml_document *d, const char *message)
{
    const char *colon = strstr(message, ": ");
    size_t n = colon == NULL ? 0 : (size_t)(colon - message);
    while (n > 0) {
        for (size_t i = 0; i < d->count; i++)
            if (strlen(d->places[i].path) == n && strncmp(d->places[i].path, message, n) == 0)
                return &d->places[i];
        /* A part less: "a.b[0].c", then "a.b[0]", then "a.b". */
        do
            n--;
        while (n > 0 && message[n] != '.' && message[n] != '[');
    }
    return NULL;
}
