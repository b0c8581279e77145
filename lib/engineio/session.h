/*
 * A session: one client, whatever transport carries it
 *
 *                 open packet queued           close()
 *      OPENING ───────────────────▶ OPEN ──────────────────▶ CLOSING
 *                                    │   polling, something     │
 *                                    │   is left to deliver     │
 *                                    ▼                          ▼
 *                                  CLOSED ◀── told the peer, or 30 s passed
 *
 * The upper layer hears of the close when OPEN ends. A closed session is out
 * of the engine's map at once and freed when the outermost call returns.
 */
#ifndef SKIO_ENGINEIO_SESSION_H
#define SKIO_ENGINEIO_SESSION_H

#include <stdalign.h>

#include "base/id.h"
#include "engineio/address.h"
#include "engineio/dirty.h"
#include "engineio/queue.h"

enum eio_state {
    EIO_STATE_OPENING,
    EIO_STATE_OPEN,
    EIO_STATE_CLOSING,
    EIO_STATE_CLOSED
};

struct eio_upgrade;

struct skio_session {
    struct skio__map_node node; /* in engine->sessions, under id */
    struct eio_dirty dirty;
    struct skio_engine_request *request;
    struct eio_address *address;  /* NULL: the transport named none */
    struct skio__fifo_node timer; /* ping_due, pong_due, or linger_due */
    skio_exchange *poll;          /* a GET that waits */
    skio_exchange *post;          /* a POST that is being read */
    struct eio_upgrade *upgrade;  /* a WebSocket that probes */
    struct skio_session *next_dead;
    void *data;                    /* skio_session_set_data() */
    char own_id[SKIO__ID_LEN + 1]; /* see skio__session_id() */
    bool is_admitted : 1;
    bool awaits_pong : 1;
    bool had_grace : 1;  /* a packet has restarted the pong timer already */
    bool is_pressed : 1; /* upper->pressure was told */
    bool wants_noop : 1; /* release the poll for the upgrade */
    bool is_upgraded : 1;
    bool has_long_id : 1;  /* it stands behind the upper layer's state */
    bool wants_base64 : 1; /* protocol 3: the client takes no binary */
    bool is_counted : 1;   /* in engine->websockets */
    /* From here on is what each packet out needs: two lines of the cache. The
     * first four are compared as one word. */
    alignas(4) uint8_t state; /* enum eio_state */
    uint8_t protocol;
    uint8_t doom; /* enum skio_disconnect: the next flush closes it; 0: no */
    uint8_t window_bits; /* of compressed messages out; 0: none are sent */
    struct eio_engine *engine;
    struct eio_queue queue;
    skio_ws *ws; /* the current transport; NULL: polling */
    /* The upper layer's state; then, with rate limits, struct eio_spent; then
     * a long id. */
    alignas(max_align_t) unsigned char upper[];
};

/* The upper's zeroed state inside the session. */
static inline void *
skio__session_state(struct skio_session *session)
{
    return session->upper;
}

static inline struct eio_engine *
skio__session_engine(const struct skio_session *session)
{
    return session->engine;
}

/* Of Engine.IO: 4, or 3 with allow_eio3. */
static inline int
skio__session_protocol(const struct skio_session *session)
{
    return session->protocol;
}

/*
 * Make a session and enter it in the maps: it is found by its id but nothing
 * is told of it yet. Takes a reference of the request. id: of the host's
 * making; "": make one.
 *
 * Returns SKIO_OK; SKIO_ELIMIT; SKIO_ENOMEM.
 */
int skio__session_new(struct eio_engine *engine,
                      struct skio_engine_request *request, uint8_t protocol,
                      const char *id, struct skio_session **out)
    SKIO_MUST_CHECK;

/* A WebSocket carries it from now on, and no new connection is for it. */
void skio__session_settle(struct skio_session *session, skio_ws *ws);

/* Undo skio__session_new(): the handshake could not be completed. */
void skio__session_abandon(struct skio_session *session);

/* The open packet is on its way: heartbeat starts, the upper layer is told. */
void skio__session_open(struct skio_session *session);

struct skio_session *skio__session_find(const struct eio_engine *engine,
                                        const char *id, size_t len);

/* The limit that another session from this address would pass. */
enum eio_limit skio__session_refused(const struct eio_engine *engine,
                                     const char *address);

/*
 * End a session for good: out of the maps, the upper told unless it was.
 *
 * poll_body  What a waiting poll is answered (a static text).
 * discard    Drop what is queued on a WebSocket before its Close frame.
 */
void skio__session_end(struct skio_session *session,
                       enum skio_disconnect reason, const char *poll_body,
                       bool discard);

/* The peer has said goodbye, and the turn's end will close the session. */
static inline bool
skio__session_is_left(const struct skio_session *session)
{
    return session->doom == SKIO_DISCONNECT_TRANSPORT_CLOSE;
}

/* A packet came in, on whatever transport. The session may be closed after. */
struct eio_packet;
void skio__session_receive(struct skio_session *session,
                           const struct eio_packet *packet);

/* What came in was no packet. */
void skio__session_parse_error(struct skio_session *session);

/* Output was taken: forget the pressure when half of the mark is reached. */
void skio__session_relieve(struct skio_session *session);

/* The end of a turn: answer the poll, close a slow consumer. */
void skio__session_flush(struct skio_session *session);

/* Tell the upper once when what is left passes the high mark. */
void skio__session_press(struct skio_session *session);

/* Free the memory of a closed session. */
void skio__session_free(struct skio_session *session);

#endif /* SKIO_ENGINEIO_SESSION_H */
