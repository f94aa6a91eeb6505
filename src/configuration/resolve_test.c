/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/test_support.h"

#define HEAD        "<artifact-configuration xmlns='http://signpath.io/artifact-configuration/v1'>"
#define PARAMETER_V "<parameters><parameter name='v'/></parameters>"
#define TAIL        "</artifact-configuration>"

struct setting {
    struct arena *arena;
    struct configuration *c;
    struct configuration_problems problems;
    struct err e;
};

static void open_with(struct setting *s, const char *body)
{
    *s = (struct setting){.arena = arena_new(64 << 20)};
    const char *xml = arena_format(s->arena, HEAD "%s" TAIL, body);
    if (!configuration_parse_any(s->arena, reader_text(xml), &s->c, &s->problems, &s->e))
        fail_msg("%s", s->e.user);
    s->problems = (struct configuration_problems){0};
}

static bool resolve(struct setting *s, const struct parameter_value *values, size_t count,
                    struct configuration **ret)
{
    s->problems = (struct configuration_problems){0};
    s->e = (struct err){0};
    return configuration_resolve(s->c, values, count, ret, &s->problems, &s->e);
}

static const char *value(struct setting *s, const struct configuration_directive *d,
                         const char *name)
{
    const char *text = NULL;
    const struct template *t = configuration_attribute(d, name);
    if (t == NULL)
        return "(none)";
    assert_true(template_expand(s->arena, t, "File.EXE", &text, &s->e));
    return text;
}

/* The worked example of product-spec 6.16. */
static void test_configuration_resolve__worked_example(void **state)
{
    (void)state;
    struct setting s = {.arena = arena_new(64 << 20)};
    struct reader xml = test_file(s.arena, "good/worked-example.xml");
    assert_true(configuration_parse_any(s.arena, xml, &s.c, &s.problems, &s.e));
    assert_false(s.c->resolved);
    assert_int_equal(s.c->parameter_count, 1);
    assert_true(s.c->parameters[0].required);
    static const struct parameter_value version[] = {{"version", "2.1"}};
    struct configuration *r = NULL;
    assert_false(resolve(&s, NULL, 0, &r));
    assert_string_equal(s.problems.list[0].text,
                        "The parameter 'version' is required: give it a value.");
    assert_true(resolve(&s, version, 1, &r));
    assert_true(r->resolved);
    const struct configuration_node *msi = &r->root->children[0], *sums = &r->root->children[1];
    assert_string_equal(msi->element, "msi-file");
    assert_true(pattern_matches(msi->matches[0].pattern, "APP-2.1.msi"));
    assert_false(pattern_matches(msi->matches[0].pattern, "APP-2.2.msi"));
    assert_string_equal(msi->matches[0].restrictions[0].name, "subject");
    assert_string_equal(msi->directives[0].name, "authenticode-sign");
    assert_true(configuration_signs(&msi->directives[0]));
    assert_false(configuration_verifies(&msi->directives[0]));
    const struct configuration_node *set = &msi->children[0];
    assert_true(set->is_set);
    assert_string_equal(set->element, "pe-file");
    assert_int_equal(set->match_count, 2);
    assert_int_equal(set->matches[1].max, CONFIGURATION_UNBOUNDED);
    assert_int_equal(set->matches[0].restriction_count, 1);
    assert_string_equal(set->matches[0].restrictions[0].value.source, "App");
    assert_string_equal(set->matches[1].restrictions[0].value.source, "AppLib");
    assert_ptr_equal(set->parent, msi);
    assert_string_equal(value(&s, &set->directives[0], "hash-algorithm"), "sha256");
    assert_string_equal(value(&s, &set->directives[0], "append"), "false");
    assert_string_equal(value(&s, &msi->directives[0], "append"), "(none)");
    const char *name = NULL;
    assert_true(
        configuration_output_name(s.arena, &sums->directives[0], "sha256sums", &name, &s.e));
    assert_string_equal(name, "sha256sums.pem");
    arena_free(s.arena);
}

