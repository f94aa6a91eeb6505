/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/merkle.h"
#include "crypto/digest.h"

struct reader merkle_view(const struct merkle_hash *h)
{
    return reader_over(h->bytes, sizeof h->bytes);
}

bool merkle_hash_from(struct reader bytes, struct merkle_hash *ret)
{
    struct merkle_hash h;
    if (bytes.left != sizeof h.bytes || !reader_copy(&bytes, h.bytes, sizeof h.bytes))
        return false;
    *ret = h;
    return true;
}

/* RFC 9162 2.1.1: 0x00 before a leaf, 0x01 before two children, so neither passes for the other. */
static bool hash_parts(uint8_t prefix, struct reader a, struct reader b, struct merkle_hash *ret,
                       struct err *e)
{
    struct digest d;
    struct digest_value v;
    TRY(digest_begin(&d, HASH_SHA256, e));
    digest_add(&d, reader_over(&prefix, 1));
    digest_add(&d, a);
    digest_add(&d, b);
    TRY(digest_end(&d, &v, e));
    return merkle_hash_from(digest_view(&v), ret) || err_set(e, ERR_CRYPTO, "digest length");
}

bool merkle_leaf(struct reader record, struct merkle_hash *ret, struct err *e)
{
    return hash_parts(0, record, reader_text(""), ret, e);
}

bool merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
                 struct merkle_hash *ret, struct err *e)
{
    return hash_parts(1, merkle_view(left), merkle_view(right), ret, e);
}

bool merkle_append(struct merkle_edge *edge, const struct merkle_hash *leaf, merkle_put_fn put,
                   void *ctx, struct err *e)
{
    if (edge->size == UINT64_MAX)
        return err_set(e, ERR_INTERNAL, "the tree is full");
    struct merkle_hash node = *leaf;
    unsigned level = 0;
    uint64_t index = edge->size;
    TRY(put == NULL || put(ctx, level, index, &node, e));
    for (; index & 1; level++, index >>= 1) {
        TRY(merkle_node(&edge->nodes[level], &node, &node, e));
        TRY(put == NULL || put(ctx, level + 1, index >> 1, &node, e));
    }
    edge->nodes[level] = node;
    edge->size++;
    return true;
}

bool merkle_edge_load(uint64_t size, merkle_get_fn get, void *ctx, struct merkle_edge *ret,
                      struct err *e)
{
    struct merkle_edge edge = {.size = size};
    for (unsigned level = 0; level < MERKLE_LEVELS; level++)
        if (size >> level & 1)
            TRY(get(ctx, level, (size >> level) - 1, &edge.nodes[level], e));
    *ret = edge;
    return true;
}

bool merkle_root(const struct merkle_edge *edge, struct merkle_hash *ret, struct err *e)
{
    struct merkle_hash root;
    bool any = false;
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((edge->size >> level & 1) == 0)
            continue;
        if (any)
            TRY(merkle_node(&edge->nodes[level], &root, &root, e));
        else
            root = edge->nodes[level];
        any = true;
    }
    if (any) {
        *ret = root;
        return true;
    }
    struct digest_value v; /* RFC 9162 2.1.1: the root of no leaves is the hash of nothing */
    TRY(digest_of(HASH_SHA256, reader_text(""), &v, e));
    return merkle_hash_from(digest_view(&v), ret) || err_set(e, ERR_CRYPTO, "digest length");
}

/* The hash over the leaves [from, from + n), where from is a multiple of a power of two >= n: its
 * complete subtrees, folded from the right. */
struct stored {
    merkle_get_fn get;
    void *ctx;
};

static bool range_root(const struct stored *t, uint64_t from, uint64_t n, struct merkle_hash *ret,
                       struct err *e)
{
    struct merkle_hash root, part;
    bool any = false;
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((n >> level & 1) == 0)
            continue;
        uint64_t start = from + (n >> level >> 1 << level << 1);
        TRY(t->get(t->ctx, level, start >> level, any ? &part : &root, e));
        if (any)
            TRY(merkle_node(&part, &root, &root, e));
        any = true;
    }
    *ret = root;
    return true;
}

/* The largest power of two smaller than n; n >= 2. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* The nodes are found from the root down but written from the leaf up. */
struct path {
    struct merkle_hash nodes[2 * MERKLE_LEVELS];
    size_t count;
};

static void path_write(const struct path *p, struct writer *proof)
{
    for (size_t i = p->count; i > 0; i--)
        writer_reader(proof, merkle_view(&p->nodes[i - 1]));
}

