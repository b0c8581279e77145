/*
 * Engine.IO: what all sessions of a server share, and the seam to what sits on
 * top of it (Socket.IO, or an application through <socketio/engine.h>)
 *
 * The engine has no socket and no clock: exchanges and WebSocket messages come
 * in through exchange.h and websocket.h, time through the transport's now_ms.
 *
 * Freeing: whatever a peer, a timer or a callback closes is unlinked at once
 * but freed only when the outermost call into the core returns (enter/leave),
 * so no pointer on the stack dies under its user.
 */
#ifndef SKIO_ENGINEIO_ENGINE_H
#define SKIO_ENGINEIO_ENGINE_H

#include <assert.h>

#include <socketio/engine.h>
#include <socketio/transport.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "base/timer.h"
#include "engineio/limits.h"
#include "engineio/run.h"

#define EIO_ID_MAX 63 /* of a session's id that the host makes */

struct eio_compression;
struct eio_engine;
struct eio_forward;
struct eio_hooks;
struct eio_rates;
struct eio_tap;

/*
 * What sits on top. `open` runs after the open packet was queued; a message is
 * whole and borrowed; `close` runs once for each session that was opened, with
 * the session still readable. Each may close any session.
 */
struct eio_upper {
    size_t state_size; /* zeroed bytes in every session, eio_upper_state() */
    /* message() reads each byte of a text anyway, and may be given one that
     * is not UTF-8: then it calls skio__session_bad_text(), and that is all. */
    bool checks_text;
    void (*open)(struct skio_session *session);
    void (*message)(struct skio_session *session, const char *data, size_t len,
                    bool binary);
    void (*close)(struct skio_session *session, enum skio_disconnect reason);
    /* More than outbound_high_bytes are left at a turn's end (told once until
     * it halved); never inside skio__session_queue(). */
    void (*pressure)(struct skio_session *session, size_t queued);
    /* A heartbeat went to the client and back, at its interval. */
    void (*beat)(struct skio_session *session);
};

struct eio_engine {
    skio_server *server; /* opaque here: handed back to hooks and posts */
    const skio_server_options *options;
    const skio_allocator *mem;
    struct skio__logger log;
    skio_transport hooks; /* zeros until attached */
    void *transport;
    const struct eio_upper *upper;
    void *upper_user;

    struct skio__map sessions;  /* sid -> session */
    struct skio__map addresses; /* peer address -> its count of sessions */
    size_t websockets;          /* sessions that a WebSocket carries */
    uint32_t unconnected;       /* sessions not yet admitted by the upper */
    uint32_t undecided;         /* requests that wait for a verdict */
    uint32_t id_counter;
    unsigned depth; /* nesting of enter */
#ifdef SKIO_DEBUG
    const void *thread; /* of the latest turn; NULL: none was run */
#endif
    bool flush_wanted;
    bool shutting_down;
    bool is_deaf;  /* the transport is gone: no answer reaches anybody */
    bool draining; /* no new sessions, the others go on */
    char *path;    /* "/socket.io/", finished */
    size_t path_len;

    uint64_t pace_ms;           /* when pings were last looked at */
    uint64_t pace_credit;       /* for pings before they are due: heartbeat.c */
    struct skio__fifo ping_due; /* delay ping_interval: send a ping */
    struct skio__fifo pong_due; /* delay ping_timeout: give the peer up */
    struct skio__fifo client_due;  /* protocol 3: both, the client pings */
    struct skio__fifo upgrade_due; /* delay upgrade_timeout: drop the probe */
    struct skio__fifo noop_due;    /* 100 ms: release a poll while probing */
    struct skio__fifo linger_due;  /* 30 s: a closing polling session */
    struct skio__fifo verdict_due; /* delay verdict_timeout: answer 503 */

    struct eio_dirty *dirty_first; /* sessions and sockets with output */
    struct eio_dirty *dirty_last;
    struct skio_session *dead;           /* to be freed by leave */
    struct skio__buf scratch;            /* joins payloads */
    struct skio__blob *ping;             /* one for all sessions */
    struct skio__blob *pong;             /* the same; NULL without allow_eio3 */
    struct eio_compression *compression; /* NULL: off */
    struct eio_hooks *hooked;            /* NULL: nothing is hooked in */
    struct eio_forward *forward;         /* NULL: nothing is passed on */
    struct eio_tap *taps;                /* NULL: nobody watches */
    bool is_tapped;                      /* some of them watch packets */
    struct eio_rates *rates;             /* NULL: no rate is limited */
    char detail[128];    /* of the close that is told; "": none */
    struct eio_run run;  /* frames that many are sent */
    struct eio_raw *raw; /* the handlers of skio_engine_handle() */
    skio_counters counters;
    uint64_t limits[EIO_LIMITS]; /* by enum eio_limit */
};

