/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_DOCTOR_H
#define CLI_REMOTE_DOCTOR_H
#include "base/settings.h"
#include "base/writer.h"
#include "cli/cli.h"

/* One thing that was looked at. */
enum health { HEALTH_OK, HEALTH_WARNING, HEALTH_BROKEN };
struct finding {
    enum health health;
    const char *name, *text;
};

struct doctor {
    struct cli *cli;
    const char *data; /* NULL: only programs, kernel and settings */
    uint64_t wait_seconds;
    struct settings settings;
    bool settings_read;
    struct finding findings[32];
    size_t count;
};

/* Adds a finding; its text names the mend when it is not well. */
void doctor_add(struct doctor *d, enum health health, const char *name, const char *fmt, ...)
    PRINTF(4, 5);

/* doctor_machine.c: what lies here. */
void doctor_programs(struct doctor *d);
void doctor_settings(struct doctor *d);
void doctor_sandbox(struct doctor *d);
void doctor_folder(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_keys(struct doctor *d);
void doctor_database(struct doctor *d);
/* doctor_network.c: who answers. */
void doctor_service(struct doctor *d);
void doctor_stamps(struct doctor *d);
#endif
