/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_c14n.h"
#include "base/test.h"
#include "base/text.h"
#include "formats/opc/opc.h"
#include "formats/testkit.h"
#include <string.h>

enum { MUCH = 16 * 1024 * 1024 };
#define TYPES "http://schemas.openxmlformats.org/package/2006/content-types"
static const char directive[] = "opc-sign";
static const char types[] =
    "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Types xmlns=\"" TYPES
    "\"><Default Extension=\"txt\" ContentType=\"text/plain\"/><Default "
    "Extension=\"vsixmanifest\" ContentType=\"text/xml\"/></Types>";
static const char vsix[] =
    "<PackageManifest xmlns=\"http://schemas.microsoft.com/developer/vsx-schema/2011\"><Metadata>"
    "<Identity Id=\"Acme.Tool\" Version=\"1.2\" Publisher=\"Acme\"/></Metadata></PackageManifest>";
static struct testkit kit;

/* paths and contents in turn, ended by NULL. */
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
        struct zip_meta meta = {.path = entries[i], .date = ZIP_DATE_FIXED};
        struct source text = source_memory(reader_text(entries[i + 1]));
        writer_init(&scratch, MUCH);
        struct sink s = sink_memory(&scratch);
        assert_true(zip_pack(&text, ZIP_DEFLATED, &s, &packed, &e));
        assert_true(zip_writer_add(&z, &meta, &packed, &e));
        writer_done(&scratch);
    }
    assert_true(zip_writer_finish(&z, reader_text(""), &e));
    zip_writer_done(&z);
    struct reader ret = arena_bytes(kit.arena, writer_view(&file));
    writer_done(&file);
    return ret;
}

static struct reader with_types(const char *text)
{
    const char *const entries[] = {
        "extension.vsixmanifest", vsix, "docs/a%20b.txt", "text", OPC_TYPES, text, NULL};
    return make(entries);
}

static struct reader sample(void)
{
    return with_types(types);
}

/* With relationships of its own, out of order and with white space. */
static struct reader related(const char *relations)
{
    static const char more[] =
        "<Types xmlns=\"" TYPES
        "\"><Default Extension=\"TXT\" ContentType=\"text/plain\"/><Default "
        "Extension=\"rels\" ContentType=\"" OPC_TYPE_RELS "\"/><Default Extension=\"psdor\" "
        "ContentType=\"text/xml\"/><Override PartName=\"/A.TXT\" "
        "ContentType=\"text/html\"/></Types>";
    const char *const entries[] = {OPC_TYPES, more,   "_rels/.rels", relations,
                                   "a.txt",   "text", NULL};
    return make(entries);
}

static const char two[] =
    "<r:Relationships xmlns:r=\"" OPC_RELATIONS "\">\n  <r:Relationship Id=\"b\" Type=\"t\" "
    "Target=\"a.txt\"/>\n  <!-- c --><r:Relationship Target=\"http://x/?a&amp;b\" Id=\"a\" "
    "TargetMode=\"External\" Type=\"t\">\n</r:Relationship></r:Relationships>";

static struct reader signed_one(struct reader in)
{
    return testkit_signed(&kit, &opc_format, directive, "a.vsix", in, NULL);
}

static struct signature *verified(struct reader file, size_t *count)
{
    struct signature *s = NULL;
    struct err e = {0};
    if (!testkit_verify(&kit, &opc_format, NULL, "a.vsix", file, (struct reader){0}, NULL, &s,
                        count, &e))
        fail_msg("%s", e.user);
    return s;
}

static void intact(struct reader file, const char *parts)
{
    size_t count;
    struct signature *s = verified(file, &count);
    assert_int_equal(count, 1);
    if (!s->intact)
        fail_msg("%s", s->problem);
    assert_true(s->stamped);
    assert_string_equal(attribute_value(&s->details, "signed-parts"), parts);
    assert_null(attribute_value(&s->details, "unsigned-parts"));
}

static void test_opc_sign__all_parts(void **state)
{
    size_t count;
    (void)state;
    assert_null(verified(sample(), &count));
    assert_int_equal(count, 0);
    struct reader out = signed_one(sample());
    intact(out, "5"); /* two files, the package's relationships, the origin and its own */
    assert_true(reader_equal(out, signed_one(out))); /* replaces it by itself */
    intact(signed_one(related(two)), "4");
    intact(signed_one(related("<Relationships xmlns='" OPC_RELATIONS "'/>")), "4");
    intact(signed_one(with_types("<t:Types xmlns:t='" TYPES "'><t:Default Extension='txt' "
                                 "ContentType='x'/><t:Default Extension='vsixmanifest' "
                                 "ContentType='x'/></t:Types>")),
           "5");
}

