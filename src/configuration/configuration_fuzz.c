/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/configuration.h"
#include <stdlib.h>

static void use_directive(struct arena *a, const struct configuration_directive *d)
{
    struct err e = {0};
    const char *text = NULL;
    if (configuration_attribute(d, "output-file-name") != NULL)
        (void)!configuration_output_name(a, d, "file.bin", &text, &e);
    for (size_t i = 0; i < d->attribute_count; i++) {
        struct err none = {0};
        if (!template_expand(a, &d->attributes[i].value, "file.bin", &text, &none) &&
            none.code == ERR_INTERNAL)
            abort();
    }
}

/* What the engine does with a resolved tree. */
static void use(struct arena *a, const struct configuration_node *node)
{
    for (size_t i = 0; i < node->match_count; i++) {
        const struct configuration_match *match = &node->matches[i];
        if ((match->pattern == NULL && node->parent != NULL) || match->min > match->max)
            abort();
        if (match->pattern != NULL)
            (void)!pattern_matches(match->pattern, "folder/file.bin");
    }
    for (size_t i = 0; i < node->directive_count; i++)
        use_directive(a, &node->directives[i]);
    for (size_t i = 0; i < node->child_count; i++)
        use(a, &node->children[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a CLEANUP(arena_cleanup) = arena_new(256 << 20);
    struct configuration *c = NULL, *resolved = NULL;
    struct configuration_problems problems = {0}, more = {0}, keys = {0};
    struct err e = {0}, f = {0}, g = {0};
    bool parsed = configuration_parse_any(a, reader_over(data, size), &c, &problems, &e);
    if (parsed != (e.code == ERR_NONE) || e.code == ERR_INTERNAL)
        abort();
    if (!parsed)
        return 0;
    static const char *const texts[] = {"1", "a*[", "true", "a/../b"};
    struct parameter_value values[200];
    for (size_t i = 0; i < c->parameter_count; i++)
        values[i] = (struct parameter_value){c->parameters[i].name, texts[(size + i) % 4]};
    if (configuration_resolve(c, values, c->parameter_count, &resolved, &more, &f))
        use(a, resolved->root);
    else if (f.code == ERR_INTERNAL)
        abort();
    (void)!configuration_check_key(c, KEY_X509_RSA, &keys, &g);
    return 0;
}
