/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/remote/yaml_json.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is one JSON value that jansson reads back as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(64 << 20);
    struct yaml_document d = {0};
    struct err e = {0};
    json_error_t problem;
    if (a == NULL || !yaml_read(a, reader_over(data, size), &d, &e))
        return 0;
    char *text = json_dumps(d.value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    json_t *again =
        text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
    if (again == NULL || json_equal(again, d.value) == 0)
        abort();
    for (size_t i = 0; i < d.count && i < 64; i++)
        if (d.places[i].line == 0 || d.places[i].column == 0)
            abort();
    json_decref(again);
    free(text);
    yaml_done(&d);
    return 0;
}
