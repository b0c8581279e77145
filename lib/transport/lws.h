/*
 * The transport on libwebsockets, from inside
 *
 * One skio__lws per server: the lws context of its own (skio_listen), or its
 * place in a host's vhost (skio_lws_protocol). One skio__conn per connection
 * or request:
 *
 *     own listener   allocated at accept, freed when the connection is closed
 *                    (lws destroys the wsi, if there is one): one for all
 *                    requests of a kept-alive connection
 *     host's vhost   the per-session data that lws keeps for our protocol:
 *                    one per request, gone with the transaction
 *
 * A conn is the `handle` of the core's exchanges and WebSockets. What it is
 * doing is its kind; leaving a kind tells the core exactly once.
 *
 *     IDLE ─▶ BODY ─▶ HELD ─▶ SENDING ─▶ IDLE    (HTTP, kept alive)
 *       └──▶ UPGRADE ─▶ WS ─▶ GONE               (WebSocket)
 *       └──▶ … ─▶ LINGER ─▶ GONE                 (refused amid a body)
 *
 * Only lws*.c includes <libwebsockets.h>.
 */
#ifndef SKIO_TRANSPORT_LWS_H
#define SKIO_TRANSPORT_LWS_H

#include <netinet/in.h>
#include <stdatomic.h>

#include <socketio/http.h>
#include <socketio/transport.h>

#include "base/buf.h"
#include "base/timer.h"
#include "transport/http_date.h"
#include "transport/post.h"
#include "transport/proxies.h"
#include "transport/tally.h"

struct lws;
struct lws_context;
struct lws_vhost;
struct ev_loop;
struct skio__client_cache;
struct skio__direct;
struct skio__endpoints;
struct skio__head;
struct skio__listener;
struct skio__loop;
struct skio__mount;
struct skio__path;
struct skio__resolver;
struct skio__tls;
struct skio__tunnel;

#define SKIO__LWS_NAME "socket.io" /* of the lws protocol */
#define SKIO__LWS_WRITE 20480 /* bytes that lws may have to copy, at most */
#define SKIO__LWS_READ                                                         \
    20480                   /* more than a TLS record: none is left half read */
#define SKIO__LWS_SLICES 64 /* frames joined in one look */
#define SKIO__WRITES_MAX 64 /* in one go; then the others' turn comes */
#define SKIO__LINGER_MS 2000      /* to take the rest of a refused body */
#define SKIO__RETRY_ACCEPT_MS 250 /* after EMFILE */

enum skio__conn_kind {
    CONN_IDLE,    /* between requests */
    CONN_BODY,    /* feeding u.exchange */
    CONN_COLLECT, /* feeding u.http */
    CONN_HELD,    /* u.exchange will answer later */
    CONN_REPLY,   /* u.http will answer later */
    CONN_SENDING, /* the rest of a long response is in out */
    CONN_UPGRADE, /* u.exchange has accepted, lws shakes hands */
    CONN_WS,
    CONN_LINGER, /* answered, to be closed */
    CONN_GONE
};

/* The part of a response that the first write did not carry. */
struct skio__rest {
    size_t len;
    size_t offset;
    char data[];
};

struct skio__conn {
    struct lws *wsi; /* NULL: lws does not know it, see lws_own.h */
    struct skio__fifo_node timer;
    struct in6_addr peer; /* own listener; IPv4 is mapped */
    struct skio__rest *out;
    struct skio__tunnel *tunnel; /* to lws; NULL: there is none */
    size_t frame_left; /* bytes of a started WebSocket frame still to write */
    /* From here on is what each delivery needs, to a WebSocket that lws does
     * not know in struct skio__direct, right behind: see lws_direct.h */
    struct skio__lws *transport;
    union {
        skio_exchange *exchange;
        skio_ws *ws;
        skio_http *http;
    } u;
    struct skio__direct *direct; /* NULL: lws reads it */
    uint32_t fragments;          /* of the message being received */
    uint8_t kind;
    bool is_local : 1; /* came by a unix socket: peer is none */
    bool keep_alive : 1;
    bool head : 1;       /* HEAD: no body goes out */
    bool body_waits : 1; /* more of this request may come */
    bool lws_reads : 1;  /* as lws sees it, a body does */
    bool watched : 1;    /* in the hang-up set, and not read */
    bool rx_off : 1;
    bool peer_closed : 1;   /* its Close frame came */
    bool finished : 1;      /* ours went out */
    bool lost : 1;          /* the TCP connection has ended by itself */
    bool deflates : 1;      /* permessage-deflate is on */
    bool has_extension : 1; /* lws was told that it may try one */
    bool amid_frame : 1;    /* deflates: the last piece did not end its frame;
                               direct: what was written last did not */
    bool stuck : 1;         /* direct: waits for room to write */
    bool fresh : 1;         /* direct: not yet taken from lws */
    bool writing : 1;       /* inside lws' writeable callback */
    bool held : 1;          /* direct: lws could not write all of the 101 */
    bool is_tallied : 1;    /* peer was counted */
    bool head_waits : 1;    /* own: a part of a head was seen, and left there */
    bool is_tunneled : 1;   /* a tunnel is, or was, and is counted instead */
    bool is_accepted : 1;   /* direct lies behind: struct skio__accepted */
    unsigned leftover : 2;  /* enum skio__leftover, after the last request */
};

