/*
 * libsocketio: tokens that say who somebody is (JWT)
 *
 * An addon: it stands on the public headers, and libsodium. A token is a JSON
 * Web Token (RFC 7519) in the compact form of RFC 7515, signed with HS256 (RFC
 * 7518) or EdDSA with Ed25519 (RFC 8037). A key says what it is for, and the
 * token's header has to agree with it; "none" is nothing that a key can say.
 *
 *     skio_token_key key = {.struct_size = sizeof key,
 *                           .algorithm = SKIO_TOKEN_HS256,
 *                           .key = {secret, secret_len}};
 *     skio_tokens *tokens;
 *
 *     err = skio_tokens_new(io, NULL, &key, 1, &tokens);
 *     err = skio_tokens_guard(tokens, skio_of(io, "/"), NULL);
 *
 * From then on nobody connects without a token, skio_token_claims() tells what
 * is in it, and who stays longer than it is good for is told, may renew it, and
 * is disconnected otherwise.
 *
 * Times are those of the server's clock (skio_loop_wall()): where its transport
 * has none no token is good.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_TOKENS_H
#define SOCKETIO_TOKENS_H

#include <socketio/namespace.h>
#include <socketio/server.h>
#include <socketio/socket.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

/** How a token is signed. */
enum skio_token_algorithm {
    SKIO_TOKEN_HS256 = 1, /**< HMAC with SHA-256: both sides know the secret */
    SKIO_TOKEN_EDDSA = 2  /**< Ed25519: one signs, who checks cannot */
};

/** How many keys there can be at a time. */
#define SKIO_TOKEN_KEYS_MAX 16

/** A key. Everything is borrowed for the call. */
typedef struct skio_token_key {
    size_t struct_size;
    enum skio_token_algorithm algorithm;
    const char *kid; /**< the key's name ("kid"), up to 128 bytes of UTF-8;
                          NULL: none */
    /** HS256: the secret, 32 to 1024 unpredictable bytes. EdDSA: the public
     * key, and for skio_token_sign() the private one (the "d" of RFC 8037), 32
     * bytes each. */
    skio_bytes key;
} skio_token_key;

/* Why a token is refused: name, number, the code that clients are told, the
 * reason in words. */
/* clang-format off */
#define SKIO_TOKEN_FAULT_MAP(X)                                                \
    X(NONE, 0, "ok", "the token is good")                                      \
    X(MISSING, 1, "missing", "there is no token")                              \
    X(TOO_LONG, 2, "too_long", "the token is too long")                        \
    X(MALFORMED, 3, "malformed", "this is no token")                           \
    X(HEADER, 4, "header", "the token's header is of another kind")            \
    X(ALGORITHM, 5, "algorithm", "no key is for the token's algorithm")        \
    X(KEY, 6, "unknown_key", "the token's key is not known")                   \
    X(SIGNATURE, 7, "signature", "the token's signature is wrong")             \
    X(CLAIMS, 8, "claims", "the token's claims are malformed")                 \
    X(NO_EXPIRY, 9, "no_expiry", "the token never expires")                    \
    X(EXPIRED, 10, "expired", "the token has expired")                         \
    X(NOT_YET, 11, "not_yet_valid", "the token is not valid yet")              \
    X(ISSUER, 12, "issuer", "the token is from another issuer")                \
    X(AUDIENCE, 13, "audience", "the token is for another audience")           \
    X(SUBJECT, 14, "subject", "the token is for nobody, or somebody else")     \
    X(UNAVAILABLE, 15, "unavailable", "the token cannot be checked now")
/* clang-format on */

/** Why a token is refused. */
enum skio_token_fault {
#define SKIO_TOKEN_FAULT_ENUM(name, value, code, reason)                       \
    SKIO_TOKEN_FAULT_##name = (value),
    SKIO_TOKEN_FAULT_MAP(SKIO_TOKEN_FAULT_ENUM)
#undef SKIO_TOKEN_FAULT_ENUM
};

/** The code that clients are told, as in "expired". Static, never NULL. */
SKIO_API const char *skio_token_fault_code(enum skio_token_fault fault);

/** The same in words. Static, never NULL. */
SKIO_API const char *skio_token_fault_reason(enum skio_token_fault fault);

