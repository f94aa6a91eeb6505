/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/samples.h"
#include "formats/testkit.h"
#include <stdio.h>
#include <string.h>

/* What holds for every word of FORMATS. A format without a row in samples.c fails. */

static struct testkit kit;

static struct reader sample(const struct format *f)
{
    const struct format_sample *s = format_sample_of(f->facts->id);
    struct writer w;
    if (s == NULL)
        fail_msg("%s has no row in formats/samples.c", f->facts->id);
    writer_init(&w, 16 << 20);
    s->make(&w);
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    assert_non_null(ret.at);
    return ret;
}

static const char *name_of(const struct format *f)
{
    return format_sample_of(f->facts->id)->file_name;
}

/* What one directive of one format makes of the sample. */
struct made {
    const struct format *format;
    const struct directive_facts *directive;
    struct reader in, out;
};

typedef void (*made_fn)(const struct made *m);

static const char *const *attributes_of(const struct directive_facts *d)
{
    static const char *const detached[] = {
        "hash-algorithm", "sha256", "output-encoding", "der", "rsa-padding", "pkcs1", NULL};
    return (d->can & DIRECTIVE_NEW_FILE) != 0 ? detached : NULL;
}

static struct reader signed_again(const struct made *m, struct reader in)
{
    return testkit_signed(&kit, m->format, m->directive->name, name_of(m->format), in,
                          attributes_of(m->directive));
}

static void each_signature(made_fn look)
{
    size_t seen = 0;
    for (const struct format *const *f = all_formats; *f != NULL; f++)
        for (const struct directive_facts *d = (*f)->facts->directives; d->name != NULL; d++) {
            if ((d->can & DIRECTIVE_SIGN) == 0)
                continue;
            struct made m = {*f, d, sample(*f), {0}};
            m.out = signed_again(&m, m.in);
            look(&m);
            seen++;
        }
    assert_true(seen > 0);
}

/* All signatures over `content`; detached ones lie in `out`. */
static bool intact(const struct made *m, struct reader content, struct reader out)
{
    struct signature *s = NULL;
    size_t count = 0;
    struct err e = {0};
    if ((m->directive->can & DIRECTIVE_NEW_FILE) == 0)
        return testkit_intact(&kit, m->format, name_of(m->format), content);
    bool ok = testkit_verify(&kit, m->format, m->directive->name, name_of(m->format), out, content,
                             attributes_of(m->directive), &s, &count, &e);
    return ok && count == 1 && s[0].intact;
}

static void test_conformance__facts(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct format *const *f = all_formats; *f != NULL; f++, n++) {
        const struct format_facts *x = (*f)->facts;
        assert_ptr_equal(x, all_format_facts[n]);
        assert_true(x->id != NULL && x->id[0] != '\0' && x->title[0] != '\0');
        assert_ptr_equal(format_facts_of(x->element), x);
        assert_ptr_equal(format_of(x->element), *f);
        assert_non_null(x->directives);
        assert_non_null(x->restrictions);
        assert_int_equal((x->can & FORMAT_COMPOSITE) != 0, (*f)->open != NULL);
        for (const struct directive_facts *d = x->directives; d->name != NULL; d++) {
            assert_true((d->can & (DIRECTIVE_SIGN | DIRECTIVE_VERIFY)) != 0);
            assert_true((*f)->verify != NULL);
            assert_ptr_equal(directive_facts_of(x, d->name), d);
        }
        (void)sample(*f);
    }
    assert_null(all_format_facts[n]);
    for (const struct format_sample *s = format_samples; s->id != NULL; s++)
        assert_non_null(format_of(s->id));
}

static void test_conformance__sample_is_recognised(void **state)
{
    (void)state;
    for (const struct format *const *f = all_formats; *f != NULL; f++) {
        struct reader in = sample(*f);
        const struct source from = source_memory(in);
        struct file_facts facts = {0};
        struct err e = {0};
        if (((*f)->facts->can & (FORMAT_TEXT | FORMAT_ANY)) == 0)
            assert_true((*f)->probe(in, &from));
        if ((*f)->inspect != NULL && !(*f)->inspect(kit.arena, &from, &facts, &e))
            fail_msg("%s: %s", (*f)->facts->id, e.user);
        assert_int_equal(facts.signatures, 0);
    }
}

