/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/msi/msi.h"
#include "formats/msi/msi_database.h"

/* [MS-OLEPS]: the summary information is a stream with one property set. */
enum { SUMMARY_MAX = 1 << 20, PROPERTIES_MAX = 1000 };
enum { PID_CODEPAGE = 1, PID_SUBJECT = 3, PID_AUTHOR = 4, PID_WORDCOUNT = 15 };
enum { VT_I2 = 2, VT_I4 = 3, VT_LPSTR = 0x1e, VT_LPWSTR = 0x1f };

/* Bytes that we cannot read become U+FFFD, which no restriction is equal to. */
static bool decode(struct arena *a, struct reader text, uint16_t page, char **ret, struct err *e)
{
    size_t n = reader_find(text, 0, "", 1);
    text.left = n < text.left ? n : text.left;
    return msi_text(a, text, page, false, ret, e);
}

/* The value of a property of the set; false: it is not there. */
static bool property(struct reader set, uint32_t id, struct reader *ret, uint32_t *ret_type)
{
    struct reader r = set;
    uint32_t size, count, this, at;
    if (!reader_u32le(&r, &size) || !reader_u32le(&r, &count) || count > PROPERTIES_MAX)
        return false;
    while (count-- > 0 && reader_u32le(&r, &this) && reader_u32le(&r, &at))
        if (this == id)
            return reader_slice(set, at, set.left < at ? 0 : set.left - at, ret) &&
                   reader_u32le(ret, ret_type);
    return false;
}

static uint16_t code_page(struct reader set)
{
    struct reader value;
    uint32_t type;
    uint16_t page = 0;
    if (property(set, PID_CODEPAGE, &value, &type) && type == VT_I2)
        (void)!reader_u16le(&value, &page);
    return page;
}

static bool text_property(struct arena *a, struct reader set, uint32_t id, char **ret,
                          struct err *e)
{
    struct reader value, bytes;
    uint32_t type, length;
    *ret = NULL;
    if (!property(set, id, &value, &type) || (type != VT_LPSTR && type != VT_LPWSTR))
        return true;
    if (!reader_u32le(&value, &length) || length > SUMMARY_MAX ||
        !reader_take(&value, type == VT_LPWSTR ? (size_t)length * 2 : length, &bytes))
        return err_user(e, ERR_CFB, "The summary information of the installer file is damaged.");
    if (type == VT_LPSTR)
        return decode(a, bytes, code_page(set), ret, e);
    if (text_from_utf16le(a, bytes, ret))
        return true;
    return arena_failed(a)
               ? arena_err(e)
               : err_user(e, ERR_CFB, "The summary information of the installer file is damaged.");
}

static bool load_set(struct arena *a, const struct cfb *c, const struct cfb_entry *x,
                     struct reader *ret, struct err *e)
{
    struct source s;
    struct reader all, r;
    uint32_t sets, at;
    if (x->size > SUMMARY_MAX)
        return err_user(e, ERR_CFB, "The summary information of the installer file is too long.");
    TRY(cfb_source(a, c, x, &s, e));
    TRY(source_load(a, &s, 0, (size_t)s.size, &all, e));
    r = all;
    if (!reader_skip(&r, 24) || !reader_u32le(&r, &sets) || sets == 0 || !reader_skip(&r, 16) ||
        !reader_u32le(&r, &at) || at > all.left || !reader_slice(all, at, all.left - at, ret))
        return err_user(e, ERR_CFB, "The summary information of the installer file is damaged.");
    return true;
}

static const struct cfb_entry *summary_of(const struct cfb *c)
{
    const struct cfb_entry *x = cfb_find_text(c, 0, "\5SummaryInformation");
    return x == NULL || x->type != CFB_STREAM ? NULL : x;
}

/* Without the property everything is taken to be compressed, as all known tools make it. */
bool msi_word_count(struct arena *a, const struct cfb *c, uint32_t *ret, struct err *e)
{
    const struct cfb_entry *x = summary_of(c);
    struct reader set, value;
    uint32_t type;
    *ret = MSI_COMPRESSED;
    if (x == NULL)
        return true;
    TRY(load_set(a, c, x, &set, e));
    if (property(set, PID_WORDCOUNT, &value, &type) && type == VT_I4)
        (void)!reader_u32le(&value, ret);
    return true;
}

bool msi_summary(struct arena *a, const struct cfb *c, struct attributes *ret, struct err *e)
{
    static const char *const names[] = {"subject", "author"};
    const struct cfb_entry *x = summary_of(c);
    struct attribute *list = ARENA_ARRAY(a, COUNT_OF(names), struct attribute);
    struct reader set;
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    *ret = (struct attributes){0};
    if (x == NULL)
        return true;
    TRY(load_set(a, c, x, &set, e));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *value;
        TRY(text_property(a, set, i == 0 ? PID_SUBJECT : PID_AUTHOR, &value, e));
        if (value != NULL)
            list[n++] = (struct attribute){names[i], value};
    }
    *ret = (struct attributes){list, n};
    return true;
}
