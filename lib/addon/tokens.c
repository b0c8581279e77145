/*
 * Tokens: their header and claims
 *
 *     text ──▶ header ──▶ keys of its algorithm ──▶ signature ──▶ claims
 *
 * Of what nobody has signed only the header is read, a JSON object that is
 * bounded by max_bytes and MEMBERS_MAX.
 */
#include "addon/tokens.h"

#include <sodium.h>
#include <string.h>

#include <socketio/transport.h>

#define MEMBERS_MAX 256  /* of the header, and of the claims */
#define SECONDS_MAX 1e13 /* beyond any date: still exact in milliseconds */
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

struct skio_token {
    skio_server *server;
    skio_value *claims; /* on text */
    const char *subject;
    uint64_t expires;
    char text[];
};

/* ---- JSON objects, no member twice ---- */

/*
 * Keys are compared by a keyed hash: two that are equal are found for sure, two
 * that are not may be taken for equal once in 2^50 objects.
 */
struct members {
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    uint64_t seen[MEMBERS_MAX];
    bool is_bad;
};

static bool
on_member(const char *key, size_t index, const skio_value *item, void *user)
{
    struct members *members = user;
    unsigned char hash[crypto_shorthash_BYTES];

    (void)item;
    if (index >= MEMBERS_MAX) {
        members->is_bad = true;
        return false;
    }
    crypto_shorthash(hash, (const unsigned char *)key, strlen(key),
                     members->hash_key);
    memcpy(&members->seen[index], hash, sizeof hash);
    for (size_t i = 0; i < index && !members->is_bad; i++)
        members->is_bad = members->seen[i] == members->seen[index];
    return !members->is_bad;
}

/* RFC 7515 4, RFC 7519 4: names are unique, or what one reader checks is not
 * what the next one uses. */
static bool
is_plain_object(const skio_value *value)
{
    struct members members;

    if (skio_type_of(value, "") != SKIO_TYPE_OBJECT)
        return false;
    randombytes_buf(members.hash_key, sizeof members.hash_key);
    members.is_bad = false;
    return skio_each(value, "", on_member, &members) == SKIO_OK &&
           !members.is_bad;
}

/* Decode a part into a buffer of at least its own length. */
static bool
decode(const skio_bytes *part, char *out, size_t *len)
{
    return sodium_base642bin((unsigned char *)out, part->len, part->data,
                             part->len, NULL, len, NULL, VARIANT) == 0;
}

/* ---- The header ---- */

struct header {
    skio_value *value; /* on text */
    char *text;
    enum skio_token_algorithm algorithm;
    const char *kid; /* NULL: none */
};

static char
lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 7519 5.1: "JWT", in whatever case; a media type says no more. */
static bool
is_jwt(const char *typ)
{
    static const char word[] = "jwt";

    if (typ == NULL || strlen(typ) != strlen(word))
        return false;
    for (size_t i = 0; word[i] != '\0'; i++)
        if (lower(typ[i]) != word[i])
            return false;
    return true;
}

static enum skio_token_fault
read_algorithm(const skio_value *value, enum skio_token_algorithm *out)
{
    const char *name = skio_get_str(value, "alg");

    if (skio_type_of(value, "alg") != SKIO_TYPE_STRING)
        return SKIO_TOKEN_FAULT_MALFORMED;
    if (name != NULL && strcmp(name, "HS256") == 0)
        *out = SKIO_TOKEN_HS256;
    else if (name != NULL && strcmp(name, "EdDSA") == 0)
        *out = SKIO_TOKEN_EDDSA;
    else
        return SKIO_TOKEN_FAULT_ALGORITHM;
    return SKIO_TOKEN_FAULT_NONE;
}

/*
 * Whoever does not understand what "crit" names has to refuse (RFC 7515
 * 4.1.11), and we understand none; "b64" changes what is signed (RFC 7797).
 */
static enum skio_token_fault
read_header(struct header *header)
{
    const skio_value *value = header->value;

    if (value == NULL || !is_plain_object(value))
        return SKIO_TOKEN_FAULT_MALFORMED;
    if (skio_type_of(value, "crit") != SKIO_TYPE_NONE ||
        skio_type_of(value, "b64") != SKIO_TYPE_NONE)
        return SKIO_TOKEN_FAULT_HEADER;
    if (skio_type_of(value, "typ") != SKIO_TYPE_NONE &&
        !is_jwt(skio_get_str(value, "typ")))
        return SKIO_TOKEN_FAULT_HEADER;
    if (skio_type_of(value, "kid") != SKIO_TYPE_NONE) {
        header->kid = skio_get_str(value, "kid");
        if (header->kid == NULL)
            return SKIO_TOKEN_FAULT_HEADER;
    }
    return read_algorithm(value, &header->algorithm);
}

/* ---- The signature ---- */

static bool
has_name(const struct token_key *key, const char *kid)
{
    return key->own.kid == NULL ? kid == NULL
                                : kid != NULL && strcmp(key->own.kid, kid) == 0;
}