static void test_configuration_resolve__values_in_paths_are_literal(void **state)
{
    (void)state;
    struct setting s;
    open_with(&s, "<parameters><parameter name='v'/></parameters><zip-file>"
                  "<pe-file path='v${v}*'><authenticode-sign/></pe-file></zip-file>");
    struct configuration *r = NULL;
    static const struct parameter_value star[] = {{"v", "1*"}}, up[] = {{"v", "/../x"}},
                                        slash[] = {{"v", "/a"}};
    assert_true(resolve(&s, star, 1, &r));
    assert_false(pattern_matches(r->root->children[0].matches[0].pattern, "v12"));
    assert_true(pattern_matches(r->root->children[0].matches[0].pattern, "v1*2"));
    assert_true(resolve(&s, slash, 1, &r));
    assert_true(pattern_matches(r->root->children[0].matches[0].pattern, "v/ab"));
    assert_false(resolve(&s, up, 1, &r));
    assert_int_equal(s.e.code, ERR_CONFIGURATION_PATTERN);
    arena_free(s.arena);
}

/* Everything that can be wrong only once the value is there. */
static void test_configuration_resolve__checks_after_expansion(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value, *summary;
    } rows[] = {
        {"<pe-file><authenticode-sign hash-algorithm='@${v}'/></pe-file>", "md5",
         "configuration.value"},
        {"<pe-file><authenticode-sign hash-algorithm='@${v}'/></pe-file>", "",
         "configuration.value"},
        {"<pe-file><authenticode-sign hash-algorithm='@${v}'/></pe-file>", "sha512", "ok"},
        {"<pe-file><authenticode-sign hash-algorithm='@sha${v}'/></pe-file>", "384", "ok"},
        {"<msi-file><authenticode-sign @append='${v}'/></msi-file>", "1", "configuration.value"},
        {"<msi-file><authenticode-sign append='@${v}'/></msi-file>", "0", "ok"},
        {"<msix-file><authenticode-sign hash-algorithm='@${v}'/></msix-file>", "sha1",
         "configuration.value"},
        {"<zip-file><pe-file path='a*' "
         "max-matches='@${v}'><authenticode-sign/></pe-file></zip-file>",
         "0", "configuration.value"},
        {"<zip-file><pe-file path='a*' "
         "min-matches='@${v}'><authenticode-sign/></pe-file></zip-file>",
         "2", "configuration.rule"},
        {"<zip-file><pe-file path='@${v}'><authenticode-sign/></pe-file></zip-file>", "",
         "configuration.pattern"},
        {"<zip-file><pe-file path='@${v}'><authenticode-sign/></pe-file></zip-file>", "**", "ok"},
        {"<pe-file path='@${v}'><authenticode-sign/></pe-file>", "a/b", "configuration.pattern"},
        {"<zip-file><file path='a'><create-gpg-signature "
         "output-file-name='@x${v}'/></file></zip-file>",
         "/y", "configuration.output_name"},
        {"<zip-file><file path='a' max-matches='${v}'><create-gpg-signature "
         "output-file-name='@x'/></file></zip-file>",
         "unbounded", "configuration.output_name"},
        {"<zip-file ui-multifile-upload='@${v}'><jar-sign/></zip-file>", "maybe",
         "configuration.value"},
        {"<zip-file><file path='a'><create-gpg-signature output-file-name='a.sig'/></file>"
         "<file path='b'><create-gpg-signature output-file-name='@${v}.sig'/></file></zip-file>",
         "A", "configuration.output_name"},
        {"<deb-file><debsigs-sign signature-type='origin'/>@<debsigs-sign signature-type='${v}'/>"
         "</deb-file>",
         "origin", "configuration.rule"},
        {"<pe-file product-name='@${v}'><authenticode-sign/></pe-file>", "", "ok"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct setting s;
        struct configuration *r = NULL;
        char body[1000], seen[500], expected[100] = "ok";
        size_t at = strcspn(rows[i].body, "@"); /* stands where the problem is */
        size_t before =
            (size_t)snprintf(body, sizeof body, "%s%.*s", PARAMETER_V, (int)at, rows[i].body);
        (void)snprintf(&body[before], sizeof body - before, "%s", &rows[i].body[at + 1]);
        if (strcmp(rows[i].summary, "ok") != 0)
            (void)snprintf(expected, sizeof expected, "%s:1:%zu", rows[i].summary,
                           sizeof HEAD + before);
        open_with(&s, body);
        const struct parameter_value values[] = {{"v", rows[i].value}};
        bool right = resolve(&s, values, 1, &r);
        test_summary(&s.problems, seen, sizeof seen);
        if (strcmp(seen, expected) != 0 || right != (strcmp(expected, "ok") == 0))
            fail_msg("row %zu: %s, not %s %s", i, seen, expected, s.e.user);
        arena_free(s.arena);
    }
}

