/*
 * The calls of <socketio/tokens.h> and users.h, and of what addons hang on
 * sockets and servers
 */
#include "scenario/reentry.h"

#include <string.h>

#include <socketio/tokens.h>
#include <socketio/users.h>

static const char some_key;
static const char secret[] = "0123456789abcdef0123456789abcdef";

static const skio_token_key key = {
    .struct_size = sizeof(skio_token_key),
    .algorithm = SKIO_TOKEN_HS256,
    .key = {secret, sizeof secret - 1},
};

static int own_data;

static void
free_data(void *data)
{
    *(int *)data = 0;
}

static void
on_online(int err, size_t sockets, size_t missing, void *user)
{
    (void)sockets;
    (void)missing;
    reentry_result(user, err);
}

static void
on_fetched(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    (void)sockets;
    (void)count;
    (void)missing;
    reentry_result(user, err);
}

static skio_tokens *
new_tokens(struct reentry *r)
{
    skio_tokens *tokens = NULL;

    r->peer->wall = 1000;
    reentry_result(r, skio_tokens_new(r->server, NULL, &key, 1, &tokens));
    return tokens;
}

static void
check_token(struct reentry *r)
{
    skio_tokens *tokens = new_tokens(r);
    skio_token *token = NULL;
    char text[256];
    int len = skio_token_sign(r->server, &key, text, sizeof text,
                              "{'sub':'a','exp':9}");

    reentry_result(r, len);
    if (tokens == NULL || len < 0)
        return;
    reentry_result(r, skio_token_verify(&key, text, (size_t)len));
    reentry_result(r, skio_tokens_set_keys(tokens, &key, 1));
    reentry_result(r,
                   skio_tokens_check(tokens, text, (size_t)len, &token, NULL));
    if (token == NULL)
        return;
    reentry_text(r, skio_get_json(skio_token_value(token), ""));
    reentry_text(r, skio_token_subject(token));
    (void)skio_token_expires(token);
    skio_token_free(token);
}

/* Who is there has no token, and stays. */
static void
guard(struct reentry *r)
{
    skio_tokens *tokens = new_tokens(r);

    if (tokens != NULL)
        reentry_result(r,
                       skio_tokens_guard(tokens, skio_of(r->server, "/guarded"),
                                         NULL));
}

static void
init_options(void)
{
    skio_tokens_options tokens;
    skio_tokens_guard_options guards;
    skio_users_options users;

    skio_tokens_options_init(&tokens);
    skio_tokens_guard_options_init(&guards);
    skio_users_options_init(&users);
}

static void
find_bearer(struct reentry *r)
{
    size_t len;

    reentry_text(r, skio_token_bearer("Bearer x", &len));
}

static void
set_up(struct reentry *r)
{
    skio_users_options options;

    skio_users_options_init(&options);
    reentry_result(r, skio_users_setup(r->server, &options));
}

static void emit_list(struct reentry *r, const char *format, ...)
    SKIO_PRINTF(2, 3);

static void
emit_list(struct reentry *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reentry_result(r, skio_user_emitv(r->root, "a", "x", format, args));
    va_end(args);
}

static void
look_at_user(struct reentry *r)
{
    uint64_t ms;

    reentry_text(r, skio_user_of(r->socket));
    (void)skio_user_count(r->server, "a");
    reentry_result(r, skio_user_last_seen(r->server, "a", &ms));
}

/* Both, so that one has to leave the other's room. */
static void
bind_all(struct reentry *r)
{
    reentry_result(r, skio_user_bind(r->socket, "a"));
    reentry_result(r, skio_user_bind(r->other, "b"));
    reentry_result(r, skio_user_bind(r->socket, "b"));
}

static void
unbind(struct reentry *r)
{
    reentry_result(r, skio_user_bind(r->other, "a"));
    reentry_result(r, skio_user_unbind(r->other));
}

static void
attach(struct reentry *r)
{
    reentry_result(r, skio_socket_attach(r->socket, &some_key, &own_data,
                                         free_data));
    reentry_result(r, skio_socket_attach(r->socket, &some_key, &own_data,
                                         free_data));
}

/* clang-format off */
#define LOOK(X, name, ...) X(name, NOTHING, true, false, __VA_ARGS__)
#define DO(X, name, ...) X(name, NOTHING, false, false, __VA_ARGS__)
#define CALLS(X)                                                               \
    LOOK(X, skio_loop_wall, (void)skio_loop_wall(r->server))                   \
    LOOK(X, skio_socket_attached, (void)skio_socket_attached(r->socket, &some_key)) \
    LOOK(X, skio_server_attached, (void)skio_server_attached(r->server, &some_key)) \
    DO(X, skio_socket_attach, attach(r))                                       \
    DO(X, skio_server_attach, reentry_result(r, skio_server_attach(r->server, &some_key, &own_data, NULL))) \
    LOOK(X, skio_token_fault_code, reentry_text(r, skio_token_fault_code(SKIO_TOKEN_FAULT_KEY))) \
    LOOK(X, skio_token_fault_reason, reentry_text(r, skio_token_fault_reason(SKIO_TOKEN_FAULT_KEY))) \
    LOOK(X, skio_tokens_options_init_size, init_options())                     \
    LOOK(X, skio_tokens_guard_options_init_size, init_options())               \
    LOOK(X, skio_users_options_init_size, init_options())                      \
    LOOK(X, skio_token_bearer, find_bearer(r))                                 \
    LOOK(X, skio_token_claims, (void)skio_token_claims(r->socket))             \
    DO(X, skio_tokens_new, (void)new_tokens(r))                                \
    DO(X, skio_tokens_set_keys, check_token(r))                                \
    DO(X, skio_tokens_check, check_token(r))                                   \
    DO(X, skio_token_sign, check_token(r))                                     \
    DO(X, skio_token_verify, check_token(r))                                   \
    DO(X, skio_token_value, check_token(r))                                    \
    DO(X, skio_token_subject, check_token(r))                                  \
    DO(X, skio_token_expires, check_token(r))                                  \
    DO(X, skio_token_free, check_token(r))                                     \
    DO(X, skio_tokens_guard, guard(r))                                         \
    LOOK(X, skio_user_of, look_at_user(r))                                     \
    LOOK(X, skio_user_count, look_at_user(r))                                  \
    LOOK(X, skio_user_last_seen, look_at_user(r))                              \
    DO(X, skio_users_setup, set_up(r))                                         \
    DO(X, skio_user_bind, bind_all(r))                                         \
    DO(X, skio_user_unbind, unbind(r))                                         \
    DO(X, skio_user_emit, reentry_result(r, skio_user_emit(r->root, "a", "x", NULL))) \
    DO(X, skio_user_emitv, emit_list(r, "%d", 1))                              \
    DO(X, skio_user_fetch, reentry_result(r, skio_user_fetch(r->root, "a", on_fetched, r))) \
    DO(X, skio_user_is_online, reentry_result(r, skio_user_is_online(r->root, "a", on_online, r))) \
    DO(X, skio_user_disconnect, bind_all(r); reentry_result(r, skio_user_disconnect(r->root, "b", true)))
/* clang-format on */

REENTRY_TABLE(reentry_addon_calls, CALLS)
