/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "service/permissions.h"
#include <string.h>

/* Product-spec 1.5, written a second time by hand: letters of the columns that may. G Global, C
 * Certificate, U User, P Project Administrator, R Global Reader, r Regular User, D Directory
 * Synchronizer; c configurator, e reader, s submitter, a approver, o one's own. */
static const struct {
    enum permission permission;
    const char *may;
} cells[] = {
    {PERM_READ_CONFIGURATION, "GCUPRrDcesa"},
    {PERM_READ_ARTIFACTS, "GPRcesa"},
    {PERM_EDIT_CONFIGURATION, "G"},
    {PERM_SUBMIT, "s"},
    {PERM_CANCEL, "GPao"},
    {PERM_READ_AUDIT, "GR"},
    {PERM_EDIT_ARTIFACT_CONFIGURATION, "GPc"},
    {PERM_MANAGE_USERS, "GU"},
    {PERM_OWN_PROFILE, "GCUPRr"},
    {PERM_MEMBER, "GCUPRrDcesao"},
};
static const char letters[] = "GCUPRrDcesao";

static void test_permissions__every_cell(void **state)
{
    (void)state;
    assert_int_equal(strlen(letters), RIGHT__COUNT);
    for (size_t i = 0; i < COUNT_OF(cells); i++)
        for (unsigned column = 0; column < RIGHT__COUNT; column++) {
            bool wanted = strchr(cells[i].may, letters[column]) != NULL;
            if (permission_granted(cells[i].permission, 1u << column) != wanted)
                fail_msg("%s, column %c", permission_name(cells[i].permission), letters[column]);
        }
    assert_int_equal(COUNT_OF(cells) + 2, PERM__COUNT); /* and NONE, PUBLIC */
}

static void test_permissions__nothing_is_granted_by_nothing(void **state)
{
    struct err e = {0};
    (void)state;
    for (unsigned p = 0; p < PERM__COUNT; p++)
        assert_true(permission_granted((enum permission)p, 0) == (p == PERM_PUBLIC));
    assert_false(permission_granted(PERMISSION_NONE, ~0u));
    assert_false(permission_granted(PERM__COUNT, ~0u));
    assert_false(permission_check(PERM_SUBMIT, permission_role_bit("GlobalAdministrator"), &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_non_null(strstr(e.user, "the list submitter"));
}

static void test_permissions__names(void **state)
{
    (void)state;
    assert_int_equal(permission_role_bit("GlobalAdministrator"), 1u << RIGHT_GlobalAdministrator);
    assert_int_equal(permission_role_bit("globaladministrator"), 0);
    assert_int_equal(permission_list_bit("approver"), 1u << RIGHT_LIST_APPROVER);
    assert_int_equal(permission_list_bit("nobody"), 0);
}

static void test_permissions__nobody_hands_out_more_than_they_have(void **state)
{
    (void)state;
    assert_true(permission_may_grant("GlobalAdministrator", "GlobalAdministrator"));
    assert_true(permission_may_grant("GlobalAdministrator", "GlobalReader"));
    assert_true(permission_may_grant("UserAdministrator", "RegularUser"));
    assert_true(permission_may_grant("UserAdministrator", "UserAdministrator"));
    assert_false(permission_may_grant("UserAdministrator", "GlobalAdministrator"));
    assert_false(permission_may_grant("UserAdministrator", "ProjectAdministrator"));
    assert_false(permission_may_grant("UserAdministrator", "GlobalReader"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permissions__every_cell),
        cmocka_unit_test(test_permissions__nothing_is_granted_by_nothing),
        cmocka_unit_test(test_permissions__nobody_hands_out_more_than_they_have),
        cmocka_unit_test(test_permissions__names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
