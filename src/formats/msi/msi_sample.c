/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/msi/msi_sample.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t clsid[16] = {0x84, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46};
static const uint8_t nothing[16];

static struct reader wide(struct arena *a, const char *name)
{
    struct writer w;
    writer_init(&w, 64);
    if (!text_to_utf16(&w, reader_text(name), false))
        abort();
    struct reader r = arena_bytes(a, writer_view(&w));
    writer_done(&w);
    return r;
}

static struct cfb_entry entry(struct reader name, uint8_t type, uint32_t parent)
{
    return (struct cfb_entry){.name = name,
                              .clsid = reader_over(type == CFB_ROOT ? clsid : nothing, 16),
                              .state = reader_over(nothing, 4),
                              .times = reader_over(nothing, 16),
                              .type = type,
                              .parent = parent};
}

static uint32_t storage(struct arena *a, struct cfb *c, const char *name)
{
    struct reader wanted = wide(a, name);
    for (uint32_t i = 1; i < c->count; i++)
        if (c->entries[i].type == CFB_STORAGE && reader_equal(c->entries[i].name, wanted))
            return i;
    c->entries[c->count] = entry(wanted, CFB_STORAGE, 0);
    return c->count++;
}

void msi_sample(struct writer *w, const struct msi_sample *s)
{
    struct arena *a = arena_new(16 << 20);
    struct cfb c = {.sector = s->major == 3 ? 512 : 4096, .minor = 0x3e, .major = s->major};
    struct cfb_change *changes = ARENA_ARRAY(a, s->count + 1, struct cfb_change);
    struct err e = {0};
    c.entries = ARENA_ARRAY(a, 2 * s->count + 1, struct cfb_entry);
    c.entries[c.count++] = entry(wide(a, "Root Entry"), CFB_ROOT, UINT32_MAX);
    for (size_t i = 0; i < s->count; i++) {
        const struct msi_sample_stream *x = &s->streams[i];
        uint32_t parent = x->storage == NULL ? 0 : storage(a, &c, x->storage);
        changes[i] = (struct cfb_change){
            .action = CFB_REPLACE, .index = c.count, .content = source_memory(x->content)};
        c.entries[c.count++] = entry(wide(a, x->name), CFB_STREAM, parent);
    }
    struct sink k = sink_memory(w);
    if (!cfb_write(&c, changes, s->count, &k, &e)) {
        fprintf(stderr, "msi_sample: %s %s\n", e.user, e.detail);
        abort();
    }
    arena_free(a);
}

void msi_sample_summary(struct writer *w, uint16_t page, const char *subject, const char *author)
{
    const char *const texts[] = {subject, author};
    size_t at = 8 + 3 * 8 + 8;
    writer_u16le(w, 0xfffe);
    writer_zeros(w, 22);
    writer_u32le(w, 1);
    writer_zeros(w, 16);
    writer_u32le(w, 48);
    writer_u32le(w, (uint32_t)(at + 16 + strlen(subject) + strlen(author) + 2));
    writer_u32le(w, 3);
    writer_u32le(w, 1);
    writer_u32le(w, 32);
    for (uint32_t i = 0; i < 2; i++) {
        writer_u32le(w, 3 + i);
        writer_u32le(w, (uint32_t)at);
        at += 8 + strlen(texts[i]) + 1;
    }
    writer_u32le(w, 2);
    writer_u16le(w, page);
    writer_u16le(w, 0);
    for (size_t i = 0; i < 2; i++) {
        writer_u32le(w, 0x1e);
        writer_u32le(w, (uint32_t)strlen(texts[i]) + 1);
        writer_bytes(w, texts[i], strlen(texts[i]) + 1);
    }
}
