/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/text.h"
#include "cli/helper.h"
#include "cli/remote/client.h"
#include "cli/remote/doctor.h"
#include "procs/launch.h"
#include "sandbox/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SETTINGS_MOST = 1 << 20, SCARCE_MIB = 1024, FULL_MIB = 64 };

void doctor_programs(struct doctor *d)
{
    static const char *const names[] = {"chanceryd",       "chancery-core", "chancery-front",
                                        "chancery-worker", "chancery-key",  "chancery-fetch",
                                        "chancery-audit"};
    char path[LAUNCH_PATH];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct err e = {0};
        if (launch_find(names[i], path, &e))
            continue;
        doctor_add(d, HEALTH_BROKEN, "programs", "%s", e.user);
        return;
    }
    doctor_add(d, HEALTH_OK, "programs", "all here");
}

static bool read_settings(struct doctor *d, struct err *e)
{
    struct arena *a = d->cli->arena;
    struct reader text;
    struct err missing = {0};
    const char *path = d->cli->settings;
    TRY(settings_init(&d->settings, a, e));
    d->settings_read = true;
    if (path == NULL && d->data != NULL)
        path = arena_format(a, "%s/chancery.conf", d->data);
    if (path != NULL && (d->cli->settings != NULL || access(path, F_OK) == 0)) {
        if (!file_read(AT_FDCWD, path, SETTINGS_MOST, a, &text, &missing))
            return err_user(e, ERR_SETTING, "%.200s cannot be read: %.80s.", path, missing.detail);
        TRY(settings_parse(&d->settings, text, e));
    }
    return settings_environment(&d->settings, environ, e);
}

void doctor_settings(struct doctor *d)
{
    struct err e = {0};
    if (!read_settings(d, &e))
        doctor_add(d, HEALTH_BROKEN, "settings", "%s", e.user);
    else
        doctor_add(d, HEALTH_OK, "settings", "valid");
    for (int i = 0; d->settings_read && i < SET__COUNT; i++)
        if (d->settings.values[i].from != FROM_DEFAULT && !setting_is_used((enum setting)i))
            doctor_add(d, HEALTH_WARNING, "settings", "%s is set, but this version does not use it",
                       setting_row((enum setting)i)->name);
}

/* The rules of the supervisor (procs/users.c), without their effects. */
void doctor_sandbox(struct doctor *d)
{
    if (!d->settings_read)
        return;
    int abi = sandbox_landlock_abi();
    const char *want = settings_text(&d->settings, SET_sandbox);
    bool users = strcmp(settings_text(&d->settings, SET_users), "no") != 0,
         full = strcmp(want, "full") == 0 || (strcmp(want, "auto") == 0 && users);
    if (strcmp(want, "weak") == 0)
        doctor_add(d, HEALTH_WARNING, "sandbox",
                   "level weak: the setting sandbox accepts it; Landlock ABI %d", abi);
    else if (abi == 0)
        doctor_add(d, HEALTH_BROKEN, "sandbox",
                   "this kernel has no Landlock. Enable it (lsm=landlock,... on the kernel "
                   "command line), or accept less with sandbox = weak");
    else if (full && (geteuid() != 0 || !users))
        doctor_add(d, HEALTH_BROKEN, "sandbox",
                   "level full needs users = yes and a start as root; Landlock ABI %d", abi);
    else
        doctor_add(d, HEALTH_OK, "sandbox", "level %s, Landlock ABI %d", full ? "full" : "self",
                   abi);
}

void doctor_folder(struct doctor *d)
{
    struct stat st;
    if (stat(d->data, &st) != 0)
        doctor_add(d, HEALTH_BROKEN, "data folder", "%s: %s. Make it: chancery init --data %s",
                   d->data, strerror(errno), d->data);
    else if (!S_ISDIR(st.st_mode))
        doctor_add(d, HEALTH_BROKEN, "data folder", "%s is not a folder", d->data);
    else if (st.st_uid != geteuid())
        doctor_add(d, HEALTH_BROKEN, "data folder",
                   "%s belongs to user %u, this is user %u. Start as the owner", d->data, st.st_uid,
                   geteuid());
    else if ((st.st_mode & 066) != 0)
        doctor_add(d, HEALTH_BROKEN, "data folder",
                   "other users can read %s. Close it: chmod 0700 %s", d->data, d->data);
    else
        doctor_add(d, HEALTH_OK, "data folder", "%s, mode %04o", d->data, st.st_mode & 07777);
}

void doctor_disk(struct doctor *d)
{
    struct statvfs fs;
    if (statvfs(d->data, &fs) != 0)
        return;
    uint64_t mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
    bool files = fs.f_files == 0 || fs.f_favail > 1000;
    enum health health = mib < FULL_MIB || !files                  ? HEALTH_BROKEN
                         : mib < SCARCE_MIB || fs.f_favail < 10000 ? HEALTH_WARNING
                                                                   : HEALTH_OK;
    if (fs.f_files == 0 && health == HEALTH_WARNING && mib >= SCARCE_MIB)
        health = HEALTH_OK; /* a file system without a count of files */
    doctor_add(d, health, "disk", "%llu MiB free%s", (unsigned long long)mib,
               health == HEALTH_OK ? "" : ". Make room, or move the data folder");
}

void doctor_keys(struct doctor *d)
{
    struct stat folder, kek;
    const char *path = arena_format(d->cli->arena, "%s/key", d->data),
               *file = arena_format(d->cli->arena, "%s/key/kek", d->data);
    bool sealed_here =
        d->settings_read && strcmp(settings_text(&d->settings, SET_key_seal), "file:key/kek") == 0;
    if (path == NULL || file == NULL)
        return;
    if (stat(path, &folder) != 0)
        doctor_add(d, HEALTH_BROKEN, "keys", "%s: %s", path, strerror(errno));
    else if ((folder.st_mode & 077) != 0)
        doctor_add(d, HEALTH_BROKEN, "keys", "other users can look into %s: chmod 0700 %s", path,
                   path);
    else if (sealed_here && stat(file, &kek) != 0)
        doctor_add(d, HEALTH_BROKEN, "keys",
                   "%s: %s. Without it no key can be opened; put it back from where it is kept",
                   file, strerror(errno));
    else if (sealed_here && (kek.st_mode & 077) != 0)
        doctor_add(d, HEALTH_BROKEN, "keys", "other users can read %s: chmod 0400 %s", file, file);
    else
        doctor_add(d, HEALTH_OK, "keys", "%s, sealed under %s", path,
                   d->settings_read ? settings_text(&d->settings, SET_key_seal) : "?");
}

/* chancery-audit knows databases; this program does not. */
void doctor_database(struct doctor *d)
{
    CLEANUP(writer_done) struct writer out = {0};
    struct err e = {0};
    int status = 0;
    const char *arguments[6] = {"version", "--data", d->data};
    if (d->cli->settings != NULL) {
        arguments[3] = "--settings";
        arguments[4] = d->cli->settings;
    }
    writer_init(&out, 4096);
    if (!helper_program("chancery-audit", arguments, reader_text(""), &out, &status, &e)) {
        bool older = strstr(e.user, "store.older") != NULL,
             ours = strncmp(e.user, "chancery: ", 10) == 0;
        doctor_add(d, older ? HEALTH_WARNING : HEALTH_BROKEN, "database", "%s",
                   &e.user[ours ? 10 : 0]);
        return;
    }
    size_t n = out.len > 0 ? out.len - 1 : 0;
    doctor_add(d, HEALTH_OK, "database", "%.*s", (int)n, (const char *)out.data);
}
