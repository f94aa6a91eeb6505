/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/xsd.h"
#include "configuration/grammar.h"
#include <string.h>

/* The tables hold no characters that XML would want escaped but these. */
static void escaped(struct writer *w, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            writer_text(w, "&lt;");
        else if (*text == '&')
            writer_text(w, "&amp;");
        else if (*text == '"')
            writer_text(w, "&quot;");
        else
            writer_u8(w, (uint8_t)*text);
    }
}

static void documented(struct writer *w, const char *text)
{
    writer_text(w, "<xs:annotation><xs:documentation>");
    escaped(w, text);
    writer_text(w, "</xs:documentation></xs:annotation>");
}

/* --- attributes ------------------------------------------------------------------------------ */
/* One of the words, or a text with a parameter in it. */
static void choice_type(struct writer *w, const char *choices, bool plain)
{
    if (!plain)
        writer_text(w, "<xs:simpleType><xs:union memberTypes=\"t:with-parameter\">");
    writer_text(w, "<xs:simpleType><xs:restriction base=\"xs:string\">");
    for (const char *at = choices; *at != '\0';) {
        size_t n = strcspn(at, " ");
        writer_text(w, "<xs:enumeration value=\"");
        writer_bytes(w, at, n);
        writer_text(w, "\"/>");
        at = &at[at[n] == ' ' ? n + 1 : n];
    }
    writer_text(w, "</xs:restriction></xs:simpleType>");
    if (!plain)
        writer_text(w, "</xs:union></xs:simpleType>");
}

#define PARAMETER ".*[$]\\{[^}]+\\}.*"

/* What can be said of a value before parameters are put in. */
static const struct {
    enum grammar_value value;
    const char *name, *pattern;
} named_types[] = {
    {VALUE_MIN, "number-from-0", "0|[1-9][0-9]{0,6}|" PARAMETER},
    {VALUE_NUMBER, "number-from-1", "[1-9][0-9]{0,6}|" PARAMETER},
    {VALUE_MAX, "number-or-unbounded", "[1-9][0-9]{0,6}|unbounded|" PARAMETER},
    {VALUE_PATH, "path", "[^/\\\\](.*[^/\\\\])?"},
    {VALUE_ROOT_PATH, "name-pattern", "[^/\\\\]+"},
    {VALUE_OUTPUT_NAME, "file-name", "[^/\\\\]*[^/\\\\\\s][^/\\\\]*"},
    {VALUE_URL, "web-address", "https?://[^/?#].*|" PARAMETER},
    {VALUE_SIGNATURE_TYPE, "signature-type", "[a-z]{1,11}|" PARAMETER},
    {VALUE_TAG, "image-tag", "[A-Za-z0-9_][A-Za-z0-9_.\\-]{0,127}|" PARAMETER},
    {VALUE_PAYLOAD_TYPE, "payload-type", "[^ ]*[/:][^ ]*|" PARAMETER},
    {VALUE_PARAMETER_NAME, "parameter-name", "[A-Za-z_][A-Za-z0-9._\\-]{0,99}"},
};

static void value_types(struct writer *w)
{
    static const char format[] = "<xs:simpleType name=\"%s\"><xs:restriction base=\"xs:string\">"
                                 "<xs:pattern value=\"%s\"/></xs:restriction></xs:simpleType>\n";
    writer_format(w, format, "with-parameter", PARAMETER);
    for (size_t i = 0; i < COUNT_OF(named_types); i++)
        writer_format(w, format, named_types[i].name, named_types[i].pattern);
}

static void type_name(struct writer *w, enum grammar_value value)
{
    for (size_t i = 0; i < COUNT_OF(named_types); i++)
        if (named_types[i].value == value) {
            writer_format(w, " type=\"t:%s\"", named_types[i].name);
            return;
        }
    writer_text(w, " type=\"xs:string\"");
}

static void attribute(struct writer *w, const struct grammar_attribute *row, const char *name)
{
    bool choice = row->value == VALUE_CHOICE || row->value == VALUE_BOOLEAN;
    bool required = (row->flags & ATTRIBUTE_REQUIRED) != 0;
    writer_format(w, "<xs:attribute name=\"%s\"%s", name, required ? " use=\"required\"" : "");
    if (!choice)
        type_name(w, row->value);
    writer_text(w, ">");
    documented(w, row->about);
    if (choice)
        choice_type(w, row->value == VALUE_BOOLEAN ? "true false 1 0" : row->choices,
                    (row->flags & ATTRIBUTE_PLAIN) != 0);
    writer_text(w, "</xs:attribute>\n");
}

static void attributes(struct writer *w, const struct grammar_attribute *rows)
{
    for (; rows->name != NULL; rows++) {
        attribute(w, rows, rows->name);
        if (rows->old_name != NULL)
            attribute(w, rows, rows->old_name);
    }
}

/* --- directives ------------------------------------------------------------------------------ */
static void reference(struct writer *w, const struct grammar_directive *d)
{
    writer_format(w, "<xs:element name=\"%s\" type=\"t:directive.%s\"/>\n", d->name, d->name);
}

