/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "formats/samples.h"
#include "formats/testkit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Damaged samples of every format: never a crash, and never a signature over something that our
 * own verifier, or a foreign one, then rejects. CHANCERY_MUTATIONS: how many of each format. */

static struct testkit shared;
enum { DEFAULT = 40, EDITS_MAX = 4, MUCH = 16 << 20 };
static uint64_t state_of_chance;

/* splitmix64: the same inputs on every machine. */
static uint64_t chance(uint64_t below)
{
    uint64_t z = (state_of_chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return below == 0 ? 0 : (z ^ z >> 31) % below;
}

/* One edit of `w`: a bit, a telling value, a cut, a repetition, an insertion. */
static void edit(struct writer *w)
{
    static const uint32_t telling[] = {0,      1,      0x7f,       0x80,      0xff,
                                       0x7fff, 0xffff, 0x7fffffff, 0xffffffff};
    uint64_t at = chance(w->len);
    struct writer other;
    struct reader whole = writer_view(w), head, tail;
    writer_init(&other, MUCH);
    if (w->len < 8)
        return;
    if (at > w->len - 4)
        at = w->len - 4;
    switch (chance(6)) {
    case 0:
        w->data[at] ^= (uint8_t)(1u << chance(8));
        break;
    case 1:
        w->data[at] = (uint8_t)chance(256);
        break;
    case 2: {
        uint32_t v = telling[chance(COUNT_OF(telling))];
        for (unsigned i = 0; i < 4; i++)
            w->data[at + i] = (uint8_t)(v >> 8 * i);
        break;
    }
    case 3:
        w->len = at;
        break;
    default: /* a piece once more, somewhere else */
        if (reader_slice(whole, 0, at, &head) && reader_slice(whole, at, w->len - at, &tail)) {
            struct reader piece;
            size_t n = (size_t)chance(tail.left < 64 ? tail.left : 64);
            writer_reader(&other, head);
            if (reader_slice(tail, 0, n, &piece))
                writer_reader(&other, piece);
            writer_reader(&other, tail);
            writer_reset(w);
            writer_reader(w, writer_view(&other));
        }
    }
    writer_done(&other);
}

struct tally {
    size_t tried, refused, signed_, asked;
};

/* Keeps the files where CHANCERY_KEEP says, for whoever looks into it. Always true. */
static bool keep(const char *name, struct reader bytes)
{
    char path[4096];
    const char *folder = getenv("CHANCERY_KEEP");
    (void)snprintf(path, sizeof path, "%s/%s", folder == NULL ? "" : folder, name);
    FILE *file = folder == NULL ? NULL : fopen(path, "wb");
    if (file != NULL && (fwrite(bytes.at, 1, bytes.left, file) != bytes.left || fclose(file) != 0))
        print_message("%s was not written\n", path);
    return true;
}

static bool show(const struct format_sample *s, struct reader in, struct reader out)
{
    return keep("in", in) && keep(s->file_name, out);
}

static void one(const struct format *f, const struct format_sample *s, const char *directive,
                struct reader in, struct tally *t)
{
    struct testkit kit = shared; /* an arena of its own, so that thousands fit */
    struct reader out;
    struct err e = {0};
    kit.arena = arena_new(256 << 20);
    assert_non_null(kit.arena);
    t->tried++;
    if (!testkit_sign(&kit, f, directive, s->file_name, in, NULL, &out, &e)) {
        assert_false(err_is_ours(&e));
        assert_true(e.user[0] != '\0');
        (void)testkit_intact(&kit, f, s->file_name, in);
        t->refused++;
    } else {
        t->signed_++;
        if (!testkit_intact(&kit, f, s->file_name, out) && show(s, in, out))
            fail_msg("%s: mutation %zu was signed, but does not verify", s->id, t->tried);
        if (s->foreign && testkit_has_osslsigncode()) {
            t->asked++;
            if (!testkit_osslsigncode(&kit, s->file_name, out) && show(s, in, out))
                fail_msg("%s: mutation %zu was signed, but osslsigncode rejects it", s->id,
                         t->tried);
        }
    }
    arena_free(kit.arena);
}

static const char *embedding(const struct format *f)
{
    for (const struct directive_facts *d = f->facts->directives; d->name != NULL; d++)
        if ((d->can & (DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE)) == DIRECTIVE_SIGN)
            return d->name;
    return NULL;
}

static void test_mutations__never_crash_never_sign_what_others_reject(void **state)
{
    const char *text = getenv("CHANCERY_MUTATIONS"), *only = getenv("CHANCERY_FORMAT");
    uint64_t wanted = DEFAULT;
    (void)state;
    testkit_init(&shared, "rsa-2048", false);
    if (text != NULL)
        assert_true(text_u64(reader_text(text), &wanted));
    for (const struct format_sample *s = format_samples; s->id != NULL; s++) {
        const struct format *f = format_of(s->id);
        const char *directive = embedding(f);
        struct tally t = {0};
        if (directive == NULL || (only != NULL && strcmp(only, s->id) != 0))
            continue;
        state_of_chance = 1;
        for (uint64_t i = 0; i < wanted; i++) {
            struct writer w;
            writer_init(&w, MUCH);
            s->make(&w);
            for (uint64_t k = 0, edits = 1 + chance(EDITS_MAX); k < edits; k++)
                edit(&w);
            one(f, s, directive, writer_view(&w), &t);
            writer_done(&w);
        }
        print_message("%s: %zu mutations, %zu refused, %zu signed, %zu asked elsewhere\n", s->id,
                      t.tried, t.refused, t.signed_, t.asked);
    }
    testkit_done(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations__never_crash_never_sign_what_others_reject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
