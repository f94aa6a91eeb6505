/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/appx/appx_map.h"
#include "formats/testkit.h"
#include "formats/zip/zip_format.h"
#include <string.h>

enum { MUCH = 16 * 1024 * 1024 };
static const char directive[] = "authenticode-sign";
static const char types[] =
    "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/"
    "content-types\"><Default Extension=\"txt\" ContentType=\"text/plain\"/></Types>";
static const char map[] =
    "<?xml version=\"1.0\"?><BlockMap xmlns=\"http://schemas.microsoft.com/appx/2010/blockmap\" "
    "HashMethod=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>";
static const char manifest[] =
    "<Package xmlns=\"http://schemas.microsoft.com/appx/manifest/foundation/windows10\">"
    "<Identity Name=\"App\" Publisher=\"CN=Test signer, O=Chancery tests, C=DE\" "
    "Version=\"1.2.3.4\"/></Package>";
static struct testkit kit;

/* paths and contents in turn, ended by NULL; "!" in front: stored. */
static struct reader make(const char *const *entries)
{
    struct writer file;
    struct err e = {0};
    writer_init(&file, MUCH);
    struct sink k = sink_memory(&file);
    struct zip_writer z;
    zip_writer_init(&z, &k);
    for (size_t i = 0; entries[i] != NULL; i += 2) {
        struct writer scratch;
        struct zip_packed packed;
        bool stored = entries[i][0] == '!';
        struct zip_meta meta = {.path = &entries[i][stored], .date = ZIP_DATE_FIXED};
        struct source text = source_memory(reader_text(entries[i + 1]));
        writer_init(&scratch, MUCH);
        struct sink s = sink_memory(&scratch);
        assert_true(zip_pack(&text, stored ? ZIP_STORED : ZIP_DEFLATED, &s, &packed, &e));
        assert_true(zip_writer_add(&z, &meta, &packed, &e));
        writer_done(&scratch);
    }
    assert_true(zip_writer_finish(&z, reader_text(""), &e));
    zip_writer_done(&z);
    struct reader ret = arena_bytes(kit.arena, writer_view(&file));
    writer_done(&file);
    return ret;
}

static struct reader package(const char *manifest_path, const char *manifest_text,
                             const char *map_text, const char *types_text)
{
    const char *const entries[] = {"a.txt",
                                   "text",
                                   manifest_path,
                                   manifest_text,
                                   APPX_BLOCK_MAP,
                                   map_text,
                                   APPX_CONTENT_TYPES,
                                   types_text,
                                   NULL};
    return make(entries);
}

static struct reader sample(void)
{
    return package("AppxManifest.xml", manifest, map, types);
}

static struct reader signed_with(const struct format *f, struct reader in)
{
    return testkit_signed(&kit, f, directive, "a.appx", in, NULL);
}

static struct signature *verified(struct reader file, size_t *count)
{
    struct signature *s = NULL;
    struct err e = {0};
    assert_true(testkit_verify(&kit, &appx_format, NULL, "a.appx", file, (struct reader){0}, NULL,
                               &s, count, &e));
    return s;
}

static void test_appx_sign__package_and_bundle(void **state)
{
    static const char *const paths[] = {"AppxManifest.xml", "AppxMetadata/AppxBundleManifest.xml"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct appx p;
        struct err e = {0};
        size_t count;
        struct reader out = signed_with(&msix_format, package(paths[i], manifest, map, types));
        struct signature *s = verified(out, &count);
        assert_int_equal(count, 1);
        assert_true(s->intact && s->stamped);
        const struct source in = source_memory(out);
        assert_true(appx_open(kit.arena, &in, &p, &e));
        assert_int_equal(p.bundle, i == 1);
        assert_int_equal(p.signature, p.zip->count - 1);
        struct reader again = signed_with(&appx_format, out); /* replaces it by itself */
        assert_true(reader_equal(out, again));
        if (testkit_has_osslsigncode())
            assert_true(testkit_osslsigncode(&kit, i == 0 ? "a.appx" : "a.appxbundle", out));
    }
}

