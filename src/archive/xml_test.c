/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml.h"
#include "archive/xml_c14n.h"
#include "archive/xml_edit.h"
#include "archive/xml_tree.h"
#include "base/test.h"
#include "base/writer.h"
#include <stdio.h>
#include <string.h>

static const struct xml_limits limits = {
    .bytes = 1 << 20, .elements = 1000, .depth = 10, .attributes = 20};

/* All events as one text: what, name, line:column. */
static void tell(struct writer *w, const struct xml_event *v)
{
    static const char kinds[] = "<>'.";
    writer_format(w, "%c", kinds[v->kind]);
    if (v->kind == XML_START || v->kind == XML_END)
        writer_format(w, "{%s}%s", v->space, v->name);
    if (v->kind == XML_TEXT)
        writer_format(w, "%s'%s", v->text, v->blank ? "blank" : "");
    if (v->kind != XML_DONE)
        writer_format(w, "@%u:%u#%u", v->at.line, v->at.column, v->depth);
    for (size_t i = 0; v->kind == XML_START && i < v->attribute_count; i++) {
        const struct xml_attribute *one = &v->attributes[i];
        writer_format(w, "[{%s}%s=%s@%u:%u/%u:%u]", one->space, one->name, one->value, one->at.line,
                      one->at.column, one->value_at.line, one->value_at.column);
    }
}

static bool run(struct reader document, struct writer *w, struct xml_position *at, struct err *e)
{
    struct arena *a CLEANUP(arena_cleanup) = arena_new(16 << 20);
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    struct xml_event event = {.kind = XML_TEXT};
    bool right = xml_reader_new(a, document, &limits, &x, e);
    while (right && event.kind != XML_DONE) {
        right = xml_next(x, &event, e);
        if (right)
            tell(w, &event);
    }
    *at = xml_error_at(x);
    return right;
}

static void expect(const char *document, const char *events)
{
    struct writer w;
    struct err e = {0};
    struct xml_position at;
    writer_init(&w, 1 << 20);
    if (!run(reader_text(document), &w, &at, &e))
        fail_msg("%s: %s %s", document, e.user, e.detail);
    writer_u8(&w, 0);
    assert_string_equal((const char *)w.data, events);
    writer_done(&w);
}

static void refuse(struct reader document, enum err_code code, uint32_t line, uint32_t column)
{
    struct writer w;
    struct err e = {0};
    struct xml_position at = {0, 0};
    char prefix[60];
    writer_init(&w, 1 << 20);
    assert_false(run(document, &w, &at, &e));
    if (e.code != code || at.line != line || at.column != column)
        fail_msg("%.60s: %s at %u:%u", (const char *)document.at, e.user, at.line, at.column);
    (void)snprintf(prefix, sizeof prefix, "line %u, column %u: ", line, column);
    assert_memory_equal(e.user, prefix, strlen(prefix));
    writer_done(&w);
}

static void test_xml_next__events_and_positions(void **state)
{
    (void)state;
    expect("<a/>", "<{}a@1:1#1>{}a@1:1#1.");
    expect("<a></a>", "<{}a@1:1#1>{}a@1:4#1.");
    expect("\xef\xbb\xbf<?xml version='1.0'?>\n<!-- < --><a>\r\n <b/>\r<c/>x</a>\n<!--e-->",
           "<{}a@2:11#1'\n 'blank@3:2#1<{}b@3:2#2>{}b@3:2#2'\n'blank@4:1#1<{}c@4:1#2>{}c@4:1#2"
           "'x'@4:5#1>{}a@4:6#1.");
    expect("<p:a xmlns:p=\"urn:1\" xmlns='urn:2' p:x = '1&#10;&lt;'\n\ty=\"a\tb\"><b/></p:a>",
           "<{urn:1}a@1:1#1[{urn:1}x=1\n<@1:36/1:43][{}y=a b@2:2/2:5]<{urn:2}b@2:10#2>{urn:2}b@2:"
           "10#2>{urn:1}a@2:14#1.");
    expect("<\xc3\xa4 \xc3\xb6='\xe2\x82\xac'><b c='>'/></\xc3\xa4>",
           "<{}\xc3\xa4@1:1#1[{}\xc3\xb6=\xe2\x82\xac@1:4/1:7]<{}b@1:10#2[{}c=>@1:13/1:16]>{}b@1:10"
           "#2>{}\xc3\xa4@1:20#1.");
    expect("<a>one<!-- x -->two<![CDATA[<3>]]>&#52;&amp;<?pi?></a>",
           "<{}a@1:1#1'onetwo<3>4&'@1:4#1>{}a@1:51#1.");
    expect("<a> <![CDATA[ ]]></a>", "<{}a@1:1#1'  'blank@1:5#1>{}a@1:18#1.");
}

