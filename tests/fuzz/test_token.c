/*
 * Fuzz target: tokens
 *
 * Input: a byte that chooses. A token as it comes; or a header, a NUL and a
 * payload, which are signed, so that what a careless issuer may say is read,
 * too; or the value of an Authorization header.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>

#include <socketio/socketio.h>
#include <socketio/tokens.h>
#include <socketio/transport.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define NOW_MS UINT64_C(1000000000000)

static const char secret[] = "0123456789abcdef0123456789abcdef";

static skio_server *server;
static skio_tokens *checkers[4]; /* by the options, see choose() */

static uint64_t
now_ms(void *transport)
{
    (void)transport;
    return 1;
}

static uint64_t
wall_ms(void *transport)
{
    (void)transport;
    return NOW_MS;
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

/* One server for all inputs: a token leaves nothing behind. */
static void
begin(void)
{
    const skio_transport hooks = {
        .struct_size = sizeof hooks,
        .now_ms = now_ms,
        .wants_flush = do_nothing,
        .wants_timer = do_nothing,
        .respond = ignore_response,
        .ws_flush = do_nothing,
        .wall_ms = wall_ms,
    };
    unsigned char public_key[crypto_sign_ed25519_PUBLICKEYBYTES];
    unsigned char private_key[crypto_sign_ed25519_SECRETKEYBYTES];

    if (server != NULL)
        return;
    fuzz_check(skio_server_new(&server, NULL) == SKIO_OK);
    fuzz_check(skio_transport_attach(server, &hooks, &server) == SKIO_OK);
    crypto_sign_ed25519_seed_keypair(public_key, private_key,
                                     (const unsigned char *)secret);
    for (unsigned i = 0; i < 4; i++) {
        const skio_token_key keys[] = {
            {sizeof keys[0], SKIO_TOKEN_HS256, "a", {secret, 32}},
            {sizeof keys[0], SKIO_TOKEN_HS256, NULL, {secret, 32}},
            {sizeof keys[0], SKIO_TOKEN_EDDSA, "b", {public_key, 32}},
        };
        skio_tokens_options options;

        skio_tokens_options_init(&options);
        options.max_bytes = 4096;
        options.allow_no_expiry = (i & 1) != 0;
        if ((i & 2) != 0) {
            options.issuer = "i";
            options.audience = "a";
        }
        fuzz_check(skio_tokens_new(server, &options, keys, 3, &checkers[i]) ==
                   SKIO_OK);
    }
}

/* What is good is as it was demanded to be. */
static void
check_good(const skio_token *token, unsigned what)
{
    const skio_value *claims = skio_token_value(token);
    uint64_t expires = skio_token_expires(token);
    const char *issuer = skio_get_str(claims, "iss");

    fuzz_check(skio_type_of(claims, "") == SKIO_TYPE_OBJECT);
    fuzz_check((expires == 0) ==
               (skio_type_of(claims, "exp") == SKIO_TYPE_NONE));
    fuzz_check(expires == 0 ? (what & 1) != 0 : expires > NOW_MS);
    fuzz_check((skio_token_subject(token) == NULL) ==
               (skio_type_of(claims, "sub") == SKIO_TYPE_NONE));
    if ((what & 2) != 0) {
        fuzz_check(issuer != NULL && strcmp(issuer, "i") == 0);
        fuzz_check(skio_type_of(claims, "aud") != SKIO_TYPE_NONE);
    } else {
        fuzz_check(skio_type_of(claims, "aud") == SKIO_TYPE_NONE);
    }
}

/* Returns what is wrong with it. */
static enum skio_token_fault
check_token(const char *text, size_t len, unsigned what)
{
    char *exact = fuzz_exact(text, len);
    enum skio_token_fault fault = SKIO_TOKEN_FAULT_UNAVAILABLE;
    skio_token *token = NULL;
    int err = skio_tokens_check(checkers[what & 3], exact, len, &token, &fault);

    fuzz_check(err == SKIO_OK || err == SKIO_EACCES);
    fuzz_check((err == SKIO_OK) == (fault == SKIO_TOKEN_FAULT_NONE));
    fuzz_check((err == SKIO_OK) == (token != NULL));
    fuzz_check(fault != SKIO_TOKEN_FAULT_UNAVAILABLE);
    if (token != NULL)
        check_good(token, what);
    skio_token_free(token);
    free(exact);
    return fault;
}

static size_t
encode(char *out, const void *data, size_t len)
{
    size_t size = sodium_base64_encoded_len(len, VARIANT);

    sodium_bin2base64(out, size, data, len, VARIANT);
    return size - 1;
}

static void
check_signed(struct fuzz_input *in, unsigned what)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, 0, in->left) : NULL;
    size_t header_len = end != NULL ? (size_t)(end - in->at) : in->left;
    size_t rest = in->left - header_len;
    size_t claims_len = rest > 0 ? rest - 1 : 0;
    char *text = malloc(in->left * 2 + 128);
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    size_t len;
    size_t signed_len;

    if (text == NULL)
        abort();
    len = encode(text, in->at, header_len);
    text[len++] = '.';
    len += encode(text + len, in->at + in->left - claims_len, claims_len);
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, 32);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, len);
    crypto_auth_hmacsha256_final(&state, mac);
    signed_len = len;
    text[len++] = '.';
    len += encode(text + len, mac, sizeof mac);

    (void)check_token(text, len, what);
    /* Whatever is changed, it is not signed any more. */
    text[0] = (char)(text[0] == 'e' ? 'f' : 'e');
    fuzz_check(check_token(text, len, what) != SKIO_TOKEN_FAULT_NONE);
    text[0] = (char)(text[0] == 'e' ? 'f' : 'e');
    text[signed_len + 1] = (char)(text[signed_len + 1] == 'A' ? 'B' : 'A');
    fuzz_check(check_token(text, len, what) != SKIO_TOKEN_FAULT_NONE);
    free(text);
}

static void
check_bearer(const struct fuzz_input *in)
{
    char *header = fuzz_copy(in->at, in->left);
    size_t len = 0;
    const char *found = skio_token_bearer(header, &len);

    if (found != NULL) {
        fuzz_check(found >= header + 7 && found + len <= header + in->left);
        fuzz_check(len == 0 || (found[0] != ' ' && found[len - 1] != ' '));
        (void)check_token(found, len, 0);
    }
    free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned what = fuzz_byte(&in);

    begin();
    switch (what >> 2 & 3) {
    case 0:
        (void)check_token((const char *)in.at, in.left, what);
        break;
    case 1:
    case 2:
        check_signed(&in, what);
        break;
    default:
        check_bearer(&in);
    }
    return 0;
}
