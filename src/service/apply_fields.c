/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "service/apply_parts.h"
#include <string.h>

bool apply_err(struct err *e, struct place at, const char *name, const char *sentence)
{
    return err_user(e, ERR_FIELD, "%s%s%s: %s", at.text,
                    at.text[0] != '\0' && name[0] != '\0' ? "." : "", name, sentence);
}

struct place place_item(struct apply *a, struct place in, const char *list, size_t index)
{
    const char *text =
        arena_format(a->arena, "%s%s%s[%zu]", in.text, in.text[0] == '\0' ? "" : ".", list, index);
    return (struct place){text == NULL ? list : text};
}

static const char *nearest(const char *word, const char *const *allowed)
{
    const char *best = NULL;
    size_t least = 4;
    for (; *allowed != NULL; allowed++) {
        size_t d = text_distance(word, *allowed);
        if (d < least) {
            least = d;
            best = *allowed;
        }
    }
    return best;
}

bool apply_keys(const json_t *object, struct place at, const char *const *allowed, struct err *e)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return apply_err(e, at, "", "must be an object.");
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool known = false;
        for (const char *const *k = allowed; *k != NULL; k++)
            known = known || strcmp(*k, key) == 0;
        if (known)
            continue;
        const char *close = nearest(key, allowed);
        return err_user(e, ERR_FIELD, "%s%s%.60s: there is no such key here%s%s%s", at.text,
                        at.text[0] == '\0' ? "" : ".", key, close == NULL ? "" : "; did you mean ",
                        close == NULL ? "" : close, close == NULL ? "." : "?");
    }
    return true;
}

bool apply_text(const json_t *object, struct place at, const char *name, const char *fallback,
                const char **ret, struct err *e)
{
    const json_t *value = json_object_get(object, name);
    *ret = fallback;
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return apply_err(e, at, name, "must be a text.");
    *ret = json_string_value(value);
    return true;
}

bool apply_number(const json_t *object, struct place at, const char *name, int64_t fallback,
                  int64_t least, int64_t most, int64_t *ret, struct err *e)
{
    const json_t *value = json_object_get(object, name);
    *ret = fallback;
    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return err_user(e, ERR_FIELD, "%s.%s: must be a whole number from %lld to %lld.", at.text,
                        name, (long long)least, (long long)most);
    *ret = json_integer_value(value);
    return true;
}

bool apply_flag(const json_t *object, struct place at, const char *name, bool fallback, bool *ret,
                struct err *e)
{
    const json_t *value = json_object_get(object, name);
    *ret = fallback;
    if (value == NULL)
        return true;
    if (!json_is_boolean(value))
        return apply_err(e, at, name, "must be true or false.");
    *ret = json_is_true(value);
    return true;
}

bool apply_list(const json_t *object, struct place at, const char *name, const json_t **ret,
                struct err *e)
{
    const json_t *value = json_object_get(object, name);
    *ret = value;
    if (value == NULL || (json_is_array(value) && json_array_size(value) <= 500))
        return true;
    return apply_err(e, at, name, "must be a list of at most 500 items.");
}

bool apply_choice(const json_t *object, struct place at, const char *name, const char *fallback,
                  const char *const *words, const char **ret, struct err *e)
{
    CLEANUP(writer_done) struct writer all = {0};
    TRY(apply_text(object, at, name, fallback, ret, e));
    writer_init(&all, 400);
    for (const char *const *w = words; *w != NULL; w++) {
        if (*ret == NULL || strcmp(*w, *ret) == 0)
            return true;
        writer_format(&all, "%s%s", all.len == 0 ? "" : ", ", *w);
    }
    writer_text(&all, ".");
    writer_insert(&all, 0, "must be one of: ", 16);
    writer_u8(&all, 0);
    return apply_err(e, at, name, all.failed ? "is not known." : (const char *)all.data);
}

bool apply_required(const char *value, struct place at, const char *name, struct err *e)
{
    return value != NULL || apply_err(e, at, name, "is required.");
}
