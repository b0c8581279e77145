/*
 * Tokens: the vectors of the RFCs, each reason to refuse one, every cut and
 * every flipped bit
 */
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

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* RFC 7515, appendix A.1. */
static const char rfc7515_token[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char rfc7515_key[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuT"
    "wjAzZr1Z9CAow";

/* RFC 8037, appendix A: the private and the public key, and what was signed. */
static const char rfc8037_d[] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
static const char rfc8037_x[] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
static const char rfc8037_token[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7s"
    "VvpAr_MuM0KAg";

static const char secret[] = "0123456789abcdef0123456789abcdef";

/* A server whose only hook that matters is the date. */
struct bench {
    struct test_alloc alloc;
    skio_server *server;
    uint64_t wall;
};

static uint64_t
now_ms(void *transport)
{
    (void)transport;
    return 1;
}

static uint64_t
wall_ms(void *transport)
{
    return ((struct bench *)transport)->wall;
}

static void
do_nothing(void *any)
{
    (void)any;
}

static void
ignore_response(void *handle, const skio_response *response)
{
    (void)handle;
    (void)response;
}

static void
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

static void
begin(struct bench *bench)
{
    begin_with(bench, true);
}

static void
end(struct bench *bench)
{
    skio_server_free(bench->server);
    assert_int_equal(bench->alloc.live, 0);
}

static skio_bytes
decode(const char *text, unsigned char *out, size_t size)
{
    size_t len;

    assert_int_equal(sodium_base642bin(out, size, text, strlen(text), NULL,
                                       &len, NULL, VARIANT),
                     0);
    return (skio_bytes){out, len};
}

static skio_token_key
hs256(const char *kid)
{
    return (skio_token_key){
        .struct_size = sizeof(skio_token_key),
        .algorithm = SKIO_TOKEN_HS256,
        .kid = kid,
        .key = {secret, sizeof secret - 1},
    };
}

static skio_token_key
eddsa(const char *kid, skio_bytes bytes)
{
    return (skio_token_key){
        .struct_size = sizeof(skio_token_key),
        .algorithm = SKIO_TOKEN_EDDSA,
        .kid = kid,
        .key = bytes,
    };
}

static skio_tokens *
new_tokens(struct bench *bench, const skio_tokens_options *options,
           const skio_token_key *key)
{
    skio_tokens *tokens;

    assert_int_equal(skio_tokens_new(bench->server, options, key, 1, &tokens),
                     SKIO_OK);
    return tokens;
}

static enum skio_token_fault
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

/* Sign any header and payload with HMAC, as an issuer may who is not us. */
static void
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

static enum skio_token_fault
check_forged(skio_tokens *tokens, const char *header, const char *payload)
{
    char text[9000];

    forge(text, sizeof text, header, payload);
    return check(tokens, text, strlen(text));
}

/* ---- The vectors ---- */

static void
the_vector_of_rfc7515_is_good(void **state)
{
    unsigned char bytes[128];
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_token *token;
    skio_tokens *tokens;
    bool is_root = false;

    (void)state;
    begin(&bench);
    key.key = decode(rfc7515_key, bytes, sizeof bytes);
    assert_int_equal(key.key.len, 64);
    assert_int_equal(skio_token_verify(&key, rfc7515_token,
                                       strlen(rfc7515_token)),
                     SKIO_OK);
    tokens = new_tokens(&bench, NULL, &key);
    bench.wall = 1300819379999;
    assert_int_equal(skio_tokens_check(tokens, rfc7515_token,
                                       strlen(rfc7515_token), &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_get_str(skio_token_value(token), "iss"), "joe");
    assert_int_equal(skio_count(skio_token_value(token), ""), 3);
    assert_int_equal(skio_get_bool(skio_token_value(token), "root", &is_root),
                     SKIO_ENOENT);
    assert_null(skio_token_subject(token));
    assert_true(skio_token_expires(token) == 1300819380000 + 5000);
    skio_token_free(token);
    bench.wall = 1300819380000 + 4999;
    assert_int_equal(check(tokens, rfc7515_token, strlen(rfc7515_token)),
                     SKIO_TOKEN_FAULT_NONE);
    bench.wall++;
    assert_int_equal(check(tokens, rfc7515_token, strlen(rfc7515_token)),
                     SKIO_TOKEN_FAULT_EXPIRED);
    end(&bench);
}

static void
the_vector_of_rfc8037_is_good(void **state)
{
    unsigned char bytes[32];
    skio_token_key key = eddsa(NULL, decode(rfc8037_x, bytes, sizeof bytes));
    char text[sizeof rfc8037_token];
    struct bench bench;

    (void)state;
    assert_int_equal(skio_token_verify(&key, rfc8037_token,
                                       strlen(rfc8037_token)),
                     SKIO_OK);
    memcpy(text, rfc8037_token, sizeof text);
    text[30] = 'A';
    assert_int_equal(skio_token_verify(&key, text, strlen(text)), SKIO_EACCES);

    /* Its payload is no set of claims. */
    begin(&bench);
    assert_int_equal(check(new_tokens(&bench, NULL, &key), rfc8037_token,
                           strlen(rfc8037_token)),
                     SKIO_TOKEN_FAULT_CLAIMS);
    end(&bench);
}

/* Of a public key of small order anybody has signatures: with the neutral
 * element as the other point, and zero, every text fits it. */
static void
points_of_small_order_sign_nothing(void **state)
{
    static const unsigned char points[][32] = {
        {1}, /* the neutral element */
        {0}, /* of order 4 */
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    unsigned char signature[64] = {1};
    char text[128] = "e30.e30.";

    (void)state;
    assert_non_null(sodium_bin2base64(text + 8, sizeof text - 8, signature,
                                      sizeof signature, VARIANT));
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        skio_token_key key = {.struct_size = sizeof key,
                              .algorithm = SKIO_TOKEN_EDDSA,
                              .key = {points[i], sizeof points[i]}};

        assert_int_equal(skio_token_verify(&key, text, strlen(text)),
                         SKIO_EACCES);
    }
}

static void
what_is_signed_is_good(void **state)
{
    unsigned char private_bytes[32];
    unsigned char public_bytes[32];
    skio_token_key mine =
        eddsa("k1", decode(rfc8037_d, private_bytes, sizeof private_bytes));
    skio_token_key theirs =
        eddsa("k1", decode(rfc8037_x, public_bytes, sizeof public_bytes));
    skio_token_key shared = hs256(NULL);
    struct bench bench;
    skio_tokens *tokens;
    skio_token *token;
    char text[512];
    int len;

    (void)state;
    begin(&bench);
    len = skio_token_sign(bench.server, &mine, text, sizeof text,
                          "{'sub':%s,'exp':%d}", "alice", 1000000060);
    assert_true(len > 0 && strlen(text) == (size_t)len);
    tokens = new_tokens(&bench, NULL, &theirs);
    assert_int_equal(skio_tokens_check(tokens, text, (size_t)len, &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_token_subject(token), "alice");
    skio_token_free(token);

    len = skio_token_sign(bench.server, &shared, text, sizeof text, "%-s",
                          "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]}");
    assert_true(len > 0);
    tokens = new_tokens(&bench, NULL, &shared);
    assert_int_equal(skio_tokens_check(tokens, text, (size_t)len, &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_get_json(skio_token_value(token), "a"), "[1.50]");
    skio_token_free(token);

    /* There is room, or there is not: not by one. */
    char exact[512];
    memset(exact, 'x', sizeof exact);
    assert_int_equal(skio_token_sign(bench.server, &shared, exact, (size_t)len,
                                     "%-s",
                                     "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]"
                                     "}"),
                     SKIO_ETOOBIG);
    assert_int_equal(exact[0], 'x');
    assert_int_equal(skio_token_sign(bench.server, &shared, exact,
                                     (size_t)len + 1, "%-s",
                                     "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]"
                                     "}"),
                     len);
    assert_string_equal(exact, text);
    assert_int_equal(exact[len + 1], 'x');
    end(&bench);
}

static void
what_cannot_be_signed_is_told(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    char text[256];

    (void)state;
    begin(&bench);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "[1]"),
                     SKIO_EINVAL);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "{'a':"),
                     SKIO_EINVAL);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "%-s", "{"),
                     SKIO_EINVAL);
    key.key.len = 31;
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "{}"),
                     SKIO_EINVAL);
    end(&bench);
}

