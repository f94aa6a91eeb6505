/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_PAGES_PAGES_H
#define WEB_PAGES_PAGES_H
#include "web/routes.h"

/* clang-format off */
#define PAGE_ROUTES \
    {"GET",  "/static/{}/{}",                          PERM_PUBLIC, GUARD_OPEN,    BODY_NONE,   page_asset}, \
    {"GET",  "/signin",                                PERM_PUBLIC, GUARD_OPEN,    BODY_NONE,   page_sign_in}, \
    {"POST", "/signin",                                PERM_PUBLIC, GUARD_FORM,    BODY_FORM,   page_sign_in_do}, \
    {"POST", "/signout",                               PERM_MEMBER, GUARD_SESSION, BODY_FORM,   page_sign_out_do}, \
    {"GET",  "/setup",                                 PERM_PUBLIC, GUARD_OPEN,    BODY_NONE,   page_setup}, \
    {"POST", "/setup",                                 PERM_PUBLIC, GUARD_FORM,    BODY_FORM,   page_setup_do}, \
    {"GET",  "/",                                      PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_dashboard}, \
    {"GET",  "/requests",                              PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_requests}, \
    {"GET",  "/requests/new",                          PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_submit}, \
    {"POST", "/requests/new",                          PERM_MEMBER, GUARD_SESSION, BODY_UPLOAD, page_submit_do}, \
    {"GET",  "/requests/{}",                           PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_request}, \
    {"GET",  "/requests/{}/status",                    PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_request_status}, \
    {"GET",  "/requests/{}/signed",                    PERM_MEMBER, GUARD_SESSION, BODY_NONE,   page_request_signed}, \
    {"GET",  "/requests/{}/unsigned",                  PERM_MEMBER, GUARD_SESSION, BODY_NONE,   page_request_unsigned}, \
    {"GET",  "/requests/{}/receipt",                   PERM_MEMBER, GUARD_SESSION, BODY_NONE,   page_request_receipt}, \
    {"POST", "/requests/{}/cancel",                    PERM_MEMBER, GUARD_SESSION, BODY_FORM,   page_request_cancel_do}, \
    {"POST", "/requests/{}/resubmit",                  PERM_MEMBER, GUARD_SESSION, BODY_FORM,   page_request_resubmit_do}, \
    {"GET",  "/Web/{}/SigningRequests/{}",             PERM_PUBLIC, GUARD_OPEN,    BODY_NONE,   page_old_link}, \
    {"GET",  "/projects",                              PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_projects}, \
    {"GET",  "/projects/{}",                           PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_project}, \
    {"GET",  "/projects/{}/configurations/{}",         PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_configuration}, \
    {"GET",  "/certificates",                          PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_certificates}, \
    {"GET",  "/certificates/{}",                       PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_certificate}, \
    {"GET",  "/certificates/{}/download",              PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_certificate_download}, \
    {"GET",  "/users",                                 PERM_READ_CONFIGURATION, GUARD_SESSION, BODY_NONE, page_users}, \
    {"POST", "/users/{}/setup-link",                   PERM_MANAGE_USERS, GUARD_SESSION, BODY_FORM, page_setup_link_do}, \
    {"GET",  "/audit",                                 PERM_READ_AUDIT,  GUARD_SESSION, BODY_NONE, page_audit}, \
    {"GET",  "/me",                                    PERM_OWN_PROFILE, GUARD_SESSION, BODY_NONE, page_me}, \
    {"POST", "/me/tokens",                             PERM_OWN_PROFILE, GUARD_SESSION, BODY_FORM, page_token_new_do}, \
    {"POST", "/me/tokens/{}/revoke",                   PERM_OWN_PROFILE, GUARD_SESSION, BODY_FORM, page_token_revoke_do},
/* clang-format on */

bool page_asset(struct web_call *c, struct err *e);
bool page_sign_in(struct web_call *c, struct err *e);
bool page_sign_in_do(struct web_call *c, struct err *e);
bool page_sign_out_do(struct web_call *c, struct err *e);
bool page_setup(struct web_call *c, struct err *e);
bool page_setup_do(struct web_call *c, struct err *e);
bool page_dashboard(struct web_call *c, struct err *e);
bool page_requests(struct web_call *c, struct err *e);
bool page_submit(struct web_call *c, struct err *e);
bool page_submit_do(struct web_call *c, struct err *e);
bool page_request(struct web_call *c, struct err *e);
bool page_request_status(struct web_call *c, struct err *e);
bool page_request_signed(struct web_call *c, struct err *e);
bool page_request_unsigned(struct web_call *c, struct err *e);
bool page_request_receipt(struct web_call *c, struct err *e);
bool page_request_cancel_do(struct web_call *c, struct err *e);
bool page_request_resubmit_do(struct web_call *c, struct err *e);
bool page_old_link(struct web_call *c, struct err *e);
bool page_projects(struct web_call *c, struct err *e);
bool page_project(struct web_call *c, struct err *e);
bool page_configuration(struct web_call *c, struct err *e);
bool page_certificates(struct web_call *c, struct err *e);
bool page_certificate(struct web_call *c, struct err *e);
bool page_certificate_download(struct web_call *c, struct err *e);
bool page_users(struct web_call *c, struct err *e);
bool page_setup_link_do(struct web_call *c, struct err *e);
bool page_audit(struct web_call *c, struct err *e);
bool page_me(struct web_call *c, struct err *e);
bool page_token_new_do(struct web_call *c, struct err *e);
bool page_token_revoke_do(struct web_call *c, struct err *e);

/* An error of any call: JSON for the API and for scripts, else a page, or, when nobody is signed in
 * and a page was asked for, the way to the sign-in page. */
void page_error(struct web_call *c, const struct err *e);
#endif
