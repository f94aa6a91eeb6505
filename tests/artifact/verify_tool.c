/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/testcore.h"
#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* verify_tool CONFIGURATION IN OUT: signs IN to OUT as a worker does, then reads names of files, a
 * line each, and prints for each what the verify worker says to it in place of OUT: "good", or a
 * code. So tests in Python can change what came out and see it refused. */

static struct testkit kit;

static struct reader load(const char *path)
{
    uint8_t piece[65536];
    struct writer w;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    writer_init(&w, (size_t)64 << 20);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        writer_bytes(&w, piece, n);
    (void)fclose(f);
    struct reader r = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    assert_non_null(r.at);
    return r;
}

static struct testcore_result done(const struct testcore *t, enum job_kind kind)
{
    struct testcore_result r = testcore_run(t, kind);
    if (!r.done) {
        fprintf(stderr, "%s %s\n", r.code, r.user);
        exit(1);
    }
    return r;
}

int main(int argc, char **argv)
{
    char line[4096];
    if (argc != 4)
        return 2;
    testkit_init(&kit, "ec-p256", true);
    struct testcore t = {.kit = &kit, .name = "in.zip", .effect_count = SIZE_MAX};
    t.configuration = arena_text(kit.arena, load(argv[1]));
    t.artifact = load(argv[2]);
    t.plan = done(&t, JOB_INSPECT).plan;
    t.output = done(&t, JOB_SIGN).output;
    FILE *f = fopen(argv[3], "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(t.output.at, 1, t.output.left, f), t.output.left);
    assert_int_equal(fclose(f), 0);
    (void)puts("signed");
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        t.output = load(line);
        struct testcore_result r = testcore_run(&t, JOB_VERIFY);
        (void)printf("%s\n", r.done ? "good" : r.code);
        (void)fflush(stdout);
    }
    testkit_done(&kit);
    return 0;
}
