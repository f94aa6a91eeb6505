/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/value.h"
#include "base/text.h"
#include <string.h>

enum { TEXT_MAX = 1024, RESTRICTION_MAX = 4096, PAYLOAD_TYPE_MAX = 1024, COUNT_MAX = 1000000 };

static const char *out_of_memory(const char *text)
{
    return text == NULL ? "" : text;
}

bool value_boolean(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool is_boolean(const char *text)
{
    return grammar_lists("true false 1 0", text);
}

uint32_t value_count(const char *text)
{
    uint64_t n = 0;
    if (strcmp(text, "unbounded") == 0 || !text_u64(reader_text(text), &n))
        return CONFIGURATION_UNBOUNDED;
    return (uint32_t)n;
}

static bool is_number(const char *text, uint64_t least)
{
    uint64_t n;
    return text_u64(reader_text(text), &n) && n >= least && n <= COUNT_MAX;
}

/* "a, b or c" */
static const char *spoken_list(struct arena *a, const char *list)
{
    struct writer w;
    writer_init(&w, 1000);
    for (const char *at = list; *at != '\0';) {
        int n = (int)strcspn(at, " ");
        bool last = at[n] == '\0';
        writer_format(&w, "%s'%.*s'", at == list ? "" : last ? " or " : ", ", n, at);
        at = &at[last ? n : n + 1];
    }
    char *text = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return text;
}

static const char *choice_problem(struct arena *a, const char *choices, const char *text)
{
    if (grammar_lists(choices, text))
        return NULL;
    const char *spoken = spoken_list(a, choices);
    return spoken == NULL ? "" : out_of_memory(arena_format(a, "it must be %s.", spoken));
}

static size_t characters(const char *text)
{
    struct reader rest = reader_text(text);
    uint32_t c;
    size_t n = 0;
    while (text_next(&rest, &c))
        n++;
    return n;
}

static bool is_url(const char *text)
{
    bool http = strncmp(text, "http://", 7) == 0, https = strncmp(text, "https://", 8) == 0;
    const char *host = &text[http ? 7 : 8];
    return (http || https) && strcspn(host, "/?#") > 0 &&
           strcspn(text, " <>\"{}|\\^`") == strlen(text);
}

static bool is_tag(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t n = strlen(text);
    return n >= 1 && n <= 128 && text[0] != '.' && text[0] != '-' && strspn(text, letters) == n;
}

static const char *text_problem(struct arena *a, const char *text, size_t most)
{
    if (!text_is_printable(reader_text(text)))
        return "it contains a control character.";
    if (characters(text) > most)
        return out_of_memory(arena_format(a, "it is longer than %zu characters.", most));
    return NULL;
}

bool value_is_parameter_name(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.-";
    size_t n = strlen(text);
    return n >= 1 && n <= 100 && strspn(text, first) > 0 && strspn(text, more) == n;
}

static const char *parameter_name_problem(const char *text)
{
    if (!value_is_parameter_name(text))
        return "it must begin with a letter or '_' and go on with letters, digits, '.', '_' or "
               "'-', at most 100 in all.";
    if (strncmp(text, "file.", 5) == 0)
        return "names that begin with 'file.' are built in.";
    return NULL;
}

const char *parameter_value_problem(const char *value)
{
    if (strlen(value) > CONFIGURATION_MAX_PARAMETER_VALUE)
        return "it is longer than 4096 bytes.";
    if (!text_is_printable(reader_text(value)))
        return "it contains a control character or is not UTF-8.";
    return NULL;
}

const char *output_name_problem(const char *text)
{
    if (text[0] == '\0')
        return "it is empty.";
    if (strpbrk(text, "/\\") != NULL)
        return "it must be a plain file name: '/' and '\\' are not allowed, the file always lies "
               "beside its source.";
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return "'.' and '..' are not file names.";
    if (!text_is_printable(reader_text(text)))
        return "it contains a control character.";
    if (strlen(text) > CONFIGURATION_MAX_OUTPUT_NAME)
        return "it is longer than 255 bytes.";
    return NULL;
}

const char *value_trim(struct arena *a, const char *text)
{
    size_t skip = strspn(text, " \t\r\n"), n = strlen(text);
    while (n > skip && strchr(" \t\r\n", text[n - 1]) != NULL)
        n--;
    return arena_text(a, reader_over(&text[skip], n - skip));
}

static const char *trimmed_name_problem(struct arena *a, const char *text)
{
    const char *name = value_trim(a, text);
    return name == NULL ? "" : output_name_problem(name);
}

static const char *payload_problem(struct arena *a, const char *text)
{
    const char *problem = text_problem(a, text, PAYLOAD_TYPE_MAX);
    if (problem != NULL)
        return problem;
    bool typed = strpbrk(text, "/:") != NULL && strchr(text, ' ') == NULL;
    return typed ? NULL : "it must be a MIME type such as 'application/json', or a URI.";
}

const char *value_problem(struct arena *a, const struct grammar_attribute *row, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    switch (row->value) {
    case VALUE_PATH:
    case VALUE_ROOT_PATH: /* pattern_compile checks them */
        return NULL;
    case VALUE_MIN:
        return is_number(text, 0) ? NULL : "it must be a whole number from 0 to 1000000.";
    case VALUE_MAX:
        return is_number(text, 1) || strcmp(text, "unbounded") == 0
                   ? NULL
                   : "it must be a whole number from 1 to 1000000, or 'unbounded'.";
    case VALUE_NUMBER:
        return is_number(text, 1) ? NULL : "it must be a whole number from 1 to 1000000.";
    case VALUE_BOOLEAN:
        return is_boolean(text) ? NULL : "it must be 'true' or 'false'.";
    case VALUE_CHOICE:
        return choice_problem(a, row->choices, text);
    case VALUE_URL:
        return is_url(text) && text_problem(a, text, TEXT_MAX) == NULL
                   ? NULL
                   : "it must be an absolute address that begins with http:// or https://.";
    case VALUE_OUTPUT_NAME:
        return trimmed_name_problem(a, text);
    case VALUE_TEXT:
        return text_problem(a, text, TEXT_MAX);
    case VALUE_RESTRICTION:
        return text_problem(a, text, RESTRICTION_MAX);
    case VALUE_SIGNATURE_TYPE:
        return strlen(text) >= 1 && strlen(text) <= 11 && strspn(text, letters) == strlen(text)
                   ? NULL
                   : "it must be 1 to 11 letters a-z, for example 'origin'.";
    case VALUE_TAG:
        return is_tag(text) ? NULL
                            : "it must be an image tag: at most 128 letters, digits, '_', '.', "
                              "'-', not beginning with '.' or '-'.";
    case VALUE_PAYLOAD_TYPE:
        return payload_problem(a, text);
    case VALUE_PARAMETER_NAME:
        return parameter_name_problem(text);
    case VALUE_DEFAULT:
        return parameter_value_problem(text);
    }
    return NULL;
}
