/*
 * The keys of a server's tokens, what is demanded of these, and the words for
 * what is wrong with one
 */
#include "addon/tokens.h"

#include <sodium.h>
#include <string.h>

#include <socketio/transport.h>

#include "addon/sized.h"

#define LEEWAY_MAX 3600000
#define BYTES_MIN 64
#define BYTES_MAX 1000000

static const skio_tokens_options defaults = {
    .struct_size = sizeof(skio_tokens_options),
    .leeway_ms = 5000,
    .max_bytes = 8192,
};

const char *
skio_token_fault_code(enum skio_token_fault fault)
{
    switch (fault) {
#define CODE_CASE(name, value, code, reason)                                   \
    case SKIO_TOKEN_FAULT_##name:                                              \
        return code;
        SKIO_TOKEN_FAULT_MAP(CODE_CASE)
#undef CODE_CASE
    }
    return "unknown";
}

const char *
skio_token_fault_reason(enum skio_token_fault fault)
{
    switch (fault) {
#define REASON_CASE(name, value, code, reason)                                 \
    case SKIO_TOKEN_FAULT_##name:                                              \
        return reason;
        SKIO_TOKEN_FAULT_MAP(REASON_CASE)
#undef REASON_CASE
    }
    return "the token is refused";
}

void
skio_tokens_options_init_size(skio_tokens_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- Keys ---- */

static void
free_keys(skio_server *server, struct token_key *keys)
{
    while (keys != NULL) {
        struct token_key *key = keys;

        keys = key->next;
        sodium_memzero(key, key->size);
        skio_transport_free(server, key);
    }
}

static struct token_key *
copy_key(skio_server *server, const skio_token_key *key)
{
    size_t kid_size = key->kid != NULL ? strlen(key->kid) + 1 : 0;
    size_t size = sizeof(struct token_key) + kid_size + key->key.len;
    struct token_key *copy = skio_transport_alloc(server, size);

    if (copy == NULL)
        return NULL;
    copy->next = NULL;
    copy->size = size;
    copy->own = *key;
    if (key->kid != NULL) {
        memcpy(copy->bytes, key->kid, kid_size);
        copy->own.kid = copy->bytes;
    }
    memcpy(copy->bytes + kid_size, key->key.data, key->key.len);
    copy->own.key.data = copy->bytes + kid_size;
    return copy;
}

/* Copy a caller's array, whose elements may be longer than ours. */
static int
copy_keys(skio_server *server, const skio_token_key *keys, size_t count,
          struct token_key **out)
{
    const char *from = (const char *)keys;
    size_t stride = keys->struct_size;
    size_t known = stride < sizeof *keys ? stride : sizeof *keys;
    struct token_key *list = NULL;
    struct token_key **link = &list;

    if (count == 0 || count > SKIO_TOKEN_KEYS_MAX || stride < sizeof stride)
        return SKIO_EINVAL;
    for (size_t i = 0; i < count; i++) {
        skio_token_key key = {.struct_size = 0};
        int err = SKIO_OK;

        memcpy(&key, from + i * stride, known);
        /* What is no key is told before there is anything to verify. */
        if (key.struct_size != stride ||
            skio_token_verify(&key, "", 0) == SKIO_EINVAL)
            err = SKIO_EINVAL;
        else if ((*link = copy_key(server, &key)) == NULL)
            err = SKIO_ENOMEM;
        if (err != SKIO_OK) {
            free_keys(server, list);
            return err;
        }
        link = &(*link)->next;
    }
    *out = list;
    return SKIO_OK;
}

int
skio_tokens_set_keys(skio_tokens *tokens, const skio_token_key *keys,
                     size_t count)
{
    struct token_key *list;
    int err = copy_keys(tokens->server, keys, count, &list);

    if (err != SKIO_OK)
        return err;
    free_keys(tokens->server, tokens->keys);
    tokens->keys = list;
    return SKIO_OK;
}

static void
free_tokens(void *user)
{
    skio_tokens *tokens = user;

    free_keys(tokens->server, tokens->keys);
    skio_transport_free(tokens->server, tokens);
}

static const char *
keep_string(char **to, const char *string)
{
    const char *kept = *to;
    size_t size;

    if (string == NULL)
        return NULL;
    size = strlen(string) + 1;
    memcpy(*to, string, size);
    *to += size;
    return kept;
}

static size_t
string_size(const char *string)
{
    return string != NULL ? strlen(string) + 1 : 0;
}

int
skio_tokens_new(skio_server *server, const skio_tokens_options *options,
                const skio_token_key *keys, size_t count, skio_tokens **out)
{
    skio_tokens_options own = defaults;
    skio_tokens *tokens;
    char *strings;
    int err;

    addon_sized_read(&own, sizeof own, options);
    if (own.leeway_ms > LEEWAY_MAX || own.max_bytes < BYTES_MIN ||
        own.max_bytes > BYTES_MAX)
        return SKIO_EINVAL;

    tokens =
        skio_transport_alloc(server, sizeof *tokens + string_size(own.issuer) +
                                         string_size(own.audience));
    if (tokens == NULL)
        return SKIO_ENOMEM;
    tokens->server = server;
    tokens->options = own;
    tokens->keys = NULL;
    strings = tokens->strings;
    tokens->options.issuer = keep_string(&strings, own.issuer);
    tokens->options.audience = keep_string(&strings, own.audience);
    err = skio_tokens_set_keys(tokens, keys, count);
    if (err == SKIO_OK)
        err = skio_server_on_free(server, free_tokens, tokens);
    if (err != SKIO_OK) {
        free_tokens(tokens);
        return err;
    }
    *out = tokens;
    return SKIO_OK;
}

/* ---- Where a token is ---- */

static char
lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 6750 2.1; the scheme in whatever case (RFC 9110 11.1). */
const char *
skio_token_bearer(const char *header, size_t *len)
{
    static const char scheme[] = "bearer";
    size_t i = 0;

    if (header == NULL)
        return NULL;
    while (scheme[i] != '\0' && lower(header[i]) == scheme[i])
        i++;
    if (scheme[i] != '\0' || header[i] != ' ')
        return NULL;
    header += i;
    while (*header == ' ')
        header++;
    *len = strlen(header);
    while (*len > 0 && header[*len - 1] == ' ')
        (*len)--;
    return header;
}
