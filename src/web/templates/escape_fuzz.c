/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that could end a text or a quoted attribute comes out, and all of it is UTF-8. */
#include "base/text.h"
#include "web/templates/escape.h"
#include <stdlib.h>

static void check(void (*escape)(struct writer *, struct reader), struct reader text)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1 << 20);
    escape(&w, text);
    struct reader out = writer_view(&w);
    if (w.failed || !text_is_utf8(out))
        abort();
    for (size_t i = 0; i < out.left; i++)
        if (out.at[i] == '<' || out.at[i] == '>' || out.at[i] == '"' || out.at[i] == '\'' ||
            out.at[i] == '\0')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    if (size > 64 * 1024)
        return 0;
    check(escape_html, r);
    check(escape_url, r);
    check(escape_url_part, r);
    return 0;
}