/* RFC 9162 2.1.3.1 */
bool merkle_inclusion(uint64_t index, uint64_t size, merkle_get_fn get, void *ctx,
                      struct writer *proof, struct err *e)
{
    if (index >= size)
        return err_set(e, ERR_INTERNAL, "leaf outside of the tree");
    const struct stored t = {get, ctx};
    struct path p = {.count = 0};
    uint64_t from = 0, n = size;
    while (n > 1) {
        uint64_t k = split(n);
        bool right = index - from >= k;
        TRY(range_root(&t, right ? from : from + k, right ? k : n - k, &p.nodes[p.count++], e));
        from += right ? k : 0;
        n = right ? n - k : k;
    }
    path_write(&p, proof);
    return true;
}

/* RFC 9162 2.1.4.1 */
bool merkle_consistency(uint64_t old_size, uint64_t size, merkle_get_fn get, void *ctx,
                        struct writer *proof, struct err *e)
{
    if (old_size > size)
        return err_set(e, ERR_INTERNAL, "the older tree is larger");
    if (old_size == 0 || old_size == size)
        return true;
    const struct stored t = {get, ctx};
    struct path p = {.count = 0};
    uint64_t from = 0, n = size;
    while (from + n != old_size) { /* until the old tree ends where this subtree does */
        uint64_t k = split(n);
        bool right = old_size - from > k;
        TRY(range_root(&t, right ? from : from + k, right ? k : n - k, &p.nodes[p.count++], e));
        from += right ? k : 0;
        n = right ? n - k : k;
    }
    if (from != 0) /* else the verifier has it: it is the old root */
        TRY(range_root(&t, from, n, &p.nodes[p.count++], e));
    path_write(&p, proof);
    return true;
}

static bool next_node(struct reader *proof, struct merkle_hash *ret, struct err *e)
{
    return reader_copy(proof, ret->bytes, sizeof ret->bytes) ||
           err_set(e, ERR_PROOF, "the proof is too short");
}

static bool is_root(const struct merkle_hash *a, const struct merkle_hash *b, struct err *e)
{
    return reader_equal(merkle_view(a), merkle_view(b)) ||
           err_set(e, ERR_PROOF, "the proof leads to another root");
}

/* RFC 9162 2.1.3.2 */
bool merkle_check_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                            struct reader proof, const struct merkle_hash *root, struct err *e)
{
    if (index >= size)
        return err_set(e, ERR_PROOF, "leaf outside of the tree");
    struct merkle_hash r = *leaf, p;
    uint64_t fn = index, sn = size - 1;
    for (; proof.left > 0; fn >>= 1, sn >>= 1) {
        if (sn == 0)
            return err_set(e, ERR_PROOF, "the proof is too long");
        TRY(next_node(&proof, &p, e));
        if ((fn & 1) == 0 && fn != sn) {
            TRY(merkle_node(&r, &p, &r, e));
            continue;
        }
        TRY(merkle_node(&p, &r, &r, e));
        for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
            sn >>= 1;
    }
    if (sn != 0)
        return err_set(e, ERR_PROOF, "the proof is too short");
    return is_root(&r, root, e);
}

/* RFC 9162 2.1.4.2, steps 3 to 7; 0 < old_size < size. */
static bool check_growth(uint64_t old_size, const struct merkle_hash *old_root, uint64_t size,
                         const struct merkle_hash *root, struct reader proof, struct err *e)
{
    uint64_t fn = old_size - 1, sn = size - 1;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    struct merkle_hash fr, sr, c;
    if (fn == 0) /* old_size is a power of two: the proof starts with the old root itself */
        fr = *old_root;
    else
        TRY(next_node(&proof, &fr, e));
    sr = fr;
    for (; proof.left > 0; fn >>= 1, sn >>= 1) {
        if (sn == 0)
            return err_set(e, ERR_PROOF, "the proof is too long");
        TRY(next_node(&proof, &c, e));
        if ((fn & 1) == 0 && fn != sn) {
            TRY(merkle_node(&sr, &c, &sr, e));
            continue;
        }
        TRY(merkle_node(&c, &fr, &fr, e) && merkle_node(&c, &sr, &sr, e));
        for (; (fn & 1) == 0 && fn != 0; fn >>= 1)
            sn >>= 1;
    }
    if (sn != 0)
        return err_set(e, ERR_PROOF, "the proof is too short");
    return is_root(&fr, old_root, e) && is_root(&sr, root, e);
}

bool merkle_check_consistency(uint64_t old_size, const struct merkle_hash *old_root, uint64_t size,
                              const struct merkle_hash *root, struct reader proof, struct err *e)
{
    if (old_size > size)
        return err_set(e, ERR_PROOF, "the newer tree is smaller");
    if (old_size != 0 && old_size != size)
        return check_growth(old_size, old_root, size, root, proof, e);
    if (proof.left != 0)
        return err_set(e, ERR_PROOF, "the proof is too long");
    return old_size == 0 || is_root(old_root, root, e);
}
