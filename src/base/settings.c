/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

enum { LINE_MOST = 64 * 1024 };

static const struct setting_row rows[SET__COUNT] = {
#define S(name, kind, value, least, most, choices, to, help)                                       \
    {#name, SETTING_##kind, value, least, most, choices, to, help},
    SETTINGS(S)
#undef S
};

const struct setting_row *setting_row(enum setting which)
{
    return &rows[which];
}

bool setting_is_used(enum setting which)
{
    static const char mark[] = "Not used yet";
    return strncmp(rows[which].help, mark, sizeof mark - 1) != 0;
}

const char *setting_source_name(enum setting_source from)
{
    static const char *const names[] = {"default", "file", "environment", "flag"};
    return names[from];
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct reader trimmed(struct reader r)
{
    while (r.left > 0 && is_blank(r.at[0]))
        (void)!reader_skip(&r, 1);
    while (r.left > 0 && is_blank(r.at[r.left - 1]))
        r.left--;
    return r;
}

/* Cuts everything before the next `stop` (or the end) off r, and the stop itself. */
static struct reader cut(struct reader *r, char stop)
{
    size_t n = reader_find(*r, 0, &stop, 1);
    struct reader part = *r;
    if (n == SIZE_MAX) {
        (void)!reader_skip(r, r->left);
        return part;
    }
    (void)!reader_take(r, n, &part);
    (void)!reader_skip(r, 1);
    return part;
}

static bool unit(struct reader suffix, enum setting_kind kind, uint64_t *ret)
{
    static const struct {
        enum setting_kind kind;
        const char *name;
        uint64_t factor;
    } units[] = {
        {SETTING_NUMBER, "", 1},
        {SETTING_SIZE, "", 1},
        {SETTING_SIZE, "B", 1},
        {SETTING_SIZE, "KiB", 1ull << 10},
        {SETTING_SIZE, "MiB", 1ull << 20},
        {SETTING_SIZE, "GiB", 1ull << 30},
        {SETTING_SIZE, "TiB", 1ull << 40},
        {SETTING_SECONDS, "", 1},
        {SETTING_SECONDS, "s", 1},
        {SETTING_SECONDS, "min", 60},
        {SETTING_SECONDS, "h", 3600},
        {SETTING_SECONDS, "d", 86400},
    };
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (units[i].kind == kind && reader_equal_text(suffix, units[i].name)) {
            *ret = units[i].factor;
            return true;
        }
    return false;
}

static const char *unit_names(enum setting_kind kind)
{
    return kind == SETTING_SIZE      ? " of bytes, KiB, MiB, GiB or TiB"
           : kind == SETTING_SECONDS ? " of s, min, h or d"
                                     : "";
}

static bool number_of(const struct setting_row *row, struct reader text, uint64_t *ret)
{
    size_t n = 0;
    uint64_t v, factor;
    struct reader digits;
    while (n < text.left && text.at[n] >= '0' && text.at[n] <= '9')
        n++;
    TRY(reader_take(&text, n, &digits) && text_u64(digits, &v));
    TRY(unit(trimmed(text), row->kind, &factor));
    TRY(!__builtin_mul_overflow(v, factor, &v) && v >= row->least && v <= row->most);
    *ret = v;
    return true;
}

static bool is_choice(const char *choices, struct reader value)
{
    struct reader list = reader_text(choices);
    while (list.left > 0)
        if (reader_equal(cut(&list, '|'), value))
            return true;
    return false;
}

/* A word, or the beginning of an address. Nothing is "not set". */
static bool begins_as(const char *choices, struct reader value)
{
    struct reader list = reader_text(choices);
    while (list.left > 0 && value.left > 0) {
        struct reader one = cut(&list, '|');
        bool address = one.at[one.left - 1] == '/';
        if (address ? value.left > one.left && reader_starts_with(value, one.at, one.left)
                    : reader_equal(one, value))
            return true;
    }
    return value.left == 0 || choices[0] == '\0';
}

static bool is_reference(struct reader value)
{
    return (reader_starts_with(value, "file:", 5) && value.left > 5) ||
           (reader_starts_with(value, "credential:", 11) && value.left > 11);
}

/* *ret stays 0 for kinds that are no numbers. `where` begins the sentence. */
static bool check(const struct setting_row *row, struct reader value, const char *where,
                  uint64_t *ret, struct err *e)
{
    int n = value.left > 80 ? 80 : (int)value.left;
    const char *v = (const char *)value.at;
    switch (row->kind) {
    case SETTING_TEXT:
        return begins_as(row->choices, value) || /* a password may be in it */
               err_user(e, ERR_SETTING, "%s: %s must be, or begin with, one of %s.", where,
                        row->name, row->choices);
    case SETTING_LIST:
    case SETTING_FILE:
        return true;
    case SETTING_BOOL:
        *ret = reader_equal_text(value, "yes");
        return *ret == 1 || reader_equal_text(value, "no") ||
               err_user(e, ERR_SETTING, "%s: %s is \"%.*s\"; it must be yes or no.", where,
                        row->name, n, v);
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_SECONDS:
        return number_of(row, value, ret) ||
               err_user(e, ERR_SETTING,
                        "%s: %s is \"%.*s\"; it must be a whole number%s, from %llu to %llu%s.",
                        where, row->name, n, v, unit_names(row->kind),
                        (unsigned long long)row->least, (unsigned long long)row->most,
                        row->kind == SETTING_SIZE      ? " bytes"
                        : row->kind == SETTING_SECONDS ? " seconds"
                                                       : "");
    case SETTING_CHOICE:
        return is_choice(row->choices, value) ||
               err_user(e, ERR_SETTING, "%s: %s is \"%.*s\"; it must be one of %s.", where,
                        row->name, n, v, row->choices);
    case SETTING_SECRET: /* the value may be the secret itself: never repeat it */
        return value.left == 0 || is_reference(value) ||
               err_user(e, ERR_SETTING,
                        "%s: %s must be file:PATH or credential:NAME; a secret is never written "
                        "into the settings.",
                        where, row->name);
    }
    return err_set(e, ERR_INTERNAL, "setting kind");
}

static void place(enum setting_source from, unsigned line, char to[80])
{
    static const char *const places[] = {"Default", "", "Environment", "Command line"};
    if (from == FROM_FILE)
        (void)snprintf(to, 80, "Settings file, line %u", line);
    else
        (void)snprintf(to, 80, "%s", places[from]);
}

bool settings_set(struct settings *s, enum setting which, struct reader value,
                  enum setting_source from, unsigned line, struct err *e)
{
    const struct setting_row *row = &rows[which];
    char where[80];
    place(from, line, where);
    value = trimmed(value);
    if (!text_is_utf8(value) || !text_is_printable(value))
        return err_user(e, ERR_SETTING, "%s: the value of %s is not printable UTF-8 text.", where,
                        row->name);
    uint64_t number = 0;
    TRY(check(row, value, where, &number, e));
    bool add = row->kind == SETTING_LIST && from == FROM_FILE &&
               s->values[which].from == FROM_FILE && s->values[which].text[0] != '\0';
    char *text = add ? arena_format(s->arena, "%s, %.*s", s->values[which].text, (int)value.left,
                                    (const char *)value.at)
                     : arena_text(s->arena, value);
    if (text == NULL)
        return arena_err(e);
    s->values[which].text = text;
    s->values[which].number = number;
    s->values[which].from = from;
    s->values[which].line = line;
    return true;
}

bool settings_init(struct settings *s, struct arena *a, struct err *e)
{
    *s = (struct settings){.arena = a};
    for (size_t i = 0; i < SET__COUNT; i++)
        TRY(settings_set(s, (enum setting)i, reader_text(rows[i].value), FROM_DEFAULT, 0, e));
    return true;
}

static bool find(struct reader name, enum setting *ret)
{
    for (size_t i = 0; i < SET__COUNT; i++)
        if (reader_equal_text(name, rows[i].name)) {
            *ret = (enum setting)i;
            return true;
        }
    return false;
}

static bool unknown(struct arena *a, struct reader name, unsigned line, struct err *e)
{
    const char *nearest = NULL, *text = arena_text(a, name);
    size_t best = 4; /* further away is no typing error */
    if (text == NULL)
        return arena_err(e);
    for (size_t i = 0; i < SET__COUNT; i++) {
        size_t distance = text_distance(text, rows[i].name);
        if (distance < best) {
            best = distance;
            nearest = rows[i].name;
        }
    }
    if (nearest == NULL)
        return err_user(e, ERR_SETTING, "Settings file, line %u: there is no setting \"%.80s\".",
                        line, text);
    return err_user(e, ERR_SETTING,
                    "Settings file, line %u: there is no setting \"%.80s\". Did you mean %s?", line,
                    text, nearest);
}

static bool parse_line(struct settings *s, struct reader line, unsigned number, struct err *e)
{
    for (size_t i = 0; i < line.left; i++)
        if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1])))
            line.left = i;
    line = trimmed(line);
    if (line.left == 0)
        return true;
    if (reader_find(line, 0, "=", 1) == SIZE_MAX)
        return err_user(e, ERR_SETTING, "Settings file, line %u: expected \"name = value\".",
                        number);
    enum setting which;
    struct reader name = trimmed(cut(&line, '='));
    if (!text_is_utf8(name) || !text_is_printable(name))
        return err_user(e, ERR_SETTING,
                        "Settings file, line %u: the name is not printable UTF-8 text.", number);
    if (!find(name, &which))
        return unknown(s->arena, name, number, e);
    if (s->values[which].from == FROM_FILE && rows[which].kind != SETTING_LIST)
        return err_user(e, ERR_SETTING,
                        "Settings file, line %u: %s is set already in line %u; keep one of them.",
                        number, rows[which].name, s->values[which].line);
    return settings_set(s, which, line, FROM_FILE, number, e);
}

