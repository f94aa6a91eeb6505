/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/judge.h"
#include "crypto/testkit.h"
#include <stdio.h>
#include <string.h>

/* Certificates of an authority of our own, made by openssl(1). */
#define CA    "keyUsage=critical,keyCertSign\\nbasicConstraints=critical,CA:TRUE"
#define CODE  "keyUsage=critical,digitalSignature\\nextendedKeyUsage=codeSigning\\n"
#define STAMP "keyUsage=critical,digitalSignature\\nextendedKeyUsage=critical,timeStamping\\n"
#define LONG  "20200101000000Z", "20400101000000Z"
#define OLD   "20200101000000Z", "20210101000000Z"
enum { NOW = TESTKIT_TIME, IN_OLD = 1600000000 /* 2020-09-13 */, IN_2015 = 1430000000 };

/* clang-format off */
static const struct {
    const char *name, *issuer, *from, *to, *extensions;
} issued[] = {
    {"root",     "root",     LONG, CA "\\n"},
    {"stranger", "stranger", LONG, CA "\\n"},
    {"issuing",  "root",     LONG, CA "\\n"},
    {"capped",   "root",     LONG, CA ",pathlen:0\\n"},
    {"below",    "capped",   LONG, CA "\\n"},
    {"narrow",   "root",     LONG, CA "\\nnameConstraints=critical,excluded;dirName:out\\n[out]\\nO=Tests\\n"},
    {"webca",    "root",     LONG, CA "\\nextendedKeyUsage=serverAuth\\n"},
    {"good",     "issuing",  LONG, CODE},
    {"old",      "issuing",  OLD,  CODE},
    {"lifetime", "issuing",  OLD,  "extendedKeyUsage=codeSigning,1.3.6.1.4.1.311.10.3.13\\n"},
    {"web",      "issuing",  LONG, "extendedKeyUsage=serverAuth\\n"},
    {"agrees",   "issuing",  LONG, "keyUsage=critical,keyAgreement\\nextendedKeyUsage=codeSigning\\n"},
    {"weak",     "issuing",  LONG, CODE}, /* RSA 1024 */
    {"fair",     "issuing",  LONG, CODE}, /* RSA 2048 */
    {"foreign",  "stranger", LONG, CODE},
    {"deep",     "below",    LONG, CODE},
    {"barred",   "narrow",   LONG, CODE},
    {"misled",   "webca",    LONG, CODE},
    {"byleaf",   "good",     LONG, CODE},
    {"stamper",  "issuing",  OLD,  STAMP},
    {"liar",     "stranger", LONG, STAMP},
};

/* signer: the leaf; with: issuers that the signature holds; wrong: what the refusal says. */
static const struct {
    const char *what, *signer, *with[3], *stamper;
    int64_t stamped;
    enum hash hash;
    const char *wrong;
} cases[] = {
    {"trusted",                         "good",     {"issuing"},          NULL,      0,       HASH_SHA256, NULL},
    {"with its root, and junk",         "good",     {"root", "web", "issuing"}, NULL, 0,      HASH_SHA256, NULL},
    {"the root itself",                 "root",     {NULL},               NULL,      0,       HASH_SHA256, "not for signatures"},
    {"issuer not sent",                 "good",     {NULL},               NULL,      0,       HASH_SHA256, "issuer certificate"},
    {"another root",                    "foreign",  {"stranger"},         NULL,      0,       HASH_SHA256, "self-signed certificate"},
    {"expired",                         "old",      {"issuing"},          NULL,      0,       HASH_SHA256, "expired"},
    {"stamped before it expired",       "old",      {"issuing"},          "stamper", IN_OLD,  HASH_SHA256, NULL},
    {"stamped when it had expired",     "old",      {"issuing"},          "stamper", NOW,     HASH_SHA256, "expired"},
    {"stamped by a stranger",           "old",      {"issuing"},          "liar",    IN_OLD,  HASH_SHA256, "time stamp is not trusted"},
    {"a stranger's stamp harms nobody", "good",     {"issuing"},          "liar",    IN_OLD,  HASH_SHA256, NULL},
    {"stamped by a signer",             "old",      {"issuing"},          "good",    IN_OLD,  HASH_SHA256, "time stamp is not trusted"},
    {"stamped tomorrow and later",      "old",      {"issuing"},          "liar",    NOW + 200000, HASH_SHA256, "future"},
    {"stamped before its certificate",  "good",     {"issuing"},          "stamper", IN_2015, HASH_SHA256, NULL},
    {"lifetime signing",                "lifetime", {"issuing"},          "stamper", IN_OLD,  HASH_SHA256, "expired"},
    {"for web servers",                 "web",      {"issuing"},          NULL,      0,       HASH_SHA256, "extended key usage"},
    {"issuer for web servers",          "misled",   {"webca"},            NULL,      0,       HASH_SHA256, "extended key usage"},
    {"for key agreement",               "agrees",   {"issuing"},          NULL,      0,       HASH_SHA256, "not for signatures"},
    {"RSA 1024",                        "weak",     {"issuing"},          NULL,      0,       HASH_SHA256, "1024 bits"},
    {"RSA 2048",                        "fair",     {"issuing"},          NULL,      0,       HASH_SHA256, NULL},
    {"path length",                     "deep",     {"below", "capped"},  NULL,      0,       HASH_SHA256, "path length"},
    {"name constraints",                "barred",   {"narrow"},           NULL,      0,       HASH_SHA256, "subtree"},
    {"issued by a leaf",                "byleaf",   {"good", "issuing"},  NULL,      0,       HASH_SHA256, "chain is not valid"},
    {"MD5",                             "good",     {"issuing"},          NULL,      0,       HASH_MD5,    "MD5"},
    {"SHA-1 today",                     "good",     {"issuing"},          NULL,      0,       HASH_SHA1,   "SHA-1"},
    {"SHA-1 stamped after 2015",        "old",      {"issuing"},          "stamper", IN_OLD,  HASH_SHA1,   "SHA-1"},
};
/* clang-format on */

