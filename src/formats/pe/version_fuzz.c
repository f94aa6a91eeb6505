/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/pe/pe.h"

/* The input is the resource section of a program that is otherwise in order (PE format, "COFF File
 * Header", "Optional Header PE32+"). */
enum {
    NEW_HEADER = 0x40,
    OPTIONAL = 240, /* with 16 data directories */
    HEADERS = 0x200,
    ADDRESS = 0x1000,
    RESOURCES = 2, /* data directory */
    MOST = 1 << 20
};

static void zeros(struct writer *w, size_t to)
{
    writer_zeros(w, to - w->len);
}

static void program(struct writer *w, struct reader section)
{
    uint32_t n = (uint32_t)section.left, raw = (n + 0x1ff) & ~0x1ffu;
    writer_text(w, "MZ");
    zeros(w, 0x3c);
    writer_u32le(w, NEW_HEADER);
    writer_bytes(w, "PE\0\0", 4);
    writer_u16le(w, 0x8664);
    writer_u16le(w, 1);
    zeros(w, NEW_HEADER + 20);
    writer_u16le(w, OPTIONAL);
    writer_u16le(w, 0x22);
    const size_t optional = w->len;
    writer_u16le(w, 0x20b);
    zeros(w, optional + 32);
    writer_u32le(w, ADDRESS);
    writer_u32le(w, 0x200);
    zeros(w, optional + 56);
    writer_u32le(w, ADDRESS + ((n + 0xfff) & ~0xfffu));
    writer_u32le(w, HEADERS);
    zeros(w, optional + 108);
    writer_u32le(w, 16);
    zeros(w, optional + 112 + 8 * RESOURCES);
    writer_u32le(w, ADDRESS);
    writer_u32le(w, n);
    zeros(w, optional + OPTIONAL);
    writer_bytes(w, ".rsrc\0\0\0", 8);
    writer_u32le(w, n);
    writer_u32le(w, ADDRESS);
    writer_u32le(w, raw);
    writer_u32le(w, HEADERS);
    zeros(w, HEADERS);
    writer_reader(w, section);
    zeros(w, HEADERS + raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct writer w;
    struct err e = {0};
    struct pe *pe;
    struct attributes facts;
    writer_init(&w, 2 * MOST);
    program(&w, reader_over(data, size < MOST ? size : MOST));
    struct source in = source_memory(writer_view(&w));
    if (a == NULL || !pe_parse(a, &in, &pe, &e) || (size >= 16 && pe->resources_address == 0))
        __builtin_trap(); /* the target would test nothing */
    (void)!pe_version_facts(a, pe, &in, &facts, &e);
    writer_done(&w);
    arena_free(a);
    return 0;
}
