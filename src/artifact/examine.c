/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/examine.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

enum { HEAD = 4096 };

/* --- type ------------------------------------------------------------------------------------- */

static bool has_extension(const struct format_facts *facts, const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot[1] == '\0')
        return false;
    for (const char *x = facts->extensions; *x != '\0';) {
        size_t n = strcspn(x, " ");
        char one[32];
        (void)snprintf(one, sizeof one, "%.*s", (int)n, x);
        if (text_equal_ascii_fold(one, dot + 1))
            return true;
        x += n + (x[n] == ' ');
    }
    return false;
}

static bool is_of_type(const struct format *f, struct reader head, const struct source *in,
                       const char *name)
{
    if ((f->facts->can & FORMAT_ANY) != 0)
        return true;
    if ((f->facts->can & FORMAT_TEXT) != 0)
        return has_extension(f->facts, name);
    return f->probe(head, in);
}

const struct format *examine_detect_after(struct arena *a, const struct format *after,
                                          const struct source *in, const char *name, struct err *e)
{
    struct reader head;
    const struct format *const *f = all_formats;
    if (!source_head(a, in, HEAD, &head, e))
        return NULL;
    while (after != NULL && *f++ != after)
        ;
    for (; *f != NULL; f++)
        if (((*f)->facts->can & FORMAT_ANY) == 0 && is_of_type(*f, head, in, name))
            return *f;
    return NULL;
}

const struct format *examine_detect(struct arena *a, const struct source *in, const char *name,
                                    struct err *e)
{
    return examine_detect_after(a, NULL, in, name, e);
}

static bool check_type(struct arena *a, struct part *p, struct refusal *r)
{
    const struct format_facts *facts = p->typed->facts;
    p->format = facts == NULL ? NULL : format_of(facts->id);
    if (p->format == NULL)
        return err_user(&r->err, ERR_DIRECTIVE, "<%s> is not supported by this server.",
                        p->typed->element);
    struct reader head;
    TRY(source_head(a, &p->in, HEAD, &head, &r->err));
    if (!is_of_type(p->format, head, &p->in, p->name)) {
        const struct format *found = examine_detect(a, &p->in, p->name, &r->err);
        return err_user(&r->err, ERR_FILE_TYPE,
                        "The file does not correspond to the specified file type: expected %s "
                        "(%s), found %s%s%s.",
                        facts->element, facts->title,
                        found != NULL ? found->facts->title : "an unknown type",
                        found != NULL ? "; use " : "", found != NULL ? found->facts->element : "");
    }
    if (facts->max_size > 0 && p->in.size > facts->max_size)
        return err_user(&r->err, ERR_FILE_LIMIT, "The file has %llu bytes; a %s may have %llu.",
                        (unsigned long long)p->in.size, facts->title,
                        (unsigned long long)facts->max_size);
    return true;
}

/* --- restrictions ----------------------------------------------------------------------------- */

static struct reader trimmed(const char *text)
{
    struct reader r = reader_text(text);
    while (r.left > 0 && (r.at[0] == ' ' || r.at[0] == '\t'))
        if (!reader_skip(&r, 1))
            break;
    while (r.left > 0 && strchr(" \t\r\n", r.at[r.left - 1]) != NULL)
        r.left--;
    return r;
}

/* Every value under this name has to be the wanted one, and there has to be one, unless nothing
 * is wanted: then all have to be empty. */
static bool check_restriction(const struct part *p, const char *name, const char *wanted,
                              struct err *e)
{
    size_t seen = 0;
    for (size_t i = 0; i < p->facts.count; i++) {
        const struct attribute *fact = &p->facts.list[i];
        if (strcmp(fact->name, name) != 0)
            continue;
        seen++;
        if (!reader_equal_text(trimmed(fact->value), wanted))
            return err_user(e, ERR_RESTRICTION,
                            "\"%.160s\" does not meet the restriction %s=\"%.160s\": its value is "
                            "\"%.160s\".",
                            p->name, name, wanted, fact->value);
    }
    if (seen == 0 && wanted[0] != '\0')
        return err_user(e, ERR_RESTRICTION,
                        "\"%.160s\" does not meet the restriction %s=\"%.160s\": it has no such "
                        "property.",
                        p->name, name, wanted);
    return true;
}

