/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "crypto/testkit.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/algid.h"
#include "crypto/cms.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct remembered {
    struct remembered *next;
    uint32_t slot;
    bool stamp;
    struct reader asked, answer;
};

static void must(bool ok, const char *what, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "testkit: %s: %s %s\n", what, e->user, e->detail);
    abort();
}

struct reader testkit_certificate(struct arena *a, const struct key *k, const char *common_name,
                                  bool for_stamps)
{
    const struct name_part subject[] = {{"C", "DE"}, {"O", "Chancery tests"}, {"CN", common_name}};
    struct certificate_plan plan = {.subject = subject,
                                    .subject_count = COUNT_OF(subject),
                                    .spki = key_spki(k),
                                    .not_before = TESTKIT_TIME - 86400 * 365,
                                    .not_after = TESTKIT_TIME + 86400 * 3650};
    struct writer tbs, signature, out;
    struct digest_value digest;
    struct err e = {0};
    sign_algorithm algorithm;
    writer_init(&tbs, 8192);
    writer_init(&signature, 2048);
    writer_init(&out, 16384);
    must(key_random(plan.serial, sizeof plan.serial, &e), "serial", &e);
    must(certificate_tbs(&plan, &tbs, &algorithm, &e), "tbs", &e);
    size_t at = reader_find(writer_view(&tbs), 0, oid_bytes(OID_CODE_SIGNING).at, 8);
    if (for_stamps)
        writer_patch(&tbs, at, oid_bytes(OID_TIME_STAMPING).at, 8);
    must(digest_of(sign_hash(algorithm), writer_view(&tbs), &digest, &e), "digest", &e);
    must(key_sign_digest(k, algorithm, digest_view(&digest), &signature, &e), "sign", &e);
    must(certificate_finish(writer_view(&tbs), algorithm, writer_view(&signature), &out, &e),
         "certificate", &e);
    struct reader ret = arena_bytes(a, writer_view(&out));
    writer_done(&tbs);
    writer_done(&signature);
    writer_done(&out);
    return ret;
}

static const struct remembered *recall(const struct testkit *t, bool stamp, uint32_t slot,
                                       struct reader asked)
{
    const struct remembered *m = t->memory;
    while (m != NULL && (m->stamp != stamp || m->slot != slot || !reader_equal(m->asked, asked)))
        m = m->next;
    return m;
}

static void remember(struct testkit *t, bool stamp, uint32_t slot, struct reader asked,
                     struct reader answer)
{
    struct remembered *m = ARENA_NEW(t->arena, struct remembered);
    struct err e = {0};
    must(m != NULL, "memory", &e);
    *m = (struct remembered){t->memory, slot, stamp, arena_bytes(t->arena, asked),
                             arena_bytes(t->arena, answer)};
    t->memory = m;
}

static bool kit_sign(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                     struct writer *signature, struct err *e)
{
    struct testkit *t = ctx;
    t->signed_count++;
    if (t->refuse)
        return err_set(e, ERR_CRYPTO, "the kit was told to refuse");
    const struct remembered *m = recall(t, false, slot, digest);
    if (m == NULL) {
        struct writer w;
        writer_init(&w, 2048);
        bool ok = key_sign_digest(t->key, algorithm, digest, &w, e);
        if (ok)
            remember(t, false, slot, digest, writer_view(&w));
        writer_done(&w);
        TRY(ok);
        m = t->memory;
    }
    writer_reader(signature, m->answer);
    return writer_ok(signature, e);
}

static void put_info(struct writer *w, enum hash hash, struct reader imprint, struct reader nonce,
                     int64_t time)
{
    struct clock_date d = clock_date_of(time);
    struct writer text;
    writer_init(&text, 64);
    writer_format(&text, "%04d%02d%02d%02d%02d%02dZ", d.year, d.month, d.day, d.hour, d.minute,
                  d.second);
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_uint(w, 1);
    der_put_oid_bytes(w, reader_over("\x2a\x03\x04\x05", 4)); /* policy 1.2.3.4.5 */
    size_t field = der_open(w, DER_SEQUENCE);
    algid_put_hash(w, hash, true);
    der_put_octets(w, imprint);
    der_close(w, field);
    der_put_uint(w, 42);
    der_put(w, DER_GENERALIZED_TIME, writer_view(&text));
    if (nonce.left > 0)
        der_put_unsigned(w, nonce);
    der_close(w, at);
    writer_done(&text);
}

/* SigningCertificateV2 with the default hash, so without an identifier of it. */
static void put_binding(struct writer *w, struct reader certificate, struct err *e)
{
    struct digest_value digest;
    must(digest_of(HASH_SHA256, certificate, &digest, e), "digest", e);
    size_t a = der_open(w, DER_SEQUENCE), b = der_open(w, DER_SEQUENCE);
    size_t c = der_open(w, DER_SEQUENCE);
    der_put_octets(w, digest_view(&digest));
    der_close(w, c);
    der_close(w, b);
    der_close(w, a);
}

