/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_PERMISSIONS_H
#define SERVICE_PERMISSIONS_H
#include "base/err.h"

/* Who may do what: the one table (product-spec 1.5). Columns are the global roles, then the lists
 * of a project or policy that the actor is on, then "it is the actor's own". A permission is
 * granted when any column that holds for the actor has an x. */
/* clang-format off */
#define ROLES(R) \
    R(GlobalAdministrator) R(CertificateAdministrator) R(UserAdministrator) R(ProjectAdministrator) \
    R(GlobalReader) R(RegularUser) R(DirectorySynchronizer)

/*                            GA CA UA PA GR RU DS   configurator reader submitter approver own  what it is */
#define PERMISSIONS(P) \
    P(READ_CONFIGURATION,     x, x, x, x, x, x, x,   x, x, x, x, o, "see projects, policies, certificates and requests") \
    P(READ_ARTIFACTS,         x, o, o, x, x, o, o,   x, x, x, x, o, "see artifacts, plans and signed files of a request") \
    P(EDIT_CONFIGURATION,     x, o, o, o, o, o, o,   o, o, o, o, o, "change the whole organisation by one document") \
    P(SUBMIT,                 o, o, o, o, o, o, o,   o, o, x, o, o, "submit under a signing policy") \
    P(CANCEL,                 x, o, o, x, o, o, o,   o, o, o, x, x, "cancel a signing request") \
    P(READ_AUDIT,             x, o, o, o, x, o, o,   o, o, o, o, o, "read and export the audit log") \
    P(EDIT_ARTIFACT_CONFIGURATION, x, o, o, x, o, o, o, x, o, o, o, o, "change artifact configurations") \
    P(MANAGE_USERS,           x, o, x, o, o, o, o,   o, o, o, o, o, "manage users and their set-up links") \
    P(OWN_PROFILE,            x, x, x, x, x, x, o,   o, o, o, o, o, "see and change one's own account")
/* clang-format on */

enum role_right {
#define R(name) RIGHT_##name,
    ROLES(R)
#undef R
        RIGHT_LIST_CONFIGURATOR,
    RIGHT_LIST_READER,
    RIGHT_LIST_SUBMITTER,
    RIGHT_LIST_APPROVER,
    RIGHT_OWN,
    RIGHT__COUNT
};

/* 0 is not a permission, so a forgotten cell of a table fails its test. */
enum permission {
    PERMISSION_NONE,
    PERM_PUBLIC, /* no credential needed */
    PERM_MEMBER, /* any valid credential of the organisation */
#define P(name, ...) PERM_##name,
    PERMISSIONS(P)
#undef P
        PERM__COUNT
};

/* rights: bits 1 << enum role_right that hold for the actor on the object. */
bool permission_granted(enum permission p, unsigned rights);
/* The same with an error that says which right is missing and who can give it. */
bool permission_check(enum permission p, unsigned rights, struct err *e);
/* The bit of a role's published name, or 0 when there is no such role. */
unsigned permission_role_bit(const char *role);
/* The bit of a list: configurator, reader, submitter, approver; or 0. */
unsigned permission_list_bit(const char *list);
const char *permission_name(enum permission p);
/* Whether a user of role `own` may hand out an account of role `given`: never more than what one
 * has, unless one has everything (product-spec 1.5 rule 3). */
bool permission_may_grant(const char *own, const char *given);
#endif
