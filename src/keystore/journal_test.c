/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "keystore/fake_core.h"
#include <stdlib.h>
#include <string.h>

/* A journal file in memory, made by the real writer, with the end of each group. */
struct image {
    uint8_t bytes[16384];
    size_t len, ends[16], groups;
};

static bool count(void *ctx, const struct record_ENTRY *entry, struct err *e)
{
    (void)entry;
    (void)e;
    ++*(size_t *)ctx;
    return true;
}

static void load(int folder, const char *name, struct image *to)
{
    struct arena *a = arena_new(1 << 20);
    struct reader bytes;
    struct err e = {0};
    assert_true(file_read(folder, name, sizeof to->bytes, a, &bytes, &e));
    to->len = bytes.left;
    assert_true(reader_copy(&bytes, to->bytes, to->len));
    arena_free(a);
}

/* Groups of 1, 3 and 20 entries after the checkpoint. */
static void make(struct image *to)
{
    char path[64];
    int folder;
    struct journal j;
    struct record_ENTRY entry;
    struct err e = {0};
    static const size_t sizes[] = {1, 3, 20};
    fake_folder(path, &folder, (struct instant){1000, 1000});
    journal_start(folder, &j);
    j.file = 7;
    assert_true(journal_rotate(&j, 5, reader_text("state"), &e));
    to->ends[0] = j.size;
    for (size_t i = 0; i < 3; i++) {
        /* What is taken back leaves no trace. */
        assert_true(journal_add(&j, 6, 5, reader_text("no"), CRASH_D12, &entry, &e));
        journal_take_back(&j);
        for (size_t n = 0; n < sizes[i]; n++)
            assert_true(journal_add(&j, 5, 4, reader_text("0123456789012345678901234567890123456"),
                                    CRASH_D12, &entry, &e));
        assert_true(journal_commit(&j, &e));
        to->ends[i + 1] = j.size;
    }
    to->groups = 4;
    journal_done(&j);
    load(folder, "journal-000000000008", to);
    assert_int_equal(to->len, to->ends[3]);
    fake_folder_remove(path, folder);
}

/* Entries that a reader gets, or -1 when it refuses. */
static int entries(const uint8_t *bytes, size_t len, bool *ret_cut)
{
    struct journal j = {0};
    struct err e = {0};
    size_t n = 0;
    uint8_t *exact = malloc(len + 1);
    assert_non_null(exact);
    for (size_t i = 0; i < len; i++)
        exact[i] = bytes[i];
    bool ok = journal_read(reader_over(exact, len), count, &n, &j, &e);
    free(exact);
    assert_true(ok || e.code == ERR_KEY_JOURNAL);
    *ret_cut = j.tail_dropped;
    return ok ? (int)n : -1;
}

static const int wanted[] = {1, 2, 5, 25};

static void test_journal__every_cut_keeps_the_groups_before_it(void **state)
{
    (void)state;
    static struct image m;
    bool cut;
    make(&m);
    for (size_t n = 0; n <= m.len; n++) {
        int want = -1;
        for (size_t g = 0; g < m.groups; g++)
            want = n >= m.ends[g] ? wanted[g] : want;
        assert_int_equal(entries(m.bytes, n, &cut), want);
        bool whole = n == m.ends[0] || n == m.ends[1] || n == m.ends[2] || n == m.ends[3];
        assert_true(want < 0 || cut == !whole);
    }
}

static void test_journal__every_flipped_bit_refuses(void **state)
{
    (void)state;
    static struct image m;
    bool cut;
    make(&m);
    for (size_t bit = 0; bit < 8 * m.len; bit++) {
        m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (entries(m.bytes, m.len, &cut) != -1)
            fail_msg("bit %zu of byte %zu is not noticed", bit % 8, bit / 8);
        m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* The last group is unsynced: any of its sectors may be old (zeros), and the file may be short. */
static void test_journal__any_lost_sectors_of_the_last_group_are_a_cut(void **state)
{
    (void)state;
    static struct image m, t;
    bool cut;
    make(&m);
    size_t from = m.ends[2] / JOURNAL_SECTOR, to = m.ends[3] / JOURNAL_SECTOR;
    assert_true(to - from >= 3 && to - from <= 10);
    for (unsigned lost = 0; lost < 1u << (to - from); lost++) {
        t = m;
        for (size_t s = from; s < to; s++)
            for (size_t i = 0; (lost >> (s - from) & 1) != 0 && i < JOURNAL_SECTOR; i++)
                t.bytes[s * JOURNAL_SECTOR + i] = 0;
        assert_int_equal(entries(t.bytes, t.len, &cut), lost == 0 ? 25 : 5);
        assert_true(cut == (lost != 0));
    }
}

static void test_journal__lost_sectors_before_the_last_group_refuse(void **state)
{
    (void)state;
    static struct image m, t;
    bool cut;
    make(&m);
    for (size_t s = 0; s < m.ends[2] / JOURNAL_SECTOR; s++) {
        t = m;
        for (size_t i = 0; i < JOURNAL_SECTOR; i++)
            t.bytes[s * JOURNAL_SECTOR + i] = 0;
        assert_int_equal(entries(t.bytes, t.len, &cut), -1);
    }
}

static void test_journal__a_swapped_or_missing_group_refuses(void **state)
{
    (void)state;
    static struct image m, t;
    bool cut;
    make(&m);
    t = m;
    size_t a = m.ends[0], b = m.ends[1], n = m.ends[2];
    for (size_t i = b; i < m.len; i++)
        t.bytes[i - (b - a)] = m.bytes[i];
    assert_int_equal(entries(t.bytes, m.len - (b - a), &cut), -1);
    t = m;
    for (size_t i = a; i < b; i++)
        t.bytes[n - (b - a) + i - a] = m.bytes[i];
    assert_int_equal(entries(t.bytes, m.len, &cut), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal__every_cut_keeps_the_groups_before_it),
        cmocka_unit_test(test_journal__every_flipped_bit_refuses),
        cmocka_unit_test(test_journal__any_lost_sectors_of_the_last_group_are_a_cut),
        cmocka_unit_test(test_journal__lost_sectors_before_the_last_group_refuse),
        cmocka_unit_test(test_journal__a_swapped_or_missing_group_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
