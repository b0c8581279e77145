#include "scenario/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

#define CUTS_MAX 96    /* longer inputs are cut up to here */
#define BYTES_MAX 4096 /* longer inputs are not fed byte by byte */
#define OOM_MAX 5000   /* allocations of a script */
#define DRIBBLE 3      /* bytes written at once */
#define LEFT_MS 100000 /* until sessions that were left have ended */
#define OPCODE_TEXT 1
#define OPCODE_BINARY 2
#define OPCODE_CLOSE 8

/* ---- Texts ---- */

static void
append(struct peer_text *text, const void *data, size_t len)
{
    if (text->data == NULL || text->len + len + 1 > text->cap) {
        text->cap = (text->len + len + 1) * 2;
        text->data = realloc(text->data, text->cap);
        if (text->data == NULL)
            abort(); /* the test machine, not the library */
    }
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void
append_str(struct peer_text *text, const char *str)
{
    append(text, str, strlen(str));
}

void
peer_note(struct peer *peer, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    append_str(&peer->events, line);
    append_str(&peer->events, "\n");
}

/* ---- Failing ---- */

_Noreturn void
peer_fail_at(struct peer *peer, const char *text, const char *file, int line)
{
    static const char *const modes[] = {
        [PEER_WHOLE] = "whole",
        [PEER_CUT] = "cut at",
        [PEER_BYTES] = "byte by byte",
        [PEER_DRIBBLE] = "output in pieces",
        [PEER_IDLE] = "none",
        [PEER_FURTHER] = "whole, with a further client",
        [PEER_OOM] = "failing allocation",
        [PEER_OOM_ALL] = "failing allocations from",
    };

    if (peer->probes)
        longjmp(peer->out_of_memory, 1);
    if (peer->mode >= PEER_OOM && peer->alloc.failed > 0)
        longjmp(peer->out_of_memory, 1);
    print_error("%s:%d: %s (input %s, %zu)\n", file, line, text,
                modes[peer->mode], peer->cut);
    if (peer->events.data != NULL)
        print_error("events so far:\n%s", peer->events.data);
    _fail(file, line);
    abort(); /* _fail() does not return, but does not say so */
}

/* ---- The transport's hooks ---- */

static uint64_t
now_ms(void *transport)
{
    return ((struct peer *)transport)->now;
}

static uint64_t
wall_ms(void *transport)
{
    return ((struct peer *)transport)->wall;
}

static void
wants_flush(void *transport)
{
    struct peer *peer = transport;

    /* Once a turn: asking twice would be a defect. */
    if (peer->wants_flush) {
        fprintf(stderr, "wants_flush() was called twice in a turn\n");
        abort();
    }
    peer->wants_flush = true;
    peer->flushes_asked++;
}

static void
wants_timer(void *transport)
{
    ((struct peer *)transport)->timers_asked++;
}

static void
respond(void *handle, const skio_response *response)
{
    struct peer_http *http = handle;
    size_t i;

    if (http->status != 0) {
        fprintf(stderr, "a request was answered twice\n");
        abort();
    }
    http->status = response->status;
    http->close = response->close;
    http->exchange = NULL;
    if (response->content_type != NULL)
        append_str(&http->type, response->content_type);
    for (i = 0; i < response->header_count; i++) {
        append_str(&http->headers, response->headers[i].name);
        append_str(&http->headers, ": ");
        append_str(&http->headers, response->headers[i].value);
        append_str(&http->headers, "\n");
    }
    append(&http->body, response->body, response->body_len);
}

/* Write what the socket takes. */
static void
drain(struct peer_ws *ws)
{
    skio_bytes slices[4];
    size_t count;

    while (!ws->is_blocked && (count = skio_ws_peek(ws->ws, slices, 4)) > 0) {
        size_t written = 0;
        size_t i;

        for (i = 0; i < count; i++) {
            size_t len = slices[i].len;

            if (ws->peer->mode == PEER_DRIBBLE && len > DRIBBLE)
                len = DRIBBLE;
            append(&ws->in, slices[i].data, len);
            written += len;
            if (len < slices[i].len)
                break;
        }
        skio_ws_consume(ws->ws, written);
    }
    ws->has_output = false;
}

static void
ws_flush(void *handle)
{
    struct peer_ws *ws = handle;

    ws->has_output = true;
    if (ws->is_blocked || ws->ws == NULL)
        return;
    if (ws->breaks) {
        skio_ws *core = ws->ws;

        ws->ws = NULL;
        skio_ws_closed(core, false);
        return;
    }
    /* A transport may write at once, or note it and write later. */
    if (ws->peer->mode == PEER_DRIBBLE)
        return;
    drain(ws);
}

static void
destroy(void *transport)
{
    struct peer *peer = transport;
    struct peer_http *http;
    struct peer_ws *ws;

    for (ws = peer->wss; ws != NULL; ws = ws->next) {
        if (ws->ws != NULL)
            skio_ws_closed(ws->ws, false);
        ws->ws = NULL;
    }
    for (http = peer->https; http != NULL; http = http->next) {
        if (http->exchange != NULL)
            skio_exchange_abort(http->exchange);
        http->exchange = NULL;
    }
}

/* ---- Beginning and end ---- */

static void
fill_random(void *buf, size_t len, void *user)
{
    struct peer *peer = user;
    unsigned char *bytes = buf;
    size_t i;

    for (i = 0; i < len; i++)
        bytes[i] = peer->random++;
}

static void
free_peer(struct peer *peer)
{
    struct peer_http *http;
    struct peer_ws *ws;

    while ((http = peer->https) != NULL) {
        peer->https = http->next;
        free(http->type.data);
        free(http->headers.data);
        free(http->body.data);
        free(http);
    }
    while ((ws = peer->wss) != NULL) {
        peer->wss = ws->next;
        free(ws->in.data);
        free(ws);
    }
    free(peer->events.data);
}

static void
make_server(struct peer *peer, skio_server **server)
{
    static const skio_transport hooks = {
        .struct_size = sizeof hooks,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
        .wants_flush = wants_flush,
        .wants_timer = wants_timer,
        .respond = respond,
        .ws_flush = ws_flush,
        .destroy = destroy,
    };

    peer_check(peer, skio_server_new(server, &peer->options) == SKIO_OK);
    peer_check(peer, skio_transport_attach(*server, &hooks, peer) == SKIO_OK);
}

void
peer_another(struct peer *peer)
{
    make_server(peer, &peer->another);
}

void
peer_switch(struct peer *peer)
{
    skio_server *server = peer->server;

    peer->server = peer->another;
    peer->another = server;
}

static void
start(struct peer *peer, const struct peer_plan *plan)
{
    skio_server_options_init(&peer->options);
    peer->options.allocator = peer->alloc.allocator;
    peer->options.random = fill_random;
    peer->options.random_user = peer;
    peer->options.drain_lead_ms = 0;
    if (plan->options != NULL)
        plan->options(&peer->options);

    make_server(peer, &peer->server);
    if (plan->setup != NULL)
        plan->setup(peer);
}

/* ---- The next client ---- */

/* How far a client gets that comes when a script has ended. */
enum served {
    SERVED_UNKNOWN, /* there is no server, or its handlers wanted otherwise */
    SERVED_REFUSED, /* no session */
    SERVED_SESSION, /* a session, no socket: Engine.IO alone, middleware */
    SERVED_SOCKET,  /* a socket of "/", which gets no event */
    SERVED_ALL      /* and an event sent to all */
};

static void
clear_away(struct peer *peer)
{
    peer->holds_turn = false;
    peer->address = "198.51.100.77";
    for (struct peer_ws *ws = peer->wss; ws != NULL; ws = ws->next)
        peer_hang_up(ws, false);
    for (struct peer_http *http = peer->https; http != NULL; http = http->next)
        peer_abort(http);
    peer_flush(peer);
    peer_wait(peer, LEFT_MS); /* what is left of sessions, rates */
}

static bool
has_frame(struct peer_ws *ws, const char *prefix)
{
    unsigned opcode;
    const char *data;
    size_t len;

    /* what others are told meanwhile may come before it */
    while (peer_frame(ws, &opcode, &data, &len))
        if (opcode == OPCODE_TEXT && len >= strlen(prefix) &&
            memcmp(data, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static enum served
serve_websocket(struct peer *peer, struct peer_ws *ws)
{
    skio_nsp *root;

    if (!has_frame(ws, "0{"))
        return SERVED_REFUSED;
    peer_say(ws, "40");
    if (!has_frame(ws, "40"))
        return SERVED_SESSION;
    root = skio_of(peer->server, "/");
    if (root == NULL || skio_emit_all(root, "next client", "%d", 1) != SKIO_OK)
        return SERVED_SOCKET;
    peer_flush(peer);
    return has_frame(ws, "42[\"next client\",1]") ? SERVED_ALL : SERVED_SOCKET;
}

static enum served
serve_polling(struct peer *peer)
{
    char query[128];
    struct peer_http *http = peer_get(peer, "EIO=4&transport=polling");

    if (http->status != 200)
        return SERVED_REFUSED;
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             peer_sid(http->body.data));
    if (peer_post(peer, query, "40")->status != 200)
        return SERVED_SESSION;
    http = peer_get(peer, query);
    return http->status == 200 && strncmp(http->body.data, "40", 2) == 0
               ? SERVED_SOCKET
               : SERVED_SESSION;
}

/*
 * Send a further client: what failed before is nothing to it. Scripts end
 * anywhere, so all others go first.
 */
static enum served
serve_next(struct peer *peer)
{
    volatile enum served served = SERVED_UNKNOWN;

    if (peer->server == NULL)
        return SERVED_UNKNOWN;
    test_alloc_fail(&peer->alloc, 0);
    peer->probes = true;
    if (setjmp(peer->out_of_memory) == 0) {
        struct peer_ws *ws;

        clear_away(peer);
        ws = peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
        served =
            ws->ws != NULL ? serve_websocket(peer, ws) : serve_polling(peer);
    }
    peer->probes = false;
    return served;
}

/* ---- Runs ---- */

static struct peer_tortured tortured;

struct result {
    size_t longest;     /* input of the script */
    size_t failed;      /* allocations */
    bool is_set_up;     /* what goes before the script was done */
    enum served served; /* if that was asked for */
};

static void
run(const struct peer_plan *plan, enum peer_mode mode, size_t cut,
    struct result *result)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        abort();
    test_alloc_init(&peer->alloc);
    peer->mode = mode;
    peer->cut = cut;
    peer->now = 1000;
    if (mode == PEER_OOM)
        test_alloc_fail(&peer->alloc, cut);
    else if (mode == PEER_OOM_ALL)
        test_alloc_fail_from(&peer->alloc, cut);

    *result = (struct result){0};
    if (mode < PEER_OOM || setjmp(peer->out_of_memory) == 0) {
        start(peer, plan);
        result->is_set_up = peer->alloc.failed == 0;
        if (mode != PEER_IDLE)
            plan->script(peer);
    }
    if (mode >= PEER_IDLE)
        result->served = serve_next(peer);
    /* What a failed run left undone may still be handed out. */
    test_alloc_fail(&peer->alloc, 0);
    if (peer->cleanup != NULL)
        peer->cleanup(peer);
    skio_server_free(peer->server);
    peer->server = NULL;
    skio_server_free(peer->another);
    peer->another = NULL;
    if (peer->alloc.live != 0) {
        print_error("%zu blocks, %zu bytes are left\n", peer->alloc.live,
                    peer->alloc.live_bytes);
        peer->alloc.failed = 0; /* no excuse */
        peer_fail_at(peer, "memory is left", __FILE__, __LINE__);
    }
    result->longest = peer->longest;
    result->failed = peer->alloc.failed;
    free_peer(peer);
    free(peer);
}

void
peer_run(const struct peer_plan *plan)
{
    struct result result;
    size_t longest;
    size_t cut;

    run(plan, PEER_WHOLE, 0, &result);
    longest = result.longest;
    for (cut = 0; cut < longest && cut <= CUTS_MAX; cut++)
        run(plan, PEER_CUT, cut, &result);
    run(plan, PEER_BYTES, 0, &result);
    run(plan, PEER_DRIBBLE, 0, &result);
}

void
peer_run_once(const struct peer_plan *plan)
{
    struct result result;

    run(plan, PEER_WHOLE, 0, &result);
}

/* The next client gets as far as it does when nothing failed: before a script,
 * which may shut the server, or after it. Without all the handlers it gets a
 * session. */
static void
check_served(const struct result *result, enum served least, const char *what,
             size_t n)
{
    if (!result->is_set_up && least > SERVED_SESSION)
        least = SERVED_SESSION;
    if (result->served != SERVED_UNKNOWN && result->served < least)
        fail_msg("%s %zu failed, the next client is served less: %d, not %d",
                 what, n, (int)result->served, (int)least);
}

void
peer_run_oom(const struct peer_plan *plan)
{
    struct result result;
    enum served least;
    size_t n = 0;

    run(plan, PEER_IDLE, 0, &result);
    least = result.served;
    run(plan, PEER_FURTHER, 0, &result);
    if (result.served < least)
        least = result.served;
    do {
        assert_true(++n < OOM_MAX);
        run(plan, PEER_OOM_ALL, n, &result);
        check_served(&result, least, "all allocations from", n);
        run(plan, PEER_OOM, n, &result);
        check_served(&result, least, "allocation", n);
    } while (result.failed > 0);

    tortured.scenarios++;
    tortured.allocations += n - 1;
    if (least == SERVED_ALL)
        tortured.served++;
}

struct peer_tortured
peer_tortured(void)
{
    return tortured;
}

/* ---- Turns and time ---- */

void
peer_flush(struct peer *peer)
{
    struct peer_ws *ws;

    peer->wants_flush = false;
    skio_transport_flush(peer->server);
    if (peer->another != NULL)
        skio_transport_flush(peer->another);
    for (ws = peer->wss; ws != NULL; ws = ws->next) {
        if (ws->has_output && ws->ws != NULL && !ws->is_blocked)
            drain(ws);
    }
}

static void
end_turn(struct peer *peer)
{
    /* Only when asked to: what needs a flush must say so. */
    if (!peer->holds_turn && peer->wants_flush)
        peer_flush(peer);
}

void
peer_wait(struct peer *peer, uint64_t ms)
{
    uint64_t until = peer->now + ms;

    for (;;) {
        skio_server *server = peer->server;
        int64_t next = skio_transport_next_timeout(server);
        int64_t other = peer->another != NULL
                            ? skio_transport_next_timeout(peer->another)
                            : -1;

        if (other >= 0 && (next < 0 || other < next)) {
            next = other;
            server = peer->another;
        }
        if (next < 0 || peer->now + (uint64_t)next > until)
            break;
        peer->now += (uint64_t)next;
        skio_transport_timeout(server);
        end_turn(peer);
    }
    peer->now = until;
}

/* ---- Engine.IO alone ---- */

static void
on_open(skio_session *session, void *user)
{
    struct peer *peer = user;

    peer->session = session;
    peer_note(peer, "open");
    if (peer->on_open != NULL)
        peer->on_open(peer, session);
}

static void
on_message(skio_session *session, const void *data, size_t len, bool binary,
           void *user)
{
    struct peer *peer = user;
    size_t i;

    append_str(&peer->events, binary ? "binary " : "message ");
    for (i = 0; i < len && i < 256; i++) {
        char hex[3];

        snprintf(hex, sizeof hex, "%02x", ((const unsigned char *)data)[i]);
        if (binary)
            append_str(&peer->events, hex);
        else
            append(&peer->events, (const char *)data + i, 1);
    }
    append_str(&peer->events, "\n");
    if (peer->echoes)
        (void)skio_session_send(session, data, len, binary);
    if (peer->on_message != NULL)
        peer->on_message(peer, session, data, len);
}

static void
on_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    struct peer *peer = user;

    peer_note(peer, "close %s", skio_disconnect_name(reason));
    if (peer->session == session)
        peer->session = NULL;
    if (peer->on_close != NULL)
        peer->on_close(peer, session);
}

void
peer_engine(struct peer *peer)
{
    const skio_engine_handlers handlers = {
        .struct_size = sizeof handlers,
        .open = on_open,
        .message = on_message,
        .close = on_close,
    };

    peer_check(peer,
               skio_engine_handle(peer->server, &handlers, peer) == SKIO_OK);
}

void
peer_echo(struct peer *peer)
{
    peer_engine(peer);
    peer->echoes = true;
}

/* ---- HTTP ---- */

/* "name: value\n" lines as the transport gives them. */
static void
pack_headers(struct peer_text *out, const char *headers)
{
    while (headers != NULL && *headers != '\0') {
        const char *colon = strchr(headers, ':');
        const char *end = strchr(headers, '\n');

        if (colon == NULL || end == NULL || colon > end)
            abort(); /* a script's typing error */
        append(out, headers, (size_t)(colon - headers));
        append(out, "", 1);
        colon += colon[1] == ' ' ? 2 : 1;
        append(out, colon, (size_t)(end - colon));
        append(out, "", 1);
        headers = end + 1;
    }
}

static struct peer_http *
begin_request(struct peer *peer, const char *method, const char *query,
              const char *headers, int64_t content_length, bool upgrade)
{
    struct peer_http *http = calloc(1, sizeof *http);
    struct peer_text packed = {0};
    skio_request request = {
        .method = method,
        .path = "/socket.io/",
        .query = query,
        .address = peer->address != NULL ? peer->address : "192.0.2.1",
        .upgrade = upgrade,
        .content_length = content_length,
    };

    if (http == NULL)
        abort();
    http->peer = peer;
    http->next = peer->https;
    peer->https = http;

    pack_headers(&packed, headers);
    request.headers = packed.data != NULL ? packed.data : "";
    request.headers_len = packed.len;
    http->state =
        skio_exchange_new(peer->server, &request, http, &http->exchange);
    free(packed.data);
    end_turn(peer);
    return http;
}

struct peer_http *
peer_request(struct peer *peer, const char *method, const char *query,
             const char *headers)
{
    return begin_request(peer, method, query, headers, -1, false);
}

struct peer_http *
peer_upgrade(struct peer *peer, const char *method, const char *query,
             const char *headers)
{
    return begin_request(peer, method, query, headers, -1, true);
}

struct peer_http *
peer_get(struct peer *peer, const char *query)
{
    return peer_request(peer, "GET", query, NULL);
}

struct peer_http *
peer_post_begin(struct peer *peer, const char *query, const char *headers,
                int64_t content_length)
{
    return begin_request(peer, "POST", query, headers, content_length, false);
}

static void
feed_body(struct peer_http *http, const char *data, size_t len)
{
    if (http->exchange == NULL)
        return; /* answered: the rest is ignored */
    if (skio_exchange_body(http->exchange, data, len) == SKIO_ECLOSED)
        http->exchange = NULL;
    end_turn(http->peer);
}

void
peer_post_body(struct peer_http *http, const void *data, size_t len)
{
    struct peer *peer = http->peer;
    const char *bytes = data;
    size_t i;

    if (len > peer->longest)
        peer->longest = len;
    if (peer->mode == PEER_BYTES && len <= BYTES_MAX) {
        for (i = 0; i < len; i++)
            feed_body(http, bytes + i, 1);
    } else if (peer->mode == PEER_CUT && peer->cut < len) {
        feed_body(http, bytes, peer->cut);
        feed_body(http, bytes + peer->cut, len - peer->cut);
    } else {
        feed_body(http, bytes, len);
    }
}

void
peer_post_end(struct peer_http *http)
{
    skio_exchange *exchange = http->exchange;

    if (exchange == NULL)
        return;
    http->exchange = NULL;
    http->state = skio_exchange_end(exchange);
    if (http->state == SKIO_EXCHANGE_HELD)
        http->exchange = exchange;
    end_turn(http->peer);
}

struct peer_http *
peer_post_bytes(struct peer *peer, const char *query, const char *headers,
                const void *body, size_t len)
{
    struct peer_http *http =
        peer_post_begin(peer, query, headers, (int64_t)len);

    if (http->state == SKIO_EXCHANGE_BODY) {
        peer_post_body(http, body, len);
        peer_post_end(http);
    }
    return http;
}

struct peer_http *
peer_post(struct peer *peer, const char *query, const char *body)
{
    return peer_post_bytes(peer, query,
                           "content-type: text/plain;charset=UTF-8\n", body,
                           strlen(body));
}

void
peer_abort(struct peer_http *http)
{
    skio_exchange *exchange = http->exchange;

    http->exchange = NULL;
    if (exchange != NULL)
        skio_exchange_abort(exchange);
    end_turn(http->peer);
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool
starts_ignoring_case(const char *text, const char *start)
{
    while (*start != '\0') {
        if (lower(*text++) != lower(*start++))
            return false;
    }
    return true;
}

const char *
peer_header(struct peer_http *http, const char *name)
{
    static char value[1024];
    const char *pos = http->headers.data;
    size_t len = strlen(name);

    while (pos != NULL && *pos != '\0') {
        size_t line = strcspn(pos, "\n");

        if (starts_ignoring_case(pos, name) && pos[len] == ':') {
            snprintf(value, sizeof value, "%.*s", (int)(line - len - 2),
                     pos + len + 2);
            return value;
        }
        pos += line + 1;
    }
    return NULL;
}

const char *
peer_sid(const char *open_packet)
{
    static const char start[] = "0{\"sid\":\"";
    static char sid[64];

    sid[0] = '\0';
    if (strncmp(open_packet, start, sizeof start - 1) == 0)
        snprintf(sid, sizeof sid, "%.*s",
                 (int)strcspn(open_packet + sizeof start - 1, "\""),
                 open_packet + sizeof start - 1);
    return sid;
}

const char *
peer_polling(struct peer *peer)
{
    static char query[128];
    struct peer_http *http = peer_get(peer, "EIO=4&transport=polling");

    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             peer_sid(http->body.data));
    return query;
}

/* ---- WebSocket ---- */

struct peer_ws *
peer_ws_begin(struct peer *peer, const char *query, const char *headers)
{
    struct peer_ws *ws = calloc(1, sizeof *ws);

    if (ws == NULL)
        abort();
    ws->peer = peer;
    ws->next = peer->wss;
    peer->wss = ws;
    ws->http = begin_request(peer, "GET", query, headers, -1, true);
    return ws;
}

void
peer_ws_finish(struct peer_ws *ws)
{
    skio_exchange *exchange = ws->http->exchange;
    const skio_header *extra;
    size_t count;
    size_t i;

    if (ws->http->state != SKIO_EXCHANGE_UPGRADE)
        return;
    ws->http->exchange = NULL;
    count = skio_exchange_headers(exchange, &extra);
    for (i = 0; i < count; i++) {
        append_str(&ws->http->headers, extra[i].name);
        append_str(&ws->http->headers, ": ");
        append_str(&ws->http->headers, extra[i].value);
        append_str(&ws->http->headers, "\n");
    }
    ws->ws = skio_ws_open(exchange, ws);
    end_turn(ws->peer);
}

struct peer_ws *
peer_ws_request(struct peer *peer, const char *query, const char *headers)
{
    struct peer_ws *ws = peer_ws_begin(peer, query, headers);

    peer_ws_finish(ws);
    return ws;
}

struct peer_ws *
peer_ws(struct peer *peer, const char *query)
{
    struct peer_ws *ws = peer_ws_request(peer, query, NULL);

    peer_check(peer, ws->ws != NULL);
    return ws;
}

struct peer_ws *
peer_websocket(struct peer *peer)
{
    struct peer_ws *ws = peer_ws(peer, "EIO=4&transport=websocket");

    peer_expect_prefix(ws, "0{\"sid\":\"");
    return ws;
}

struct peer_ws *
peer_probe(struct peer *peer, const char *polling_query)
{
    char query[160];

    snprintf(query, sizeof query, "EIO=4&transport=websocket%s",
             strstr(polling_query, "&sid="));
    return peer_ws(peer, query);
}

void
peer_say_piece(struct peer_ws *ws, const void *data, size_t len, bool binary,
               bool first, bool final)
{
    if (ws->ws == NULL)
        return;
    skio_ws_receive(ws->ws, data, len, binary, first, final);
    end_turn(ws->peer);
}

void
peer_say_bytes(struct peer_ws *ws, const void *data, size_t len, bool binary)
{
    struct peer *peer = ws->peer;
    const char *bytes = data;
    size_t i;

    if (len > peer->longest)
        peer->longest = len;
    if (peer->mode == PEER_BYTES && len > 0 && len <= 1024) {
        for (i = 0; i < len; i++)
            peer_say_piece(ws, bytes + i, 1, binary, i == 0, i == len - 1);
    } else if (peer->mode == PEER_CUT && peer->cut < len) {
        peer_say_piece(ws, bytes, peer->cut, binary, true, false);
        peer_say_piece(ws, bytes + peer->cut, len - peer->cut, binary, false,
                       true);
    } else {
        peer_say_piece(ws, bytes, len, binary, true, true);
    }
}

void
peer_say(struct peer_ws *ws, const char *text)
{
    peer_say_bytes(ws, text, strlen(text), false);
}

void
peer_hang_up(struct peer_ws *ws, bool clean)
{
    skio_ws *core = ws->ws;

    ws->ws = NULL;
    if (core != NULL)
        skio_ws_closed(core, clean);
    end_turn(ws->peer);
}

void
peer_unblock(struct peer_ws *ws)
{
    ws->is_blocked = false;
    if (ws->ws != NULL)
        drain(ws);
}

bool
peer_frame(struct peer_ws *ws, unsigned *opcode, const char **data, size_t *len)
{
    const unsigned char *at = (unsigned char *)ws->in.data + ws->read;
    size_t left = ws->in.len - ws->read;
    size_t head = 2;
    uint64_t size;
    size_t i;

    if (left < 2)
        return false;
    /* No reserved bit, but RSV1 where that was agreed on. */
    ws->was_compressed = (at[0] & 0x40) != 0;
    peer_check(ws->peer, (at[0] & (ws->inflates ? 0x30 : 0x70)) == 0);
    peer_check(ws->peer, (at[0] & 0x80) != 0); /* one frame a message */
    peer_check(ws->peer, (at[1] & 0x80) == 0); /* a server does not mask */
    *opcode = at[0] & 0x0fu;
    size = at[1];
    if (size >= 126) {
        head = size == 126 ? 4 : 10;
        if (left < head)
            return false;
        for (size = 0, i = 2; i < head; i++)
            size = size << 8 | at[i];
        peer_check(ws->peer, size > (head == 4 ? 125 : UINT16_MAX));
    }
    if (left - head < size)
        return false;
    *data = (const char *)at + head;
    *len = (size_t)size;
    ws->read += head + (size_t)size;
    return true;
}

/* ---- Expectations ---- */

static void
fail_bytes(struct peer *peer, const char *what, const char *want,
           size_t want_len, const char *got, size_t got_len, const char *file,
           int line)
{
    char text[1024];

    snprintf(text, sizeof text,
             "%s: expected \"%.*s\" (%zu), got \"%.*s\" (%zu)", what,
             (int)(want_len < 300 ? want_len : 300), want, want_len,
             (int)(got_len < 300 ? got_len : 300), got, got_len);
    peer_fail_at(peer, text, file, line);
}

static void
expect_frame(struct peer_ws *ws, unsigned want_opcode, const char *want,
             size_t want_len, bool prefix, const char *file, int line)
{
    unsigned opcode;
    const char *data;
    size_t len;

    if (!peer_frame(ws, &opcode, &data, &len)) {
        fail_bytes(ws->peer, "no frame", want, want_len, "", 0, file, line);
        return;
    }
    if (opcode != want_opcode || (prefix ? len < want_len : len != want_len) ||
        memcmp(data, want, want_len) != 0)
        fail_bytes(ws->peer, opcode == want_opcode ? "frame" : "opcode", want,
                   want_len, data, len, file, line);
}

void
peer_expect_at(struct peer_ws *ws, const char *text, const char *file, int line)
{
    expect_frame(ws, OPCODE_TEXT, text, strlen(text), false, file, line);
}

void
peer_expect_prefix_at(struct peer_ws *ws, const char *text, const char *file,
                      int line)
{
    expect_frame(ws, OPCODE_TEXT, text, strlen(text), true, file, line);
}

void
peer_expect_bytes_at(struct peer_ws *ws, const void *data, size_t len,
                     const char *file, int line)
{
    expect_frame(ws, OPCODE_BINARY, data, len, false, file, line);
}

void
peer_expect_nothing_at(struct peer_ws *ws, const char *file, int line)
{
    if (ws->read != ws->in.len)
        fail_bytes(ws->peer, "unexpected bytes", "", 0, ws->in.data + ws->read,
                   ws->in.len - ws->read, file, line);
}

void
peer_expect_close_at(struct peer_ws *ws, unsigned status, const char *file,
                     int line)
{
    char bytes[2] = {(char)(status >> 8), (char)(status & 0xff)};

    expect_frame(ws, OPCODE_CLOSE, bytes, status == 1005 ? 0 : 2, false, file,
                 line);
    peer_expect_nothing_at(ws, file, line);
    if (ws->ws == NULL || !skio_ws_is_finished(ws->ws))
        peer_fail_at(ws->peer, "the WebSocket is not finished", file, line);
}

void
peer_expect_http_at(struct peer_http *http, int status, const char *body,
                    const char *file, int line)
{
    char text[128];

    if (http->status != status) {
        snprintf(text, sizeof text, "status: expected %d, got %d (%.60s)",
                 status, http->status,
                 http->body.data != NULL ? http->body.data : "");
        peer_fail_at(http->peer, text, file, line);
    }
    if (body != NULL && (http->body.len != strlen(body) ||
                         memcmp(http->body.data, body, http->body.len) != 0))
        fail_bytes(http->peer, "body", body, strlen(body), http->body.data,
                   http->body.len, file, line);
    /* Whoever was refused cannot keep the connection. */
    if (http->close != (status >= 400))
        peer_fail_at(http->peer, "close is not as the status wants", file,
                     line);
}

void
peer_expect_held_at(struct peer_http *http, const char *file, int line)
{
    if (http->status != 0 || http->state != SKIO_EXCHANGE_HELD)
        peer_fail_at(http->peer, "the request does not wait", file, line);
}

void
peer_expect_event_at(struct peer *peer, const char *event, const char *file,
                     int line)
{
    const char *at =
        peer->events.data != NULL ? peer->events.data + peer->events_read : "";
    size_t len = strcspn(at, "\n");

    if (event == NULL) {
        if (*at != '\0')
            fail_bytes(peer, "event", "", 0, at, len, file, line);
        return;
    }
    if (*at == '\0' || len != strlen(event) || memcmp(at, event, len) != 0)
        fail_bytes(peer, "event", event, strlen(event), at, len, file, line);
    peer->events_read += len + 1;
}

void
peer_expect_header_at(struct peer_http *http, const char *name,
                      const char *value, const char *file, int line)
{
    const char *got = peer_header(http, name);

    if (value == NULL && got == NULL)
        return;
    if (value == NULL || got == NULL || strcmp(value, got) != 0)
        fail_bytes(http->peer, name, value != NULL ? value : "(none)",
                   value != NULL ? strlen(value) : 6,
                   got != NULL ? got : "(none)", got != NULL ? strlen(got) : 6,
                   file, line);
}
