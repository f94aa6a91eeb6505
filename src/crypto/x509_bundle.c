/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/cms.h"
#include "crypto/x509.h"
#include <string.h>

struct list {
    struct arena *arena;
    struct reader *items;
    size_t count, room;
};

static bool add(struct list *l, struct reader der, struct err *e)
{
    struct certificate c;
    TRY(certificate_parse(l->arena, der, &c, e));
    if (l->count == BUNDLE_MAX)
        return err_user(e, ERR_CERTIFICATE, "The file holds more than %d certificates.",
                        BUNDLE_MAX);
    if (l->count == l->room) {
        size_t room = l->room == 0 ? 8 : 2 * l->room;
        struct reader *items = arena_grow(l->arena, l->items, l->count, room, sizeof *items);
        if (items == NULL)
            return arena_err(e);
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = der;
    return true;
}

/* A certificate begins with SEQUENCE SEQUENCE, a PKCS#7 message with SEQUENCE OBJECT IDENTIFIER. */
static bool add_der(struct list *l, struct reader der, struct err *e)
{
    struct reader outer;
    struct cms message;
    if (!der_only(der, DER_SEQUENCE, &outer))
        return err_user(e, ERR_CERTIFICATE,
                        "This is not a certificate file. Possible are PEM, DER and PKCS#7 (.p7b).");
    if (!der_next_is(outer, DER_OID))
        return add(l, der, e);
    TRY(cms_parse(l->arena, der, &message, e));
    for (size_t i = 0; i < message.certificate_count; i++)
        TRY(add(l, message.certificates[i], e));
    return true;
}

static bool block_kind_allowed(struct reader label, struct err *e)
{
    static const char *const allowed[] = {"CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS"};
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if (reader_equal_text(label, allowed[i]))
            return true;
    if (reader_find(label, 0, "PRIVATE KEY", 11) != SIZE_MAX)
        return err_user(e, ERR_CERTIFICATE,
                        "The file holds a private key. Only certificates "
                        "belong here; treat this key as exposed.");
    return err_user(e, ERR_CERTIFICATE,
                    "The file holds a PEM block \"%.*s\", which is not a "
                    "certificate.",
                    (int)(label.left > 40 ? 40 : label.left), (const char *)label.at);
}

static const char begin[] = "-----BEGIN ", dashes[] = "-----", end[] = "-----END ";

/* One block at `from`; *ret_next is behind it. RFC 7468; text between blocks is explanation. */
static bool add_block(struct list *l, struct reader file, size_t from, size_t *ret_next,
                      struct err *e)
{
    struct reader label, body, closing, der;
    size_t start = from + strlen(begin);
    size_t label_end = reader_find(file, start, dashes, strlen(dashes));
    size_t body_end =
        label_end == SIZE_MAX ? SIZE_MAX : reader_find(file, label_end, end, strlen(end));
    if (body_end == SIZE_MAX || !reader_slice(file, start, label_end - start, &label))
        return err_user(e, ERR_CERTIFICATE, "A PEM block of the file does not end.");
    TRY(block_kind_allowed(label, e));
    size_t body_start = label_end + strlen(dashes), label_again = body_end + strlen(end);
    if (!reader_slice(file, body_start, body_end - body_start, &body) ||
        !reader_slice(file, label_again, label.left, &closing) || !reader_equal(label, closing) ||
        !text_unbase64(l->arena, body, &der))
        return arena_failed(l->arena)
                   ? arena_err(e)
                   : err_user(e, ERR_CERTIFICATE, "A PEM block of the file is damaged.");
    *ret_next = label_again + label.left;
    return add_der(l, der, e);
}

bool certificates_read(struct arena *a, struct reader file, struct reader **ret, size_t *ret_count,
                       struct err *e)
{
    struct list l = {.arena = a};
    if (file.left > CMS_BYTES)
        return err_user(e, ERR_CERTIFICATE, "The file is too large for certificates.");
    size_t at = reader_find(file, 0, begin, strlen(begin));
    if (at == SIZE_MAX)
        TRY(add_der(&l, file, e));
    for (; at != SIZE_MAX; at = reader_find(file, at, begin, strlen(begin)))
        TRY(add_block(&l, file, at, &at, e));
    if (l.count == 0)
        return err_user(e, ERR_CERTIFICATE, "The file holds no certificate.");
    *ret = l.items;
    *ret_count = l.count;
    return true;
}
