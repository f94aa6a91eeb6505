/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    const char *program;
    enum log_level least;
    bool json;
} config = {"chancery", LOG_INFO, false};

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_start(const char *program, enum log_level least, enum log_format format)
{
    config.program = program;
    config.least = least;
    config.json = format == LOG_JSON || (format == LOG_AUTO && isatty(STDERR_FILENO) == 0);
}

static void put_json(struct writer *w, enum log_level level, const char *subject, const char *text)
{
    char when[25];
    clock_iso(clock_wall_ms(), when);
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_text(&j, "time", when);
    json_text(&j, "level", level_names[level]);
    json_text(&j, "program", config.program);
    if (subject != NULL)
        json_text(&j, "subject", subject);
    json_text(&j, "message", text);
    json_end_object(&j);
    writer_u8(w, '\n');
}

static void put_text(struct writer *w, enum log_level level, const char *subject, const char *text)
{
    writer_format(w, "%s: ", config.program);
    if (level >= LOG_WARNING)
        writer_format(w, "%s: ", level_names[level]);
    if (subject != NULL) {
        text_put_visible(w, reader_text(subject), "");
        writer_text(w, ": ");
    }
    text_put_visible(w, reader_text(text), "");
    writer_u8(w, '\n');
}

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
{
    if (level < config.least)
        return;
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    if (config.json)
        put_json(&w, level, subject, text);
    else
        put_text(&w, level, subject, text);
    free(text);
    /* One write, so that lines of several processes do not mix. */
    if (!w.failed)
        (void)file_write_some(STDERR_FILENO, writer_view(&w));
}

void log_err(enum log_level level, const char *subject, const char *what, const struct err *e)
{
    log_line(level, subject, "%s: %s [%s]%s%s", what, e->user, err_machine_code(e->code),
             e->detail[0] == '\0' ? "" : " ", e->detail);
}
