/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/err.h"

/* One line an event to stderr: text on a terminal, JSON on a pipe unless set otherwise. Only
 * procs/ and cli/ log; libraries return errors. Values are escaped; secrets never come here. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

void log_start(const char *program, enum log_level least, enum log_format format);
/* `subject` names what it is about (a request id, a job, a peer) or is NULL. */
void log_line(enum log_level level, const char *subject, const char *fmt, ...) PRINTF(3, 4);
void log_err(enum log_level level, const char *subject, const char *what, const struct err *e);
#endif
