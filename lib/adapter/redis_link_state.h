/*
 * The inside of a link to Redis, for redis_link*.c
 *
 *     WAITING ──▶ DIALING ──▶ GREETING ──▶ UP
 *        ▲           │           │          │
 *        └───────────┴─ failure ─┴── loss ──┘
 *
 * With sentinels DIALING and GREETING are gone through once for each sentinel
 * that is asked, then for the master.
 *
 * Callbacks may do anything to the link, so nothing is torn down under them: a
 * loss is noted, and carried out when the outermost entry is left.
 */
#ifndef SKIO_ADAPTER_REDIS_LINK_STATE_H
#define SKIO_ADAPTER_REDIS_LINK_STATE_H

#include "adapter/redis_link.h"
#include "adapter/redis_link_dial.h"
#include "adapter/redis_link_parser.h"
#include "adapter/redis_link_tls.h"
#include "adapter/redis_url.h"
#include "base/buf.h"

enum skio__redis_link_state {
    SKIO__REDIS_WAITING,
    SKIO__REDIS_DIALING,
    SKIO__REDIS_GREETING,
    SKIO__REDIS_LINK_UP
};

/* A command that has no reply yet. */
struct skio__redis_due {
    skio__redis_reply_fn *fn; /* NULL: nobody waits */
    void *user;
    uint32_t block_ms;
};

struct skio__redis_link {
    skio_server *server;
    const skio_allocator *mem;
    const skio_redis_options *options;
    char *host; /* NULL: the options' */
    uint16_t port;
    bool subscribes;
    struct skio__redis_link_hooks hooks;
    void *user;

    enum skio__redis_link_state state;
    unsigned busy;     /* entries that were not left */
    bool is_freed;     /* and gone when they are left */
    bool is_at_master; /* what was dialled is Redis, no sentinel */
    bool hops;         /* on leaving: on to the master */
    bool is_paused;    /* replies wait for the next turn */
    bool pings;        /* a subscriber's PING is under way */
    int lost;          /* on leaving: the loss to be carried out */
    char why[512];     /* of the loss */
    char peer[SKIO__REDIS_HOST_MAX + 1]; /* the host that was dialled */
    char where[320];                     /* what was dialled */
    skio_timer *timer;                   /* set from the beginning to the end */
    skio_watch *watch;                   /* of fd */
    int fd;                              /* -1: none */
    struct skio__redis_dial dial;

    struct skio__redis_tls tls; /* in use when the options say tls */
    struct skio__redis_parser parser;
    struct skio__buf out;
    size_t sent; /* of out */

    struct skio__redis_due *dues; /* a ring */
    size_t due_cap;               /* a power of two, or 0 */
    size_t due_first;
    size_t due_count;

    uint64_t heard_ms; /* when a byte came last */
    uint64_t asked_ms; /* since when something has been due */
    uint64_t up_ms;    /* since when it is up */
    uint64_t until_ms; /* of this attempt */
    uint64_t step_ms;  /* of this sentinel, or the master */
    uint64_t retry_ms; /* of the next attempt */
    uint32_t delay_ms; /* before the one after it */

    size_t sentinel_first;  /* which one is asked first */
    size_t sentinels_asked; /* in this attempt */
    char master[SKIO__REDIS_HOST_MAX + 1];
    uint16_t master_port;
};

/* Around everything that the loop calls. */
void skio__redis_link_enter(struct skio__redis_link *link);
void skio__redis_link_leave(struct skio__redis_link *link);

/* Note a failure; the first one counts. */
void skio__redis_link_fail(struct skio__redis_link *link, int err,
                           const char *format, ...) SKIO_PRINTF(3, 4);

/* Nothing more is to be done with the connection. */
static inline bool
skio__redis_link_is_over(const struct skio__redis_link *link)
{
    return link->is_freed || link->hops || link->lost != SKIO_OK;
}

/* redis_link_greet.c: from nothing to up. */
void skio__redis_link_attempt(struct skio__redis_link *link);
/* Whether another sentinel is asked now, after one failed. */
bool skio__redis_link_ask_next(struct skio__redis_link *link);
void skio__redis_link_dial_master(struct skio__redis_link *link);
void skio__redis_link_dialed(int err, int fd, const char *text, void *user);

/* redis_link_io.c: bytes, commands and replies. */
/* Fails the link by itself. */
void skio__redis_link_open(struct skio__redis_link *link, int fd);
/* Whether bytes wait for the socket. */
bool skio__redis_link_has_output(const struct skio__redis_link *link);
/* Write what the socket takes, a part of it at most. Returns how much. */
size_t skio__redis_link_write(struct skio__redis_link *link);
void skio__redis_link_close(struct skio__redis_link *link);
/* Queue a command, whatever the state; is_due: it has a reply of its own. */
int skio__redis_link_put(struct skio__redis_link *link, const skio_bytes *argv,
                         size_t argc, uint32_t block_ms,
                         skio__redis_reply_fn *fn, void *user, bool is_due);
/* Tell all that wait that the connection is lost. */
void skio__redis_link_tell_lost(struct skio__redis_link *link);
/* What has arrived and the loop did not tell yet. */
void skio__redis_link_look(struct skio__redis_link *link);
/* Replies that were left over by the last turn. */
void skio__redis_link_resume(struct skio__redis_link *link);
/* A PING whose answer is the link's own affair. */
void skio__redis_link_ping(struct skio__redis_link *link);

#endif /* SKIO_ADAPTER_REDIS_LINK_STATE_H */
