/* SPDX-License-Identifier: Apache-2.0 */
#include "service/authentication.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "service/events.h"
#include "service/password.h"
#include "service/refusals.h"
#include "service/throttle.h"
#include <string.h>

static bool secret_text(const char *prefix, char ret[TOKEN_TEXT], struct err *e)
{
    uint8_t random[32];
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, TOKEN_TEXT);
    TRY(file_random(random, sizeof random, e));
    writer_text(&w, prefix);
    text_base64url(&w, reader_over(random, sizeof random));
    writer_u8(&w, 0);
    explicit_bzero(random, sizeof random);
    TRY(writer_ok(&w, e));
    struct reader all = writer_view(&w);
    return reader_copy(&all, ret, TOKEN_TEXT) || err_set(e, ERR_INTERNAL, "token length");
}

bool token_create(struct db_tx *tx, const struct actor *by, const char *user, const char *name,
                  int64_t expires, char ret[TOKEN_TEXT], struct err *e)
{
    struct digest_value hash;
    const char *id;
    TRY(service_check_name("Token", name, e));
    TRY(secret_text("chy_", ret, e));
    TRY(digest_of(HASH_SHA256, reader_text(ret), &hash, e));
    TRY(service_new_id(tx_arena(tx), &id, e));
    TRY(tx_run(tx, QUERY_token_insert,
               DB_ARGS(DB_BYTES(digest_view(&hash)), DB_TEXT(id), DB_TEXT(by->organization),
                       DB_TEXT(user), DB_TEXT(name), DB_INT(clock_wall_ms()),
                       expires == 0 ? DB_NULL : DB_INT(expires)),
               e));
    struct event event = {.type = "Token.Created", .by = by, .kind = "User", .object = user};
    event_add(&event, "token", name);
    return event_append(tx, &event, NULL, e);
}

struct lookup {
    struct digest_value hash;
    struct arena *arena;
    struct actor *actor;
    int64_t last_used; /* of the token; last_seen of the session */
    int64_t created;
};

static bool copy_actor(struct db_rows *row, struct arena *a, struct actor *ret, struct err *e)
{
    if (strcmp(row_text(row, "status"), "Active") != 0)
        return err_set(e, ERR_UNAUTHENTICATED, "user not active");
    ret->user = arena_text(a, reader_text(row_text(row, "owner")));
    ret->organization = arena_text(a, reader_text(row_text(row, "organization")));
    ret->name = arena_text(a, reader_text(row_text(row, "name")));
    ret->kind = arena_text(a, reader_text(row_text(row, "kind")));
    ret->role = arena_text(a, reader_text(row_text(row, "role")));
    bool whole = ret->user != NULL && ret->organization != NULL && ret->name != NULL &&
                 ret->kind != NULL && ret->role != NULL;
    return whole || arena_err(e);
}

static bool find_token(struct db_tx *tx, void *ctx, struct err *e)
{
    struct lookup *l = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_token_by_hash, DB_ARGS(DB_BYTES(digest_view(&l->hash))), &row, e));
    if (row.count == 0)
        return err_set(e, ERR_UNAUTHENTICATED, "unknown token");
    if (!row_null(&row, "revoked"))
        return err_set(e, ERR_UNAUTHENTICATED, "token revoked");
    if (!row_null(&row, "expires") && row_int(&row, "expires") <= clock_wall_ms())
        return err_set(e, ERR_UNAUTHENTICATED, "token expired");
    l->last_used = row_int(&row, "last_used");
    l->actor->token_name = arena_text(l->arena, reader_text(row_text(&row, "token_name")));
    return l->actor->token_name == NULL ? arena_err(e) : copy_actor(&row, l->arena, l->actor, e);
}

static bool touch_token(struct db_tx *tx, void *ctx, struct err *e)
{
    struct lookup *l = ctx;
    return tx_run(tx, QUERY_token_touch,
                  DB_ARGS(DB_BYTES(digest_view(&l->hash)), DB_INT(clock_wall_ms())), e);
}

