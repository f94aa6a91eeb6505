/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/pe/pe.h"
#include <string.h>

/* Version resources: the resource tree (PE format, ".rsrc") has three levels, type, name and
 * language; RT_VERSION is type 16. The data is VS_VERSIONINFO with nested blocks of UTF-16 text. */
enum {
    RT_VERSION = 16,
    LEVELS = 3,
    ENTRIES_MOST = 4096,
    FACTS_MOST = 1024,
    VERSION_MOST = 1 << 20
};

static const struct {
    const char *key, *fact;
} names[] = {
    {"ProductName", "product-name"},         {"ProductVersion", "product-version"},
    {"FileVersion", "file-version"},         {"CompanyName", "company-name"},
    {"LegalCopyright", "copyright"},         {"OriginalFilename", "original-filename"},
    {"FileDescription", "file-description"},
};

struct walk {
    struct arena *arena;
    const struct pe *pe;
    const struct source *in;
    struct reader tree; /* the resource section from its directory on */
    struct attribute *facts;
    size_t count;
    unsigned entries; /* seen, over the whole tree: it may loop */
};

/* --- VS_VERSIONINFO ----------------------------------------------------------------------------
 */

struct block {
    uint16_t type; /* 1: the value is text */
    const char *key;
    struct reader value; /* of value_length */
    struct reader rest;  /* children */
};

static bool align4(struct reader *r, size_t whole)
{
    size_t used = whole - r->left, pad = (4 - used % 4) % 4;
    return reader_skip(r, pad < r->left ? pad : r->left);
}

static bool read_key(struct walk *w, struct reader *r, const char **ret)
{
    struct reader from = *r, text;
    uint16_t unit;
    do
        TRY(reader_u16le(r, &unit));
    while (unit != 0);
    char *key;
    TRY(reader_take(&from, from.left - r->left - 2, &text));
    TRY(text_from_utf16le(w->arena, text, &key));
    *ret = key;
    return true;
}

/* One block; *list moves behind it, to the next 4-byte boundary. */
static bool read_block(struct walk *w, struct reader *list, struct block *ret)
{
    uint16_t length, value_length;
    struct reader r = *list, head = *list;
    TRY(reader_u16le(&head, &length) && length >= 6 && length <= list->left);
    TRY(reader_take(list, length, &r));
    size_t whole = r.left;
    TRY(reader_skip(&r, 2) && reader_u16le(&r, &value_length) && reader_u16le(&r, &ret->type));
    TRY(read_key(w, &r, &ret->key) && align4(&r, whole));
    size_t bytes = ret->type == 1 ? (size_t)value_length * 2 : value_length;
    if (bytes > r.left) /* many linkers count text values in bytes */
        bytes = r.left;
    TRY(reader_take(&r, bytes, &ret->value) && align4(&r, whole));
    ret->rest = r;
    size_t pad = (4u - length % 4u) % 4u;
    return reader_skip(list, pad < list->left ? pad : list->left);
}

/* Text up to the first NUL, blanks at its ends removed (product-spec 6.9). */
static bool value_text(struct walk *w, struct reader value, const char **ret)
{
    struct reader r = value, text;
    uint16_t unit = 1;
    while (r.left >= 2 && unit != 0)
        TRY(reader_u16le(&r, &unit));
    size_t used = value.left - r.left - (unit == 0 ? 2u : 0u);
    char *utf8;
    TRY(reader_take(&value, used - used % 2, &text));
    TRY(text_from_utf16le(w->arena, text, &utf8));
    while (*utf8 == ' ')
        utf8++;
    for (size_t n = strlen(utf8); n > 0 && utf8[n - 1] == ' '; n--)
        utf8[n - 1] = '\0';
    *ret = utf8;
    return true;
}

