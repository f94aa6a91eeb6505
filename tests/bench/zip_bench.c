/* SPDX-License-Identifier: Apache-2.0 */
/* zip_bench IN.zip FOLDER [ROUNDS]: CPU seconds of putting one changed entry into a ZIP file
 * against hashing and copying that file once. Rounds alternate; medians and the ratio are printed.
 */
#include "archive/zip.h"
#include "crypto/digest.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double cpu(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(bool ok, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "%s | %s\n", e->user, e->detail);
    exit(1);
}

static int file(const char *folder, const char *name, int flags)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, flags | O_CLOEXEC, 0644);
}

static struct sink hashed(int fd, struct digest *d)
{
    struct sink k = sink_file(fd, 0, UINT64_MAX / 4);
    k.tee = digest_tee;
    k.tee_ctx = d;
    return k;
}

static void finish(struct digest *d, struct err *e)
{
    struct digest_value sum;
    must(digest_end(d, &sum, e), e);
}

/* One entry with a few bytes changed and 8 KiB appended, packed anew or by editing its stream. */
static double pack(const struct source *in, const char *folder, bool again)
{
    struct err e = {0};
    struct zip *z;
    struct zip_packed packed;
    struct arena *a = arena_new(256 * 1024 * 1024);
    int fd = file(folder, "packed", O_RDWR | O_CREAT | O_TRUNC);
    struct sink k = sink_file(fd, 0, UINT64_MAX / 4);
    must(zip_open(a, in, 0, NULL, &z, &e) && zip_extract(z, 0, &k, &e), &e);
    must(sink_patch(&k, 216, "checksum", 8, &e) && sink_zeros(&k, 8192, &e), &e);
    struct source content = sink_view(&k);
    double started = cpu();
    must(again ? zip_pack_again(z, 0, &content, &k, &packed, &e)
               : zip_pack(&content, ZIP_DEFLATED, &k, &packed, &e),
         &e);
    double ret = cpu() - started;
    arena_free(a);
    (void)close(fd);
    return ret;
}

static double copy(const struct source *in, const char *folder)
{
    struct err e = {0};
    struct digest d;
    double started = cpu();
    int fd = file(folder, "copy", O_RDWR | O_CREAT | O_TRUNC);
    must(digest_begin(&d, HASH_SHA256, &e), &e);
    struct sink k = hashed(fd, &d);
    must(sink_source(&k, in, &e), &e);
    finish(&d, &e);
    double ret = cpu() - started;
    (void)close(fd);
    return ret;
}

static double touch(const struct source *in, const char *folder, size_t index)
{
    struct err e = {0};
    struct zip *z;
    struct digest d;
    double started = cpu();
    struct arena *a = arena_new(256 * 1024 * 1024);
    int fd = file(folder, "repacked", O_RDWR | O_CREAT | O_TRUNC);
    int scratch_fd = file(folder, "scratch", O_RDWR | O_CREAT | O_TRUNC);
    must(zip_open(a, in, 0, NULL, &z, &e), &e);
    struct sink scratch = sink_file(scratch_fd, 0, UINT64_MAX / 4), content = scratch;
    must(zip_extract(z, index, &content, &e), &e);
    must(sink_patch(&content, 216, "checksum", 8, &e), &e); /* about what Authenticode changes */
    must(sink_zeros(&content, 8192, &e), &e);
    struct source changed = sink_view(&content);
    scratch = sink_file(scratch_fd, content.used, UINT64_MAX / 4);
    struct zip_change change = {.action = ZIP_REPLACE, .index = index};
    must(zip_pack_again(z, index, &changed, &scratch, &change.packed, &e), &e);
    must(digest_begin(&d, HASH_SHA256, &e), &e);
    struct sink k = hashed(fd, &d);
    must(zip_repack(z, &change, 1, NULL, &k, &e), &e);
    finish(&d, &e);
    arena_free(a);
    double ret = cpu() - started;
    (void)close(fd);
    (void)close(scratch_fd);
    return ret;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *list, size_t n)
{
    qsort(list, n, sizeof *list, order);
    return list[n / 2];
}

int main(int argc, char **argv)
{
    enum { MOST = 99 };
    double copies[MOST], touches[MOST], ratios[MOST], full[MOST], edited[MOST], saved[MOST];
    struct err e = {0};
    struct source in;
    if (argc < 3)
        return 2;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 7;
    rounds = rounds < 1 || rounds > MOST ? 7 : rounds;
    must(source_file(open(argv[1], O_RDONLY | O_CLOEXEC), &in, &e), &e);
    (void)copy(&in, argv[2]);
    for (size_t i = 0; i < rounds; i++) {
        copies[i] = copy(&in, argv[2]);
        touches[i] = touch(&in, argv[2], 0);
        ratios[i] = touches[i] / copies[i];
        full[i] = pack(&in, argv[2], false);
        edited[i] = pack(&in, argv[2], true);
        saved[i] = edited[i] / full[i];
    }
    printf("{\"bytes\": %llu, \"hashAndCopy\": %.4f, \"oneEntry\": %.4f, \"ratio\": %.3f, "
           "\"compress\": %.4f, \"splice\": %.4f, \"spliceRatio\": %.3f}\n",
           (unsigned long long)in.size, median(copies, rounds), median(touches, rounds),
           median(ratios, rounds), median(full, rounds), median(edited, rounds),
           median(saved, rounds));
    return 0;
}
