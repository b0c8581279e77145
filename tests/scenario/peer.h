/*
 * A scripted peer: a server on the core alone, with a transport made of
 * records and a clock moved by hand
 *
 *      static void
 *      a_message_is_echoed(struct peer *peer)
 *      {
 *          struct peer_ws *ws = peer_ws(peer, "EIO=4&transport=websocket");
 *
 *          peer_expect_prefix(ws, "0{");
 *          peer_say(ws, "4hello");
 *          peer_expect(ws, "4hello");
 *      }
 *
 * A script runs many times: as it stands; with every input (WebSocket message,
 * POST body) cut in two at byte 0, 1, 2 …; with every input byte by byte; with
 * output written a few bytes at a time; and, with peer_run_oom(), with the
 * first, second, … allocation failing, once and from then on. After each run
 * the server is freed and nothing may be left. When allocations fail a script's
 * expectations do not count: the first that is not met ends the run, and then
 * the next client comes, with memory enough, and must be served.
 *
 * Each action is a loop turn of its own: the server is flushed after it,
 * unless peer->holds_turn is set.
 */
#ifndef TESTS_SCENARIO_PEER_H
#define TESTS_SCENARIO_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <socketio/engine.h>
#include <socketio/server.h>
#include <socketio/transport.h>

#include "unit/alloc.h"

struct peer;

/* A growing text with a NUL. Never NULL after an append. */
struct peer_text {
    char *data;
    size_t len;
    size_t cap;
};

/* An HTTP request and what became of it. */
struct peer_http {
    struct peer *peer;
    struct peer_http *next;
    skio_exchange *exchange;
    int state;  /* enum skio_exchange_state of skio_exchange_new() */
    int status; /* 0: not answered yet */
    bool close;
    struct peer_text type;    /* content type; no data: none */
    struct peer_text headers; /* "Name: value\n", as they were given */
    struct peer_text body;
};

/* A WebSocket connection. */
struct peer_ws {
    struct peer *peer;
    struct peer_ws *next;
    skio_ws *ws;            /* NULL: closed by the peer, or never open */
    struct peer_http *http; /* the request; its status when refused */
    struct peer_text in;    /* bytes that the server wrote */
    size_t read;            /* of these were looked at */
    bool is_blocked;        /* the socket takes nothing */
    bool has_output;        /* ws_flush() was called meanwhile */
    bool breaks;            /* the next write finds the connection gone */
    bool inflates;          /* its offer of compression was accepted */
    bool was_compressed;    /* the last frame that was read */
};

/* How the input of one run is treated. */
enum peer_mode {
    PEER_WHOLE,
    PEER_CUT,     /* in two, at peer->cut */
    PEER_BYTES,   /* byte by byte */
    PEER_DRIBBLE, /* whole, but output is written in small pieces */
    PEER_IDLE,    /* no script, but the next client */
    PEER_FURTHER, /* whole, and the next client */
    PEER_OOM,     /* whole, and the allocation number peer->cut fails */
    PEER_OOM_ALL  /* and all that follow it */
};

struct peer {
    skio_server *server;
    skio_server *another; /* made by peer_another(); NULL: none */
    skio_server_options options;
    struct test_alloc alloc;
    uint64_t now;
    uint64_t wall; /* milliseconds since 1970 */
    bool wants_flush;
    bool holds_turn;
    unsigned flushes_asked; /* calls of wants_flush() */
    unsigned timers_asked;  /* calls of wants_timer() */
    uint8_t random;
    const char *address; /* of requests from now on; NULL: 192.0.2.1 */

    enum peer_mode mode;
    size_t cut;
    size_t longest; /* input of the script */
    jmp_buf out_of_memory;
    bool probes; /* the next client: expectations only end it */

    struct peer_http *https;
    struct peer_ws *wss;