static bool add_fact(struct walk *w, const struct block *b)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i].key, b->key) != 0)
            continue;
        if (w->count == FACTS_MOST)
            return false;
        w->facts[w->count].name = names[i].fact;
        return value_text(w, b->value, &w->facts[w->count++].value);
    }
    return true;
}

static bool read_table(struct walk *w, struct reader strings)
{
    while (strings.left >= 6) {
        struct block b;
        TRY(read_block(w, &strings, &b) && add_fact(w, &b));
    }
    return true;
}

static bool read_info(struct walk *w, struct reader data)
{
    struct block root, info, table;
    TRY(read_block(w, &data, &root) && strcmp(root.key, "VS_VERSION_INFO") == 0);
    while (root.rest.left >= 6) {
        TRY(read_block(w, &root.rest, &info));
        if (strcmp(info.key, "StringFileInfo") != 0)
            continue;
        while (info.rest.left >= 6)
            TRY(read_block(w, &info.rest, &table) && read_table(w, table.rest));
    }
    return true;
}

/* --- the resource tree --------------------------------------------------------------------------
 */

static bool read_data(struct walk *w, uint32_t at, struct err *e)
{
    struct reader entry, data;
    uint32_t address, size;
    uint64_t offset;
    if (!reader_slice(w->tree, at, 16, &entry) || !reader_u32le(&entry, &address) ||
        !reader_u32le(&entry, &size) || size > VERSION_MOST ||
        !pe_offset(w->pe, address, size, &offset))
        return err_user(e, ERR_PE, "The version resource of this program file is damaged.");
    TRY(source_load(w->arena, w->in, offset, size, &data, e));
    if (read_info(w, data))
        return true;
    return arena_failed(w->arena)
               ? arena_err(e)
               : err_user(e, ERR_PE, "The version resource of this program file is damaged.");
}

static bool walk_level(struct walk *w, uint32_t at, unsigned level, struct err *e)
{
    struct reader r;
    uint16_t named, numbered;
    if (level == LEVELS)
        return read_data(w, at, e);
    if (!reader_slice(w->tree, at, 16, &r) || !reader_skip(&r, 12) || !reader_u16le(&r, &named) ||
        !reader_u16le(&r, &numbered))
        return err_user(e, ERR_PE, "The resources of this program file are damaged.");
    for (size_t i = 0; i < (size_t)named + numbered; i++) {
        uint32_t id, child;
        struct reader entry;
        if (++w->entries > ENTRIES_MOST || !reader_slice(w->tree, at + 16 + 8 * i, 8, &entry) ||
            !reader_u32le(&entry, &id) || !reader_u32le(&entry, &child))
            return err_user(e, ERR_PE, "The resources of this program file are damaged.");
        if (level == 0 && id != RT_VERSION)
            continue;
        bool folder = (child & 0x80000000u) != 0;
        if (folder != (level + 1 < LEVELS))
            return err_user(e, ERR_PE, "The resources of this program file are damaged.");
        TRY(walk_level(w, child & 0x7fffffffu, level + 1, e));
    }
    return true;
}

bool pe_version_facts(struct arena *a, const struct pe *pe, const struct source *in,
                      struct attributes *ret, struct err *e)
{
    enum { TREE_MOST = 4 << 20 };
    struct walk w = {.arena = a, .pe = pe, .in = in};
    uint64_t offset;
    *ret = (struct attributes){0};
    if (pe->resources_address == 0 || !pe_offset(pe, pe->resources_address, 16, &offset))
        return true;
    /* The tree comes first in its section; the data behind it may be large. */
    uint64_t left = in->size - offset;
    TRY(source_load(a, in, offset, (size_t)(left < TREE_MOST ? left : TREE_MOST), &w.tree, e));
    w.facts = ARENA_ARRAY(a, FACTS_MOST, struct attribute);
    if (w.facts == NULL)
        return arena_err(e);
    TRY(walk_level(&w, 0, 0, e));
    *ret = (struct attributes){w.facts, w.count};
    return true;
}
