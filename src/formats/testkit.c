/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/testkit.h"
#include "base/fault.h"
#include <stdio.h>
#include <stdlib.h>

enum { OUTPUT_MAX = 64 << 20, ATTRIBUTES_MAX = 16 };

/* A copy of the exact size outside of the arena; the caller frees .at. */
static struct reader exact(struct reader in)
{
    uint8_t *copy = malloc(in.left == 0 ? 1 : in.left);
    struct reader at = in;
    if (copy == NULL || !reader_copy(&at, copy, in.left))
        abort();
    return reader_over(copy, in.left);
}

static void drop(struct reader copy)
{
    free((void *)(uintptr_t)copy.at);
}

static struct attributes list(struct arena *a, const char *const *pairs)
{
    struct attribute *all = ARENA_ARRAY(a, ATTRIBUTES_MAX, struct attribute);
    size_t n = 0;
    for (; pairs != NULL && pairs[2 * n] != NULL && n < ATTRIBUTES_MAX; n++)
        all[n] = (struct attribute){pairs[2 * n], pairs[2 * n + 1]};
    return (struct attributes){all, n};
}

int testkit_tests(struct testkit *kit, const char *key_type, const struct CMUnitTest *tests,
                  size_t count)
{
    testkit_init(kit, key_type, true);
    int failed = _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
    testkit_done(kit);
    return failed;
}

bool testkit_sign(struct testkit *kit, const struct format *f, const char *directive,
                  const char *file_name, struct reader in, const char *const *attributes,
                  struct reader *ret, struct err *e)
{
    struct writer out, scratch;
    struct reader copy = exact(in);
    writer_init(&out, OUTPUT_MAX);
    writer_init(&scratch, OUTPUT_MAX);
    struct sink to = sink_memory(&out);
    const struct source from = source_memory(copy);
    const struct sign_job job = {.arena = kit->arena,
                                 .in = &from,
                                 .file_name = file_name,
                                 .directive = directive,
                                 .attributes = list(kit->arena, attributes),
                                 .slot = 1,
                                 .signer = &kit->signer,
                                 .scratch = sink_memory(&scratch),
                                 .out = &to};
    bool ok = format_sign(f, &job, e);
    if (ok != (e->code == ERR_NONE)) {
        fprintf(stderr, "testkit: %s: answer and error differ\n", directive);
        abort();
    }
    if (ok)
        *ret = arena_bytes(kit->arena, writer_view(&out));
    writer_done(&out);
    writer_done(&scratch);
    drop(copy);
    return ok;
}

struct reader testkit_signed(struct testkit *kit, const struct format *f, const char *directive,
                             const char *file_name, struct reader in, const char *const *attributes)
{
    struct reader ret;
    struct err e = {0};
    if (!testkit_sign(kit, f, directive, file_name, in, attributes, &ret, &e)) {
        fprintf(stderr, "testkit: %s on %s: %s %s\n", directive, file_name, e.user, e.detail);
        abort();
    }
    return ret;
}

bool testkit_verify(struct testkit *kit, const struct format *f, const char *directive,
                    const char *file_name, struct reader in, struct reader content,
                    const char *const *attributes, struct signature **ret, size_t *ret_count,
                    struct err *e)
{
    const struct source from = source_memory(in), beside = source_memory(content);
    const struct verify_job job = {.arena = kit->arena,
                                   .in = &from,
                                   .content = content.at == NULL ? NULL : &beside,
                                   .directive = directive,
                                   .attributes = list(kit->arena, attributes),
                                   .certificate = &kit->certificate,
                                   .file_name = file_name};
    return format_verify(f, &job, ret, ret_count, e);
}

bool testkit_intact(struct testkit *kit, const struct format *f, const char *file_name,
                    struct reader in)
{
    struct signature *s = NULL;
    size_t count = 0;
    struct err e = {0};
    struct reader copy = exact(in);
    bool ok =
        testkit_verify(kit, f, NULL, file_name, copy, (struct reader){0}, NULL, &s, &count, &e) &&
        count > 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = s[i].intact;
    drop(copy);
    return ok;
}

/* One verification with an arena of its own, so that thousands of them fit. */
static bool intact_apart(const struct testkit *kit, const struct format *f, const char *file_name,
                         struct reader in)
{
    struct testkit apart = *kit;
    apart.arena = arena_new(OUTPUT_MAX);
    bool ok = testkit_intact(&apart, f, file_name, in);
    arena_free(apart.arena);
    return ok;
}