    /* Engine.IO alone (peer_engine): what the handlers saw, a line each:
     * "open", "message <text>", "binary <hex>", "close <reason>". */
    struct peer_text events;
    size_t events_read;
    skio_session *session; /* the last that opened; NULL once it closed */
    bool echoes;           /* send each message back */
    void (*on_open)(struct peer *peer, skio_session *session);
    void (*on_message)(struct peer *peer, skio_session *session,
                       const char *data, size_t len);
    void (*on_close)(struct peer *peer, skio_session *session);
    void *data; /* the script's own, set in its setup */
    /* Give back what the script may hold; runs before the server is freed,
     * also after a script that failing allocations ended. */
    void (*cleanup)(struct peer *peer);
};

/* A script with what goes before it; options and setup may be NULL. */
struct peer_plan {
    void (*options)(skio_server_options *options);
    void (*setup)(struct peer *peer); /* handlers, before the first request */
    void (*script)(struct peer *peer);
};

/* Run as the top of this file tells, except for failing allocations. */
void peer_run(const struct peer_plan *plan);
/* With the first, second, … allocation failing, once and from then on; after
 * each of these the next client must be served as if nothing had failed. */
void peer_run_oom(const struct peer_plan *plan);
/* As it stands only. */
void peer_run_once(const struct peer_plan *plan);

/* What peer_run_oom() did in this program. */
struct peer_tortured {
    size_t scenarios;
    size_t served;      /* those whose next client gets all: session, socket,
                         * event */
    size_t allocations; /* that failed, each once and from there on */
};
struct peer_tortured peer_tortured(void);

/*
 * Make a second server with the same options, peer->another; requests go to
 * peer->server. peer_switch() exchanges the two. Turns and time are of both.
 */
void peer_another(struct peer *peer);
void peer_switch(struct peer *peer);

/* A setup: no Socket.IO, events are recorded. peer_echo also echoes. */
void peer_engine(struct peer *peer);
void peer_echo(struct peer *peer);

/* ---- Time and turns ---- */

void peer_flush(struct peer *peer);
/* Move the clock; timers run when they are due, each with its turn's end. */
void peer_wait(struct peer *peer, uint64_t ms);

/* ---- HTTP ---- */

/* headers: "name: value\n" lines, NULL for none; names in lower case. */
struct peer_http *peer_request(struct peer *peer, const char *method,
                               const char *query, const char *headers);
struct peer_http *peer_get(struct peer *peer, const char *query);
/* Begin a POST that announces so many bytes (-1: none); go on with the others.
 */
struct peer_http *peer_post_begin(struct peer *peer, const char *query,
                                  const char *headers, int64_t content_length);
void peer_post_body(struct peer_http *http, const void *data, size_t len);
void peer_post_end(struct peer_http *http);
/* All three. */
struct peer_http *peer_post(struct peer *peer, const char *query,
                            const char *body);
struct peer_http *peer_post_bytes(struct peer *peer, const char *query,
                                  const char *headers, const void *body,
                                  size_t len);
void peer_abort(struct peer_http *http);

/* The response's header of this name (any case), or NULL. Valid until the
 * next call. */
const char *peer_header(struct peer_http *http, const char *name);

/* Open a session by polling and give its query: "EIO=4&transport=polling&sid=…"
 * Valid until the next call. */
const char *peer_polling(struct peer *peer);
/* The sid of an open packet. Valid until the next call. */
const char *peer_sid(const char *open_packet);

/* ---- WebSocket ---- */

/* An upgrade with any method; for requests that are refused. */
struct peer_http *peer_upgrade(struct peer *peer, const char *method,
                               const char *query, const char *headers);
/* Ask for an upgrade, and later send the 101 if it was accepted. */
struct peer_ws *peer_ws_begin(struct peer *peer, const char *query,
                              const char *headers);
void peer_ws_finish(struct peer_ws *ws);
/* Both; ws->ws is NULL when it was refused. */
struct peer_ws *peer_ws_request(struct peer *peer, const char *query,
                                const char *headers);