/* ---- Keys ---- */

static void
keys_have_their_limits(void **state)
{
    static char long_secret[1025];
    static char kid[130];
    struct bench bench;
    skio_token_key keys[SKIO_TOKEN_KEYS_MAX + 1];
    skio_tokens *tokens = NULL;

    (void)state;
    begin(&bench);
    memset(kid, 'k', sizeof kid - 1);
    for (size_t i = 0; i < SKIO_TOKEN_KEYS_MAX + 1; i++)
        keys[i] = hs256("k");
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys, 0, &tokens),
                     SKIO_EINVAL);
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys,
                                     SKIO_TOKEN_KEYS_MAX + 1, &tokens),
                     SKIO_EINVAL);
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys,
                                     SKIO_TOKEN_KEYS_MAX, &tokens),
                     SKIO_OK);
    for (int wrong = 0; wrong < 9; wrong++) {
        skio_token_key key = hs256("k");

        switch (wrong) {
        case 0:
            key.key.len = 31;
            break;
        case 1:
            key.key = (skio_bytes){long_secret, 1025};
            break;
        case 2:
            key.algorithm = 0;
            break;
        case 3:
            key.algorithm = 3;
            break;
        case 4:
            key.kid = kid; /* 129 bytes */
            break;
        case 5:
            key.kid = "";
            break;
        case 6:
            key.key.data = NULL;
            break;
        case 7:
            key.algorithm = SKIO_TOKEN_EDDSA;
            key.key.len = 33;
            key.key.data = long_secret;
            break;
        default:
            key.struct_size = 0;
        }
        assert_int_equal(skio_tokens_new(bench.server, NULL, &key, 1, &tokens),
                         SKIO_EINVAL);
        assert_int_equal(skio_tokens_set_keys(tokens, &key, 1), SKIO_EINVAL);
    }
    keys[0].key = (skio_bytes){long_secret, 1024};
    keys[0].kid = kid + 1; /* 128 bytes */
    assert_int_equal(skio_tokens_set_keys(tokens, keys, 1), SKIO_OK);
    end(&bench);
}

