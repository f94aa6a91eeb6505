/* SPDX-License-Identifier: Apache-2.0 */
/* chanceryd. Serves: starts and restarts every other program, hands out sockets and channels.
 * May: read settings and secrets, listen, fork and exec, tell systemd.
 * Must never see: a byte from outside. It reads settings, its own folder, and messages of its
 * children, none of which carry anything that an uploader or a peer wrote. */
#define _GNU_SOURCE
#include "procs/supervisor.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA = 4 << 20, SETTINGS_MOST = 1 << 20 };

static const char usage[] =
    "usage: chanceryd --data DIR [--listen ADDRESS:PORT] [--settings FILE] [--task]\n"
    "Serves the data folder DIR until SIGTERM. With --task: one task of chancery(1), read from\n"
    "standard input, by core and key alone. See chanceryd(8) and chancery.conf(5).\n";

struct flags {
    const char *data, *listen, *settings;
};

static bool take_flag(int argc, char **argv, int *i, const char *name, const char **ret)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return false;
    if (argv[*i][n] == '=')
        *ret = argv[*i] + n + 1;
    else if (argv[*i][n] == '\0' && *i + 1 < argc)
        *ret = argv[++*i];
    else
        return false;
    return true;
}

static bool take_crash(struct supervisor *s, const char *text)
{
#ifdef CHANCERY_FAULTS
    const char *value = strncmp(text, "--crash=", 8) == 0 ? text + 8 : NULL;
    if (value != NULL && strncmp(value, "supervisor:", 11) == 0)
        return crashpoint_arm(value + 11);
    for (size_t i = 0; value != NULL && i < CRASHES_MOST; i++)
        if (s->crashes[i] == NULL) {
            s->crashes[i] = value;
            return true;
        }
#else
    (void)s;
    (void)text;
#endif
    return false;
}

static bool read_flags(struct supervisor *s, int argc, char **argv, struct flags *f, struct err *e)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--task") == 0)
            s->task = true;
        else if (!take_flag(argc, argv, &i, "--data", &f->data) &&
                 !take_flag(argc, argv, &i, "--listen", &f->listen) &&
                 !take_flag(argc, argv, &i, "--settings", &f->settings) && !take_crash(s, argv[i]))
            return err_user(e, ERR_USAGE, "chanceryd does not understand \"%.100s\".", argv[i]);
    return f->data != NULL || err_user(e, ERR_USAGE, "chanceryd needs the data folder: --data DIR");
}

static bool read_settings(struct supervisor *s, const struct flags *f, struct err *e)
{
    struct reader text;
    struct err missing = {0};
    TRY(settings_init(&s->settings, s->arena, e));
    const char *file = f->settings != NULL ? f->settings : "chancery.conf";
    bool exists = faccessat(f->settings != NULL ? AT_FDCWD : s->data.folder, file, F_OK, 0) == 0;
    if (exists || f->settings != NULL) {
        if (!file_read(f->settings != NULL ? AT_FDCWD : s->data.folder, file, SETTINGS_MOST,
                       s->arena, &text, &missing))
            return err_user(e, ERR_SETTING, "The settings file %s cannot be read: %s.", file,
                            missing.detail);
        TRY(settings_parse(&s->settings, text, e));
    }
    TRY(settings_environment(&s->settings, environ, e));
    return f->listen == NULL ||
           settings_set(&s->settings, SET_listen, reader_text(f->listen), FROM_FLAG, 0, e);
}

static void configure_log(const struct supervisor *s)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *format = settings_text(&s->settings, SET_log_format);
    enum log_level least = LOG_INFO;
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(settings_text(&s->settings, SET_log_level), levels[i]) == 0)
            least = (enum log_level)i;
    log_start("chanceryd", least,
              strcmp(format, "json") == 0   ? LOG_JSON
              : strcmp(format, "text") == 0 ? LOG_TEXT
                                            : LOG_AUTO);
}

/* What is 0 or empty by default and known only now. */
static bool fill_defaults(struct supervisor *s, bool tls, struct err *e)
{
    char text[32];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    (void)snprintf(text, sizeof text, "%ld", cpus < 1 ? 1 : cpus > 256 ? 256 : cpus);
    if (settings_number(&s->settings, SET_workers) == 0)
        TRY(settings_set(&s->settings, SET_workers, reader_text(text), FROM_DEFAULT, 0, e));
    (void)snprintf(s->url, sizeof s->url, "%s://%s", tls ? "https" : "http", s->listeners.first);
    (void)snprintf(s->base_url, sizeof s->base_url, "%s://localhost:%u", tls ? "https" : "http",
                   s->listeners.port);
    if (settings_text(&s->settings, SET_base_url)[0] == '\0')
        TRY(settings_set(&s->settings, SET_base_url, reader_text(s->base_url), FROM_DEFAULT, 0, e));
    return true;
}

static bool catch_signals(struct supervisor *s, struct err *e)
{
    sigset_t set;
    const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    (void)sigemptyset(&set);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)sigaddset(&set, signals[i]);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0 ||
        (s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return err_errno(e, "signalfd");
    return true;
}

/* Nobody shall rely on what is not done. */
static void warn_of_unused(const struct supervisor *s)
{
    for (int i = 0; i < SET__COUNT; i++)
        if (s->settings.values[i].from != FROM_DEFAULT && !setting_is_used((enum setting)i))
            log_line(LOG_WARNING, NULL, "the setting %s is not used by this version",
                     setting_row((enum setting)i)->name);
}

