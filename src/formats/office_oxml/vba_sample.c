/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/vba_sample.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 32, LITERALS = 8 };
static const uint8_t nothing[16];

static struct reader kept(struct arena *a, struct writer *w)
{
    struct reader r = arena_bytes(a, writer_view(w));
    if (w->failed || r.at == NULL)
        abort();
    writer_done(w);
    return r;
}

static struct reader wide(struct arena *a, struct reader name)
{
    struct writer w;
    writer_init(&w, 64);
    if (!text_to_utf16(&w, name, false))
        abort();
    return kept(a, &w);
}

/* --- compound files --------------------------------------------------------------------------- */

static uint32_t add(struct arena *a, struct cfb *c, struct reader name, uint8_t type,
                    uint32_t parent)
{
    c->entries[c->count] = (struct cfb_entry){.name = wide(a, name),
                                              .clsid = reader_over(nothing, 16),
                                              .state = reader_over(nothing, 4),
                                              .times = reader_over(nothing, 16),
                                              .type = type,
                                              .parent = parent};
    return c->count++;
}

static uint32_t storage(struct arena *a, struct cfb *c, struct reader name, uint32_t parent)
{
    struct reader wanted = wide(a, name);
    for (uint32_t i = 1; i < c->count; i++)
        if (c->entries[i].type == CFB_STORAGE && c->entries[i].parent == parent &&
            reader_equal(c->entries[i].name, wanted))
            return i;
    return add(a, c, name, CFB_STORAGE, parent);
}

void vba_sample_file(struct writer *w, const struct vba_sample_stream *streams, size_t count)
{
    struct arena *a = arena_new(64 << 20);
    struct cfb c = {.sector = 512, .minor = 0x3e, .major = 3};
    struct cfb_change *changes = ARENA_ARRAY(a, count + 1, struct cfb_change);
    struct err e = {0};
    c.entries = ARENA_ARRAY(a, 4 * count + 1, struct cfb_entry);
    (void)add(a, &c, reader_text("Root Entry"), CFB_ROOT, UINT32_MAX);
    for (size_t i = 0; i < count; i++) {
        struct reader path = reader_text(streams[i].path), one;
        uint32_t parent = 0;
        size_t slash;
        while ((slash = reader_find(path, 0, "/", 1)) != SIZE_MAX) {
            if (!reader_take(&path, slash, &one) || !reader_skip(&path, 1))
                abort();
            parent = storage(a, &c, one, parent);
        }
        uint32_t index = add(a, &c, path, CFB_STREAM, parent);
        changes[i] = (struct cfb_change){
            .action = CFB_REPLACE, .index = index, .content = source_memory(streams[i].content)};
    }
    struct sink k = sink_memory(w);
    if (!cfb_write(&c, changes, count, &k, &e)) {
        fprintf(stderr, "vba_sample: %s %s\n", e.user, e.detail);
        abort();
    }
    arena_free(a);
}

/* --- the project ------------------------------------------------------------------------------ */

/* One chunk of literals, behind something that stands in front of the source. */
static struct reader compressed(struct arena *a, size_t in_front, struct reader plain)
{
    struct writer w;
    size_t length = plain.left + (plain.left + LITERALS - 1) / LITERALS;
    struct reader some;
    writer_init(&w, 16 * 1024);
    writer_zeros(&w, in_front);
    writer_u8(&w, 1);
    writer_u16le(&w, (uint16_t)(0xb000 | (length - 1)));
    while (plain.left > 0) {
        if (!reader_take(&plain, plain.left < LITERALS ? plain.left : LITERALS, &some))
            abort();
        writer_u8(&w, 0);
        writer_reader(&w, some);
    }
    return kept(a, &w);
}

static void record(struct writer *w, uint16_t id, struct reader bytes)
{
    writer_u16le(w, id);
    writer_u32le(w, (uint32_t)bytes.left);
    writer_reader(w, bytes);
}

static void text_record(struct writer *w, uint16_t id, const char *text)
{
    record(w, id, reader_text(text));
}

static void both(struct arena *a, struct writer *w, uint16_t id, uint16_t wide_id, const char *text)
{
    text_record(w, id, text);
    record(w, wide_id, wide(a, reader_text(text)));
}

static void module(struct arena *a, struct writer *w, const char *name, uint16_t type, bool hidden)
{
    both(a, w, 0x19, 0x47, name);
    both(a, w, 0x1a, 0x32, name);
    both(a, w, 0x1c, 0x48, "");
    record(w, 0x31, reader_over("\3\0\0\0", 4)); /* three bytes in front of the source */
    record(w, 0x1e, reader_over(nothing, 4));
    record(w, 0x2c, reader_over(nothing, 2));
    text_record(w, type, "");
    if (hidden)
        text_record(w, 0x28, "");
    text_record(w, 0x2b, "");
}

