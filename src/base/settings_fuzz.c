/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(4 << 20);
    struct err e = {0};
    struct settings s;
    if (a == NULL || !settings_init(&s, a, &e) || !settings_parse(&s, reader_over(data, size), &e))
        return 0;
    struct reader list = reader_text(settings_text(&s, SET_tsa)), item;
    while (settings_item(&list, &item)) {
        struct setting_tsa tsa;
        struct err ignored = {0};
        (void)!settings_tsa(item, &tsa, &ignored);
    }
    return 0;
}