/* Signatures, then at most one summary, then signatures. */
static void nested_directives(struct writer *w, const struct grammar_directive *outer)
{
    const struct grammar_directive *repeated = NULL, *once = NULL;
    for (const struct grammar_directive *d = grammar_directives; d->name != NULL; d++) {
        if (!grammar_lists(d->inside, outer->name))
            continue;
        if ((d->does & GRAMMAR_ONCE) != 0)
            once = d;
        else
            repeated = d;
    }
    if (repeated == NULL)
        return;
    static const char several[] = "<xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">";
    writer_format(w, "<xs:sequence>%s", several);
    reference(w, repeated);
    writer_text(w, "</xs:choice>");
    if (once != NULL) {
        writer_text(w, "<xs:sequence minOccurs=\"0\">");
        reference(w, once);
        writer_text(w, several);
        reference(w, repeated);
        writer_text(w, "</xs:choice></xs:sequence>");
    }
    writer_text(w, "</xs:sequence>\n");
}

static void directive_types(struct writer *w)
{
    for (const struct grammar_directive *d = grammar_directives; d->name != NULL; d++) {
        writer_format(w, "<xs:complexType name=\"directive.%s\">", d->name);
        documented(w, d->about);
        nested_directives(w, d);
        attributes(w, d->attributes);
        writer_text(w, "</xs:complexType>\n");
    }
}

/* --- elements -------------------------------------------------------------------------------- */
static void body(struct writer *w, const struct grammar_element *element, bool is_root)
{
    writer_format(w, "<xs:group name=\"body%s.%s\"><xs:choice>\n", is_root ? ".root" : "",
                  element->name);
    for (const struct grammar_directive *d = grammar_directives; d->name != NULL; d++)
        if (d->inside == NULL && grammar_allows(element, d, is_root))
            reference(w, d);
    if (element->composite)
        writer_text(w, "<xs:group ref=\"t:items\"/>\n");
    writer_text(w, "</xs:choice></xs:group>\n");
}

static void element_type(struct writer *w, const struct grammar_element *element, bool is_root)
{
    writer_format(w, "<xs:complexType name=\"%s.%s\">", is_root ? "root" : "nested", element->name);
    documented(w, element->title);
    writer_format(w,
                  "<xs:sequence><xs:group ref=\"t:body%s.%s\" minOccurs=\"0\" "
                  "maxOccurs=\"unbounded\"/></xs:sequence>\n",
                  is_root ? ".root" : "", element->name);
    attributes(w, is_root ? grammar_root_path : grammar_path);
    attributes(w, element->restrictions);
    if (is_root && element->root_directives != NULL)
        attributes(w, grammar_multifile);
    writer_text(w, "</xs:complexType>\n");
}

static void set_type(struct writer *w, const struct grammar_element *element)
{
    writer_format(w,
                  "<xs:complexType name=\"set.%s\"><xs:sequence>"
                  "<xs:element name=\"include\" maxOccurs=\"unbounded\"><xs:complexType>\n",
                  element->name);
    attributes(w, grammar_path);
    attributes(w, element->restrictions);
    writer_format(w,
                  "</xs:complexType></xs:element>\n<xs:element name=\"for-each\">"
                  "<xs:complexType><xs:sequence><xs:group ref=\"t:body.%s\" "
                  "maxOccurs=\"unbounded\"/></xs:sequence>"
                  "</xs:complexType></xs:element></xs:sequence>\n",
                  element->name);
    attributes(w, element->restrictions);
    writer_text(w, "</xs:complexType>\n");
}

static void element_types(struct writer *w)
{
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++) {
        body(w, row, false);
        element_type(w, row, false);
        set_type(w, row);
        if (!grammar_is_root(row))
            continue;
        body(w, row, true);
        element_type(w, row, true);
    }
    writer_text(w, "<xs:group name=\"items\"><xs:choice>\n");
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++)
        writer_format(w,
                      "<xs:element name=\"%s\" type=\"t:nested.%s\"/>\n"
                      "<xs:element name=\"%s-set\" type=\"t:set.%s\"/>\n",
                      row->name, row->name, row->name, row->name);
    writer_text(w, "</xs:choice></xs:group>\n");
}

/* --- the document ---------------------------------------------------------------------------- */
static void document(struct writer *w)
{
    writer_text(w, "<xs:element name=\"artifact-configuration\"><xs:complexType><xs:sequence>\n"
                   "<xs:element name=\"parameters\" minOccurs=\"0\"><xs:complexType><xs:sequence>"
                   "<xs:element name=\"parameter\" minOccurs=\"0\" maxOccurs=\"unbounded\">"
                   "<xs:complexType>\n");
    attributes(w, grammar_parameter);
    writer_text(w, "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>\n"
                   "<xs:choice>\n");
    for (const struct grammar_element *row = grammar_elements; row->name != NULL; row++)
        if (grammar_is_root(row))
            writer_format(w, "<xs:element name=\"%s\" type=\"t:root.%s\"/>\n", row->name,
                          row->name);
    writer_text(w, "</xs:choice></xs:sequence></xs:complexType></xs:element>\n");
}

void xsd_write(struct writer *w)
{
    writer_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" "
                   "xmlns:t=\"" GRAMMAR_NAMESPACE "\" targetNamespace=\"" GRAMMAR_NAMESPACE "\" "
                   "elementFormDefault=\"qualified\">\n");
    value_types(w);
    document(w);
    element_types(w);
    directive_types(w);
    writer_text(w, "</xs:schema>\n");
}
