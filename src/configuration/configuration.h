/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_CONFIGURATION_H
#define CONFIGURATION_CONFIGURATION_H
#include "archive/xml.h"
#include "base/arena.h"
#include "configuration/pattern.h"
#include "configuration/problems.h"
#include "configuration/template.h"
#include "formats/facts.h"

/* The artifact configuration language: from XML to a tree the signing engine can walk.
 *
 *   configuration_parse     on save, and again before every use: grammar and all static rules
 *   configuration_resolve   with the parameter values of a request: no ${parameter} is left
 *   template_expand         per matched file: ${file.name}
 *
 * All memory is of the arena given to configuration_parse. Nothing is changed after it is made. */

/* An attribute of a directive, or a restriction. Old spellings are gone (productName is
 * product-name). In a resolved configuration booleans are "true" or "false" and attributes with a
 * fixed default are present. */
struct configuration_attribute {
    const char *name;
    struct template value;
    struct xml_position at;
    bool by_default; /* not written by the author: `at` is the directive's */
};

struct configuration_directive {
    const char *name; /* "authenticode-sign" */
    const struct directive_facts
        *facts; /* NULL: the engine's own work (provenance), or not built */
    struct xml_position at;
    const struct configuration_attribute *attributes; /* document order, then defaults */
    size_t attribute_count;
    const struct configuration_directive *children; /* inside create-provenance-file */
    size_t child_count;
};

enum { CONFIGURATION_UNBOUNDED = UINT32_MAX };

/* One `path`: of the element itself or of an <include>; counted by itself in every enclosing
 * match. Restrictions are the effective ones: the set's, overridden name by name. An empty
 * expanded value means "must be absent or empty". */
struct configuration_match {
    struct template path;               /* count 0: the root without path, any name matches */
    const struct pattern *pattern;      /* resolved only; NULL when there is no path */
    uint32_t min, max;                  /* resolved only; max may be CONFIGURATION_UNBOUNDED */
    struct template min_text, max_text; /* count 0: not written */
    struct xml_position at;             /* of the element or include */
    const struct configuration_attribute *restrictions;
    size_t restriction_count;
};

enum configuration_kind {
    CONFIGURATION_TYPED,     /* pe-file, zip-file ...: the file must be of that type */
    CONFIGURATION_FILE,      /* file: works on the result of typed elements, output lies beside */
    CONFIGURATION_DIRECTORY, /* children are relative to every matched directory */
};

/* A file or directory element. A set is one node with several matches that share the body. */
struct configuration_node {
    enum configuration_kind kind;
    const char *element;              /* "pe-file", also for pe-file-set */
    const struct format_facts *facts; /* NULL: directory, or not built */
    bool is_set;                      /* written as <pe-file-set> */
    bool composite;                   /* may have children */
    bool multifile_upload;            /* root only: ui-multifile-upload="on" (resolved only) */
    struct template multifile_text;   /* count 0: not written */
    bool in_provenance;               /* has include-in-provenance */
    struct xml_position at;
    struct xml_position provenance_at;       /* of include-in-provenance; line 0: none */
    const struct configuration_node *parent; /* NULL: root */
    const struct configuration_match *matches;
    size_t match_count; /* root and single elements: 1 */
    /* Document order; without include-in-provenance, which is `in_provenance`. Verify directives
     * come before sign directives. Nested content is always finished first. */
    const struct configuration_directive *directives;
    size_t directive_count;
    const struct configuration_node *children; /* document order */
    size_t child_count;
};

struct configuration_parameter {
    const char *name;
    const char *default_value; /* NULL: none */
    bool required;
    struct xml_position at;
};

struct configuration {
    struct arena *arena;
    const struct configuration_parameter *parameters;
    size_t parameter_count;
    const struct configuration_node *root;
    bool resolved;
};

/* Limits of product-spec 6.1 and 6.2. */
enum {
    CONFIGURATION_MAX_BYTES = 1024 * 1024,
    CONFIGURATION_MAX_ELEMENTS = 20000,
    CONFIGURATION_MAX_DEPTH = 64,
    CONFIGURATION_MAX_PARAMETER_VALUE = 4096, /* bytes */
    CONFIGURATION_MAX_OUTPUT_NAME = 255,      /* bytes */
};

/* Reads and checks everything that needs no file and no parameter value, and refuses elements
 * and directives that this server cannot carry out (formats/facts.h). All problems go to
 * *problems, in document order, warnings too; false when one of them is an error, and *e is then
 * the first. A text without ${} is checked completely here. */
MUST_CHECK bool configuration_parse(struct arena *a, struct reader xml, struct configuration **ret,
                                    struct configuration_problems *problems, struct err *e);
/* The same for the whole language, built or not: schema tests, documentation, editors. */
MUST_CHECK bool configuration_parse_any(struct arena *a, struct reader xml,
                                        struct configuration **ret,
                                        struct configuration_problems *problems, struct err *e);

struct parameter_value {
    const char *name;
    const char *value; /* UTF-8 */
};
/* A new tree with all values put in and all enumerations, numbers, patterns and names checked.
 * Unknown or repeated names, a missing required value, a value that is too long or not printable
 * are errors (ERR_PARAMETER); *problems and *e as above. */
MUST_CHECK bool configuration_resolve(const struct configuration *c,
                                      const struct parameter_value *values, size_t count,
                                      struct configuration **ret,
                                      struct configuration_problems *problems, struct err *e);

/* What a key can do. */
enum configuration_key { KEY_X509_RSA, KEY_X509_EC, KEY_GPG_RSA, KEY_GPG_EC };
/* Which directives do not fit the key, and which lack rsa-padding although the key is RSA. Works
 * on parsed and on resolved configurations. False when there is one. */
MUST_CHECK bool configuration_check_key(const struct configuration *c, enum configuration_key key,
                                        struct configuration_problems *problems, struct err *e);

/* NULL: not there. */
const struct template *configuration_attribute(const struct configuration_directive *d,
                                               const char *name);
/* Name of the new file of a directive for one source file; `file_name` is the stored name without
 * directory. False: ERR_CONFIGURATION_OUTPUT (a separator, "..", too long ...). */
MUST_CHECK bool configuration_output_name(struct arena *a, const struct configuration_directive *d,
                                          const char *file_name, const char **ret, struct err *e);
/* True for the directives that give the file away signed or add something signed to it. */
MUST_CHECK bool configuration_signs(const struct configuration_directive *d);
MUST_CHECK bool configuration_verifies(const struct configuration_directive *d);
#endif