/* Whether lws has bytes in store that came with an earlier request. */
enum skio__leftover { LEFTOVER_NONE, LEFTOVER_SOME, LEFTOVER_UNKNOWN };

/* How the request that a callback is about has ended inside it. */
enum skio__outcome { OUTCOME_NONE, OUTCOME_KEEP, OUTCOME_CLOSE };

struct skio__lws {
    skio_server *server;
    const skio_server_options *options;
    const skio_allocator *mem;
    struct lws_context *context;
    struct lws_vhost *vhost;
    bool own;       /* our context, not a host's */
    bool embedded;  /* skio_lws_protocol() was called */
    bool attached;  /* between PROTOCOL_INIT and PROTOCOL_DESTROY */
    bool has_flush; /* the host calls skio_lws_flush() */
    bool flush_wanted;
    bool timer_wanted;
    bool wake_wanted;  /* the eventfd was written for this turn */
    bool inside_frame; /* the last piece read was not the end of its frame */
    bool stopping;
    bool stopped;
    unsigned fed;   /* events, since the loop looked for others */
    unsigned calls; /* of the application's functions, from here, that run */
    atomic_bool stop_asked;

    /* Descriptors that lws watches for us; it closes them. */
    int wake_fd;  /* eventfd: posts, stop, a flush without a prepare hook */
    int timer_fd; /* timerfd: everything that has a time */
    int watch_fd; /* epoll: the peer of a held request goes, a long
                     response can go on */
    struct lws *wake_wsi;
    struct lws *timer_wsi;
    struct lws *watch_wsi;
    uint64_t armed_ms; /* when timer_fd fires, or SKIO__NEVER */
    uint64_t tick_ms;  /* lws' own timers want to be looked at */

    char name[64];        /* of the lws protocol: see skio__upgrade_name() */
    const char *protocol; /* the vhost's own name for it */
    const char *headers;  /* of the upgrade that lws is about to accept */
    const struct lws *headers_of; /* its connection; NULL: none */
    struct skio__conn *current;   /* whose callback runs */
    enum skio__outcome outcome;
    size_t conns; /* open ones */

    struct skio__fifo header_due;
    struct skio__fifo body_due;
    struct skio__fifo idle_due;
    struct skio__fifo close_due; /* WebSockets that wait for the peer's Close */
    struct skio__fifo linger_due;
    struct skio__fifo preface_due;
    struct skio__fifo tunnel_due;
    struct skio__fifo kill_due; /* no delay: closed at the end of the turn */
    struct skio__fifo done_due; /* likewise: requests that were answered */

    struct skio__buf head;  /* the request being read: its parts in one block */
    struct skio__date date; /* of responses */
    struct skio__post post;
    struct skio__loop *loop;          /* own context: libev */
    struct skio__listener *listeners; /* the newest first */
    uint64_t retry_ms; /* accepting is paused until then; 0: it is not */
    struct skio__proxies proxies;
    struct skio__tally tally; /* of the own listeners' connections */
    struct skio__tls *tls;    /* NULL: none */
    void *ssl_ctx;            /* of the own vhost; NULL: it has none */
    struct skio__tunnel *tunnels;
    int preface_fd; /* epoll: proxies whose preface is due; lws closes it */
    struct lws *preface_wsi;
    int loop_fd; /* epoll: what adapters watch; -1: nothing yet. lws has a copy
                    of the descriptor, so that it outlives a vhost. */
    struct lws *loop_wsi;
    struct skio__resolver *resolver; /* NULL: no name was asked for yet */
    struct skio__endpoints *endpoints;
    struct skio__mount *mounts;
    struct skio__client_cache *client_cache; /* NULL: not needed yet */
    struct skio__path *paths; /* mounts of the own vhost; the shortest first */
    uint16_t port;
    uint64_t stop_ms;       /* when a stopping server gives up waiting */
    unsigned char *scratch; /* LWS_PRE + SKIO__LWS_WRITE */

