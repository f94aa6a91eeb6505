/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include "formats/testkit.h"
#include <string.h>

static const char directive[] = "clickonce-sign";
static struct testkit kit;

#define HEAD                                                                                       \
    "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<asmv1:assembly "                   \
    "manifestVersion=\"1.0\" xmlns:asmv1=\"urn:schemas-microsoft-com:asm.v1\" "                    \
    "xmlns=\"urn:schemas-microsoft-com:asm.v2\" "                                                  \
    "xmlns:dsig=\"http://www.w3.org/2000/09/xmldsig#\">\r\n"                                       \
    "  <asmv1:assemblyIdentity name=\"App &amp; more.exe\" version=\"1.0.0.0\" "                   \
    "publicKeyToken=\"0000000000000000\" language=\"neutral\" />\r\n"
#define HASH                                                                                       \
    "<hash><dsig:Transforms><dsig:Transform "                                                      \
    "Algorithm=\"urn:schemas-microsoft-com:HashTransforms.Identity\" /></dsig:Transforms>"         \
    "<dsig:DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha256\" />"                 \
    "<dsig:DigestValue>AAAA</dsig:DigestValue></hash>"
#define TAIL "</asmv1:assembly>\r\n"

static const char application[] = HEAD
    "  <!-- kept --><application />\r\n"
    "  <dependency><dependentAssembly dependencyType=\"install\" codebase=\"bin\\App.exe\" "
    "size=\"1\"><assemblyIdentity name=\"App\" version=\"1.0.0.0\" />" HASH
    "</dependentAssembly></dependency>\r\n"
    "  <dependency><dependentAssembly dependencyType=\"preRequisite\">"
    "<assemblyIdentity name=\"Runtime\" version=\"4.0\" /></dependentAssembly></dependency>\r\n"
    "  <file name=\"a.config\">" HASH "</file>\r\n" TAIL;
static const char deployment[] =
    HEAD "  <deployment install=\"true\" mapFileExtensions=\"true\" />\r\n"
         "  <dependency><dependentAssembly dependencyType=\"install\" "
         "codebase=\"v1\\App.exe.manifest\" size=\"1\"><assemblyIdentity name=\"App\" "
         "version=\"1.0.0.0\" publicKeyToken=\"0000000000000000\" />" HASH
         "</dependentAssembly></dependency>\r\n" TAIL;

/* --- files around ----------------------------------------------------------------------------- */

struct pair {
    const char *path;
    struct reader content;
};

static bool find_file(void *ctx, const char *path, struct source *ret, bool *ret_found,
                      struct err *e)
{
    (void)e;
    *ret_found = false;
    for (const struct pair *p = ctx; p->path != NULL; p++)
        if (strcmp(p->path, path) == 0) {
            *ret = source_memory(p->content);
            *ret_found = true;
        }
    return true;
}

static bool sign_around(struct reader in, struct pair *files, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer out = {0};
    const struct source from = source_memory(in);
    const struct surroundings around = {files, find_file};
    writer_init(&out, 1 << 20);
    struct sink to = sink_memory(&out);
    const struct sign_job job = {.arena = kit.arena,
                                 .in = &from,
                                 .file_name = "App.application",
                                 .directive = directive,
                                 .slot = 1,
                                 .signer = &kit.signer,
                                 .out = &to,
                                 .around = files == NULL ? NULL : &around};
    TRY(clickonce_format.sign(&job, e));
    *ret = arena_bytes(kit.arena, writer_view(&out));
    return true;
}

static bool valid_around(struct reader in, struct pair *files)
{
    const struct source from = source_memory(in);
    const struct surroundings around = {files, find_file};
    const struct verify_job job = {
        .arena = kit.arena, .in = &from, .around = files == NULL ? NULL : &around};
    struct signature *s;
    size_t count;
    struct err e = {0};
    assert_true(clickonce_format.verify(&job, &s, &count, &e));
    assert_int_equal(count, 2);
    assert_int_equal(s[0].intact, s[1].intact);
    return s[0].intact && s[0].stamped && s[1].stamped;
}

static bool has(struct reader text, const char *what)
{
    return reader_find(text, 0, what, strlen(what)) != SIZE_MAX;
}

static void test_clickonce_sign__manifests_name_files_as_they_are(void **state)
{
    (void)state;
    struct pair files[] = {{"bin/App.exe.deploy", reader_text("program")},
                           {"a.config", reader_text("settings")},
                           {NULL, {0}}};
    struct reader manifest, outer;
    struct err e = {0};
    assert_true(sign_around(reader_text(application), files, &manifest, &e));
    assert_true(valid_around(manifest, files) && valid_around(manifest, NULL));
    assert_true(has(manifest, "codebase=\"bin\\App.exe\" size=\"7\""));
    assert_true(has(manifest, "<file name=\"a.config\" size=\"8\">"));
    assert_true(has(manifest, "<!-- kept -->") && has(manifest, "name=\"App &amp; more.exe\""));
    assert_false(has(manifest, "0000000000000000") || has(manifest, ">AAAA<"));

    struct pair release[] = {{"v1/App.exe.manifest", manifest}, {NULL, {0}}};
    assert_true(sign_around(reader_text(deployment), release, &outer, &e));
    assert_true(valid_around(outer, release));
    assert_false(has(outer, "0000000000000000")); /* also that of the application */

    files[1].content = reader_text("Settings");
    assert_false(valid_around(manifest, files));
    files[1].path = "b.config";
    assert_false(valid_around(manifest, files));
    assert_false(sign_around(reader_text(application), files, &manifest, &e));
    assert_non_null(strstr(e.user, "a.config"));
}

