/* SPDX-License-Identifier: Apache-2.0 */
#include "web/pages/frame.h"
#include "base/clock.h"
#include "base/text.h"
#include "service/listings.h"
#include "web/assets.h"
#include <string.h>

struct menu_row {
    const char *url, *name;
    enum permission needs;
};
static const struct menu_row menu[] = {
    {"/", "Dashboard", PERM_READ_CONFIGURATION},
    {"/requests", "Signing requests", PERM_READ_CONFIGURATION},
    {"/projects", "Projects", PERM_READ_CONFIGURATION},
    {"/certificates", "Certificates", PERM_READ_CONFIGURATION},
    {"/users", "Users", PERM_READ_CONFIGURATION},
    {"/audit", "Audit log", PERM_READ_AUDIT},
};

/* What the page before did, said after the redirect. */
static const struct {
    const char *word, *text;
} notices[] = {
    {"canceled", "The request is being canceled."},
    {"submitted", "Submitted."},
    {"revoked", "The token is revoked."},
    {"password", "The password is set. Sign in with it."},
    {"signed-out", "You are signed out."},
};

static const char *notice_of(struct web_call *c)
{
    const char *word = web_query(c, "notice");
    for (size_t i = 0; i < COUNT_OF(notices); i++)
        if (strcmp(notices[i].word, word) == 0)
            return notices[i].text;
    return "";
}

static void add_menu(struct web_call *c, struct view *frame, const char *section)
{
    struct view *links = view_list(frame, "links");
    unsigned rights = permission_role_bit(c->actor.role);
    for (size_t i = 0; i < COUNT_OF(menu); i++) {
        if (!permission_granted(menu[i].needs, rights))
            continue;
        struct view *link = view_item(links);
        view_text(link, "url", menu[i].url);
        view_text(link, "name", menu[i].name);
        view_bool(link, "current", strcmp(menu[i].url, section) == 0);
    }
}

static const char *organization_name(struct web_call *c)
{
    struct err ignored = {0};
    struct db_rows row;
    if (!listing_one(c->service, QUERY_organization_by_id, DB_ARGS(DB_TEXT(c->actor.organization)),
                     "organization", c->arena, &row, &ignored))
        return "";
    return row_text(&row, "name");
}

struct sheet sheet_new(struct web_call *c, const char *section, const char *title,
                       const char *heading)
{
    struct sheet s = {.call = c, .root = view_new(c->arena)};
    s.frame = view_object(s.root, "frame");
    view_text(s.frame, "title", title);
    view_text(s.frame, "heading", heading);
    view_text(s.frame, "css", assets[ASSET_APP_CSS].url);
    view_text(s.frame, "icon", assets[ASSET_ICON_SVG].url);
    view_text(s.frame, "flash", notice_of(c));
    s.scripts = view_list(s.frame, "scripts");
    s.crumbs = view_list(s.frame, "crumbs");
    if (!c->by_session)
        return s;
    view_text(s.frame, "user", c->actor.name);
    view_text(s.frame, "organization", organization_name(c));
    view_text(s.root, "csrf", c->actor.csrf);
    add_menu(c, s.frame, section);
    return s;
}

void sheet_crumb(struct sheet *s, const char *url, const char *name)
{
    struct view *crumb = view_item(s->crumbs);
    view_text(crumb, "url", url);
    view_text(crumb, "name", name);
}

void sheet_script(struct sheet *s, const char *url)
{
    view_item_text(s->scripts, url);
}

bool sheet_send(struct sheet *s, enum page which, unsigned status, struct err *e)
{
    enum { PAGE_MAX = 8 << 20 };
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, PAGE_MAX);
    TRY(view_ok(s->root, e));
    TRY(page_render(which, s->root, &w, e));
    TRY(writer_ok(&w, e));
    web_reply_html(s->call, status, writer_view(&w));
    return true;
}

bool page_wants_json(struct web_call *c)
{
    return strstr(web_header(c, "accept"), "application/json") != NULL;
}

const char *page_time(struct arena *a, int64_t wall_ms)
{
    char iso[25];
    clock_iso(wall_ms, iso);
    const char *text = arena_format(a, "%.10s %.5s", iso, iso + 11);
    return text == NULL ? "" : text;
}

const char *page_iso(struct arena *a, int64_t wall_ms)
{
    char iso[25];
    clock_iso(wall_ms, iso);
    return arena_text(a, reader_text(iso));
}

void view_time(struct view *object, const char *name, int64_t wall_ms)
{
    char iso[25], text[24];
    struct view *time = view_object(object, name);
    clock_iso(wall_ms, iso);
    for (size_t i = 0; i < 16; i++)
        text[i] = iso[i] == 'T' ? ' ' : iso[i];
    text[16] = '\0';
    view_text(time, "iso", iso);
    view_text(time, "text", text);
}

void view_hex(struct arena *a, struct view *object, const char *name, struct reader bytes)
{
    char *text = arena_alloc(a, bytes.left * 2 + 1);
    if (text != NULL)
        text_hex(bytes.at, bytes.left, text);
    view_text(object, name, text);
}