static void test_configuration_resolve__refuses_values(void **state)
{
    (void)state;
    struct setting s;
    open_with(&s, "<parameters><parameter name='version' required='true' default-value='1'/>"
                  "<parameter name='other'/></parameters><pe-file><authenticode-sign "
                  "description='${version}${other}'/></pe-file>");
    struct configuration *r = NULL;
    static const struct parameter_value unknown[] = {{"Version", "1"}},
                                        twice[] = {{"other", "1"}, {"other", "1"}},
                                        empty[] = {{"version", ""}},
                                        control[] = {{"other", "a\nb"}},
                                        coded[] = {{"other", "\xff"}},
                                        nested[] = {{"other", "${version}"}};
    assert_false(resolve(&s, unknown, 1, &r));
    assert_int_equal(s.e.code, ERR_PARAMETER);
    assert_string_equal(s.e.user, "The artifact configuration has no parameter 'Version'. Did you "
                                  "mean 'version'? Defined: 'version', 'other'.");
    assert_false(resolve(&s, twice, 2, &r));
    assert_false(resolve(&s, empty, 1, &r));
    assert_false(resolve(&s, control, 1, &r));
    assert_false(resolve(&s, coded, 1, &r));
    char *big = arena_alloc(s.arena, 4098);
    memset(big, 'x', 4097);
    const struct parameter_value large[] = {{"other", big}};
    assert_false(resolve(&s, large, 1, &r));
    assert_int_equal(s.problems.list[0].at.line, 0);
    assert_true(resolve(&s, nested, 1, &r));
    assert_string_equal(value(&s, &r->root->directives[0], "description"), "1${version}");
    arena_free(s.arena);
}

/* Few bytes of document and of values must not make gigabytes. */
static void test_configuration_resolve__limits_expansion(void **state)
{
    (void)state;
    struct arena *a = arena_new(256 << 20);
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, HEAD "<parameters><parameter name='v'/></parameters><pe-file product-name='");
    for (int i = 0; i < 5000; i++)
        writer_text(&w, "${v}");
    writer_text(&w, "'><authenticode-sign/></pe-file>" TAIL);
    struct setting s = {.arena = a};
    assert_true(configuration_parse_any(a, writer_view(&w), &s.c, &s.problems, &s.e));
    writer_done(&w);
    char *big = arena_alloc(a, 4097);
    memset(big, 'x', 4096);
    const struct parameter_value large[] = {{"v", big}};
    struct configuration *r = NULL;
    assert_false(resolve(&s, large, 1, &r));
    assert_int_equal(s.e.code, ERR_PARAMETER);
    arena_free(a);
}

static void test_configuration_output_name__per_file(void **state)
{
    (void)state;
    struct setting s;
    open_with(&s, "<zip-file><file path='*' max-matches='unbounded'><create-gpg-signature "
                  "output-file-name=' ${file.name}.asc '/></file></zip-file>");
    struct configuration *r = NULL;
    const char *name = NULL;
    assert_true(resolve(&s, NULL, 0, &r));
    const struct configuration_directive *d = &r->root->children[0].directives[0];
    assert_true(configuration_output_name(s.arena, d, "my file.bin", &name, &s.e));
    assert_string_equal(name, "my file.bin.asc");
    char *big = arena_alloc(s.arena, 300);
    memset(big, 'x', 252);
    assert_false(configuration_output_name(s.arena, d, big, &name, &s.e));
    assert_int_equal(s.e.code, ERR_CONFIGURATION_OUTPUT);
    arena_free(s.arena);
}

