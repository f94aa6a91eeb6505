/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/source.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool source_file(int fd, struct source *ret, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(e, "fstat");
    if (!S_ISREG(st.st_mode))
        return err_user(e, ERR_FILE_TYPE, "This is not a regular file.");
    *ret = source_range(fd, 0, (uint64_t)st.st_size);
    return true;
}

struct source source_range(int fd, uint64_t offset, uint64_t size)
{
    return (struct source){.fd = fd, .offset = offset, .size = size};
}

struct source source_memory(struct reader bytes)
{
    static const uint8_t nothing[1]; /* arithmetic on NULL is undefined even for empty ranges */
    return (struct source){
        .fd = -1, .mem = bytes.at == NULL ? nothing : bytes.at, .size = bytes.left};
}

struct source source_scattered(int fd, const struct source_piece *pieces, size_t count)
{
    const struct source_piece *last = count == 0 ? NULL : &pieces[count - 1];
    return (struct source){.fd = fd,
                           .size = last == NULL ? 0 : last->from + last->size,
                           .pieces = pieces,
                           .piece_count = count};
}

bool source_slice(const struct source *s, uint64_t offset, uint64_t size, struct source *ret,
                  struct err *e)
{
    if (offset > s->size || size > s->size - offset)
        return err_set(e, ERR_FILE_TRUNCATED, "%llu bytes at %llu of %llu",
                       (unsigned long long)size, (unsigned long long)offset,
                       (unsigned long long)s->size);
    struct source part = *s;
    part.offset += offset;
    part.size = size;
    *ret = part;
    return true;
}

static bool read_fully(int fd, uint64_t offset, uint8_t *to, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t got = fault_now() ? (errno = EIO, -1) : pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, "pread");
        if (got == 0)
            return err_set(e, ERR_FILE_TRUNCATED, "file shrank at %llu",
                           (unsigned long long)offset);
        to += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* The piece that holds the byte at `offset`, which is inside. */
static const struct source_piece *piece_at(const struct source *s, uint64_t offset)
{
    size_t low = 0, high = s->piece_count;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (s->pieces[middle].from <= offset)
            low = middle;
        else
            high = middle;
    }
    return &s->pieces[low];
}

/* n bytes at `offset` of the file, or of what the pieces make up. */
static bool read_part(const struct source *s, uint64_t offset, uint8_t *to, size_t n, struct err *e)
{
    if (s->pieces == NULL)
        return read_fully(s->fd, offset, to, n, e);
    for (const struct source_piece *p = n == 0 ? NULL : piece_at(s, offset); n > 0; p++) {
        uint64_t skip = offset - p->from, room = p->size - skip;
        size_t part = n < room ? n : (size_t)room;
        TRY(read_fully(s->fd, p->at + skip, to, part, e));
        to += part;
        offset += part;
        n -= part;
    }
    return true;
}

bool source_read(const struct source *s, uint64_t offset, void *to, size_t n, struct err *e)
{
    struct source part;
    TRY(source_slice(s, offset, n, &part, e));
    if (part.fd >= 0)
        return read_part(&part, part.offset, to, n, e);
    if (n > 0)
        memcpy(to, part.mem + part.offset, n);
    return true;
}

bool source_load(struct arena *a, const struct source *s, uint64_t offset, size_t n,
                 struct reader *ret, struct err *e)
{
    struct source part;
    TRY(source_slice(s, offset, n, &part, e));
    if (part.fd < 0) {
        *ret = reader_over(part.mem + part.offset, n);
        return true;
    }
    uint8_t *to = arena_alloc(a, n);
    if (to == NULL)
        return err_set(e, ERR_FILE_LIMIT, "a part of %zu bytes does not fit in memory", n);
    TRY(read_part(&part, part.offset, to, n, e));
    *ret = reader_over(to, n);
    return true;
}

bool source_head(struct arena *a, const struct source *s, size_t n, struct reader *ret,
                 struct err *e)
{
    return source_load(a, s, 0, s->size < n ? (size_t)s->size : n, ret, e);
}