bool settings_parse(struct settings *s, struct reader text, struct err *e)
{
    for (unsigned number = 1; text.left > 0; number++) {
        struct reader line = cut(&text, '\n');
        if (line.left > LINE_MOST)
            return err_user(e, ERR_SETTING, "Settings file, line %u: longer than %d bytes.", number,
                            LINE_MOST);
        TRY(parse_line(s, line, number, e));
    }
    return true;
}

/* "CHANCERY_LOG_LEVEL" and "log_level" */
static bool is_variable_of(struct reader variable, const char *name)
{
    struct reader prefix;
    TRY(reader_take(&variable, 9, &prefix) && reader_equal_text(prefix, "CHANCERY_"));
    TRY(variable.left == strlen(name));
    for (size_t i = 0; i < variable.left; i++) {
        char c = name[i];
        if (variable.at[i] != (uint8_t)(c >= 'a' && c <= 'z' ? c - 32 : c == '.' ? '_' : c))
            return false;
    }
    return true;
}

bool settings_environment(struct settings *s, char *const *environment, struct err *e)
{
    for (; *environment != NULL; environment++) {
        struct reader value = reader_text(*environment), variable = cut(&value, '=');
        for (size_t i = 0; i < SET__COUNT; i++)
            if (is_variable_of(variable, rows[i].name))
                TRY(settings_set(s, (enum setting)i, value, FROM_ENVIRONMENT, 0, e));
    }
    return true;
}

