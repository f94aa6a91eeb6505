/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/msi/msi_package.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

enum { FOLDERS_MAX = 64, PATH_MAX_BYTES = 4096, MEDIA_MAX = 4096 };

/* A table whose rows are found by the text of one column. */
struct lookup {
    const struct msi_database *d;
    struct msi_table table;
    uint32_t *keys; /* by row */
    size_t *rows;   /* sorted by key */
};

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct lookup *l = ctx;
    uint32_t x = l->keys[*(const size_t *)a], y = l->keys[*(const size_t *)b];
    return x < y ? -1 : x > y;
}

static bool lookup_open(struct arena *a, const struct cfb *c, const struct msi_database *d,
                        const char *name, const char *key, struct lookup *ret, struct err *e)
{
    struct lookup l = {.d = d};
    size_t column;
    TRY(msi_table_open(a, c, d, name, &l.table, e) &&
        msi_table_column(&l.table, key, true, &column, e));
    size_t count = l.table.row_count;
    l.keys = ARENA_ARRAY(a, count + 1, uint32_t);
    l.rows = ARENA_ARRAY(a, count + 1, size_t);
    if (l.keys == NULL || l.rows == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        TRY(msi_cell_text(d, &l.table, i, column, &l.keys[i], e));
        l.rows[i] = i;
    }
    if (count > 1)
        qsort_r(l.rows, count, sizeof *l.rows, by_key, &l);
    for (size_t i = 1; i < count; i++)
        if (l.keys[l.rows[i - 1]] == l.keys[l.rows[i]])
            return msi_bad(e, "two rows of the table %s have the same key", name);
    *ret = l;
    return true;
}

static bool lookup_row(const struct lookup *l, uint32_t key, size_t *ret)
{
    size_t low = 0, high = l->table.row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->keys[l->rows[middle]] < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->table.row_count || l->keys[l->rows[low]] != key)
        return false;
    *ret = l->rows[low];
    return true;
}

/* --- folders ---------------------------------------------------------------------------------- */
struct reading {
    struct arena *a;
    const struct cfb *c;
    struct msi_package *p;
    struct lookup files, components, folders, hashes;
    size_t component_folder, folder_parent, folder_name;
    const char **paths;   /* of the folders, by row; NULL: not yet known */
    const char **sources; /* the same where files are installed from */
    uint32_t word_count;  /* of the summary information */
};

static bool text_of(const struct reading *x, uint32_t number, char **ret, struct err *e)
{
    const struct msi_database *d = &x->p->database;
    return msi_text(x->a, d->strings[number], d->code_page, true, ret, e);
}

/* "short|long", of which the long one counts. */
static char *long_name(char *text)
{
    char *bar = strchr(text, '|');
    return bar == NULL ? text : bar + 1;
}

/* The one that files beside the installer have. */
static char *source_name(const struct reading *x, char *text)
{
    if ((x->word_count & MSI_SHORT_NAMES) == 0)
        return long_name(text);
    text[strcspn(text, "|")] = '\0';
    return text;
}

static bool usable(const char *name)
{
    return name[0] != '\0' && strcmp(name, "..") != 0 && strpbrk(name, "/\\:") == NULL &&
           text_is_printable(reader_text(name));
}

/* "target:source", one name for both; "." is the folder above, which is also what NULL says. */
static bool folder_name(const struct reading *x, size_t row, bool source, const char **ret,
                        struct err *e)
{
    uint32_t number;
    char *text;
    TRY(msi_cell_text(&x->p->database, &x->folders.table, row, x->folder_name, &number, e));
    TRY(text_of(x, number, &text, e));
    char *colon = strchr(text, ':'), *begin = text;
    if (colon != NULL)
        *colon = '\0';
    if (colon != NULL && source)
        begin = colon + 1;
    const char *name = source ? source_name(x, begin) : long_name(begin);
    if (strcmp(name, ".") != 0 && !usable(name))
        return msi_bad(e, "a folder has the name \"%.80s\"", name);
    *ret = strcmp(name, ".") == 0 ? NULL : name;
    return true;
}

/* From the folder up to a root, whose own name says where things are installed from. */
static bool folder_path(const struct reading *x, size_t row, bool source, const char **ret,
                        struct err *e)
{
    const char *path = "", *name = NULL;
    for (size_t depth = 0;; depth++) {
        uint32_t parent;
        TRY(msi_cell_text(&x->p->database, &x->folders.table, row, x->folder_parent, &parent, e));
        if (parent == 0 || parent == x->folders.keys[row])
            break;
        if (depth == FOLDERS_MAX || strlen(path) > PATH_MAX_BYTES)
            return msi_bad(e, "folders lie in each other more than %d deep", FOLDERS_MAX);
        TRY(folder_name(x, row, source, &name, e));
        if (name != NULL && (path = arena_format(x->a, "%s/%s", name, path)) == NULL)
            return arena_err(e);
        if (!lookup_row(&x->folders, parent, &row))
            return msi_bad(e, "a folder lies in one that is not there");
    }
    *ret = path;
    return true;
}

