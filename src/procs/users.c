/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "procs/supervisor.h"
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static bool by_name(const char *program, uint32_t *ret_uid, uint32_t *ret_gid, struct err *e)
{
    const struct passwd *p = getpwnam(program);
    if (p == NULL || p->pw_uid == 0)
        return err_user(
            e, ERR_SETTING,
            "users = yes needs the system user %s. Create it (sysusers.d), or set users "
            "to the first of eight free user ids.",
            program);
    *ret_uid = p->pw_uid;
    *ret_gid = p->pw_gid;
    return true;
}

/* What core and key own, by the users of this level. */
static bool hand_over(struct supervisor *s, struct err *e)
{
    static const struct {
        const char *name;
        enum role role;
    } folders[] = {
        {"db", ROLE_CORE}, {"blobs", ROLE_CORE}, {"audit", ROLE_CORE}, {"key", ROLE_KEY}};
    for (size_t i = 0; i < PROCESSES; i++)
        for (size_t n = 0; n < COUNT_OF(folders); n++)
            if (folders[n].role == s->processes[i].role)
                TRY(datadir_hand_over(&s->data, folders[n].name, s->processes[i].uid,
                                      s->processes[i].gid, e));
    return true;
}

static bool assign(struct supervisor *s, const char *users, struct err *e)
{
    uint64_t base = 0;
    bool numbered = text_u64(reader_text(users), &base);
    if (numbered && (base < 1000 || base > 4000000000u))
        return err_user(e, ERR_SETTING, "users: the first user id must be at least 1000.");
    if (!numbered)
        TRY(by_name("chancery-worker", &s->worker_uid, &s->worker_gid, e));
    else
        s->worker_uid = s->worker_gid = (uint32_t)base + ROLE_WORKER;
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        if (!numbered)
            TRY(by_name(p->program, &p->uid, &p->gid, e));
        else
            p->uid = p->gid = (uint32_t)base + p->role;
    }
    return true;
}

bool users_choose(struct supervisor *s, struct err *e)
{
    const char *want = settings_text(&s->settings, SET_sandbox),
               *users = settings_text(&s->settings, SET_users);
    uint64_t number;
    bool with_users = strcmp(users, "no") != 0, automatic = strcmp(want, "auto") == 0,
         full = strcmp(want, "full") == 0 || (automatic && with_users);
    if (with_users && strcmp(users, "yes") != 0 && !text_u64(reader_text(users), &number))
        return err_user(e, ERR_SETTING,
                        "users is \"%s\"; it must be yes, no or the first of eight free user ids.",
                        users);
    if (full && (geteuid() != 0 || !with_users))
        return err_user(e, ERR_SETTING,
                        "Sandbox level full needs users and a start as root; %s. Set sandbox = "
                        "self, or start as root with users = yes.",
                        geteuid() != 0 ? "this user is not root" : "users is no");
    if (strcmp(want, "weak") != 0 && sandbox_landlock_abi() == 0)
        return err_user(e, ERR_SETTING,
                        "This kernel has no Landlock, so sandbox level %s is not possible. Enable "
                        "it (lsm=landlock,... on the kernel command line), or accept less with "
                        "sandbox = weak.",
                        full ? "full" : "self");
    s->level = strcmp(want, "weak") == 0 ? SANDBOX_WEAK : full ? SANDBOX_FULL : SANDBOX_SELF;
    if (s->level == SANDBOX_FULL)
        TRY(assign(s, users, e));
    return geteuid() != 0 || hand_over(s, e);
}