/* A program of a later version has longer keys; of an earlier, shorter ones. */
static void
keys_of_other_sizes_are_read(void **state)
{
    struct {
        skio_token_key key;
        void *more;
    } later[2] = {{hs256("a"), NULL}, {hs256("b"), NULL}};
    skio_token_key shorter = hs256(NULL);
    struct bench bench;
    skio_tokens *tokens;
    char text[256];

    (void)state;
    begin(&bench);
    later[0].key.struct_size = later[1].key.struct_size = sizeof later[0];
    assert_int_equal(skio_tokens_new(bench.server, NULL, &later[0].key, 2,
                                     &tokens),
                     SKIO_OK);
    assert_true(skio_token_sign(bench.server, &later[1].key, text, sizeof text,
                                "{'exp':%d}", 1000000060) > 0);
    assert_int_equal(check(tokens, text, strlen(text)), SKIO_TOKEN_FAULT_NONE);
    later[1].key.struct_size--;
    assert_int_equal(skio_tokens_set_keys(tokens, &later[0].key, 2),
                     SKIO_EINVAL);
    shorter.struct_size = offsetof(skio_token_key, key);
    assert_int_equal(skio_tokens_set_keys(tokens, &shorter, 1), SKIO_EINVAL);
    end(&bench);
}

static void
keys_are_rotated(void **state)
{
    static const char other[] = "fedcba9876543210fedcba9876543210";
    struct bench bench;
    skio_token_key old = hs256("old");
    skio_token_key new = hs256("new");
    skio_token_key both[2];
    skio_token_key nameless = hs256(NULL);
    skio_tokens *tokens;
    char by_old[256];
    char by_new[256];
    char unnamed[256];

    (void)state;
    begin(&bench);
    new.key.data = other;
    both[0] = old;
    both[1] = new;
    assert_true(skio_token_sign(bench.server, &old, by_old, sizeof by_old,
                                "{'exp':%d}", 1000000060) > 0);
    assert_true(skio_token_sign(bench.server, &new, by_new, sizeof by_new,
                                "{'exp':%d}", 1000000060) > 0);
    assert_true(skio_token_sign(bench.server, &nameless, unnamed,
                                sizeof unnamed, "{'exp':%d}", 1000000060) > 0);

    tokens = new_tokens(&bench, NULL, &old);
    assert_int_equal(check(tokens, by_old, strlen(by_old)),
                     SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(check(tokens, by_new, strlen(by_new)),
                     SKIO_TOKEN_FAULT_KEY);
    assert_int_equal(skio_tokens_set_keys(tokens, both, 2), SKIO_OK);
    assert_int_equal(check(tokens, by_old, strlen(by_old)),
                     SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(check(tokens, by_new, strlen(by_new)),
                     SKIO_TOKEN_FAULT_NONE);
    /* Without a name each key of the algorithm is tried, in turn. */
    assert_int_equal(check(tokens, unnamed, strlen(unnamed)),
                     SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(skio_tokens_set_keys(tokens, &new, 1), SKIO_OK);
    assert_int_equal(check(tokens, by_old, strlen(by_old)),
                     SKIO_TOKEN_FAULT_KEY);
    assert_int_equal(check(tokens, by_new, strlen(by_new)),
                     SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(check(tokens, unnamed, strlen(unnamed)),
                     SKIO_TOKEN_FAULT_SIGNATURE);
    /* One that nobody has the name of is tried with those that have none. */
    assert_int_equal(skio_tokens_set_keys(tokens, &nameless, 1), SKIO_OK);
    assert_int_equal(check(tokens, by_old, strlen(by_old)),
                     SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(check(tokens, by_new, strlen(by_new)),
                     SKIO_TOKEN_FAULT_SIGNATURE);
    /* The right key of another name is not the one that was named. */
    old.kid = "new";
    assert_int_equal(skio_tokens_set_keys(tokens, &old, 1), SKIO_OK);
    assert_int_equal(check(tokens, by_new, strlen(by_new)),
                     SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

/* ---- Headers ---- */

static const char good_claims[] = "{\"sub\":\"a\",\"exp\":1000000060}";

static void
each_bad_header_is_refused(void **state)
{
    static const struct {
        const char *header;
        enum skio_token_fault fault;
    } cases[] = {
        {"{\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"typ\":\"jwt\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_NONE},
        {" {\"alg\":\"\\u0048S256\",\"x5t\":1}\n", SKIO_TOKEN_FAULT_NONE},
        {"{\"alg\":\"none\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"None\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"NONE\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"hs256\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS256 \"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS256\\u0000\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS384\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"RS256\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"EdDSA\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":null}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":[\"HS256\"]}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"ALG\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{}", SKIO_TOKEN_FAULT_MALFORMED},
        {"[]", SKIO_TOKEN_FAULT_MALFORMED},
        {"\"HS256\"", SKIO_TOKEN_FAULT_MALFORMED},
        {"null", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\"", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\"}{}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
         SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"x\":1,\"x\":1}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"crit\":[]}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"crit\":null}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":false}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":true}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\\u0000\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":null}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"kid\":7}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"kid\":\"a\\u0000b\"}", SKIO_TOKEN_FAULT_HEADER},
    };
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens *tokens;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum skio_token_fault fault =
            check_forged(tokens, cases[i].header, good_claims);

        if (fault != cases[i].fault)
            print_message("%s: %s\n", cases[i].header,
                          skio_token_fault_code(fault));
        assert_int_equal(fault, cases[i].fault);
    }
    end(&bench);
}

/* The classic: the public key as the secret of an HMAC. */
static void
a_public_key_is_no_secret(void **state)
{
    unsigned char bytes[32];
    struct bench bench;
    skio_token_key key = eddsa(NULL, decode(rfc8037_x, bytes, sizeof bytes));
    skio_token_key as_secret = hs256(NULL);
    skio_token_key both[2];
    skio_tokens *tokens;
    char text[256];

    (void)state;
    begin(&bench);
    as_secret.key = key.key;
    assert_true(skio_token_sign(bench.server, &as_secret, text, sizeof text,
                                "{'exp':%d}", 1000000060) > 0);
    tokens = new_tokens(&bench, NULL, &key);
    assert_int_equal(check(tokens, text, strlen(text)),
                     SKIO_TOKEN_FAULT_ALGORITHM);
    both[0] = key;
    both[1] = hs256(NULL);
    assert_int_equal(skio_tokens_set_keys(tokens, both, 2), SKIO_OK);
    assert_int_equal(check(tokens, text, strlen(text)),
                     SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

/* ---- Claims ---- */

static void
each_bad_claim_is_refused(void **state)
{
    static const struct {
        const char *claims;
        enum skio_token_fault fault;
    } cases[] = {
        {"{\"exp\":1000000000.5}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":999999995.001}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1e999}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1e15}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":999999995}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{\"exp\":0}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{\"exp\":-5e18}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{}", SKIO_TOKEN_FAULT_NO_EXPIRY},
        {"{\"Exp\":1000000060}", SKIO_TOKEN_FAULT_NO_EXPIRY},
        {"{\"exp\":\"1000000060\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":null}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":true}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"nbf\":1000000005}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1000000060,\"nbf\":1000000005.001}",
         SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"nbf\":1e300}", SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"nbf\":\"\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"iat\":1000000005}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1000000060,\"iat\":1000000006}", SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"iat\":[]}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":7}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":null}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":\"root\\u0000\"}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"iss\":7}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1,\"exp\":1000000060}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"e\\u0078p\":1000000060}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"a\":{\"b\":1,\"b\":1}}", SKIO_TOKEN_FAULT_NONE},
        {"[{\"exp\":1000000060}]", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060}\x01", SKIO_TOKEN_FAULT_CLAIMS},
        {"7", SKIO_TOKEN_FAULT_CLAIMS},
        /* For others: there is no audience that we would be. */
        {"{\"exp\":1000000060,\"aud\":\"us\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"exp\":1000000060,\"aud\":[]}", SKIO_TOKEN_FAULT_AUDIENCE},
    };
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens *tokens;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum skio_token_fault fault =
            check_forged(tokens, "{\"alg\":\"HS256\"}", cases[i].claims);

        if (fault != cases[i].fault)
            print_message("%s: %s\n", cases[i].claims,
                          skio_token_fault_code(fault));
        assert_int_equal(fault, cases[i].fault);
    }
    end(&bench);
}

static void
issuer_and_audience_are_demanded(void **state)
{
    static const struct {
        const char *claims;
        enum skio_token_fault fault;
    } cases[] = {
        {"{\"iss\":\"us\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\",\"chat\"]}", SKIO_TOKEN_FAULT_NONE},
        {"{\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"Us\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"us \",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"us\\u0000\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":[\"us\"],\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":\"cha\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":\"chat\\u0000\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[]}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\"]}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\",7,\"chat\"]}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\",\"aud\":{\"chat\":1}}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\",\"aud\":null}", SKIO_TOKEN_FAULT_CLAIMS},
    };
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;

    (void)state;
    begin(&bench);
    skio_tokens_options_init(&options);
    options.issuer = "us";
    options.audience = "chat";
    options.allow_no_expiry = true;
    tokens = new_tokens(&bench, &options, &key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum skio_token_fault fault =
            check_forged(tokens, "{\"alg\":\"HS256\"}", cases[i].claims);

        if (fault != cases[i].fault)
            print_message("%s: %s\n", cases[i].claims,
                          skio_token_fault_code(fault));
        assert_int_equal(fault, cases[i].fault);
    }
    end(&bench);
}

static void
so_many_claims_and_no_more(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;
    char claims[6000];

    (void)state;
    begin(&bench);
    skio_tokens_options_init(&options);
    options.allow_no_expiry = true;
    tokens = new_tokens(&bench, &options, &key);
    for (int count = 256; count <= 257; count++) {
        size_t len = 0;

        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(claims + len, sizeof claims - len,
                                    "%c\"%d\":0", i == 0 ? '{' : ',', i);
        snprintf(claims + len, sizeof claims - len, "}");
        assert_int_equal(check_forged(tokens, "{\"alg\":\"HS256\"}", claims),
                         count == 256 ? SKIO_TOKEN_FAULT_NONE
                                      : SKIO_TOKEN_FAULT_CLAIMS);
    }
    end(&bench);
}

/* ---- Damage ---- */

static void
no_part_of_a_token_will_do(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens *tokens;
    char text[256];
    size_t len;

    (void)state;
    begin(&bench);
    forge(text, sizeof text, "{\"alg\":\"HS256\"}", good_claims);
    len = strlen(text);
    tokens = new_tokens(&bench, NULL, &key);
    for (size_t cut = 0; cut < len; cut++) {
        /* What is behind the end is never read. */
        char *part = malloc(cut + 1);

        assert_non_null(part);
        memcpy(part, text, cut);
        assert_true(check(tokens, part, cut) != SKIO_TOKEN_FAULT_NONE);
        free(part);
        assert_true(check(tokens, text + cut + 1, len - cut - 1) !=
                    SKIO_TOKEN_FAULT_NONE);
    }
    assert_int_equal(check(tokens, text, 0), SKIO_TOKEN_FAULT_MISSING);
    assert_int_equal(check(tokens, NULL, 0), SKIO_TOKEN_FAULT_MISSING);
    assert_int_equal(check(tokens, text, len), SKIO_TOKEN_FAULT_NONE);
    end(&bench);
}

static void
flip_each_bit(skio_tokens *tokens, char *text)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)((unsigned char)text[at] ^ (1U << bit));
            assert_true(check(tokens, text, len) != SKIO_TOKEN_FAULT_NONE);
            text[at] = (char)((unsigned char)text[at] ^ (1U << bit));
        }
    }
    assert_int_equal(check(tokens, text, len), SKIO_TOKEN_FAULT_NONE);
}