static bool check_restrictions(struct arena *a, const struct part *p, struct refusal *r)
{
    const struct configuration_match *m = p->typed_match;
    for (size_t i = 0; i < m->restriction_count; i++) {
        const struct configuration_attribute *x = &m->restrictions[i];
        const char *wanted = NULL;
        if (!template_expand(a, &x->value, p->name, &wanted, &r->err) ||
            !check_restriction(p, x->name, wanted, &r->err))
            return refusal_at(r, p->path, x->at.line, x->at.column);
    }
    return true;
}

/* --- directives ------------------------------------------------------------------------------- */

/* The format that carries the directive out: the one whose table holds the row. */
static const struct format *format_with(const struct directive_facts *row)
{
    for (const struct format *const *f = all_formats; *f != NULL; f++)
        for (const struct directive_facts *d = (*f)->facts->directives; d->name != NULL; d++)
            if (d == row)
                return *f;
    return NULL;
}

static bool expand_attributes(struct arena *a, const struct part *p,
                              const struct configuration_directive *d, struct attributes *ret,
                              struct err *e)
{
    struct attribute *list = ARENA_ARRAY(a, d->attribute_count, struct attribute);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < d->attribute_count; i++) {
        list[i].name = d->attributes[i].name;
        TRY(template_expand(a, &d->attributes[i].value, p->name, &list[i].value, e));
    }
    *ret = (struct attributes){list, d->attribute_count};
    return true;
}

/* A later directive of the same name that does not append takes the place of this one. */
static bool is_replaced(const struct configuration_node *node, size_t index)
{
    const struct configuration_directive *d = &node->directives[index];
    for (size_t i = index + 1; i < node->directive_count; i++) {
        const struct configuration_directive *later = &node->directives[i];
        if (strcmp(later->name, d->name) != 0)
            continue;
        const struct template *append = configuration_attribute(later, "append");
        if (append != NULL && append->count == 1 && strcmp(append->pieces[0].text, "false") == 0)
            return true;
    }
    return false;
}

static bool make_step(struct arena *a, const struct part *p,
                      const struct configuration_directive *d, struct step *ret, struct err *e)
{
    struct step s = {.directive = d, .format = d->facts == NULL ? NULL : format_with(d->facts)};
    if (s.format == NULL)
        return err_user(e, ERR_DIRECTIVE, "The directive %s is not supported by this server.",
                        d->name);
    s.can = d->facts->can;
    TRY(expand_attributes(a, p, d, &s.attributes, e));
    if ((s.can & DIRECTIVE_NEW_FILE) != 0)
        TRY(configuration_output_name(a, d, p->name, &s.output, e));
    if ((s.can & DIRECTIVE_SIGN) != 0) {
        s.slots = 1;
        if (s.format->slots != NULL)
            TRY(s.format->slots(a, &p->in, d->name, s.attributes, &s.slots, e));
    }
    *ret = s;
    return true;
}

static bool add_steps(struct arena *a, struct part *p, const struct configuration_node *node,
                      struct refusal *r)
{
    if (node == NULL)
        return true;
    for (size_t i = 0; i < node->directive_count; i++) {
        const struct configuration_directive *d = &node->directives[i];
        if (!is_replaced(node, i)) {
            if (!make_step(a, p, d, &p->steps[p->step_count], &r->err))
                return refusal_at(r, p->path, d->at.line, d->at.column);
            p->step_count++;
        }
    }
    return true;
}

