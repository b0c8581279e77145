/*
 * TLS between a link and its socket, without I/O of its own
 *
 *     from the network ─▶ feed() ─▶ read() ─▶ to the parser
 *     commands ─▶ write() ─▶ output() ─▶ to the network
 *
 * OpenSSL does it over memory, because its own socket code would raise SIGPIPE
 * in the application. The handshake is part of the first reads and writes.
 */
#ifndef SKIO_ADAPTER_REDIS_LINK_TLS_H
#define SKIO_ADAPTER_REDIS_LINK_TLS_H

#include <socketio/redis.h>

#include "base/buf.h"

struct skio__redis_tls {
    struct ssl_ctx_st *context; /* certificates: kept for the next connection */
    uint64_t loaded_ms;         /* when they were read */
    struct ssl_st *ssl;         /* NULL: no connection */
    struct skio__buf out;       /* encrypted, for the network */
    size_t sent;                /* of out */
    bool has_failed;            /* the connection, by TLS' fault */
};

void skio__redis_tls_init(struct skio__redis_tls *tls,
                          const skio_allocator *mem);
void skio__redis_tls_deinit(struct skio__redis_tls *tls);

/*
 * A connection begins; host is who must be at the other end, unless
 * tls_server_name says something else.
 *
 * Returns SKIO_OK; SKIO_EIO for files that cannot be used; SKIO_ENOMEM. *why is
 * a static string.
 */
int skio__redis_tls_begin(struct skio__redis_tls *tls,
                          const skio_redis_options *options, const char *host,
                          uint64_t now_ms, const char **why);
void skio__redis_tls_end(struct skio__redis_tls *tls, uint64_t now_ms);

/* Bytes of the network. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__redis_tls_feed(struct skio__redis_tls *tls, const void *data,
                         size_t len);

/*
 * Bytes that were decrypted. Returns how many; 0: more must be fed;
 * SKIO_ECLOSED at the end; SKIO_EACCES when the other end is not who it should
 * be, or does not know us; SKIO_EPROTO; SKIO_ENOMEM. why is filled then.
 */
int skio__redis_tls_read(struct skio__redis_tls *tls, char *data, size_t size,
                         char *why, size_t why_size);

/* Encrypt. Returns how many bytes were taken, 0 while the handshake waits for
 * the other end; errors as above. */
int skio__redis_tls_write(struct skio__redis_tls *tls, const void *data,
                          size_t len, char *why, size_t why_size);

/* Whether write() takes bytes. */
bool skio__redis_tls_is_open(const struct skio__redis_tls *tls);

/* What waits for the network, and that so much of it was sent. */
size_t skio__redis_tls_output(const struct skio__redis_tls *tls,
                              const char **data);
void skio__redis_tls_sent(struct skio__redis_tls *tls, size_t len);

#endif /* SKIO_ADAPTER_REDIS_LINK_TLS_H */
