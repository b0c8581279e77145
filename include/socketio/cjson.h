/*
 * libsocketio: arguments as cJSON trees, and back
 *
 * For handlers that want to walk a tree. It is built on first use and dropped
 * after the callback; cJSON's own allocator is used (cJSON_InitHooks() belongs
 * to the host). Numbers are doubles here: those above 2^53 lose digits, use
 * skio_get_json() to pass them on. Link with libcjson.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_CJSON_H
#define SOCKETIO_CJSON_H

#include <cjson/cJSON.h>
#include <socketio/emit.h>

SKIO_BEGIN_DECLS

/**
 * The part at a path as a tree. Attachments appear as their placeholders, see
 * skio_value_bytes(). Look members up with
 * cJSON_GetObjectItemCaseSensitive().
 *
 * Borrowed: valid as long as the value is. Returns NULL when there is nothing
 * at the path, when memory ran out, and for what cJSON cannot hold: a string
 * with U+0000 or with half a surrogate pair, a number of more than 63
 * characters.
 */
SKIO_API const cJSON *skio_value_cjson(const skio_value *value,
                                       const char *path);

/**
 * The bytes that a placeholder in the tree stands for.
 *
 * Returns SKIO_OK, or SKIO_ETYPE when the item is no placeholder.
 */
SKIO_API int skio_value_bytes(const skio_value *value, const cJSON *item,
                              skio_bytes *out) SKIO_NONNULL(1, 2, 3);

/**
 * Emit an event whose arguments are the elements of a cJSON array.
 *
 * args  Borrowed. NULL: no arguments.
 *
 * Returns as skio_emit(), and SKIO_EINVAL when args is no array.
 */
SKIO_API int skio_emit_cjson(skio_socket *socket, const char *event,
                             const cJSON *args) SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_CJSON_H */
