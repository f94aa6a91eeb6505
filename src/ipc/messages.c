/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/messages.h"
#include "base/text.h"
#include <string.h>

static void write_u8(struct writer *w, uint8_t v)
{
    writer_u8(w, v);
}

static void write_u32(struct writer *w, uint32_t v)
{
    writer_u32le(w, v);
}

static void write_u64(struct writer *w, uint64_t v)
{
    writer_u64le(w, v);
}

static void write_bytes(struct writer *w, struct reader v)
{
    if (v.left > UINT32_MAX)
        w->failed = true;
    writer_u32le(w, (uint32_t)v.left);
    writer_reader(w, v);
}

#define write_text write_bytes
#define write_list write_bytes

static bool read_u8(struct reader *r, uint8_t *ret)
{
    return reader_u8(r, ret);
}

static bool read_u32(struct reader *r, uint32_t *ret)
{
    return reader_u32le(r, ret);
}

static bool read_u64(struct reader *r, uint64_t *ret)
{
    return reader_u64le(r, ret);
}

static bool read_bytes(struct reader *r, struct reader *ret)
{
    uint32_t n;
    return reader_u32le(r, &n) && reader_take(r, n, ret);
}

static bool read_text(struct reader *r, struct reader *ret)
{
    return read_bytes(r, ret) && text_is_utf8(*ret) &&
           (ret->left == 0 || memchr(ret->at, 0, ret->left) == NULL);
}

#define read_list read_bytes

#define PUT(kind, name) write_##kind(w, m->name);
#define GET(kind, name) read_##kind(r, &ret->name) &&

#define R(name)                                                                                    \
    void record_##name##_write(struct writer *w, const struct record_##name *m)                    \
    {                                                                                              \
        name##_FIELDS(PUT)                                                                         \
    }                                                                                              \
    bool record_##name##_next(struct reader *r, struct record_##name *ret)                         \
    {                                                                                              \
        return name##_FIELDS(GET) true;                                                            \
    }
RECORDS(R)
#undef R

#define M(name, from, to, fds)                                                                     \
    void msg_##name##_write(struct writer *w, const struct msg_##name *m)                          \
    {                                                                                              \
        name##_FIELDS(PUT)                                                                         \
    }                                                                                              \
    bool msg_##name##_read(struct reader body, struct msg_##name *ret)                             \
    {                                                                                              \
        struct reader *r = &body;                                                                  \
        return name##_FIELDS(GET) reader_at_end(r);                                                \
    }
MESSAGES(M)
#undef M

static const struct {
    const char *name;
    enum role from, to;
    size_t fds;
} rows[MSG__COUNT] = {
#define M(name, from, to, fds) {#name, ROLE_##from, ROLE_##to, fds},
    MESSAGES(M)
#undef M
};

const char *message_name(enum message_type type)
{
    return type < MSG__COUNT ? rows[type].name : "unknown";
}

const char *role_name(enum role role)
{
    static const char *const names[ROLE__COUNT] = {"any",    "supervisor", "front", "core",
                                                   "worker", "key",        "p11",   "fetch"};
    return role < ROLE__COUNT ? names[role] : "unknown";
}

bool message_allowed(enum message_type type, enum role from, enum role to, size_t fds)
{
    return type < MSG__COUNT && (rows[type].from == from || rows[type].from == ROLE_ANY) &&
           (rows[type].to == to || rows[type].to == ROLE_ANY) && fds <= rows[type].fds;
}

bool message_decodes(enum message_type type, struct reader body)
{
    switch (type) {
#define M(name, from, to, fds)                                                                     \
    case MSG_##name: {                                                                             \
        struct msg_##name m;                                                                       \
        return msg_##name##_read(body, &m);                                                        \
    }
        MESSAGES(M)
#undef M
    case MSG__COUNT:
        break;
    }
    return false;
}
