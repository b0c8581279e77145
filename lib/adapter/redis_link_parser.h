/*
 * Replies of Redis, out of bytes
 *
 * hiredis' reader does the parsing; what it makes are our objects, counted and
 * from our memory. Its own buffer, of what has arrived in part, comes from the
 * C library and is bounded here: by max_message_bytes and one feed.
 */
#ifndef SKIO_ADAPTER_REDIS_LINK_PARSER_H
#define SKIO_ADAPTER_REDIS_LINK_PARSER_H

#include "adapter/redis_link.h"
#include "base/arena.h"

#define SKIO__REDIS_LINE_MAX ((size_t)64 * 1024)

struct skio__redis_parser {
    struct redisReader *reader; /* NULL: not begun */
    struct skio__arena arena;   /* of the reply that is being read */
    size_t max_bytes;
    uint32_t max_elements;
    size_t bytes; /* of that reply, so far */
    uint32_t elements;
    int err; /* of our own making; the first one sticks */
    const char *what;
};

void skio__redis_parser_init(struct skio__redis_parser *parser,
                             const skio_allocator *mem, size_t max_bytes,
                             uint32_t max_elements);
void skio__redis_parser_deinit(struct skio__redis_parser *parser);

/* A new connection: forget what had arrived. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__redis_parser_begin(struct skio__redis_parser *parser);

/* Bytes have arrived. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__redis_parser_feed(struct skio__redis_parser *parser, const void *data,
                            size_t len);

/*
 * The next reply. It is valid until the next call.
 *
 * Returns 1; 0: more bytes are needed; SKIO_EPROTO, SKIO_ELIMIT, SKIO_ENOMEM:
 * nothing after it can be read, and parser->what says why.
 */
int skio__redis_parser_next(struct skio__redis_parser *parser,
                            const struct skio__redis_reply **out);

#endif /* SKIO_ADAPTER_REDIS_LINK_PARSER_H */
