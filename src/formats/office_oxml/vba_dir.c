/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/vba.h"

/* The dir stream ([MS-OVBA] 2.3.4.2): a flat list of records whose order is fixed. What is read is
 * at once put into the normalised data. */

enum { MODULES_MAX = 4096 };

static bool next_is(struct reader r, uint16_t id)
{
    uint16_t got;
    return reader_u16le(&r, &got) && got == id;
}

static bool take_id(struct reader *r, uint16_t id)
{
    return next_is(*r, id) && reader_skip(r, 2);
}

static bool take_blob(struct reader *r, struct reader *ret)
{
    uint32_t n;
    return reader_u32le(r, &n) && reader_take(r, n, ret);
}

/* id, length, bytes */
static bool take_text(struct reader *r, uint16_t id, struct reader *ret)
{
    return take_id(r, id) && take_blob(r, ret);
}

/* The same with a length that is known. */
static bool take_fixed(struct reader *r, uint16_t id, size_t n, struct reader *ret)
{
    return take_text(r, id, ret) && ret->left == n;
}

static void put_head(struct writer *w, uint16_t id, size_t n)
{
    writer_u16le(w, id);
    writer_u32le(w, (uint32_t)n);
}

static void put_record(struct writer *w, uint16_t id, struct reader bytes)
{
    put_head(w, id, bytes.left);
    writer_reader(w, bytes);
}

static void put_blob(struct writer *w, struct reader bytes)
{
    writer_u32le(w, (uint32_t)bytes.left);
    writer_reader(w, bytes);
}

/* --- PROJECTINFORMATION ----------------------------------------------------------------------- */

/* Two records of which V3 has the lengths only. */
static bool lengths_only(struct reader *r, uint16_t id, uint16_t wide_id, struct vba *v)
{
    struct reader text, wide;
    if (!take_text(r, id, &text) || !take_text(r, wide_id, &wide))
        return false;
    put_head(&v->v3, id, text.left);
    put_head(&v->v3, wide_id, wide.left);
    return true;
}

static bool constants(struct reader *r, struct vba *v)
{
    struct reader text = {0}, wide = {0};
    if (next_is(*r, 0x0c) && (!take_text(r, 0x0c, &text) || !take_text(r, 0x3c, &wide)))
        return false;
    put_record(&v->v3, 0x0c, text);
    put_record(&v->v3, 0x3c, wide);
    writer_reader(&v->content, text);
    return true;
}

static bool version(struct reader *r, struct vba *v)
{
    uint32_t reserved;
    struct reader numbers;
    if (!take_id(r, 9) || !reader_u32le(r, &reserved) || reserved != 4 ||
        !reader_take(r, 6, &numbers))
        return false;
    put_head(&v->v3, 9, 4);
    writer_reader(&v->v3, numbers);
    return true;
}

static bool kept(struct reader *r, uint16_t id, struct vba *v)
{
    struct reader value;
    if (!take_fixed(r, id, 4, &value))
        return false;
    put_record(&v->v3, id, value);
    return true;
}

static bool without_value(struct reader *r, uint16_t id, size_t n, struct vba *v,
                          struct reader *ret)
{
    if (!take_fixed(r, id, n, ret))
        return false;
    put_head(&v->v3, id, n);
    return true;
}

static bool information(struct reader *r, struct vba *v)
{
    struct reader value, name;
    if (!without_value(r, 1, 4, v, &value) ||
        (next_is(*r, 0x4a) && !take_fixed(r, 0x4a, 4, &value)) || !kept(r, 2, v) ||
        !kept(r, 0x14, v) || !without_value(r, 3, 2, v, &value) || !take_text(r, 4, &name))
        return false;
    put_record(&v->v3, 4, name);
    writer_reader(&v->content, name);
    return lengths_only(r, 5, 0x40, v) && lengths_only(r, 6, 0x3d, v) &&
           without_value(r, 7, 4, v, &value) && kept(r, 8, v) && version(r, v) && constants(r, v);
}

/* --- PROJECTREFERENCES ------------------------------------------------------------------------ */

static bool reference_name(struct reader *r, struct vba *v)
{
    struct reader name;
    if (!next_is(*r, 0x16))
        return true;
    if (!take_text(r, 0x16, &name))
        return false;
    put_record(&v->v3, 0x16, name);
    if (!next_is(*r, 0x3e))
        return true;
    if (!take_text(r, 0x3e, &name))
        return false;
    put_record(&v->v3, 0x3e, name);
    return true;
}

/* The identifier is widened to UTF-16, its length is not. */
static void put_widened(struct vba *v, struct reader text)
{
    writer_u32le(&v->v3, (uint32_t)text.left);
    for (size_t i = 0; i < text.left; i++) {
        if (text.at[i] >= 0x80)
            v->no_v3 = "the name of a library it refers to has characters outside of ASCII";
        writer_u16le(&v->v3, text.at[i]);
    }
}

