/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H
#include "base/arena.h"

/* Every setting: name, kind, default, least and most (numbers in their unit: bytes, seconds) or
 * the choices (of a text: what it may begin with), which programs get it (f front, c core, k key, x
 * fetch), help. docs/settings.md and man/chancery.conf.5 are generated from these rows
 * (tools/make-settings.py). */
/* clang-format off */
#define SETTINGS(S) \
    S(listen,             LIST,    "127.0.0.1:8080", 0, 0, "",  "f", "Addresses to listen on, ADDRESS:PORT or [ADDRESS]:PORT. Port 0 takes a free one; the result is in run/url.") \
    S(base_url,           TEXT,    "",               0, 0, "http://|https://", "fc", "Public address of the service, for links and passkeys. Default: http://localhost:PORT, or https with tls_certificate.") \
    S(tls_certificate,    FILE,    "",               0, 0, "",  "f", "PEM chain of the server certificate. Without it only loopback addresses may be listened on.") \
    S(tls_key,            FILE,    "",               0, 0, "",  "f", "PEM private key of tls_certificate.") \
    S(insecure_http,      BOOL,    "no",             0, 0, "",  "f", "Allow plain HTTP on addresses that are not loopback.") \
    S(trusted_proxies,    LIST,    "",               0, 0, "",  "f", "Addresses of proxies whose X-Forwarded-* headers count.") \
    S(database,           TEXT,    "sqlite",         0, 0, "sqlite|postgresql://|postgres://", "c", "sqlite, or postgresql://USER@HOST/NAME.") \
    S(database_password,  SECRET,  "",               0, 0, "",  "c", "Password of the PostgreSQL user.") \
    S(blobs,              CHOICE,  "disk",           0, 0, "disk", "c", "Where artifacts are kept: disk (DATA/blobs).") \
    S(max_upload_bytes,   SIZE,    "4GiB", 1024, 1ull << 44, "","fc", "Largest artifact.") \
    S(max_nesting,        NUMBER,  "16",             1, 64, "",  "c", "Deepest nesting of containers in an artifact.") \
    S(max_entries,        NUMBER,  "200000",         1, 10000000, "", "c", "Most entries of an artifact, all nested containers together.") \
    S(max_expanded_bytes, SIZE,    "64GiB", 1048576, 1ull << 50, "","c", "Most expanded bytes of an artifact, all nested containers together.") \
    S(max_ratio,          NUMBER,  "1000",           10, 100000, "", "c", "Largest ratio of expanded to compressed bytes, judged after the first MiB.") \
    S(workers,            NUMBER,  "0",              0, 256, "",  "c", "Jobs at the same time; 0 is the number of processors.") \
    S(job_timeout,        SECONDS, "60min",          1, 86400, "", "c", "Longest run of one job.") \
    S(job_memory,         SIZE,    "512MiB", 268435456, 1ull << 40, "", "c", "Most memory of one job.") \
    S(tsa,                LIST,    "",               0, 0, "", "cx", "Time-stamp servers, tried in this order: URL [hash=sha256] [ca=FILE]. ca: roots of its tokens, and of its TLS certificate besides those of the system.") \
    S(trusted_roots,      FILE,    "",               0, 0, "",  "c", "PEM file of root certificates, of signers and of time stamps, whose signatures authenticode-verify accepts. Without it only the organization's own test certificates count, for policies of purpose Test.") \
    S(tsa_timeout,        SECONDS, "10s",            1, 600, "", "cx", "Longest wait for one answer of a time-stamp server.") \
    S(tsa_budget,         SECONDS, "10min",          1, 86400, "", "c", "Longest wait for time stamps within one job.") \
    S(smtp,               TEXT,    "",               0, 0, "", "cx", "Not used yet (no mails are sent). Mail server: smtp://HOST:PORT, smtp+starttls://HOST:PORT or smtps://HOST:PORT.") \
    S(smtp_password,      SECRET,  "",               0, 0, "",  "x", "Not used yet. Password for smtp; the user name stands in its address.") \
    S(mail_from,          TEXT,    "",               0, 0, "", "cx", "Not used yet. Sender address of mails.") \
    S(scanner,            TEXT,    "",               0, 0, "", "cx", "Not used yet (with it, what wants a scan is refused). Malware scanner: clamd:/PATH/clamd.ctl or clamd://HOST:PORT.") \
    S(fetch_allow,        LIST,    "",               0, 0, "",  "x", "Not used yet. HOST:PORT that addresses written by users may reach although they are private.") \
    S(sandbox,            CHOICE,  "auto", 0, 0, "auto|full|self|weak", "", "Walls around the programs. auto: the best that works; weak: accept a kernel without Landlock.") \
    S(users,              TEXT,    "no",             0, 0, "",   "", "yes: a user for each program (chancery-front, chancery-core ...), or the first of eight free user ids. Needs a start as root and gives sandbox level full.") \
    S(key_seal,           SECRET,  "file:key/kek",   0, 0, "",  "k", "The 32 bytes that seal the keys in the data folder.") \
    S(retention_days,     NUMBER,  "0",              0, 36500, "", "c", "Not used yet (nothing is deleted). Days after which artifacts are deleted; 0 keeps them. Audit records stay.") \
    S(session_idle,       SECONDS, "12h",            60, 2592000, "", "c", "A session ends after this time without use.") \
    S(session_max,        SECONDS, "24h",            60, 2592000, "", "c", "A session ends after this time in any case.") \
    S(metrics,            CHOICE,  "loopback", 0, 0, "loopback|token|off", "fc", "Not used yet (there is no /metrics). Who may read /metrics: loopback peers, holders of metrics_token, nobody.") \
    S(metrics_token,      SECRET,  "",               0, 0, "",  "c", "Not used yet. Bearer token for /metrics.") \
    S(log_level,          CHOICE,  "info", 0, 0, "debug|info|warning|error", "fckx", "Least important lines that are written to the log.") \
    S(log_format,         CHOICE,  "auto", 0, 0, "auto|json|text", "fckx", "auto: text on a terminal, JSON elsewhere.")
