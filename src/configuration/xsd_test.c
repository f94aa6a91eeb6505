/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/test_support.h"
#include "configuration/xsd.h"
#include <libxml/xmlschemas.h>

static void quiet(void *ctx, const char *fmt, ...) PRINTF(2, 3);
static void quiet(void *ctx, const char *fmt, ...)
{
    (void)ctx;
    (void)fmt;
}

static bool validates(xmlSchemaPtr schema, struct reader xml)
{
    xmlDocPtr doc = xmlReadMemory((const char *)xml.at, (int)xml.left, NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc == NULL)
        return false;
    xmlSchemaValidCtxtPtr ctx = xmlSchemaNewValidCtxt(schema);
    assert_non_null(ctx);
    xmlSchemaSetValidErrors(ctx, quiet, quiet, NULL);
    bool valid = xmlSchemaValidateDoc(ctx, doc) == 0;
    xmlSchemaFreeValidCtxt(ctx);
    xmlFreeDoc(doc);
    return valid;
}

/* What the grammar of the language refuses, a schema processor must refuse too; with these
 * exceptions: an ancestor further up, and an attribute that every schema allows everywhere. */
static bool must_refuse(const char *name, const char *expected)
{
    static const char *const beyond[] = {"bad/file-in-jar.xml", "bad/file-set-in-msi.xml",
                                         "bad/file-in-directory-in-nupkg.xml",
                                         "bad/schema-location-nested.xml"};
    /* Values and an empty list that a schema can tell as well. */
    static const char *const told[] = {
        "bad/for-each-empty.xml",   "bad/min-negative.xml",        "bad/min-word.xml",
        "bad/max-zero.xml",         "bad/max-empty.xml",           "bad/sdk-zero.xml",
        "bad/debsigs-type.xml",     "bad/debsigs-type-long.xml",   "bad/tag-value.xml",
        "bad/url-scheme.xml",       "bad/url-relative.xml",        "bad/output-separator.xml",
        "bad/output-backslash.xml", "bad/output-empty.xml",        "bad/output-blank.xml",
        "bad/pattern-lead.xml",     "bad/pattern-leadback.xml",    "bad/pattern-trail.xml",
        "bad/pattern-empty.xml",    "bad/pattern-root-folder.xml", "bad/payload-type.xml",
        "bad/parameter-name.xml",
    };
    for (size_t i = 0; i < COUNT_OF(told); i++)
        if (strcmp(told[i], name) == 0)
            return true;
    for (size_t i = 0; i < COUNT_OF(beyond); i++)
        if (strcmp(beyond[i], name) == 0)
            return false;
    return strstr(expected, "unknown_name") != NULL || strstr(expected, "wrong_place") != NULL ||
           strstr(expected, "missing") != NULL;
}

static void test_xsd__agrees_with_the_parser(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 1 << 20);
    xsd_write(&w);
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewMemParserCtxt((const char *)w.data, (int)w.len);
    assert_non_null(parser);
    xmlSchemaPtr schema = xmlSchemaParse(parser);
    assert_non_null(schema);
    xmlSchemaFreeParserCtxt(parser);
    FILE *table = fopen(FIXTURES "/expected.txt", "r");
    assert_non_null(table);
    char line[4000], name[200], expected[3000];
    size_t valid = 0, refused = 0, wrong = 0;
    while (fgets(line, sizeof line, table) != NULL) {
        if (line[0] == '#' || sscanf(line, "%199s %2999s", name, expected) != 2)
            continue;
        if (strcmp(name, "good/cdata-blank.xml") == 0)
            continue; /* libxml2 takes a blank CDATA section for text */
        struct arena *a = arena_new(8 << 20);
        bool good = strncmp(name, "good/", 5) == 0;
        bool seen = validates(schema, test_file(a, name));
        valid += good && seen;
        refused += !good && !seen;
        bool agrees = good ? seen : !seen || !must_refuse(name, expected);
        wrong += agrees ? 0 : 1;
        if (!agrees)
            (void)fprintf(stderr, "%s: the schema says %s\n", name, seen ? "valid" : "not valid");
        arena_free(a);
    }
    (void)fclose(table);
    xmlSchemaFree(schema);
    xmlCleanupParser();
    writer_done(&w);
    assert_int_equal(wrong, 0);
    assert_true(valid >= 60 && refused >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xsd__agrees_with_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
