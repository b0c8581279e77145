/*
 * Content-Encoding: which one a client prefers, and compressing into it
 *
 * The choice is that of Node's package accepts, given "gzip" and "deflate": the
 * highest q; then an encoding that is named before one that "*" stands for;
 * then the order of the header. Socket.IO also has "br": libbrotlienc, as it is
 * packaged, ends the process when memory runs out.
 */
#ifndef SKIO_TRANSPORT_ENCODING_H
#define SKIO_TRANSPORT_ENCODING_H

#include <stddef.h>

#include <socketio/base.h>

enum skio__encoding {
    ENCODING_IDENTITY,
    ENCODING_GZIP,
    ENCODING_DEFLATE,
    ENCODING_COUNT
};

/* accept: the header's value, or NULL. */
enum skio__encoding skio__encoding_choose(const char *accept);

/* As in Content-Encoding. */
const char *skio__encoding_name(enum skio__encoding encoding);

/*
 * Compress into a new block, to be freed with skio__mem_free(). Not for
 * ENCODING_IDENTITY. Returns SKIO_OK, SKIO_ENOMEM.
 */
int skio__encoding_apply(enum skio__encoding encoding,
                         const skio_allocator *mem, const void *data,
                         size_t len, char **out, size_t *out_len);

#endif /* SKIO_TRANSPORT_ENCODING_H */
