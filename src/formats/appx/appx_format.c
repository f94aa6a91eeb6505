/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/appx/appx.h"
#include "formats/zip/zip_format.h"

enum { PROBE_MEMORY = 1 << 30 };

bool appx_probe(struct reader head, const struct source *in)
{
    struct appx p;
    struct err e = {0};
    if (!zip_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    return a != NULL && appx_open(a, in, &p, &e);
}

/* A manifest that cannot be read gives no facts: then no restriction holds. */
bool appx_inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct appx p;
    struct appx_identity identity;
    struct err bad = {0};
    struct attribute *list = ARENA_ARRAY(a, 3, struct attribute);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    TRY(appx_open(a, in, &p, e));
    ret->signatures = p.signature == SIZE_MAX ? 0 : 1;
    ret->facts = (struct attributes){list, 0};
    if (!appx_identity_of(a, &p, &identity, &bad))
        return true;
    const struct attribute all[] = {{"package-name", identity.name},
                                    {"package-version", identity.version},
                                    {"publisher", identity.publisher}};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i].value != NULL)
            list[n++] = all[i];
    ret->facts.count = n;
    return true;
}

static bool open_appx(struct arena *a, const struct source *in, struct budget *budget,
                      struct container **ret, struct err *e)
{
    return zip_format_open(a, in, &appx_format, ZIP_UNIQUE_FOLDED, budget, ret, e);
}

bool appx_own_entry(const struct container *c, size_t index)
{
    return text_equal_ascii_fold(c->entries[index].path, APPX_SIGNATURE);
}

/* The block map and a bundle's manifest state digests, sizes and places of what is inside; a
 * package in which those no longer hold would not install. */
bool appx_repack(const struct container *c, const struct change *changes, size_t count,
                 struct sink *out, struct err *e)
{
    if (count == 0)
        return zip_repack(c->own, NULL, 0, NULL, out, e);
    const char *path =
        changes[0].index < c->count ? c->entries[changes[0].index].path : changes[0].path;
    return err_user(e, ERR_DIRECTIVE,
                    "\"%.120s\" is inside of an app package, whose block map states its digest; "
                    "files there must be signed before the package is made.",
                    path);
}

/* Content types may have got the row that the signature needs, and nothing else. */
bool appx_compare(const struct container *before, const struct container *after,
                  const bool *changed, struct err *e)
{
    struct appx old, new;
    struct zip left, right;
    struct reader want, is;
    bool added;
    size_t n = 0;
    struct arena *a = before->arena;
    TRY(appx_open(a, &before->in, &old, e) && appx_open(a, &after->in, &new, e));
    bool *flags = ARENA_ARRAY(a, before->count, bool);
    if (flags == NULL)
        return arena_err(e);
    TRY(appx_content_types(a, &old, &want, &added, e));
    TRY(appx_entry(a, new.zip, new.content_types, 2 * APPX_TEXT_MAX, &is, e));
    if (!reader_equal(want, is))
        return err_user(e, ERR_VERIFY_CHANGED, "[Content_Types].xml changed in more than a row.");
    for (size_t i = 0; i < before->count; i++)
        if (i != old.signature)
            flags[n++] = changed[i] || (added && i == old.content_types);
    TRY(zip_format_without(a, old.zip, old.signature, &left, e));
    TRY(zip_format_without(a, new.zip, new.signature, &right, e));
    return zip_compare(&left, &right, flags, e);
}

const struct format appx_format = {
    .facts = &appx_facts,
    .probe = appx_probe,
    .inspect = appx_inspect,
    .sign = appx_sign,
    .verify = appx_verify,
    .open = open_appx,
    .extract = zip_format_extract,
    .prepare = zip_format_prepare,
    .repack = appx_repack,
    .compare = appx_compare,
    .own_entry = appx_own_entry,
};
