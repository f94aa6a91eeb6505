/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_GRAMMAR_H
#define CONFIGURATION_GRAMMAR_H
#include <stdbool.h>
#include <stddef.h>

/* The artifact configuration language as tables. Parser, checks, XML schema and the reference
 * page read these rows and nothing else. The whole language is here, built or not. */
#define GRAMMAR_NAMESPACE "http://signpath.io/artifact-configuration/v1"

enum grammar_value {
    VALUE_TEXT,           /* up to 1024 printable characters */
    VALUE_PATH,           /* pattern.h */
    VALUE_ROOT_PATH,      /* the same, one name */
    VALUE_MIN,            /* whole number from 0 */
    VALUE_MAX,            /* whole number from 1, or "unbounded" */
    VALUE_BOOLEAN,        /* true false 1 0 */
    VALUE_CHOICE,         /* one of `choices` */
    VALUE_NUMBER,         /* whole number from 1 */
    VALUE_URL,            /* absolute http or https */
    VALUE_OUTPUT_NAME,    /* a file name */
    VALUE_RESTRICTION,    /* any text; empty means absent */
    VALUE_SIGNATURE_TYPE, /* [a-z]{1,11} */
    VALUE_TAG,            /* OCI image tag */
    VALUE_PAYLOAD_TYPE,   /* MIME type or URI */
    VALUE_PARAMETER_NAME,
    VALUE_DEFAULT, /* of a parameter: any printable text, ${} means nothing */
};

enum {
    ATTRIBUTE_REQUIRED = 1,
    ATTRIBUTE_PER_FILE = 2, /* ${file.name} may be in it */
    ATTRIBUTE_PLAIN = 4,    /* ${} is not looked at */
};

/* One attribute. Lists of them end with a row without name. */
struct grammar_attribute {
    const char *name;
    enum grammar_value value;
    unsigned flags;         /* ATTRIBUTE_* */
    const char *choices;    /* VALUE_CHOICE: separated by blanks */
    const char *by_default; /* NULL: none, or it depends on the file */
    const char *old_name;   /* a spelling that is still accepted */
    const char *only_in;    /* elements, separated by blanks; NULL: wherever the directive is */
    const char *about;      /* for the reference page */
};

enum {
    GRAMMAR_SIGN = 1,     /* changes the file itself */
    GRAMMAR_VERIFY = 2,   /* looks at the file as it was uploaded */
    GRAMMAR_NEW_FILE = 4, /* writes a file beside the source */
    GRAMMAR_MARK = 8,     /* include-in-provenance */
    GRAMMAR_PROVENANCE = 16,
    GRAMMAR_ONCE = 32,   /* at most one in its parent */
    GRAMMAR_REPEAT = 64, /* several are allowed, with conditions */
};
enum grammar_key {
    GRAMMAR_KEY_NONE,
    GRAMMAR_KEY_X509,
    GRAMMAR_KEY_RSA,
    GRAMMAR_KEY_GPG,
    GRAMMAR_KEY_ANY
};

struct grammar_directive {
    const char *name;
    const struct grammar_attribute *attributes;
    unsigned does;        /* GRAMMAR_* */
    enum grammar_key key; /* RSA: X.509 with an RSA key */
    const char *inside;   /* directives it is nested in; NULL: in elements */
    const char *about;
};

enum grammar_kind { GRAMMAR_TYPED, GRAMMAR_FILE, GRAMMAR_DIRECTORY };
struct grammar_element {
    const char *name; /* the set is name-set */
    enum grammar_kind kind;
    bool composite;
    const char *title;
    const char *extensions; /* usual ones; NULL: any */
    const struct grammar_attribute *restrictions;
    const char *directives;      /* separated by blanks, without include-in-provenance */
    const char *root_directives; /* more of them on the root; NULL: none */
};

/* All end with a row without name. */
extern const struct grammar_element grammar_elements[];
extern const struct grammar_directive grammar_directives[];
extern const struct grammar_attribute grammar_path[];      /* nested elements, include */
extern const struct grammar_attribute grammar_root_path[]; /* root */
extern const struct grammar_attribute grammar_multifile[]; /* root zip-file */
extern const struct grammar_attribute grammar_parameter[];
extern const struct grammar_attribute grammar_nothing[];

/* By the name in the document; *is_set for name-set. NULL: no such element. */
const struct grammar_element *grammar_element_of(const char *name, bool *is_set);
const struct grammar_directive *grammar_directive_of(const char *name);
/* By name or old name. */
const struct grammar_attribute *grammar_attribute_of(const struct grammar_attribute *rows,
                                                     const char *name);
/* Is `word` in a list separated by blanks? A NULL list holds nothing. */
bool grammar_lists(const char *list, const char *word);
/* May the directive be in that element (also in the set's for-each)? */
bool grammar_allows(const struct grammar_element *element,
                    const struct grammar_directive *directive, bool is_root);
/* May the element be the root? */
bool grammar_is_root(const struct grammar_element *element);
#endif
