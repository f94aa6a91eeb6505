/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "base/test.h"

/* Text-like bytes, the same every time. */
static void fill(struct writer *w, size_t n)
{
    writer_init(w, n);
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245 + 12345;
        writer_u8(w, (uint8_t)("etaoin shrdlu\n\0abcdefgh"[(x >> 16) % 23]));
    }
}

static void round_trip(size_t n)
{
    struct writer plain, packed, again, out;
    struct err e = {0};
    uint32_t crc = 0, crc2 = 1;
    fill(&plain, n);
    writer_init(&packed, n + 65536);
    writer_init(&again, n + 65536);
    writer_init(&out, n + 65536);
    struct source in = source_memory(writer_view(&plain));
    struct sink k = sink_memory(&packed), k2 = sink_memory(&again), o = sink_memory(&out);
    assert_true(deflate_compress(&in, &k, &crc, &e));
    assert_true(deflate_compress(&in, &k2, &crc, &e));
    assert_true(reader_equal(writer_view(&packed), writer_view(&again)));
    struct source stream = sink_view(&k);
    assert_true(deflate_expand(&stream, n, NULL, &o, &crc2, &e));
    assert_true(reader_equal(writer_view(&out), writer_view(&plain)));
    assert_int_equal(crc, crc2);
    assert_int_equal(crc, deflate_crc(0, writer_view(&plain)));
    uint8_t head[1000];
    size_t got = 1;
    assert_true(deflate_expand_head(&stream, head, sizeof head, &got, &e));
    assert_int_equal(got, n < sizeof head ? n : sizeof head);
    assert_true(reader_equal(reader_over(head, got), reader_over(writer_view(&plain).at, got)));

    /* One byte less or more than stated, cut, and with something behind. */
    struct sink nowhere = sink_discard();
    for (int wrong = 0; wrong < 4; wrong++) {
        struct err bad = {0};
        struct source s = stream;
        if (wrong == 2)
            s.size--;
        writer_u8(&packed, 0);
        s.mem = writer_view(&packed).at;
        s.size += wrong == 3;
        bool refused = wrong == 0 && n == 0;
        if (!refused)
            assert_false(
                deflate_expand(&s, n + (wrong == 1) - (wrong == 0), NULL, &nowhere, &crc2, &bad));
        assert_int_equal(bad.code, refused ? ERR_NONE : ERR_DEFLATE);
    }
    writer_done(&plain);
    writer_done(&packed);
    writer_done(&again);
    writer_done(&out);
}

static void test_deflate__round_trip_whole_and_streamed(void **state)
{
    (void)state;
    round_trip(0);
    round_trip(1);
    round_trip(100000);
    round_trip(DEFLATE_WHOLE);
    round_trip(DEFLATE_WHOLE + 1);
    round_trip(3 * DEFLATE_WHOLE);
}

static void test_deflate__pays_before_decoding(void **state)
{
    (void)state;
    struct budget b = {.max_bytes = 1000, .max_ratio = 1000, .max_entries = 1, .max_depth = 1};
    struct sink nowhere = sink_discard();
    struct err e = {0};
    uint32_t crc;
    struct source in = source_memory(reader_text("not deflate at all"));
    assert_false(deflate_expand(&in, 2000, &b, &nowhere, &crc, &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
}

static void test_deflate__empty_blocks_do_not_take_memory(void **state)
{
    (void)state;
    struct writer w; /* 12 MiB of empty stored blocks for one byte of plain text */
    writer_init(&w, 16 * 1024 * 1024);
    for (size_t i = 0; i < 12 * 1024 * 1024 / 5; i++)
        writer_bytes(&w, "\0\0\0\xff\xff", 5);
    writer_bytes(&w, "\1\1\0\xfe\xffX", 6);
    struct source in = source_memory(writer_view(&w));
    struct writer out;
    writer_init(&out, 10);
    struct sink k = sink_memory(&out);
    struct err e = {0};
    uint32_t crc;
    assert_true(deflate_expand(&in, 1, NULL, &k, &crc, &e));
    assert_true(reader_equal_text(writer_view(&out), "X"));
    writer_done(&w);
    writer_done(&out);
}

struct seen {
    struct reader stream, plain;
    size_t at, plain_at, blocks;
};

/* Each block alone, with an empty last one behind it. */
static bool see_block(void *ctx, struct reader plain, uint64_t packed, struct err *e)
{
    struct seen *s = ctx;
    (void)e;
    s->blocks++;
    s->at += (size_t)packed;
    s->plain_at += plain.left;
    return true;
}

static bool expand_block(void *ctx, struct reader plain, uint64_t packed, struct err *e)
{
    struct seen *s = ctx;
    struct reader block;
    struct writer with_end, out;
    uint32_t crc;
    writer_init(&with_end, 1 << 20);
    writer_init(&out, 1 << 20);
    struct sink k = sink_memory(&out);
    assert_true(reader_slice(s->stream, s->at, (size_t)packed, &block));
    writer_reader(&with_end, block);
    writer_bytes(&with_end, "\x03", 2);
    struct source in = source_memory(writer_view(&with_end));
    assert_true(deflate_expand(&in, plain.left, NULL, &k, &crc, e));
    assert_true(reader_equal(writer_view(&out), plain));
    writer_done(&with_end);
    writer_done(&out);
    return see_block(ctx, plain, packed, e);
}

static void test_deflate_compress_blocks__each_stands_alone(void **state)
{
    enum { BLOCK = 65536 };
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct writer plain, packed, again;
        struct err e = {0};
        uint32_t crc;
        struct seen first = {.at = 0}, second = {.at = 0};
        fill(&plain, sizes[i]);
        writer_init(&packed, 1 << 20);
        writer_init(&again, 1 << 20);
        struct source in = source_memory(writer_view(&plain));
        struct sink k = sink_memory(&packed), k2 = sink_memory(&again);
        assert_true(deflate_compress_blocks(&in, BLOCK, &k, see_block, &first, &crc, &e));
        second.stream = writer_view(&packed);
        assert_true(deflate_compress_blocks(&in, BLOCK, &k2, expand_block, &second, &crc, &e));
        assert_true(reader_equal(writer_view(&packed), writer_view(&again)));
        assert_int_equal(first.at + 2, packed.len);
        assert_int_equal(second.blocks, (sizes[i] + BLOCK - 1) / BLOCK);
        assert_int_equal(crc, deflate_crc(0, writer_view(&plain)));
        writer_done(&plain);
        writer_done(&packed);
        writer_done(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deflate__round_trip_whole_and_streamed),
        cmocka_unit_test(test_deflate_compress_blocks__each_stands_alone),
        cmocka_unit_test(test_deflate__pays_before_decoding),
        cmocka_unit_test(test_deflate__empty_blocks_do_not_take_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