static void test_xml_next__utf16(void **state)
{
    (void)state;
    static const uint8_t little[] = {0xff, 0xfe, '<', 0, 0xfc, 0, '/', 0, '>', 0};
    static const uint8_t big[] = {0xfe, 0xff, 0, '<', 0, 0xfc, 0, '/', 0, '>'};
    static const uint8_t cut[] = {0xff, 0xfe, '<', 0, 'a', 0, '/', 0, '>'};
    static const uint8_t lone[] = {0xff, 0xfe, '<', 0, 0, 0xd8, '/', 0, '>', 0};
    static const uint8_t nul[] = {0xff, 0xfe, '<', 0, 'a', 0, '/', 0, '>', 0, 0, 0};
    struct writer w;
    struct err e = {0};
    struct xml_position at;
    writer_init(&w, 1000);
    assert_true(run(reader_over(little, sizeof little), &w, &at, &e));
    assert_true(run(reader_over(big, sizeof big), &w, &at, &e));
    assert_true(reader_equal_text(writer_view(&w), "<{}\xc3\xbc@1:1#1>{}\xc3\xbc@1:1#1."
                                                   "<{}\xc3\xbc@1:1#1>{}\xc3\xbc@1:1#1."));
    writer_done(&w);
    refuse(reader_over(cut, sizeof cut), ERR_XML, 1, 1);
    refuse(reader_over(lone, sizeof lone), ERR_XML, 1, 1);
    refuse(reader_over(nul, sizeof nul), ERR_XML, 1, 1);
}

static void test_xml_next__refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_code code;
        uint32_t line, column;
    } rows[] = {
        {"<!DOCTYPE a><a/>", ERR_XML_DOCTYPE, 1, 1},
        {" \n <!--x--><?p?> <!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
         ERR_XML_DOCTYPE, 2, 16},
        {"<?xml version='1.0' encoding='UTF-7'?><a/>", ERR_XML, 1, 1},
        {"<a>\xff</a>", ERR_XML, 1, 4},
        {"<a><b><c><d><e><f><g><h><i><j><k/></j></i></h></g></f></e></d></c></b></a>",
         ERR_XML_LIMIT, 1, 31},
        {"<a\n a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' n='' o='' p='' "
         "q='' "
         "r='' s='' t='' u=''/>",
         ERR_XML_LIMIT, 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        refuse(reader_text(rows[i].text), rows[i].code, rows[i].line, rows[i].column);
}

/* What libxml2 finds: the line is right; the column is where it stopped. */
static void test_xml_next__not_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t line;
        const char *says;
    } rows[] = {
        {"", 1, "empty"},
        {"x", 1, "start tag is expected"},
        {"<a>\n<b>\n</a>", 3, "mismatch"},
        {"<a>\n", 2, ""},
        {"<a/><b/>", 1, "Extra content"},
        {"<a\n b='1' b='2'/>", 2, "redefined"},
        {"<a xmlns:p='u' xmlns:q='u' p:x='' q:x=''/>", 1, "redefined"},
        {"<a>\n\n&nbsp;</a>", 3, "nbsp"},
        {"<a b='&x;'/>", 1, "x"},
        {"<a b='<'/>", 1, "<"},
        {"<a>&#0;</a>", 1, "0"},
        {"<p:a/>", 1, "prefix"},
        {"<a p:b=''/>", 1, "prefix"},
        {"<a>]]></a>", 1, "]]>"},
        {"<a><!-- -- --></a>", 1, "omment"},
        {"<a b=c/>", 1, "\" or '"},
        {"<a>\x01</a>", 1, "invalid Char"},
        {"<a><!DOCTYPE b></a>", 1, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct writer w;
        struct err e = {0};
        struct xml_position at = {0, 0};
        writer_init(&w, 1000);
        assert_false(run(reader_text(rows[i].text), &w, &at, &e));
        writer_done(&w);
        if (e.code != ERR_XML || at.line != rows[i].line || strstr(e.user, rows[i].says) == NULL)
            fail_msg("%s: %u, %s %s", rows[i].text, at.line, e.user, e.detail);
    }
}

