/* SPDX-License-Identifier: Apache-2.0 */
#include "service/apply.h"
#include "service/setup.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A JSON document of outside (Configuration/Apply), over a real database of one organization. */
static struct service service;
static char organization[64], folder[] = "/tmp/chancery-fuzz-XXXXXX";
static const char *const files[] = {"db", "db-wal", "db-shm"};

static void close_all(void)
{
    char path[64];
    db_close(service.db);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void open_all(void)
{
    char path[64];
    struct writer out;
    struct err e = {0};
    assert(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/%s", folder, files[0]);
    writer_init(&out, 4096);
    bool ok = db_open(&(struct db_settings){.path = path, .readers = 1}, &service.db, &e) &&
              setup_task(&service, reader_text("{\"task\":\"init\"}"), &out, &e);
    assert(ok &&
           sscanf((const char *)out.data, "{\"organizationId\":\"%63[0-9a-f-]", organization) == 1);
    writer_done(&out);
    (void)atexit(close_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct actor by = {.user = "operator",
                             .organization = organization,
                             .name = "operator",
                             .kind = "Interactive",
                             .role = "GlobalAdministrator",
                             .token_name = "",
                             .address = "local",
                             .user_agent = "fuzz"};
    struct writer out;
    struct err e = {0};
    if (service.db == NULL)
        open_all();
    writer_init(&out, 1 << 20);
    if (!apply_document(&service, &by, reader_over(data, size), true, &out, &e))
        assert(e.code != ERR_NONE && !err_is_ours(&e));
    writer_done(&out);
    return 0;
}
