/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote/doctor.h"
#include "base/text.h"
#include "cli/remote/client.h"
#include "cli/remote/commands.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "doctor [--data DIR] [--wait SECONDS]";
static const char *const healths[] = {"ok", "warning", "broken"};

void doctor_add(struct doctor *d, enum health health, const char *name, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *kept = arena_text(d->cli->arena, reader_text(text));
    if (d->count < COUNT_OF(d->findings) && kept != NULL)
        d->findings[d->count++] = (struct finding){health, name, kept};
}

static enum health worst(const struct doctor *d)
{
    enum health all = HEALTH_OK;
    for (size_t i = 0; i < d->count; i++)
        if (d->findings[i].health > all)
            all = d->findings[i].health;
    return all;
}

/* Secrets are references (file:, credential:); an address may hold a password all the same. */
static const char *shown(struct doctor *d, enum setting which)
{
    const char *value = settings_text(&d->settings, which), *scheme = strstr(value, "://"), *at,
               *colon;
    if (scheme == NULL || (at = strchr(&scheme[3], '@')) == NULL ||
        (colon = strchr(&scheme[3], ':')) == NULL || colon > at)
        return value;
    const char *masked = arena_format(d->cli->arena, "%.*s:***%s", (int)(colon - value), value, at);
    return masked == NULL ? "" : masked;
}

static void write_text(struct doctor *d, struct writer *w)
{
    for (size_t i = 0; i < d->count; i++)
        writer_format(w, "%-8s %-12s %s\n", healths[d->findings[i].health], d->findings[i].name,
                      d->findings[i].text);
    if (!d->settings_read || d->cli->quiet)
        return;
    writer_format(w, "\n%-19s %-26s %-12s %s\n", "setting", "value", "source", "default");
    for (int i = 0; i < SET__COUNT; i++) {
        const char *value = shown(d, (enum setting)i), *usual = setting_row((enum setting)i)->value;
        writer_format(w, "%-19s %-26s %-12s %s\n", setting_row((enum setting)i)->name,
                      value[0] == '\0' ? "-" : value,
                      setting_source_name(d->settings.values[i].from),
                      usual[0] == '\0' ? "-" : usual);
    }
}

static void write_json(struct doctor *d, struct writer *w)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_text(&j, "status", healths[worst(d)]);
    json_open_array(&j, "checks");
    for (size_t i = 0; i < d->count; i++) {
        json_open_object(&j, NULL);
        json_text(&j, "name", d->findings[i].name);
        json_text(&j, "status", healths[d->findings[i].health]);
        json_text(&j, "text", d->findings[i].text);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_open_array(&j, "settings");
    for (int i = 0; d->settings_read && i < SET__COUNT; i++) {
        json_open_object(&j, NULL);
        json_text(&j, "name", setting_row((enum setting)i)->name);
        json_text(&j, "value", shown(d, (enum setting)i));
        json_text(&j, "source", setting_source_name(d->settings.values[i].from));
        json_text(&j, "default", setting_row((enum setting)i)->value);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    writer_text(w, "\n");
}

static void examine(struct doctor *d)
{
    doctor_programs(d);
    doctor_settings(d);
    doctor_sandbox(d);
    if (d->data != NULL) {
        doctor_folder(d);
        doctor_disk(d);
        doctor_keys(d);
        doctor_database(d);
        doctor_service(d);
    }
    doctor_stamps(d);
}

int remote_doctor(struct cli *c, int argc, char **argv)
{
    struct doctor d = {.cli = c};
    const char *rest[1], *wait = NULL;
    const struct option_row rows[] = {
        {"--data", OPTION_VALUE, (void *)&d.data, "the data folder"},
        {"--wait", OPTION_VALUE, (void *)&wait, "seconds to wait for the service to be ready"},
        {0},
    };
    size_t count;
    struct err e = {0};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1 << 20);
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    if (!cli_options(c, argc, argv, rows, rest, 0, &count, &e) ||
        !client_seconds("--wait", wait, 0, &d.wait_seconds, &e) ||
        !(wait == NULL || d.data != NULL ||
          err_user(&e, ERR_USAGE, "--wait needs the data folder: --data DIR")))
        return cli_fail(c, NULL, &e);
    examine(&d);
    if (c->json)
        write_json(&d, &w);
    else
        write_text(&d, &w);
    if (!writer_ok(&w, &e) || !cli_print(c, writer_view(&w), &e))
        return cli_fail(c, NULL, &e);
    enum health all = worst(&d);
    return (int)all;
}