/** What a token has to say to be good. skio_tokens_options_init() fills it. */
typedef struct skio_tokens_options {
    size_t struct_size;
    const char *issuer;   /**< NULL: anybody; else what "iss" has to be */
    const char *audience; /**< what "aud" has to be, or to hold; NULL: a token
                               with an audience is for others, and refused */
    uint32_t leeway_ms;   /**< 5000: how much the clocks of issuer and server
                               may differ, up to 3600000 */
    bool allow_no_expiry; /**< false: "exp" is needed */
    uint32_t max_bytes;   /**< 8192: of a token, 64 to 1000000 */
} skio_tokens_options;

/** Set every option to its default. */
#define skio_tokens_options_init(options)                                      \
    skio_tokens_options_init_size((options), sizeof(skio_tokens_options))

/** What the macro skio_tokens_options_init() calls. Since: 0.1. */
SKIO_API void skio_tokens_options_init_size(skio_tokens_options *options,
                                            size_t struct_size) SKIO_NONNULL(1);

/** Keys, and what is demanded of tokens. Lives as long as the server. */
typedef struct skio_tokens skio_tokens;

/**
 * Prepare to check tokens.
 *
 * options  NULL for the defaults. Copied.
 * keys     `count` of them, 1 to SKIO_TOKEN_KEYS_MAX; what they are for is the
 *          list of algorithms that is allowed. Copied, and wiped at the end.
 *
 * Returns SKIO_OK and fills *out; SKIO_EINVAL for an option out of its range,
 * and for a key of the wrong length, without an algorithm or with a kid that
 * cannot be one; SKIO_ENOMEM.
 */
SKIO_API int skio_tokens_new(skio_server *server,
                             const skio_tokens_options *options,
                             const skio_token_key *keys, size_t count,
                             skio_tokens **out) SKIO_NONNULL(1, 3, 5)
    SKIO_MUST_CHECK;

/**
 * Replace all keys, to rotate them: first add the new one beside the old one,
 * then sign with it, and take the old one away when its last token has expired.
 * Sockets that are connected stay; what they renew with is checked anew.
 *
 * Returns as skio_tokens_new(); the old keys stay in force when it fails.
 */
SKIO_API int skio_tokens_set_keys(skio_tokens *tokens,
                                  const skio_token_key *keys, size_t count)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** A token that was checked and found good. */
typedef struct skio_token skio_token;

/**
 * Check a token: of an HTTP request, say.
 *
 * text  Untrusted, len bytes; NULL is no token.
 * why   What is wrong with it; NULL: never mind.
 *
 * The signature comes first, with the keys whose kid is the token's, or with
 * those that have no kid if there is none; a token without kid is tried with
 * each key of its algorithm. Then the claims. What is wrong with one that
 * nobody signed says nothing of its claims.
 *
 * Returns SKIO_OK and fills *out, to be given to skio_token_free(); SKIO_EACCES
 * when it is refused; SKIO_ENOTSUP when the server has no clock; SKIO_ENOMEM.
 */
SKIO_API int skio_tokens_check(skio_tokens *tokens, const char *text,
                               size_t len, skio_token **out,
                               enum skio_token_fault *why) SKIO_NONNULL(1, 4)
    SKIO_MUST_CHECK;

/** All claims of a token, a JSON object. Borrowed from the token. */
SKIO_API const skio_value *skio_token_value(const skio_token *token)
    SKIO_NONNULL(1);

/** Its subject ("sub"), or NULL: it has none. Borrowed from the token. */
SKIO_API const char *skio_token_subject(const skio_token *token)
    SKIO_NONNULL(1);

/** When it is no longer good, leeway included, in milliseconds since 1970; 0:
 *  never. */
SKIO_API uint64_t skio_token_expires(const skio_token *token) SKIO_NONNULL(1);

/** NULL does nothing. */
SKIO_API void skio_token_free(skio_token *token);

/**
 * Find the token in the value of an Authorization header, "Bearer <token>".
 *
 * Returns its start and fills *len; NULL when it is of another scheme, or
 * header is NULL.
 */
SKIO_API const char *skio_token_bearer(const char *header, size_t *len)
    SKIO_NONNULL(2);

