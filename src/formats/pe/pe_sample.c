/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/pe/pe_sample.h"
#include "base/text.h"
#include <string.h>

enum { HEADERS = 0x400, CODE = 0x200, RESOURCES_ADDRESS = 0x2000 };

static void utf16(struct writer *w, const char *text)
{
    if (!text_to_utf16(w, reader_text(text), false))
        w->failed = true;
    writer_u16le(w, 0);
}

static void align(struct writer *w, size_t to)
{
    writer_zeros(w, (to - w->len % to) % to);
}

static void set_u16(struct writer *w, size_t at, size_t v)
{
    uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    writer_patch(w, at, b, sizeof b);
}

/* Begins a block of VS_VERSIONINFO; its length is set by end_block. */
static size_t begin_block(struct writer *w, size_t value_length, unsigned type, const char *key)
{
    align(w, 4);
    size_t at = w->len;
    writer_u16le(w, 0);
    writer_u16le(w, (uint16_t)value_length);
    writer_u16le(w, (uint16_t)type);
    utf16(w, key);
    align(w, 4);
    return at;
}

static void end_block(struct writer *w, size_t at)
{
    set_u16(w, at, w->len - at);
}

static void string(struct writer *w, const char *key, const char *value)
{
    size_t at = begin_block(w, strlen(value) + 1, 1, key);
    utf16(w, value);
    end_block(w, at);
}

static void version(struct writer *w, const struct pe_sample *s)
{
    size_t root = begin_block(w, 52, 0, "VS_VERSION_INFO");
    writer_u32le(w, 0xfeef04bdu);
    writer_zeros(w, 48);
    size_t info = begin_block(w, 0, 1, "StringFileInfo");
    size_t table = begin_block(w, 0, 1, "040904b0");
    string(w, "ProductName", s->product);
    string(w, "FileDescription", s->description);
    string(w, "CompanyName", "Acme GmbH ");
    end_block(w, table);
    end_block(w, info);
    end_block(w, root);
    align(w, 8);
}

static void level(struct writer *w, unsigned entries)
{
    writer_zeros(w, 12);
    writer_u16le(w, 0);
    writer_u16le(w, (uint16_t)entries);
}

static void resources(struct writer *w, const struct pe_sample *s)
{
    size_t languages_at = 48, data_at = languages_at + 16 + 8 * s->languages;
    level(w, 1);
    writer_u32le(w, 16);
    writer_u32le(w, 0x80000000u | 24);
    level(w, 1);
    writer_u32le(w, 1);
    writer_u32le(w, 0x80000000u | (uint32_t)languages_at);
    level(w, s->languages);
    for (unsigned i = 0; i < s->languages; i++) {
        writer_u32le(w, 0x409 + i);
        writer_u32le(w, (uint32_t)(data_at + 16 * i));
    }
    struct writer one;
    writer_init(&one, 4096);
    version(&one, s);
    size_t first = data_at + 16 * s->languages;
    for (unsigned i = 0; i < s->languages; i++) {
        writer_u32le(w, (uint32_t)(RESOURCES_ADDRESS + first + i * one.len));
        writer_u32le(w, (uint32_t)one.len);
        writer_zeros(w, 8);
    }
    for (unsigned i = 0; i < s->languages; i++)
        writer_reader(w, writer_view(&one));
    writer_done(&one);
}

static void section(struct writer *w, const char *name, size_t address, size_t size, size_t at)
{
    writer_text(w, name);
    writer_zeros(w, 8 - strlen(name));
    writer_u32le(w, (uint32_t)size);
    writer_u32le(w, (uint32_t)address);
    writer_u32le(w, (uint32_t)size);
    writer_u32le(w, (uint32_t)at);
    writer_zeros(w, 12);
    writer_u32le(w, 0x60000020);
}

static void optional_header(struct writer *w, const struct pe_sample *s, size_t resource_size)
{
    size_t start = w->len;
    writer_u16le(w, s->plus ? 0x20b : 0x10b);
    writer_zeros(w, 14);
    writer_u32le(w, 0x1000); /* AddressOfEntryPoint */
    writer_zeros(w, s->plus ? 12 : 16 - 4);
    writer_zeros(w, 32 - (w->len - start));
    writer_u32le(w, 0x1000);
    writer_u32le(w, 0x200);
    writer_u16le(w, 6);
    writer_zeros(w, 6);
    writer_u16le(w, 6);
    writer_zeros(w, 56 - (w->len - start));
    writer_u32le(w, 0x3000); /* SizeOfImage */
    writer_u32le(w, HEADERS);
    writer_u32le(w, 0); /* CheckSum */
    writer_u16le(w, 3); /* console */
    writer_zeros(w, (s->plus ? 108u : 92u) - (w->len - start));
    writer_u32le(w, 16);
    writer_zeros(w, 16);
    writer_u32le(w, s->languages > 0 ? RESOURCES_ADDRESS : 0);
    writer_u32le(w, s->languages > 0 ? (uint32_t)resource_size : 0);
    writer_zeros(w, 8 * 13);
}

void pe_sample(struct writer *w, const struct pe_sample *s)
{
    struct writer tree;
    writer_init(&tree, 1 << 20);
    if (s->languages > 0)
        resources(&tree, s);
    align(&tree, 0x200);
    writer_text(w, "MZ");
    writer_zeros(w, 58);
    writer_u32le(w, 64);
    writer_text(w, "PE");
    writer_zeros(w, 2);
    writer_u16le(w, s->plus ? 0x8664 : 0x14c);
    writer_u16le(w, 2);
    writer_zeros(w, 12);
    writer_u16le(w, (uint16_t)((s->plus ? 112 : 96) + 8 * 16));
    writer_u16le(w, 0x22);
    optional_header(w, s, tree.len);
    section(w, ".text", 0x1000, CODE, HEADERS);
    section(w, ".rsrc", RESOURCES_ADDRESS, tree.len, tree.len == 0 ? 0 : HEADERS + CODE);
    writer_zeros(w, HEADERS - w->len);
    for (size_t i = 0; i < CODE; i++)
        writer_u8(w, (uint8_t)(0xc3 + i * 7));
    writer_reader(w, writer_view(&tree));
    for (size_t i = 0; i < s->overlay; i++)
        writer_u8(w, (uint8_t)i);
    writer_done(&tree);
}