static bool open_folders(struct reading *x, struct err *e)
{
    const struct msi_database *d = &x->p->database;
    TRY(lookup_open(x->a, x->c, d, "Directory", "Directory", &x->folders, e) &&
        lookup_open(x->a, x->c, d, "Component", "Component", &x->components, e));
    x->paths = ARENA_ARRAY(x->a, x->folders.table.row_count + 1, const char *);
    x->sources = ARENA_ARRAY(x->a, x->folders.table.row_count + 1, const char *);
    if (x->paths == NULL || x->sources == NULL)
        return arena_err(e);
    return msi_table_column(&x->folders.table, "Directory_Parent", true, &x->folder_parent, e) &&
           msi_table_column(&x->folders.table, "DefaultDir", true, &x->folder_name, e) &&
           msi_table_column(&x->components.table, "Directory_", true, &x->component_folder, e);
}

/* Where a file lies: in the tree that is installed and, if that is wanted, in the one that it is
 * installed from. */
static bool path_of(const struct reading *x, uint32_t component, const char *key, char *file_name,
                    struct msi_file *f, bool apart, struct err *e)
{
    size_t row, folder;
    uint32_t number;
    if (!lookup_row(&x->components, component, &row))
        return msi_bad(e, "the file \"%.80s\" belongs to a component that is not there", key);
    TRY(msi_cell_text(&x->p->database, &x->components.table, row, x->component_folder, &number, e));
    if (!lookup_row(&x->folders, number, &folder))
        return msi_bad(e, "the file \"%.80s\" lies in a folder that is not there", key);
    if (x->paths[folder] == NULL)
        TRY(folder_path(x, folder, false, &x->paths[folder], e));
    const char *name = long_name(file_name);
    if (!usable(name) || strcmp(name, ".") == 0)
        return msi_bad(e, "the file \"%.80s\" has the name \"%.80s\"", key, name);
    if ((f->path = arena_format(x->a, "%s%s", x->paths[folder], name)) == NULL)
        return arena_err(e);
    if (!apart)
        return true;
    if (x->sources[folder] == NULL)
        TRY(folder_path(x, folder, true, &x->sources[folder], e));
    f->apart = arena_format(x->a, "%s%s", x->sources[folder], source_name(x, file_name));
    return f->apart != NULL || arena_err(e);
}

/* --- files ------------------------------------------------------------------------------------ */
struct file_columns {
    size_t component, name, sequence, attributes;
};
enum { FILE_NOT_COMPRESSED = 0x2000, FILE_COMPRESSED = 0x4000 };

static bool read_file(const struct reading *x, const struct file_columns *at, size_t row,
                      struct err *e)
{
    const struct msi_database *d = &x->p->database;
    const struct msi_table *t = &x->files.table;
    uint32_t component, name;
    char *key, *file_name;
    struct msi_file *f = &x->p->files[row];
    size_t hash_row = SIZE_MAX;
    int32_t said = msi_cell_number(t, row, at->attributes);
    bool apart = (said & FILE_COMPRESSED) == 0 &&
                 ((said & FILE_NOT_COMPRESSED) != 0 || (x->word_count & MSI_COMPRESSED) == 0);
    TRY(msi_cell_text(d, t, row, at->component, &component, e) &&
        msi_cell_text(d, t, row, at->name, &name, e));
    TRY(text_of(x, x->files.keys[row], &key, e) && text_of(x, name, &file_name, e));
    (void)lookup_row(&x->hashes, x->files.keys[row], &hash_row);
    *f = (struct msi_file){.key = key,
                           .sequence = msi_cell_number(t, row, at->sequence),
                           .size = msi_cell_number(t, row, x->p->size_column),
                           .row = row,
                           .cab = SIZE_MAX,
                           .in_cab = SIZE_MAX,
                           .hash_row = hash_row};
    TRY(path_of(x, component, key, file_name, f, apart, e));
    return f->size >= 0 || msi_bad(e, "the file \"%.80s\" has a negative size", key);
}

