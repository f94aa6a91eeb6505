/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include <stdbool.h>
#include <stddef.h>

/* One row per error: C name, HTTP status, machine code, default text for the user.
 * Rows are grouped by the folder that raises them; docs/errors.md is generated from them. */
/* clang-format off */
#define ERR_TABLE_BASE(E) \
    E(ERR_NONE,            200, "ok",                   "") \
    E(ERR_NO_MEMORY,       503, "server.no_memory",     "The server is out of memory. Try again later.") \
    E(ERR_INTERNAL,        500, "server.internal",      "Something went wrong inside the server. Nothing was signed.") \
    E(ERR_IO,              503, "server.io",            "The server could not read or write its own files.") \
    E(ERR_STORAGE_FULL,    503, "storage.full",         "The disk of the server is full. Nothing was lost; try again when the operator has freed space.") \
    E(ERR_FILE_TRUNCATED,  422, "file.truncated",       "The file ends before it should.") \
    E(ERR_FILE_LIMIT,      422, "file.limit_exceeded",  "The file exceeds a limit of this server.") \
    E(ERR_FILE_TYPE,       422, "file.wrong_type",      "The file does not correspond to the specified file type.") \
    E(ERR_USAGE,           400, "usage",                "The command or setting is not usable.") \
    E(ERR_JSON,            400, "json.invalid",         "The JSON text is not valid.") \
    E(ERR_SETTING,         400, "settings.invalid",     "A setting is not valid.")
#define ERR_TABLE_CRYPTO(E) \
    E(ERR_CRYPTO,          500, "crypto.failed",        "A cryptographic operation failed.") \
    E(ERR_DER,             422, "der.invalid",          "A DER structure in the file is not valid.") \
    E(ERR_UNTRUSTED,       422, "signature.untrusted",  "The signature is not by somebody who is trusted here.") \
    E(ERR_SIGNATURE,       422, "signature.invalid",    "The signature is not valid.") \
    E(ERR_CERTIFICATE,     422, "certificate.invalid",  "The certificate is not usable.") \
    E(ERR_KEY,             400, "key.invalid",          "The private key is not usable.") \
    E(ERR_KEY_PASSWORD,    400, "key.password",         "The private key needs a password, or the one given is wrong.") \
    E(ERR_SEAL,            500, "seal.broken",          "Sealed data does not open: it was changed, or sealed under another key.") \
    E(ERR_PROOF,           500, "audit.proof",          "A proof of the audit log does not hold.") \
    E(ERR_STAMP_TOKEN,     502, "timestamp.invalid",    "The time-stamp server gave an answer that is not acceptable.")
