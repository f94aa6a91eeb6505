/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "crypto/merkle.h"
#include <string.h>

enum { MOST = 70 };
static struct merkle_hash tree[7 + 1][MOST]; /* by level, index */
static struct merkle_hash roots[MOST + 1];

static bool put(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h,
                struct err *e)
{
    (void)ctx, (void)e;
    tree[level][index] = *h;
    return true;
}

static bool get(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
    (void)e;
    uint64_t size = *(const uint64_t *)ctx;
    assert_true((index + 1) << level <= size); /* only complete subtrees are asked for */
    *ret = tree[level][index];
    return true;
}

/* RFC 9162 2.1.1 written down as it stands: another way to the same root. */
static void slow_root(uint64_t from, uint64_t n, struct merkle_hash *ret)
{
    struct err e = {0};
    if (n == 1) {
        *ret = tree[0][from];
        return;
    }
    uint64_t k = 1;
    while (2 * k < n)
        k *= 2;
    struct merkle_hash left, right;
    slow_root(from, k, &left);
    slow_root(from + k, n - k, &right);
    assert_true(merkle_node(&left, &right, ret, &e));
}

static int build(void **state)
{
    (void)state;
    struct merkle_edge edge = {0};
    struct err e = {0};
    for (uint8_t i = 0; i < MOST; i++) {
        struct merkle_hash leaf;
        if (!merkle_root(&edge, &roots[i], &e) || !merkle_leaf(reader_over(&i, 1), &leaf, &e) ||
            !merkle_append(&edge, &leaf, put, NULL, &e))
            return -1;
    }
    return merkle_root(&edge, &roots[MOST], &e) ? 0 : -1;
}

/* The reference values of the certificate transparency test tree. */
static void test_merkle_root__known_values(void **state)
{
    static const char *const leaves[] = {"",
                                         "00",
                                         "10",
                                         "2021",
                                         "3031",
                                         "40414243",
                                         "5051525354555657",
                                         "606162636465666768696a6b6c6d6e6f"};
    static const char *const want[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    (void)state;
    struct merkle_edge edge = {0};
    struct err e = {0};
    for (size_t i = 0;; i++) {
        struct merkle_hash root, leaf;
        char hex[65];
        assert_true(merkle_root(&edge, &root, &e));
        text_hex(root.bytes, 32, hex);
        assert_string_equal(hex, want[i]);
        if (i == COUNT_OF(leaves))
            return;
        uint8_t bytes[16];
        size_t n = strlen(leaves[i]) / 2;
        assert_true(text_unhex(reader_text(leaves[i]), bytes, n));
        assert_true(merkle_leaf(reader_over(bytes, n), &leaf, &e));
        assert_true(merkle_append(&edge, &leaf, NULL, NULL, &e));
    }
}

static void test_merkle_edge_load__equals_the_grown_one(void **state)
{
    (void)state;
    struct err e = {0};
    for (uint64_t size = 1; size <= MOST; size++) {
        struct merkle_edge edge;
        struct merkle_hash root, slow;
        assert_true(merkle_edge_load(size, get, &size, &edge, &e));
        assert_true(merkle_root(&edge, &root, &e));
        slow_root(0, size, &slow);
        assert_memory_equal(&root, &roots[size], sizeof root);
        assert_memory_equal(&root, &slow, sizeof root);
    }
}

static void check_leaf(uint64_t index, uint64_t size, struct writer *w)
{
    struct err e = {0};
    writer_reset(w);
    assert_true(merkle_inclusion(index, size, get, &size, w, &e));
    struct reader p = writer_view(w);
    const struct merkle_hash *leaf = &tree[0][index], *root = &roots[size];
    assert_true(merkle_check_inclusion(leaf, index, size, p, root, &e));
    assert_false(merkle_check_inclusion(leaf, index, size, p, &roots[size - 1], &e));
    assert_int_equal(e.code, ERR_PROOF);
    for (uint64_t other = 0; other < size; other++) {
        struct err not = {0};
        assert_true(other == index || !merkle_check_inclusion(leaf, other, size, p, root, &not ));
    }
    struct err cut = {0}, more = {0};
    assert_true(p.left == 0 || !merkle_check_inclusion(leaf, index, size,
                                                       reader_over(p.at, p.left - 1), root, &cut));
    writer_zeros(w, 32);
    assert_false(merkle_check_inclusion(leaf, index, size, writer_view(w), root, &more));
}

static void test_merkle_inclusion__every_leaf_of_every_tree(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, MERKLE_PROOF_MAX);
    for (uint64_t size = 1; size <= MOST; size++)
        for (uint64_t index = 0; index < size; index++)
            check_leaf(index, size, &w);
    writer_done(&w);
}

static void check_pair(uint64_t old, uint64_t size, struct writer *w)
{
    struct err e = {0}, wrong = {0}, swapped = {0};
    writer_reset(w);
    assert_true(merkle_consistency(old, size, get, &size, w, &e));
    struct reader p = writer_view(w);
    assert_true(merkle_check_consistency(old, &roots[old], size, &roots[size], p, &e));
    struct merkle_hash forged = roots[size];
    forged.bytes[0] ^= 1;
    assert_true(old == 0 || !merkle_check_consistency(old, &roots[old], size, &forged, p, &wrong));
    assert_true(old == 0 ||
                !merkle_check_consistency(old, &forged, size, &roots[size], p, &swapped));
    for (size_t i = 0; i < w->len; i += 32) {
        struct err flip = {0};
        w->data[i] ^= 1;
        assert_false(merkle_check_consistency(old, &roots[old], size, &roots[size], p, &flip));
        w->data[i] ^= 1;
    }
    struct err more = {0};
    writer_zeros(w, 32);
    assert_false(
        merkle_check_consistency(old, &roots[old], size, &roots[size], writer_view(w), &more));
}

static void test_merkle_consistency__every_pair_of_sizes(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, MERKLE_PROOF_MAX);
    for (uint64_t size = 1; size <= MOST; size++)
        for (uint64_t old = 0; old <= size; old++)
            check_pair(old, size, &w);
    struct err e = {0};
    assert_false(merkle_check_consistency(5, &roots[5], 4, &roots[4], reader_text(""), &e));
    writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merkle_root__known_values),
        cmocka_unit_test(test_merkle_edge_load__equals_the_grown_one),
        cmocka_unit_test(test_merkle_inclusion__every_leaf_of_every_tree),
        cmocka_unit_test(test_merkle_consistency__every_pair_of_sizes),
    };
    return cmocka_run_group_tests(tests, build, NULL);
}