const char *settings_text(const struct settings *s, enum setting which)
{
    return s->values[which].text;
}

uint64_t settings_number(const struct settings *s, enum setting which)
{
    return s->values[which].number;
}

bool settings_flag(const struct settings *s, enum setting which)
{
    return s->values[which].number != 0;
}

const char *settings_plain(const struct settings *s, enum setting which)
{
    switch (rows[which].kind) {
    case SETTING_NUMBER:
    case SETTING_SIZE:
    case SETTING_SECONDS: {
        const char *text =
            arena_format(s->arena, "%llu", (unsigned long long)s->values[which].number);
        return text == NULL ? s->values[which].text : text;
    }
    case SETTING_TEXT:
    case SETTING_BOOL:
    case SETTING_CHOICE:
    case SETTING_LIST:
    case SETTING_FILE:
    case SETTING_SECRET:
        break;
    }
    return s->values[which].text;
}

bool settings_item(struct reader *list, struct reader *ret)
{
    while (list->left > 0) {
        *ret = trimmed(cut(list, ','));
        if (ret->left > 0)
            return true;
    }
    return false;
}

bool settings_tsa(struct reader item, struct setting_tsa *ret, struct err *e)
{
    struct setting_tsa t = {.url = cut(&item, ' ')};
    if (!reader_starts_with(t.url, "http://", 7) && !reader_starts_with(t.url, "https://", 8))
        return err_user(e, ERR_SETTING,
                        "tsa: \"%.*s\" must begin with the http:// or https:// address of a "
                        "time-stamp server.",
                        t.url.left > 200 ? 200 : (int)t.url.left, (const char *)t.url.at);
    while ((item = trimmed(item)).left > 0) {
        struct reader value = cut(&item, ' '), name = cut(&value, '=');
        if (reader_equal_text(name, "hash") && is_choice("sha256|sha384|sha512", value))
            t.hash = value;
        else if (reader_equal_text(name, "ca") && value.left > 0)
            t.ca = value;
        else
            return err_user(e, ERR_SETTING,
                            "tsa: behind the address only hash=sha256, hash=sha384, hash=sha512 "
                            "and ca=FILE may stand.");
    }
    *ret = t;
    return true;
}
