/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "formats/office_binary/office_binary.h"

/* [MS-PPT] 2.13.24; the tokens are those of 2.3.2 */
enum {
    RT_DOCUMENT = 0x3e8,
    RT_VBA_INFO = 0x3ff,
    RT_VBA_INFO_ATOM = 0x400,
    RT_LIST = 0x7d0,
    RT_USER_EDIT_ATOM = 0xff5,
    RT_CURRENT_USER_ATOM = 0xff6,
    RT_EXTERNAL_OLE_OBJECT_STG = 0x1011,
    RT_PERSIST_DIRECTORY_ATOM = 0x1772,
    RECORD_HEADER = 8,
    PROJECT_MAX = 64 * 1024 * 1024
};
static const uint32_t token_plain = 0xe391c05f, token_encrypted = 0xf3d1c4df;

struct record {
    uint16_t instance, type;
    struct reader body;
};

struct deck {
    struct reader document; /* the stream "PowerPoint Document" */
    uint32_t edit;          /* offset of the newest UserEditAtom */
};

static bool bad(struct err *e)
{
    return err_user(e, ERR_FILE_TYPE, "The presentation is damaged. Save it again and submit it.");
}

/* [MS-PPT] 2.3.1 */
static bool take_record(struct reader *r, struct record *ret)
{
    uint16_t head;
    uint32_t length;
    TRY(reader_u16le(r, &head) && reader_u16le(r, &ret->type) && reader_u32le(r, &length) &&
        reader_take(r, length, &ret->body));
    ret->instance = head >> 4;
    return true;
}

static bool record_at(struct reader stream, uint32_t at, uint16_t type, struct record *ret)
{
    return reader_skip(&stream, at) && take_record(&stream, ret) && ret->type == type;
}

/* [MS-PPT] 2.3.5: runs of numbers, 20 bits the first one, 12 bits how many. */
static bool look_up(struct reader directory, uint32_t id, uint32_t *ret, bool *ret_found)
{
    *ret_found = false;
    while (directory.left > 0 && !*ret_found) {
        uint32_t head;
        struct reader offsets;
        TRY(reader_u32le(&directory, &head) && reader_take(&directory, (head >> 20) * 4, &offsets));
        uint32_t first = head & 0xfffff;
        *ret_found = id >= first && id - first < head >> 20;
        if (*ret_found)
            TRY(reader_skip(&offsets, (size_t)(id - first) * 4) && reader_u32le(&offsets, ret));
    }
    return true;
}

/* The newest place of a persist object ([MS-PPT] 2.1.2): edits are looked at from the last one
 * back. */
static bool locate(const struct deck *d, uint32_t id, uint16_t type, struct record *ret)
{
    uint32_t edit = d->edit, last, directory, at;
    size_t left = d->document.left; /* directories lie beside each other, so all fit in there */
    bool found = false;
    for (;;) {
        struct record r, list;
        TRY(record_at(d->document, edit, RT_USER_EDIT_ATOM, &r) && reader_skip(&r.body, 8) &&
            reader_u32le(&r.body, &last) && reader_u32le(&r.body, &directory));
        TRY(record_at(d->document, directory, RT_PERSIST_DIRECTORY_ATOM, &list) &&
            list.body.left <= left && look_up(list.body, id, &at, &found));
        left -= list.body.left;
        if (found)
            return record_at(d->document, at, type, ret);
        if (last == 0 || last >= edit)
            return false;
        edit = last;
    }
}

/* The one VbaInfoAtom ([MS-PPT] 2.4.10) of the document; .at NULL: none. */
static bool find_info(struct reader document, struct reader *ret)
{
    *ret = (struct reader){0};
    while (document.left > 0) {
        struct record list, info, atom;
        TRY(take_record(&document, &list));
        while (list.type == RT_LIST && list.body.left > 0) {
            TRY(take_record(&list.body, &info));
            if (info.type != RT_VBA_INFO)
                continue;
            TRY(ret->at == NULL && take_record(&info.body, &atom) &&
                atom.type == RT_VBA_INFO_ATOM && reader_at_end(&info.body));
            *ret = atom.body;
        }
    }
    return true;
}

static bool open_deck(struct arena *a, const struct office_binary *b, struct deck *ret,
                      struct err *e)
{
    struct reader user;
    struct record current;
    uint32_t index, size, token;
    TRY(office_binary_stream(a, b, "Current User", &user, &index, e));
    TRY(office_binary_stream(a, b, "PowerPoint Document", &ret->document, &index, e));
    if (!take_record(&user, &current) || current.type != RT_CURRENT_USER_ATOM ||
        !reader_u32le(&current.body, &size) || !reader_u32le(&current.body, &token) ||
        !reader_u32le(&current.body, &ret->edit))
        return bad(e);
    if (token == token_encrypted)
        return err_user(e, ERR_FILE_TYPE, "The presentation is protected by a password.");
    return token == token_plain || bad(e);
}

/* VbaProjectStg ([MS-PPT] 2.10.40): the compound file as it is, or its size and a zlib stream. */
static bool open_storage(struct arena *a, struct record storage, const struct cfb **ret,
                         struct err *e)
{
    struct reader bytes = storage.body;
    struct cfb *file;
    uint32_t size;
    if (storage.instance == 1) {
        struct err why = {0};
        if (!reader_u32le(&bytes, &size))
            return bad(e);
        if (size > PROJECT_MAX)
            return err_user(e, ERR_FILE_LIMIT, "The macros of the presentation are too large.");
        if (!deflate_expand_zlib(a, bytes, size, &bytes, &why))
            return err_theirs(&why, e) && bad(e);
    } else if (storage.instance != 0) {
        return bad(e);
    }
    const struct source in = source_memory(bytes);
    TRY(cfb_open(a, &in, &file, e));
    *ret = file;
    return true;
}

bool office_binary_powerpoint_macros(struct arena *a, const struct office_binary *b,
                                     const struct cfb **ret, struct err *e)
{
    struct deck d = {0};
    struct record edit, document, storage;
    struct reader info;
    uint32_t id, has_macros = 0;
    TRY(open_deck(a, b, &d, e));
    /* UserEditAtom ([MS-PPT] 2.3.3): docPersistIdRef is the fifth field of four bytes. */
    if (!record_at(d.document, d.edit, RT_USER_EDIT_ATOM, &edit) || !reader_skip(&edit.body, 16) ||
        !reader_u32le(&edit.body, &id) || !locate(&d, id, RT_DOCUMENT, &document) ||
        !find_info(document.body, &info))
        return bad(e);
    *ret = NULL;
    if (info.at == NULL)
        return true;
    if (!reader_u32le(&info, &id) || !reader_u32le(&info, &has_macros))
        return bad(e);
    if (id == 0 || has_macros == 0)
        return true;
    if (!locate(&d, id, RT_EXTERNAL_OLE_OBJECT_STG, &storage))
        return bad(e);
    return open_storage(a, storage, ret, e);
}