/* clang-format on */

enum setting_kind {
    SETTING_TEXT,
    SETTING_BOOL,    /* yes or no */
    SETTING_NUMBER,  /* decimal */
    SETTING_SIZE,    /* bytes; KiB MiB GiB TiB */
    SETTING_SECONDS, /* s min h d */
    SETTING_CHOICE,
    SETTING_LIST,   /* commas between items; repeated lines add items */
    SETTING_FILE,   /* a path, file:PATH or credential:NAME; relative to the data folder */
    SETTING_SECRET, /* file:PATH or credential:NAME, never the value */
};

enum setting {
#define S(name, kind, value, least, most, choices, to, help) SET_##name,
    SETTINGS(S)
#undef S
        SET__COUNT
};

enum setting_source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct setting_row {
    const char *name;
    enum setting_kind kind;
    const char *value; /* default */
    uint64_t least, most;
    const char *choices, *to, *help;
};
const struct setting_row *setting_row(enum setting which);
/* False for the few that stand here for later; their help begins with "Not used yet". */
bool setting_is_used(enum setting which);
const char *setting_source_name(enum setting_source from); /* "default", "file" ... */

struct settings {
    struct arena *arena; /* borrowed; holds the texts */
    struct {
        const char *text; /* as written */
        uint64_t number;  /* of BOOL, NUMBER, SIZE, SECONDS */
        enum setting_source from;
        unsigned line; /* of the file */
    } values[SET__COUNT];
};

/* All defaults. */
MUST_CHECK bool settings_init(struct settings *s, struct arena *a, struct err *e);
/* Lines "name = value"; "#" at the start or after a blank begins a comment. Errors (ERR_SETTING)
 * name the line, and the nearest name when one is unknown. */
MUST_CHECK bool settings_parse(struct settings *s, struct reader text, struct err *e);
/* CHANCERY_<NAME> of an environ array; other names are none of ours. */
MUST_CHECK bool settings_environment(struct settings *s, char *const *environment, struct err *e);
/* One value from one source; a later source replaces an earlier one. */
MUST_CHECK bool settings_set(struct settings *s, enum setting which, struct reader value,
                             enum setting_source from, unsigned line, struct err *e);

/* "" when not set. settings_plain: numbers and flags in their plain form, in the arena. */
const char *settings_text(const struct settings *s, enum setting which);
const char *settings_plain(const struct settings *s, enum setting which);
uint64_t settings_number(const struct settings *s, enum setting which);
bool settings_flag(const struct settings *s, enum setting which);

/* Takes the next item of a LIST off its text; false at the end. */
bool settings_item(struct reader *list, struct reader *ret);
/* One item of `tsa`; hash and ca are empty when not named. */
struct setting_tsa {
    struct reader url, hash, ca;
};
MUST_CHECK bool settings_tsa(struct reader item, struct setting_tsa *ret, struct err *e);
#endif
