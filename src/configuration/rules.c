/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "configuration/build.h"
#include "configuration/names.h"
#include "configuration/value.h"
#include <string.h>

bool each_node(const struct configuration_node *node, node_fn each, void *ctx)
{
    TRY(each(ctx, node));
    for (size_t i = 0; i < node->child_count; i++)
        TRY(each_node(&node->children[i], each, ctx));
    return true;
}

static unsigned does(const struct configuration_directive *d)
{
    return grammar_directive_of(d->name)->does;
}

static bool any_does(const struct configuration_node *node, unsigned what)
{
    for (size_t i = 0; i < node->directive_count; i++)
        if ((does(&node->directives[i]) & what) != 0)
            return true;
    return false;
}

/* The value of an attribute as far as it is known; NULL when absent or open. */
static const char *known(const struct problem_at *to, const struct configuration_directive *d,
                         const char *name)
{
    const struct template *t = configuration_attribute(d, name);
    if (t == NULL || template_has(t, TEMPLATE_PARAMETER))
        return NULL;
    const char *text = template_join(to->arena, t, "", "");
    if (text == NULL) /* a rule that cannot be checked must not count as kept */
        problem_add(to, d->at, ERR_NO_MEMORY, "%s", err_default_text(ERR_NO_MEMORY));
    return text;
}

/* --- order and number of directives ---------------------------------------------------------- */
static void check_order(const struct problem_at *to, const struct configuration_node *node)
{
    const struct configuration_directive *signs = NULL;
    for (size_t i = 0; i < node->directive_count; i++) {
        const struct configuration_directive *d = &node->directives[i];
        if ((does(d) & GRAMMAR_SIGN) != 0 && signs == NULL)
            signs = d;
        if ((does(d) & GRAMMAR_VERIFY) != 0 && signs != NULL)
            problem_add(to, d->at, ERR_CONFIGURATION_RULE,
                        "<%s> must come before <%s> (line %u): it looks at the file as it was "
                        "uploaded.",
                        d->name, signs->name, signs->at.line);
    }
}

static bool same_text(const struct problem_at *to, const struct configuration_directive *d,
                      const struct configuration_directive *other, const char *attribute)
{
    const char *one = known(to, d, attribute), *two = known(to, other, attribute);
    return one != NULL && two != NULL && strcmp(one, two) == 0;
}

static bool can_append(const struct configuration_node *node,
                       const struct configuration_directive *d)
{
    const struct grammar_attribute *append =
        grammar_attribute_of(grammar_directive_of(d->name)->attributes, "append");
    return append != NULL && grammar_lists(append->only_in, node->element);
}

static void check_pair(const struct problem_at *to, const struct configuration_node *node,
                       const struct configuration_directive *d,
                       const struct configuration_directive *earlier)
{
    if ((does(d) & GRAMMAR_ONCE) != 0) {
        problem_add(to, d->at, ERR_CONFIGURATION_RULE,
                    "<%s> is given twice; the first is in line %u.", d->name, earlier->at.line);
    } else if (strcmp(d->name, "debsigs-sign") == 0 &&
               same_text(to, d, earlier, "signature-type")) {
        problem_add(to, d->at, ERR_CONFIGURATION_RULE,
                    "<debsigs-sign> with the same 'signature-type' is in line %u already.",
                    earlier->at.line);
    } else if (strcmp(d->name, "authenticode-sign") == 0) {
        const struct template *append = configuration_attribute(d, "append");
        const char *value = append == NULL ? "false" : known(to, d, "append");
        if (value != NULL && !value_boolean(value))
            problem_warn(
                to, d->at, ERR_CONFIGURATION_RULE,
                "This <authenticode-sign> replaces the signature of the one in line %u. %s",
                earlier->at.line,
                can_append(node, d) ? "Write append=\"true\" to keep both."
                                    : "This format holds one signature only.");
    }
}

/* Each one is compared with the last of its name, which finds every repetition once; types of
 * debsigs with all before, so there may not be many. */
static void check_repeats(const struct problem_at *to, const struct configuration_node *node,
                          const struct configuration_directive *list, size_t count)
{
    enum { SAME_MAX = 16 };
    for (size_t i = 1; i < count && !problems_full(to->problems); i++) {
        bool typed = strcmp(list[i].name, "debsigs-sign") == 0;
        size_t same = 0;
        for (size_t j = i; j > 0 && same < (typed ? SAME_MAX : 1); j--) {
            if (strcmp(list[i].name, list[j - 1].name) != 0)
                continue;
            check_pair(to, node, &list[i], &list[j - 1]);
            same++;
        }
        if (same == SAME_MAX)
            problem_add(to, list[i].at, ERR_CONFIGURATION_RULE, "<%s> is given more than %d times.",
                        list[i].name, (int)SAME_MAX);
    }
}

static void check_sdk(const struct problem_at *to, const struct configuration_directive *d)
{
    const char *min = known(to, d, "min-sdk-version");
    const char *max = known(to, d, "max-sdk-version");
    if (min != NULL && max != NULL && value_count(max) < value_count(min))
        problem_add(to, configuration_attribute(d, "max-sdk-version")->at, ERR_CONFIGURATION_RULE,
                    "'max-sdk-version' (%s) must not be smaller than 'min-sdk-version' (%s).", max,
                    min);
}

