/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cab/cab_sample.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same cabinet with empty files; the repacker fills it. */
static void put_empty(struct writer *w, const struct cab_sample *s)
{
    size_t names = 0, tables = CAB_HEADER + (s->reserve.at == NULL ? 0 : 4 + s->reserve.left);
    size_t files_at = tables + s->folder_count * CAB_FOLDER;
    for (size_t i = 0; i < s->file_count; i++)
        names += 17 + strlen(s->files[i].name);
    writer_text(w, "MSCF");
    writer_u32le(w, 0);
    writer_u32le(w, (uint32_t)(files_at + names));
    writer_u32le(w, 0);
    writer_u32le(w, (uint32_t)files_at);
    writer_u32le(w, 0);
    writer_u16le(w, 0x0103);
    writer_u16le(w, (uint16_t)s->folder_count);
    writer_u16le(w, (uint16_t)s->file_count);
    writer_u16le(w, s->reserve.at == NULL ? 0 : CAB_FLAG_RESERVE);
    writer_u16le(w, 0x1234);
    writer_u16le(w, 0);
    if (s->reserve.at != NULL) {
        writer_u16le(w, (uint16_t)s->reserve.left);
        writer_u16le(w, 0);
        writer_reader(w, s->reserve);
    }
    for (size_t i = 0; i < s->folder_count; i++) {
        writer_u32le(w, (uint32_t)(files_at + names));
        writer_u16le(w, 0);
        writer_u16le(w, s->kinds[i]);
    }
    for (size_t i = 0; i < s->file_count; i++) {
        writer_zeros(w, 8);
        writer_u16le(w, s->files[i].folder);
        writer_u16le(w, 0x5a21);
        writer_u16le(w, 0x6000);
        writer_u16le(w, 0x20);
        writer_bytes(w, s->files[i].name, strlen(s->files[i].name) + 1);
    }
}

void cab_sample(struct writer *w, const struct cab_sample *s)
{
    struct writer empty;
    struct err e = {0};
    struct cab *c;
    struct arena *a = arena_new(16 << 20);
    struct cab_change *changes = ARENA_ARRAY(a, s->file_count + 1, struct cab_change);
    writer_init(&empty, 1 << 20);
    put_empty(&empty, s);
    struct source in = source_memory(writer_view(&empty));
    for (size_t i = 0; i < s->file_count; i++)
        changes[i] = (struct cab_change){i, source_memory(s->files[i].content)};
    struct sink k = sink_memory(w);
    if (!cab_open(a, &in, NULL, &c, &e) || !cab_repack(c, changes, s->file_count, &k, &e)) {
        fprintf(stderr, "cab_sample: %s %s\n", e.user, e.detail);
        abort();
    }
    writer_done(&empty);
    arena_free(a);
}
