/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_PAGES_FRAME_H
#define WEB_PAGES_FRAME_H
#include "service/requests.h"
#include "web/call.h"
#include "web/templates/pages.h"

/* A page under construction: the frame that all share, and `root` for its own values. */
struct sheet {
    struct web_call *call;
    struct view *root, *frame, *crumbs, *scripts;
};
/* `section` is the address of the menu entry that is current ("" for none). */
struct sheet sheet_new(struct web_call *c, const char *section, const char *title,
                       const char *heading);
void sheet_crumb(struct sheet *s, const char *url, const char *name);
void sheet_script(struct sheet *s, const char *url);
/* Renders and replies. */
MUST_CHECK bool sheet_send(struct sheet *s, enum page which, unsigned status, struct err *e);
/* Whether the caller is a script that wants JSON. */
bool page_wants_json(struct web_call *c);

/* {iso, text}; and the text alone ("2026-11-22 00:31": the foot of every page says that times are
 * UTC), in the arena. */
void view_time(struct view *object, const char *name, int64_t wall_ms);
const char *page_time(struct arena *a, int64_t wall_ms);
const char *page_iso(struct arena *a, int64_t wall_ms);
void view_hex(struct arena *a, struct view *object, const char *name, struct reader bytes);

/* Words and colours of a state. */
const char *state_tone(const char *status);
const char *state_label(const char *status);
size_t state_count(void);
const char *state_name(size_t i); /* the published ones */
const char *step_label(const char *workflow_status);
const char *step_sentence(const char *workflow_status);
const char *object_tone(const char *status);
const char *purpose_tone(const char *purpose);
/* Who can mend an error with this machine code. */
const char *error_mender(const char *code);

/* What _requests.html shows of a request. */
void view_request(struct view *object, const struct request_view *v);
#endif
