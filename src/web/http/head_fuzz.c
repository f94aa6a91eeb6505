/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of a head that is read by us: first byte picks the reader. */
#include "base/text.h"
#include "web/http/address.h"
#include "web/http/head.h"
#include "web/http/params.h"
#include <stdlib.h>

static void heads(struct reader r)
{
    struct head h = {.method = reader_text("POST"), .target = reader_text("/a")};
    struct err e = {0};
    if (!head_fields_in_place(r, &h, &e) || !head_check(&h, &e))
        return;
    struct reader length;
    if (h.chunked && head_find(&h, "content-length", &length))
        abort();
    for (size_t i = 0; i < h.count; i++)
        if (!head_may_send(h.fields[i].name, h.fields[i].value))
            abort();
}

static void targets(struct reader r)
{
    struct head h = {.method = reader_text("GET"), .target = r, .minor_0 = true};
    if (head_check(&h, &(struct err){0}) && !text_is_printable(r))
        abort();
}

static void parameters(struct reader r)
{
    struct param p;
    struct err e = {0};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1000);
    (void)params_main(&r);
    while (r.left > 0 && params_next(&r, &p, &e)) {
        params_value(&p, &w);
        if (params_extended(&p, &w) && w.len == 0 && p.value.left > 1000)
            abort();
    }
}

static void addresses(struct reader r)
{
    static const struct address_range loopback = {{{[10] = 0xff, [11] = 0xff, [12] = 127}}, 104};
    struct address a = {{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}, again;
    struct address_range range;
    char text[ADDRESS_TEXT];
    address_of_client(&a, r, &loopback, 1);
    address_write(&a, text);
    if (!address_read(reader_text(text), &again) || !address_equal(&a, &again))
        abort();
    if (address_range_read(r, &range) && !address_in(&range.first, &range, 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct reader) = {heads, targets, parameters, addresses};
    struct reader r = reader_over(data, size);
    uint8_t which;
    if (reader_u8(&r, &which))
        readers[which % COUNT_OF(readers)](r);
    return 0;
}
