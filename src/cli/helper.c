/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/helper.h"
#include "base/file.h"
#include "procs/launch.h"
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 16, ERROR_LINE = 250, OUTPUT_MAX = 64 * 1024 * 1024 };

static bool spawn(const char *path, char *const *argv, const int fds[3], pid_t *ret, struct err *e)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return err_set(e, ERR_NO_MEMORY, "posix_spawn");
    int failed = 0;
    for (int i = 0; i < 3; i++)
        failed |= posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (failed == 0 && (failed = posix_spawn(ret, path, &actions, NULL, argv, environ)) != 0)
        errno = failed;
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed == 0 || err_errno(e, path);
}

/* First line of what the program said about its failure. */
static bool failure(int fd, const char *program, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1024 * 1024);
    struct reader said = {0};
    struct err unread = {0};
    if (a == NULL || !file_read_fd(fd, 512 * 1024, a, &said, &unread))
        return err_set(e, ERR_IO, "%s failed", program);
    if (said.left == 0)
        return err_user(e, ERR_IO, "%s ended without a reason.", program);
    size_t end = reader_find(said, 0, "\n", 1);
    int n = (int)(end == SIZE_MAX ? said.left : end);
    if (n > ERROR_LINE)
        n = ERROR_LINE;
    return err_user(e, ERR_IO, "%.*s", n, (const char *)said.at);
}

static bool wait_for(pid_t pid, int *ret_status, struct err *e)
{
    pid_t got;
    do
        got = waitpid(pid, ret_status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid || err_errno(e, "waitpid");
}

static bool output_of(int fd, struct writer *output, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)OUTPUT_MAX + 4096);
    struct reader all;
    if (a == NULL)
        return arena_err(e);
    TRY(file_read_fd(fd, OUTPUT_MAX, a, &all, e));
    writer_reader(output, all);
    return writer_ok(output, e);
}

bool helper_program(const char *program, const char *const *arguments, struct reader input,
                    struct writer *output, int *ret_status, struct err *e)
{
    char path[LAUNCH_PATH], *argv[ARGUMENTS + 2] = {path};
    CLEANUP(file_close) int in = -1;
    CLEANUP(file_close) int out = memfd_create("stdout", MFD_CLOEXEC);
    CLEANUP(file_close) int said = memfd_create("stderr", MFD_CLOEXEC);
    if (out < 0 || said < 0)
        return err_errno(e, "memfd_create");
    for (size_t i = 0; arguments[i] != NULL; i++) {
        if (i >= ARGUMENTS)
            return err_set(e, ERR_INTERNAL, "too many arguments");
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    }
    TRY(launch_find(program, path, e));
    TRY(file_memfd("stdin", input, &in, e));
    pid_t pid;
    int status = 0;
    /* Of a service's log only the sentence about the failure is wanted here. */
    (void)setenv("CHANCERY_LOG_FORMAT", "text", 1);
    (void)setenv("CHANCERY_LOG_LEVEL", "error", 1);
    TRY(spawn(path, argv, (const int[3]){in, out, said}, &pid, e));
    TRY(wait_for(pid, &status, e));
    TRY(output_of(out, output, e));
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return *ret_status == 0 || output->len > 0 || failure(said, program, e);
}

bool helper_stamp(const char *url, struct reader request, struct writer *answer, struct err *e)
{
    const char *const arguments[] = {"tsa", url, NULL};
    int status;
    return helper_program("chancery-remote", arguments, request, answer, &status, e) &&
           (status == 0 || err_set(e, ERR_IO, "chancery-remote: status %d", status));
}
