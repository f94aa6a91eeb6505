/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is valid, written again from its parts, is the same bytes. */
static void check_again(const struct der *d)
{
    struct writer w;
    writer_init(&w, d->whole.left + 16);
    der_put(&w, d->tag, d->content);
    if (w.failed || !reader_equal(writer_view(&w), d->whole))
        abort();
    writer_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader all = reader_over(data, size), at = all;
    struct arena *a = arena_new(1 << 20);
    struct der d;
    char *text;
    int64_t time;
    uint64_t number;
    (void)!der_valid(all);
    while (der_any(&at, &d)) {
        struct reader time_at = d.whole, number_at = d.whole;
        check_again(&d);
        (void)!der_string(a, &d, &text);
        (void)!der_time(&time_at, &time, NULL);
        (void)!der_uint(&number_at, &number);
        (void)oid_text(a, d.content);
    }
    arena_free(a);
    return 0;
}
