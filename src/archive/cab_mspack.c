/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/cab_internal.h"
#include <mspack.h>
#include <stdlib.h>
#include <string.h>

/* LZX and Quantum through libmspack, which is given functions that read the source and hand on
 * what comes out; it opens no file. */
struct port {
    struct mspack_system system; /* first: libmspack hands a pointer to it back */
    const struct source *in;
    source_each_fn each;
    void *ctx;
    struct err err; /* of reading or of `each` */
};
struct handle {
    struct mspack_file file; /* first: libmspack knows no more of it */
    struct port *port;
    bool writes;
    uint64_t at;
};

static struct handle *handle(struct mspack_file *f)
{
    return (struct handle *)(void *)f;
}

static struct mspack_file *port_open(struct mspack_system *self, const char *name, int mode)
{
    (void)name;
    struct handle *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->port = (struct port *)(void *)self;
    h->writes = mode == MSPACK_SYS_OPEN_WRITE;
    return &h->file;
}

static void port_close(struct mspack_file *f)
{
    free(handle(f));
}

static int port_read(struct mspack_file *f, void *to, int n)
{
    struct handle *h = handle(f);
    uint64_t left = h->port->in->size - h->at;
    size_t want = (uint64_t)n < left ? (size_t)n : (size_t)left;
    if (n < 0 || h->writes || !source_read(h->port->in, h->at, to, want, &h->port->err))
        return -1;
    h->at += want;
    return (int)want;
}

static int port_write(struct mspack_file *f, void *from, int n)
{
    struct handle *h = handle(f);
    if (n < 0 || !h->writes ||
        !h->port->each(h->port->ctx, reader_over(from, (size_t)n), &h->port->err))
        return -1;
    return n;
}

static int port_seek(struct mspack_file *f, off_t offset, int mode)
{
    struct handle *h = handle(f);
    int64_t from = mode == MSPACK_SYS_SEEK_CUR   ? (int64_t)h->at
                   : mode == MSPACK_SYS_SEEK_END ? (int64_t)h->port->in->size
                                                 : 0;
    int64_t to;
    if (__builtin_add_overflow(from, (int64_t)offset, &to) || to < 0 ||
        (uint64_t)to > h->port->in->size)
        return -1;
    h->at = (uint64_t)to;
    return 0;
}

static off_t port_tell(struct mspack_file *f)
{
    struct handle *h = handle(f);
    return (off_t)h->at;
}

static void port_message(struct mspack_file *f, const char *format, ...)
{
    (void)f;
    (void)format;
}

static void *port_alloc(struct mspack_system *self, size_t n)
{
    (void)self;
    return calloc(1, n == 0 ? 1 : n);
}

static void port_free(void *p)
{
    free(p);
}

static void port_copy(void *from, void *to, size_t n)
{
    struct reader r = reader_over(from, n);
    (void)!reader_copy(&r, to, n);
}

static bool failed(const struct port *p, int code, struct err *e)
{
    if (p->err.code != ERR_NONE) {
        *e = p->err;
        return false;
    }
    if (code == MSPACK_ERR_NOMEMORY)
        return err_set(e, ERR_NO_MEMORY, "libmspack");
    return cab_bad(e, "compressed data is damaged (decoder error %d)", code);
}

/* libmspack's records by place in the table, where the file is the same for both readers. */
static struct mscabd_file **list_files(struct mscabd_cabinet *cabinet, const struct cab *c)
{
    struct mscabd_file **list = calloc(c->file_count + 1, sizeof *list), *f = cabinet->files;
    for (size_t i = 0; list != NULL && f != NULL && i < c->file_count; i++, f = f->next)
        if (f->length == c->files[i].size && f->offset == c->files[i].offset)
            list[i] = f;
    return list;
}

static bool extract(struct mscab_decompressor *d, struct mscabd_file *f, struct port *p,
                    struct err *e)
{
    if (f == NULL)
        return cab_bad(e, "two readers see different files in it");
    int code = f->length == 0 ? MSPACK_ERR_OK : d->extract(d, f, "output");
    return code == MSPACK_ERR_OK || failed(p, code, e);
}

static bool extract_all(struct mscab_decompressor *d, struct mscabd_cabinet *cabinet,
                        const struct cab *c, struct port *p, size_t first, size_t count,
                        struct err *e)
{
    struct mscabd_file **list = list_files(cabinet, c);
    bool ok = list != NULL || err_set(e, ERR_NO_MEMORY, "files of a cabinet");
    for (size_t i = 0; ok && i < count; i++)
        ok = extract(d, list[c->order[first + i]], p, e);
    free(list);
    return ok;
}

bool cab_expand_foreign(const struct cab *c, size_t first, size_t count, source_each_fn each,
                        void *ctx, struct err *e)
{
    struct source body = c->in;
    body.size = c->end;
    struct port p = {.system = {.open = port_open,
                                .close = port_close,
                                .read = port_read,
                                .write = port_write,
                                .seek = port_seek,
                                .tell = port_tell,
                                .message = port_message,
                                .alloc = port_alloc,
                                .free = port_free,
                                .copy = port_copy},
                     .in = &body,
                     .each = each,
                     .ctx = ctx};
    struct mscab_decompressor *d = mspack_create_cab_decompressor(&p.system);
    if (d == NULL)
        return err_set(e, ERR_NO_MEMORY, "libmspack");
    struct mscabd_cabinet *cabinet = d->open(d, "input");
    bool ok = cabinet != NULL || failed(&p, d->last_error(d), e);
    ok = ok && extract_all(d, cabinet, c, &p, first, count, e);
    if (cabinet != NULL)
        d->close(d, cabinet);
    mspack_destroy_cab_decompressor(d);
    return ok;
}
