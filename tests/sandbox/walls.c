/* SPDX-License-Identifier: Apache-2.0 */
/* walls PROGRAM LEVEL DATA [UID]: raises the walls of one program around itself and prints one
 * JSON line: allowed system calls, forbidden actions tried and refused, what is up. */
#include "base/json.h"
#include "sandbox/sandbox.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool level_of(const char *name, enum sandbox_level *ret)
{
    for (int i = SANDBOX_WEAK; i <= SANDBOX_FULL; i++)
        if (strcmp(sandbox_level_name((enum sandbox_level)i), name) == 0) {
            *ret = (enum sandbox_level)i;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct sandbox_want want = {.folder = -1};
    struct sandbox_report r;
    struct err e = {0};
    if (argc < 4 || !level_of(argv[2], &want.level))
        return 2;
    want.program = argv[1];
    want.data = argv[3];
    want.folder = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    want.uid = want.gid = argc > 4 ? (uint32_t)atoi(argv[4]) : 0;
    if (want.folder < 0 || !sandbox_enter(&want, &r, &e) || !sandbox_close(&want, &r, &e)) {
        dprintf(2, "%s %s\n", e.user, e.detail);
        return 1;
    }
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1024);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "program", want.program);
    json_text(&j, "level", sandbox_level_name(want.level));
    json_u64(&j, "calls", r.calls);
    json_u64(&j, "tested", r.tested);
    json_u64(&j, "refused", r.refused);
    json_u64(&j, "landlock", (uint64_t)r.landlock_abi);
    json_text(&j, "note", r.note);
    json_end_object(&j);
    writer_u8(&w, '\n');
    return write(1, w.data, w.len) == (ssize_t)w.len ? 0 : 1;
}