static void test_xml__limits(void **state)
{
    (void)state;
    struct arena *a = arena_new(16 << 20);
    struct writer w;
    writer_init(&w, 1 << 21);
    writer_text(&w, "<a>");
    for (int i = 0; i < 1000; i++)
        writer_text(&w, "<b/>");
    writer_text(&w, "</a>");
    refuse(writer_view(&w), ERR_XML_LIMIT, 1, 4 + 999 * 4);
    writer_reset(&w);
    writer_text(&w, "<a>");
    writer_zeros(&w, 1 << 20);
    refuse(writer_view(&w), ERR_XML_LIMIT, 1, 1);
    writer_done(&w);
    arena_free(a);
}

static void test_xml_tree__loads(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct xml_tree t;
    struct err e = {0};
    const char *text = "<a>\n <b/>text<c d='1'><e/></c>\n</a>";
    assert_true(xml_tree_load(a, reader_text(text), &limits, &t, &e));
    assert_string_equal(t.root->name, "a");
    assert_string_equal(t.root->text, "text");
    assert_int_equal(t.root->text_at.column, 6);
    assert_string_equal(t.root->first->next->name, "c");
    assert_ptr_equal(t.root->first->next->first->parent, t.root->first->next);
    assert_null(t.root->first->next->next);
    assert_string_equal(xml_tree_line(a, &t, 2), " <b/>text<c d='1'><e/></c>");
    assert_string_equal(xml_tree_line(a, &t, 3), "</a>");
    assert_string_equal(xml_tree_line(a, &t, 9), "");
    assert_false(xml_tree_load(a, reader_text("<a>\n<b</a>"), &limits, &t, &e));
    assert_int_equal(t.error_at.line, 2);
    assert_string_equal(xml_tree_line(a, &t, 2), "<b</a>");
    arena_free(a);
}

static void test_xml_edit__changes_places_and_nothing_else(void **state)
{
    static const char text[] =
        "<?xml version='1.0'?>\r\n<a xmlns='u' x = \"1 &amp; 2\"><!-- <b/> -->"
        "<b x='3'/><p:c xmlns:p='v' p:x='4' x='5'>t<d/></p:c></a>";
    struct xml_spans s;
    struct err e = {0};
    struct writer w;
    (void)state;
    struct arena *a = arena_new(1 << 20);
    assert_true(xml_spans_load(a, reader_text(text), &limits, 2, &s, &e));
    assert_int_equal(s.count, 3);
    assert_string_equal(xml_span_value(&s.list[0], "x"), "1 & 2");
    assert_true(s.list[1].empty && !s.list[2].empty);
    assert_string_equal(s.list[2].space, "v");
    assert_string_equal(xml_span_value(&s.list[2], "x"), "5");
    assert_null(xml_span_value(&s.list[1], "y"));
    const struct xml_attribute *x = xml_span_attribute(&s.list[0], "x");
    const struct xml_cut cuts[] = {
        {x->value_from, x->value_to, reader_text("9")},
        {s.list[1].from, s.list[1].to, reader_text("")},
        {s.list[2].inside, s.list[2].outside, reader_text("new")},
        {s.list[2].to, s.list[2].to, reader_text("<e/>")},
    };
    writer_init(&w, 1000);
    assert_true(xml_cuts_apply(s.text, cuts, COUNT_OF(cuts), &w));
    assert_true(reader_equal_text(writer_view(&w),
                                  "<?xml version='1.0'?>\r\n<a xmlns='u' x = \"9\"><!-- <b/> -->"
                                  "<p:c xmlns:p='v' p:x='4' x='5'>new</p:c><e/></a>"));
    const struct xml_cut wrong[] = {{5, 9, {0}}, {8, 10, {0}}};
    assert_false(xml_cuts_apply(s.text, wrong, 2, &w));
    const struct xml_cut outside = {5, 5000, {0}};
    assert_false(xml_cuts_apply(s.text, &outside, 1, &w));
    assert_false(xml_spans_load(a, reader_text("<a><b></a>"), &limits, 2, &s, &e));
    writer_reset(&w);
    xml_put_text(&w, "a<b>&\"\n");
    assert_true(reader_equal_text(writer_view(&w), "a&lt;b&gt;&amp;&quot;&#xA;"));
    writer_done(&w);
    arena_free(a);
}

