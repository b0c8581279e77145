/*
 * A connection to Redis that waits for each answer
 *
 * For callers that have no loop and may block. A command is sent, its answer
 * waited for, both until a deadline; an error ends the connection, and the next
 * command makes a new one. A command is sent a second time only when Redis
 * cannot have got the whole of it, or when a node of a Redis Cluster named the
 * one whose business it is.
 *
 * The bytes are its own, so that a lost peer raises no SIGPIPE and that one
 * which sends a byte now and then cannot hold the caller. An answer is one
 * line, and short: more is refused, arrays too.
 */
#ifndef SKIO_ADAPTER_REDIS_CALL_H
#define SKIO_ADAPTER_REDIS_CALL_H

#include <socketio/redis.h>

#include "adapter/redis_link_parser.h"
#include "adapter/redis_url.h"
#include "base/buf.h"

#define SKIO__REDIS_CALL_TEXT 256 /* bytes of an error, with its NUL */

struct skio__redis_call {
    const skio_redis_options *options; /* of the caller; see below */
    struct skio__buf out;
    struct skio__redis_parser parser;
    int fd;                              /* -1: not connected */
    char host[SKIO__REDIS_HOST_MAX + 1]; /* of a Redis Cluster: the node that we
                                            were sent to; "" for none */
    uint16_t port;                       /* there */
    bool is_moved;                       /* the last answer sent us there */
    char text[SKIO__REDIS_CALL_TEXT];    /* of the last failure */
};

/*
 * options  Kept by the caller, parsed (skio__redis_options_copy()): where Redis
 *          is, who we are, the database, the two time-outs, and whether it
 *          is a cluster.
 */
void skio__redis_call_init(struct skio__redis_call *call,
                           const skio_redis_options *options,
                           const skio_allocator *mem);
void skio__redis_call_deinit(struct skio__redis_call *call);

/*
 * Send a command and wait until Redis says that it is done.
 *
 * Returns SKIO_OK, or as <socketio/emitter.h> tells; text says more.
 */
int skio__redis_call(struct skio__redis_call *call, const skio_bytes *argv,
                     size_t argc);

#endif /* SKIO_ADAPTER_REDIS_CALL_H */