    /* lws_direct.c */
    struct ev_loop *direct_loop; /* NULL: lws reads and writes WebSockets */
    struct skio__direct *fresh;  /* to be taken from lws with the turn's end */
    struct skio__direct *owned;  /* those that lws does not know */
    unsigned char *inbox;        /* what was read; NULL: not needed yet */
};

/* ---- lws_transport.c ---- */

/* The server's transport, made and attached on first use. NULL: no memory. */
struct skio__lws *skio__lws_get(skio_server *server);
/* Make the descriptors that lws does not have, or has closed with a vhost.
 * Returns SKIO_OK or SKIO_ENOMEM. */
int skio__lws_open_files(struct skio__lws *transport);
/* Know the trusted proxies. Returns SKIO_OK, SKIO_EINVAL, SKIO_ENOMEM. */
int skio__lws_read_proxies(struct skio__lws *transport);
uint64_t skio__lws_now(void *transport);
/* Everything that waits for the end of a loop turn. */
void skio__lws_turn_end(struct skio__lws *transport);
/* lws' timers fire late on an idle loop: make sure it wakes by then. */
void skio__lws_tick(struct skio__lws *transport, uint32_t delay_ms);
/* RAW_RX_FILE of the timerfd and of the eventfd. */
void skio__lws_on_timer(struct skio__lws *transport);
void skio__lws_on_wake(struct skio__lws *transport);
/* Ask for a turn end soon. */
void skio__lws_wake(struct skio__lws *transport);

/* ---- lws.c ---- */

/* A request that was read; and its body, if it has one. */
void skio__request_begin(struct skio__conn *conn, struct skio__head *head);
void skio__request_body(struct skio__conn *conn, const void *data, size_t len);
/* Non-zero: close. */
int skio__request_end(struct skio__conn *conn);

/* Have lws watch a descriptor of ours, which it closes. NULL: it failed. */
struct lws *skio__lws_adopt(struct skio__lws *transport, int fd);

/* ---- lws_watch.c ---- */

/* The core's watch() and resolve() hooks. */
int skio__lws_watch(void *transport, int fd, unsigned events,
                    skio_watch *watch);
int skio__lws_resolve(void *transport, const char *host, uint16_t port,
                      skio_resolve *resolve);
/* Have lws watch the set, if there is one. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__lws_watch_attach(struct skio__lws *transport);
/* RAW_RX_FILE of the set. */
void skio__lws_watched(struct skio__lws *transport);
void skio__lws_watch_free(struct skio__lws *transport);

/* ---- lws_conn.c ---- */

/* The conn of a callback, set up on first sight; NULL: out of memory. */
void skio__conn_init(struct skio__conn *conn, struct skio__lws *transport,
                     struct lws *wsi);
/* The result of a callback in which the request ended. */
int skio__conn_settle(struct skio__conn *conn, enum skio__outcome outcome);
/* The peer or lws ends it: tell whom it concerns. */
void skio__conn_detach(struct skio__conn *conn, bool clean);
/* End it at the end of this turn. Callable from the core's hooks. */
void skio__conn_kill(struct skio__conn *conn);
/* End it now: outside of its own callbacks and of the core's hooks. */
void skio__conn_kill_now(struct skio__conn *conn);
void skio__conn_wait(struct skio__conn *conn, struct skio__fifo *fifo);
/* A request is over: take the next one, or close. */
void skio__conn_done(struct skio__conn *conn, bool close);
/* Close it, or if more of a body comes, soon. */
void skio__conn_end(struct skio__conn *conn);
int skio__conn_fd(const struct skio__conn *conn);
/* Write what there is room for, to one that lws does not know. Returns how
 * much; < 0: it is lost. */
ptrdiff_t skio__conn_send(struct skio__conn *conn, const void *data,
                          size_t len);
