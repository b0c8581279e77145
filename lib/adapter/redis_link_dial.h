/*
 * To a connected socket, from a name
 *
 * The name is resolved anew each time, and its addresses are tried in turn;
 * each gets an equal share of the time that is left, so that one that swallows
 * everything does not hide the others.
 */
#ifndef SKIO_ADAPTER_REDIS_LINK_DIAL_H
#define SKIO_ADAPTER_REDIS_LINK_DIAL_H

#include <socketio/loop.h>

#define SKIO__REDIS_ADDRESSES_MAX 16

/*
 * It is connected: fd is the callee's. Or it is not, err and text (borrowed)
 * say why: SKIO_ENOENT, SKIO_ETIMEDOUT, SKIO_EIO, SKIO_ENOTSUP, SKIO_ENOMEM.
 */
typedef void skio__redis_dialed_fn(int err, int fd, const char *text,
                                   void *user);

struct skio__redis_dial {
    skio_server *server;
    skio__redis_dialed_fn *fn;
    void *user;
    skio_resolve *resolve; /* what goes on: this, or watch */
    skio_watch *watch;
    int fd;
    skio_address addresses[SKIO__REDIS_ADDRESSES_MAX];
    size_t count;
    size_t next;       /* the address to try after this one */
    uint64_t until_ms; /* all of it */
    uint64_t due_ms;   /* what goes on now */
};

void skio__redis_dial_init(struct skio__redis_dial *dial, skio_server *server,
                           skio__redis_dialed_fn *fn, void *user);

/* Begin. fn may be called from inside. */
void skio__redis_dial_host(struct skio__redis_dial *dial, const char *host,
                           uint16_t port, uint64_t until_ms);
void skio__redis_dial_unix(struct skio__redis_dial *dial, const char *path,
                           uint64_t until_ms);

/* due_ms may have come. fn may be called from inside. */
void skio__redis_dial_check(struct skio__redis_dial *dial, uint64_t now_ms);

/* Give up; fn is not called. */
void skio__redis_dial_stop(struct skio__redis_dial *dial);

#endif /* SKIO_ADAPTER_REDIS_LINK_DIAL_H */
