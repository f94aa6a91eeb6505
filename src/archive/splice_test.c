/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "archive/splice.h"
#include "base/test.h"
#include <libdeflate.h>
#include <string.h>
#include <zlib.h>

enum { N = 160000, MORE = 9000, ROOM = 2 * N };

static uint8_t old_text[N], new_text[N + MORE], stream[ROOM], back[ROOM];
static uint32_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* Words, noise, runs and repetitions over long distances. */
static void fill(void)
{
    for (size_t i = 0; i < N; i++)
        switch (i >> 12 & 3) {
        case 0:
            old_text[i] = (uint8_t)("push mov call ret\0\0\0\0jmp eax,[ebp+8]"[chance(35)]);
            break;
        case 1:
            old_text[i] = (uint8_t)chance(256);
            break;
        case 2:
            old_text[i] = i > 40000 ? old_text[i - 32768 + (i >> 14 & 1)] : 7;
            break;
        default:
            old_text[i] = i > 300 && chance(20) > 0 ? old_text[i - 257] : (uint8_t)chance(9);
        }
}

struct kind {
    int level, window, memory, strategy;
    size_t flush; /* a sync flush after so many bytes; 0 never */
};

static size_t by_zlib(const struct kind *k)
{
    z_stream z = {.next_in = old_text, .next_out = stream, .avail_out = ROOM};
    assert_int_equal(deflateInit2(&z, k->level, Z_DEFLATED, -k->window, k->memory, k->strategy),
                     Z_OK);
    for (size_t done = 0; k->flush > 0 && done + k->flush < N; done += k->flush) {
        z.avail_in = (uInt)k->flush;
        assert_int_equal(deflate(&z, done / k->flush % 2 ? Z_FULL_FLUSH : Z_PARTIAL_FLUSH), Z_OK);
    }
    z.avail_in = (uInt)(N - z.total_in);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    return n;
}

static size_t by_libdeflate(int level)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    size_t n = libdeflate_deflate_compress(c, old_text, N, stream, ROOM);
    libdeflate_free_compressor(c);
    assert_true(n > 0);
    return n;
}

/* zlib, as the second decoder beside libdeflate inside of the splice. */
static void assert_inflates(struct reader packed, size_t n)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.at,
                  .avail_in = (uInt)packed.left,
                  .next_out = back,
                  .avail_out = ROOM};
    assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, n);
    assert_int_equal(z.avail_in, 0);
    assert_memory_equal(back, new_text, n);
    inflateEnd(&z);
}

typedef bool (*splice_fn)(const struct splice *s, struct sink *out, enum splice_result *ret,
                          uint32_t *ret_crc, struct err *e);

static enum splice_result splice_by(splice_fn by, size_t packed, size_t n)
{
    struct writer out;
    struct err e = {0};
    uint32_t crc;
    enum splice_result result;
    writer_init(&out, ROOM);
    struct sink k = sink_memory(&out);
    struct splice s = {.stream = source_memory(reader_over(stream, packed)),
                       .size = N,
                       .crc = deflate_crc(0, reader_over(old_text, N)),
                       .content = source_memory(reader_over(new_text, n))};
    assert_true(by(&s, &k, &result, &crc, &e));
    assert_int_not_equal(result, SPLICE_WRONG);
    if (result == SPLICE_DONE) {
        assert_int_equal(crc, deflate_crc(0, reader_over(new_text, n)));
        assert_inflates(writer_view(&out), n);
    } else {
        assert_int_equal(k.used, 0);
    }
    writer_done(&out);
    return result;
}

static size_t blocks_done;

/* Both ways; the answer is that of the one that keeps single codes. */
static enum splice_result splice(size_t packed, size_t n)
{
    blocks_done += splice_by(splice_blocks, packed, n) == SPLICE_DONE;
    return splice_by(splice_deflate, packed, n);
}

