/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the ZIP layer into the hands of the Python tests:
 *   zip_tool list IN                      index, method, size, path per line
 *   zip_tool check [-fold] [-block] IN    opens and expands everything
 *   zip_tool cat IN INDEX OUT
 *   zip_tool repack IN OUT SCRATCH [replace INDEX FILE | add PATH FILE LIKE | remove INDEX]...
 *   zip_tool compare BEFORE AFTER [CHANGED INDEX]...
 *   zip_tool create OUT SCRATCH [PATH FILE]...
 * A refusal is one line "CODE: user text | detail" on stderr and exit code 1. */
#include "archive/zip.h"
#include "base/file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The limits of the product's settings, smaller where a test would take too long. */
static struct budget budget = {
    .max_entries = 200000, .max_bytes = UINT64_C(1) << 33, .max_depth = 16, .max_ratio = 1000};
static struct arena *arena;

static bool open_input(const char *path, struct source *ret, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* closed by the end of the program */
    return fd < 0 ? err_errno(e, path) : source_file(fd, ret, e);
}

static bool open_output(const char *path, struct sink *ret, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    *ret = sink_file(fd, 0, UINT64_MAX / 4);
    return fd >= 0 || err_errno(e, path);
}

static bool open_zip(const char *path, unsigned profile, struct zip **ret, struct err *e)
{
    struct source in;
    return open_input(path, &in, e) && zip_open(arena, &in, profile, &budget, ret, e);
}

static size_t number(const char *text)
{
    return strcmp(text, "-") == 0 ? SIZE_MAX : (size_t)strtoull(text, NULL, 10);
}

static bool list(int argc, char **argv, struct err *e)
{
    struct zip *z;
    if (argc != 1)
        return err_set(e, ERR_USAGE, "list IN");
    TRY(open_zip(argv[0], 0, &z, e));
    for (size_t i = 0; i < z->count; i++) {
        const struct zip_entry *x = &z->entries[i];
        printf("%zu %u %" PRIu64 " %s%s\n", i, x->method, x->size, x->path, x->folder ? "/" : "");
    }
    return true;
}

static bool check(int argc, char **argv, struct err *e)
{
    unsigned profile = 0;
    struct zip *z;
    for (; argc > 1; argc--, argv = &argv[1])
        profile |= strcmp(argv[0], "-fold") == 0 ? ZIP_UNIQUE_FOLDED : ZIP_BLOCK_BEFORE_DIRECTORY;
    if (argc != 1)
        return err_set(e, ERR_USAGE, "check IN");
    TRY(open_zip(argv[0], profile, &z, e));
    for (size_t i = 0; i < z->count; i++) {
        struct sink nowhere = sink_discard();
        TRY(zip_extract(z, i, &nowhere, e));
    }
    printf("%zu entries\n", z->count);
    return true;
}

static bool cat(int argc, char **argv, struct err *e)
{
    struct zip *z;
    struct sink out;
    if (argc != 3)
        return err_set(e, ERR_USAGE, "cat IN INDEX OUT");
    return open_zip(argv[0], 0, &z, e) && open_output(argv[2], &out, e) &&
           zip_extract(z, number(argv[1]), &out, e);
}

static bool read_change(const struct zip *z, char ***argv, struct sink *scratch,
                        struct zip_change *ret, struct err *e)
{
    char **a = *argv;
    struct source content;
    *ret = (struct zip_change){.index = SIZE_MAX};
    if (strcmp(a[0], "remove") == 0) {
        ret->action = ZIP_REMOVE;
        ret->index = number(a[1]);
        *argv = &a[2];
        return true;
    }
    bool adds = strcmp(a[0], "add") == 0;
    ret->action = adds ? ZIP_ADD : ZIP_REPLACE;
    ret->path = adds ? a[1] : NULL;
    ret->index = number(adds ? a[3] : a[1]);
    *argv = adds ? &a[4] : &a[3];
    TRY(open_input(a[2], &content, e));
    return adds ? zip_pack(&content, ZIP_DEFLATED, scratch, &ret->packed, e)
                : zip_pack_again(z, ret->index, &content, scratch, &ret->packed, e);
}

static bool repack(int argc, char **argv, struct err *e)
{
    struct zip *z;
    struct sink out, scratch;
    if (argc < 3)
        return err_set(e, ERR_USAGE, "repack IN OUT SCRATCH ...");
    TRY(open_zip(argv[0], 0, &z, e));
    TRY(open_output(argv[1], &out, e) && open_output(argv[2], &scratch, e));
    struct zip_change *changes = ARENA_ARRAY(arena, (size_t)argc, struct zip_change);
    size_t count = 0;
    for (char **a = &argv[3]; *a != NULL;)
        TRY(read_change(z, &a, &scratch, &changes[count++], e));
    return zip_repack(z, changes, count, NULL, &out, e);
}

static bool compare(int argc, char **argv, struct err *e)
{
    struct zip *before, *after;
    if (argc < 2)
        return err_set(e, ERR_USAGE, "compare BEFORE AFTER [INDEX]...");
    TRY(open_zip(argv[0], 0, &before, e) && open_zip(argv[1], 0, &after, e));
    bool *changed = ARENA_ARRAY(arena, before->count, bool);
    for (int i = 2; i < argc; i++)
        changed[number(argv[i])] = true;
    return zip_compare(before, after, changed, e);
}

static bool create(int argc, char **argv, struct err *e)
{
    struct sink out, scratch;
    struct zip_writer w;
    if (argc < 2)
        return err_set(e, ERR_USAGE, "create OUT SCRATCH [PATH FILE]...");
    TRY(open_output(argv[0], &out, e) && open_output(argv[1], &scratch, e));
    zip_writer_init(&w, &out);
    bool ok = true;
    for (int i = 2; ok && i + 1 < argc; i += 2) {
        struct source content;
        struct zip_packed packed;
        struct zip_meta meta = {.path = argv[i],
                                .date = ZIP_DATE_FIXED,
                                .made_by = 0x314,
                                .external = UINT32_C(0100644) << 16};
        ok = open_input(argv[i + 1], &content, e) &&
             zip_pack(&content, ZIP_DEFLATED, &scratch, &packed, e) &&
             zip_writer_add(&w, &meta, &packed, e);
    }
    ok = ok && zip_writer_finish(&w, reader_text(""), e);
    zip_writer_done(&w);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*run)(int argc, char **argv, struct err *e);
    } commands[] = {{"list", list},     {"check", check},     {"cat", cat},
                    {"repack", repack}, {"compare", compare}, {"create", create}};
    struct err e = {0};
    bool ok = argc > 1 ? true : err_set(&e, ERR_USAGE, "no command");
    arena = arena_new(512 * 1024 * 1024);
    for (size_t i = 0; ok && i < COUNT_OF(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            ok = commands[i].run(argc - 2, &argv[2], &e);
    arena_free(arena);
    if (!ok)
        fprintf(stderr, "%s: %s | %s\n", err_machine_code(e.code), e.user, e.detail);
    return ok ? 0 : 1;
}
