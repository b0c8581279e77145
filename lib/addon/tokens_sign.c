/*
 * Signatures: RFC 7515's compact form, header.payload.signature, each part in
 * base64url. What is signed are the first two, with the dot between.
 */
#include <sodium.h>
#include <string.h>

#include <socketio/tokens.h>
#include <socketio/transport.h>

#include "addon/sized.h"
#include "addon/text.h"

#define SECRET_MIN 32 /* RFC 7518 3.2: no shorter than the hash */
#define SECRET_MAX 1024
#define KID_MAX 128
#define SIGNATURE_MAX crypto_sign_ed25519_BYTES
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* A key as its caller's version of the library knows it, with zeros for what
 * that did not. */
static skio_token_key
read_key(const skio_token_key *key)
{
    skio_token_key own = {0};

    addon_sized_read(&own, sizeof own, key);
    return own;
}

static bool
is_key(const skio_token_key *key)
{
    size_t kid_len = key->kid != NULL ? strlen(key->kid) : 1;

    if (key->key.data == NULL || kid_len == 0 || kid_len > KID_MAX)
        return false;
    switch (key->algorithm) {
    case SKIO_TOKEN_HS256:
        return key->key.len >= SECRET_MIN && key->key.len <= SECRET_MAX;
    case SKIO_TOKEN_EDDSA:
        return key->key.len == crypto_sign_ed25519_PUBLICKEYBYTES;
    }
    return false;
}

static size_t
signature_len(const skio_token_key *key)
{
    return key->algorithm == SKIO_TOKEN_HS256 ? crypto_auth_hmacsha256_BYTES
                                              : crypto_sign_ed25519_BYTES;
}

static void
authenticate(const skio_token_key *key, const char *text, size_t len,
             unsigned char *out)
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key->key.data, key->key.len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

static bool
is_signed(const skio_token_key *key, const char *text, size_t len,
          const unsigned char *signature)
{
    unsigned char expected[crypto_auth_hmacsha256_BYTES];
    bool same;

    if (key->algorithm == SKIO_TOKEN_EDDSA)
        return crypto_sign_ed25519_verify_detached(signature,
                                                   (const unsigned char *)text,
                                                   len, key->key.data) == 0;
    authenticate(key, text, len, expected);
    same = sodium_memcmp(expected, signature, sizeof expected) == 0;
    sodium_memzero(expected, sizeof expected);
    return same;
}

/*
 * Whether all is of the alphabet, or a dot: libsodium 1.0.18 takes an
 * underscore with its highest bit set for one without, and a signature is to
 * have one spelling. What is read here is no secret.
 */
static bool
is_compact(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

/* Where the signature begins; NULL: there are not three parts. */
static const char *
find_signature(const char *text, size_t len)
{
    const char *end = text + len;
    const char *first = memchr(text, '.', len);
    const char *second;

    if (first == NULL)
        return NULL;
    second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL ||
        memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
        return NULL;
    return second + 1;
}

int
skio_token_verify(const skio_token_key *key, const char *text, size_t len)
{
    unsigned char signature[SIGNATURE_MAX];
    skio_token_key own = read_key(key);
    const char *start;
    size_t size = 0;

    if (!is_key(&own))
        return SKIO_EINVAL;
    start = len > 0 && is_compact(text, len) ? find_signature(text, len) : NULL;
    if (start == NULL)
        return SKIO_EPROTO;
    /* Strict: no padding, no white space, no bits left over, so that each
     * signature has one spelling. */
    if (sodium_base642bin(signature, sizeof signature, start,
                          (size_t)(text + len - start), NULL, &size, NULL,
                          VARIANT) != 0)
        return SKIO_EPROTO;
    if (size != signature_len(&own) ||
        !is_signed(&own, text, (size_t)(start - text) - 1, signature))
        return SKIO_EACCES;
    return SKIO_OK;
}

/* ---- Making one ---- */

static int
make_header(skio_server *server, const skio_token_key *key, skio_bytes *out)
{
    const char *name = key->algorithm == SKIO_TOKEN_HS256 ? "HS256" : "EdDSA";

    if (key->kid == NULL)
        return skio__text_json(server, out, "{'alg':%s,'typ':'JWT'}", name);
    return skio__text_json(server, out, "{'alg':%s,'typ':'JWT','kid':%s}", name,
                           key->kid);
}

static bool
is_object(skio_server *server, const skio_bytes *json)
{
    skio_value *value = skio_value_new(server, json->data, json->len);
    bool is = value != NULL && skio_type_of(value, "") == SKIO_TYPE_OBJECT;

    skio_value_free(value);
    return is;
}

/* Write base64url, which fits. Returns how many characters. */
static size_t
encode(char *out, const void *data, size_t len)
{
    size_t size = sodium_base64_encoded_len(len, VARIANT);

    sodium_bin2base64(out, size, data, len, VARIANT);
    return size - 1;
}

static void
sign(const skio_token_key *key, const char *text, size_t len,
     unsigned char *signature)
{
    unsigned char secret[crypto_sign_ed25519_SECRETKEYBYTES];
    unsigned char public_key[crypto_sign_ed25519_PUBLICKEYBYTES];

    if (key->algorithm == SKIO_TOKEN_HS256) {
        authenticate(key, text, len, signature);
        return;
    }
    crypto_sign_ed25519_seed_keypair(public_key, secret, key->key.data);
    crypto_sign_ed25519_detached(signature, NULL, (const unsigned char *)text,
                                 len, secret);
    sodium_memzero(secret, sizeof secret);
}

static int
assemble(const skio_token_key *key, const skio_bytes *header,
         const skio_bytes *claims, char *out, size_t size)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t signature_size = signature_len(key);
    /* Each part with its dot, or the NUL at the end. */
    size_t needed = sodium_base64_encoded_len(header->len, VARIANT) +
                    sodium_base64_encoded_len(claims->len, VARIANT) +
                    sodium_base64_encoded_len(signature_size, VARIANT);
    size_t len;

    if (needed > size || needed > INT32_MAX)
        return SKIO_ETOOBIG;
    len = encode(out, header->data, header->len);
    out[len++] = '.';
    len += encode(out + len, claims->data, claims->len);
    sign(key, out, len, signature);
    out[len++] = '.';
    len += encode(out + len, signature, signature_size);
    return (int)len;
}

int
skio_token_sign(skio_server *server, const skio_token_key *key, char *out,
                size_t size, const char *format, ...)
{
    skio_token_key own = read_key(key);
    skio_bytes header = {NULL, 0};
    skio_bytes claims = {NULL, 0};
    va_list args;
    int err;

    if (!is_key(&own))
        return SKIO_EINVAL;
    err = make_header(server, &own, &header);
    if (err != SKIO_OK)
        return err;
    va_start(args, format);
    err = skio_transport_json(server, &claims, format, args);
    va_end(args);
    if (err == SKIO_OK && !is_object(server, &claims))
        err = SKIO_EINVAL;
    if (err == SKIO_OK)
        err = assemble(&own, &header, &claims, out, size);
    skio_transport_free(server, (void *)(uintptr_t)header.data);
    skio_transport_free(server, (void *)(uintptr_t)claims.data);
    return err;
}