static void
each_flipped_bit_is_noticed(void **state)
{
    unsigned char private_bytes[32];
    unsigned char public_bytes[32];
    skio_token_key mine =
        eddsa(NULL, decode(rfc8037_d, private_bytes, sizeof private_bytes));
    skio_token_key theirs =
        eddsa(NULL, decode(rfc8037_x, public_bytes, sizeof public_bytes));
    skio_token_key shared = hs256(NULL);
    struct bench bench;
    char text[256];

    (void)state;
    begin(&bench);
    assert_true(skio_token_sign(bench.server, &mine, text, sizeof text,
                                "{'exp':%d}", 1000000060) > 0);
    flip_each_bit(new_tokens(&bench, NULL, &theirs), text);
    assert_true(skio_token_sign(bench.server, &shared, text, sizeof text,
                                "{'exp':%d}", 1000000060) > 0);
    flip_each_bit(new_tokens(&bench, NULL, &shared), text);
    end(&bench);
}

static void
another_spelling_of_a_token_is_none(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens *tokens;
    char text[256];
    char other[300];

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    forge(text, sizeof text, "{\"alg\":\"HS256\"}", good_claims);
    for (int i = 0; i < 8; i++) {
        static const char *const around[][2] = {{"", "="},    {"", " "},
                                                {" ", ""},    {"", "\n"},
                                                {"", "."},    {".", ""},
                                                {"", ".e30"}, {"\"", "\""}};

        snprintf(other, sizeof other, "%s%s%s", around[i][0], text,
                 around[i][1]);
        assert_int_equal(check(tokens, other, strlen(other)),
                         SKIO_TOKEN_FAULT_MALFORMED);
    }
    assert_int_equal(check(tokens, "..", 2), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, "e30.e30.", 8), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, ".e30.e30", 8), SKIO_TOKEN_FAULT_MALFORMED);
    /* Signed with nothing, and with a signature of another length. */
    snprintf(other, sizeof other, "%s", text);
    *strrchr(other, '.') = '\0';
    snprintf(other + strlen(other), 8, ".AAAA");
    assert_int_equal(check(tokens, other, strlen(other)),
                     SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

static void
a_token_has_its_greatest_length(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;
    char text[9000];
    size_t len;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    memset(text, 'A', sizeof text);
    assert_int_equal(check(tokens, text, 8192), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, text, 8193), SKIO_TOKEN_FAULT_TOO_LONG);

    forge(text, sizeof text, "{\"alg\":\"HS256\"}", good_claims);
    len = strlen(text);
    skio_tokens_options_init(&options);
    options.max_bytes = (uint32_t)len;
    assert_int_equal(check(new_tokens(&bench, &options, &key), text, len),
                     SKIO_TOKEN_FAULT_NONE);
    options.max_bytes--;
    assert_int_equal(check(new_tokens(&bench, &options, &key), text, len),
                     SKIO_TOKEN_FAULT_TOO_LONG);
    end(&bench);
}

