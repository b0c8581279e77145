/*
 * The calls of <socketio/transport.h>, loop.h and forward.h: of a program with
 * a transport of its own, which goes on with other connections from inside
 */
#include "scenario/reentry.h"

#include <string.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"

static uint64_t
no_clock(void *transport)
{
    (void)transport;
    return 0;
}

static void
no_word(void *transport)
{
    (void)transport;
}

static void
no_answer(void *handle, const skio_response *response)
{
    (void)handle;
    (void)response;
}

static void
attach(struct reentry *r)
{
    const skio_transport hooks = {
        .struct_size = sizeof hooks,
        .now_ms = no_clock,
        .wants_flush = no_word,
        .wants_timer = no_word,
        .respond = no_answer,
        .ws_flush = no_word,
    };

    if (skio_transport_attach(r->server, &hooks, r) != SKIO_EBUSY)
        r->odd++;
}

static void make_json(struct reentry *r, const char *format, ...)
    SKIO_PRINTF(2, 3);

static void
make_json(struct reentry *r, const char *format, ...)
{
    skio_bytes out;
    va_list args;
    int err;

    va_start(args, format);
    err = skio_transport_json(r->server, &out, format, args);
    va_end(args);
    reentry_result(r, err);
    if (err == SKIO_OK)
        skio_transport_free(r->server, (void *)(uintptr_t)out.data);
}

static void
make_value(struct reentry *r)
{
    skio_value *value = skio_value_new(r->server, "[1]", 3);

    reentry_text(r, skio_get_json(value, ""));
    skio_value_free(value);
}

/* A client of long-polling, from its first request to its end. */
static void
poll_once(struct reentry *r)
{
    const struct peer_http *opened = peer_get(r->peer, POLLING);
    struct peer_http *posted;
    char query[128];

    if (opened->status != 200)
        return; /* it serves no more, or is asked first */
    snprintf(query, sizeof query, POLLING "&sid=%s",
             peer_sid(opened->body.data));
    posted = peer_post_begin(r->peer, query, NULL, 2);
    if (posted->exchange != NULL)
        peer_post_body(posted, "40", 2);
    if (posted->exchange != NULL)
        peer_post_end(posted);
    posted = peer_post_begin(r->peer, query, NULL, 2);
    if (posted->exchange != NULL)
        peer_abort(posted);
}

static void
open_websocket(struct reentry *r)
{
    struct peer_ws *ws = peer_ws_request(r->peer, WEBSOCKET, NULL);

    peer_say(ws, "40");
    if (ws->ws != NULL)
        peer_say(ws, "42[\"e\",1]");
    if (ws->ws != NULL)
        peer_hang_up(ws, true);
}

static void
accept_deflate(struct reentry *r)
{
    struct peer_ws *ws = peer_ws_begin(r->peer, WEBSOCKET, NULL);
    const skio_header *headers = NULL;
    skio_exchange *exchange = ws->http->exchange;

    if (exchange == NULL)
        return;
    (void)skio_exchange_accept_deflate(exchange);
    (void)skio_exchange_headers(exchange, &headers);
    peer_ws_finish(ws);
}

static void
write_bystander(struct reentry *r)
{
    skio_bytes slices[2];

    if (skio_ws_peek(r->ws->ws, slices, 2) > 0)
        skio_ws_consume(r->ws->ws, 1);
    (void)skio_ws_is_finished(r->ws->ws);
}

/* Its frames are looked at no more: it ends as a transport may end it. */
static void
end_bystander(struct reentry *r)
{
    skio_ws *ws = r->ws->ws;

    r->ws->ws = NULL;
    skio_ws_closed(ws, false);
}

static void
on_due(void *user)
{
    (void)user;
}

static void
on_ready(skio_server *server, void *user)
{
    (void)server;
    (void)user;
}

static void
on_readable(unsigned ready, void *user)
{
    (void)ready;
    (void)user;
}

static void
on_resolved(int err, const skio_address *addresses, size_t count, void *user)
{
    (void)addresses;
    (void)count;
    reentry_result(user, err);
}

static void
use_timer(struct reentry *r)
{
    skio_timer *timer = skio_timer_new(r->server, on_due, r);

    reentry_result(r, skio_timer_set(timer, 0));
    if (!skio_timer_is_set(timer))
        r->odd++;
    skio_timer_stop(timer);
    skio_timer_free(timer);
}

/* This transport can do neither: see tests/transport/test_reentry.c. */
static void
watch(struct reentry *r)
{
    skio_watch *out = NULL;
    skio_resolve *resolve = NULL;

    if (skio_watch_new(r->server, 0, 0, on_readable, r, &out) != SKIO_ENOTSUP)
        r->odd++;
    if (skio_resolve_new(r->server, "localhost", 1, on_resolved, r, &resolve) !=
        SKIO_ENOTSUP)
        r->odd++;
    skio_watch_free(NULL);
    skio_resolve_cancel(NULL);
}

static void
take_request(struct reentry *r)
{
    skio_request request = {
        .method = "GET",
        .path = "/socket.io/",
        .query = POLLING "&sid=01234567890123456789nearNEAR",
        .headers = "",
        .address = "192.0.2.1",
        .content_length = -1,
    };
    skio_exchange *out = NULL;

    reentry_result(r, skio_forward_take(r->server, &request, NULL, 0, r, &out));
    if (out != NULL)
        skio_exchange_abort(out);
}

static int
no_ask(skio_exchange *exchange, const char *tag, const skio_request *request,
       const void *body, size_t len, void **name, void *user)
{
    (void)exchange;
    (void)tag;
    (void)request;
    (void)body;
    (void)len;
    (void)name;
    (void)user;
    return SKIO_ECLOSED;
}