#define ERR_TABLE_ARCHIVE(E) \
    E(ERR_DEFLATE,         422, "deflate.invalid",      "Compressed data in the file is damaged.") \
    E(ERR_ZIP_NOT_ZIP,     422, "zip.not_a_zip",        "This is not a ZIP file, or its end is missing.") \
    E(ERR_ZIP_PREPENDED,   422, "zip.prepended",        "The ZIP file has foreign data in front of it.") \
    E(ERR_ZIP_TRAILING,    422, "zip.trailing",         "The ZIP file has foreign data behind its end.") \
    E(ERR_ZIP_TRUNCATED,   422, "zip.truncated",        "The ZIP file ends in the middle of an entry.") \
    E(ERR_ZIP_DIRECTORY,   422, "zip.bad_directory",    "The directory of the ZIP file is damaged.") \
    E(ERR_ZIP_COMMENT,     422, "zip.comment",          "The comment of the ZIP file hides another end of the file.") \
    E(ERR_ZIP_ZIP64,       422, "zip.zip64",            "The 64-bit sizes of the ZIP file contradict themselves.") \
    E(ERR_ZIP_DISKS,       422, "zip.several_disks",    "The ZIP file is one part of several; upload it as one file.") \
    E(ERR_ZIP_MISMATCH,    422, "zip.mismatch",         "An entry of the ZIP file is described in two ways that differ.") \
    E(ERR_ZIP_GAP,         422, "zip.gap",              "The ZIP file holds bytes that belong to no entry.") \
    E(ERR_ZIP_OVERLAP,     422, "zip.overlap",          "Entries of the ZIP file overlap.") \
    E(ERR_ZIP_DUPLICATE,   422, "zip.duplicate",        "The ZIP file contains multiple files with the same name.") \
    E(ERR_ZIP_CASE,        422, "zip.duplicate_case",   "The ZIP file contains names that differ only by case.") \
    E(ERR_ZIP_CONFLICT,    422, "zip.name_conflict",    "A name in the ZIP file is both a file and a folder.") \
    E(ERR_ZIP_NAME,        422, "zip.name",             "A name in the ZIP file is not usable.") \
    E(ERR_ZIP_ENCODING,    422, "zip.name_encoding",    "A name in the ZIP file is not encoded as it says.") \
    E(ERR_ZIP_TRAVERSAL,   422, "zip.traversal",        "A name in the ZIP file leads out of the ZIP file.") \
    E(ERR_ZIP_ABSOLUTE,    422, "zip.absolute",         "A name in the ZIP file is an absolute path.") \
    E(ERR_ZIP_LINK,        422, "zip.link",             "The ZIP file contains a symbolic link.") \
    E(ERR_ZIP_DEVICE,      422, "zip.device",           "The ZIP file contains something that is neither file nor folder.") \
    E(ERR_ZIP_ENCRYPTED,   422, "zip.encrypted",        "The ZIP file contains an encrypted entry.") \
    E(ERR_ZIP_METHOD,      422, "zip.method",           "The ZIP file uses a compression that is not supported.") \
    E(ERR_ZIP_EXTRA,       422, "zip.extra",            "The extra fields of an entry of the ZIP file are damaged.") \
    E(ERR_ZIP_DESCRIPTOR,  422, "zip.descriptor",       "The data descriptor of an entry of the ZIP file is wrong.") \
    E(ERR_ZIP_FOLDER,      422, "zip.folder_data",      "A folder in the ZIP file has content.") \
    E(ERR_ZIP_SIZE,        422, "zip.size",             "An entry of the ZIP file does not have the size it states.") \
    E(ERR_ZIP_CRC,         422, "zip.crc",              "The content of an entry of the ZIP file does not match its check sum.") \
    E(ERR_ZIP_DATA,        422, "zip.data",             "The compressed data of an entry of the ZIP file is damaged.") \
    E(ERR_ZIP_RATIO,       422, "zip.ratio",            "An entry of the ZIP file expands too much.") \
    E(ERR_ZIP_CHANGED,     422, "zip.changed",          "Something in the ZIP file changed that should not.") \
    E(ERR_CAB,             422, "cab.malformed",        "The cabinet file is malformed.") \
    E(ERR_VBA,             422, "vba.malformed",        "The VBA project of the file is malformed.") \
    E(ERR_CAB_SET,         422, "cab.set",              "The cabinet is one part of a set of several files.") \
    E(ERR_CFB,             422, "cfb.malformed",        "The compound file (MSI) is malformed.") \
    E(ERR_XML,             422, "xml.invalid",          "The XML document is not well-formed.") \
    E(ERR_XML_DOCTYPE,     422, "xml.doctype",          "The XML document has a DOCTYPE, which is never accepted.") \
    E(ERR_XML_LIMIT,       422, "xml.limit",            "The XML document exceeds a limit of this server.")
#define ERR_TABLE_FORMATS(E) \
    E(ERR_PE,              422, "pe.malformed",         "The program file is malformed.") \
    E(ERR_NUPKG,           422, "nupkg.malformed",      "The NuGet package is malformed.") \
    E(ERR_APPX,            422, "appx.malformed",       "The app package is malformed.") \
    E(ERR_MSI,             422, "msi.malformed",        "The database of the installer file is malformed.") \
    E(ERR_MSI_EXTERNAL,    422, "msi.external_file",    "A file of the installer lies outside of the installer file.") \
    E(ERR_CATALOG,         422, "catalog.malformed",    "The security catalog is malformed.") \
    E(ERR_OPC,             422, "opc.malformed",        "The OPC package is malformed.")
