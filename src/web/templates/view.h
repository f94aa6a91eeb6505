/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_TEMPLATES_VIEW_H
#define WEB_TEMPLATES_VIEW_H
#include "base/arena.h"

/* What a template shows: a tree of texts, numbers, yes or no, lists and objects, in an arena.
 * Running out of memory sticks: everything below NULL is NULL, and view_ok says it at the end.
 * Names are borrowed (literals); values are copied. */
struct view;

struct view *view_new(struct arena *a); /* an object */
bool view_ok(const struct view *root, struct err *e);

void view_text(struct view *object, const char *name, const char *value); /* NULL is "" */
void view_bytes(struct view *object, const char *name, struct reader utf8);
void view_number(struct view *object, const char *name, int64_t value);
void view_bool(struct view *object, const char *name, bool value);
struct view *view_object(struct view *object, const char *name);
struct view *view_list(struct view *object, const char *name);
struct view *view_item(struct view *list); /* an object at the end of the list */
void view_item_text(struct view *list, const char *value);

/* --- for the renderer --- */
enum view_kind { VIEW_TEXT, VIEW_NUMBER, VIEW_BOOL, VIEW_OBJECT, VIEW_LIST };
enum view_kind view_kind(const struct view *v);
struct reader view_as_text(const struct view *v); /* TEXT only */
int64_t view_as_number(const struct view *v);     /* NUMBER only */
/* yes, not 0, not "", a list that is not empty, any object */
bool view_holds(const struct view *v);
const struct view *view_first(const struct view *v); /* of a list or object; NULL: empty */
const struct view *view_next(const struct view *v);
/* Member of an object; NULL when there is none. */
const struct view *view_find(const struct view *object, struct reader name);
#endif