/* The name to look for: the token's, or none if no key has it. */
static const char *
find_name(const skio_tokens *tokens, const struct header *header)
{
    const struct token_key *key = tokens->keys;

    while (key != NULL && !(key->own.algorithm == header->algorithm &&
                            has_name(key, header->kid)))
        key = key->next;
    return key != NULL ? header->kid : NULL;
}

static enum skio_token_fault
check_signature(const skio_tokens *tokens, const struct header *header,
                const char *text, size_t len)
{
    enum skio_token_fault fault = SKIO_TOKEN_FAULT_ALGORITHM;
    const char *kid = find_name(tokens, header);

    for (const struct token_key *key = tokens->keys; key != NULL;
         key = key->next) {
        if (key->own.algorithm != header->algorithm)
            continue;
        if (fault == SKIO_TOKEN_FAULT_ALGORITHM)
            fault = SKIO_TOKEN_FAULT_KEY;
        /* A token without a name may be of any of them. */
        if (header->kid != NULL && !has_name(key, kid))
            continue;
        switch (skio_token_verify(&key->own, text, len)) {
        case SKIO_OK:
            return SKIO_TOKEN_FAULT_NONE;
        case SKIO_EACCES:
            fault = SKIO_TOKEN_FAULT_SIGNATURE;
            break;
        default:
            return SKIO_TOKEN_FAULT_MALFORMED;
        }
    }
    return fault;
}

/* ---- The claims ---- */

/* A NumericDate: seconds since 1970, in milliseconds. False: it is none. */
static bool
read_date(const skio_value *claims, const char *name, bool *is_there,
          double *ms)
{
    double seconds;

    *is_there = skio_type_of(claims, name) != SKIO_TYPE_NONE;
    if (!*is_there)
        return true;
    if (skio_get_double(claims, name, &seconds) != SKIO_OK)
        return false;
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    *ms = seconds < 0 ? 0 : seconds * 1000;
    return true;
}

static bool
is_string(const skio_value *value, const char *path, const char *expected)
{
    const char *string = skio_get_str(value, path);
    size_t len = strlen(expected);

    return string != NULL && strlen(string) == len &&
           sodium_memcmp(string, expected, len) == 0;
}

struct audience {
    const char *wanted; /* NULL: none will do */
    bool is_met;
    bool is_bad;
};

static bool
on_audience(const char *key, size_t index, const skio_value *item, void *user)
{
    struct audience *audience = user;

    (void)key;
    (void)index;
    if (skio_type_of(item, "") != SKIO_TYPE_STRING)
        audience->is_bad = true;
    else if (audience->wanted != NULL && is_string(item, "", audience->wanted))
        audience->is_met = true;
    return !audience->is_bad;
}

/* RFC 7519 4.1.3: who is not named in it has to refuse. */
static enum skio_token_fault
check_audience(const skio_tokens *tokens, const skio_value *claims)
{
    struct audience audience = {tokens->options.audience, false, false};

    switch (skio_type_of(claims, "aud")) {
    case SKIO_TYPE_NONE:
        audience.is_met = audience.wanted == NULL;
        break;
    case SKIO_TYPE_STRING:
        audience.is_met = audience.wanted != NULL &&
                          is_string(claims, "aud", audience.wanted);
        break;
    case SKIO_TYPE_ARRAY:
        if (skio_each(claims, "aud", on_audience, &audience) != SKIO_OK)
            audience.is_bad = true;
        break;
    default:
        audience.is_bad = true;
    }
    if (audience.is_bad)
        return SKIO_TOKEN_FAULT_CLAIMS;
    return audience.is_met ? SKIO_TOKEN_FAULT_NONE : SKIO_TOKEN_FAULT_AUDIENCE;
}

static enum skio_token_fault
check_times(const skio_tokens *tokens, skio_token *token, uint64_t now)
{
    double leeway = tokens->options.leeway_ms;
    double wall = (double)now;
    bool has_exp;
    bool has_nbf;
    bool has_iat;
    double exp = 0;
    double nbf = 0;
    double iat = 0;

    if (!read_date(token->claims, "exp", &has_exp, &exp) ||
        !read_date(token->claims, "nbf", &has_nbf, &nbf) ||
        !read_date(token->claims, "iat", &has_iat, &iat))
        return SKIO_TOKEN_FAULT_CLAIMS;
    if (!has_exp && !tokens->options.allow_no_expiry)
        return SKIO_TOKEN_FAULT_NO_EXPIRY;
    if (has_exp && wall >= exp + leeway)
        return SKIO_TOKEN_FAULT_EXPIRED;
    if ((has_nbf && wall + leeway < nbf) || (has_iat && wall + leeway < iat))
        return SKIO_TOKEN_FAULT_NOT_YET;
    token->expires = has_exp ? (uint64_t)(exp + leeway) : 0;
    return SKIO_TOKEN_FAULT_NONE;
}