#define ERR_TABLE_CONFIGURATION(E) \
    E(ERR_CONFIGURATION_NAME,    400, "configuration.unknown_name", "The artifact configuration has an unknown element or attribute.") \
    E(ERR_CONFIGURATION_PLACE,   400, "configuration.wrong_place",  "The artifact configuration has something where it is not allowed.") \
    E(ERR_CONFIGURATION_MISSING, 400, "configuration.missing",      "The artifact configuration lacks something that is required.") \
    E(ERR_CONFIGURATION_VALUE,   400, "configuration.value",        "An attribute of the artifact configuration has a value that is not allowed.") \
    E(ERR_CONFIGURATION_PATTERN, 400, "configuration.pattern",      "A path pattern of the artifact configuration is not valid.") \
    E(ERR_CONFIGURATION_OUTPUT,  400, "configuration.output_name",  "An output name of the artifact configuration is not usable.") \
    E(ERR_CONFIGURATION_RULE,    400, "configuration.rule",         "The artifact configuration breaks a rule of the language.") \
    E(ERR_CONFIGURATION_UNBUILT, 400, "configuration.not_built",    "The artifact configuration asks for something this server cannot do yet.") \
    E(ERR_CONFIGURATION_KEY,     400, "configuration.key",          "The artifact configuration does not fit the key of the signing policy.") \
    E(ERR_PARAMETER,             400, "configuration.parameter",    "A parameter is not usable.")
#define ERR_TABLE_ARTIFACT(E) \
    E(ERR_MATCH_COUNT,     422, "artifact.match_count", "The artifact does not hold the files that the artifact configuration expects.") \
    E(ERR_MATCH_TWICE,     422, "artifact.matched_twice", "A file is matched by more than one element of the artifact configuration.") \
    E(ERR_MATCH_NAMES,     422, "artifact.same_name",   "A container holds multiple files with the same name.") \
    E(ERR_ROOT_NAME,       422, "artifact.root_name",   "The name of the artifact does not match the artifact configuration.") \
    E(ERR_RESTRICTION,     422, "artifact.restriction", "A file does not meet a metadata restriction of the artifact configuration.") \
    E(ERR_OUTPUT_CLASH,    422, "artifact.output_clash", "Two files of the output would have the same name.") \
    E(ERR_DIRECTIVE,       422, "artifact.directive",   "A directive cannot be carried out on this file.") \
    E(ERR_NOTHING_TO_SIGN, 422, "artifact.nothing_to_sign", "Nothing in the artifact is to be signed.") \
    E(ERR_PLAN_DIFFERS,    500, "artifact.plan_differs", "The artifact does not give the plan that was decided on. Nothing was signed.") \
    E(ERR_REPLAY_DIFFERS,  500, "artifact.replay_differs", "A repeated run asked for something else than the first one.") \
    E(ERR_STAMP,           502, "timestamp.failed",     "No time-stamp server gave a usable time stamp. Nothing was released. Submit again later; the operator of this server sees in the detail what went wrong.") \
    E(ERR_VERIFY_MISSING,  500, "verify.missing",       "A planned signature is not in the output. The output was not released.") \
    E(ERR_VERIFY_INVALID,  500, "verify.invalid",       "A signature in the output is not valid. The output was not released.") \
    E(ERR_VERIFY_CHANGED,  500, "verify.changed",       "The output differs from the artifact in more than the plan says. It was not released.")