static void test_configuration_check_key__kinds(void **state)
{
    (void)state;
    static const char body[] =
        "<zip-file><jar-sign/>\n<nupkg-file path='a'><nuget-sign/></nupkg-file>\n"
        "<file path='b'><create-gpg-signature output-file-name='1'/>\n"
        "<create-cms-signature output-file-name='2' output-encoding='pem'/>\n"
        "<create-raw-signature output-file-name='3' hash-algorithm='sha256'/>\n"
        "<dsse-sign output-file-name='4' payload-type='a/b' rsa-padding='pss'/></file></zip-file>";
    static const struct {
        enum configuration_key key;
        const char *summary;
    } rows[] = {
        {KEY_X509_RSA, "configuration.key:3:16,configuration.key:4:1,configuration.key:5:1"},
        {KEY_X509_EC, "configuration.key:2:22,configuration.key:3:16"},
        {KEY_GPG_RSA, "configuration.key:1:88,configuration.key:2:22,configuration.key:4:1,"
                      "configuration.key:5:1"},
        {KEY_GPG_EC, "configuration.key:1:88,configuration.key:2:22,configuration.key:4:1"},
    };
    struct setting s;
    open_with(&s, body);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char seen[500];
        struct configuration_problems problems = {0};
        struct err e = {0};
        assert_false(configuration_check_key(s.c, rows[i].key, &problems, &e));
        assert_int_equal(e.code, ERR_CONFIGURATION_KEY);
        test_summary(&problems, seen, sizeof seen);
        assert_string_equal(seen, rows[i].summary);
    }
    arena_free(s.arena);
}

static void test_configuration_parse__refuses_what_is_not_built(void **state)
{
    (void)state;
    static const char body[] = HEAD "<rpm-file><rpm-sign/></rpm-file>" TAIL;
    struct arena *a = arena_new(16 << 20);
    struct configuration *c = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    bool built = format_facts_of("rpm-file") != NULL;
    assert_int_equal(configuration_parse(a, reader_text(body), &c, &problems, &e), built);
    if (!built) {
        assert_int_equal(e.code, ERR_CONFIGURATION_UNBUILT);
        assert_non_null(strstr(e.user, "This server cannot process <rpm-file> yet."));
        assert_null(c);
    }
    static const char file[] =
        HEAD "<zip-file><file path='a'><create-cms-signature output-file-name='b' "
             "output-encoding='pem'/></file></zip-file>" TAIL;
    struct err none = {0};
    problems = (struct configuration_problems){0};
    assert_true(configuration_parse(a, reader_text(file), &c, &problems, &none));
    assert_non_null(c->root->facts);
    assert_non_null(c->root->children[0].directives[0].facts);
    arena_free(a);
}

/* All problems are counted, a hundred are kept, and the texts are for people. */
static void test_configuration_parse__problems(void **state)
{
    (void)state;
    struct arena *a = arena_new(64 << 20);
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, HEAD "<zip-file>\n");
    for (int i = 0; i < 5000; i++)
        writer_text(&w, " <pe-flie path='a'/>\n");
    writer_text(&w, "</zip-file>" TAIL);
    struct configuration *c = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    assert_false(configuration_parse_any(a, writer_view(&w), &c, &problems, &e));
    writer_done(&w);
    assert_int_equal(problems.count, PROBLEMS_MAX);
    const char *text = problems.list[0].text;
    assert_memory_equal(text,
                        "There is no element <pe-flie>. Did you mean 'pe-file'? Allowed in "
                        "<zip-file>: <jar-sign>, ",
                        90);
    assert_string_equal(problems.list[0].quote, " <pe-flie path='a'/>");
    assert_memory_equal(e.user, "line 2, column 2: There is no element <pe-flie>.", 48);
    arena_free(a);
}

/* Warnings fill no room that errors need, and end no check. */
static void test_configuration_parse__errors_behind_warnings(void **state)
{
    (void)state;
    struct arena *a = arena_new(64 << 20);
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, HEAD "<zip-file><pe-file path='a'>\n");
    for (int i = 0; i < 150; i++)
        writer_text(&w, "<authenticode-sign/>\n");
    writer_text(&w, "</pe-file>");
    size_t before = w.len;
    struct configuration *c = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    writer_text(&w, "</zip-file>" TAIL);
    assert_true(configuration_parse_any(a, writer_view(&w), &c, &problems, &e));
    assert_int_equal(problems.count, PROBLEMS_MAX);
    assert_non_null(strstr(problems.list[0].text, "Write append=\"true\""));
    w.len = before;
    writer_text(&w, "\n<nupkg-file path='b'><nuget-sign/><nuget-sign/></nupkg-file>\n"
                    "<file-set><include path='a'/><include path='b'/><for-each>"
                    "<create-raw-signature hash-algorithm='sha256' output-file-name='s'/>"
                    "</for-each></file-set></zip-file>" TAIL);
    problems = (struct configuration_problems){0};
    assert_false(configuration_parse_any(a, writer_view(&w), &c, &problems, &e));
    writer_done(&w);
    assert_int_equal(problems.errors, 2); /* the output names clash too */
    assert_int_equal(e.code, ERR_CONFIGURATION_RULE);
    assert_memory_equal(e.user, "line 153, column 35: <nuget-sign> is given twice", 48);
    arena_free(a);
}