static void test_clickonce_sign__replaces_and_changes_nothing_else(void **state)
{
    (void)state;
    const char *const texts[] = {application, deployment};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct reader in = reader_text(texts[i]);
        struct reader out =
            testkit_signed(&kit, &clickonce_format, directive, "a.manifest", in, NULL);
        const struct source before = source_memory(in), after = source_memory(out),
                            other = source_memory(reader_text(texts[1 - i]));
        struct err e = {0}, changed = {0};
        assert_true(valid_around(out, NULL));
        assert_true(clickonce_format.unchanged(kit.arena, &before, &after, &e));
        assert_true(clickonce_format.unchanged(kit.arena, &after, &after, &e));
        assert_false(clickonce_format.unchanged(kit.arena, &other, &after, &changed));
        assert_true(reader_equal(
            out, testkit_signed(&kit, &clickonce_format, directive, "a.manifest", out, NULL)));
    }
}

static void refused(struct reader in, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(
        testkit_sign(&kit, &clickonce_format, directive, "a.manifest", in, NULL, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("said: %s", e.user);
}

static void test_clickonce_sign__refuses_with_reasons(void **state)
{
    (void)state;
    refused(reader_text("<a/>"), "assembly");
    refused(reader_text("<assembly xmlns=\"urn:schemas-microsoft-com:asm.v1\"><x/></assembly>"),
            "which assembly");
    refused(reader_text("nothing"), "");
    kit.refuse = true;
    refused(reader_text(application), "");
    kit.refuse = false;
}

/* The strong-name token of a key that Visual Studio used is in the manifest that it signed. */
static void test_clickonce_token__of_a_known_key(void **state)
{
    (void)state;
    char token[17];
    struct err e = {0};
    struct reader modulus;
    CLEANUP(writer_done) struct writer spki = {0};
    writer_init(&spki, 1024);
    assert_true(text_unbase64(
        kit.arena,
        reader_text("6Jfup1Y5UxwTOciGOI7vbqiCuKzwXk9JOuf+00rRg07W5PP917mgL0jFFxmM9gvBOML9vcwdCmBs/"
                    "NL6npa+zDKG8AMmrIYfNkWfXO2YK6rFLeTrHh13ubErRjXuX+HkUuqNn9Ezb97A4Ha0GUWrR+NZWD0"
                    "1zAVHLjxfGHjujQ8="),
        &modulus));
    size_t all = der_open(&spki, DER_SEQUENCE), id = der_open(&spki, DER_SEQUENCE);
    der_put_oid(&spki, OID_RSA);
    der_put_null(&spki);
    der_close(&spki, id);
    CLEANUP(writer_done) struct writer key = {0};
    writer_init(&key, 1024);
    size_t pair = der_open(&key, DER_SEQUENCE);
    der_put_unsigned(&key, modulus);
    der_put_uint(&key, 65537);
    der_close(&key, pair);
    der_put_bits(&spki, writer_view(&key));
    der_close(&spki, all);
    assert_true(clickonce_token(writer_view(&spki), token, &e));
    assert_string_equal(token, "055cb038fa5a74b5");
}

static void test_clickonce_verify__damage(void **state)
{
    (void)state;
    struct reader out = testkit_signed(&kit, &clickonce_format, directive, "a.manifest",
                                       reader_text(application), NULL);
    size_t from = strlen(HEAD) - 60, until = strlen(application) - strlen(TAIL);
    assert_in_range(testkit_damage(&kit, &clickonce_format, "a.manifest", out, from, until), 0, 8);
    /* the time stamp and spare certificates are judged apart; text between elements is not covered
     * by all of them */
    assert_in_range(testkit_damage(&kit, &clickonce_format, "a.manifest", out, until, SIZE_MAX), 0,
                    FLIPS_MAX * 3 / 4);
}

static void test_clickonce_probe__and_inspect(void **state)
{
    (void)state;
    struct file_facts facts;
    struct err e = {0};
    const struct source in = source_memory(reader_text(application));
    assert_true(clickonce_format.probe(reader_text(application), &in));
    assert_false(clickonce_format.probe(
        reader_text("<assembly xmlns=\"urn:schemas-microsoft-com:asm.v1\"/>"), &in));
    assert_true(clickonce_format.inspect(kit.arena, &in, &facts, &e));
    assert_int_equal(facts.signatures, 0);
}

static void test_clickonce__every_allocation_fails_once(void **state)
{
    (void)state;
    testkit_faults(&kit, &clickonce_format, directive, "a.manifest", reader_text(application),
                   NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clickonce_sign__manifests_name_files_as_they_are),
        cmocka_unit_test(test_clickonce_sign__replaces_and_changes_nothing_else),
        cmocka_unit_test(test_clickonce_sign__refuses_with_reasons),
        cmocka_unit_test(test_clickonce_token__of_a_known_key),
        cmocka_unit_test(test_clickonce_verify__damage),
        cmocka_unit_test(test_clickonce_probe__and_inspect),
        cmocka_unit_test(test_clickonce__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