/* What Authenticode does: the checksum, the certificate directory, an appended table. */
static size_t sign(size_t cut)
{
    memcpy(new_text, old_text, cut);
    for (size_t i = 0; i < 4; i++)
        new_text[216 + i] ^= (uint8_t)(1 + chance(255));
    for (size_t i = 0; i < 8; i++)
        new_text[296 + i] = (uint8_t)chance(256);
    size_t more = cut == N ? chance(MORE) : chance((uint32_t)(N - cut) + MORE);
    for (size_t i = 0; i < more; i++)
        new_text[cut + i] = (uint8_t)chance(256);
    return cut + more;
}

static const struct kind kinds[] = {
    {6, 15, 8, Z_DEFAULT_STRATEGY, 0},   {1, 15, 8, Z_DEFAULT_STRATEGY, 0},
    {9, 15, 9, Z_DEFAULT_STRATEGY, 0},   {0, 15, 8, Z_DEFAULT_STRATEGY, 0},
    {6, 9, 1, Z_DEFAULT_STRATEGY, 0},    {6, 15, 8, Z_FIXED, 0},
    {6, 15, 8, Z_HUFFMAN_ONLY, 0},       {6, 15, 8, Z_RLE, 0},
    {6, 15, 4, Z_FILTERED, 0},           {6, 15, 8, Z_DEFAULT_STRATEGY, 5000},
    {3, 12, 5, Z_DEFAULT_STRATEGY, 3000}};

static void test_splice__signing_every_kind_of_stream(void **state)
{
    (void)state;
    seed = 1;
    fill();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t packed = by_zlib(&kinds[i]);
        blocks_done = 0;
        for (int round = 0; round < 4; round++) {
            enum splice_result result = splice(packed, sign(N));
            if (kinds[i].memory > 1) /* else more blocks than the bound */
                assert_int_equal(result, SPLICE_DONE);
        }
        if (kinds[i].memory > 1 && kinds[i].memory < 9 && kinds[i].level > 0 &&
            kinds[i].strategy != Z_FIXED)
            assert_true(blocks_done > 0); /* the others make few blocks of this sample */
    }
    for (int level = 0; level <= 12; level++)
        assert_int_equal(splice(by_libdeflate(level), sign(N)), SPLICE_DONE);
}

static void test_splice__signing_again_cuts_the_tail(void **state)
{
    (void)state;
    seed = 2;
    fill();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t packed = by_zlib(&kinds[i]);
        for (int round = 0; round < 4; round++)
            (void)splice(packed, sign(N - chance(20000)));
    }
    assert_int_equal(splice(by_libdeflate(6), sign(N - 5000)), SPLICE_DONE);
    memcpy(new_text, old_text, N);
    assert_int_equal(splice(by_libdeflate(6), N), SPLICE_DONE);        /* nothing differs */
    assert_int_equal(splice(by_libdeflate(6), N - 1000), SPLICE_DONE); /* cut only */
}

static void test_splice__edits_anywhere_are_right_or_refused(void **state)
{
    (void)state;
    seed = 3;
    fill();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t packed = by_zlib(&kinds[i]);
        for (int round = 0; round < 5; round++) {
            memcpy(new_text, old_text, N);
            for (uint32_t n = chance(5); n > 0; n--)
                new_text[chance(chance(2) ? N : 110000)] ^= 0x55;
            (void)splice(packed, N - chance(3) * chance(1000));
        }
    }
}