bool authenticate_token(struct service *s, struct reader bearer, struct arena *a, struct actor *ret,
                        struct err *e)
{
    enum { TOUCH_EVERY_MS = 60000 };
    struct actor actor = {.address = "", .user_agent = ""};
    struct lookup l = {.arena = a, .actor = &actor};
    size_t colon = reader_find(bearer, 0, ":", 1);
    struct reader token = bearer;
    if (colon != SIZE_MAX && !reader_slice(bearer, 0, colon, &token))
        return err_set(e, ERR_UNAUTHENTICATED, NULL);
    TRY(digest_of(HASH_SHA256, token, &l.hash, e));
    TRY(db_read(s->db, find_token, &l, e));
    /* "last used" is for people: one write a minute and token is enough. */
    if (clock_wall_ms() - l.last_used > TOUCH_EVERY_MS)
        TRY(db_write(s->db, CRASH_S01, touch_token, &l, e));
    *ret = actor;
    return true;
}

static bool find_session(struct db_tx *tx, void *ctx, struct err *e)
{
    struct lookup *l = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_session_by_hash, DB_ARGS(DB_BYTES(digest_view(&l->hash))), &row, e));
    if (row.count == 0)
        return err_set(e, ERR_UNAUTHENTICATED, "unknown session");
    l->last_used = row_int(&row, "last_seen");
    l->created = row_int(&row, "created");
    l->actor->csrf = arena_text(l->arena, reader_text(row_text(&row, "csrf")));
    return l->actor->csrf == NULL ? arena_err(e) : copy_actor(&row, l->arena, l->actor, e);
}

static bool touch_session(struct db_tx *tx, void *ctx, struct err *e)
{
    struct lookup *l = ctx;
    return tx_run(tx, QUERY_session_touch,
                  DB_ARGS(DB_BYTES(digest_view(&l->hash)), DB_INT(clock_wall_ms())), e);
}

bool authenticate_session(struct service *s, struct reader cookie, struct arena *a,
                          struct actor *ret, struct err *e)
{
    struct actor actor = {.token_name = "", .address = "", .user_agent = ""};
    struct lookup l = {.arena = a, .actor = &actor};
    TRY(digest_of(HASH_SHA256, cookie, &l.hash, e));
    TRY(db_read(s->db, find_session, &l, e));
    /* A session from the future is one from before the clock was put right: it would not end. */
    enum { AHEAD_MS = 5 * 60 * 1000 };
    int64_t now = clock_wall_ms();
    bool ahead = l.created > now + AHEAD_MS || l.last_used > now + AHEAD_MS;
    if (ahead || now - l.last_used > s->session_idle_ms || now - l.created > s->session_max_ms)
        return err_set(e, ERR_UNAUTHENTICATED, "session ended");
    if (now - l.last_used > 60000)
        TRY(db_write(s->db, CRASH_S01, touch_session, &l, e));
    *ret = actor;
    return true;
}

struct sign_in {
    const char *organization, *email, *address;
    struct arena *arena;
    char *account;         /* id, whether or not one can sign in with it */
    char *user, *password; /* NULL: one cannot */
    struct digest_value hash;
    char csrf[TOKEN_TEXT];
};

static bool find_account(struct db_tx *tx, void *ctx, struct err *e)
{
    struct sign_in *in = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_user_by_email,
               DB_ARGS(DB_TEXT(in->organization), DB_TEXT(service_fold(in->arena, in->email))),
               &row, e));
    if (row.count == 0)
        return true;
    in->account = arena_text(in->arena, reader_text(row_text(&row, "id")));
    if (in->account == NULL)
        return arena_err(e);
    if (row_null(&row, "password") || strcmp(row_text(&row, "status"), "Active") != 0)
        return true;
    in->user = in->account;
    in->password = arena_text(in->arena, reader_text(row_text(&row, "password")));
    return in->password != NULL || arena_err(e);
}

static bool add_session(struct db_tx *tx, void *ctx, struct err *e)
{
    struct sign_in *in = ctx;
    struct actor by = {.user = in->user, .organization = in->organization, .address = in->address};
    int64_t now = clock_wall_ms();
    TRY(tx_run(tx, QUERY_session_insert,
               DB_ARGS(DB_BYTES(digest_view(&in->hash)), DB_TEXT(in->organization),
                       DB_TEXT(in->user), DB_TEXT(in->csrf), DB_INT(now), DB_INT(now)),
               e));
    struct event event = {.type = "User.SignedIn", .by = &by, .kind = "User", .object = in->user};
    return event_append(tx, &event, NULL, e);
}

/* What was typed as the address of an unknown account is not kept: it may be a password. */
static void note_failure(struct service *s, const struct sign_in *in, const char *reason)
{
    refusal_note(s, &(struct refusal){.type = "User.SignInFailed",
                                      .organization = in->organization,
                                      .user = in->account,
                                      .address = in->address,
                                      .reason = reason});
}

