/*
 * Tests of tokens: a server to check them at, keys, and an issuer who is not us
 */
#ifndef TESTS_UNIT_TOKENS_H
#define TESTS_UNIT_TOKENS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <socketio/socketio.h>
#include <socketio/tokens.h>
#include <socketio/transport.h>

#include "unit/alloc.h"

/* What is found wrong with a token, in a text. */
#define assert_fault(tokens, text, fault)                                      \
    assert_int_equal(check((tokens), (text), strlen(text)), (fault))

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char good_header[] = "{\"alg\":\"HS256\"}";
static const char good_claims[] = "{\"sub\":\"a\",\"exp\":1000000060}";

/* RFC 8037, appendix A: the public key. */
static const char rfc8037_x[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/* A server whose only hook that matters is the date. */
struct bench {
    struct test_alloc alloc;
    skio_server *server;
    uint64_t wall;
};

static inline uint64_t
now_ms(void *transport)
{
    (void)transport;
    return 1;
}

static inline uint64_t
wall_ms(void *transport)
{
    return ((struct bench *)transport)->wall;
}

static inline void
do_nothing(void *any)
{
    (void)any;
}

static inline void
ignore_response(void *handle, const skio_response *response)
{
    (void)handle;
    (void)response;
}

static inline void
begin_with(struct bench *bench, bool has_clock)
{
    const skio_transport hooks = {
        .struct_size = sizeof hooks,
        .now_ms = now_ms,
        .wants_flush = do_nothing,
        .wants_timer = do_nothing,
        .respond = ignore_response,
        .ws_flush = do_nothing,
        .wall_ms = has_clock ? wall_ms : NULL,
    };
    skio_server_options options;

    test_alloc_init(&bench->alloc);
    bench->wall = 1000000000000; /* 2001-09-09 */
    skio_server_options_init(&options);
    options.allocator = bench->alloc.allocator;
    assert_int_equal(skio_server_new(&bench->server, &options), SKIO_OK);
    assert_int_equal(skio_transport_attach(bench->server, &hooks, bench),
                     SKIO_OK);
}

static inline void
begin(struct bench *bench)
{
    begin_with(bench, true);
}

static inline void
end(struct bench *bench)
{
    skio_server_free(bench->server);
    assert_int_equal(bench->alloc.live, 0);
}

static inline skio_bytes
decode(const char *text, unsigned char *out, size_t size)
{
    size_t len;

    assert_int_equal(sodium_base642bin(out, size, text, strlen(text), NULL,
                                       &len, NULL, VARIANT),
                     0);
    return (skio_bytes){out, len};
}

static inline skio_token_key
hs256(const char *kid)
{
    return (skio_token_key){
        .struct_size = sizeof(skio_token_key),
        .algorithm = SKIO_TOKEN_HS256,
        .kid = kid,
        .key = {secret, sizeof secret - 1},
    };
}

static inline skio_token_key
eddsa(const char *kid, skio_bytes bytes)
{
    return (skio_token_key){
        .struct_size = sizeof(skio_token_key),
        .algorithm = SKIO_TOKEN_EDDSA,
        .kid = kid,
        .key = bytes,
    };
}

static inline skio_tokens *
new_tokens(struct bench *bench, const skio_tokens_options *options,
           const skio_token_key *key)
{
    skio_tokens *tokens;

    assert_int_equal(skio_tokens_new(bench->server, options, key, 1, &tokens),
                     SKIO_OK);
    return tokens;
}

/* Begin, with one key: the secret. */
static inline skio_tokens *
begin_with_secret(struct bench *bench, const skio_tokens_options *options)
{
    skio_token_key key = hs256(NULL);

    begin(bench);
    return new_tokens(bench, options, &key);
}

static inline enum skio_token_fault
check(skio_tokens *tokens, const char *text, size_t len)
{
    enum skio_token_fault fault;
    skio_token *token = NULL;
    int err = skio_tokens_check(tokens, text, len, &token, &fault);

    if (err == SKIO_OK)
        assert_int_equal(fault, SKIO_TOKEN_FAULT_NONE);
    else if (err == SKIO_EACCES)
        assert_true(fault != SKIO_TOKEN_FAULT_NONE &&
                    fault != SKIO_TOKEN_FAULT_UNAVAILABLE);
    else
        assert_int_equal(fault, SKIO_TOKEN_FAULT_UNAVAILABLE);
    if (token != NULL)
        assert_int_equal(err, SKIO_OK);
    skio_token_free(token);
    return fault;
}

/* Claims that are good for a minute. */
static inline void
sign(struct bench *bench, const skio_token_key *key, char *out, size_t size)
{
    assert_true(skio_token_sign(bench->server, key, out, size, "{'exp':%d}",
                                1000000060) > 0);
}

/* Sign any header and payload with HMAC, as an issuer may who is not us. */
static inline void
forge(char *out, size_t size, const char *header, const char *payload)
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    size_t len;

    sodium_bin2base64(out, size, (const unsigned char *)header, strlen(header),
                      VARIANT);
    len = strlen(out);
    out[len++] = '.';
    sodium_bin2base64(out + len, size - len, (const unsigned char *)payload,
                      strlen(payload), VARIANT);
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret,
                                sizeof secret - 1);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)out,
                                  strlen(out));
    crypto_auth_hmacsha256_final(&state, mac);
    len = strlen(out);
    out[len++] = '.';
    sodium_bin2base64(out + len, size - len, mac, sizeof mac, VARIANT);
}

static inline enum skio_token_fault
check_forged(skio_tokens *tokens, const char *header, const char *payload)
{
    char text[9000];

    forge(text, sizeof text, header, payload);
    return check(tokens, text, strlen(text));
}

#endif /* TESTS_UNIT_TOKENS_H */