/* Past what is held in memory as a whole: signed, its end cut, and its beginning changed. */
static void test_splice__large_content_by_blocks(void **state)
{
    (void)state;
    enum { TIMES = 40 };
    const size_t size = (size_t)TIMES * N;
    const uint8_t tail[] = "and a signature";
    struct writer old, made, again;
    struct err e = {0};
    seed = 5;
    fill();
    writer_init(&old, size + sizeof tail);
    for (size_t i = 0; i < TIMES; i++) {
        old_text[i] ^= 1;
        writer_bytes(&old, old_text, N);
    }
    writer_init(&made, size * 2);
    writer_init(&again, size * 2);
    struct sink packed = sink_memory(&made), out = sink_memory(&again);
    struct splice s = {.content = source_memory(writer_view(&old)), .size = size};
    assert_true(size > DEFLATE_WHOLE && deflate_compress(&s.content, &packed, &s.crc, &e));
    s.stream = source_memory(writer_view(&made));
    writer_patch(&old, 216, "sum!", 4);
    writer_bytes(&old, tail, sizeof tail);
    for (size_t i = 0; i < 3; i++) {
        uint32_t crc, seen;
        enum splice_result result;
        const struct reader now = writer_view(&old);
        s.content = source_memory(reader_over(now.at, i == 1 ? size - 70000 : now.left));
        if (i == 2)
            writer_patch(&old, 100000, "too late", 8);
        writer_reset(&again);
        out = sink_memory(&again);
        assert_true(splice_deflate(&s, &out, &result, &crc, &e));
        assert_int_equal(result, i == 2 ? SPLICE_DOES_NOT_PAY : SPLICE_DONE);
        if (i == 2)
            continue;
        struct sink nowhere = sink_discard();
        const struct source view = sink_view(&out);
        assert_true(deflate_expand(&view, s.content.size, NULL, &nowhere, &seen, &e));
        assert_int_equal(seen, deflate_crc(0, reader_over(now.at, (size_t)s.content.size)));
        assert_int_equal(seen, crc);
    }
    writer_done(&again);
    writer_done(&made);
    writer_done(&old);
}

static void test_splice__other_content_and_damage_do_not_pay(void **state)
{
    (void)state;
    seed = 4;
    fill();
    size_t packed = by_libdeflate(6);
    for (size_t i = 0; i < N; i++)
        new_text[i] = (uint8_t)chance(256);
    assert_int_equal(splice(packed, N), SPLICE_DOES_NOT_PAY);
    size_t n = sign(N);
    assert_int_equal(splice(packed - 1, n), SPLICE_DOES_NOT_PAY);
    stream[packed] = 0;
    assert_int_equal(splice(packed + 1, n), SPLICE_DOES_NOT_PAY);
    for (int round = 0; round < 60; round++) {
        size_t at = chance((uint32_t)packed);
        stream[at] ^= (uint8_t)(1u << chance(8));
        (void)splice(packed, n);
    }
}

/* Large ones are given up early, when their beginnings differ; the result is the same. */
static void test_splice__large_files(void **state)
{
    enum { LARGE = 1500000 };
    static uint8_t before[LARGE], after[LARGE], packed[2 * LARGE];
    static const size_t edits[] = {300, 65535, 70000, 200000, 700000, 1400000};
    (void)state;
    seed = 5;
    fill();
    for (size_t i = 0; i < LARGE; i++)
        before[i] = old_text[i % N] ^ (uint8_t)(i / N);
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t n = libdeflate_deflate_compress(c, before, LARGE, packed, sizeof packed);
    libdeflate_free_compressor(c);
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        struct writer out;
        struct err e = {0};
        enum splice_result result;
        uint32_t crc;
        memcpy(after, before, LARGE);
        after[edits[i]] ^= 0x55;
        writer_init(&out, sizeof packed);
        struct sink k = sink_memory(&out), plain = sink_discard();
        struct splice s = {.stream = source_memory(reader_over(packed, n)),
                           .size = LARGE,
                           .crc = deflate_crc(0, reader_over(before, LARGE)),
                           .content = source_memory(reader_over(after, LARGE))};
        assert_true(splice_deflate(&s, &k, &result, &crc, &e));
        bool pays = edits[i] < 65536 || edits[i] > LARGE / 2 + 65536;
        assert_int_equal(result, pays ? SPLICE_DONE : SPLICE_DOES_NOT_PAY);
        struct source made = sink_view(&k);
        if (pays) {
            assert_true(deflate_expand(&made, LARGE, NULL, &plain, &crc, &e));
            assert_int_equal(crc, deflate_crc(0, reader_over(after, LARGE)));
        }
        writer_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splice__signing_every_kind_of_stream),
        cmocka_unit_test(test_splice__signing_again_cuts_the_tail),
        cmocka_unit_test(test_splice__edits_anywhere_are_right_or_refused),
        cmocka_unit_test(test_splice__large_content_by_blocks),
        cmocka_unit_test(test_splice__other_content_and_damage_do_not_pay),
        cmocka_unit_test(test_splice__large_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
