/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/office_binary/office_binary.h"

enum { STREAM_MAX = 256 * 1024 * 1024, RECORDS = 16 };

static const char summary[] = "\5DocumentSummaryInformation";

static bool has(const struct cfb *file, const char *name, uint8_t type)
{
    const struct cfb_entry *x = cfb_find_text(file, 0, name);
    return x != NULL && x->type == type;
}

bool office_binary_stream(struct arena *a, const struct office_binary *b, const char *name,
                          struct reader *ret, uint32_t *ret_index, struct err *e)
{
    const struct cfb_entry *x = cfb_find_text(b->file, 0, name);
    struct source s;
    *ret = (struct reader){0};
    if (x == NULL || x->type != CFB_STREAM)
        return true;
    if (x->size > STREAM_MAX)
        return err_user(e, ERR_FILE_LIMIT, "A stream of the Office file is too large.");
    *ret_index = cfb_index(b->file, x);
    return cfb_source(a, b->file, x, &s, e) && source_load(a, &s, 0, (size_t)s.size, ret, e);
}

/* FilePass ([MS-XLS] 2.4.117) comes among the first records when there is one. */
static bool refuse_password(struct arena *a, const struct office_binary *b, struct err *e)
{
    struct reader book, data;
    uint32_t index;
    TRY(office_binary_stream(a, b, has(b->file, "Workbook", CFB_STREAM) ? "Workbook" : "Book",
                             &book, &index, e));
    for (int i = 0; i < RECORDS; i++) {
        uint16_t type, length;
        if (!reader_u16le(&book, &type) || !reader_u16le(&book, &length) ||
            !reader_take(&book, length, &data))
            return true;
        if (type == 0x2f)
            return err_user(e, ERR_FILE_TYPE, "The workbook is protected by a password.");
    }
    return true;
}

/* Programs by a stream that all their files have, and the storage of their macros. */
static const struct {
    const char *stream, *storage; /* NULL: it is found another way */
    enum office_binary_program program;
} programs[] = {{"WordDocument", "Macros", OFFICE_BINARY_WORD},
                {"PowerPoint Document", NULL, OFFICE_BINARY_POWERPOINT},
                {"Workbook", "_VBA_PROJECT_CUR", OFFICE_BINARY_EXCEL},
                {"Book", "_VBA_PROJECT_CUR", OFFICE_BINARY_EXCEL}};

static const char visio[] = "VisioDocument";

static bool find_program(const struct cfb *file, size_t *ret, struct err *e)
{
    if (has(file, "EncryptedPackage", CFB_STREAM))
        return err_user(e, ERR_FILE_TYPE,
                        "The Office file is protected by a password. Remove the password.");
    if (has(file, visio, CFB_STREAM))
        return err_user(e, ERR_FILE_TYPE,
                        "The file is one of Visio (vsd, vss, vst). Of the binary Office files only "
                        "those of Excel, Word and PowerPoint can be signed; save it as vsdm.");
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        if (has(file, programs[i].stream, CFB_STREAM)) {
            *ret = i;
            return true;
        }
    return err_user(e, ERR_FILE_TYPE,
                    "The file is no workbook of Excel, no document of Word and no presentation of "
                    "PowerPoint. Macros of other binary files cannot be signed; save it in a newer "
                    "form (vsdm).");
}

bool office_binary_is_one(const struct cfb *file)
{
    bool found = has(file, visio, CFB_STREAM);
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        found = found || has(file, programs[i].stream, CFB_STREAM);
    return found;
}

bool office_binary_open(struct arena *a, const struct source *in, struct office_binary *ret,
                        struct err *e)
{
    struct office_binary b = {0};
    size_t row;
    TRY(cfb_open(a, in, &b.file, e) && find_program(b.file, &row, e));
    b.program = programs[row].program;
    const struct cfb_entry *x =
        programs[row].storage == NULL ? NULL : cfb_find_text(b.file, 0, programs[row].storage);
    if (x != NULL && x->type == CFB_STORAGE) {
        b.macros = b.file;
        b.project = cfb_index(b.file, x);
    }
    b.sealed = has(b.file, "_xmlsignatures", CFB_STORAGE) || has(b.file, "_signatures", CFB_STREAM);
    if (b.program == OFFICE_BINARY_EXCEL)
        TRY(refuse_password(a, &b, e));
    if (b.program == OFFICE_BINARY_POWERPOINT)
        TRY(office_binary_powerpoint_macros(a, &b, &b.macros, e));
    *ret = b;
    return true;
}

bool office_binary_project(struct arena *a, const struct office_binary *b, struct vba *ret,
                           struct err *e)
{
    bool found = false;
    if (b->macros != NULL)
        TRY(vba_open(a, b->macros, b->project, ret, &found, e));
    return found || err_user(e, ERR_FILE_TYPE,
                             "The Office file contains no macros, so there is nothing to sign.");
}

bool office_binary_read(struct arena *a, const struct office_binary *b,
                        struct office_binary_signatures *ret, struct err *e)
{
    struct office_binary_signatures s = {0};
    struct reader stream;
    uint32_t index;
    if (b->program == OFFICE_BINARY_WORD)
        return office_binary_word_read(a, b, ret, e);
    TRY(office_binary_stream(a, b, summary, &stream, &index, e));
    if (stream.left > 0)
        TRY(office_binary_property(a, stream, &s.info[VBA_LEGACY], e));
    *ret = s;
    return true;
}

bool office_binary_changes(struct arena *a, const struct office_binary *b,
                           const struct office_binary_signatures *s,
                           struct cfb_change ret[OFFICE_BINARY_CHANGES], size_t *ret_count,
                           struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(writer_done) struct writer name = {0};
    struct reader stream;
    uint32_t index = 0;
    if (b->program == OFFICE_BINARY_WORD)
        return office_binary_word_changes(a, b, s, ret, ret_count, e);
    writer_init(&w, STREAM_MAX);
    writer_init(&name, 128);
    TRY(office_binary_stream(a, b, summary, &stream, &index, e));
    TRY(office_binary_put_property(a, stream, s->info[VBA_LEGACY], &w, e));
    if (!text_to_utf16(&name, reader_text(summary), false))
        return err_set(e, ERR_INTERNAL, "name");
    TRY(writer_ok(&w, e) && writer_ok(&name, e));
    struct reader bytes = arena_bytes(a, writer_view(&w)),
                  wide = arena_bytes(a, writer_view(&name));
    if (bytes.at == NULL || wide.at == NULL)
        return arena_err(e);
    *ret_count = 1;
    ret[0] = (struct cfb_change){.action = index == 0 ? CFB_ADD : CFB_REPLACE,
                                 .index = index,
                                 .name = wide,
                                 .content = source_memory(bytes)};
    return true;
}
