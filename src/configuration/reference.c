/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the tables of docs/artifact-configuration.md equal to the grammar:
 *   configuration_reference --check FILE    exit 1 when a table in FILE is old
 *   configuration_reference --write FILE    puts the new tables in
 *   configuration_reference --xsd           the XML schema on standard output */
#include "base/writer.h"
#include "configuration/grammar.h"
#include "configuration/xsd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words separated by blanks as `a`, `b`. */
static void words(struct writer *w, const char *list, const char *before, const char *after)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, " ");
        writer_format(w, "%s%s%.*s%s", at == list ? "" : " ", before, (int)n, at, after);
        at = &at[at[n] == ' ' ? n + 1 : n];
    }
}

static const char *kind_of(enum grammar_value value)
{
    switch (value) {
    case VALUE_TEXT:
        return "text, at most 1024 characters";
    case VALUE_PATH:
        return "path pattern";
    case VALUE_ROOT_PATH:
        return "pattern for one name";
    case VALUE_MIN:
        return "whole number from 0";
    case VALUE_MAX:
        return "whole number from 1, or `unbounded`";
    case VALUE_BOOLEAN:
        return "`true` `false` `1` `0`";
    case VALUE_CHOICE:
        return NULL;
    case VALUE_NUMBER:
        return "whole number from 1";
    case VALUE_URL:
        return "http or https address";
    case VALUE_OUTPUT_NAME:
        return "file name";
    case VALUE_RESTRICTION:
        return "text";
    case VALUE_SIGNATURE_TYPE:
        return "1 to 11 letters a-z";
    case VALUE_TAG:
        return "image tag";
    case VALUE_PAYLOAD_TYPE:
        return "MIME type or URI";
    case VALUE_PARAMETER_NAME:
        return "name";
    case VALUE_DEFAULT:
        return "text, at most 4096 bytes";
    }
    return NULL;
}

static void attribute_row(struct writer *w, const struct grammar_attribute *row)
{
    writer_format(w, "| `%s`%s | ", row->name,
                  (row->flags & ATTRIBUTE_REQUIRED) != 0 ? " (required)" : "");
    if (row->value == VALUE_CHOICE)
        words(w, row->choices, "`", "`");
    else
        writer_text(w, kind_of(row->value));
    writer_format(w, " | %s%s%s | %s", row->by_default == NULL ? "" : "`",
                  row->by_default == NULL ? "none" : row->by_default,
                  row->by_default == NULL ? "" : "`", row->about);
    if (row->old_name != NULL)
        writer_format(w, "; old spelling `%s`", row->old_name);
    if (row->only_in != NULL) {
        writer_text(w, "; only in ");
        words(w, row->only_in, "`", "`");
    }
    if ((row->flags & ATTRIBUTE_PER_FILE) != 0)
        writer_text(w, "; may hold `${file.name}`");
    writer_text(w, " |\n");
}

static void attribute_table(struct writer *w, const struct grammar_attribute *rows)
{
    writer_text(w, "| attribute | value | default | meaning |\n|---|---|---|---|\n");
    for (; rows->name != NULL; rows++)
        attribute_row(w, rows);
}

/* --- the sections ---------------------------------------------------------------------------- */
static void section_parameter(struct writer *w)
{
    attribute_table(w, grammar_parameter);
}

static void section_path(struct writer *w)
{
    attribute_table(w, grammar_path);
}

static void section_root(struct writer *w)
{
    writer_text(w, "| attribute | value | default | meaning |\n|---|---|---|---|\n");
    attribute_row(w, grammar_root_path);
    attribute_row(w, grammar_multifile);
}

static void section_elements(struct writer *w)
{
    writer_text(w, "| element | for | holds others | may be root | usual extensions | directives "
                   "|\n|---|---|---|---|---|---|\n");
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++) {
        writer_format(w, "| `%s` | %s | %s | %s | %s | ", row->name, row->title,
                      row->composite ? "yes" : "no", grammar_is_root(row) ? "yes" : "no",
                      row->extensions == NULL ? "" : row->extensions);
        words(w, row->directives, "`", "`");
        if (row->root_directives != NULL) {
            writer_text(w, "; on the root ");
            words(w, row->root_directives, "`", "`");
        }
        writer_text(w, " |\n");
    }
}

static void section_restrictions(struct writer *w)
{
    writer_text(w, "| element | attribute | compared with |\n|---|---|---|\n");
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++)
        for (const struct grammar_attribute *a = row->restrictions; a->name != NULL; a++)
            writer_format(w, "| `%s` | `%s`%s%s%s | %s |\n", row->name, a->name,
                          a->old_name == NULL ? "" : ", old spelling `",
                          a->old_name == NULL ? "" : a->old_name, a->old_name == NULL ? "" : "`",
                          a->about);
}