static void test_opc_sign__elliptic_curves(void **state)
{
    static const char *const keys[] = {"ec-p256", "ec-p384", "ec-p521"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct testkit other = kit;
        testkit_init(&kit, keys[i], true);
        intact(signed_one(sample()), "5");
        testkit_done(&kit);
        kit = other;
    }
}

static void test_opc_verify__damage(void **state)
{
    struct opc p;
    struct err e = {0};
    (void)state;
    struct reader out = signed_one(sample());
    const struct source in = source_memory(out);
    assert_true(opc_open(kit.arena, &in, &p, &e));
    for (size_t i = 0; i < p.zip->count; i++) {
        const struct zip_entry *x = &p.zip->entries[i];
        if (!p.own[i] && i != p.types) /* one: bits behind the end of a deflate stream */
            assert_in_range(
                testkit_damage(&kit, &opc_format, "a.vsix", out, x->data, x->data + x->compressed),
                0, 1);
    }
    (void)testkit_damage(&kit, &opc_format, "a.vsix", out, 0, out.left);
}

/* The same package with one text of one entry replaced. */
static struct reader changed(struct reader file, const char *path, const char *from, const char *to)
{
    struct opc p;
    struct err e = {0};
    struct writer w, text;
    struct reader old, part;
    struct zip_change change;
    const struct source in = source_memory(file);
    assert_true(opc_open(kit.arena, &in, &p, &e));
    size_t index = opc_part(kit.arena, &p, path);
    index = index == SIZE_MAX ? p.types : index;
    assert_true(opc_entry(kit.arena, p.zip, index, &old, &e));
    size_t at = reader_find(old, 0, from, strlen(from));
    if (at == SIZE_MAX)
        fail_msg("%s is not in %s", from, path);
    writer_init(&text, MUCH);
    writer_init(&w, MUCH);
    assert_true(reader_take(&old, at, &part) && reader_skip(&old, strlen(from)));
    writer_reader(&text, part);
    writer_text(&text, to);
    writer_reader(&text, old);
    assert_true(opc_put_text(kit.arena, &p, index, NULL, writer_view(&text), &change, &e));
    struct sink k = sink_memory(&w);
    assert_true(zip_repack(p.zip, &change, 1, NULL, &k, &e));
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&text);
    writer_done(&w);
    return ret;
}

static void broken(struct reader file, const char *path, const char *from, const char *to,
                   const char *says)
{
    size_t count;
    struct signature *s = verified(changed(file, path, from, to), &count);
    assert_int_equal(count, 1);
    if (says == NULL ? !s->intact : s->intact || strstr(s->problem, says) == NULL)
        fail_msg("%s: \"%s\" instead of \"%s\"", to, s->problem == NULL ? "" : s->problem,
                 says == NULL ? "" : says);
}

static const char psdsxs[] = "/package/services/digital-signature/xml-signature/signature.psdsxs";

static void test_opc_verify__what_is_wrong(void **state)
{
    (void)state;
    struct reader out = signed_one(related(two));
    broken(out, "/_rels/.rels", "<!-- c -->", " ", "was changed");
    broken(out, "/_rels/.rels", "Id=\"a\"", "Id=\"c\"", "was changed");
    broken(out, "/_rels/.rels", "http://x/", "http://y/", "was changed");
    broken(out, "/a.txt", "text", "next", "was changed");
    broken(out, "/[Content_Types].xml", "text/html", "text/xml", "content type");
    broken(out, psdsxs, "<SignedInfo>", "<SignedInfo> ", "signature");
    broken(out, psdsxs, "rsa-sha256", "rsa-md5", "algorithm");
    broken(out, psdsxs, "rsa-sha256", "ecdsa-sha256", "cannot make");
    broken(out, psdsxs, "<SignatureValue>", "<SignatureValue>!", "Base64");
    broken(out, psdsxs, "<X509Certificate>", "<X509Certificate>MAAA", "");
    broken(out, psdsxs, "<KeyInfo>", "<KeyInfoo/><KeyInfo>", NULL); /* nobody signs that */
    broken(out, psdsxs, "<KeyInfo>", "<KeyInfo Id=\"idPackageObject\">", "not there once");
    broken(out, psdsxs, "?ContentType", "?Content", "was changed");
    broken(out, psdsxs, "+00:00<", "+01:00<", "was changed");
    broken(out, psdsxs, "<Signature xmlns", "<!DOCTYPE a []><Signature xmlns", "DOCTYPE");
    broken(out, psdsxs, "xmldsig#\" Id=\"idPackageS", "x\" Id=\"idPackageS", "no signature");
}