/* Each slot gives a signature. */
static uint32_t slots_of(const struct made *m)
{
    const struct source in = source_memory(m->in);
    struct err e = {0};
    uint32_t n = 1;
    if (m->format->slots != NULL)
        assert_true(
            m->format->slots(kit.arena, &in, m->directive->name, (struct attributes){0}, &n, &e));
    return n;
}

static void look_verifies(const struct made *m)
{
    struct signature *s = NULL;
    size_t count = 0;
    struct err e = {0};
    bool detached = (m->directive->can & DIRECTIVE_NEW_FILE) != 0;
    if (!intact(m, detached ? m->in : m->out, m->out))
        fail_msg("%s %s: the signed sample does not verify", m->format->facts->id,
                 m->directive->name);
    assert_true(testkit_verify(&kit, m->format, detached ? m->directive->name : NULL,
                               name_of(m->format), m->out, detached ? m->in : (struct reader){0},
                               attributes_of(m->directive), &s, &count, &e));
    assert_int_equal(count, slots_of(m));
    for (size_t i = 0; i < count; i++) {
        assert_true(s[i].signed_digest.left > 0 && s[i].content_digest.left > 0);
        assert_int_equal(s[i].stamped, (m->directive->can & DIRECTIVE_STAMP) != 0);
    }
}

static void test_conformance__signed_sample_verifies(void **state)
{
    (void)state;
    each_signature(look_verifies);
}

static void look_flipped(const struct made *m)
{
    bool detached = (m->directive->can & DIRECTIVE_NEW_FILE) != 0;
    struct writer w;
    writer_init(&w, 16 << 20);
    writer_reader(&w, detached ? m->in : m->out);
    w.data[format_sample_of(m->format->facts->id)->covered(m->in)] ^= 1;
    if (intact(m, writer_view(&w), m->out))
        fail_msg("%s %s: one flipped bit was not seen", m->format->facts->id, m->directive->name);
    writer_done(&w);
}

static void test_conformance__one_flipped_bit(void **state)
{
    (void)state;
    each_signature(look_flipped);
}

/* Nothing there: no signature, which is not an error. */
static void look_unsigned(const struct made *m)
{
    struct signature *s = NULL;
    size_t count = 9;
    struct err e = {0};
    if ((m->directive->can & DIRECTIVE_NEW_FILE) != 0)
        return;
    assert_true(testkit_verify(&kit, m->format, NULL, name_of(m->format), m->in, (struct reader){0},
                               NULL, &s, &count, &e));
    assert_int_equal(count, 0);
}

static void test_conformance__unsigned_sample_has_none(void **state)
{
    (void)state;
    each_signature(look_unsigned);
}

/* The same answers, time and seed give the same bytes: a crash in between changes nothing. */
static void look_replayed(const struct made *m)
{
    if (!reader_equal(m->out, signed_again(m, m->in)))
        fail_msg("%s %s: a second run gives other bytes", m->format->facts->id, m->directive->name);
}

static void test_conformance__replay(void **state)
{
    (void)state;
    each_signature(look_replayed);
}

static void look_unchanged(const struct made *m)
{
    struct err e = {0};
    const struct source before = source_memory(m->in), after = source_memory(m->out);
    if (m->format->unchanged != NULL && !m->format->unchanged(kit.arena, &before, &after, &e))
        fail_msg("%s: %s", m->format->facts->id, e.user);
}

static void test_conformance__only_the_signature_is_new(void **state)
{
    (void)state;
    each_signature(look_unchanged);
}

static struct container *opened(const struct format *f, struct arena *a, const struct source *in)
{
    static struct budget budget = {
        .max_entries = 100000, .max_bytes = 1 << 30, .max_depth = 4, .max_ratio = 1000};
    struct container *c = NULL;
    struct err e = {0};
    if (!f->open(a, in, &budget, &c, &e))
        fail_msg("%s: %s", f->facts->id, e.user);
    return c;
}

