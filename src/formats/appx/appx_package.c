/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_tree.h"
#include "base/text.h"
#include "formats/appx/appx.h"
#include <string.h>

static const char manifest_name[] = "AppxManifest.xml";
static const char bundle_manifest[] = "AppxMetadata/AppxBundleManifest.xml";
static const char catalog_name[] = "AppxMetadata/CodeIntegrity.cat";
static const char signature_row[] = "<Override PartName=\"/AppxSignature.p7x\" "
                                    "ContentType=\"application/vnd.ms-appx.signature\"/>";

/* Part names are compared without case. */
static size_t find(const struct zip *z, const char *path)
{
    for (size_t i = 0; i < z->count; i++)
        if (!z->entries[i].folder && text_equal_ascii_fold(z->entries[i].path, path))
            return i;
    return SIZE_MAX;
}

bool appx_of(struct zip *z, struct appx *ret, struct err *e)
{
    struct appx p = {.zip = z, .hash = HASH_NONE};
    p.manifest = find(p.zip, bundle_manifest);
    p.bundle = p.manifest != SIZE_MAX;
    if (!p.bundle)
        p.manifest = find(p.zip, manifest_name);
    p.block_map = find(p.zip, APPX_BLOCK_MAP);
    p.content_types = find(p.zip, APPX_CONTENT_TYPES);
    p.signature = find(p.zip, APPX_SIGNATURE);
    p.catalog = find(p.zip, catalog_name);
    if (p.manifest == SIZE_MAX || p.block_map == SIZE_MAX || p.content_types == SIZE_MAX)
        return err_user(e, ERR_APPX, "The app package has no %s.",
                        p.manifest == SIZE_MAX    ? "AppxManifest.xml or AppxBundleManifest.xml"
                        : p.block_map == SIZE_MAX ? APPX_BLOCK_MAP
                                                  : APPX_CONTENT_TYPES);
    *ret = p;
    return true;
}

bool appx_open(struct arena *a, const struct source *in, struct appx *ret, struct err *e)
{
    struct zip *z;
    return zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, &z, e) && appx_of(z, ret, e);
}

bool appx_is_package_name(const char *path)
{
    static const char *const endings[] = {".appx", ".msix"};
    size_t n = strlen(path);
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (n > 5 && text_equal_ascii_fold(&path[n - 5], endings[i]))
            return true;
    return false;
}

bool appx_entry(struct arena *a, const struct zip *z, size_t index, size_t most, struct reader *ret,
                struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    if (z->entries[index].size > most)
        return err_user(e, ERR_FILE_LIMIT, "\"%.200s\" is too large.", z->entries[index].path);
    writer_init(&w, most);
    struct sink k = sink_memory(&w);
    TRY(zip_extract(z, index, &k, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

/* --- what the XML parts say ------------------------------------------------------------------- */

static const char *attribute_of(const struct xml_attribute *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].space[0] == '\0' && strcmp(list[i].name, name) == 0)
            return list[i].value;
    return NULL;
}

bool appx_load_hash(struct appx *p, struct err *e)
{
    static const struct {
        const char *uri;
        enum hash hash;
    } rows[] = {{"http://www.w3.org/2001/04/xmlenc#sha256", HASH_SHA256},
                {"http://www.w3.org/2001/04/xmldsig-more#sha384", HASH_SHA384},
                {"http://www.w3.org/2001/04/xmlenc#sha512", HASH_SHA512}};
    enum { MOST = 64 * 1024 * 1024 };
    static const struct xml_limits limits = {MOST, 4 * 1000 * 1000, 16, 64};
    struct reader text;
    struct xml_event root = {0};
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)4 * MOST);
    if (a == NULL)
        return arena_err(e);
    TRY(appx_entry(a, p->zip, p->block_map, MOST, &text, e));
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    TRY(xml_reader_new(a, text, &limits, &x, e) && xml_next(x, &root, e));
    const char *method = attribute_of(root.attributes, root.attribute_count, "HashMethod");
    for (size_t i = 0; method != NULL && i < COUNT_OF(rows); i++)
        if (strcmp(method, rows[i].uri) == 0) {
            p->hash = rows[i].hash;
            return true;
        }
    return err_user(e, ERR_APPX, "AppxBlockMap.xml states no hash method that is known.");
}

