/*
 * Limits: which of them stopped a peer, and how often
 *
 * Each has the name of its option; the few without one say so below. An
 * application sees the table through skio_server_limit(), in this order.
 */
#ifndef SKIO_ENGINEIO_LIMITS_H
#define SKIO_ENGINEIO_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define EIO_LIMIT_MAP(X)                                                       \
    X(max_http_buffer_size)                                                    \
    X(max_payload_packets)                                                     \
    X(attachment_timeout_ms)                                                   \
    X(max_header_bytes)                                                        \
    X(max_headers)                                                             \
    X(max_query_bytes)                                                         \
    X(header_timeout_ms)                                                       \
    X(body_timeout_ms)                                                         \
    X(connect_timeout_ms)                                                      \
    X(verdict_timeout_ms)                                                      \
    X(max_connections)                                                         \
    X(max_connections_per_address)                                             \
    X(max_unconnected)                                                         \
    X(max_unconnected_per_address)                                             \
    X(max_namespaces)                                                          \
    X(max_dynamic_namespaces)                                                  \
    X(max_outbound_bytes)                                                      \
    X(recovery_max_sessions)                                                   \
    X(events_per_second)                                                       \
    X(bytes_per_second)                                                        \
    X(connects_per_minute)                                                     \
    X(forward)   /* of skio_forward_ops, both */                               \
    X(frames)    /* more of them than their bytes need */                      \
    X(shutdown)  /* no more sessions: the server is about to end */            \
    X(transport) /* max_tcp_connections, and what own transports have */

enum eio_limit {
    EIO_LIMIT_NONE = -1,
#define EIO_LIMIT_NAME(name) EIO_LIMIT_##name,
    EIO_LIMIT_MAP(EIO_LIMIT_NAME)
#undef EIO_LIMIT_NAME
        EIO_LIMITS
};

struct eio_engine;

/* Count a peer that was stopped. */
void skio__limit_hit(struct eio_engine *engine, enum eio_limit limit);

/* The name of a limit; NULL beyond the last. */
const char *skio__limit_name(size_t i);

#endif /* SKIO_ENGINEIO_LIMITS_H */