/* --- a whole node ---------------------------------------------------------------------------- */
static bool changes_inside(const struct configuration_node *node)
{
    for (size_t i = 0; i < node->child_count; i++)
        if (any_does(&node->children[i], GRAMMAR_SIGN | GRAMMAR_NEW_FILE) ||
            changes_inside(&node->children[i]))
            return true;
    return false;
}

/* A container that was verified and is then changed inside leaves with a broken signature. */
static void check_verified_container(const struct problem_at *to,
                                     const struct configuration_node *node)
{
    bool broken = node->composite && any_does(node, GRAMMAR_VERIFY) &&
                  !any_does(node, GRAMMAR_SIGN) && changes_inside(node);
    if (broken)
        problem_add(to, node->at, ERR_CONFIGURATION_RULE,
                    "<%s> is verified and its content is changed, but it is not signed again: its "
                    "signature would be broken. Add a sign directive.",
                    node->element);
}

static bool check_node(void *ctx, const struct configuration_node *node)
{
    const struct problem_at *to = ctx;
    check_order(to, node);
    check_repeats(to, node, node->directives, node->directive_count);
    for (size_t i = 0; i < node->directive_count; i++) {
        const struct configuration_directive *d = &node->directives[i];
        check_sdk(to, d);
        check_repeats(to, node, d->children, d->child_count);
    }
    check_verified_container(to, node);
    return true;
}

/* --- the whole document ---------------------------------------------------------------------- */
struct survey {
    const struct problem_at *to;
    bool signs;
    const struct configuration_directive *provenance;
    size_t marks;
    struct xml_position first_mark;
};

static bool look_at(void *ctx, const struct configuration_node *node)
{
    struct survey *s = ctx;
    s->signs |= any_does(node, GRAMMAR_SIGN | GRAMMAR_NEW_FILE | GRAMMAR_PROVENANCE);
    for (size_t i = 0; i < node->directive_count; i++)
        if (strcmp(node->directives[i].name, "create-provenance-file") == 0)
            s->provenance = &node->directives[i];
    if (node->in_provenance && s->marks++ == 0)
        s->first_mark = node->provenance_at;
    return true;
}

static void survey_document(const struct problem_at *to, const struct configuration *c)
{
    struct survey s = {.to = to};
    (void)each_node(c->root, look_at, &s);
    if (!s.signs)
        problem_add(to, c->root->at, ERR_CONFIGURATION_RULE,
                    "Nothing would be signed: the configuration has no sign, signature or "
                    "provenance directive.");
    if (s.provenance != NULL && s.marks == 0)
        problem_add(to, s.provenance->at, ERR_CONFIGURATION_RULE,
                    "<create-provenance-file> has no subject: put <include-in-provenance/> into at "
                    "least one file element.");
    if (s.provenance == NULL && s.marks > 0)
        problem_warn(to, s.first_mark, ERR_CONFIGURATION_RULE,
                     "<include-in-provenance> has no effect without a <create-provenance-file> in "
                     "the root <zip-file>.");
}

void rules_check(struct problem_at to, const struct configuration *c)
{
    (void)each_node(c->root, check_node, &to);
    survey_document(&to, c);
}

/* --- what is built --------------------------------------------------------------------------- */
static const char *built_elements(struct arena *a)
{
    struct writer w;
    writer_init(&w, 4000);
    for (const struct format_facts *const *f = all_format_facts; *f != NULL; f++)
        writer_format(&w, "%s%s", w.len > 0 ? " " : "", (*f)->element);
    char *text = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return names_spoken(a, text == NULL ? "" : text, true);
}

static const char *built_directives(struct arena *a, const struct format_facts *facts)
{
    struct writer w;
    writer_init(&w, 4000);
    for (const struct directive_facts *d = facts == NULL ? NULL : facts->directives;
         d != NULL && d->name != NULL; d++)
        writer_format(&w, "%s%s", w.len > 0 ? " " : "", d->name);
    char *text = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return names_spoken(a, text == NULL ? "" : text, true);
}

static bool check_node_built(void *ctx, const struct configuration_node *node)
{
    const struct problem_at *to = ctx;
    const char *name = node->element;
    if (problems_full(to->problems))
        return false;
    if (node->facts == NULL && node->kind != CONFIGURATION_DIRECTORY) {
        problem_add(to, node->at, ERR_CONFIGURATION_UNBUILT,
                    "This server cannot process <%s%s> yet. It can process: %s.", name,
                    node->is_set ? "-set" : "", built_elements(to->arena));
        return true;
    }
    for (size_t i = 0; i < node->directive_count; i++)
        if (node->directives[i].facts == NULL)
            problem_add(to, node->directives[i].at, ERR_CONFIGURATION_UNBUILT,
                        "This server cannot carry out <%s> in <%s> yet. In <%s> it can: %s.",
                        node->directives[i].name, name, name,
                        built_directives(to->arena, node->facts));
    const struct format_facts *zip = format_facts_of("zip-file");
    bool provenance = zip != NULL && directive_facts_of(zip, "create-provenance-file") != NULL;
    if (node->in_provenance && !provenance)
        problem_add(to, node->provenance_at, ERR_CONFIGURATION_UNBUILT,
                    "This server cannot carry out <include-in-provenance> yet: provenance files "
                    "are not built.");
    return true;
}

void rules_check_built(struct problem_at to, const struct configuration *c)
{
    (void)each_node(c->root, check_node_built, &to);
}
