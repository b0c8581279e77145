/*
 * MessagePack, there and back
 *
 * Between the library and the wire stand JSON text and bytes: a value becomes
 * JSON in which each run of bytes is a placeholder,
 *
 *     {"_placeholder":true,"num":first + N}
 *
 * and a list of views on the bytes; and such text becomes a value again. So
 * whatever reads, relays and answers JSON with attachments does so with
 * MessagePack too. The spelling is exactly this: an object of a user that is
 * written otherwise, or whose number is out of range, stays an object. With a
 * `first` that no object has, the two cannot be mixed up at all.
 *
 * Values are those of JavaScript, as notepack.io 2 and 3 write them:
 *
 *     bin, and ext of type 0 (an ArrayBuffer)    bytes
 *     fixext 1 of type 0      undefined: no member, null in an array
 *     fixext 8 of type 0      a Date: as JSON.stringify() writes it
 *     any other ext           [type, bytes]
 *     NaN, the infinities     null
 *     integers                exact, to 64 bits
 *     str                     text; what is not UTF-8 becomes U+FFFD
 *
 * Everything in a message from a peer is hostile: counts are not believed, and
 * nothing is allocated before the whole of it was read once.
 */
#ifndef SKIO_BASE_MSGPACK_H
#define SKIO_BASE_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/buf.h"
#include "base/json.h"

/* One more than JSON: for the map or array that a protocol wraps data in. */
#define SKIO__MSGPACK_DEPTH_MAX (SKIO__JSON_DEPTH_MAX + 1)

struct skio__msgpack_limits {
    uint32_t max_depth; /* [] has depth 1; SKIO__MSGPACK_DEPTH_MAX at most */
    uint32_t max_bytes; /* how many values may be bytes */
};

struct skio__msgpack_scan {
    size_t json_len; /* room that is enough for the text */
    uint32_t bytes;  /* how many values are bytes */
};

/*
 * Check a whole message that must be one value.
 *
 * Returns SKIO_OK; SKIO_EPROTO when it is cut short, goes on after the value,
 * has a byte that begins nothing (C1), or a map whose key has no text (an
 * array, a map, bytes, a Date); SKIO_ELIMIT past a limit.
 */
int skio__msgpack_scan(const void *data, size_t len,
                       const struct skio__msgpack_limits *limits,
                       struct skio__msgpack_scan *scan);

/*
 * Write a message that was scanned, as JSON.
 *
 * json   Has room for scan->json_len bytes; no NUL is added.
 * bytes  Has room for scan->bytes views, which point into data.
 * first  The number of the first placeholder.
 *
 * Returns the length. The text is valid JSON, nested as deep as the message
 * (an ext counts as an array).
 */
size_t skio__msgpack_to_json(const void *data, size_t len,
                             const struct skio__msgpack_scan *scan,
                             uint64_t first, char *json, skio_bytes *bytes);

/*
 * Append a value as MessagePack, the smallest form of each, as notepack.io
 * does: a number without a fraction that fits 64 bits is an integer, any other
 * a float64; bytes are bin.
 *
 * json   Validated text.
 * bytes  What placeholders from `first` on stand for, count of them.
 *
 * Returns out->err, or SKIO_EINVAL when the text is nested deeper than
 * SKIO__JSON_DEPTH_MAX, or its brackets do not match. After an error out holds
 * a part.
 */
int skio__msgpack_from_json(struct skio__buf *out, const char *json, size_t len,
                            uint64_t first, const skio_bytes *bytes,
                            uint32_t count);

/* ---- Parts of a message that is written by hand. ----
 *
 * Each appends and returns out->err; SKIO_ETOOBIG past 4 GiB. What a map or
 * array holds follows, keys and values in turn. */
int skio__msgpack_put_map(struct skio__buf *out, size_t members);
int skio__msgpack_put_array(struct skio__buf *out, size_t elements);
int skio__msgpack_put_str(struct skio__buf *out, const char *str, size_t len);
int skio__msgpack_put_bytes(struct skio__buf *out, const void *data,
                            size_t len);
int skio__msgpack_put_u64(struct skio__buf *out, uint64_t n);

#endif /* SKIO_BASE_MSGPACK_H */
