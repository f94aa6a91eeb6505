/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/problems.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>

/* An error takes the place of the last warning when there is no other. */
static struct configuration_problem *room_for_one(const struct problem_at *to, bool warning)
{
    struct configuration_problems *p = to->problems;
    for (size_t i = p->count; p->count == PROBLEMS_MAX && !warning && i > 0; i--)
        if (p->list[i - 1].warning)
            return &p->list[i - 1];
    if (p->count == PROBLEMS_MAX)
        return NULL;
    if (p->count == p->room) {
        size_t room = p->room == 0 ? 8 : p->room * 2;
        void *larger = arena_grow(to->arena, p->list, p->count, room, sizeof *p->list);
        if (larger == NULL)
            return NULL;
        p->list = larger;
        p->room = room;
    }
    return &p->list[p->count++];
}

static void keep(const struct problem_at *to, const struct configuration_problem *one)
{
    if (!one->warning)
        to->problems->errors++;
    struct configuration_problem *at = room_for_one(to, one->warning);
    if (at == NULL)
        return;
    *at = *one;
    at->quote = "";
    if (to->tree != NULL && one->at.line > 0)
        at->quote = xml_tree_line(to->arena, to->tree, one->at.line);
}

static const char *formatted(struct arena *a, const char *fmt, va_list ap)
{
    char text[2000];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    const char *copy = n < 0 ? NULL : arena_text(a, reader_text(text));
    return copy == NULL ? "The server is out of memory." : copy;
}

void problem_add(const struct problem_at *to, struct xml_position at, enum err_code code,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct configuration_problem one = {.code = code, .at = at};
    one.text = formatted(to->arena, fmt, ap);
    va_end(ap);
    keep(to, &one);
}

void problem_add_value(const struct problem_at *to, const char *parameter, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct configuration_problem one = {.code = ERR_PARAMETER, .parameter = parameter};
    one.text = formatted(to->arena, fmt, ap);
    va_end(ap);
    keep(to, &one);
}

void problem_warn(const struct problem_at *to, struct xml_position at, enum err_code code,
                  const char *fmt, ...)
{
    if (to->problems->count == PROBLEMS_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    struct configuration_problem one = {.code = code, .warning = true, .at = at};
    one.text = formatted(to->arena, fmt, ap);
    va_end(ap);
    keep(to, &one);
}

bool problems_full(const struct configuration_problems *p)
{
    return p->errors >= PROBLEMS_MAX;
}

static bool is_behind(struct xml_position a, struct xml_position b)
{
    return a.line > b.line || (a.line == b.line && a.column > b.column);
}

/* Stable, and there are never more than PROBLEMS_MAX. */
void problems_sort(struct configuration_problems *p)
{
    for (size_t i = 1; i < p->count; i++) {
        struct configuration_problem one = p->list[i];
        size_t j = i;
        for (; j > 0 && is_behind(p->list[j - 1].at, one.at); j--)
            p->list[j] = p->list[j - 1];
        p->list[j] = one;
    }
}

bool problems_none(const struct configuration_problems *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct configuration_problem *one = &p->list[i];
        if (one->warning)
            continue;
        if (one->at.line == 0)
            return err_user(e, one->code, "%s", one->text);
        return err_user(e, one->code, "line %u, column %u: %s", one->at.line, one->at.column,
                        one->text);
    }
    /* Memory was out. */
    return p->errors == 0 || err_set(e, ERR_NO_MEMORY, "problems");
}

const char *problem_excerpt(struct arena *a, const char *text)
{
    struct reader rest = reader_text(text);
    struct writer w;
    writer_init(&w, 1000);
    uint32_t c;
    for (int n = 0; n < 60 && text_next(&rest, &c); n++)
        text_put(&w, c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0xfffd : c);
    if (rest.left > 0)
        writer_text(&w, "...");
    char *copy = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return copy == NULL ? "?" : copy;
}
