/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_tree.h"
#include "base/text.h"
#include "formats/nupkg/nupkg.h"
#include <string.h>

bool nupkg_open(struct arena *a, const struct source *in, struct zip **ret, struct err *e)
{
    return zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, ret, e);
}

size_t nupkg_signature(const struct zip *z)
{
    for (size_t i = 0; i < z->count; i++)
        if (strcmp(z->entries[i].path, NUPKG_SIGNATURE) == 0)
            return i;
    return SIZE_MAX;
}

size_t nupkg_nuspec(const struct zip *z)
{
    static const char extension[] = ".nuspec";
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < z->count; i++) {
        const char *path = z->entries[i].path;
        size_t n = strlen(path);
        if (z->entries[i].folder || strchr(path, '/') != NULL || n <= sizeof extension - 1 ||
            !text_equal_ascii_fold(&path[n - (sizeof extension - 1)], extension))
            continue;
        if (found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

static bool load_entry(struct arena *a, const struct zip *z, size_t index, size_t most,
                       struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, most);
    struct sink k = sink_memory(&w);
    TRY(zip_extract(z, index, &k, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

bool nupkg_message(struct arena *a, const struct zip *z, size_t index, struct reader *ret,
                   struct err *e)
{
    const struct zip_entry *x = &z->entries[index];
    if (x->folder || x->method != ZIP_STORED)
        return err_user(e, ERR_NUPKG,
                        "The signature entry of the package is compressed or no file; NuGet wants "
                        "it stored.");
    if (x->size > NUPKG_SIGNATURE_MAX)
        return err_user(e, ERR_FILE_LIMIT, "The signature of the package is too large.");
    return load_entry(a, z, index, NUPKG_SIGNATURE_MAX, ret, e);
}

/* --- what the package says of itself ---------------------------------------------------------- */

static const struct xml_element *child_of(const struct xml_element *parent, const char *name)
{
    const struct xml_element *x = parent == NULL ? NULL : parent->first;
    while (x != NULL && strcmp(x->name, name) != 0)
        x = x->next;
    return x;
}

/* A .nuspec that cannot be read gives no facts: then no restriction holds. */
bool nupkg_facts_of(struct arena *a, const struct zip *z, struct attributes *ret, struct err *e)
{
    static const char *const names[][2] = {{"package-id", "id"}, {"package-version", "version"}};
    static const struct xml_limits limits = {NUPKG_NUSPEC_MAX, 20000, 32, 64};
    struct xml_tree tree;
    struct reader text;
    struct err bad = {0};
    size_t index = nupkg_nuspec(z), n = 0;
    struct attribute *list = ARENA_ARRAY(a, COUNT_OF(names), struct attribute);
    if (list == NULL)
        return arena_err(e);
    *ret = (struct attributes){list, 0};
    if (index == SIZE_MAX || z->entries[index].size > NUPKG_NUSPEC_MAX ||
        !load_entry(a, z, index, NUPKG_NUSPEC_MAX, &text, &bad) ||
        !xml_tree_load(a, text, &limits, &tree, &bad))
        return err_theirs(&bad, e);
    const struct xml_element *metadata = child_of(tree.root, "metadata");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct xml_element *x = child_of(metadata, names[i][1]);
        if (x != NULL && x->text != NULL)
            list[n++] = (struct attribute){names[i][0], x->text};
    }
    ret->count = n;
    return true;
}

/* --- the package without its signature -------------------------------------------------------- */

static void put_u32(struct writer *w, size_t at, uint64_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                              (uint8_t)(v >> 24)};
    writer_patch(w, at, bytes, sizeof bytes);
}

/* Directory and end record as they would be without the signature entry: places behind it move
 * by its length, counts and sizes follow. */
static bool rest_without(const struct zip *z, const struct zip_entry *s, uint64_t gone,
                         struct digest *d, struct err *e)
{
    enum { OFFSET_IN_RECORD = 42, COUNTS_IN_END = 8, SIZE_IN_END = 12, OFFSET_IN_END = 16 };
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, UINT32_MAX);
    for (size_t i = 0; i < z->count; i++) {
        const struct zip_entry *x = &z->entries[i];
        size_t at = w.len;
        if (x == s)
            continue;
        writer_reader(&w, x->record);
        if (x->header > s->header)
            put_u32(&w, at + OFFSET_IN_RECORD, x->header - gone);
    }
    size_t end = w.len;
    size_t count = z->count - 1;
    const uint8_t counts[4] = {(uint8_t)count, (uint8_t)(count >> 8), (uint8_t)count,
                               (uint8_t)(count >> 8)};
    writer_reader(&w, z->end);
    writer_patch(&w, end + COUNTS_IN_END, counts, sizeof counts);
    put_u32(&w, end + SIZE_IN_END, end);
    put_u32(&w, end + OFFSET_IN_END, z->directory - gone);
    TRY(writer_ok(&w, e));
    digest_add(d, writer_view(&w));
    return true;
}

bool nupkg_digest(const struct zip *z, enum hash hash, struct digest_value *ret, struct err *e)
{
    size_t index = nupkg_signature(z);
    if (index == SIZE_MAX)
        return digest_of_source(hash, &z->in, ret, e);
    const struct zip_entry *s = &z->entries[index];
    uint64_t end = s->data + s->compressed + s->descriptor;
    struct source before, behind;
    CLEANUP(digest_done) struct digest d = {0};
    TRY(source_slice(&z->in, 0, s->header, &before, e) &&
        source_slice(&z->in, end, z->directory - end, &behind, e));
    TRY(digest_begin(&d, hash, e) && digest_source(&d, &before, e) &&
        digest_source(&d, &behind, e));
    TRY(rest_without(z, s, end - s->header, &d, e));
    return digest_end(&d, ret, e);
}
