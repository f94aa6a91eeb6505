/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct xml_limits limits = {
        .bytes = 1 << 20, .elements = 1000, .depth = 20, .attributes = 20};
    struct arena *a CLEANUP(arena_cleanup) = arena_new(64 << 20);
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    struct xml_event event = {.kind = XML_TEXT};
    struct err e = {0};
    bool right = xml_reader_new(a, reader_over(data, size), &limits, &x, &e);
    uint32_t depth = 0;
    while (right && event.kind != XML_DONE) {
        right = xml_next(x, &event, &e);
        if (!right)
            break;
        depth += event.kind == XML_START ? 1 : 0;
        if (event.kind != XML_DONE && (event.depth != depth || event.at.line == 0))
            abort();
        depth -= event.kind == XML_END ? 1 : 0;
    }
    /* The positions must never lose step with libxml2. */
    if (right != (e.code == ERR_NONE) || e.code == ERR_INTERNAL || (right && depth != 0))
        abort();
    return 0;
}
