/*
 * libsocketio: the loop, for adapters
 *
 * An adapter that talks to other servers has descriptors, timers and names of
 * its own, and no loop: it borrows the server's, through its transport. What is
 * made here belongs to one server and its loop thread. Experimental until 1.0.
 *
 * The libwebsockets transport offers all of it, on its own loop and inside a
 * host's lws_context alike.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_LOOP_H
#define SOCKETIO_LOOP_H

#include <socketio/server.h>

SKIO_BEGIN_DECLS

/** A function that runs later, once. */
typedef struct skio_timer skio_timer;

/** It is due. It may be set again, or freed, from inside. */
typedef void skio_timer_fn(void *user);

/** Make a timer that is not set. NULL: no memory. End it with
 *  skio_timer_free(), before the server is freed. */
SKIO_API skio_timer *skio_timer_new(skio_server *server, skio_timer_fn *fn,
                                    void *user) SKIO_NONNULL(1, 2);

/** Run it in so many milliseconds, instead of when it was due. Returns SKIO_OK
 *  or SKIO_ENOMEM, which a timer that is set already never returns. */
SKIO_API int skio_timer_set(skio_timer *timer, uint32_t delay_ms)
    SKIO_NONNULL(1);

/** Forget when it was due. */
SKIO_API void skio_timer_stop(skio_timer *timer) SKIO_NONNULL(1);

/** Whether it is due some time. */
SKIO_API bool skio_timer_is_set(const skio_timer *timer) SKIO_NONNULL(1);

/** NULL does nothing. */
SKIO_API void skio_timer_free(skio_timer *timer);

/** Milliseconds that only grow; 0 as long as the server has no transport. */
SKIO_API uint64_t skio_loop_now(const skio_server *server) SKIO_NONNULL(1);

/** Milliseconds since 1970, by the transport's clock, which may be set and
 *  jump; 0 when it has none, and as long as there is no transport. */
SKIO_API uint64_t skio_loop_wall(const skio_server *server) SKIO_NONNULL(1);

/** A function that runs once the server's loop can be used: from inside this
 *  call when it can be already. */
typedef void skio_loop_fn(skio_server *server, void *user);

/** Returns SKIO_OK, or SKIO_ENOMEM. Given up with skio_loop_forget(). */
SKIO_API int skio_loop_ready(skio_server *server, skio_loop_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** Do not run those with this user any more. */
SKIO_API void skio_loop_forget(skio_server *server, const void *user)
    SKIO_NONNULL(1);

/** What a descriptor is ready for: or'ed. */
enum skio_ready {
    SKIO_READABLE = 1, /**< also at its end, and after an error */
    SKIO_WRITABLE = 2
};

/** A descriptor that is watched. */
typedef struct skio_watch skio_watch;

/** It is ready; as long as it is, again in each turn. The watch may be changed
 *  or freed from inside. */
typedef void skio_ready_fn(unsigned ready, void *user);

/**
 * Watch a descriptor: a socket, a pipe, anything that epoll(7) takes.
 *
 * fd      Stays the caller's, who frees the watch before closing it.
 * events  Of enum skio_ready; 0 is allowed.
 *
 * Returns SKIO_OK and fills *out; SKIO_ENOTSUP when the server's transport
 * cannot, or there is none; SKIO_EIO; SKIO_ENOMEM.
 */
SKIO_API int skio_watch_new(skio_server *server, int fd, unsigned events,
                            skio_ready_fn *fn, void *user, skio_watch **out)
    SKIO_NONNULL(1, 4, 6);

/** Watch for something else from now on. */
SKIO_API void skio_watch_set(skio_watch *watch, unsigned events)
    SKIO_NONNULL(1);

/** NULL does nothing. */
SKIO_API void skio_watch_free(skio_watch *watch);

/** An address of a name, as connect(2) takes it. */
typedef struct skio_address {
    int family;              /**< of socket(2) */
    uint32_t len;            /**< bytes of data */
    unsigned char data[128]; /**< a struct sockaddr */
} skio_address;

/** A name that is being resolved. */
typedef struct skio_resolve skio_resolve;

/** Its addresses, count of them; err is SKIO_OK, SKIO_ENOENT when it has none,
 *  SKIO_EIO. Called once, never from inside skio_resolve_new(); the resolve is
 *  gone then. */
typedef void skio_resolve_fn(int err, const skio_address *addresses,
                             size_t count, void *user);

/**
 * Ask for the addresses of a host, without holding up the loop: a thread does
 * the asking. At most 16 addresses are reported.
 *
 * Returns SKIO_OK and fills *out; SKIO_ENOTSUP when the server's transport
 * cannot, or there is none; SKIO_ENOMEM.
 */
SKIO_API int skio_resolve_new(skio_server *server, const char *host,
                              uint16_t port, skio_resolve_fn *fn, void *user,
                              skio_resolve **out) SKIO_NONNULL(1, 2, 4, 6);

/** Never mind the answer. NULL does nothing. */
SKIO_API void skio_resolve_cancel(skio_resolve *resolve);

SKIO_END_DECLS

#endif /* SOCKETIO_LOOP_H */