/* Other threads read the same containers and fill the arenas that these live in. */
static void look_compared(const struct made *m)
{
    const struct source before = source_memory(m->in), after = source_memory(m->out);
    struct err e = {0};
    if (m->format->compare == NULL || (m->directive->can & DIRECTIVE_NEW_FILE) != 0)
        return;
    struct arena *theirs = arena_new(16 << 20);
    const struct container *x = opened(m->format, theirs, &before);
    const struct container *y = opened(m->format, theirs, &after);
    bool *none = ARENA_ARRAY(kit.arena, x->count, bool);
    size_t used = arena_used(theirs);
    if (!m->format->compare(kit.arena, x, y, none, &e))
        fail_msg("%s: %s", m->format->facts->id, e.user);
    assert_int_equal(arena_used(theirs), used);
    arena_free(theirs);
}

static void test_conformance__compare_leaves_containers_alone(void **state)
{
    (void)state;
    each_signature(look_compared);
}

/* A signer that refuses: no output, and its own reason. */
static void look_refused(const struct made *m)
{
    struct reader out;
    struct err e = {0};
    kit.refuse = true;
    struct reader longer = m->in; /* another file: an answer from memory would be no refusal */
    struct writer w;
    writer_init(&w, 16 << 20);
    writer_reader(&w, longer);
    w.data[format_sample_of(m->format->facts->id)->covered(m->in)] ^= 2;
    bool ok = testkit_sign(&kit, m->format, m->directive->name, name_of(m->format), writer_view(&w),
                           attributes_of(m->directive), &out, &e);
    kit.refuse = false;
    writer_done(&w);
    assert_false(ok);
}

static void test_conformance__a_signer_that_refuses(void **state)
{
    (void)state;
    each_signature(look_refused);
}

/* Empty, and cut at every eighth: refused or, where any bytes are a file, signed; no crash. */
static bool passes(const struct format *f, const struct source *in)
{
    struct file_facts facts = {0};
    struct container *c = NULL;
    struct err e = {0};
    struct budget budget = {
        .max_entries = 1000, .max_bytes = 1 << 24, .max_depth = 4, .max_ratio = 1000};
    return (f->inspect == NULL || f->inspect(kit.arena, in, &facts, &e)) &&
           (f->open == NULL || f->open(kit.arena, in, &budget, &c, &e));
}

static void test_conformance__empty_and_cut(void **state)
{
    (void)state;
    for (const struct format *const *f = all_formats; *f != NULL; f++) {
        struct reader whole = sample(*f);
        bool any = ((*f)->facts->can & (FORMAT_TEXT | FORMAT_ANY)) != 0;
        for (size_t eighth = 0; eighth < 8; eighth++) {
            struct reader cut = reader_over(whole.at, whole.left * eighth / 8), out;
            const struct source from = source_memory(cut);
            struct err again = {0};
            const char *directive = (*f)->facts->directives[0].name;
            if (!any && eighth < 4 && passes(*f, &from))
                fail_msg("%s: %zu of %zu bytes pass", (*f)->facts->id, cut.left, whole.left);
            if (directive != NULL && !any && eighth < 4 &&
                testkit_sign(&kit, *f, directive, name_of(*f), cut, NULL, &out, &again))
                fail_msg("%s: %zu of %zu bytes are signed", (*f)->facts->id, cut.left, whole.left);
            if (directive != NULL && !any)
                (void)testkit_intact(&kit, *f, name_of(*f), cut);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conformance__facts),
        cmocka_unit_test(test_conformance__sample_is_recognised),
        cmocka_unit_test(test_conformance__signed_sample_verifies),
        cmocka_unit_test(test_conformance__one_flipped_bit),
        cmocka_unit_test(test_conformance__unsigned_sample_has_none),
        cmocka_unit_test(test_conformance__replay),
        cmocka_unit_test(test_conformance__only_the_signature_is_new),
        cmocka_unit_test(test_conformance__compare_leaves_containers_alone),
        cmocka_unit_test(test_conformance__a_signer_that_refuses),
        cmocka_unit_test(test_conformance__empty_and_cut),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