static struct testkit kit;

static void issue(const char *name, const char *issuer, const char *from, const char *to,
                  const char *extensions)
{
    static const char config[] =
        "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = x\n[here]\n"
        "database = index.txt\nnew_certs_dir = .\npolicy = any\nunique_subject = no\n"
        "rand_serial = yes\n[any]\norganizationName = optional\ncommonName = supplied\n";
    const char *key = strcmp(name, "weak") == 0   ? "rsa:1024"
                      : strcmp(name, "fair") == 0 ? "rsa:2048"
                                                  : "ec -pkeyopt ec_paramgen_curve:P-256";
    bool self = strcmp(name, issuer) == 0;
    testkit_write("ca.cnf", reader_text(config));
    testkit_write("index.txt", (struct reader){0});
    bool ok = testkit_run("printf '[e]\\n%s' > %s.ext", extensions, name) &&
              testkit_run("openssl req -new -newkey %s -nodes -keyout %s.key -out %s.csr "
                          "-subj '/O=Tests/CN=%s' -config ca.cnf",
                          key, name, name, name) &&
              testkit_run("openssl ca -batch -config ca.cnf -name here %s%s%s -keyfile %s.key "
                          "-in %s.csr -out %s.pem -startdate %s -enddate %s -extfile %s.ext "
                          "-extensions e -notext -md sha256",
                          self ? "-selfsign" : "-cert ", self ? "" : issuer, self ? "" : ".pem",
                          issuer, name, name, from, to, name);
    if (!ok)
        fail_msg("%s was not issued: %.*s", name, 2000,
                 (const char *)testkit_read(kit.arena, "log").at);
}

static struct reader load(const char *name)
{
    char file[64];
    struct err e = {0};
    struct reader *list;
    size_t count;
    (void)snprintf(file, sizeof file, "%s.pem", name);
    if (!certificates_read(kit.arena, testkit_read(kit.arena, file), &list, &count, &e))
        fail_msg("%s: %s", name, e.user);
    return list[0];
}

static int make(void **state)
{
    (void)state;
    testkit_init(&kit, "ec-p256", false);
    for (size_t i = 0; i < COUNT_OF(issued); i++)
        issue(issued[i].name, issued[i].issuer, issued[i].from, issued[i].to, issued[i].extensions);
    return 0;
}

static int done(void **state)
{
    (void)state;
    testkit_done(&kit);
    return 0;
}

/* The signature that row i describes, and the judgement over it. */
static bool judged(size_t i, const struct root_store *store, struct err *e)
{
    struct reader chain[4] = {load(cases[i].signer)}, stampers[2];
    struct signature s = {.intact = true,
                          .content_hash = cases[i].hash,
                          .certificates = chain,
                          .certificate_count = 1,
                          .stamped = cases[i].stamper != NULL,
                          .stamp_time = cases[i].stamped,
                          .stamp_certificates = stampers};
    for (size_t k = 0; k < COUNT_OF(cases[i].with) && cases[i].with[k] != NULL; k++)
        chain[s.certificate_count++] = load(cases[i].with[k]);
    if (s.stamped) {
        stampers[s.stamp_certificate_count++] = load(cases[i].stamper);
        stampers[s.stamp_certificate_count++] = load("issuing");
    }
    return signature_judge(kit.arena, &s, &(struct judging){store, NOW}, e);
}

static void test_signature_judge__each_rule(void **state)
{
    struct reader root = load("root");
    struct root_store *store;
    struct err e = {0};
    (void)state;
    assert_true(root_store_new(&root, 1, &store, &e));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err why = {0};
        bool good = judged(i, store, &why);
        if (good != (cases[i].wrong == NULL))
            fail_msg("%s: %s", cases[i].what, good ? "trusted" : why.user);
        if (!good && strstr(why.user, cases[i].wrong) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].what, why.user, cases[i].wrong);
    }
    root_store_free(store);
}

static void test_signature_judge__broken_or_bare(void **state)
{
    struct reader root = load("root");
    struct root_store *store;
    struct err e = {0}, broken = {0}, bare = {0};
    struct signature s = {.problem = "The file was changed after it was signed."};
    (void)state;
    assert_true(root_store_new(&root, 1, &store, &e));
    assert_false(signature_judge(kit.arena, &s, &(struct judging){store, NOW}, &broken));
    assert_string_equal(broken.user, s.problem);
    s.intact = true;
    assert_false(signature_judge(kit.arena, &s, &(struct judging){store, NOW}, &bare));
    assert_int_equal(bare.code, ERR_SIGNATURE);
    root_store_free(store);
}

/* Who is trusted as a root himself needs no chain above. */
static void test_signature_judge__pinned_leaf(void **state)
{
    struct reader leaf = load("foreign");
    struct root_store *store;
    struct err e = {0};
    (void)state;
    struct signature s = {
        .intact = true, .content_hash = HASH_SHA256, .certificates = &leaf, .certificate_count = 1};
    assert_true(root_store_new(&leaf, 1, &store, &e));
    assert_true(signature_judge(kit.arena, &s, &(struct judging){store, NOW}, &e));
    root_store_free(store);
}

int main(void)
{
    if (!testkit_has("openssl")) {
        print_message("SKIPPED openssl(1) is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_judge__each_rule),
        cmocka_unit_test(test_signature_judge__broken_or_bare),
        cmocka_unit_test(test_signature_judge__pinned_leaf),
    };
    return cmocka_run_group_tests(tests, make, done);
}