/* Whom the plan names: the people who approve see who vouches for the file. */
static bool note_signer(struct arena *a, struct step *s, const struct signature *x, struct err *e)
{
    enum { FACTS = 4 };
    struct certificate c;
    char stamped[25] = "";
    struct attribute *list = ARENA_ARRAY(a, FACTS, struct attribute);
    if (list == NULL)
        return arena_err(e);
    TRY(certificate_parse(a, x->certificates[0], &c, e));
    if (x->stamped)
        clock_iso(x->stamp_time * 1000, stamped);
    const char *when = arena_format(a, "%s", stamped);
    if (when == NULL)
        return arena_err(e);
    list[0] = (struct attribute){"signer", c.subject_text};
    list[1] = (struct attribute){"signer-issuer", c.issuer_text};
    list[2] = (struct attribute){"time-stamp", when};
    list[3] = (struct attribute){"revocation", "not checked"};
    s->facts = (struct attributes){list, FACTS};
    return true;
}

/* The first signature must hold and be by somebody who is trusted here; others may be there. */
static bool run_verify(struct arena *a, const struct judging *judging, const struct part *p,
                       struct step *s, struct err *e)
{
    struct verify_job job = {.arena = a, .in = &p->in, .file_name = p->name};
    struct signature *found = NULL;
    size_t count = 0;
    struct err why = {0};
    TRY(format_verify(s->format, &job, &found, &count, e));
    if (count == 0)
        return err_user(e, ERR_SIGNATURE, "\"%.200s\" has no embedded signature, but %s wants one.",
                        p->name, s->directive->name);
    if (!found[0].intact)
        return err_user(e, ERR_SIGNATURE, "The signature in \"%.160s\" is not valid: %.200s",
                        p->name, found[0].problem != NULL ? found[0].problem : "");
    if (judging->roots == NULL)
        return err_user(e, ERR_UNTRUSTED,
                        "The signature in \"%.160s\" is intact, but nobody has said whose "
                        "signatures count here: the operator of the server names root "
                        "certificates by the setting trusted_roots (chancery sign: by --ca).",
                        p->name);
    if (signature_judge(a, &found[0], judging, &why))
        return note_signer(a, s, &found[0], e);
    TRY(err_theirs(&why, e));
    return err_user(e, ERR_UNTRUSTED,
                    "The signature in \"%.160s\" is intact, but not trusted: %.400s", p->name,
                    why.user);
}

static bool run_verifies(struct arena *a, const struct judging *judging, struct part *p,
                         struct refusal *r)
{
    for (size_t i = 0; i < p->step_count; i++) {
        struct step *s = &p->steps[i];
        if ((s->can & DIRECTIVE_VERIFY) != 0 && !run_verify(a, judging, p, s, &r->err))
            return refusal_at(r, p->path, s->directive->at.line, s->directive->at.column);
    }
    return true;
}

/* A directory's directive is offered more files than it works on. */
static bool is_offered_only(struct arena *a, const struct part *p, bool *ret, struct err *e)
{
    struct reader head;
    *ret = false;
    if (p->typed == NULL || p->typed->kind != CONFIGURATION_DIRECTORY)
        return true;
    const struct format *f = p->typed->facts == NULL ? NULL : format_of(p->typed->facts->id);
    TRY(source_head(a, &p->in, HEAD, &head, e));
    *ret = f != NULL && !f->probe(head, &p->in);
    return true;
}

bool examine_part(struct arena *a, const struct judging *judging, struct part *p, struct refusal *r)
{
    size_t steps = 0;
    bool offered;
    TRY(is_offered_only(a, p, &offered, &r->err));
    if (offered)
        p->typed = NULL;
    if (p->typed != NULL) {
        struct xml_position at = p->typed_match->at;
        if (!check_type(a, p, r))
            return refusal_at(r, p->path, at.line, at.column);
        struct file_facts facts = {0};
        if (p->format->inspect != NULL && !p->format->inspect(a, &p->in, &facts, &r->err))
            return refusal_at(r, p->path, at.line, at.column);
        p->facts = facts.facts;
        TRY(check_restrictions(a, p, r));
        steps += p->typed->directive_count;
    }
    if (p->file != NULL)
        steps += p->file->directive_count;
    if ((p->steps = ARENA_ARRAY(a, steps, struct step)) == NULL)
        return arena_err(&r->err);
    TRY(add_steps(a, p, p->typed, r));
    TRY(add_steps(a, p, p->file, r));
    return run_verifies(a, judging, p, r);
}