bool source_each(const struct source *s, source_each_fn each, void *ctx, struct err *e)
{
    if (s->fd < 0)
        return s->size == 0 || each(ctx, reader_over(s->mem + s->offset, (size_t)s->size), e);
    uint8_t *buffer = malloc(SOURCE_BUFFER);
    if (buffer == NULL)
        return err_set(e, ERR_NO_MEMORY, "buffer");
    bool ok = true;
    for (uint64_t done = 0; ok && done < s->size;) {
        /* Up to the next multiple, so that all pieces but the first begin where a page does:
         * whoever writes them on at the same offset writes whole pages. */
        size_t n = SOURCE_BUFFER - (size_t)((s->offset + done) % SOURCE_BUFFER);
        if (s->size - done < n)
            n = (size_t)(s->size - done);
        ok = read_part(s, s->offset + done, buffer, n, e) && each(ctx, reader_over(buffer, n), e);
        done += n;
    }
    free(buffer);
    return ok;
}

struct sink sink_file(int fd, uint64_t base, uint64_t limit)
{
    return (struct sink){.fd = fd, .base = base, .limit = limit};
}

struct sink sink_memory(struct writer *w)
{
    return (struct sink){.fd = -1, .mem = w, .base = w->len, .limit = UINT64_MAX};
}

struct sink sink_discard(void)
{
    return (struct sink){.fd = -1, .limit = UINT64_MAX};
}

static bool write_fully(int fd, uint64_t offset, const uint8_t *from, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t put = fault_now() ? (errno = ENOSPC, -1) : pwrite(fd, from, n, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(e, "pwrite");
        from += put;
        offset += (uint64_t)put;
        n -= (size_t)put;
    }
    return true;
}

bool sink_write(struct sink *k, const void *data, size_t n, struct err *e)
{
    if (n > k->limit - k->used)
        return err_set(e, ERR_FILE_LIMIT, "output limit %llu", (unsigned long long)k->limit);
    if (k->fd >= 0) {
        TRY(write_fully(k->fd, k->base + k->used, data, n, e));
    } else if (k->mem != NULL) {
        writer_bytes(k->mem, data, n);
        TRY(writer_ok(k->mem, e));
    }
    k->used += n;
    if (k->tee != NULL && n > 0)
        k->tee(k->tee_ctx, reader_over(data, n));
    return true;
}

bool sink_reader(struct sink *k, struct reader bytes, struct err *e)
{
    return sink_write(k, bytes.at, bytes.left, e);
}

bool sink_zeros(struct sink *k, uint64_t n, struct err *e)
{
    static const uint8_t zeros[4096];
    for (; n > sizeof zeros; n -= sizeof zeros)
        TRY(sink_write(k, zeros, sizeof zeros, e));
    return sink_write(k, zeros, (size_t)n, e);
}

static bool append_piece(void *ctx, struct reader piece, struct err *e)
{
    struct sink *k = ctx;
    return sink_write(k, piece.at, piece.left, e);
}

bool sink_source(struct sink *k, const struct source *s, struct err *e)
{
    return source_each(s, append_piece, k, e);
}

bool sink_patch(struct sink *k, uint64_t offset, const void *data, size_t n, struct err *e)
{
    if (offset > k->used || n > k->used - offset)
        return err_set(e, ERR_INTERNAL, "patch outside of the output");
    if (k->fd >= 0)
        return write_fully(k->fd, k->base + offset, data, n, e);
    if (k->mem == NULL)
        return true;
    writer_patch(k->mem, (size_t)(k->base + offset), data, n);
    return writer_ok(k->mem, e);
}

bool sink_cut(struct sink *k, uint64_t used, struct err *e)
{
    if (used > k->used || k->tee != NULL)
        return err_set(e, ERR_INTERNAL, "output of %llu bytes cut at %llu",
                       (unsigned long long)k->used, (unsigned long long)used);
    if (k->fd < 0 && k->mem != NULL)
        k->mem->len = (size_t)(k->base + used);
    k->used = used;
    return true;
}

struct source sink_view(const struct sink *k)
{
    if (k->fd >= 0)
        return source_range(k->fd, k->base, k->used);
    if (k->mem == NULL)
        return source_memory((struct reader){0});
    struct reader all = writer_view(k->mem);
    struct source whole = source_memory(all);
    whole.offset = k->base;
    whole.size = k->used;
    return whole;
}
