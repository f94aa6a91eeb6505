/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/receipt.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "ipc/messages.h"
#include <stdio.h>

static bool malformed(struct err *e)
{
    return err_set(e, ERR_INTERNAL, "records of plan or findings");
}

static bool write_pairs(struct json *j, const char *key, struct reader list, struct err *e)
{
    json_open_array(j, key);
    while (list.left > 0) {
        struct record_PAIR p;
        if (!record_PAIR_next(&list, &p))
            return malformed(e);
        json_open_object(j, NULL);
        json_bytes(j, "name", p.name);
        json_bytes(j, "value", p.value);
        json_end_object(j);
    }
    json_end_array(j);
    return true;
}

static void write_algorithm(struct json *j, uint32_t algorithm)
{
    static const char *const schemes[] = {"", "rsa-pkcs1", "rsa-pss", "ecdsa", "ed25519"};
    char text[64];
    const char *hash = hash_name(sign_hash(algorithm));
    enum scheme scheme = sign_scheme(algorithm);
    (void)snprintf(text, sizeof text, "%s-%s",
                   (size_t)scheme < COUNT_OF(schemes) ? schemes[scheme] : "?",
                   hash != NULL ? hash : "?");
    json_text(j, "algorithm", text);
}

static void write_found(struct json *j, const struct record_FOUND *f)
{
    json_open_object(j, NULL);
    json_u64(j, "slot", f->slot);
    write_algorithm(j, f->algorithm);
    json_hex(j, "signedDigest", f->digest.at, f->digest.left);
    json_hex(j, "certificateSha256", f->certificate.at, f->certificate.left);
    if (f->stamped > 0) {
        char iso[25];
        clock_iso((int64_t)f->stamped * 1000, iso);
        json_text(j, "timestamp", iso);
    } else {
        json_put_null(j, "timestamp");
    }
    json_bytes(j, "path", f->path);
    json_hex(j, "sha256", f->sha256.at, f->sha256.left);
    json_end_object(j);
}

/* A verify worker is not believed about the calendar either: four-digit years are what is shown. */
static const uint64_t last_second = UINT64_C(253402300799);

/* The findings of one item: its slots come next, because both lists are by slot. */
static bool write_signatures(struct json *j, const struct record_PLAN_ITEM *item,
                             struct reader *found, struct err *e)
{
    json_open_array(j, "signatures");
    for (uint32_t i = 0; i < item->slots; i++) {
        struct record_FOUND f;
        if (!record_FOUND_next(found, &f) || f.slot != item->slot + i || f.stamped > last_second)
            return malformed(e);
        write_found(j, &f);
    }
    json_end_array(j);
    return true;
}

static bool write_item(struct json *j, const struct record_PLAN_ITEM *item, bool verified,
                       struct reader *found, struct err *e)
{
    json_open_object(j, NULL);
    json_bytes(j, "path", item->path);
    json_bytes(j, "format", item->format);
    json_bytes(j, "directive", item->directive);
    TRY(write_pairs(j, "attributes", item->attributes, e));
    json_hex(j, "sha256", item->sha256.at, item->sha256.left);
    json_u64(j, "size", item->size);
    json_u64(j, "slot", item->slot);
    json_u64(j, "slots", item->slots);
    json_u64(j, "line", item->line);
    if (item->output.left > 0)
        json_bytes(j, "output", item->output);
    TRY(write_pairs(j, "facts", item->facts, e));
    if (verified)
        TRY(write_signatures(j, item, found, e));
    json_end_object(j);
    return true;
}

bool receipt_files(struct json *j, struct reader plan, struct reader found, struct err *e)
{
    uint64_t signed_items = 0, verified_items = 0, slots = 0;
    bool verified = found.left > 0;
    json_open_array(j, "files");
    while (plan.left > 0) {
        struct record_PLAN_ITEM item;
        if (!record_PLAN_ITEM_next(&plan, &item))
            return malformed(e);
        TRY(write_item(j, &item, verified, &found, e));
        signed_items += item.slots > 0;
        verified_items += item.slots == 0;
        slots += item.slots;
    }
    json_end_array(j);
    json_u64(j, "toSign", signed_items);
    json_u64(j, "toVerify", verified_items);
    json_u64(j, "signatures", slots);
    return found.left == 0 || malformed(e);
}

static void write_file(struct json *j, const char *key, struct reader sha256, uint64_t size)
{
    json_open_object(j, key);
    json_hex(j, "sha256", sha256.at, sha256.left);
    json_u64(j, "size", size);
    json_end_object(j);
}

bool receipt_write(struct writer *w, const struct receipt *r, struct err *e)
{
    struct json j = json_into(w);
    char iso[25];
    clock_iso(r->time_ms, iso);
    json_open_object(&j, NULL);
    json_text(&j, "type", "chancery-receipt-1");
    json_text(&j, "artifact", r->name);
    json_text(&j, "time", iso);
    write_file(&j, "input", r->input_sha256, r->input_size);
    write_file(&j, "output", r->output_sha256, r->output_size);
    json_open_array(&j, "certificates");
    for (size_t i = 0; i < r->chain_count; i++) {
        struct digest_value v;
        TRY(digest_of(HASH_SHA256, r->chain[i], &v, e));
        json_hex(&j, NULL, v.bytes, v.len);
    }
    json_end_array(&j);
    json_bool(&j, "verified", r->found.left > 0);
    TRY(receipt_files(&j, r->plan, r->found, e));
    if (r->more.left > 0)
        json_raw(&j, "service", r->more);
    json_end_object(&j);
    writer_u8(w, '\n');
    return writer_ok(w, e);
}
