/*
 * One connection to Redis, that comes back by itself
 *
 * It connects (name, TCP or unix socket, TLS, AUTH, SELECT; by sentinels if
 * asked to), carries commands and their replies in order, hands pushes of
 * subscriptions over, watches that Redis is alive, and after a loss tries again
 * with a growing, jittered delay, for ever. Nothing here waits: everything
 * happens in callbacks of the server's loop.
 *
 * The bytes are its own; hiredis' reader parses replies, into objects that are
 * bounded and come from our allocator. Only this noun's files know hiredis.
 */
#ifndef SKIO_ADAPTER_REDIS_LINK_H
#define SKIO_ADAPTER_REDIS_LINK_H

#include <string.h>

#include <socketio/loop.h>
#include <socketio/redis.h>

enum skio__redis_type {
    SKIO__REDIS_NIL,
    SKIO__REDIS_STATUS, /* +OK */
    SKIO__REDIS_ERROR,  /* -ERR ...: str is all of it, without the "-" */
    SKIO__REDIS_INTEGER,
    SKIO__REDIS_STRING, /* binary */
    SKIO__REDIS_ARRAY
};

/* What Redis said. Valid until the callback that got it returns. */
struct skio__redis_reply {
    enum skio__redis_type type;
    int64_t integer;
    const char *str; /* NUL-terminated behind len */
    size_t len;
    struct skio__redis_reply **elements;
    size_t count;
};

struct skio__redis_link;

/*
 * The reply of a command; called exactly once for each that was taken, in
 * order. err: SKIO_OK (reply may be an error of Redis), SKIO_ECLOSED when the
 * connection was lost or freed first: whether Redis did it is unknown;
 * reply is then NULL. Never from inside skio__redis_link_send().
 */
typedef void skio__redis_reply_fn(int err,
                                  const struct skio__redis_reply *reply,
                                  void *user);

struct skio__redis_link_hooks {
    /* It stands (AUTH and SELECT done): send what it begins with. Or it was
     * lost, or an attempt failed; all replies that were due have been told
     * already. err and text say why: what skio_redis_event has, SKIO_ELIMIT for
     * an answer beyond the limits, SKIO_ENOMEM, SKIO_ENOTSUP without a loop. */
    void (*up)(struct skio__redis_link *link, void *user);
    void (*down)(struct skio__redis_link *link, int err, const char *text,
                 void *user);
    /* A push of a subscription (message, pmessage, smessage, and the answers to
     * (s|p)(un)subscribe), on links that are for subscriptions. An error that
     * belongs to no command with a callback comes here, too. */
    void (*push)(struct skio__redis_link *link,
                 const struct skio__redis_reply *reply, void *user);
};

/*
 * Make a link and begin to connect.
 *
 * options      Kept by the caller as long as the link lives, parsed: see
 *              skio__redis_options_copy().
 * host, port   Instead of the options' (a node of a Redis Cluster); NULL, 0.
 * subscribes   It is for subscriptions: what it sends has no reply of its own
 *              (fn is NULL), everything Redis says comes to push(); PING is the
 *              link's own affair.
 *
 * NULL: no memory. No hook is called from inside. Only while the loop can be
 * used: see skio_loop_ready().
 */
struct skio__redis_link *
skio__redis_link_new(skio_server *server, const skio_redis_options *options,
                     const char *host, uint16_t port, bool subscribes,
                     const struct skio__redis_link_hooks *hooks, void *user);

/* Have Redis read what was sent, before the link is freed: there is nothing
 * else that can be done with it. Waits, at the longest until then, and for less
 * with a Redis that does not read: not while the loop runs. */
void skio__redis_link_part(struct skio__redis_link *link, uint64_t until_ms);

/* Replies that are due are told with SKIO_ECLOSED first; hooks are not called
 * any more. May be called from any of its callbacks. NULL does nothing. */
void skio__redis_link_free(struct skio__redis_link *link);

/*
 * Send a command: argc parts.
 *
 * fn  NULL: the reply does not matter (an error of Redis is logged).
 *
 * What is sent in one turn of the loop is written at once, in the next. An
 * error that begins with READONLY ends the connection, behind fn: Redis has
 * become a replica, and the master is somewhere else.
 *
 * Returns SKIO_OK; SKIO_ECLOSED while it is not up; SKIO_ENOBUFS beyond
 * max_output_bytes, where each command that waits for its reply counts as 24
 * bytes; SKIO_ENOMEM. fn is called only when it was taken.
 */
int skio__redis_link_send(struct skio__redis_link *link, const skio_bytes *argv,
                          size_t argc, skio__redis_reply_fn *fn, void *user);

/* The same, for a command that Redis answers only after so many milliseconds
 * (XREAD BLOCK): it may be silent for that long and command_timeout_ms more. */
int skio__redis_link_send_blocking(struct skio__redis_link *link,
                                   const skio_bytes *argv, size_t argc,
                                   uint32_t block_ms, skio__redis_reply_fn *fn,
                                   void *user);

/* Write what was sent in this turn now, as far as the socket takes it: what is
 * told to others from now on comes after. A loss shows in the next turn. */
void skio__redis_link_push(struct skio__redis_link *link);

/* A part of a command that is a text. */
static inline skio_bytes
skio__redis_word(const char *text)
{
    return (skio_bytes){text, strlen(text)};
}

bool skio__redis_link_is_up(const struct skio__redis_link *link);

/* When a byte came from Redis last, in the loop's milliseconds; 0: never. */
uint64_t skio__redis_link_heard_ms(const struct skio__redis_link *link);

/* Lose the connection, as if Redis had, and connect again. It is not up from
 * now on; replies and down() are told a little later, never from inside. */
void skio__redis_link_reset(struct skio__redis_link *link, int err,
                            const char *why);

#endif /* SKIO_ADAPTER_REDIS_LINK_H */