static const char *key_of(enum grammar_key key)
{
    switch (key) {
    case GRAMMAR_KEY_NONE:
        return "none";
    case GRAMMAR_KEY_X509:
        return "X.509 certificate";
    case GRAMMAR_KEY_RSA:
        return "X.509 certificate with an RSA key";
    case GRAMMAR_KEY_GPG:
        return "GPG key";
    case GRAMMAR_KEY_ANY:
        return "any";
    }
    return "";
}

static void places(struct writer *w, const struct grammar_directive *d)
{
    if (d->inside != NULL) {
        words(w, d->inside, "`", "`");
        return;
    }
    if ((d->does & GRAMMAR_MARK) != 0) {
        writer_text(w, "every file element");
        return;
    }
    const char *separator = "";
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++) {
        if (!grammar_allows(row, d, true))
            continue;
        writer_format(w, "%s`%s`%s", separator, row->name,
                      grammar_allows(row, d, false) ? "" : " (root only)");
        separator = " ";
    }
}

static void section_directives(struct writer *w)
{
    for (const struct grammar_directive *d = grammar_directives; d->name != NULL; d++) {
        writer_format(w, "#### `%s`\n\n%s. Key: %s. In: ", d->name, d->about, key_of(d->key));
        places(w, d);
        writer_text(w, ".\n\n");
        if (d->attributes->name == NULL)
            continue;
        attribute_table(w, d->attributes);
        writer_text(w, "\n");
    }
}

static void section_errors(struct writer *w)
{
    writer_text(w, "| code | meaning |\n|---|---|\n");
    for (size_t i = 1; i < ERR__COUNT; i++) {
        const char *code = err_machine_code((enum err_code)i);
        if (strncmp(code, "xml.", 4) == 0 || strncmp(code, "configuration.", 14) == 0)
            writer_format(w, "| `%s` | %s |\n", code, err_default_text((enum err_code)i));
    }
}

static const struct {
    const char *name;
    void (*print)(struct writer *w);
} sections[] = {
    {"parameter", section_parameter},
    {"path", section_path},
    {"root", section_root},
    {"elements", section_elements},
    {"restrictions", section_restrictions},
    {"directives", section_directives},
    {"errors", section_errors},
};

/* --- the page -------------------------------------------------------------------------------- */
static bool take_until(struct reader *rest, const char *mark, struct reader *ret)
{
    size_t at = reader_find(*rest, 0, mark, strlen(mark));
    return at != SIZE_MAX && reader_take(rest, at, ret);
}

/* The page with every generated section new. False when a section has no place in it. */
static bool renew(struct reader page, struct writer *w)
{
    static const char end[] = "<!-- end -->";
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        char begin[80];
        struct reader before, old;
        (void)snprintf(begin, sizeof begin, "<!-- generated: %s -->\n", sections[i].name);
        if (!take_until(&page, begin, &before) || !take_until(&page, end, &old)) {
            (void)fprintf(stderr, "the page has no section '%s', or not in order\n",
                          sections[i].name);
            return false;
        }
        writer_reader(w, before);
        writer_text(w, begin);
        sections[i].print(w);
    }
    writer_reader(w, page);
    return true;
}

static bool load(const char *path, struct writer *w)
{
    FILE *f = fopen(path, "rb");
    char piece[4096];
    if (f == NULL)
        return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        writer_bytes(w, piece, n);
    bool right = ferror(f) == 0;
    (void)fclose(f);
    return right;
}

static bool save(const char *path, struct reader page)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return false;
    bool right = fwrite(page.at, 1, page.left, f) == page.left;
    return fclose(f) == 0 && right;
}

static int print_schema(void)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 1 << 20);
    xsd_write(&w);
    bool right = writer_ok(&w, &e) && fwrite(w.data, 1, w.len, stdout) == w.len;
    writer_done(&w);
    return right ? 0 : 1;
}

static int work(bool check, const char *path)
{
    struct writer old, new;
    struct err e = {0};
    writer_init(&old, 1 << 20);
    writer_init(&new, 1 << 20);
    bool right = load(path, &old) && renew(writer_view(&old), &new) && writer_ok(&new, &e);
    if (right && check)
        right = reader_equal(writer_view(&old), writer_view(&new));
    else if (right)
        right = save(path, writer_view(&new));
    writer_done(&old);
    writer_done(&new);
    if (!right)
        (void)fprintf(stderr, "%s is old or unusable: run configuration_reference --write on it\n",
                      path);
    return right ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--xsd") == 0)
        return print_schema();
    if (argc == 3 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--write") == 0))
        return work(strcmp(argv[1], "--check") == 0, argv[2]);
    (void)fprintf(stderr, "usage: configuration_reference --check FILE | --write FILE | --xsd\n");
    return 2;
}