static bool registered(struct reader *r, struct vba *v)
{
    uint32_t size;
    struct reader library, reserved;
    if (!take_id(r, 0x0d) || !reader_u32le(r, &size) || !take_blob(r, &library) ||
        !reader_take(r, 6, &reserved))
        return false;
    writer_u8(&v->content, 0x7b);
    writer_u16le(&v->v3, 0x0d);
    put_widened(v, library);
    writer_reader(&v->v3, reserved);
    return true;
}

/* Of a project, legacy and Agile signatures cover the bytes up to the first zero only. */
static bool other_project(struct reader *r, struct vba *v)
{
    uint32_t size;
    struct reader absolute, relative, numbers, whole;
    if (!take_id(r, 0x0e) || !reader_u32le(r, &size) || !take_blob(r, &absolute) ||
        !take_blob(r, &relative) || !reader_take(r, 6, &numbers))
        return false;
    writer_u16le(&v->v3, 0x0e);
    const size_t from = v->v3.len;
    put_blob(&v->v3, absolute);
    put_blob(&v->v3, relative);
    writer_reader(&v->v3, numbers);
    if (!reader_slice(writer_view(&v->v3), from, v->v3.len - from, &whole))
        return false;
    size_t zero = reader_find(whole, 0, "", 1);
    whole.left = zero == SIZE_MAX ? whole.left : zero;
    writer_reader(&v->content, whole);
    return true;
}

static bool control(struct reader *r, struct vba *v)
{
    uint32_t size;
    struct reader text, rest;
    if (!take_id(r, 0x2f) || !reader_u32le(r, &size) || !take_blob(r, &text) ||
        !reader_take(r, 6, &rest))
        return false;
    writer_u16le(&v->v3, 0x2f);
    put_blob(&v->v3, text);
    writer_reader(&v->v3, rest);
    if (!reference_name(r, v) || !take_id(r, 0x30) || !reader_u32le(r, &size) ||
        !take_blob(r, &text) || !reader_take(r, 6 + 16 + 4, &rest))
        return false;
    writer_u16le(&v->v3, 0x30);
    put_blob(&v->v3, text);
    writer_reader(&v->v3, rest);
    return true;
}

static bool original(struct reader *r, struct vba *v)
{
    struct reader library;
    if (!take_text(r, 0x33, &library))
        return false;
    put_record(&v->v3, 0x33, library);
    return !next_is(*r, 0x2f) || control(r, v);
}

static bool reference(struct reader *r, struct vba *v)
{
    if (!reference_name(r, v))
        return false;
    if (next_is(*r, 0x0d))
        return registered(r, v);
    if (next_is(*r, 0x0e))
        return other_project(r, v);
    return next_is(*r, 0x33) ? original(r, v) : control(r, v);
}

/* --- PROJECTMODULES --------------------------------------------------------------------------- */

static bool module_type(struct reader *r, struct vba_module *m)
{
    struct reader value;
    m->procedural = next_is(*r, 0x21);
    if (!take_fixed(r, m->procedural ? 0x21 : 0x22, 0, &value))
        return false;
    m->read_only = next_is(*r, 0x25);
    if (m->read_only && !take_fixed(r, 0x25, 0, &value))
        return false;
    m->is_private = next_is(*r, 0x28);
    return (!m->is_private || take_fixed(r, 0x28, 0, &value)) && take_fixed(r, 0x2b, 0, &value);
}

static bool module(struct reader *r, struct vba_module *m)
{
    struct reader value;
    return take_text(r, 0x19, &m->name) &&
           (!next_is(*r, 0x47) || take_text(r, 0x47, &m->wide_name)) &&
           take_text(r, 0x1a, &m->stream) && take_text(r, 0x32, &m->wide_stream) &&
           take_text(r, 0x1c, &value) && take_text(r, 0x48, &value) &&
           take_fixed(r, 0x31, 4, &value) && reader_u32le(&value, &m->offset) &&
           take_fixed(r, 0x1e, 4, &value) && take_fixed(r, 0x2c, 2, &value) && module_type(r, m);
}

static bool modules(struct arena *a, struct reader *r, struct vba *v, struct vba_dir *dir)
{
    struct reader value;
    uint16_t count;
    if (!without_value(r, 0x0f, 2, v, &value) || !reader_u16le(&value, &count) ||
        count > MODULES_MAX || !without_value(r, 0x13, 2, v, &value) ||
        (dir->modules = ARENA_ARRAY(a, count, struct vba_module)) == NULL)
        return false;
    for (dir->count = 0; dir->count < count; dir->count++)
        if (!module(r, &dir->modules[dir->count]))
            return false;
    return take_fixed(r, 0x10, 0, &value) && reader_at_end(r);
}

bool vba_read_dir(struct arena *a, struct reader stream, struct vba *v, struct vba_dir *ret,
                  struct err *e)
{
    struct vba_dir dir = {0};
    bool ok = information(&stream, v);
    while (ok && !next_is(stream, 0x0f))
        ok = reference(&stream, v);
    ok = ok && modules(a, &stream, v, &dir);
    if (arena_failed(a))
        return arena_err(e);
    if (!ok)
        return err_user(e, ERR_VBA, "The list of modules in the VBA project is damaged.");
    *ret = dir;
    return true;
}
