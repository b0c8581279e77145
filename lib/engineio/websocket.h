/*
 * WebSocket connections: messages in pieces come in, frames go out
 *
 * A ws belongs to its transport from skio_ws_open() to skio_ws_closed() and
 * outlives its session: after the session's end it still has frames to write,
 * the Close frame last.
 *
 *      session->ws == ws              carries the session
 *      session->upgrade->ws == ws     probes
 *      session == NULL                closing
 */
#ifndef SKIO_ENGINEIO_WEBSOCKET_H
#define SKIO_ENGINEIO_WEBSOCKET_H

#include "engineio/session.h"

#define EIO_WS_CLOSE_MAX 4

/* Status codes of a Close frame, RFC 6455 7.4 */
enum eio_ws_status {
    EIO_WS_NO_STATUS = 0, /* the frame is empty, as Node's */
    EIO_WS_PROTOCOL_ERROR = 1002,
    EIO_WS_BAD_DATA = 1007, /* no UTF-8, or not what was compressed */
    EIO_WS_POLICY = 1008,
    EIO_WS_TOO_BIG = 1009,
    EIO_WS_TRY_AGAIN = 1013
};

/* A message that comes in pieces; exists while it does. */
struct eio_inbox {
    struct skio__buf bytes;
    size_t pieces;
    bool binary;
    bool compressed; /* these bytes are */
};

struct skio_ws {
    struct eio_dirty dirty;
    struct eio_engine *engine;
    void *handle;
    struct skio_session *session;
    uint8_t probe_replies; /* `3probe` frames to write */
    uint8_t probe_written; /* bytes of the first of them */
    uint8_t close_len;     /* 0: no Close frame yet */
    uint8_t close_written;
    unsigned char close[EIO_WS_CLOSE_MAX];
    uint8_t window_bits; /* permessage-deflate is on; 0: it is not */
    bool is_stuck : 1;   /* the last flush could not write everything */
    bool is_held : 1;    /* in ws_flush(): do not free yet */
    bool is_gone : 1;
    bool has_rsv1 : 1;     /* the frame whose piece comes next */
    bool wants_base64 : 1; /* protocol 3: the peer takes no binary frames */
    bool is_judged : 1;
    /* A delivery needs what stands above, and nothing of this. */
    struct eio_queue rest; /* what a closed session left */
    union {
        struct eio_inbox *inbox;
        skio_exchange *held; /* is_judged: waits for a verdict, no session */
    };
};

skio_ws *skio__ws_new(struct eio_engine *engine, void *handle);
void skio__ws_free(skio_ws *ws);

/* Queue a Close frame; what was queued goes first. Once. */
void skio__ws_close(skio_ws *ws, enum eio_ws_status status);

/* A refusal after the 101: a text message (NULL: none), then a Close frame. */
void skio__ws_refuse(skio_ws *ws, const char *json, enum eio_ws_status status);

/* The session has ended: take over its queue, then close. */
void skio__ws_detach(skio_ws *ws, struct skio_session *session, bool discard,
                     enum eio_ws_status status);

/* The peer sent a text that is none. */
void skio__ws_bad_text(skio_ws *ws);

/* Queue a `3probe`. False when too many wait already. */
bool skio__ws_answer_probe(skio_ws *ws);

/* The end of a turn. */
void skio__ws_hand_out(skio_ws *ws);

#endif /* SKIO_ENGINEIO_WEBSOCKET_H */
