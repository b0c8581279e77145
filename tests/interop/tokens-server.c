/*
 * The server of test_tokens.mjs: a namespace that wants tokens
 *
 *     tokens-server PORT SECRET PUBLIC_KEY GRACE_MS
 *
 * SECRET is the text of the HMAC key named "shared", PUBLIC_KEY the "x" of an
 * Ed25519 key named "pair"; issuer "login", audience "chat". "who" is answered
 * with the claims and the user's id. POST /check answers with the claims of the
 * token in the Authorization header, or with 401 and why; POST /login/ALG with
 * one for {"sub","seconds","key"}, signed with the given key in base64url; POST
 * /mail sends the user {"to"} an event.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <socketio/loop.h>
#include <socketio/tokens.h>
#include <socketio/users.h>

#include "interop/must.h"
#include "interop/program.h"

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

static skio_server *io;
static skio_tokens *tokens;

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    (void)skio_emit(socket, "welcome", NULL);
}

static void
on_who(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)user;
    (void)skio_ack_send(ack, "%-s, %s",
                        skio_get_json(skio_token_claims(socket), ""),
                        skio_user_of(socket));
}

static void
on_check(skio_http *request, void *user)
{
    size_t len = 0;
    const char *text =
        skio_token_bearer(skio_http_header(request, "authorization"), &len);
    enum skio_token_fault why;
    skio_token *token;

    (void)user;
    if (skio_tokens_check(tokens, text, len, &token, &why) != SKIO_OK) {
        (void)skio_http_reply(request, 401, "{'code':%s}",
                              skio_token_fault_code(why));
        return;
    }
    (void)skio_http_reply(request, 200, "%-s",
                          skio_get_json(skio_token_value(token), ""));
    skio_token_free(token);
}

static void
login(skio_http *request, enum skio_token_algorithm algorithm, const char *kid)
{
    const skio_value *body = skio_http_json(request);
    const char *text = skio_get_str(body, "key");
    unsigned char bytes[64];
    skio_token_key key = {.struct_size = sizeof key,
                          .algorithm = algorithm,
                          .kid = kid,
                          .key = {bytes, 0}};
    long long now = (long long)(skio_loop_wall(io) / 1000);
    int64_t seconds = 0;
    char out[1024];

    if (text == NULL || skio_get_int(body, "seconds", &seconds) != SKIO_OK ||
        sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL,
                          &key.key.len, NULL, VARIANT) != 0 ||
        skio_token_sign(io, &key, out, sizeof out,
                        "{'iss':'login','aud':['chat'],'sub':%s,'exp':%lld}",
                        skio_get_str(body, "sub"),
                        now + (long long)seconds) < 0)
        (void)skio_http_reply(request, 400, NULL);
    else
        (void)skio_http_reply(request, 200, "{'token':%s}", out);
}

static void
on_login_shared(skio_http *request, void *user)
{
    (void)user;
    login(request, SKIO_TOKEN_HS256, "shared");
}

static void
on_login_pair(skio_http *request, void *user)
{
    (void)user;
    login(request, SKIO_TOKEN_EDDSA, "pair");
}

static void
on_mail(skio_http *request, void *root)
{
    const char *to = skio_get_str(skio_http_json(request), "to");
    int err = skio_user_emit(root, to, "mail", "%s", to);

    (void)skio_http_reply(request, err == SKIO_OK ? 202 : 400, NULL);
}

static void
serve(const char *secret, const char *public_key, long grace_ms)
{
    unsigned char bytes[32];
    size_t len = 0;
    const skio_token_key keys[] = {
        {sizeof keys[0], SKIO_TOKEN_HS256, "shared", {secret, strlen(secret)}},
        {sizeof keys[0], SKIO_TOKEN_EDDSA, "pair", {bytes, sizeof bytes}},
    };
    skio_nsp *root = skio_of(io, "/");
    skio_tokens_options options;
    skio_tokens_guard_options guard;

    if (root == NULL ||
        sodium_base642bin(bytes, sizeof bytes, public_key, strlen(public_key),
                          NULL, &len, NULL, VARIANT) != 0 ||
        len != sizeof bytes)
        must_ok(SKIO_EINVAL, "key");
    skio_tokens_options_init(&options);
    options.issuer = "login";
    options.audience = "chat";
    options.leeway_ms = 0;
    must_ok(skio_tokens_new(io, &options, keys, 2, &tokens), "tokens");
    skio_tokens_guard_options_init(&guard);
    guard.bind_user = true;
    guard.grace_ms = (uint32_t)grace_ms;
    must_ok(skio_tokens_guard(tokens, root, &guard), "guard");
    must_ok(skio_on_connect(root, on_connect, NULL), "connect");
    must_ok(skio_on(root, "who", on_who, NULL), "who");
    must_ok(skio_http_on(io, "POST", "/check", on_check, NULL), "/check");
    must_ok(skio_http_on(io, "POST", "/login/HS256", on_login_shared, NULL),
            "/login");
    must_ok(skio_http_on(io, "POST", "/login/EdDSA", on_login_pair, NULL),
            "/login");
    must_ok(skio_http_on(io, "POST", "/mail", on_mail, root), "/mail");
}

int
main(int argc, char **argv)
{
    static char name[] = "tokens-server";
    skio_server_options options;
    int err;

    if (argc != 5 || program_port(argv[1]) < 0 || program_port(argv[4]) < 0) {
        fprintf(stderr,
                "usage: tokens-server PORT SECRET PUBLIC_KEY GRACE_MS\n");
        return 2;
    }
    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    must_ok(skio_server_new(&io, &options), "server");
    serve(argv[2], argv[3], program_port(argv[4]));
    must_ok(skio_listen(io, "127.0.0.1", (uint16_t)program_port(argv[1])),
            "listen");
    err = program_run(io);
    skio_server_free(io);
    return err == SKIO_OK ? 0 : 1;
}