static enum skio_token_fault
check_claims(const skio_tokens *tokens, skio_token *token, uint64_t now)
{
    const skio_value *claims = token->claims;
    const char *issuer = tokens->options.issuer;
    enum skio_token_fault fault;

    if (claims == NULL || !is_plain_object(claims))
        return SKIO_TOKEN_FAULT_CLAIMS;
    if (skio_type_of(claims, "sub") != SKIO_TYPE_NONE) {
        token->subject = skio_get_str(claims, "sub");
        if (token->subject == NULL)
            return SKIO_TOKEN_FAULT_CLAIMS;
    }
    if (skio_type_of(claims, "iss") != SKIO_TYPE_NONE &&
        skio_get_str(claims, "iss") == NULL)
        return SKIO_TOKEN_FAULT_CLAIMS;
    fault = check_times(tokens, token, now);
    if (fault != SKIO_TOKEN_FAULT_NONE)
        return fault;
    if (issuer != NULL && !is_string(claims, "iss", issuer))
        return SKIO_TOKEN_FAULT_ISSUER;
    return check_audience(tokens, claims);
}

/* ---- All of it ---- */

/* The three parts. False: there are more or fewer, or one is empty. */
static bool
split(const char *text, size_t len, skio_bytes *header, skio_bytes *payload)
{
    const char *end = text + len;
    const char *first = memchr(text, '.', len);
    const char *second;

    if (first == NULL || first == text)
        return false;
    second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL || second == first + 1 || second + 1 == end)
        return false;
    *header = (skio_bytes){text, (size_t)(first - text)};
    *payload = (skio_bytes){first + 1, (size_t)(second - first - 1)};
    return true;
}

static int
check_head(const skio_tokens *tokens, const skio_bytes *part, const char *text,
           size_t len, enum skio_token_fault *fault)
{
    struct header header = {
        .text = skio_transport_alloc(tokens->server, part->len)};
    size_t size = 0;

    if (header.text == NULL)
        return SKIO_ENOMEM;
    *fault = SKIO_TOKEN_FAULT_MALFORMED;
    if (decode(part, header.text, &size)) {
        header.value = skio_value_new(tokens->server, header.text, size);
        *fault = read_header(&header);
    }
    if (*fault == SKIO_TOKEN_FAULT_NONE)
        *fault = check_signature(tokens, &header, text, len);
    skio_value_free(header.value);
    skio_transport_free(tokens->server, header.text);
    return SKIO_OK;
}

/* The signature was good. */
static int
check_payload(const skio_tokens *tokens, const skio_bytes *part, uint64_t now,
              skio_token **out, enum skio_token_fault *fault)
{
    skio_token *token =
        skio_transport_alloc(tokens->server, sizeof *token + part->len);
    size_t size = 0;

    if (token == NULL)
        return SKIO_ENOMEM;
    memset(token, 0, sizeof *token);
    token->server = tokens->server;
    *fault = SKIO_TOKEN_FAULT_CLAIMS;
    if (decode(part, token->text, &size)) {
        token->claims = skio_value_new(tokens->server, token->text, size);
        *fault = check_claims(tokens, token, now);
    }
    if (*fault != SKIO_TOKEN_FAULT_NONE)
        skio_token_free(token);
    else
        *out = token;
    return SKIO_OK;
}

int
skio_tokens_check(skio_tokens *tokens, const char *text, size_t len,
                  skio_token **out, enum skio_token_fault *why)
{
    uint64_t now = skio_loop_wall(tokens->server);
    enum skio_token_fault fault = SKIO_TOKEN_FAULT_UNAVAILABLE;
    skio_bytes header;
    skio_bytes payload;
    int err = SKIO_OK;

    if (now == 0)
        err = SKIO_ENOTSUP;
    else if (text == NULL || len == 0)
        fault = SKIO_TOKEN_FAULT_MISSING;
    else if (len > tokens->options.max_bytes)
        fault = SKIO_TOKEN_FAULT_TOO_LONG;
    else if (!split(text, len, &header, &payload))
        fault = SKIO_TOKEN_FAULT_MALFORMED;
    else
        err = check_head(tokens, &header, text, len, &fault);
    if (err == SKIO_OK && fault == SKIO_TOKEN_FAULT_NONE)
        err = check_payload(tokens, &payload, now, out, &fault);

    if (err != SKIO_OK)
        fault = SKIO_TOKEN_FAULT_UNAVAILABLE;
    else if (fault != SKIO_TOKEN_FAULT_NONE)
        err = SKIO_EACCES;
    if (why != NULL)
        *why = fault;
    return err;
}

const skio_value *
skio_token_value(const skio_token *token)
{
    return token->claims;
}

const char *
skio_token_subject(const skio_token *token)
{
    return token->subject;
}

uint64_t
skio_token_expires(const skio_token *token)
{
    return token->expires;
}

void
skio_token_free(skio_token *token)
{
    if (token == NULL)
        return;
    skio_value_free(token->claims);
    skio_transport_free(token->server, token);
}
