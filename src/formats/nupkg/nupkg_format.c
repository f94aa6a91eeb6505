/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/nupkg/nupkg.h"
#include "formats/zip/zip_format.h"
#include <string.h>

enum { PROBE_MEMORY = 1 << 30 };

/* A ZIP file with one .nuspec in its root. */
static bool probe(struct reader head, const struct source *in)
{
    struct zip *z;
    struct err e = {0};
    if (!zip_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    return a != NULL && nupkg_open(a, in, &z, &e) && nupkg_nuspec(z) != SIZE_MAX;
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct zip *z;
    TRY(nupkg_open(a, in, &z, e));
    ret->signatures = nupkg_signature(z) == SIZE_MAX ? 0 : 1;
    return nupkg_facts_of(a, z, &ret->facts, e);
}

static bool open(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e)
{
    return zip_format_open(a, in, &nupkg_format, ZIP_UNIQUE_FOLDED, budget, ret, e);
}

static bool own_entry(const struct container *c, size_t index)
{
    return strcmp(c->entries[index].path, NUPKG_SIGNATURE) == 0;
}

static enum nupkg_kind kind_of_package(struct arena *a, const struct zip *z, size_t index)
{
    struct reader der;
    struct cms c;
    struct err e = {0};
    if (!nupkg_message(a, z, index, &der, &e) || !cms_parse(a, der, &c, &e) || c.signer_count == 0)
        return NUPKG_OTHER;
    return nupkg_kind_of(&c.signers[0]);
}

/* What a signature says holds no longer when something inside changes. A repository puts its own on
 * again; that of the author cannot come back by itself. */
static bool repack(const struct container *c, const struct change *changes, size_t count,
                   struct sink *out, struct err *e)
{
    const struct zip *z = c->own;
    size_t index = nupkg_signature(z);
    struct zip_change *list;
    CLEANUP(arena_cleanup)
    struct arena *a = arena_new(zip_format_room(count) + 2 * (size_t)NUPKG_SIGNATURE_MAX);
    if (a == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        if (changes[i].index == index && index != SIZE_MAX)
            return err_user(e, ERR_DIRECTIVE, "The signature of a NuGet package cannot be signed.");
    TRY(zip_format_changes(c, a, changes, count, 1, &list, e));
    if (index == SIZE_MAX)
        return zip_repack(z, list, count, NULL, out, e);
    if (kind_of_package(a, z, index) != NUPKG_REPOSITORY)
        return err_user(e, ERR_DIRECTIVE,
                        "The package has an author signature already, which would not hold when "
                        "files inside are signed. Submit the package as it was before it was "
                        "signed.");
    list[count] = (struct zip_change){.action = ZIP_REMOVE, .index = index};
    return zip_repack(z, list, count + 1, NULL, out, e);
}

static bool compare(struct arena *a, const struct container *before, const struct container *after,
                    const bool *changed, struct err *e)
{
    struct zip old, new;
    const struct zip *z = before->own;
    size_t index = nupkg_signature(z), n = 0;
    bool *flags = ARENA_ARRAY(a, z->count, bool);
    if (flags == NULL)
        return arena_err(e);
    for (size_t i = 0; i < z->count; i++)
        if (i != index)
            flags[n++] = changed[i];
    TRY(zip_format_without(a, z, index, &old, e));
    TRY(zip_format_without(a, after->own, nupkg_signature(after->own), &new, e));
    return zip_compare(&old, &new, flags, e);
}

const struct format nupkg_format = {
    .facts = &nupkg_facts,
    .probe = probe,
    .inspect = inspect,
    .sign = nupkg_sign,
    .verify = nupkg_verify,
    .open = open,
    .extract = zip_format_extract,
    .prepare = zip_format_prepare,
    .repack = repack,
    .compare = compare,
    .own_entry = own_entry,
};
