/*
 * libsocketio: reading what a client sent
 *
 * A skio_value is a view on JSON that the library has already checked: the
 * arguments of an event or of an acknowledgement, the auth object of a
 * handshake, the body of an HTTP request. Nothing is parsed into a tree.
 *
 * A path names a part: keys or indices joined by dots, as in "0.user.name" for
 * the first argument's user's name. "" (or NULL) names the whole. Keys match
 * exactly and of duplicate keys the last wins, as in JSON.parse; for a key that
 * contains a dot use the tree of <socketio/cjson.h>.
 *
 * Whatever these functions return is borrowed: for a value that a callback got,
 * until the callback returns; for skio_socket_auth(), as long as the socket.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_VALUE_H
#define SOCKETIO_VALUE_H

#include <socketio/base.h>

SKIO_BEGIN_DECLS

/** A view on checked JSON, with the attachments it refers to. */
typedef struct skio_value skio_value;

/** What stands at a path. */
enum skio_type {
    SKIO_TYPE_NONE = 0, /**< nothing: no such index or key */
    SKIO_TYPE_NULL,
    SKIO_TYPE_BOOL,
    SKIO_TYPE_NUMBER,
    SKIO_TYPE_STRING,
    SKIO_TYPE_ARRAY,
    SKIO_TYPE_OBJECT,
    SKIO_TYPE_BYTES /**< binary data (an attachment) */
};

/** What stands at a path; SKIO_TYPE_NONE when there is nothing. */
SKIO_API enum skio_type skio_type_of(const skio_value *value, const char *path);

/**
 * Count the elements of the array, or the members of the object, at a path.
 *
 * Returns 0 for anything else. skio_count(args, "") is the number of arguments.
 */
SKIO_API size_t skio_count(const skio_value *value, const char *path);

/**
 * Read a string, unescaped and NUL-terminated.
 *
 * Returns NULL when there is no string at the path, when it contains U+0000
 * (use skio_get_strn()), or when memory ran out.
 */
SKIO_API const char *skio_get_str(const skio_value *value, const char *path);

/**
 * Read a string and its length in bytes. The string may contain U+0000; one
 * more NUL follows it.
 *
 * Returns NULL, and leaves *len alone, when there is no string.
 */
SKIO_API const char *skio_get_strn(const skio_value *value, const char *path,
                                   size_t *len) SKIO_NONNULL(3);

/**
 * Read an integer. 3.0 and 3e2 are integers, as they are in JavaScript.
 *
 * Returns SKIO_OK; SKIO_ENOENT when there is nothing at the path; SKIO_ETYPE
 * when it is no integer; SKIO_ERANGE when it does not fit. *out is written only
 * on SKIO_OK.
 */
SKIO_API int skio_get_int(const skio_value *value, const char *path,
                          int64_t *out) SKIO_NONNULL(3);

/**
 * Read a number, correctly rounded, whatever the locale.
 *
 * Returns SKIO_OK, SKIO_ENOENT or SKIO_ETYPE.
 */
SKIO_API int skio_get_double(const skio_value *value, const char *path,
                             double *out) SKIO_NONNULL(3);

/** Read a boolean. Returns SKIO_OK, SKIO_ENOENT or SKIO_ETYPE. */
SKIO_API int skio_get_bool(const skio_value *value, const char *path, bool *out)
    SKIO_NONNULL(3);

/**
 * Read binary data: a Buffer, ArrayBuffer or typed array of the client.
 *
 * Returns SKIO_OK, SKIO_ENOENT or SKIO_ETYPE.
 */
SKIO_API int skio_get_bytes(const skio_value *value, const char *path,
                            skio_bytes *out) SKIO_NONNULL(3);

/**
 * The raw JSON text at a path, exactly as the client wrote it, NUL-terminated.
 *
 * Passing it on with "%-s" keeps what a parse would lose: numbers above 2^53,
 * escapes, the order of keys. Binary parts appear as their placeholders; pass
 * those on with SKIO_VALUE() instead.
 *
 * Returns NULL when there is nothing at the path or memory ran out.
 */
SKIO_API const char *skio_get_json(const skio_value *value, const char *path);

/**
 * As skio_get_json(), without the copy: not NUL-terminated.
 *
 * Returns SKIO_OK, SKIO_ENOENT or SKIO_ENOMEM.
 */
SKIO_API int skio_get_slice(const skio_value *value, const char *path,
                            skio_bytes *out) SKIO_NONNULL(3);

/**
 * Read a number in the raw text of skio_get_slice(), for those who walk such a
 * text themselves: what skio_get_int() would read there.
 *
 * Returns SKIO_OK, SKIO_ETYPE or SKIO_ERANGE, and SKIO_EPROTO when the text is
 * not exactly one number. Copies nothing. Since: 0.1.
 */
SKIO_API int skio_slice_int(const char *text, size_t len, int64_t *out)
    SKIO_NONNULL(1, 3);

/** As skio_get_double(): SKIO_OK, or SKIO_EPROTO. Since: 0.1. */
SKIO_API int skio_slice_double(const char *text, size_t len, double *out)
    SKIO_NONNULL(1, 3);

/**
 * Read the attachment for which an object in the raw text stands.
 *
 * at  The brace where the object begins, inside of what skio_get_slice() gave
 *     for a part of this value.
 *
 * Returns SKIO_OK; SKIO_ETYPE when it is an object like any other; SKIO_EINVAL
 * for a place where no object of this value can begin. Since: 0.1.
 */
SKIO_API int skio_slice_bytes(const skio_value *value, const char *at,
                              skio_bytes *out) SKIO_NONNULL(1, 2, 3);

/**
 * A view on a part, to be read or passed on by itself.
 *
 * Returns NULL when there is nothing at the path or memory ran out.
 */
SKIO_API const skio_value *skio_get_value(const skio_value *value,
                                          const char *path);

/**
 * The arguments from an index on, to be passed on without those before it.
 *
 * Returns an empty list past the last one; NULL when value is no argument list
 * or memory ran out.
 */
SKIO_API const skio_value *skio_get_args(const skio_value *args, size_t from);

/**
 * Called for each element of an array, or member of an object, in the order
 * in which they stand.
 *
 * key    The unescaped key, NULL for an element of an array.
 * index  Counts from 0.
 *
 * Return false to stop.
 */
typedef bool skio_each_fn(const char *key, size_t index, const skio_value *item,
                          void *user);

/**
 * Visit the elements or members at a path, in one pass.
 *
 * Returns SKIO_OK, SKIO_ENOENT, SKIO_ETYPE when it is neither array nor
 * object, or SKIO_ENOMEM.
 */
SKIO_API int skio_each(const skio_value *value, const char *path,
                       skio_each_fn *fn, void *user) SKIO_NONNULL(3);

SKIO_END_DECLS

#endif /* SOCKETIO_VALUE_H */