static void
options_have_their_ranges(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;

    (void)state;
    begin(&bench);
    for (int i = 0; i < 6; i++) {
        static const uint32_t leeway[] = {0, 3600000, 3600001, 0, 0, 0};
        static const uint32_t bytes[] = {64, 1000000, 8192, 63, 1000001, 0};

        skio_tokens_options_init(&options);
        options.leeway_ms = leeway[i];
        options.max_bytes = bytes[i];
        assert_int_equal(skio_tokens_new(bench.server, &options, &key, 1,
                                         &tokens),
                         i < 2 ? SKIO_OK : SKIO_EINVAL);
    }
    end(&bench);
}

static void
without_a_clock_no_token_is_good(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_token *token;
    char text[256];
    enum skio_token_fault fault;

    (void)state;
    begin_with(&bench, false);
    forge(text, sizeof text, "{\"alg\":\"HS256\"}", good_claims);
    assert_int_equal(skio_tokens_check(new_tokens(&bench, NULL, &key), text,
                                       strlen(text), &token, &fault),
                     SKIO_ENOTSUP);
    assert_int_equal(fault, SKIO_TOKEN_FAULT_UNAVAILABLE);
    end(&bench);
}

static void
no_memory_is_no_token(void **state)
{
    struct bench bench;
    skio_token_key key = hs256("k");
    skio_tokens *tokens;
    skio_token *token;
    char text[256];
    bool is_done = false;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    assert_true(skio_token_sign(bench.server, &key, text, sizeof text,
                                "{'sub':'a','exp':%d}", 1000000060) > 0);
    for (size_t n = 1; !is_done && n < 100; n++) {
        enum skio_token_fault fault;
        int err;

        test_alloc_fail(&bench.alloc, n);
        err = skio_tokens_check(tokens, text, strlen(text), &token, &fault);
        bench.alloc.fail_in = 0;
        is_done = err == SKIO_OK;
        assert_true(is_done == (fault == SKIO_TOKEN_FAULT_NONE));
        if (is_done)
            skio_token_free(token);
    }
    assert_true(is_done);
    for (size_t n = 1; n < 3; n++) {
        test_alloc_fail(&bench.alloc, n);
        assert_int_equal(skio_tokens_set_keys(tokens, &key, 1),
                         n == 1 ? SKIO_ENOMEM : SKIO_OK);
        bench.alloc.fail_in = 0;
    }
    assert_int_equal(check(tokens, text, strlen(text)), SKIO_TOKEN_FAULT_NONE);
    end(&bench);
}