static bool read_files(struct reading *x, struct err *e)
{
    struct msi_package *p = x->p;
    struct file_columns at;
    TRY(lookup_open(x->a, x->c, &p->database, "File", "File", &x->files, e));
    if (x->files.table.row_count == 0)
        return true;
    TRY(msi_word_count(x->a, x->c, &x->word_count, e) && open_folders(x, e));
    TRY(lookup_open(x->a, x->c, &p->database, "MsiFileHash", "File_", &x->hashes, e));
    const struct msi_table *t = &x->files.table;
    TRY(msi_table_column(t, "Component_", true, &at.component, e) &&
        msi_table_column(t, "FileName", true, &at.name, e) &&
        msi_table_column(t, "Sequence", false, &at.sequence, e) &&
        msi_table_column(t, "Attributes", false, &at.attributes, e) &&
        msi_table_column(t, "FileSize", false, &p->size_column, e));
    static const char *const parts[] = {"HashPart1", "HashPart2", "HashPart3", "HashPart4"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        TRY(msi_table_column(&x->hashes.table, parts[i], false, &p->hash_columns[i], e));
    p->files = ARENA_ARRAY(x->a, t->row_count, struct msi_file);
    if (p->files == NULL)
        return arena_err(e);
    for (size_t i = 0; i < t->row_count; i++)
        TRY(read_file(x, &at, i, e));
    p->file_count = t->row_count;
    p->table = *t;
    p->hashes = x->hashes.table;
    return true;
}

/* --- cabinets --------------------------------------------------------------------------------- */
static int by_last(const void *a, const void *b)
{
    const struct msi_cab *x = a, *y = b;
    if (x->last != y->last)
        return x->last < y->last ? -1 : 1;
    return x->disk < y->disk ? -1 : x->disk > y->disk; /* a later one of the same end is empty */
}

static bool find_cab(const struct reading *x, struct msi_cab *cab, struct err *e)
{
    struct reader name = msi_stream_name(x->a, cab->name, false);
    if (name.at == NULL)
        return arena_err(e);
    cab->entry = cfb_find(x->c, 0, name);
    if (cab->entry != NULL && cab->entry->type != CFB_STREAM)
        cab->entry = NULL;
    return cab->entry != NULL ||
           err_user(&cab->problem, ERR_MSI, "The installer file lacks the cabinet \"%.120s\".",
                    cab->name) ||
           true;
}

static bool read_media(const struct reading *x, const struct msi_table *t, size_t row,
                       struct msi_cab *cab, struct err *e)
{
    size_t last, cabinet, disk;
    uint32_t number;
    char *name;
    TRY(msi_table_column(t, "DiskId", false, &disk, e) &&
        msi_table_column(t, "LastSequence", false, &last, e) &&
        msi_table_column(t, "Cabinet", true, &cabinet, e));
    TRY(msi_cell_text(&x->p->database, t, row, cabinet, &number, e) &&
        text_of(x, number, &name, e));
    cab->last = msi_cell_number(t, row, last);
    cab->disk = msi_cell_number(t, row, disk);
    if (name[0] == '#') {
        cab->name = name + 1;
        return find_cab(x, cab, e);
    }
    cab->name = name[0] == '\0' ? NULL : name;
    cab->beside = cab->name != NULL;
    for (char *at = name; *at != '\0'; at++)
        if (*at == '\\')
            *at = '/';
    if (!cab->beside)
        (void)err_user(&cab->problem, ERR_MSI_EXTERNAL,
                       "The table Media of the installer names no cabinet for medium %d.",
                       (int)cab->disk);
    return true;
}

/* The table MsiDigitalSignature has the certificates of signed cabinets beside the installer. */
static bool read_pins(const struct reading *x, struct err *e)
{
    struct msi_package *p = x->p;
    struct msi_table t;
    size_t object, key;
    TRY(msi_table_open(x->a, x->c, &p->database, "MsiDigitalSignature", &t, e) &&
        msi_table_column(&t, "Table", true, &object, e) &&
        msi_table_column(&t, "SignObject", true, &key, e));
    for (size_t row = 0; row < t.row_count; row++) {
        uint32_t number;
        uint64_t medium;
        char *table, *disk;
        TRY(msi_cell_text(&p->database, &t, row, object, &number, e) &&
            text_of(x, number, &table, e));
        TRY(msi_cell_text(&p->database, &t, row, key, &number, e) && text_of(x, number, &disk, e));
        if (strcmp(table, "Media") != 0 || !text_u64(reader_text(disk), &medium))
            continue;
        for (size_t i = 0; i < p->cab_count; i++)
            if (p->cabs[i].disk >= 0 && (uint64_t)p->cabs[i].disk == medium)
                p->cabs[i].pinned = true;
    }
    return true;
}

/* The first cabinet that ends at or behind a file; SIZE_MAX: none. */
static size_t cab_of(const struct msi_package *p, int32_t sequence)
{
    size_t low = 0, high = p->cab_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->cabs[middle].last < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->cab_count ? low : SIZE_MAX;
}

/* Merge modules have one cabinet under a fixed name instead of the table Media. */
static bool read_cabs(const struct reading *x, struct err *e)
{
    struct msi_package *p = x->p;
    struct msi_table t;
    TRY(msi_table_open(x->a, x->c, &p->database, "Media", &t, e));
    if (t.row_count > MEDIA_MAX)
        return err_user(e, ERR_FILE_LIMIT, "The installer names more than %d media.", MEDIA_MAX);
    p->cabs = ARENA_ARRAY(x->a, t.row_count + 1, struct msi_cab);
    if (p->cabs == NULL)
        return arena_err(e);
    for (size_t i = 0; i < t.row_count; i++)
        TRY(read_media(x, &t, i, &p->cabs[i], e));
    p->cab_count = t.row_count;
    if (p->cab_count > 1)
        qsort(p->cabs, p->cab_count, sizeof *p->cabs, by_last);
    if (p->cab_count == 0) {
        p->cabs[0] = (struct msi_cab){.last = INT32_MAX, .name = "MergeModule.CABinet"};
        TRY(find_cab(x, &p->cabs[0], e));
        p->cab_count = p->cabs[0].entry != NULL;
    }
    for (size_t i = 0; i < p->file_count; i++) {
        struct msi_file *f = &p->files[i];
        if (t.row_count == 0) /* a merge module has no other place for its files */
            f->apart = NULL;
        if (f->apart == NULL)
            f->cab = cab_of(p, f->sequence);
    }
    return read_pins(x, e);
}

bool msi_package_read(struct arena *a, const struct msi *m, struct msi_package *ret, struct err *e)
{
    struct msi_package p = {.msi = *m};
    struct reading x = {.a = a, .c = m->file, .p = &p};
    TRY(msi_database_open(a, m->file, &p.database, e) && read_files(&x, e));
    if (p.file_count > 0)
        TRY(read_cabs(&x, e));
    *ret = p;
    return true;
}

static int by_path(const void *a, const void *b, void *ctx)
{
    const struct cab *c = ctx;
    return strcmp(c->files[*(const uint32_t *)a].path, c->files[*(const uint32_t *)b].path);
}

/* The cabinet's bytes; *ret_there false: the problem of the cabinet says why not. */
static bool find_bytes(struct arena *a, const struct msi_package *p, struct msi_cab *cab,
                       struct source *ret, bool *ret_there, struct err *e)
{
    *ret_there = cab->entry != NULL;
    if (cab->entry != NULL)
        return cfb_source(a, p->msi.file, cab->entry, ret, e);
    if (!cab->beside)
        return true;
    if (p->around == NULL) {
        (void)err_user(&cab->problem, ERR_MSI_EXTERNAL,
                       "It lies in the cabinet \"%.120s\", which is a file beside the installer, "
                       "where it is looked for when both are in one ZIP file.",
                       cab->name);
        return true;
    }
    TRY(p->around->find(p->around->ctx, cab->name, ret, ret_there, e));
    if (!*ret_there)
        (void)err_user(&cab->problem, ERR_MSI_EXTERNAL,
                       "It lies in the cabinet \"%.120s\" of medium %d, which is missing in the "
                       "folder of the installer. Add it to the artifact.",
                       cab->name, (int)cab->disk);
    return true;
}

static bool open_cab(struct arena *a, const struct msi_package *p, struct msi_cab *cab,
                     struct budget *budget, struct err *e)
{
    struct source s;
    bool there;
    TRY(find_bytes(a, p, cab, &s, &there, e));
    if (!there)
        return true;
    if (!cab_open(a, &s, budget, &cab->cab, &cab->problem)) {
        cab->cab = NULL;
        return err_theirs(&cab->problem, e);
    }
    cab->sorted = ARENA_ARRAY(a, cab->cab->file_count + 1, uint32_t);
    if (cab->sorted == NULL)
        return arena_err(e);
    for (uint32_t i = 0; i < cab->cab->file_count; i++)
        cab->sorted[i] = i;
    if (cab->cab->file_count > 1)
        qsort_r(cab->sorted, cab->cab->file_count, sizeof *cab->sorted, by_path, cab->cab);
    return true;
}

static size_t find_in_cab(const struct msi_cab *cab, const char *key)
{
    size_t low = 0, high = cab->cab->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(cab->cab->files[cab->sorted[middle]].path, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found =
        low < cab->cab->file_count && strcmp(cab->cab->files[cab->sorted[low]].path, key) == 0;
    return found ? cab->sorted[low] : SIZE_MAX;
}

bool msi_package_cabs(struct arena *a, struct msi_package *p, struct budget *budget, struct err *e)
{
    for (size_t i = 0; i < p->cab_count; i++)
        TRY(open_cab(a, p, &p->cabs[i], budget, e));
    for (size_t i = 0; i < p->file_count; i++) {
        struct msi_file *f = &p->files[i];
        if (f->cab != SIZE_MAX && p->cabs[f->cab].cab != NULL)
            f->in_cab = find_in_cab(&p->cabs[f->cab], f->key);
    }
    return true;
}

bool msi_package_apart(const struct msi_package *p, size_t index, struct source *ret, struct err *e)
{
    const struct msi_file *f = &p->files[index];
    bool there = false;
    if (p->around == NULL)
        return err_user(
            e, ERR_MSI_EXTERNAL,
            "\"%.120s\" lies uncompressed beside the installer, as \"%.120s\", where it "
            "is looked for when both are in one ZIP file.",
            f->path, f->apart);
    TRY(p->around->find(p->around->ctx, f->apart, ret, &there, e));
    if (!there)
        return err_user(e, ERR_MSI_EXTERNAL,
                        "\"%.120s\" lies uncompressed beside the installer, but \"%.120s\", seen "
                        "from the folder of the installer, is missing. Add it to the artifact.",
                        f->path, f->apart);
    if (ret->size != (uint64_t)f->size)
        return err_user(e, ERR_MSI_EXTERNAL,
                        "\"%.120s\" beside the installer has %llu bytes, but the database of the "
                        "installer says %d. Build the installer again.",
                        f->apart, (unsigned long long)ret->size, (int)f->size);
    return true;
}

bool msi_package_find(const struct msi_package *p, size_t index, struct cab **ret,
                      size_t *ret_in_cab, struct err *e)
{
    const struct msi_file *f = &p->files[index];
    if (f->cab == SIZE_MAX)
        return err_user(e, ERR_MSI_EXTERNAL,
                        "\"%.160s\" lies on no medium that the installer file names, so it cannot "
                        "be signed in it.",
                        f->path);
    const struct msi_cab *cab = &p->cabs[f->cab];
    if (cab->cab == NULL)
        return err_user(e, cab->problem.code, "\"%.120s\" in \"%.80s\" cannot be read. %.360s",
                        f->path, cab->name == NULL ? "no cabinet" : cab->name, cab->problem.user);
    if (f->in_cab == SIZE_MAX)
        return err_user(e, ERR_MSI_EXTERNAL,
                        "\"%.160s\" is listed in the database of the installer file, but its "
                        "cabinet \"%.80s\" does not hold it. Build the installer with all files "
                        "in embedded cabinets.",
                        f->path, cab->name);
    if (cab->pinned)
        return err_user(e, ERR_MSI_EXTERNAL,
                        "The installer holds the certificate of its cabinet \"%.120s\" (table "
                        "MsiDigitalSignature), so no file in it can be replaced. Build the "
                        "installer without that row.",
                        cab->name);
    *ret = cab->cab;
    *ret_in_cab = f->in_cab;
    return true;
}

/* --- the database after signing --------------------------------------------------------------- */
static uint32_t word_of(const uint8_t bytes[16], size_t i)
{
    struct reader r = {&bytes[4 * i], 4};
    uint32_t value = 0;
    (void)!reader_u32le(&r, &value);
    return value;
}

bool msi_package_tables(const struct msi_package *p, const struct msi_file_facts *facts,
                        size_t count, struct writer ret[2], struct err *e)
{
    writer_reader(&ret[0], p->table.data);
    for (size_t i = 0; i < count; i++) {
        const struct msi_file *f = &p->files[facts[i].index];
        if (facts[i].size > INT32_MAX ||
            !msi_cell_put(&p->table, &ret[0], f->row, p->size_column, (int32_t)facts[i].size))
            return err_user(e, ERR_FILE_LIMIT,
                            "\"%.200s\" has become too large for the database of the installer "
                            "file.",
                            f->path);
        if (f->hash_row == SIZE_MAX)
            continue;
        if (ret[1].len == 0)
            writer_reader(&ret[1], p->hashes.data);
        for (size_t k = 0; k < 4; k++)
            if (!msi_cell_put(&p->hashes, &ret[1], f->hash_row, p->hash_columns[k],
                              (int32_t)word_of(facts[i].md5, k)))
                return msi_bad(e, "the columns of the table MsiFileHash are too narrow");
    }
    return writer_ok(&ret[0], e) && writer_ok(&ret[1], e);
}
