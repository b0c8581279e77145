/*
 * Headers that an application adds to responses, bounded in number and bytes
 */
#ifndef SKIO_ENGINEIO_HEADERS_H
#define SKIO_ENGINEIO_HEADERS_H

#include <socketio/request.h>
#include <socketio/transport.h>

#define EIO_HEADERS_MAX 64 /* of max_response_headers */

struct skio_headers {
    const skio_allocator *mem;
    skio_header *items; /* name and value of each are one block */
    uint32_t count;
    uint32_t max_count;
    size_t bytes;
    size_t max_bytes;
};

void skio__headers_init(skio_headers *headers,
                        const skio_server_options *options,
                        const skio_allocator *mem);
void skio__headers_deinit(skio_headers *headers);

/* Whether two names are one, in any case. */
bool skio__headers_same(const char *a, const char *b);

/*
 * Join two lists: what was added replaces what has its name. The result
 * borrows. out has room for both.
 */
size_t skio__headers_join(const skio_header *base, size_t count,
                          const skio_headers *added, skio_header *out);

#endif /* SKIO_ENGINEIO_HEADERS_H */