/* Of that, bytes that TLS has taken and the socket has not. */
size_t skio__conn_kept(const struct skio__conn *conn);
/* Whether some of what was written is still held back. */
bool skio__conn_is_partial(const struct skio__conn *conn);
/* lws_http_transaction_completed(), and what it left. Non-zero: close. */
int skio__conn_complete(struct skio__conn *conn);
/* Those whose turn it is: before lws goes on with what it has in store. */
void skio__conn_complete_all(struct skio__lws *transport);
/* Stop reading and watch for hang-up, for a request that waits. */
int skio__conn_hold(struct skio__conn *conn);
/* Stop reading and watch for room to write. */
int skio__conn_await_room(struct skio__conn *conn);
void skio__conn_unhold(struct skio__conn *conn);
/* RAW_RX_FILE of the set of watched connections. */
void skio__conn_watched(struct skio__lws *transport);

/* ---- lws_request.c ---- */

struct skio__head {
    skio_request request;
    int refuse; /* 0, or the status to refuse the request with */
    bool keep_alive;
    bool expects;    /* "Expect: 100-continue" */
    bool body_waits; /* lws will deliver, or wait for, a body */
    char address[64];
};

/* Read what lws parsed; start: see lws_headers.h. Returns SKIO_OK or
 * SKIO_ENOMEM. */
int skio__request_read(struct skio__lws *transport, struct skio__conn *conn,
                       struct lws *wsi, const char *start,
                       struct skio__head *head);
/* Say for whom a request came: needs its headers. */
void skio__request_peer(struct skio__lws *transport,
                        const struct skio__conn *conn, struct lws *wsi,
                        struct skio__head *head);
/* A header of a request that was read, by lower-case name, or NULL. */
const char *skio__request_find(const skio_request *request, const char *name);
/* Whether the framing headers of a request are ones that lws 4.1 misreads. */
bool skio__request_is_unsafe(struct lws *wsi);
/* Whether lws waits for a body after these headers. */
bool skio__request_has_body(struct lws *wsi);
/* Whether a request announces a body that lws would read from the wrong place:
 * see the definition. */
bool skio__request_is_misread(struct lws *wsi, enum skio__leftover leftover);

/* ---- lws_respond.c ---- */

/* The core's respond() hook. */
void skio__conn_respond(void *conn, const skio_response *response);
/* An error of ours, as JSON. extra: one more header, or NULL. */
void skio__conn_refuse(struct skio__conn *conn, int status,
                       const skio_header *extra);
/* More of a long response, outside of the connection's callbacks. Non-zero: it
 * failed. */
int skio__conn_continue(struct skio__conn *conn);

/* ---- lws_websocket.c ---- */

/* LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: what lws would do worse. Non-zero: drop */
int skio__upgrade_confirm(struct lws *wsi);
/* Be called what the client asks for, until the handshake's answer is written.
 * Non-zero: drop. */
int skio__upgrade_name(struct skio__lws *transport, struct lws *wsi);
void skio__upgrade_unname(struct skio__lws *transport);
/* Answer 400 without a conn; returns -1, which closes. */
int skio__upgrade_drop(struct lws *wsi, const char *reason);
void skio__upgrade_filter(struct skio__conn *conn, struct skio__head *head);
/* Add the core's headers to the 101 response; args is lws' own. */
int skio__upgrade_headers(struct skio__conn *conn, void *args);
int skio__ws_established(struct skio__conn *conn);
/* The core's ws_flush() hook. */
void skio__ws_flush(void *conn);

/* ---- lws_frames.c ---- */

int skio__ws_receive(struct skio__conn *conn, const void *data, size_t len);
int skio__ws_peer_close(struct skio__conn *conn);
/* Write what waits. Non-zero: the connection failed. */
int skio__ws_write(struct skio__conn *conn);

/* ---- lws_accept.c ---- */

/* RAW_RX_FILE of a listening socket; false: not one. */
bool skio__loop_accept(struct skio__lws *transport, struct lws *wsi);

/* ---- lws_listen.c: the own context ---- */

void skio__loop_free(struct skio__lws *transport);
/* Whether skio_run() goes on. */
bool skio__loop_is_running(const struct skio__lws *transport);
/* Whether somebody else's loop runs, and its turn of this one has not come. */
bool skio__loop_sleeps(const struct skio__lws *transport);
/* Look after accepting and stopping; at the end of a turn. */
void skio__loop_turn(struct skio__lws *transport);
/* When skio__loop_turn() is due without an event, or SKIO__NEVER. */
uint64_t skio__loop_next_due(const struct skio__lws *transport);

/* ---- lws_path.c ---- */

/* A path of ours, after listening; before, nothing. */
int skio__path_add(struct skio__lws *transport, const char *path);

#endif /* SKIO_TRANSPORT_LWS_H */