/* The same, expected to succeed. */
struct peer_ws *peer_ws(struct peer *peer, const char *query);
/* Open a session; the open packet is taken. */
struct peer_ws *peer_websocket(struct peer *peer);
/* A WebSocket for the session of this query (as from peer_polling). */
struct peer_ws *peer_probe(struct peer *peer, const char *polling_query);
void peer_say(struct peer_ws *ws, const char *text);
void peer_say_bytes(struct peer_ws *ws, const void *data, size_t len,
                    bool binary);
/* One piece, exactly as given. */
void peer_say_piece(struct peer_ws *ws, const void *data, size_t len,
                    bool binary, bool first, bool final);
/* The connection ends. */
void peer_hang_up(struct peer_ws *ws, bool clean);
/* The socket takes bytes again. */
void peer_unblock(struct peer_ws *ws);

/* The next frame the server wrote: false if there is none. */
bool peer_frame(struct peer_ws *ws, unsigned *opcode, const char **data,
                size_t *len);

/* ---- Expectations ---- */

#define peer_expect(ws, text) peer_expect_at((ws), (text), __FILE__, __LINE__)
#define peer_expect_prefix(ws, text)                                           \
    peer_expect_prefix_at((ws), (text), __FILE__, __LINE__)
#define peer_expect_bytes(ws, data, len)                                       \
    peer_expect_bytes_at((ws), (data), (len), __FILE__, __LINE__)
#define peer_expect_nothing(ws) peer_expect_nothing_at((ws), __FILE__, __LINE__)
/* A Close frame and nothing after it; 1005: without a status. */
#define peer_expect_close(ws, status)                                          \
    peer_expect_close_at((ws), (status), __FILE__, __LINE__)
/* Answered with exactly this; body NULL: any. */
#define peer_expect_http(http, status, body)                                   \
    peer_expect_http_at((http), (status), (body), __FILE__, __LINE__)
#define peer_expect_held(http) peer_expect_held_at((http), __FILE__, __LINE__)
/* The next of the events; NULL: there is none. */
#define peer_expect_event(peer, event)                                         \
    peer_expect_event_at((peer), (event), __FILE__, __LINE__)
#define peer_check(peer, condition)                                            \
    do {                                                                       \
        if (!(condition))                                                      \
            peer_fail_at((peer), #condition, __FILE__, __LINE__);              \
    } while (0)
/* value NULL: the header is absent. */
#define peer_expect_header(http, name, value)                                  \
    peer_expect_header_at((http), (name), (value), __FILE__, __LINE__)

void peer_expect_at(struct peer_ws *ws, const char *text, const char *file,
                    int line);
void peer_expect_prefix_at(struct peer_ws *ws, const char *text,
                           const char *file, int line);
void peer_expect_bytes_at(struct peer_ws *ws, const void *data, size_t len,
                          const char *file, int line);
void peer_expect_nothing_at(struct peer_ws *ws, const char *file, int line);
void peer_expect_close_at(struct peer_ws *ws, unsigned status, const char *file,
                          int line);
void peer_expect_http_at(struct peer_http *http, int status, const char *body,
                         const char *file, int line);
void peer_expect_held_at(struct peer_http *http, const char *file, int line);
void peer_expect_event_at(struct peer *peer, const char *event,
                          const char *file, int line);
void peer_expect_header_at(struct peer_http *http, const char *name,
                           const char *value, const char *file, int line);
_Noreturn void peer_fail_at(struct peer *peer, const char *text,
                            const char *file, int line);

/* Append a line to the events, as the handlers do. */
void peer_note(struct peer *peer, const char *format, ...) SKIO_PRINTF(2, 3);

/*
 * A test of a plan: SCENARIO(name, options, setup) stands before the script's
 * body and defines the cmocka test `name`. It runs in every way, failing
 * allocations included.
 */
#define SCENARIO(name, options_fn, setup_fn)                                   \
    static void name##_script(struct peer *peer);                              \
    static const struct peer_plan name##_plan = {options_fn, setup_fn,         \
                                                 name##_script};               \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        peer_run(&name##_plan);                                                \
        peer_run_oom(&name##_plan);                                            \
    }                                                                          \
    static void name##_script(struct peer *peer)

#endif /* TESTS_SCENARIO_PEER_H */
