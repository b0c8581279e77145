/*
 * libsocketio: what every public header shares
 *
 * Attributes, the error table, bytes, the allocator and log levels. Needs no
 * header of any dependency; compiles as C11 and C++17.
 */
#ifndef SOCKETIO_BASE_H
#define SOCKETIO_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/version.h>

#ifdef __cplusplus
#define SKIO_BEGIN_DECLS extern "C" {
#define SKIO_END_DECLS }
#else
#define SKIO_BEGIN_DECLS
#define SKIO_END_DECLS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SKIO_API __attribute__((visibility("default")))
#define SKIO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SKIO_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define SKIO_MUST_CHECK __attribute__((warn_unused_result))
#define SKIO_DEPRECATED(since, hint)                                           \
    __attribute__((deprecated(since ": " hint)))
#else
#define SKIO_API
#define SKIO_PRINTF(fmt, args)
#define SKIO_NONNULL(...)
#define SKIO_MUST_CHECK
#define SKIO_DEPRECATED(since, hint)
#endif

SKIO_BEGIN_DECLS

/*
 * Errors
 *
 * 0 (or a count) is success, negative is one of these. The table is the only
 * place where a code, its name and its text are written. Values are never
 * renumbered.
 */
/* clang-format off */
#define SKIO_ERROR_MAP(X)                                                      \
    X(OK, 0, "success")                                                        \
    X(ENOMEM, -1, "out of memory")                                             \
    X(EINVAL, -2, "invalid argument")                                          \
    X(EPROTO, -3, "the peer broke the protocol")                               \
    X(ECLOSED, -4, "the connection is closed")                                 \
    X(ETIMEDOUT, -5, "operation has timed out")                                \
    X(ENOBUFS, -6, "the outbound limit would be passed")                       \
    X(ELIMIT, -7, "a configured limit would be passed")                        \
    X(ENOENT, -8, "no such item")                                              \
    X(ETYPE, -9, "the value has another type")                                 \
    X(ERANGE, -10, "the number does not fit")                                  \
    X(EBUSY, -11, "not possible in this state")                                \
    X(ETOOBIG, -12, "larger than the configured maximum")                      \
    X(EUTF8, -13, "invalid UTF-8")                                             \
    X(EADDRINUSE, -14, "the address is in use")                                \
    X(EACCES, -15, "permission denied")                                        \
    X(EIO, -16, "input/output error")                                          \
    X(ENOTSUP, -17, "not supported by this build")                             \
    X(ETHREAD, -18, "called from the wrong thread")
/* clang-format on */

enum skio_error {
#define SKIO_ERROR_ENUM(name, value, text) SKIO_##name = (value),
    SKIO_ERROR_MAP(SKIO_ERROR_ENUM)
#undef SKIO_ERROR_ENUM
};

/**
 * Describe an error code in English.
 *
 * Returns a static string, never NULL, also for unknown codes.
 *
 * Threads: any. Since: 0.1.
 */
SKIO_API const char *skio_strerror(int err);

/**
 * Name an error code, as in "SKIO_EINVAL".
 *
 * Returns a static string, never NULL, also for unknown codes.
 *
 * Threads: any. Since: 0.1.
 */
SKIO_API const char *skio_err_name(int err);

/**
 * The version of the library that runs, as in "0.1.0".
 *
 * SKIO_VERSION is the version it was compiled against.
 *
 * Threads: any. Since: 0.1.
 */
SKIO_API const char *skio_version(void);

/** A view on bytes that somebody else owns. data may be NULL when len is 0. */
typedef struct skio_bytes {
    const void *data;
    size_t len;
} skio_bytes;

/** What "%p" takes: bytes, or a value that is passed on. */
typedef struct skio_arg {
    unsigned tag; /**< tells the two apart from a stray pointer */
    const void *data;
    size_t len;
} skio_arg;

#define SKIO_ARG_BYTES 0x5b17e5u
#define SKIO_ARG_VALUE 0x5a10eau

#ifndef __cplusplus
/** Binary data for "%p": becomes an attachment. NULL with 0 is empty. */
#define SKIO_BYTES(ptr, len)                                                   \
    ((const void *)&(const skio_arg){SKIO_ARG_BYTES, (ptr), (len)})

/** A skio_value for "%p": its raw text, its attachments along with it. For
 *  the `args` of a handler, all of them, separated by commas. */
#define SKIO_VALUE(value)                                                      \
    ((const void *)&(const skio_arg){SKIO_ARG_VALUE, (value), 0})
#endif

/**
 * Where the library's own memory comes from.
 *
 * The functions behave as malloc(3), realloc(3) and free(3) do, and get `user`
 * last. They are called on the loop thread, and by skio_server_post() on the
 * caller's, and call nothing of the library. What cJSON, msgpack-c,
 * libwebsockets and hiredis allocate does not come through here.
 */
typedef struct skio_allocator {
    void *(*malloc)(size_t size, void *user);
    void *(*realloc)(void *ptr, size_t size, void *user);
    void (*free)(void *ptr, void *user);
    void *user;
} skio_allocator;

/** How much a log line matters. */
enum skio_log_level {
    SKIO_LOG_ERROR = 0, /**< something failed that should not have */
    SKIO_LOG_WARN = 1,  /**< works, but not as it could */
    SKIO_LOG_INFO = 2,  /**< listening, stopping */
    SKIO_LOG_DEBUG = 3  /**< per connection and packet */
};

/**
 * Receives the library's log lines: complete, without a newline, control
 * characters escaped, never with payload text above SKIO_LOG_DEBUG. It is
 * called in the midst of something: it may look, stop the server and post to
 * it, but emits, closes and frees nothing.
 */
typedef void skio_log_fn(void *user, enum skio_log_level level,
                         const char *message);

SKIO_END_DECLS

#endif /* SOCKETIO_BASE_H */
