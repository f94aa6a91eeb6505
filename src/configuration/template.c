/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/template.h"
#include "base/writer.h"
#include <string.h>

/* More than a document and all values put into it: settle.c. */
enum { LONGEST = 8 << 20 };

static const char *cut(struct arena *a, const char *from, size_t n)
{
    return arena_text(a, reader_over(from, n));
}

/* How many pieces there may be at most. */
static size_t count_marks(const char *text)
{
    size_t n = 0;
    for (const char *at = strstr(text, "${"); at != NULL; at = strstr(&at[2], "${"))
        n++;
    return n;
}

static const char *check_name(const char *name)
{
    if (name[0] == '\0')
        return "${} has no name in it. Write $${ for the characters ${ themselves.";
    if (strncmp(name, "file.", 5) == 0 && strcmp(name, "file.name") != 0)
        return "names that begin with 'file.' are built in, and there is only ${file.name}.";
    return NULL;
}

/* Behind "${"; *rest moves behind the "}". */
static bool take_variable(struct arena *a, const char **rest, struct template_piece *piece,
                          const char **problem)
{
    size_t n = strcspn(*rest, "}");
    if ((*rest)[n] == '\0') {
        *problem = "${ has no closing }. Write $${ for the characters ${ themselves.";
        return false;
    }
    piece->text = cut(a, *rest, n);
    *problem = piece->text == NULL ? NULL : check_name(piece->text);
    if (piece->text == NULL || *problem != NULL)
        return false;
    bool built_in = strcmp(piece->text, "file.name") == 0;
    piece->kind = built_in ? TEMPLATE_FILE_NAME : TEMPLATE_PARAMETER;
    if (built_in)
        piece->text = "";
    *rest = &(*rest)[n + 1];
    return true;
}

/* A literal up to the next variable; "$${" is taken as "${" and ends a piece. */
static bool take_literal(struct arena *a, const char **rest, struct template_piece *piece)
{
    const char *mark = strstr(*rest, "${");
    size_t n = mark == NULL ? strlen(*rest) : (size_t)(mark - *rest);
    bool escaped = mark != NULL && n > 0 && (*rest)[n - 1] == '$';
    const char *head = cut(a, *rest, escaped ? n - 1 : n);
    piece->kind = TEMPLATE_LITERAL;
    piece->text = head == NULL ? NULL : escaped ? arena_format(a, "%s${", head) : head;
    *rest = &(*rest)[escaped ? n + 2 : n];
    return piece->text != NULL;
}

bool template_parse(struct arena *a, const char *text, struct xml_position at, struct template *ret,
                    const char **problem)
{
    struct template_piece *pieces =
        ARENA_ARRAY(a, 2 * count_marks(text) + 1, struct template_piece);
    *problem = NULL;
    if (pieces == NULL)
        return false;
    size_t count = 0;
    const char *rest = text;
    do {
        if (strncmp(rest, "${", 2) != 0) {
            if (!take_literal(a, &rest, &pieces[count++]))
                return false;
            continue;
        }
        rest = &rest[2];
        if (!take_variable(a, &rest, &pieces[count++], problem))
            return false;
    } while (*rest != '\0');
    *ret = (struct template){.source = text, .pieces = pieces, .count = count, .at = at};
    return true;
}

bool template_literal(struct arena *a, const char *text, struct xml_position at,
                      struct template *ret)
{
    struct template_piece *piece = ARENA_NEW(a, struct template_piece);
    if (piece == NULL)
        return false;
    *piece = (struct template_piece){TEMPLATE_LITERAL, text};
    *ret = (struct template){.source = text, .pieces = piece, .count = 1, .at = at};
    return true;
}

bool template_has(const struct template *t, enum template_kind kind)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->pieces[i].kind == kind)
            return true;
    return false;
}

const char *template_join(struct arena *a, const struct template *t, const char *parameter,
                          const char *file_name)
{
    struct writer w;
    writer_init(&w, LONGEST);
    for (size_t i = 0; i < t->count; i++) {
        enum template_kind kind = t->pieces[i].kind;
        writer_text(&w, kind == TEMPLATE_PARAMETER   ? parameter
                        : kind == TEMPLATE_FILE_NAME ? file_name
                                                     : t->pieces[i].text);
    }
    char *text = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return text;
}

bool template_expand(struct arena *a, const struct template *t, const char *file_name,
                     const char **ret, struct err *e)
{
    if (template_has(t, TEMPLATE_PARAMETER))
        return err_set(e, ERR_INTERNAL, "template with open parameters");
    if (file_name == NULL && template_has(t, TEMPLATE_FILE_NAME))
        return err_set(e, ERR_INTERNAL, "template wants a file name");
    const char *text = template_join(a, t, "", file_name);
    if (text == NULL)
        return arena_err(e);
    *ret = text;
    return true;
}