struct reader testkit_token(struct testkit *t, enum hash hash, struct reader imprint,
                            struct reader nonce, int64_t time)
{
    struct writer info, binding, attributes, signature, out;
    struct digest_value digest, to_sign;
    struct err e = {0};
    writer_init(&info, 1024);
    writer_init(&binding, 256);
    writer_init(&attributes, 1024);
    writer_init(&signature, 1024);
    writer_init(&out, 16384);
    put_info(&info, hash, imprint, nonce, time);
    put_binding(&binding, t->tsa_certificate, &e);
    must(digest_of(HASH_SHA256, writer_view(&info), &digest, &e), "digest", &e);
    struct cms_attribute list[] = {{OID_SIGNING_CERTIFICATE_V2, writer_view(&binding)}};
    const struct cms_plan plan = {.content_type = OID_TST_INFO,
                                  .content = writer_view(&info),
                                  .digest = digest_view(&digest),
                                  .algorithm = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256),
                                  .certificates = &t->tsa_certificate,
                                  .certificate_count = 1,
                                  .attributes = list,
                                  .attribute_count = 1};
    must(cms_to_be_signed(&plan, &attributes, &to_sign, &e), "attributes", &e);
    must(key_sign_digest(t->tsa_key, plan.algorithm, digest_view(&to_sign), &signature, &e), "sign",
         &e);
    must(cms_finish(&plan, writer_view(&attributes), writer_view(&signature), NULL, 0, &out, &e),
         "token", &e);
    struct reader ret = arena_bytes(t->arena, writer_view(&out));
    writer_done(&info);
    writer_done(&binding);
    writer_done(&attributes);
    writer_done(&signature);
    writer_done(&out);
    return ret;
}

static bool kit_stamp(void *ctx, uint32_t slot, enum hash hash, struct reader imprint,
                      struct writer *token, struct err *e)
{
    struct testkit *t = ctx;
    t->stamped_count++;
    if (t->refuse)
        return err_set(e, ERR_STAMP_TOKEN, "the kit was told to refuse");
    const struct remembered *m = recall(t, true, slot, imprint);
    if (m == NULL) {
        remember(t, true, slot, imprint,
                 testkit_token(t, hash, imprint, reader_text("12345678"), t->signer.time));
        m = t->memory;
    }
    writer_reader(token, m->answer);
    return writer_ok(token, e);
}

void testkit_init(struct testkit *t, const char *key_type, bool stamps)
{
    struct err e = {0};
    struct key_type type = {KEY_EC, 256};
    *t = (struct testkit){.arena = arena_new(64 << 20)};
    must(t->arena != NULL && crypto_start(&e), "start", &e);
    must(key_generate(type, &t->tsa_key, &e), "stamp key", &e);
    must(key_type_from_name(key_type, &type) && key_generate(type, &t->key, &e), "key", &e);
    t->certificate = testkit_certificate(t->arena, t->key, "Test signer", false);
    t->tsa_certificate = testkit_certificate(t->arena, t->tsa_key, "Test stamper", true);
    t->signer = (struct signer){.ctx = t,
                                .chain = &t->certificate,
                                .chain_count = 1,
                                .time = TESTKIT_TIME,
                                .stamps = stamps,
                                .sign = kit_sign,
                                .stamp = kit_stamp};
    for (uint8_t i = 0; i < sizeof t->signer.seed; i++)
        t->signer.seed[i] = i;
}

void testkit_done(struct testkit *t)
{
    key_free(t->key);
    key_free(t->tsa_key);
    arena_free(t->arena);
    *t = (struct testkit){0};
}

static char folder[64];

static void remove_folder(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;)
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(folder);
}

const char *testkit_folder(void)
{
    struct err e = {0};
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/tmp/chancery-test-XXXXXX");
        must(mkdtemp(folder) != NULL && atexit(remove_folder) == 0, "folder", &e);
    }
    return folder;
}

void testkit_write(const char *name, struct reader bytes)
{
    struct err e = {0};
    int at = open(testkit_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(file_close) int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && file_write_fd(fd, bytes, &e), name, &e);
    file_close(&at);
}

void testkit_write_pem(const char *name, struct reader certificate)
{
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, "-----BEGIN CERTIFICATE-----\n");
    text_base64(&w, certificate, 64, "\n");
    writer_text(&w, "-----END CERTIFICATE-----\n");
    testkit_write(name, writer_view(&w));
    writer_done(&w);
}

struct reader testkit_read(struct arena *a, const char *name)
{
    struct err e = {0};
    struct reader ret;
    CLEANUP(file_close) int at = open(testkit_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(file_read(at, name, 64 << 20, a, &ret, &e), name, &e);
    return ret;
}

bool testkit_run(const char *fmt, ...)
{
    char *command = NULL, *whole = NULL;
    struct err e = {0};
    va_list ap;
    va_start(ap, fmt);
    must(vasprintf(&command, fmt, ap) >= 0, "command", &e);
    va_end(ap);
    must(asprintf(&whole, "cd %s && { %s\n} >log 2>&1", testkit_folder(), command) >= 0, "command",
         &e);
    int status = system(whole); /* NOLINT: tests only, every word is ours */
    free(command);
    free(whole);
    return status == 0;
}

bool testkit_has(const char *program)
{
    return testkit_run("command -v %s", program);
}