bool appx_identity_of(struct arena *a, const struct appx *p, struct appx_identity *ret,
                      struct err *e)
{
    static const struct xml_limits limits = {APPX_TEXT_MAX, 100000, 64, 256};
    struct reader text;
    struct xml_tree tree;
    TRY(appx_entry(a, p->zip, p->manifest, APPX_TEXT_MAX, &text, e));
    TRY(xml_tree_load(a, text, &limits, &tree, e));
    const struct xml_element *x = tree.root->first;
    while (x != NULL && strcmp(x->name, "Identity") != 0)
        x = x->next;
    if (x == NULL)
        return err_user(e, ERR_APPX, "The manifest of the app package has no Identity.");
    ret->name = attribute_of(x->attributes, x->attribute_count, "Name");
    ret->version = attribute_of(x->attributes, x->attribute_count, "Version");
    ret->publisher = attribute_of(x->attributes, x->attribute_count, "Publisher");
    return true;
}

bool appx_content_types(struct arena *a, const struct appx *p, struct reader *ret, bool *ret_added,
                        struct err *e)
{
    static const char part[] = "\"/AppxSignature.p7x\"", end[] = "</Types>";
    CLEANUP(writer_done) struct writer w = {0};
    struct reader text, head, tail;
    TRY(appx_entry(a, p->zip, p->content_types, APPX_TEXT_MAX, &text, e));
    *ret_added = reader_find(text, 0, part, sizeof part - 1) == SIZE_MAX;
    if (!*ret_added) {
        *ret = text;
        return true;
    }
    size_t at = reader_find(text, 0, end, sizeof end - 1);
    if (at == SIZE_MAX || !reader_slice(text, 0, at, &head) ||
        !reader_slice(text, at, text.left - at, &tail))
        return err_user(e, ERR_APPX,
                        "[Content_Types].xml of the app package does not end in "
                        "</Types>.");
    writer_init(&w, 2 * APPX_TEXT_MAX);
    writer_reader(&w, head);
    writer_text(&w, signature_row);
    writer_reader(&w, tail);
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

/* --- digests ---------------------------------------------------------------------------------- */

/* Feeds what comes behind the entries. */
struct tail {
    uint64_t skip;
    struct digest digest;
};

static void tail_tee(void *ctx, struct reader piece)
{
    struct tail *t = ctx;
    uint64_t n = t->skip < piece.left ? t->skip : piece.left;
    t->skip -= n;
    if (reader_skip(&piece, (size_t)n) && piece.left > 0)
        digest_add(&t->digest, piece);
}

/* Directory and end records as they are without the signature entry. */
static bool directory_digest(const struct appx *p, uint64_t skip, enum hash hash,
                             struct digest_value *ret, struct err *e)
{
    const struct zip_change remove = {.action = ZIP_REMOVE, .index = p->signature};
    struct tail t = {.skip = skip};
    struct sink k = sink_discard();
    k.tee = tail_tee;
    k.tee_ctx = &t;
    TRY(digest_begin(&t.digest, hash, e));
    if (!zip_repack(p->zip, &remove, p->signature == SIZE_MAX ? 0 : 1, NULL, &k, e)) {
        digest_done(&t.digest);
        return false;
    }
    return digest_end(&t.digest, ret, e);
}

static bool entry_digest(const struct appx *p, size_t index, enum hash hash,
                         struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    struct sink k = sink_discard();
    k.tee = digest_tee;
    k.tee_ctx = &d;
    TRY(digest_begin(&d, hash, e));
    return zip_extract(p->zip, index, &k, e) && digest_end(&d, ret, e);
}

static void put_digest(struct writer *w, const char *name, const struct digest_value *v)
{
    writer_text(w, name);
    writer_reader(w, digest_view(v));
}

bool appx_digests(struct arena *a, const struct appx *p, enum hash hash, struct reader *ret,
                  struct err *e)
{
    const struct zip *z = p->zip;
    struct digest_value entries, directory, types, map, catalog;
    struct source front;
    uint64_t end = z->directory;
    if (p->signature != SIZE_MAX) {
        if (z->order[z->count - 1] != p->signature)
            return err_user(e, ERR_SIGNATURE,
                            "The signature is not the last entry of the package.");
        end = z->entries[p->signature].header;
    }
    TRY(source_slice(&z->in, 0, end, &front, e));
    TRY(digest_of_source(hash, &front, &entries, e));
    TRY(directory_digest(p, end, hash, &directory, e));
    TRY(entry_digest(p, p->content_types, hash, &types, e));
    TRY(entry_digest(p, p->block_map, hash, &map, e));
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4 + 5 * (4 + HASH_MAX));
    writer_text(&w, "APPX");
    put_digest(&w, "AXPC", &entries);
    put_digest(&w, "AXCD", &directory);
    put_digest(&w, "AXCT", &types);
    put_digest(&w, "AXBM", &map);
    if (p->catalog != SIZE_MAX) {
        TRY(entry_digest(p, p->catalog, hash, &catalog, e));
        put_digest(&w, "AXCI", &catalog);
    }
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}