static void test_configuration_parse__replaced_signature(void **state)
{
    (void)state;
    static const char twice[] =
        HEAD "<msi-file><authenticode-sign/><authenticode-sign/></msi-file>" TAIL;
    struct arena *a = arena_new(1 << 20);
    struct configuration *c = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    assert_true(configuration_parse_any(a, reader_text(twice), &c, &problems, &e));
    assert_int_equal(problems.count, 1);
    assert_non_null(strstr(problems.list[0].text, "holds one signature only"));
    arena_free(a);
}

/* Includes times directives, in a document of a few hundred kilobytes. */
static void test_configuration_parse__limits_outputs(void **state)
{
    (void)state;
    struct arena *a = arena_new(64 << 20);
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_text(&w, HEAD "<zip-file><file-set>");
    for (int i = 0; i < 9000; i++)
        writer_format(&w, "<include path='%d'/>", i);
    writer_text(&w, "<for-each>\n");
    for (int i = 0; i < 9000; i++)
        writer_format(&w, "<dsse-sign payload-type='a/b' output-file-name='${file.name}%d'/>\n", i);
    writer_text(&w, "</for-each></file-set></zip-file>" TAIL);
    struct configuration *c = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    assert_false(configuration_parse_any(a, writer_view(&w), &c, &problems, &e));
    writer_done(&w);
    assert_int_equal(problems.errors, 1);
    assert_memory_equal(e.user, "line 4, column 1: The configuration makes more than 20000", 57);
    arena_free(a);
}

/* A document near its limits is saved and submitted in 64 MiB: web/incoming.c. */
static void test_configuration_resolve__large_document(void **state)
{
    (void)state;
    struct arena *a = arena_new(48 << 20);
    struct writer w;
    writer_init(&w, CONFIGURATION_MAX_BYTES);
    writer_text(&w, HEAD "<zip-file>");
    for (int i = 0; i < 9990; i++)
        writer_format(&w,
                      "<pe-file path='dir/with/a/longer/name/%05d.exe' product-name='A'>"
                      "<authenticode-sign/></pe-file>",
                      i);
    writer_text(&w, "</zip-file>" TAIL);
    struct setting s = {.arena = a};
    struct configuration *r = NULL;
    assert_true(configuration_parse_any(a, writer_view(&w), &s.c, &s.problems, &s.e));
    assert_true(resolve(&s, NULL, 0, &r));
    writer_done(&w);
    arena_free(a);
}

static void test_template__escapes(void **state)
{
    (void)state;
    struct setting s;
    open_with(&s,
              "<parameters><parameter name='v' default-value='V'/></parameters>"
              "<pe-file><authenticode-sign description='$${v} $ {v} ${v}$${${v}} $'/></pe-file>");
    struct configuration *r = NULL;
    assert_true(resolve(&s, NULL, 0, &r));
    assert_string_equal(value(&s, &r->root->directives[0], "description"), "${v} $ {v} V${V} $");
    assert_false(template_expand(s.arena,
                                 configuration_attribute(&s.c->root->directives[0], "description"),
                                 NULL, &(const char *){NULL}, &s.e));
    arena_free(s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration_resolve__worked_example),
        cmocka_unit_test(test_configuration_resolve__values_in_paths_are_literal),
        cmocka_unit_test(test_configuration_resolve__checks_after_expansion),
        cmocka_unit_test(test_configuration_resolve__refuses_values),
        cmocka_unit_test(test_configuration_resolve__limits_expansion),
        cmocka_unit_test(test_configuration_output_name__per_file),
        cmocka_unit_test(test_configuration_check_key__kinds),
        cmocka_unit_test(test_configuration_parse__refuses_what_is_not_built),
        cmocka_unit_test(test_configuration_parse__problems),
        cmocka_unit_test(test_configuration_parse__errors_behind_warnings),
        cmocka_unit_test(test_configuration_parse__replaced_signature),
        cmocka_unit_test(test_configuration_parse__limits_outputs),
        cmocka_unit_test(test_configuration_resolve__large_document),
        cmocka_unit_test(test_template__escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