bool session_sign_in(struct service *s, const char *organization, const char *email,
                     struct reader password, const char *address, char ret[TOKEN_TEXT],
                     struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(256 * 1024);
    if (a == NULL)
        return arena_err(e);
    struct sign_in in = {
        .organization = organization, .email = email, .address = address, .arena = a};
    TRY(db_read(s->db, find_account, &in, e));
    if (!throttle_check(email, address, e)) {
        note_failure(s, &in, "too many tries");
        return false;
    }
    if (!password_matches(in.password, password)) {
        throttle_failure(email, address);
        note_failure(s, &in, "wrong e-mail address or password");
        return err_user(e, ERR_UNAUTHENTICATED, "The e-mail address or the password is wrong.");
    }
    throttle_success(email, address);
    TRY(secret_text("chs_", ret, e));
    TRY(secret_text("chf_", in.csrf, e));
    TRY(digest_of(HASH_SHA256, reader_text(ret), &in.hash, e));
    return db_write(s->db, CRASH_S01, add_session, &in, e);
}

static bool end_session(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct digest_value *hash = ctx;
    return tx_run(tx, QUERY_session_delete, DB_ARGS(DB_BYTES(digest_view(hash))), e);
}

bool session_sign_out(struct service *s, struct reader cookie, struct err *e)
{
    struct digest_value hash;
    TRY(digest_of(HASH_SHA256, cookie, &hash, e));
    return db_write(s->db, CRASH_S01, end_session, &hash, e);
}

bool setup_code_create(struct db_tx *tx, const char *user, int64_t expires, char ret[TOKEN_TEXT],
                       struct err *e)
{
    struct digest_value hash;
    TRY(tx_run(tx, QUERY_setup_codes_delete_of_user, DB_ARGS(DB_TEXT(user)), e));
    TRY(secret_text("chc_", ret, e));
    TRY(digest_of(HASH_SHA256, reader_text(ret), &hash, e));
    return tx_run(tx, QUERY_setup_code_insert,
                  DB_ARGS(DB_BYTES(digest_view(&hash)), DB_TEXT(user), DB_INT(expires)), e);
}

struct code_use {
    struct digest_value hash;
    const char *password; /* hashed */
};

static bool find_code(struct db_tx *tx, const struct code_use *use, struct db_rows *ret,
                      struct err *e)
{
    TRY(tx_one(tx, QUERY_setup_code_by_hash, DB_ARGS(DB_BYTES(digest_view(&use->hash))), ret, e));
    if (ret->count == 1 && row_int(ret, "expires") > clock_wall_ms() &&
        strcmp(row_text(ret, "status"), "Inactive") != 0)
        return true;
    return err_user(
        e, ERR_NOT_FOUND,
        "This set-up link does not work: it has been used, a newer one has replaced it, "
        "or its time is over. A User Administrator or Global Administrator can issue a "
        "new one.");
}

static bool look_for_code(struct db_tx *tx, void *ctx, struct err *e)
{
    struct db_rows row;
    return find_code(tx, ctx, &row, e);
}

static bool use_code(struct db_tx *tx, void *ctx, struct err *e)
{
    struct code_use *use = ctx;
    struct db_rows row;
    TRY(find_code(tx, use, &row, e));
    const char *user = row_text(&row, "owner");
    struct actor by = {.user = user, .organization = row_text(&row, "organization")};
    TRY(tx_run(tx, QUERY_setup_codes_delete_of_user, DB_ARGS(DB_TEXT(user)), e));
    TRY(tx_run(tx, QUERY_user_set_password, DB_ARGS(DB_TEXT(user), DB_TEXT(use->password)), e));
    TRY(tx_run(tx, QUERY_sessions_delete_of_user, DB_ARGS(DB_TEXT(user)), e));
    struct event event = {.type = "User.PasswordSet", .by = &by, .kind = "User", .object = user};
    return event_append(tx, &event, NULL, e);
}

bool setup_code_use(struct service *s, struct reader code, struct reader password, struct err *e)
{
    struct code_use use;
    char hashed[PASSWORD_TEXT];
    TRY(digest_of(HASH_SHA256, code, &use.hash, e));
    /* First: hashing a password costs, and whoever has no code shall not make us pay. */
    TRY(db_read(s->db, look_for_code, &use, e));
    TRY(password_hash(password, hashed, e));
    use.password = hashed;
    return db_write(s->db, CRASH_S01, use_code, &use, e);
}