/**
 * Make a token: for who logs in, and for tests.
 *
 * key     For EdDSA the private one.
 * out     Gets the token and a NUL; `size` bytes of room.
 * format  The claims, a template of one JSON object, see skio_format(7), as in
 *         "{'sub':%s,'exp':%lld}". Nothing is added to it: exp is in seconds
 *         since 1970, skio_loop_wall(server) / 1000 is now.
 *
 * Returns the token's length; SKIO_ETOOBIG when it does not fit; SKIO_EINVAL
 * for a key that cannot be one, a malformed template or claims that are no
 * object; SKIO_ENOMEM.
 */
SKIO_API int skio_token_sign(skio_server *server, const skio_token_key *key,
                             char *out, size_t size, const char *format, ...)
    SKIO_PRINTF(5, 6) SKIO_NONNULL(1, 2, 3, 5) SKIO_MUST_CHECK;

/**
 * Check the signature of anything in RFC 7515's compact form with a key, and
 * nothing else: neither its header nor its payload are looked at.
 * skio_tokens_check() is what decides about a token.
 *
 * Returns SKIO_OK; SKIO_EACCES for a wrong signature; SKIO_EPROTO when it has
 * not this form; SKIO_EINVAL for a key that cannot be one.
 *
 * Threads: any.
 */
SKIO_API int skio_token_verify(const skio_token_key *key, const char *text,
                               size_t len) SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** How sockets are guarded. skio_tokens_guard_options_init() fills it. */
typedef struct skio_tokens_guard_options {
    size_t struct_size;
    const char *auth_name;     /**< "token": where it is in the client's auth,
                                    a path of value.h; NULL: not there */
    bool from_header;          /**< true: else of "Authorization: Bearer" */
    bool bind_user;            /**< false; true: skio_user_bind() with "sub",
                                    which is needed then */
    uint32_t grace_ms;         /**< 30000: to renew a token that has expired;
                                    0 to 86400000 */
    const char *expired_event; /**< "token_expired"; NULL: nobody is told */
    const char *renew_event;   /**< "token_renew"; NULL: nobody renews */
} skio_tokens_guard_options;

/** Set every option to its default. */
#define skio_tokens_guard_options_init(options)                                \
    skio_tokens_guard_options_init_size((options),                             \
                                        sizeof(skio_tokens_guard_options))

/** What the macro skio_tokens_guard_options_init() calls. Since: 0.1. */
SKIO_API void skio_tokens_guard_options_init_size(
    skio_tokens_guard_options *options, size_t struct_size) SKIO_NONNULL(1);

/**
 * Let nobody into a namespace without a token. Once per namespace, before its
 * own handlers of connections.
 *
 * A client passes it as io(url, {auth: {token}}). Without a good one its
 * connect_error is Error("unauthorized") with err.data
 * {"code":"expired","reason":"the token has expired"}, of
 * SKIO_TOKEN_FAULT_MAP.
 *
 * When the token of a socket has expired it gets expired_event with the same
 * object and "grace_ms", and is disconnected that much later unless it has
 * emitted renew_event with a new token, of the same subject, by then. It may
 * renew at any time before, too. The answer is {"ok":true,"expires":...}, in
 * seconds since 1970 or null for never, or {"ok":false} with code and reason.
 * A clock that is set forward tells everybody, and closes nobody who renews.
 *
 * A client that comes back without passing the middlewares
 * (skio_socket_recovered()) is looked at in a handler of connections: if its
 * token is not good it gets expired_event with "grace_ms" 0 and is
 * disconnected.
 *
 * nsp      May be the parent of namespaces that are made on demand.
 * options  NULL for the defaults. Copied.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an option out of its range, and when a token
 * would be read nowhere; SKIO_ENOMEM: the namespace may refuse everybody then,
 * do not listen.
 */
SKIO_API int skio_tokens_guard(skio_tokens *tokens, skio_nsp *nsp,
                               const skio_tokens_guard_options *options)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** The claims of a socket of a guarded namespace, a JSON object; NULL: it has
 *  none. Borrowed until its token is renewed or it has disconnected: in its
 *  handlers of that they are still there. */
SKIO_API const skio_value *skio_token_claims(const skio_socket *socket)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_TOKENS_H */