static bool prepare(struct supervisor *s, const struct flags *f, struct err *e)
{
    (void)umask(077);
    (void)prctl(PR_SET_DUMPABLE, 0);
    TRY(datadir_open(&s->data, f->data, e));
    TRY(read_settings(s, f, e));
    configure_log(s);
    warn_of_unused(s);
    TRY(processes_init(s, e)); /* relative program paths count from here */
    TRY(datadir_lock(&s->data, e));
    s->place = (struct handout_place){s->data.folder, getenv("CREDENTIALS_DIRECTORY")};
    s->key_folder = openat(s->data.folder, "key", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s->key_folder < 0)
        return err_errno(e, "key");
    bool tls = settings_text(&s->settings, SET_tls_certificate)[0] != '\0',
         key = settings_text(&s->settings, SET_tls_key)[0] != '\0';
    if (tls != key)
        return err_user(e, ERR_SETTING, "tls_certificate and tls_key must be set together.");
    TRY(users_choose(s, e));
    if (!s->task)
        TRY(listen_open(&s->listeners, settings_text(&s->settings, SET_listen), !tls,
                        settings_flag(&s->settings, SET_insecure_http), e));
    TRY(fill_defaults(s, tls, e));
    return catch_signals(s, e);
}

/* sd_notify(3), the few lines that it is. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof to.sun_path)
        return;
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    CLEANUP(file_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, n);
}

static bool announce(struct supervisor *s, struct err *e)
{
    if (s->announced || s->task || !processes_up(s))
        return true;
    s->announced = true;
    TRY(datadir_url(&s->data, s->url, e));
    log_line(LOG_INFO, NULL, "serving %s as %s, sandbox level %s", s->data.path,
             settings_text(&s->settings, SET_base_url), sandbox_level_name(s->level));
    notify("READY=1\nSTATUS=Serving");
    return true;
}

static void stop(struct supervisor *s)
{
    if (s->stopping) { /* asked twice: no more patience */
        processes_kill(s);
        return;
    }
    log_line(LOG_INFO, NULL, "stopping, at most %d s for what is running", DRAIN_SECONDS);
    notify("STOPPING=1\nSTATUS=Draining");
    s->stopping = true;
    s->stop_due = clock_boot_ms() + 1000 * DRAIN_SECONDS + GRACE_MS;
}

static bool take_signals(struct supervisor *s, struct err *e)
{
    struct signalfd_siginfo info;
    struct err empty = {0};
    size_t got = 0;
    while (file_read_some(s->signals, &info, sizeof info, &got, &empty) && got == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(s);
        else if (info.ssi_signo == SIGCHLD)
            TRY(processes_reap(s, e));
    }
    return true;
}

static bool turn(struct supervisor *s, struct err *e)
{
    struct pollfd polled[PROCESSES + 1] = {{.fd = s->signals, .events = POLLIN}};
    for (size_t i = 0; i < PROCESSES; i++)
        polled[i + 1] = (struct pollfd){.fd = s->processes[i].channel.fd, .events = POLLIN};
    if (poll(polled, COUNT_OF(polled), (int)processes_wait_ms(s)) < 0 && errno != EINTR)
        return err_errno(e, "poll");
    for (size_t i = 0; i < PROCESSES; i++)
        if (polled[i + 1].revents != 0 && s->processes[i].channel.fd >= 0)
            TRY(processes_message(s, &s->processes[i], e));
    TRY(take_signals(s, e));
    if (s->stopping)
        processes_stop(s);
    if (s->stopping && clock_boot_ms() >= s->stop_due)
        processes_kill(s);
    TRY(processes_step(s, e));
    return announce(s, e);
}

static bool serve(struct supervisor *s, struct err *e)
{
    TRY(processes_step(s, e));
    while (!(s->stopping && processes_gone(s)))
        TRY(turn(s, e));
    log_line(s->task ? LOG_DEBUG : LOG_INFO, NULL, "stopped");
    return true;
}

static void end(struct supervisor *s)
{
    processes_kill(s);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    listen_close(&s->listeners);
    datadir_close(&s->data);
    file_close(&s->key_folder);
    file_close(&s->signals);
    message_done(&s->message);
    arena_free(s->arena);
}

int main(int argc, char **argv)
{
    static struct supervisor s = {.key_folder = -1, .signals = -1};
    struct err e = {0};
    struct flags f = {0};
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--version") == 0)) {
        (void)fputs(argv[1][2] == 'h' ? usage : "chanceryd " CHANCERY_VERSION "\n", stdout);
        return 0;
    }
    log_start("chanceryd", LOG_INFO, LOG_AUTO);
    s.data = (struct datadir){.folder = -1, .lock = -1};
    s.arena = arena_new(ARENA);
    bool ok = s.arena != NULL && read_flags(&s, argc, argv, &f, &e) && prepare(&s, &f, &e) &&
              serve(&s, &e);
    if (!ok)
        log_err(LOG_ERROR, NULL, "cannot serve", &e);
    end(&s);
    return ok ? s.task_status : e.code == ERR_USAGE || e.code == ERR_SETTING ? 2 : 1;
}