static void test_appx_inspect__reads_the_identity(void **state)
{
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    struct reader file = sample();
    const struct source in = source_memory(file);
    assert_true(appx_format.probe(file, &in));
    assert_true(appx_format.inspect(kit.arena, &in, &facts, &e));
    assert_string_equal(attribute_value(&facts.facts, "package-name"), "App");
    assert_string_equal(attribute_value(&facts.facts, "package-version"), "1.2.3.4");
    assert_string_equal(attribute_value(&facts.facts, "publisher"),
                        "CN=Test signer, O=Chancery tests, C=DE");
}

static void test_appx_same_name__windows_against_rfc_4514(void **state)
{
    static const struct {
        const char *publisher, *subject;
        bool same;
    } rows[] = {
        {"CN=A", "CN=A", true},
        {"CN=A, O=B, L=C, S=D, C=US", "CN=A,O=B,L=C,ST=D,C=US", true},
        {"CN=\"A, Inc.\", O=\"say \"\"B\"\"\"", "CN=A\\, Inc.,O=say \\\"B\\\"", true},
        {"CN=A, E=a@b.c", "CN=A,emailAddress=a@b.c", true},
        {"CN=A, SERIALNUMBER=1, OID.2.5.4.15=Private",
         "CN=A,serialNumber=1,2.5.4.15=#130750726976617465", true},
        {"cn=A", "CN=A", true},
        {"CN=A", "CN=a", false},
        {"CN=A, O=B", "O=B,CN=A", false},
        {"CN=A", "CN=A,O=B", false},
        {"CN=A+O=B", "CN=A+O=B", true},
        {"CN=\"A", "CN=A", false},
        {"", "CN=A", false},
        {"A", "CN=A", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (appx_same_name(kit.arena, rows[i].publisher, rows[i].subject) != rows[i].same)
            fail_msg("%s against %s", rows[i].publisher, rows[i].subject);
}

static void refused(struct reader in, const char *const *attributes, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &appx_format, directive, "a.appx", in, attributes, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("%s instead of %s", e.user, says);
}

static void test_appx_sign__refuses_with_reasons(void **state)
{
    static const char *const hash[] = {"hash-algorithm", "sha512", NULL};
    static const char *const bare[] = {"a.txt", "", NULL};
    static const char name[] = "AppxManifest.xml";
    (void)state;
    refused(sample(), hash, "hash-algorithm=\"sha256\"");
    refused(make(bare), NULL, "AppxManifest.xml");
    refused(package(name, "<Package><Identity Publisher='CN=Other'/></Package>", map, types), NULL,
            "Manifest: \"CN=Other\". Certificate: \"CN=Test signer");
    refused(package(name, "<Package><Identity/></Package>", map, types), NULL, "Manifest: \"\"");
    refused(package(name, "<Package/>", map, types), NULL, "Identity");
    refused(package(name, "<Package>", map, types), NULL, "line 1");
    refused(package(name, "<!DOCTYPE a []><Package/>", map, types), NULL, "DOCTYPE");
    refused(package(name, manifest, "<BlockMap/>", types), NULL, "hash method");
    refused(package(name, manifest, "<BlockMap HashMethod='md5'/>", types), NULL, "hash method");
    refused(package(name, manifest, "", types), NULL, "");
    refused(package(name, manifest, map, "<Types/>"), NULL, "</Types>");
    refused(reader_text("PK\3\4"), NULL, "ZIP");
}

static void test_appx_verify__hostile_messages(void **state)
{
    static const char *const messages[] = {
        "",
        "P",
        "PKC",
        "PKCX",
        "PKCY",
        "PKCX0",
        "PKCX\x30",
        "PKCX\x30\x80",
        "PKCX\x30\x84\xff\xff\xff\xff",
        "PKCX\x30\x03\x02\x01\x01",
        "pkcx\x30\x03\x02\x01\x01",
        "PKCX\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        "PKCX\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x02\x30\x7f",
        "junk"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        const char *const entries[] = {"AppxManifest.xml",
                                       manifest,
                                       APPX_BLOCK_MAP,
                                       map,
                                       APPX_CONTENT_TYPES,
                                       types,
                                       APPX_SIGNATURE,
                                       messages[i],
                                       NULL};
        size_t count;
        struct signature *s = verified(make(entries), &count);
        assert_int_equal(count, 1);
        assert_false(s->intact);
        assert_non_null(s->problem);
    }
}

static void test_appx_verify__damage(void **state)
{
    struct appx p;
    struct err e = {0};
    (void)state;
    struct reader out = signed_with(&appx_format, sample());
    const struct source in = source_memory(out);
    assert_true(appx_open(kit.arena, &in, &p, &e));
    const struct zip_entry *x = &p.zip->entries[p.signature];
    size_t end = out.left - p.zip->end.left, record = end - x->record.left;
    assert_int_equal(testkit_damage(&kit, &appx_format, "a.appx", out, 0, x->header), 0);
    assert_int_equal(testkit_damage(&kit, &appx_format, "a.appx", out, p.zip->directory, record),
                     0);
    assert_int_equal(testkit_damage(&kit, &appx_format, "a.appx", out, end, out.left), 0);
}

static void test_appx_compare__sees_other_changes(void **state)
{
    struct container *c, *after, *other;
    struct err e = {0};
    const bool none[4] = {false};
    (void)state;
    const struct source in = source_memory(sample());
    const struct source out = source_memory(signed_with(&appx_format, sample()));
    const struct source wrong =
        source_memory(signed_with(&appx_format, package("AppxManifest.xml", manifest, map,
                                                        "<Types xmlns=\"x\"><Default/></Types>")));
    assert_true(appx_format.open(kit.arena, &in, NULL, &c, &e));
    assert_true(appx_format.open(kit.arena, &out, NULL, &after, &e));
    assert_true(appx_format.open(kit.arena, &wrong, NULL, &other, &e));
    assert_true(appx_format.own_entry(after, 4) && !appx_format.own_entry(after, 3));
    assert_true(appx_format.compare(kit.arena, c, after, none, &e));
    assert_false(appx_format.compare(kit.arena, c, other, none, &e));
}

/* --- inside ----------------------------------------------------------------------------------- */

static struct container *opened(struct reader file)
{
    struct container *c;
    struct err e = {0};
    struct source in = source_memory(file);
    if (!appx_format.open(kit.arena, &in, NULL, &c, &e))
        fail_msg("%s", e.user);
    return c;
}

static bool repacked(struct reader file, struct change *changes, size_t count, bool prepare,
                     struct reader *ret, struct err *e)
{
    struct writer w, scratch;
    writer_init(&w, MUCH);
    writer_init(&scratch, MUCH);
    struct sink k = sink_memory(&w), s = sink_memory(&scratch);
    struct container *c = opened(file);
    bool ok = true;
    for (size_t i = 0; prepare && ok && i < count; i++)
        ok = appx_format.prepare(c, kit.arena, &changes[i], &s, e);
    ok = ok && appx_format.repack(c, changes, count, &k, e);
    if (ok)
        *ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    writer_done(&scratch);
    return ok;
}

static struct reader filled(size_t n)
{
    uint8_t *bytes = arena_alloc(kit.arena, n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((uint8_t) "once upon a time"[i % 16] + i / 1000);
    return reader_over(bytes, n);
}

/* Files of the map are wrong but for their names: only what changes is written anew. */
static struct reader with_files(const char *rows)
{
    struct writer w;
    writer_init(&w, MUCH);
    writer_text(&w,
                "\xef\xbb\xbf<BlockMap HashMethod=\"http://www.w3.org/2001/04/xmlenc#sha256\">");
    writer_text(&w, rows);
    writer_text(&w, "</BlockMap>");
    writer_u8(&w, 0);
    struct reader text = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return package("AppxManifest.xml", manifest, (const char *)text.at, types);
}

static const char one_row[] = "<File Name=\"a.txt\" Size=\"1\" LfhSize=\"1\"/>";

static void compare_says(struct reader before, struct reader after, const char *says)
{
    const bool changed[4] = {true};
    struct err e = {0};
    bool same = appx_format.compare(kit.arena, opened(before), opened(after), changed, &e);
    if (same != (says == NULL) || (says != NULL && strstr(e.user, says) == NULL))
        fail_msg("\"%s\" instead of \"%s\"", e.user, says == NULL ? "" : says);
}

static void test_appx_repack__rebuilds_the_block_map(void **state)
{
    static const char *const rows[] = {
        one_row,
        "<File LfhSize=\"9\" Size=\"1\" Name=\"a.txt\"><Block Hash=\"\"/></File><File Name=\"b\"/>",
        "<x:File xmlns:x=\"u\" Name=\"a.txt\" Size=\"1\" LfhSize=\"1\"><x:Block/><b4:FileHash "
        "xmlns:b4=\"v\"/></x:File>",
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) /* the third has a prefix that its text declares on itself */
        for (size_t n = 0; n < 200000; n = n * 3 + 1) {
            struct reader before = with_files(rows[i]), after, wrong;
            struct change change = {.index = 0, .content = source_memory(filled(n))};
            struct err e = {0};
            if (!repacked(before, &change, 1, n % 2 == 1, &after, &e))
                fail_msg("%s", e.user);
            compare_says(before, after, NULL);
            /* Another content under the same rows. */
            change = (struct change){.index = 0, .content = source_memory(filled(n + 1))};
            assert_true(repacked(before, &change, 1, false, &wrong, &e));
            compare_says(after, wrong, NULL);
        }
}

static void test_appx_compare__reads_the_block_map(void **state)
{
    struct reader before = with_files(one_row), after;
    struct change change = {.index = 0, .content = source_memory(filled(70000))};
    struct err e = {0};
    (void)state;
    assert_true(repacked(before, &change, 1, false, &after, &e));
    compare_says(before, with_files("<File Name=\"a.txt\" Size=\"4\" LfhSize=\"35\"/>"), "a.txt");
    compare_says(before,
                 with_files("<File Name=\"a.txt\" Size=\"4\" LfhSize=\"35\"><Block "
                            "Hash=\"\" Size=\"4\"/></File>"),
                 "a.txt");
    compare_says(before,
                 with_files("<File Name=\"a.txt\" Size=\"4\" LfhSize=\"35\"><Block "
                            "Hash=\"\" Size=\"99999999\"/></File>"),
                 "a.txt");
    compare_says(after, with_files("<File Name=\"other\"/>"), "AppxBlockMap.xml changed");
    compare_says(with_files(""), with_files("<File Name=\"b\"/>"), "AppxBlockMap.xml changed");
}

static void test_appx_repack__bundle_places(void **state)
{
    static const char text[] =
        "<Bundle xmlns=\"http://schemas.microsoft.com/appx/2013/bundle\"><Identity Name=\"B\" "
        "Publisher=\"CN=Test signer, O=Chancery tests, C=DE\"/><Packages><Package Size=\"%u\" "
        "FileName=\"in.msix\" Offset=\"%u\"/></Packages></Bundle>";
    static const char rows[] =
        "<BlockMap HashMethod=\"http://www.w3.org/2001/04/xmlenc#sha256\"><File "
        "Name=\"AppxMetadata\\AppxBundleManifest.xml\" Size=\"0\" LfhSize=\"65\"/></BlockMap>";
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const char *const entries[] = {i == 2 ? "b.txt" : "!in.msix",
                                       i == 2 ? "" : "12345",
                                       "AppxMetadata/AppxBundleManifest.xml",
                                       arena_format(kit.arena, text, 5u, i == 1 ? 38u : 37u),
                                       APPX_BLOCK_MAP,
                                       rows,
                                       APPX_CONTENT_TYPES,
                                       types,
                                       NULL};
        struct reader before = make(entries), after;
        struct change change = {.index = 0, .content = source_memory(filled(7000))};
        struct err e = {0};
        bool ok = repacked(before, &change, 1, false, &after, &e);
        assert_int_equal(ok, i == 0);
        if (!ok) {
            assert_non_null(strstr(e.user, i == 1 ? "other places" : "does not list"));
            continue;
        }
        compare_says(before, after, NULL);
        struct appx p;
        const struct source in = source_memory(after);
        assert_true(appx_open(kit.arena, &in, &p, &e));
        struct reader said;
        assert_true(appx_entry(kit.arena, p.zip, p.manifest, MUCH, &said, &e));
        assert_true(reader_find(said, 0, "Size=\"7000\"", 11) != SIZE_MAX);
    }
}

static void test_appx_repack__says_why_not(void **state)
{
    static const struct {
        const char *rows;
        size_t index;
        const char *says;
    } cases[] = {
        {"", 0, "does not list \"a.txt\""},
        {"<File Name=\"a.txt\" Size=\"1\" LfhSize=\"1\"/><File Name=\"a.txt\" Size=\"1\" "
         "LfhSize=\"1\"/>",
         0, "twice"},
        {"<File Name=\"a.txt\" Size=\"1\"/>", 0, "lacks the attribute LfhSize"},
        {one_row, 1, "cannot be signed by itself"},
        {one_row, 2, "cannot be signed by itself"},
        {one_row, 3, "cannot be signed by itself"},
        {one_row, SIZE_MAX, "cannot be added"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reader out;
        struct change change = {
            .index = cases[i].index, .path = "new", .content = source_memory(reader_text("x"))};
        struct err e = {0};
        assert_false(repacked(with_files(cases[i].rows), &change, 1, false, &out, &e));
        if (strstr(e.user, cases[i].says) == NULL)
            fail_msg("\"%s\" instead of \"%s\"", e.user, cases[i].says);
    }
}

static void test_appx_open__names_without_percent_signs(void **state)
{
    const char *const entries[] = {
        "a%20b.txt", "",  "AppxManifest.xml", manifest, APPX_BLOCK_MAP, map, APPX_CONTENT_TYPES,
        types,       NULL};
    const char *const bad[] = {
        "a%2.txt", "",  "AppxManifest.xml", manifest, APPX_BLOCK_MAP, map, APPX_CONTENT_TYPES,
        types,     NULL};
    struct container *c;
    struct err e = {0};
    (void)state;
    assert_string_equal(opened(make(entries))->entries[0].path, "a b.txt");
    struct source in = source_memory(make(bad));
    assert_false(appx_format.open(kit.arena, &in, NULL, &c, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appx_sign__package_and_bundle),
        cmocka_unit_test(test_appx_inspect__reads_the_identity),
        cmocka_unit_test(test_appx_same_name__windows_against_rfc_4514),
        cmocka_unit_test(test_appx_sign__refuses_with_reasons),
        cmocka_unit_test(test_appx_verify__hostile_messages),
        cmocka_unit_test(test_appx_verify__damage),
        cmocka_unit_test(test_appx_compare__sees_other_changes),
        cmocka_unit_test(test_appx_repack__rebuilds_the_block_map),
        cmocka_unit_test(test_appx_compare__reads_the_block_map),
        cmocka_unit_test(test_appx_repack__bundle_places),
        cmocka_unit_test(test_appx_repack__says_why_not),
        cmocka_unit_test(test_appx_open__names_without_percent_signs),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