static void canonical(const char *text, size_t element, enum xml_c14n method, const char *wanted)
{
    struct arena *a = arena_new(1 << 20);
    struct xml_document *d = NULL;
    struct err e = {0};
    struct writer w;
    writer_init(&w, 1 << 16);
    assert_true(xml_document_new(a, reader_text(text), &limits, &d, &e));
    assert_true(xml_canonical(d, element, method, false, &w, &e));
    writer_u8(&w, 0);
    assert_string_equal((const char *)writer_view(&w).at, wanted);
    assert_false(xml_canonical(d, 1000, method, false, &w, &e));
    xml_document_free(d);
    writer_done(&w);
    arena_free(a);
}

static void test_xml_canonical__of_one_element(void **state)
{
    static const char text[] =
        "<?xml version='1.0'?>\r\n<!-- c --><a xmlns='urn:u' xmlns:p='urn:v' z='1'>\r\n<b "
        "y='&lt;&#x9;\"' p:x='2' c='3'/><?pi  t?><!-- d --><p:e>&gt;\r\n<![CDATA[<]]>"
        "</p:e></a>\n";
    (void)state;
    canonical(text, 0, XML_C14N_INCLUSIVE,
              "<a xmlns=\"urn:u\" xmlns:p=\"urn:v\" z=\"1\">\n<b c=\"3\" y=\"&lt;&#x9;&quot;\" "
              "p:x=\"2\"></b>"
              "<?pi t?><p:e>&gt;\n&lt;</p:e></a>");
    canonical(text, 1, XML_C14N_INCLUSIVE,
              "<b xmlns=\"urn:u\" xmlns:p=\"urn:v\" c=\"3\" y=\"&lt;&#x9;&quot;\" p:x=\"2\"></b>");
    canonical(text, 2, XML_C14N_INCLUSIVE,
              "<p:e xmlns=\"urn:u\" xmlns:p=\"urn:v\">&gt;\n&lt;</p:e>");
    canonical(text, 2, XML_C14N_EXCLUSIVE, "<p:e xmlns:p=\"urn:v\">&gt;\n&lt;</p:e>");
    struct arena *a = arena_new(1 << 20);
    struct xml_document *d = NULL;
    struct err e = {0};
    assert_false(xml_document_new(a, reader_text("<!DOCTYPE a []><a/>"), &limits, &d, &e));
    assert_int_equal(e.code, ERR_XML_DOCTYPE);
    assert_null(d);
    struct writer w; /* a relative name of a namespace has no canonical form */
    writer_init(&w, 1 << 16);
    e = (struct err){0};
    assert_true(xml_document_new(a, reader_text("<a xmlns='u'/>"), &limits, &d, &e));
    assert_false(xml_canonical(d, 0, XML_C14N_INCLUSIVE, false, &w, &e));
    assert_int_equal(e.code, ERR_XML);
    xml_document_free(d);
    writer_done(&w);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_next__events_and_positions),
        cmocka_unit_test(test_xml_next__utf16),
        cmocka_unit_test(test_xml_next__refuses),
        cmocka_unit_test(test_xml_next__not_well_formed),
        cmocka_unit_test(test_xml__limits),
        cmocka_unit_test(test_xml_tree__loads),
        cmocka_unit_test(test_xml_canonical__of_one_element),
        cmocka_unit_test(test_xml_edit__changes_places_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