static void references(struct arena *a, struct writer *w)
{
    both(a, w, 0x16, 0x3e, "stdole");
    writer_bytes(w, "\x0d\0\x0d\0\0\0\3\0\0\0*\\G\0\0\0\0\0\0", 19);
    both(a, w, 0x16, 0x3e, "Other");
    writer_bytes(w, "\x0e\0\x10\0\0\0\1\0\0\0A\1\0\0\0B\1\0\0\0\2\0", 22);
    writer_bytes(w, "\x33\0\1\0\0\0O\x2f\0\x0b\0\0\0\1\0\0\0T\0\0\0\0\0\0", 24);
    writer_bytes(w, "\x30\0\x1e\0\0\0\1\0\0\0X\0\0\0\0\0\0", 17);
    writer_zeros(w, 16 + 4);
}

static struct reader dir(struct arena *a)
{
    struct writer w;
    writer_init(&w, 4096);
    record(&w, 1, reader_over("\3\0\0\0", 4));
    record(&w, 0x4a, reader_over(nothing, 4));
    record(&w, 2, reader_over("\x09\4\0\0", 4));
    record(&w, 0x14, reader_over("\x09\4\0\0", 4));
    record(&w, 3, reader_over("\xe4\4", 2));
    text_record(&w, 4, "Project");
    both(a, &w, 5, 0x40, "");
    text_record(&w, 6, "");
    text_record(&w, 0x3d, "");
    record(&w, 7, reader_over(nothing, 4));
    record(&w, 8, reader_over(nothing, 4));
    writer_bytes(&w, "\x09\0\4\0\0\0\1\0\0\0\2\0", 12);
    both(a, &w, 0x0c, 0x3c, "Debugging = 1");
    references(a, &w);
    record(&w, 0x0f, reader_over("\3\0", 2));
    record(&w, 0x13, reader_over("\xff\xff", 2));
    module(a, &w, "ThisDocument", 0x22, false);
    module(a, &w, "Module1", 0x21, false);
    module(a, &w, "UserForm1", 0x22, true);
    text_record(&w, 0x10, "");
    struct reader plain = kept(a, &w);
    return compressed(a, 0, plain);
}

static struct reader project_text(struct arena *a, const struct vba_sample *s)
{
    struct writer w;
    writer_init(&w, 4096);
    writer_text(
        &w, "ID=\"{00000000-0000-0000-0000-000000000000}\"\r\nDocument=ThisDocument/&H00000000\r\n"
            "Module=Module1\r\nBaseClass=UserForm1\r\nName=\"Project\"\r\nCMG=\"00\"\r\n");
    writer_text(&w, s->project == NULL ? "" : s->project);
    writer_text(&w,
                "\r\n[Host Extender Info]\r\n&H00000001={X};VBE;&H00000000\r\n\r\n[Workspace]\r\n"
                "Module1=0, 0, 0, 0, \r\n");
    return kept(a, &w);
}

static const char document[] =
    "Attribute VB_Name = \"ThisDocument\"\r\nAttribute VB_Exposed = True\r\n"
    "Attribute VB_Base = \"1Normal.ThisDocument\"\r\n";
static const char macro[] =
    "Attribute VB_Name = \"Module1\"\r\nSub Hello()\r\n    MsgBox \"Hello\"\r\nEnd Sub\r\n";

void vba_sample_project(struct writer *w, const struct vba_sample *s)
{
    struct arena *a = arena_new(64 << 20);
    const char *prefix = s->prefix == NULL ? "" : s->prefix;
    const char *code = s->code == NULL ? "compiled" : s->code;
    const char *source = s->source == NULL ? macro : s->source;
    const struct vba_sample_stream own[] = {
        {"VBA/dir", dir(a)},
        {"VBA/_VBA_PROJECT", reader_text(code)},
        {"VBA/ThisDocument", compressed(a, 3, reader_text(document))},
        {"VBA/Module1", compressed(a, 3, reader_text(source))},
        {"VBA/UserForm1", compressed(a, 3, reader_text("Attribute VB_Name = \"UserForm1\"\r\n"))},
        {"UserForm1/f", reader_text(s->form == NULL ? "form" : s->form)},
        {"UserForm1/o", reader_text("")},
        {"UserForm1/i01/f", reader_text("frame")},
        {"PROJECT", project_text(a, s)},
    };
    struct vba_sample_stream all[STREAMS_MAX];
    size_t n = 0;
    for (; n < COUNT_OF(own); n++)
        all[n] = (struct vba_sample_stream){arena_format(a, "%s%s", prefix, own[n].path),
                                            own[n].content};
    for (size_t i = 0; i < s->more_count && n < STREAMS_MAX; i++)
        all[n++] = s->more[i];
    vba_sample_file(w, all, n);
    arena_free(a);
}
