/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/x509.h"
#include <string.h>

enum { NAME_PARTS = 64 };

/* clang-format off */
static const char *const labels[][2] = {
    {"2.5.4.3", "CN"}, {"2.5.4.10", "O"}, {"2.5.4.11", "OU"}, {"2.5.4.7", "L"}, {"2.5.4.8", "S"}, {"2.5.4.6", "C"},
    {"1.2.840.113549.1.9.1", "E"}, {"2.5.4.9", "STREET"}, {"0.9.2342.19200300.100.1.25", "DC"},
    {"2.5.4.4", "SN"}, {"2.5.4.42", "G"}, {"2.5.4.43", "I"}, {"2.5.4.12", "T"}, {"2.5.4.5", "SERIALNUMBER"},
    {"2.5.4.13", "Description"}, {"2.5.4.17", "PostalCode"}, {"2.5.4.18", "POBox"}, {"2.5.4.20", "Phone"},
    {"2.5.4.24", "X21Address"}, {"2.5.4.46", "dnQualifier"},
};
/* clang-format on */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What CertNameToStr puts between quotes, where a quote stands twice. */
static void put_value(struct writer *w, const char *value)
{
    size_t len = strlen(value);
    if (len > 0 && !is_blank(value[0]) && !is_blank(value[len - 1]) &&
        strpbrk(value, ",+=\"\n<>#;") == NULL) {
        writer_text(w, value);
        return;
    }
    writer_u8(w, '"');
    for (size_t i = 0; i < len; i++)
        writer_text(w, value[i] == '"' ? "\"\"" : (const char[]){value[i], '\0'});
    writer_u8(w, '"');
}

static bool put_pair(struct arena *a, struct writer *w, struct reader pair, struct err *e)
{
    struct reader oid;
    struct der value;
    char *text, *dotted;
    if (!der_oid(&pair, &oid) || !der_any(&pair, &value) || !reader_at_end(&pair))
        return err_set(e, ERR_CERTIFICATE, "a name in it");
    if ((dotted = oid_text(a, oid)) == NULL)
        return arena_err(e);
    size_t i = 0;
    while (i < COUNT_OF(labels) && strcmp(labels[i][0], dotted) != 0)
        i++;
    if (i < COUNT_OF(labels))
        writer_format(w, "%s=", labels[i][1]);
    else
        writer_format(w, "OID.%s=", dotted);
    if (der_string(a, &value, &text)) {
        put_value(w, text);
        return true;
    }
    writer_u8(w, '#');
    for (uint8_t b; reader_u8(&value.whole, &b);)
        writer_format(w, "%02X", (unsigned)b);
    return true;
}

bool certificate_name_windows(struct arena *a, struct reader name, const char **ret, struct err *e)
{
    struct reader sets[NAME_PARTS], list, pair;
    size_t count = 0;
    CLEANUP(writer_done) struct writer w = {0};
    bool good = der_only(name, DER_SEQUENCE, &list);
    while (good && list.left > 0)
        good = count < NAME_PARTS && der_get(&list, DER_SET, &sets[count++]);
    writer_init(&w, CERTIFICATE_BYTES * 4);
    for (size_t i = count; good && i > 0; i--) {
        for (bool first = true; good && sets[i - 1].left > 0; first = false) {
            if (i < count || !first)
                writer_text(&w, first ? ", " : " + ");
            good = der_get(&sets[i - 1], DER_SEQUENCE, &pair);
            if (good)
                TRY(put_pair(a, &w, pair, e));
        }
    }
    if (!good)
        return err_set(e, ERR_CERTIFICATE, "a name in it");
    TRY(writer_ok(&w, e));
    *ret = arena_text(a, writer_view(&w));
    return *ret != NULL || arena_err(e);
}