/* path, sizes and lists from options, which must outlive the engine. */
int skio__engine_init(struct eio_engine *engine, skio_server *server,
                      const skio_server_options *options,
                      const skio_allocator *mem, const uint8_t hash_key[16]);
/* Ends every session without a word (upper->close runs), frees everything. */
void skio__engine_deinit(struct eio_engine *engine);

/* The engine of a server: for the public functions of this room. Defined by
 * the server. */
struct eio_engine *skio__server_engine(skio_server *server);

/* The transport's clock; 0 while there is none. */
uint64_t skio__engine_now(const struct eio_engine *engine);

/* Unpredictable bytes: options->random or libsodium. */
void skio__engine_random(const struct eio_engine *engine, void *buf,
                         size_t len);

/*
 * With --enable-debug: stop the program if this is not the loop thread, the one
 * that ran the latest turn. At the gates that everything passes which changes
 * something; else it costs nothing.
 */
#ifdef SKIO_DEBUG
void skio__engine_check_thread(struct eio_engine *engine);
void skio__engine_take_thread(struct eio_engine *engine);
#else
static inline void
skio__engine_check_thread(struct eio_engine *engine)
{
    (void)engine;
}

static inline void
skio__engine_take_thread(struct eio_engine *engine)
{
    (void)engine;
}
#endif

/* Every entry from outside is bracketed; leave frees what died inside. */
static inline void
skio__engine_enter(struct eio_engine *engine)
{
    skio__engine_check_thread(engine);
    engine->depth++;
}

void skio__engine_bury(struct eio_engine *engine);

static inline void
skio__engine_leave(struct eio_engine *engine)
{
    assert(engine->depth > 0);
    if (--engine->depth == 0 && engine->dead != NULL)
        skio__engine_bury(engine);
}

/* The earliest due time of the engine's own timers, or SKIO__NEVER. */
uint64_t skio__engine_next_due(const struct eio_engine *engine);
void skio__engine_timeout(struct eio_engine *engine, uint64_t now_ms);

/* Ask the transport for a turn's end. */
void skio__engine_want_flush(struct eio_engine *engine);
/* Hand out what the dirty list holds: the end of a loop turn. */
void skio__engine_flush(struct eio_engine *engine);

/* Close all sessions with this reason, discarding nothing that is a packet
 * already; refuse new ones. */
void skio__engine_shutdown(struct eio_engine *engine);

/* ---- Sessions, as the upper layer sees them; session.h has more ---- */

bool skio__session_is_open(const struct skio_session *session);
const char *skio__session_id(const struct skio_session *session);
/* "polling" or "websocket". */
const char *skio__session_transport(const struct skio_session *session);

/*
 * Queue one Engine.IO packet, taking a reference of its own: no allocation
 * in the steady state.
 *
 * Returns SKIO_OK; SKIO_ECLOSED unless open; SKIO_ENOBUFS when
 * max_outbound_bytes would be passed: the session is then doomed, it closes as
 * a slow consumer at the end of the turn (never inside this call, so that a
 * broadcast can iterate); SKIO_ENOMEM.
 */
int skio__session_queue(struct skio_session *session, struct skio__blob *blob);

/*
 * Close at the end of the turn, discarding the queue: for whoever finds out
 * in the middle of a broadcast, where no callback may run.
 */
void skio__session_doom(struct skio_session *session,
                        enum skio_disconnect reason);

/*
 * Whether a volatile packet would go out with this turn: over WebSocket unless
 * output is stuck or the high mark is passed, over polling while a poll waits.
 */
bool skio__session_is_writable(const struct skio_session *session);
size_t skio__session_queued(const struct skio_session *session);

/* Whether a close would be final at once: over polling a poll has to wait. */
bool skio__session_closes_at_once(const struct skio_session *session);

/*
 * Close: upper->close runs at once. What is queued still goes out before the
 * Close frame (WebSocket) or the close packet (polling), unless discard.
 */
void skio__session_close(struct skio_session *session,
                         enum skio_disconnect reason, bool discard);

/* The text that upper->message() was just given is not UTF-8: the client is
 * told so, as if the text had not come so far. */
void skio__session_bad_text(struct skio_session *session);

/* Say more of the close that is about to be told. */
void skio__session_detail(struct skio_session *session, const char *format, ...)
    SKIO_PRINTF(2, 3);

/* The upper has accepted the client: it no longer counts as unconnected. */
void skio__session_admit(struct skio_session *session);

/*
 * The first request of the session, kept for the handshake: one block, counted,
 * shared with whoever holds a reference beyond the session.
 */
struct skio_engine_request;
struct skio_engine_request *
skio__session_request(const struct skio_session *session);

#endif /* SKIO_ENGINEIO_ENGINE_H */
