/*
 * Headers as an idle session keeps them: what nearly every client sends takes
 * one byte
 *
 *     { code  what the code does not stand for }*
 *
 *     0     name NUL value NUL
 *     n     the n-th entry of a table: a name, whose value NUL follows, or
 *           a name with its value, and nothing follows
 *
 * The headers of a plain client shrink from 120 bytes to 40, a browser's by
 * more than half of what is not its User-Agent. Names and values are read as
 * they stand here or in the table: nothing has to be unpacked.
 */
#ifndef SKIO_ENGINEIO_PACKED_H
#define SKIO_ENGINEIO_PACKED_H

#include <stddef.h>

#include <socketio/socket.h>

/*
 * Pack a transport's block, "name NUL value NUL …"; a header that is cut off
 * and what follows are left out. Returns how many bytes that makes, never more
 * than one for each header on top of the block's; if size is less, what is in
 * out is of no use.
 */
size_t skio__headers_pack(const char *headers, size_t len, char *out,
                          size_t size);

/* The value of a lower-case name, of a repeated one the first; NULL: absent. */
const char *skio__packed_find(const char *packed, size_t len, const char *name);

/* Visit all, in their order. Returns false when fn did, which ends it. */
bool skio__packed_each(const char *packed, size_t len, skio_pair_fn *fn,
                       void *user);

#endif /* SKIO_ENGINEIO_PACKED_H */
