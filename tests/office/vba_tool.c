/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the normalised data of VBA projects into the hands of the Python tests:
 *   vba_tool FILE    a compound file with a project; "NAME LENGTH SHA-256" per line of what is
 *                    hashed, then "KIND HASH HEX" of each SpcIndirectDataContent
 * A refusal is one line "CODE: user text | detail" on stderr and exit code 1. */
#include "base/file.h"
#include "base/text.h"
#include "formats/office_oxml/vba.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMORY = 256 << 20 };

static bool open_project(struct arena *a, const char *path, struct vba *ret, struct err *e)
{
    static const char *const roots[] = {"Macros", "_VBA_PROJECT_CUR"};
    struct source in;
    struct cfb *file;
    bool found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* closed by the end of the program */
    if (fd < 0)
        return err_errno(e, path);
    TRY(source_file(fd, &in, e) && cfb_open(a, &in, &file, e) &&
        vba_open(a, file, 0, ret, &found, e));
    for (size_t i = 0; !found && i < COUNT_OF(roots); i++) {
        CLEANUP(writer_done) struct writer wide = {0};
        writer_init(&wide, 64);
        if (!text_to_utf16(&wide, reader_text(roots[i]), false))
            return err_set(e, ERR_INTERNAL, "name");
        const struct cfb_entry *x = cfb_find(file, 0, writer_view(&wide));
        if (x != NULL)
            TRY(vba_open(a, file, cfb_index(file, x), ret, &found, e));
    }
    return found || err_set(e, ERR_VBA, "no project");
}

static bool show(const char *name, const struct writer *w, struct err *e)
{
    struct digest_value v;
    char hex[2 * HASH_MAX + 1];
    TRY(digest_of(HASH_SHA256, writer_view(w), &v, e));
    text_hex(v.bytes, v.len, hex);
    printf("%s %zu %s\n", name, w->len, hex);
    return true;
}

static bool show_content(struct arena *a, const struct vba *v, enum vba_kind kind, enum hash hash,
                         struct err *e)
{
    static const char *const names[] = {"legacy", "agile", "v3"};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    TRY(vba_indirect_data(a, v, kind, hash, &w, e));
    printf("%s %s ", names[kind], hash_name(hash));
    for (size_t i = 0; i < w.len; i++)
        printf("%02x", w.data[i]);
    printf("\n");
    return true;
}

static bool run(struct arena *a, const char *path, struct err *e)
{
    static const enum hash hashes[] = {HASH_MD5, HASH_SHA1, HASH_SHA256};
    CLEANUP(vba_done) struct vba v = {0};
    TRY(open_project(a, path, &v, e));
    TRY(show("ContentNormalizedData", &v.content, e) && show("FormsNormalizedData", &v.forms, e) &&
        show("V3ContentNormalizedData", &v.v3, e) && show("ProjectNormalizedData", &v.project, e));
    for (enum vba_kind kind = VBA_LEGACY; kind < VBA_KINDS; kind++)
        for (size_t i = 0; i < COUNT_OF(hashes); i++)
            TRY(show_content(a, &v, kind, hashes[i], e));
    if (v.no_v3 != NULL)
        printf("no-v3 %s\n", v.no_v3);
    return true;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct arena *a = arena_new(MEMORY);
    bool ok = argc == 2 && a != NULL && run(a, argv[1], &e);
    arena_free(a);
    if (!ok)
        fprintf(stderr, "%s: %s | %s\n", err_machine_code(e.code), e.user, e.detail);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