size_t testkit_damage(struct testkit *kit, const struct format *f, const char *file_name,
                      struct reader in, size_t from, size_t to)
{
    size_t accepted = 0;
    struct writer w;
    writer_init(&w, in.left);
    writer_reader(&w, in);
    for (size_t n = 0; n < in.left && n < 4096; n++)
        accepted += intact_apart(kit, f, file_name, reader_over(w.data, n)) ? 1 : 0;
    to = to < in.left ? to : in.left;
    size_t step = to > from ? (to - from + FLIPS_MAX - 1) / FLIPS_MAX : 1;
    for (size_t i = from; i < to; i += step) {
        w.data[i] ^= (uint8_t)(1u << (i % 8));
        accepted += intact_apart(kit, f, file_name, writer_view(&w)) ? 1 : 0;
        w.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    writer_done(&w);
    return accepted;
}

#ifdef CHANCERY_FAULTS
static void must(bool ok, const char *what, unsigned long n, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "testkit: fault %lu: %s: %s %s\n", n, what, e->user, e->detail);
    abort();
}

/* False when the n-th fault did not come to pass: all have been seen. */
static bool one_fault(unsigned long n, struct sign_job job, const struct format *f,
                      struct reader want)
{
    struct err e = {0}, why = {0};
    struct writer out;
    struct signature *list = NULL;
    size_t count = 0;
    struct source made = source_memory(want);
    writer_init(&out, OUTPUT_MAX);
    struct sink to = sink_memory(&out);
    job.arena = arena_new(OUTPUT_MAX);
    job.out = &to;
    fault_arm(n);
    bool ok = format_sign(f, &job, &e);
    bool fired = fault_fired();
    fault_arm(0);
    must(ok == (e.code == ERR_NONE), "sign: answer and error differ", n, &e);
    must(ok ? reader_equal(writer_view(&out), want) : err_is_ours(&e), "sign", n, &e);
    const struct verify_job look = {.arena = job.arena, .in = &made, .file_name = job.file_name};
    if (f->facts != &file_facts) {
        fault_arm(n);
        ok = format_verify(f, &look, &list, &count, &why);
        fired = fault_fired() || fired;
        fault_arm(0);
        if (ok && count > 0 && !list[0].intact)
            err_user(&why, ERR_SIGNATURE, "%s", list[0].problem);
        must(ok ? count > 0 && list[0].intact : err_is_ours(&why), "verify", n, &why);
    }
    arena_free(job.arena);
    writer_done(&out);
    return fired;
}
#endif

void testkit_faults(struct testkit *kit, const struct format *f, const char *directive,
                    const char *file_name, struct reader in, const char *const *attributes)
{
    struct reader want = testkit_signed(kit, f, directive, file_name, in, attributes);
#ifdef CHANCERY_FAULTS
    struct writer scratch;
    writer_init(&scratch, OUTPUT_MAX);
    const struct source from = source_memory(in);
    const struct sign_job job = {.in = &from,
                                 .file_name = file_name,
                                 .directive = directive,
                                 .attributes = list(kit->arena, attributes),
                                 .slot = 1,
                                 .signer = &kit->signer,
                                 .scratch = sink_memory(&scratch)};
    for (unsigned long n = 1; one_fault(n, job, f, want); n++)
        ;
    writer_done(&scratch);
#else
    (void)want;
#endif
}

bool testkit_has_osslsigncode(void)
{
    return testkit_run("osslsigncode --version | "
                       "grep -E 'osslsigncode (2\\.([6-9]|[1-9][0-9])|[3-9])'");
}

bool testkit_osslsigncode(struct testkit *kit, const char *name, struct reader file)
{
    testkit_write(name, file);
    testkit_write_pem("ca.pem", kit->certificate);
    testkit_write_pem("tsa.pem", kit->tsa_certificate);
    return testkit_run("osslsigncode verify -ignore-crl -time %lld -CAfile ca.pem "
                       "-TSA-CAfile tsa.pem -in %s > out 2>&1 && "
                       "! grep -E 'MISMATCH|verification: failed' out",
                       (long long)TESTKIT_TIME, name);
}
