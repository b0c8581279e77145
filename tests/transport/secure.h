/*
 * A server with TLS, and a client whose bytes are up to the test
 *
 * The client writes records into memory first, so that what goes out in one
 * send() is up to the test.
 */
#ifndef TESTS_TRANSPORT_SECURE_H
#define TESTS_TRANSPORT_SECURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include <socketio/socketio.h>

#include "unit/alloc.h"

#define SECURE_PATH "/socket.io/?EIO=4&transport=polling"
#define SECURE_POLL "GET " SECURE_PATH " HTTP/1.1\r\nHost: x\r\n"
/* Two lines of a name are not plain: libwebsockets answers. */
#define SECURE_ODD "Zz: 1\r\nZz: 2\r\n"
#define SECURE_UPGRADE                                                         \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n"

#define SECURE_FRAME_MAX 131

struct secure_host {
    struct test_alloc alloc; /* the server's thread, until it was joined */
    skio_server *server;
    pthread_t thread;
    atomic_int lost;   /* sockets that were disconnected */
    atomic_int warned; /* lines of the log that tell of no sockets */
};

struct secure_client {
    int fd;
    SSL *ssl;
    BIO *in, *out; /* what came, what is to go */
};

/* TLS says so, TCP does, both, or neither. */
enum secure_end {
    SECURE_NOTIFY,
    SECURE_FIN,
    SECURE_BOTH,
    SECURE_RESET,
    SECURE_ENDS
};

extern char secure_out[1 << 20]; /* what was read last */
extern const char *secure_cert;  /* of the server, with its key */

/* Of a group of tests. */
int secure_setup(void **state);
int secure_cleanup(void **state);

void secure_options(skio_server_options *options);
/* Events of "/": echo, long (6 MB), who (address, and whether by TLS), reload,
 * fail (the allocation so many from then on); /who, /long and POST /upload. */
void secure_make(struct secure_host *host, const skio_server_options *options);
void secure_serve(struct secure_host *host);
void secure_start(struct secure_host *host);
void secure_stop(struct secure_host *host);
/* Which stops it, within a second. */
void secure_drain(struct secure_host *host);
void secure_await_loss(struct secure_host *host, int count);

/* Connect, and shake no hands; window: the receive buffer, 0: as usual. */
void secure_reach(const struct secure_host *host, struct secure_client *client,
                  int window);
/* From its socket on. */
void secure_begin(struct secure_client *client);
/* Shake hands, piece bytes in each send(), 0: all. Returns whether it is
 * done: the client's last word may still wait to go out. */
bool secure_shake(struct secure_client *client, size_t piece);
/* All of that. */
void secure_dial(const struct secure_host *host, struct secure_client *client);
/* A record waits to go out. */
void secure_write(struct secure_client *client, const void *data, size_t len);
void secure_flush(struct secure_client *client, size_t most);
void secure_send(struct secure_client *client, const void *data, size_t len);
void secure_say(struct secure_client *client, const char *text);
/* A frame of a client, its first byte op; returns how long it is. */
size_t secure_put_frame(unsigned char *out, unsigned op, const char *payload);
/* A text at once. */
void secure_frame(struct secure_client *client, const char *payload);

/* The next bytes; 0: the server has ended it, or ten seconds have passed. */
size_t secure_read_some(struct secure_client *client, void *out, size_t size);
/* Read into secure_out until this was seen. */
bool secure_heard(struct secure_client *client, const char *until);
/* Read up to the end; returns how much came. */
size_t secure_read_all(struct secure_client *client);
/* Whether the server has said that nothing follows. */
bool secure_was_told(const struct secure_client *client);
/* Whether the connection ends in so many ms. */
bool secure_ends(struct secure_client *client, long ms);

void secure_leave(struct secure_client *client);
void secure_reset(struct secure_client *client);
/* All but a reset leave the client to be read, and to be left. */
void secure_finish(struct secure_client *client, enum secure_end how);
/* No more than so many of this process are open: within five seconds. */
void secure_await_descriptors(size_t count);

/* A session of "/" by polling. */
void secure_join(struct secure_client *client, char sid[32]);
void secure_post(struct secure_client *client, const char *sid,
                 const char *body);
void secure_poll(struct secure_client *client, const char *sid);
/* A WebSocket of "/". */
void secure_upgrade(struct secure_client *client, const char *request);
/* A request on a new connection is answered. */
void secure_is_well(const struct secure_host *host);

#endif /* TESTS_TRANSPORT_SECURE_H */