static void
no_abandon(skio_exchange *exchange, void *name, void *user)
{
    (void)exchange;
    (void)name;
    (void)user;
}

static void
attach_forwarder(struct reentry *r)
{
    const skio_forwarder forwarder = {
        .struct_size = sizeof forwarder,
        .tag = "moreMORE",
        .max_requests = 1,
        .max_bytes = 10,
        .ask = no_ask,
        .abandon = no_abandon,
        .respond = no_answer,
    };

    reentry_result(r, skio_forward_attach(r->server, &forwarder, r));
}

static void
answer_forwarded(struct reentry *r)
{
    const skio_response response = {.status = 200};
    skio_exchange *exchange = r->forwarded;

    r->forwarded = NULL;
    skio_forward_answer(exchange, &response);
}

static void
unknown_forwarded(struct reentry *r)
{
    skio_exchange *exchange = r->forwarded;

    r->forwarded = NULL;
    skio_forward_unknown(exchange);
}

/* clang-format off */
#define LOOK(X, name, ...) X(name, NOTHING, true, false, __VA_ARGS__)
#define DO(X, name, ...) X(name, NOTHING, false, false, __VA_ARGS__)
#define WS(X, name, ...) DO(X, name, REENTRY_USE(r->ws->ws, __VA_ARGS__))
#define CALLS(X)                                                               \
    LOOK(X, skio_transport_of, (void)skio_transport_of(r->server))             \
    LOOK(X, skio_transport_options, (void)skio_transport_options(r->server))   \
    LOOK(X, skio_transport_owns, (void)skio_transport_owns(r->server, "/x"))   \
    LOOK(X, skio_transport_next_timeout, (void)skio_transport_next_timeout(r->server)) \
    LOOK(X, skio_transport_expects, reentry_result(r, skio_transport_expects(r->server))) \
    LOOK(X, skio_transport_patience, (void)skio_transport_patience(r->server)) \
    LOOK(X, skio_transport_limit_hit, skio_transport_limit_hit(r->server, SKIO_TRANSPORT_LIMIT))     \
    LOOK(X, skio_transport_log, skio_transport_log(r->server, SKIO_LOG_INFO, "%s", "a line")) \
    LOOK(X, skio_transport_json, make_json(r, "[%d]", 1))                      \
    LOOK(X, skio_transport_alloc, skio_transport_free(r->server, skio_transport_alloc(r->server, 9))) \
    LOOK(X, skio_transport_free, skio_transport_free(r->server, NULL))         \
    LOOK(X, skio_value_new, make_value(r))                                     \
    LOOK(X, skio_value_free, make_value(r))                                    \
    DO(X, skio_transport_attach, attach(r))                                    \
    DO(X, skio_transport_flush, peer_flush(r->peer))                           \
    DO(X, skio_transport_timeout, skio_transport_timeout(r->server))           \
    X(skio_transport_shutdown, NOTHING, false, true, skio_transport_shutdown(r->server)) \
    DO(X, skio_exchange_new, poll_once(r))                                     \
    DO(X, skio_exchange_body, poll_once(r))                                    \
    DO(X, skio_exchange_end, poll_once(r))                                     \
    DO(X, skio_exchange_abort, poll_once(r))                                   \
    DO(X, skio_exchange_accept_deflate, accept_deflate(r))                     \
    DO(X, skio_exchange_headers, accept_deflate(r))                            \
    DO(X, skio_ws_open, open_websocket(r))                                     \
    WS(X, skio_ws_receive, peer_say(r->ws, "42[\"e\",1]"))                     \
    WS(X, skio_ws_compressed, skio_ws_compressed(r->ws->ws))                   \
    WS(X, skio_ws_fail, skio_ws_fail(r->ws->ws, 1002, "bad"))                  \
    WS(X, skio_ws_peek, write_bystander(r))                                    \
    WS(X, skio_ws_consume, write_bystander(r))                                 \
    WS(X, skio_ws_is_finished, write_bystander(r))                             \
    WS(X, skio_ws_closed, end_bystander(r))                                    \
    LOOK(X, skio_loop_now, (void)skio_loop_now(r->server))                     \
    DO(X, skio_loop_ready, reentry_result(r, skio_loop_ready(r->server, on_ready, r))) \
    DO(X, skio_loop_forget, skio_loop_forget(r->server, r))                    \
    DO(X, skio_timer_new, use_timer(r))                                        \
    DO(X, skio_timer_set, reentry_result(r, skio_timer_set(r->timer, 1)))      \
    DO(X, skio_timer_stop, skio_timer_stop(r->timer))                          \
    LOOK(X, skio_timer_is_set, (void)skio_timer_is_set(r->timer))              \
    DO(X, skio_timer_free, use_timer(r))                                       \
    DO(X, skio_watch_new, watch(r))                                            \
    DO(X, skio_resolve_new, watch(r))                                          \
    X(skio_forward_attach, NOTHING, false, false, attach_forwarder(r))         \
    X(skio_forward_detach, FORWARDED, false, false, r->forwarded = NULL; skio_forward_detach(r->server)) \
    X(skio_forward_take, FORWARDER, false, false, take_request(r))             \
    X(skio_forward_answer, FORWARDED, false, false, REENTRY_USE(r->forwarded, answer_forwarded(r))) \
    X(skio_forward_unknown, FORWARDED, false, false, REENTRY_USE(r->forwarded, unknown_forwarded(r)))
/* clang-format on */

REENTRY_TABLE(reentry_transport_calls, CALLS)
