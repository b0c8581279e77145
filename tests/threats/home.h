/*
 * A server with a real port, in one of its two homes, and a raw client
 *
 * Every test of a bug of libwebsockets runs on the own listener and inside a
 * host's vhost whose protocol 0 is the host's.
 */
#ifndef TESTS_THREATS_HOME_H
#define TESTS_THREATS_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/socketio.h>

enum home_kind { HOME_OWN, HOME_HOST, HOME_COUNT };

struct home;

/* Serves from a thread; ends the program when it cannot. */
struct home *home_start(enum home_kind kind);
/* The same with options of its own and what else it is to have; both may be
 * NULL. */
struct home *home_start_with(enum home_kind kind,
                             void (*options)(skio_server_options *options),
                             void (*setup)(skio_server *server));
void home_stop(struct home *home);
/* One that another process serves: to dial. free() ends it. */
struct home *home_elsewhere(uint16_t port);
uint16_t home_port(const struct home *home);

/* Blocks of memory that the server holds now. */
size_t home_blocks(const struct home *home);

/* Connect; reading gives up after three seconds. */
int home_dial(const struct home *home);
/* From another address of the loopback: 127.0.0.host. */
int home_dial_from(const struct home *home, unsigned host);
/* The connection ends with a reset. */
void home_reset(int fd);
void home_send(int fd, const void *data, size_t len);
void home_say(int fd, const char *text);

/* Read until `until` was seen (NULL: until the peer closes), or three seconds
 * have passed, or out is full. Returns the length; *closed may be NULL. */
size_t home_read(int fd, char *out, size_t size, const char *until,
                 bool *closed);

/* Send a request on a new connection and read all until it is closed. Fails
 * the test when it is not closed within three seconds. */
size_t home_ask(const struct home *home, const char *text, char *out,
                size_t size);

/* Whether a handshake works, on a new connection. */
bool home_is_well(const struct home *home);

/* Fill sid (at least 32 bytes) with a new polling session's. */
void home_handshake(const struct home *home, char *sid);

/* A WebSocket, its handshake done and the open packet read. */
int home_websocket(const struct home *home);
/* A masked frame; op is the first byte. */
void home_frame(int fd, unsigned op, const void *data, size_t len);

/* What this process has from malloc, libwebsockets' share included; always the
 * same under sanitizers and valgrind, which have a malloc of their own. */
size_t home_heap(void);

/* Have at most so many descriptors in this process. To be called before homes
 * begin: Debian's libwebsockets walks over all that there may be at each
 * close. */
void home_limit_descriptors(unsigned most);

/* Descriptors and threads of this process. */
size_t home_descriptors(void);
size_t home_threads(void);

/* CPU time of this process in milliseconds, the time, and a pause. */
uint64_t home_cpu_ms(void);
uint64_t home_now_ms(void);
void home_pause(long ms);

#endif /* TESTS_THREATS_HOME_H */