#define ERR_TABLE_KEYSTORE(E) \
    E(ERR_KEY_FOLDER,      503, "key.folder",           "The key folder of the server is not usable.") \
    E(ERR_KEY_JOURNAL,     503, "key.journal_damaged",  "The journal of the key process is damaged. Nothing is signed until the operator has restored it.") \
    E(ERR_KEY_ROLLBACK,    503, "key.rolled_back",      "The database, the audit log or the key journal is older than it should be. Nothing is signed until the operator has looked at it.") \
    E(ERR_KEY_LOG,         503, "key.log_refused",      "The key process does not accept the audit log. Nothing was signed.") \
    E(ERR_KEY_UNKNOWN,     404, "key.unknown",          "There is no such key.") \
    E(ERR_KEY_CONFLICT,    409, "key.conflict",         "The key exists already, with other properties, or is in use.") \
    E(ERR_KEY_PINNED,      403, "key.pinned",           "A pin of this key does not allow it. Nothing was signed; pins are the business of the administrator of this server.") \
    E(ERR_KEY_FROZEN,      403, "key.frozen",           "This key is frozen. Nothing is signed with it until the administrator of this server has lifted that.") \
    E(ERR_GRANT,           500, "grant.refused",        "The key process refused the authorisation. Nothing was signed.") \
    E(ERR_GRANT_OPEN,      409, "grant.other_open",     "Another authorisation of this request is still open.") \
    E(ERR_GRANT_EXPIRED,   409, "grant.expired",        "The authorisation has expired. Nothing more is signed under it.") \
    E(ERR_GRANT_ENDED,     409, "grant.ended",          "The authorisation is closed. Nothing more is signed under it.") \
    E(ERR_GRANT_SLOT,      403, "grant.slot",           "The authorisation does not cover this signature.") \
    E(ERR_GRANT_BROKEN,    403, "grant.broken",         "A second digest was presented for one signature of this authorisation. Nothing more is signed under it.")
#define ERR_TABLE_STORE(E) \
    E(ERR_DB,              500, "store.failed",         "The database refused an operation. Nothing was changed.") \
    E(ERR_DB_CONFLICT,     409, "store.conflict",       "This exists already.") \
    E(ERR_DB_AWAY,         503, "store.away",           "The database cannot be reached. Try again later.") \
    E(ERR_DB_UNKNOWN,      503, "store.unknown",        "The database went away before it confirmed. Ask again whether it was done.") \
    E(ERR_DB_NEWER,        500, "store.newer",          "The database was made by a newer version of this program. Install that version.") \
    E(ERR_DB_OLDER,        500, "store.older",          "The database was made by an older version of this program. Start the service once: it brings it up to date.") \
    E(ERR_DB_DAMAGED,      500, "store.damaged",        "The database file is damaged. Restore a backup.") \
    E(ERR_BLOB_MISSING,    500, "store.blob_missing",   "A stored file is missing. Tell the operator.") \
    E(ERR_BLOB_DAMAGED,    500, "store.blob_damaged",   "A stored file is damaged. Tell the operator.") \
    E(ERR_JOB_LOST,        409, "store.job_lost",       "This work was taken over by another process.") \
    E(ERR_EFFECT_CHANGED,  500, "store.effect_changed", "A slot was answered before with another value. Nothing was signed.") \
    E(ERR_AUDIT,           500, "audit.broken",         "The audit log does not verify.")
#define ERR_TABLE_SERVICE(E) \
    E(ERR_UNAUTHENTICATED, 401, "auth.required",        "A valid credential is needed: an API token as bearer token, or a signed-in session.") \
    E(ERR_FORBIDDEN,       403, "auth.forbidden",       "You may not do this.") \
    E(ERR_NOT_FOUND,       404, "object.not_found",     "There is no such object in this organization.") \
    E(ERR_LIMIT,           429, "request.limit",        "Too many tries. Wait a quarter of an hour.") \
    E(ERR_FIELD,           400, "request.field",        "A field of the request is not valid.") \
    E(ERR_WRONG_STATE,           400, "request.state",        "The object is not in a state that allows this.") \
    E(ERR_CONFLICT,        409, "request.conflict",     "The object has changed or is final already.") \
    E(ERR_SCAN_REQUIRED,   422, "scan.unavailable",     "The signing policy requires a malware scan, but no scanner is configured.") \
    E(ERR_ATTEMPT,         500, "sign.attempt",         "The signing attempt ended without a result. It is tried again.") \
    E(ERR_UNVERIFIED,      500, "sign.unverified",      "The signed artifact did not pass the check of a second process. Nothing was released.")
