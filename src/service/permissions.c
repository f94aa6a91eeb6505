/* SPDX-License-Identifier: Apache-2.0 */
#include "service/permissions.h"
#include "base/text.h"
#include <string.h>

enum { x = 1, o = 0 };

static const struct {
    const char *name;
    const char *what;
    unsigned rights;
} rows[PERM__COUNT] = {
    [PERM_PUBLIC] = {"PUBLIC", "anything public", ~0u},
    [PERM_MEMBER] = {"MEMBER", "use this organisation", (1u << RIGHT__COUNT) - 1},
#define P(name, ga, ca, ua, pa, gr, ru, ds, pc, pr, ps, pv, own, what)                             \
    [PERM_##name] = {#name, what,                                                                  \
                     ga << 0 | ca << 1 | ua << 2 | pa << 3 | gr << 4 | ru << 5 | ds << 6 |         \
                         pc << 7 | pr << 8 | ps << 9 | pv << 10 | own << 11},
    PERMISSIONS(P)
#undef P
};

static const char *const role_names[] = {
#define R(name) #name,
    ROLES(R)
#undef R
};

static const char *const list_names[] = {"configurator", "reader", "submitter", "approver"};

bool permission_granted(enum permission p, unsigned rights)
{
    return p > PERMISSION_NONE && p < PERM__COUNT &&
           (p == PERM_PUBLIC || (rows[p].rights & rights) != 0);
}

const char *permission_name(enum permission p)
{
    return rows[p].name;
}

bool permission_may_grant(const char *own, const char *given)
{
    return strcmp(own, "GlobalAdministrator") == 0 || strcmp(given, "RegularUser") == 0 ||
           strcmp(own, given) == 0;
}

unsigned permission_role_bit(const char *role)
{
    for (unsigned i = 0; i < COUNT_OF(role_names); i++)
        if (strcmp(role_names[i], role) == 0)
            return 1u << i;
    return 0;
}

unsigned permission_list_bit(const char *list)
{
    for (unsigned i = 0; i < COUNT_OF(list_names); i++)
        if (strcmp(list_names[i], list) == 0)
            return 1u << (RIGHT_LIST_CONFIGURATOR + i);
    return 0;
}

/* "GlobalAdministrator, the list submitter": who could do it, for the refusal. */
static void name_holders(unsigned rights, struct writer *w)
{
    for (unsigned i = 0; i < COUNT_OF(role_names) + COUNT_OF(list_names); i++) {
        if ((rights & 1u << i) == 0)
            continue;
        bool role = i < COUNT_OF(role_names);
        writer_text(w, w->len == 0 ? "" : ", ");
        writer_text(w, role ? role_names[i] : "the list ");
        writer_text(w, role ? "" : list_names[i - COUNT_OF(role_names)]);
    }
    writer_u8(w, 0);
}

bool permission_check(enum permission p, unsigned rights, struct err *e)
{
    if (permission_granted(p, rights))
        return true;
    CLEANUP(writer_done) struct writer holders = {0};
    writer_init(&holders, 400);
    name_holders(rows[p].rights, &holders);
    return err_user(e, ERR_FORBIDDEN,
                    "You may not do this: to %s one must be one of: %s. A Global Administrator can "
                    "change that.",
                    rows[p].what, holders.failed ? "" : (const char *)holders.data);
}
