/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/vba.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses between the dir stream, the PROJECT stream and a whole compound file. */
static void run(struct arena *a, uint8_t choice, struct reader in)
{
    struct err e = {0};
    struct vba v = {0};
    struct vba_dir dir = {0};
    struct cfb *file;
    struct cfb_entry root = {.type = CFB_ROOT, .child = UINT32_MAX};
    const struct cfb none = {.entries = &root, .count = 1};
    const struct source source = source_memory(in);
    bool found = false;
    if (choice % 3 == 2) {
        if (cfb_open(a, &source, &file, &e) && vba_open(a, file, 0, &v, &found, &e) && found) {
            struct digest_value unused;
            (void)!digest_of(HASH_SHA256, writer_view(&v.v3), &unused, &e);
            vba_done(&v);
        }
        return;
    }
    v.file = &none;
    writer_init(&v.content, 1 << 20);
    writer_init(&v.forms, 1 << 20);
    writer_init(&v.v3, 1 << 20);
    writer_init(&v.project, 1 << 20);
    if (choice % 3 == 0)
        (void)!vba_read_dir(a, in, &v, &dir, &e);
    else
        (void)!vba_read_project(a, in, &dir, &v, &e);
    vba_done(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_over(data, size);
    struct arena *a = arena_new(64 << 20);
    uint8_t choice;
    if (a != NULL && reader_u8(&in, &choice))
        run(a, choice, in);
    arena_free(a);
    return 0;
}