#define ERR_TABLE_IPC(E) \
    E(ERR_IPC_MESSAGE,     500, "ipc.message",          "A part of the server sent a message that is not allowed.") \
    E(ERR_IPC_CLOSED,      503, "ipc.closed",           "A part of the server has stopped. Try again.") \
    E(ERR_FETCH,           503, "fetch.failed",         "A server outside could not be reached or gave no usable answer.") \
    E(ERR_FETCH_REFUSED,   400, "fetch.refused",        "This server does not connect to that address.")
#define ERR_TABLE_WEB(E) \
    E(ERR_HTTP_REQUEST,    400, "http.malformed",       "The HTTP request is not well-formed.") \
    E(ERR_HTTP_METHOD,     405, "http.method",          "This HTTP method is not used here.") \
    E(ERR_HTTP_SLOW,       408, "http.too_slow",        "The request came too slowly.") \
    E(ERR_HTTP_TOO_LARGE,  413, "http.too_large",       "The request body is larger than allowed.") \
    E(ERR_HTTP_TARGET,     414, "http.target_too_long", "The address of the request is too long.") \
    E(ERR_HTTP_EXPECT,     417, "http.expectation",     "Only the expectation 100-continue is supported.") \
    E(ERR_HTTP_HEAD,       431, "http.head_too_large",  "The header of the request is too large.") \
    E(ERR_HTTP_MULTIPART,  400, "http.multipart",       "The form data of the request is not well-formed.") \
    E(ERR_HTTP_CUT,        400, "http.cut",             "The request body ended before it was complete.") \
    E(ERR_HTTP_OVERLOAD,   503, "http.overload",        "The server is busy. Try again in a moment.") \
    E(ERR_HTTP_STOPPING,   503, "http.stopping",        "The server is being restarted. Try again in a moment.")

#define ERR_TABLE(E) \
    ERR_TABLE_BASE(E) ERR_TABLE_CRYPTO(E) ERR_TABLE_ARCHIVE(E) ERR_TABLE_FORMATS(E) \
    ERR_TABLE_CONFIGURATION(E) ERR_TABLE_ARTIFACT(E) ERR_TABLE_KEYSTORE(E) ERR_TABLE_STORE(E) \
    ERR_TABLE_SERVICE(E) ERR_TABLE_IPC(E) ERR_TABLE_WEB(E)
/* clang-format on */

#define E(name, status, code, text) name,
enum err_code { ERR_TABLE(E) ERR__COUNT };
#undef E

struct err {
    enum err_code code; /* what programs switch on; ERR_NONE means unset */
    char user[640];     /* what the person who uploaded the file reads */
    char detail[320];   /* what the operator reads: offset, errno, peer */
};

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Sets *e, unless it is already set, and returns false, so a caller can write
 * "return err_set(...)". The user text is the row's; fmt adds the detail, NULL for none. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
/* The same with a user text of its own: a sentence that names what is wrong and what to do. */
bool err_user(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
/* The same for a failed system call; ENOSPC, EDQUOT and EFBIG become ERR_STORAGE_FULL. */
bool err_errno(struct err *e, const char *what);
/* Carries an error that another process reported; an unknown code becomes ERR_INTERNAL. */
bool err_from(struct err *e, const char *machine_code, const char *user, const char *detail);

/* Whether the error says something about us (memory, disk, a bug) and nothing about the input:
 * then it must not end up as "the signature is invalid". */
bool err_is_ours(const struct err *e);
/* False when why is ours, which is then *e: for a verdict that must not be spoken. */
bool err_theirs(const struct err *why, struct err *e);

const char *err_machine_code(enum err_code code);
int err_http_status(enum err_code code);
const char *err_default_text(enum err_code code);

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        if (!(expr))                                                                               \
            return false;                                                                          \
    } while (0)
#define CLEANUP(fn)     __attribute__((cleanup(fn)))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#endif