static const char *signature_text(struct reader file)
{
    struct opc p;
    struct err e = {0};
    struct reader text;
    const struct source in = source_memory(file);
    assert_true(opc_open(kit.arena, &in, &p, &e));
    assert_true(opc_entry(kit.arena, p.zip, opc_part(kit.arena, &p, psdsxs), &text, &e));
    return arena_text(kit.arena, text);
}

/* From the first `from` to the first `to` behind it, both included. */
static const char *between(const char *text, const char *from, const char *to)
{
    const char *start = strstr(text, from), *end = start == NULL ? NULL : strstr(start, to);
    assert_non_null(end);
    return arena_text(kit.arena, reader_over(start, (size_t)(end - start) + strlen(to)));
}

static struct digest_value element_digest(const char *document, const char *name)
{
    static const struct xml_limits limits = {MUCH, 1000, 64, 64};
    CLEANUP(xml_document_cleanup) struct xml_document *d = NULL;
    CLEANUP(writer_done) struct writer w = {0};
    struct digest_value v = {0};
    struct xml_spans s;
    struct err e = {0};
    size_t at = 0;
    writer_init(&w, MUCH);
    assert_true(xml_spans_load(kit.arena, reader_text(document), &limits, 64, &s, &e));
    while (strcmp(s.list[at].name, name) != 0)
        at++;
    assert_true(xml_document_new(kit.arena, reader_text(document), &limits, &d, &e) &&
                xml_canonical(d, at, XML_C14N_INCLUSIVE, false, &w, &e) &&
                digest_of(HASH_SHA256, writer_view(&w), &v, &e));
    return v;
}

/* The content of the first element of that name becomes `bytes`. */
static struct reader with_base64(struct reader file, const char *name, struct reader bytes)
{
    const char *open = arena_format(kit.arena, "<%s>", name);
    const char *close = arena_format(kit.arena, "</%s>", name);
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MUCH);
    writer_text(&w, open);
    text_base64(&w, bytes, 0, "");
    writer_text(&w, close);
    return changed(file, psdsxs, between(signature_text(file), open, close),
                   arena_text(kit.arena, writer_view(&w)));
}

/* What somebody else would have signed. */
static struct reader resigned(struct reader file, const char *from, const char *to)
{
    CLEANUP(writer_done) struct writer value = {0};
    struct err e = {0};
    writer_init(&value, 4096);
    file = changed(file, psdsxs, from, to);
    struct digest_value v = element_digest(signature_text(file), "Object");
    file = with_base64(file, "DigestValue", digest_view(&v));
    v = element_digest(signature_text(file), "SignedInfo");
    assert_true(kit.signer.sign(kit.signer.ctx, 1, SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256),
                                digest_view(&v), &value, &e));
    return with_base64(file, "SignatureValue", writer_view(&value));
}

static const char *times(const char *text, int n)
{
    const char *all = "";
    for (int i = 0; i < n; i++)
        all = arena_format(kit.arena, "%s%s", all, text);
    return all;
}

static void judged(struct reader file, const char *problem)
{
    size_t count;
    struct signature *s = verified(file, &count);
    assert_int_equal(count, 1);
    if (problem == NULL ? !s->intact : s->intact || strstr(s->problem, problem) == NULL)
        fail_msg("\"%s\"", s->problem == NULL ? "" : s->problem);
}

/* A part of a gigabyte, named a million times: nobody would see the end of it. */
static void test_opc_verify__work_is_bounded(void **state)
{
    (void)state;
    struct reader out = signed_one(related(two));
    const char *text = signature_text(out);
    const char *part = between(text, "<Reference URI=\"/a.txt", "</Reference>");
    judged(resigned(out, part, times(part, 4)), NULL);
    judged(resigned(out, part, times(part, 5)), "again and again");
    CLEANUP(writer_done) struct writer w = {0};
    struct digest_value v = element_digest(text, "SignatureProperty");
    writer_init(&w, MUCH);
    writer_text(&w, "<Reference URI=\"#idSignatureTime\"><DigestMethod Algorithm=\""
                    "http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue>");
    text_base64(&w, digest_view(&v), 0, "");
    writer_text(&w, "</DigestValue></Reference>");
    const char *inner = arena_text(kit.arena, writer_view(&w)), *end = "</SignedInfo>";
    judged(resigned(out, end, arena_format(kit.arena, "%s%s", times(inner, 15), end)), NULL);
    judged(resigned(out, end, arena_format(kit.arena, "%s%s", times(inner, 16), end)), "too many");
}

