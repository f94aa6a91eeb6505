/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/names.h"
#include "base/text.h"
#include <string.h>

static const char *finish(struct arena *a, struct writer *w)
{
    char *text = w->failed ? NULL : arena_text(a, writer_view(w));
    writer_done(w);
    return text == NULL ? "" : text;
}

static void add(struct writer *w, const char *name, const char *suffix)
{
    if (name[0] != '\0')
        writer_format(w, "%s%s%s", w->len > 0 ? " " : "", name, suffix);
}

const char *names_in_element(struct arena *a, const struct grammar_element *element, bool is_root,
                             bool below_zip)
{
    struct writer w;
    writer_init(&w, 4000);
    for (const struct grammar_directive *d = grammar_directives; element != NULL && d->name; d++)
        if (d->inside == NULL && grammar_allows(element, d, is_root))
            add(&w, d->name, "");
    bool holds_files = element == NULL || element->composite;
    for (const struct grammar_element *row = grammar_elements; holds_files && row->name; row++) {
        if (element == NULL ? !grammar_is_root(row) : row->kind == GRAMMAR_FILE && !below_zip)
            continue;
        add(&w, row->name, "");
        if (element != NULL)
            add(&w, row->name, "-set");
    }
    return finish(a, &w);
}

const char *names_in_directive(struct arena *a, const struct grammar_directive *directive)
{
    struct writer w;
    writer_init(&w, 4000);
    for (const struct grammar_directive *d = grammar_directives; d->name != NULL; d++)
        if (grammar_lists(d->inside, directive->name))
            add(&w, d->name, "");
    return finish(a, &w);
}

const char *names_around(struct arena *a, const struct grammar_directive *directive)
{
    struct writer w;
    writer_init(&w, 4000);
    if (directive->inside != NULL)
        add(&w, directive->inside, "");
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++)
        if (directive->inside == NULL && grammar_allows(row, directive, true))
            add(&w, row->name, "");
    return finish(a, &w);
}

const char *names_of_attributes(struct arena *a, const struct grammar_attribute *const *groups)
{
    struct writer w;
    writer_init(&w, 4000);
    for (; *groups != NULL; groups++)
        for (const struct grammar_attribute *row = *groups; row->name != NULL; row++)
            add(&w, row->name, "");
    return finish(a, &w);
}

/* Names in a list, one after the other; false at the end. */
static bool take(struct arena *a, const char **list, const char **ret)
{
    size_t n = strcspn(*list, " ");
    if (n == 0)
        return false;
    *ret = arena_text(a, reader_over(*list, n));
    *list = &(*list)[(*list)[n] == ' ' ? n + 1 : n];
    return *ret != NULL;
}

static const char *lower(struct arena *a, const char *name)
{
    struct writer w;
    writer_init(&w, 1000);
    for (size_t i = 0; name[i] != '\0'; i++)
        writer_u8(&w,
                  name[i] >= 'A' && name[i] <= 'Z' ? (uint8_t)(name[i] + 32) : (uint8_t)name[i]);
    return finish(a, &w);
}

const char *names_did_you_mean(struct arena *a, const char *list, const char *name)
{
    const char *wanted = lower(a, name), *one = NULL, *best = NULL;
    size_t n = strlen(name), least = n < 6 ? 2 : n / 3 + 1;
    least = least > 5 ? 5 : least;
    while (take(a, &list, &one)) {
        size_t distance = text_distance(wanted, one);
        if (distance >= least)
            continue;
        least = distance;
        best = one;
    }
    const char *text = best == NULL ? NULL : arena_format(a, " Did you mean '%s'?", best);
    return text == NULL ? "" : text;
}

const char *names_spoken(struct arena *a, const char *list, bool elements)
{
    struct writer w;
    writer_init(&w, 4000);
    const char *one = NULL;
    while (take(a, &list, &one))
        writer_format(&w, elements ? "%s<%s>" : "%s'%s'", w.len > 0 ? ", " : "", one);
    if (w.len == 0)
        writer_text(&w, "nothing");
    return finish(a, &w);
}