static void
a_bearer_is_found(void **state)
{
    static const struct {
        const char *header;
        const char *token;
    } cases[] = {
        {"Bearer abc", "abc"}, {"bearer  abc ", "abc"},
        {"BEARER abc", "abc"}, {"Bearer ", ""},
        {"Bearer", NULL},      {"Bearerabc", NULL},
        {"Basic YTpi", NULL},  {"", NULL},
        {"Bear", NULL},        {" Bearer abc", NULL},
        {"Bearer\tabc", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = 7;
        const char *found = skio_token_bearer(cases[i].header, &len);

        if (cases[i].token == NULL) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        assert_int_equal(len, strlen(cases[i].token));
        assert_memory_equal(found, cases[i].token, len);
    }
    assert_null(skio_token_bearer(NULL, &(size_t){0}));
}

static void
each_fault_has_its_words(void **state)
{
    (void)state;
    assert_string_equal(skio_token_fault_code(SKIO_TOKEN_FAULT_NOT_YET),
                        "not_yet_valid");
    assert_string_equal(skio_token_fault_reason(SKIO_TOKEN_FAULT_EXPIRED),
                        "the token has expired");
    assert_string_equal(skio_token_fault_code((enum skio_token_fault)99),
                        "unknown");
    assert_string_equal(skio_token_fault_reason((enum skio_token_fault)99),
                        "the token is refused");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_rfc7515_is_good),
        cmocka_unit_test(the_vector_of_rfc8037_is_good),
        cmocka_unit_test(points_of_small_order_sign_nothing),
        cmocka_unit_test(what_is_signed_is_good),
        cmocka_unit_test(what_cannot_be_signed_is_told),
        cmocka_unit_test(keys_have_their_limits),
        cmocka_unit_test(keys_of_other_sizes_are_read),
        cmocka_unit_test(keys_are_rotated),
        cmocka_unit_test(each_bad_header_is_refused),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(each_bad_claim_is_refused),
        cmocka_unit_test(issuer_and_audience_are_demanded),
        cmocka_unit_test(so_many_claims_and_no_more),
        cmocka_unit_test(no_part_of_a_token_will_do),
        cmocka_unit_test(each_flipped_bit_is_noticed),
        cmocka_unit_test(another_spelling_of_a_token_is_none),
        cmocka_unit_test(a_token_has_its_greatest_length),
        cmocka_unit_test(options_have_their_ranges),
        cmocka_unit_test(without_a_clock_no_token_is_good),
        cmocka_unit_test(no_memory_is_no_token),
        cmocka_unit_test(a_bearer_is_found),
        cmocka_unit_test(each_fault_has_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
