/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/vba.h"

/* The source of a module in the normalised data ([MS-OVBA] 2.4.2.1 and 2.4.2.5). */

/* Attribute lines that V3 leaves out when they say exactly this. */
static const char *const defaults[] = {
    "Attribute VB_Base = \"0{00020820-0000-0000-C000-000000000046}\"",
    "Attribute VB_GlobalNameSpace = False",
    "Attribute VB_Creatable = False",
    "Attribute VB_PredeclaredId = True",
    "Attribute VB_Exposed = True",
    "Attribute VB_TemplateDerived = False",
    "Attribute VB_Customizable = True",
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 0x20) : c;
}

static bool starts_folded(struct reader line, const char *lower_case)
{
    struct reader want = reader_text(lower_case);
    if (line.left < want.left)
        return false;
    for (size_t i = 0; i < want.left; i++)
        if (lower(line.at[i]) != want.at[i])
            return false;
    return true;
}

static bool is_default(struct reader line)
{
    for (size_t i = 0; i < COUNT_OF(defaults); i++)
        if (reader_equal_text(line, defaults[i]))
            return true;
    return false;
}

/* A line ends at each CR and at each LF that follows no CR; *bare: not by both. */
static bool next_line(struct reader *text, struct reader *line, bool *bare)
{
    size_t n = 0;
    if (text->left == 0)
        return false;
    while (n < text->left && text->at[n] != '\r' && text->at[n] != '\n')
        n++;
    if (!reader_take(text, n, line))
        return false;
    size_t end = reader_starts_with(*text, "\r\n", 2) ? 2 : text->left > 0 ? 1 : 0;
    *bare = end != 2;
    return reader_skip(text, end);
}

/* Whether the line is one that V3 covers. */
static bool covered(struct reader line)
{
    if (!starts_folded(line, "attribute"))
        return true;
    return !starts_folded(line, "attribute vb_name = ") && !is_default(line);
}

bool vba_add_module(const struct vba_module *m, struct reader text, struct vba *v, struct err *e)
{
    struct reader line;
    bool any = false, bare;
    if (m->procedural)
        writer_bytes(&v->v3, "\x21\0\0\0\0", 6);
    if (m->read_only)
        writer_bytes(&v->v3, "\x25\0\0\0\0", 6);
    if (m->is_private)
        writer_bytes(&v->v3, "\x28\0\0\0\0", 6);
    while (next_line(&text, &line, &bare)) {
        if (bare) /* readers of V3 differ about them */
            v->no_v3 = "its modules have line ends other than CR LF";
        if (!starts_folded(line, "attribute"))
            writer_reader(&v->content, line);
        if (covered(line)) {
            writer_reader(&v->v3, line);
            writer_u8(&v->v3, '\n');
            any = true;
        }
    }
    if (any) {
        writer_reader(&v->v3, m->wide_name.at != NULL ? m->wide_name : m->name);
        writer_u8(&v->v3, '\n');
    }
    return vba_fits(&v->content, e) && vba_fits(&v->v3, e);
}