static void refused(struct reader in, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &opc_format, directive, "a.vsix", in, NULL, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", e.user, says);
}

#define ROW(type, target)                                                                          \
    "<Relationships xmlns=\"" OPC_RELATIONS "\"><Relationship Id=\"a\" Type=\"" type               \
    "\" Target=\"" target "\"/></Relationships>"

static void test_opc_sign__refuses_with_reasons(void **state)
{
    static const char *const none[] = {"a.txt", "", NULL};
    static const char *const bare[] = {"a", "", OPC_TYPES, types, NULL};
    static const char *const blank[] = {"a b.txt", "", OPC_TYPES, types, NULL};
    (void)state;
    refused(make(none), "no [Content_Types].xml");
    refused(make(bare), "no row for \"a\"");
    refused(make(blank), "no part name");
    refused(with_types("<Types/>"), "another root");
    refused(with_types("<Types xmlns='" TYPES "'><Default Extension='a'/></Types>"),
            "without ContentType");
    refused(with_types("<Types xmlns='" TYPES "'><Default ContentType='a'/></Types>"),
            "without Extension");
    refused(with_types("<Types xmlns='" TYPES "'><Other ContentType='a'/></Types>"),
            "must not have");
    refused(
        with_types("<Types xmlns='" TYPES "'><Override PartName='/a/' ContentType='a'/></Types>"),
        "no part name");
    refused(with_types("<Types xmlns='" TYPES "'><Default Extension='a' ContentType='a'/><Default "
                       "Extension='A' ContentType='a'/></Types>"),
            "twice");
    refused(related("<x/>"), "no relationships");
    refused(related(ROW(OPC_ORIGIN, "a.txt")), "with the content type of one");
    refused(related(ROW(OPC_ORIGIN, "../../a.txt")), "with the content type of one");
    refused(reader_text("PK\3\4"), "ZIP");
}

static struct container *opened(struct reader file)
{
    struct container *c;
    struct err e = {0};
    struct source in = source_memory(file);
    if (!opc_format.open(kit.arena, &in, NULL, &c, &e))
        fail_msg("%s", e.user);
    return c;
}

static void compare_says(struct reader before, struct reader after, bool first, const char *says)
{
    const bool flags[8] = {first};
    struct err e = {0};
    bool same = opc_format.compare(kit.arena, opened(before), opened(after), flags, &e);
    if (same != (says == NULL) || (says != NULL && strstr(e.user, says) == NULL))
        fail_msg("\"%s\" instead of \"%s\"", e.user, says == NULL ? "" : says);
}

static void test_opc_compare__sees_other_changes(void **state)
{
    struct reader one = signed_one(sample()), other = signed_one(related(two));
    (void)state;
    compare_says(sample(), one, false, NULL);
    compare_says(one, one, false, NULL);
    compare_says(one, sample(), false, NULL);
    compare_says(related(two), other, false, NULL);
    compare_says(other, related(two), false, NULL);
    compare_says(other, changed(other, "/_rels/.rels", "a&amp;b", "a"), false, "_rels/.rels");
    compare_says(one, changed(one, "/[Content_Types].xml", "text/plain", "text/x"), false,
                 "[Content_Types].xml");
    compare_says(one, changed(one, "/docs/a%20b.txt", "text", "next"), false, "docs");
    compare_says(one, changed(one, "/extension.vsixmanifest", "Acme", "Emca"), true, NULL);
}

static void test_opc_repack__signatures_go(void **state)
{
    struct reader before[] = {signed_one(sample()), signed_one(related(two))};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(before); i++)
        for (size_t k = 0; k < 6; k++) {
            struct writer w;
            struct err e = {0};
            struct container *c = opened(before[i]);
            struct sink out;
            struct change change = {.index = k, .content = source_memory(reader_text("new text"))};
            writer_init(&w, MUCH);
            out = sink_memory(&w);
            bool ok = opc_format.repack(c, &change, 1, &out, &e);
            const struct opc *p = c->own;
            assert_int_equal(ok, k != p->types && k != p->root && !p->own[k]);
            if (ok) {
                size_t count;
                bool flags[8] = {false};
                flags[k] = true;
                struct reader after = arena_bytes(kit.arena, writer_view(&w));
                assert_null(verified(after, &count));
                assert_true(opc_format.compare(kit.arena, c, opened(after), flags, &e));
                intact(signed_one(after), i == 0 ? "5" : "4");
            }
            writer_done(&w);
        }
}

