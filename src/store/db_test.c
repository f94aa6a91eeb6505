/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "store/db.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_db_open__migrates(void **state)
{
    (void)state;
    char folder[] = "/tmp/chyXXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/t.db", folder);
    struct err e = {0};
    struct db *db = NULL;
    if (!db_open(&(struct db_settings){.path = path}, &db, &e))
        fail_msg("%s", e.detail);
    int64_t v = 0;
    assert_true(db_version(db, &v, &e));
    assert_int_equal(v, MIGRATION__COUNT);
    if (!db_prepare_all(db, &e))
        fail_msg("%s", e.detail);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_db_open__migrates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
