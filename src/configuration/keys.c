/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/build.h"
#include <string.h>

struct key_check {
    struct problem_at to;
    enum configuration_key key;
};

static const char *key_title(enum configuration_key key)
{
    switch (key) {
    case KEY_X509_RSA:
        return "an X.509 certificate with an RSA key";
    case KEY_X509_EC:
        return "an X.509 certificate with an elliptic curve key";
    case KEY_GPG_RSA:
        return "a GPG key (RSA)";
    case KEY_GPG_EC:
        return "a GPG key (elliptic curve)";
    }
    return "";
}

/* What the directive needs and the key is not; NULL when it fits. */
static const char *lacking(enum grammar_key needed, enum configuration_key key)
{
    bool gpg = key == KEY_GPG_RSA || key == KEY_GPG_EC;
    bool rsa = key == KEY_X509_RSA || key == KEY_GPG_RSA;
    switch (needed) {
    case GRAMMAR_KEY_NONE:
    case GRAMMAR_KEY_ANY:
        return NULL;
    case GRAMMAR_KEY_X509:
        return gpg ? "an X.509 certificate" : NULL;
    case GRAMMAR_KEY_RSA:
        return gpg || !rsa ? "an X.509 certificate with an RSA key" : NULL;
    case GRAMMAR_KEY_GPG:
        return gpg ? NULL : "a GPG key";
    }
    return NULL;
}

static void check_directive(const struct key_check *k, const struct configuration_node *node,
                            const struct configuration_directive *d)
{
    const struct grammar_directive *row = grammar_directive_of(d->name);
    const char *needed = lacking(row->key, k->key);
    bool rsa = k->key == KEY_X509_RSA || k->key == KEY_GPG_RSA;
    if (needed != NULL)
        problem_add(&k->to, d->at, ERR_CONFIGURATION_KEY,
                    "<%s> in <%s> needs %s, but the signing policy uses %s.", d->name,
                    node->element, needed, key_title(k->key));
    else if (rsa && grammar_attribute_of(row->attributes, "rsa-padding") != NULL &&
             configuration_attribute(d, "rsa-padding") == NULL)
        problem_add(&k->to, d->at, ERR_CONFIGURATION_KEY,
                    "<%s> in <%s> needs the attribute 'rsa-padding' ('pkcs1' or 'pss'), because "
                    "the signing policy uses %s.",
                    d->name, node->element, key_title(k->key));
}

static bool check_node(void *ctx, const struct configuration_node *node)
{
    const struct key_check *k = ctx;
    for (size_t i = 0; i < node->directive_count; i++)
        check_directive(k, node, &node->directives[i]);
    return true;
}

bool configuration_check_key(const struct configuration *c, enum configuration_key key,
                             struct configuration_problems *problems, struct err *e)
{
    struct key_check k = {{.arena = c->arena, .problems = problems}, key};
    (void)each_node(c->root, check_node, &k);
    problems_sort(problems);
    return problems_none(problems, e);
}