static void test_opc_inspect__says_who_it_is(void **state)
{
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    const struct source in = source_memory(sample()), out = source_memory(signed_one(sample()));
    assert_true(opc_format.probe(sample(), &in));
    assert_true(opc_format.inspect(kit.arena, &in, &facts, &e));
    assert_string_equal(attribute_value(&facts.facts, "package-id"), "Acme.Tool");
    assert_string_equal(attribute_value(&facts.facts, "package-version"), "1.2");
    assert_string_equal(attribute_value(&facts.facts, "publisher"), "Acme");
    assert_int_equal(facts.signatures, 0);
    assert_true(opc_format.inspect(kit.arena, &out, &facts, &e));
    assert_int_equal(facts.signatures, 1);
    assert_string_equal(opened(sample())->entries[1].path, "docs/a b.txt");
}

static void transformed(const char *text, const struct opc_selection *s, const char *wanted)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, MUCH);
    assert_true(opc_transform(kit.arena, reader_text(text), s, &w, &e));
    writer_u8(&w, 0);
    assert_string_equal((const char *)writer_view(&w).at, wanted);
    writer_done(&w);
}

static void test_opc_transform__as_the_standard_says(void **state)
{
    static const char *const a[] = {"a"}, *const t[] = {"t"};
    static const char both[] =
        "<r:Relationships xmlns:r=\"" OPC_RELATIONS "\"><r:Relationship Id=\"a\" "
        "Target=\"http://x/?a&amp;b\" TargetMode=\"External\" Type=\"t\"></r:Relationship>"
        "<r:Relationship Id=\"b\" Target=\"a.txt\" TargetMode=\"Internal\" Type=\"t\">"
        "</r:Relationship></r:Relationships>";
    (void)state;
    transformed(two, &(struct opc_selection){.all = true}, both);
    transformed(two, &(struct opc_selection){.types = t, .type_count = 1}, both);
    transformed(two, &(struct opc_selection){.ids = a, .id_count = 1},
                "<r:Relationships xmlns:r=\"" OPC_RELATIONS "\"><r:Relationship Id=\"a\" "
                "Target=\"http://x/?a&amp;b\" TargetMode=\"External\" Type=\"t\"></r:Relationship>"
                "</r:Relationships>");
    transformed(two, &(struct opc_selection){.all = false},
                "<r:Relationships xmlns:r=\"" OPC_RELATIONS "\"></r:Relationships>");
}

static void test_opc_is_rels__by_name(void **state)
{
    (void)state;
    assert_true(opc_is_rels("_rels/.rels") && opc_is_rels("a/_rels/b.xml.rels"));
    assert_true(opc_is_rels("A/_RELS/b.RELS"));
    assert_false(opc_is_rels("a.rels") || opc_is_rels("x_rels/a.rels") || opc_is_rels("_rels/a"));
    assert_string_equal(opc_rels_name(kit.arena, "/a/b.xml"), "/a/_rels/b.xml.rels");
    assert_string_equal(opc_rels_name(kit.arena, "/"), "/_rels/.rels");
}

static void test_opc__faults(void **state)
{
    (void)state;
    testkit_faults(&kit, &opc_format, directive, "a.vsix", sample(), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opc_sign__all_parts),
        cmocka_unit_test(test_opc_sign__elliptic_curves),
        cmocka_unit_test(test_opc_verify__damage),
        cmocka_unit_test(test_opc_verify__what_is_wrong),
        cmocka_unit_test(test_opc_verify__work_is_bounded),
        cmocka_unit_test(test_opc_sign__refuses_with_reasons),
        cmocka_unit_test(test_opc_compare__sees_other_changes),
        cmocka_unit_test(test_opc_repack__signatures_go),
        cmocka_unit_test(test_opc_inspect__says_who_it_is),
        cmocka_unit_test(test_opc_transform__as_the_standard_says),
        cmocka_unit_test(test_opc_is_rels__by_name),
        cmocka_unit_test(test_opc__faults),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
