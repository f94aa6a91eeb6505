/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of tests/vectors/authorisation.txt, which another implementation made. */
#include "base/logformat.h"
#include "base/test.h"
#include "base/text.h"
#include "keystore/fake_core.h"
#include <fcntl.h>
#include <string.h>

/* Value of the line "name hex". */
static size_t vector(const char *name, uint8_t *to, size_t room)
{
    struct arena *a = arena_new(1 << 20);
    struct reader file;
    struct err e = {0};
    size_t length = 0;
    assert_true(file_read(AT_FDCWD, VECTORS, 1 << 16, a, &file, &e));
    char *text = arena_text(a, file), *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *value = line, *key = strsep(&value, " ");
        if (value == NULL || strcmp(key, name) != 0)
            continue;
        length = strlen(value) / 2;
        assert_true(length <= room && text_unhex(reader_text(value), to, length));
    }
    arena_free(a);
    assert_true(length > 0);
    return length;
}

static void test_vectors__grant_and_leaf(void **state)
{
    (void)state;
    uint8_t grant[1000], bytes[1000], hash[32], known[32];
    struct record_GRANT g;
    struct record_SLOT slot;
    struct log_leaf leaf;
    struct merkle_hash h;
    struct writer w;
    struct err e = {0};
    size_t grant_len = vector("grant", grant, sizeof grant),
           n = vector("leaf", bytes, sizeof bytes);
    assert_true(grant_read(reader_over(grant, grant_len), &g, &e));
    assert_true(reader_equal_text(g.key, "release-2026") && g.slots == 3 && g.attempt == 1);
    assert_true(g.expires == 1800000600000 && g.id.at[15] == 15 && g.subject.at[31] == 31);
    for (size_t i = 0; i < sizeof known; i++)
        known[i] = (uint8_t)(32 + i);
    struct reader list = g.known;
    assert_true(record_SLOT_next(&list, &slot) && slot.slot == 1 && reader_at_end(&list));
    assert_true(reader_equal(slot.digest, reader_over(known, sizeof known)));
    writer_init(&w, 1000);
    record_GRANT_write(&w, &g);
    assert_true(reader_equal(writer_view(&w), reader_over(grant, grant_len)));
    assert_true(log_leaf_read(reader_over(bytes, n), &leaf));
    assert_true(reader_equal(leaf.body, reader_over(grant, grant_len)));
    writer_reset(&w);
    log_leaf_write(&w, &leaf);
    assert_true(reader_equal(writer_view(&w), reader_over(bytes, n)));
    assert_true(merkle_leaf(reader_over(bytes, n), &h, &e));
    assert_int_equal(vector("leaf_hash", hash, sizeof hash), 32);
    assert_true(reader_equal(merkle_view(&h), reader_over(hash, 32)));
    writer_done(&w);
}

static void test_vectors__head(void **state)
{
    (void)state;
    uint8_t text[1000];
    struct log_head head = {.size = 42, .epoch = 3, .journal = 1001};
    struct writer w;
    size_t n = vector("head_text", text, sizeof text);
    assert_int_equal(vector("head_root", head.root, sizeof head.root), 32);
    writer_init(&w, 1000);
    log_head_text(&w, reader_text("node-1"), &head);
    assert_true(reader_equal(writer_view(&w), reader_over(text, n)));
    writer_done(&w);
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors__grant_and_leaf),
        cmocka_unit_test(test_vectors__head),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
