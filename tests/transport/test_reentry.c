/*
 * Re-entrancy over the real transport: what closes, stops or asks the loop for
 * something, made from each callback that comes through it
 *
 * The core's half is tests/scenario/test_sio_reentry_matrix.c. Here each pair
 * is a server in a thread of its own, a client of a WebSocket, one of polling,
 * a plain request, and one who comes afterwards.
 */
#define _GNU_SOURCE /* eventfd */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <socketio/engine.h>
#include <socketio/health.h>
#include <socketio/http.h>
#include <socketio/loop.h>
#include <socketio/lws.h>
#include <socketio/metrics.h>
#include <socketio/request.h>
#include <socketio/signals.h>
#include <socketio/socketio.h>
#include <socketio/transport.h>

#include "unit/alloc.h"

enum moment {
    AT_HTTP,
    AT_POST,
    AT_TIMER,
    AT_LOOP_READY,
    AT_WATCH,
    AT_RESOLVE,
    AT_DRAINED,
    AT_LOG,
    AT_READY_CHECK,
    AT_METRICS,
    AT_ALLOW,
    AT_HEADERS,
    AT_REFUSED,
    AT_MIDDLEWARE,
    AT_CONNECT,
    AT_EVENT_WS,
    AT_EVENT_POLLING,
    AT_ANSWER,
    AT_DISCONNECTING,
    AT_DISCONNECT,
    MOMENTS
};

struct place {
    skio_server *server;
    skio_nsp *root;
    skio_socket *socket; /* at hand, or NULL */
    skio_http *request;  /* likewise */
    skio_timer *timer;
    skio_watch *watch;
    int fd; /* that is watched */
    uint16_t port;
    int result;
    atomic_uint acted;
};

struct call {
    const char *name;
    bool ends;       /* nobody is served afterwards */
    bool only_looks; /* may be made by a log function, too */
    void (*fn)(struct place *p);
};

static enum moment moment;
static const struct call *call;
static struct place *now;

static void
act(struct place *p, skio_socket *socket)
{
    if (atomic_load(&p->acted) > 0)
        return;
    atomic_store(&p->acted, 1);
    p->socket = socket;
    call->fn(p);
    p->socket = NULL;
}

static void
at(enum moment which, struct place *p, skio_socket *socket)
{
    if (which == moment)
        act(p, socket);
}

/* ---- Callbacks ---- */

static void
on_posted(skio_server *server, void *arg)
{
    if (server != NULL)
        at(AT_POST, arg, NULL);
}

static void
on_timer(void *user)
{
    at(AT_TIMER, user, NULL);
}

static void
on_loop(skio_server *server, void *user)
{
    (void)server;
    at(AT_LOOP_READY, user, NULL);
}

static void
on_readable(unsigned ready, void *user)
{
    struct place *p = user;
    uint64_t value;

    (void)ready;
    if (read(p->fd, &value, sizeof value) == sizeof value)
        at(AT_WATCH, p, NULL);
}

static void
on_resolved(int err, const skio_address *addresses, size_t count, void *user)
{
    (void)err;
    (void)addresses;
    (void)count;
    at(AT_RESOLVE, user, NULL);
}

static void
on_drained(skio_server *server, void *user)
{
    (void)server;
    at(AT_DRAINED, user, NULL);
}

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    if (now != NULL && message[0] != '\0')
        at(AT_LOG, now, NULL);
}

/* What the loop is asked for, so that the moment comes. */
static void
on_go(skio_http *request, void *user)
{
    struct place *p = user;
    skio_resolve *resolve;
    uint64_t one = 1;
    int err = SKIO_OK;

    p->request = request;
    at(AT_HTTP, p, NULL);
    request = p->request; /* NULL: a call has replied */
    p->request = NULL;
    if (moment == AT_POST)
        err = skio_server_post(p->server, on_posted, p);
    else if (moment == AT_TIMER)
        err = skio_timer_set(p->timer, 0);
    else if (moment == AT_LOOP_READY)
        err = skio_loop_ready(p->server, on_loop, p);
    else if (moment == AT_WATCH && write(p->fd, &one, sizeof one) < 0)
        err = SKIO_EIO;
    else if (moment == AT_RESOLVE)
        err = skio_resolve_new(p->server, "127.0.0.1", 1, on_resolved, p,
                               &resolve);
    else if (moment == AT_DRAINED)
        err = skio_server_drain(p->server, 0, on_drained, p);
    else if (moment == AT_LOG)
        skio_transport_log(p->server, SKIO_LOG_ERROR, "a line");
    if (request != NULL && skio_http_reply(request, 200, "%d", err) < 0)
        abort();
}

static void
on_ok(skio_http *request, void *user)
{
    (void)user;
    if (skio_http_reply(request, 200, "%s", "fine") < 0)
        abort();
}

static const char *
on_ready_check(skio_server *server, void *user)
{
    (void)server;
    at(AT_READY_CHECK, user, NULL);
    return NULL;
}

static bool
on_metrics(skio_http *request, void *user)
{
    (void)request;
    at(AT_METRICS, user, NULL);
    return true;
}

static void
on_verdict(skio_verdict *verdict, void *user)
{
    at(AT_ALLOW, user, NULL);
    (void)skio_verdict_accept(verdict);
}

static void
on_headers(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    (void)request;
    at(AT_HEADERS, user, NULL);
    (void)skio_headers_set(headers, "X-A", "1");
}

static void
on_refused(const skio_connection_error *error, void *user)
{
    at(AT_REFUSED, user, NULL);
    if (error->message == NULL)
        abort();
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    at(AT_MIDDLEWARE, user, socket);
    (void)skio_next_ok(next);
}

static void
on_connect(skio_socket *socket, void *user)
{
    at(AT_CONNECT, user, socket);
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)err;
    (void)args;
    at(AT_ANSWER, user, socket);
}

static void
on_event(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    bool is_ws = strcmp(skio_socket_transport(socket), "websocket") == 0;

    (void)ack;
    at(is_ws ? AT_EVENT_WS : AT_EVENT_POLLING, user, socket);
    if (skio_count(args, "") != 1)
        abort();
    if (moment == AT_ANSWER && is_ws &&
        skio_emit_with_ack(socket, 1, on_answer, user, "q", NULL) < 0)
        abort();
}

static void
on_disconnecting(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    at(AT_DISCONNECTING, user, socket);
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)reason;
    at(AT_DISCONNECT, user, socket);
}

/* ---- Calls ---- */

static void
took(struct place *p, int result)
{
    if (result < SKIO_ETHREAD)
        p->result = result;
}

static void
must_be(struct place *p, int result, int wanted)
{
    if (result != wanted)
        p->result = result != 0 ? result : 1;
}

static void
close_socket(struct place *p)
{
    if (p->socket != NULL)
        skio_disconnect(p->socket, true);
}

static void
leave_namespace(struct place *p)
{
    if (p->socket != NULL)
        skio_disconnect(p->socket, false);
}

static void
discard_session(struct place *p)
{
    skio_session *session =
        p->socket != NULL ? skio_socket_session(p->socket) : NULL;

    if (session != NULL)
        skio_session_discard(session);
}

static void
close_session(struct place *p)
{
    skio_session *session =
        p->socket != NULL ? skio_socket_session(p->socket) : NULL;

    if (session != NULL)
        skio_session_close(session);
}

static void
emit_much(struct place *p)
{
    static char text[2000];

    memset(text, 'a', sizeof text - 1);
    for (int i = 0; i < 20; i++)
        took(p, skio_emit_all(p->root, "x", "%s", text));
    if (p->socket != NULL)
        (void)skio_emit(p->socket, "x", "%s", text);
}

static void
pass_limit(struct place *p)
{
    static char text[90000];

    memset(text, 'a', sizeof text - 1);
    for (int i = 0; i < 20; i++)
        took(p, skio_emit_all(p->root, "x", "%s", text));
}

static void
all_go(struct place *p)
{
    took(p, skio_sockets_disconnect(p->root, NULL, true));
}

static void
run_again(struct place *p)
{
    must_be(p, skio_run(p->server), SKIO_EBUSY);
    must_be(p, skio_loop_fd(p->server), SKIO_EBUSY);
    must_be(p, skio_loop_turn(p->server), SKIO_EBUSY);
}

static void
free_server(struct place *p)
{
    skio_server_free(p->server);
}

static void
stop(struct place *p)
{
    skio_server_stop(p->server);
}

static void
drain(struct place *p)
{
    took(p, skio_server_drain(p->server, 0, NULL, NULL));
}

static void
shut_down(struct place *p)
{
    skio_transport_shutdown(p->server);
}

static void
listen_again(struct place *p)
{
    took(p, skio_listen(p->server, "127.0.0.1", 0));
    took(p, skio_listen_fd(p->server, -1));
    took(p, skio_listen_systemd(p->server));
    took(p, skio_listen_unix(p->server, "@", 0600));
}

static void
look(struct place *p)
{
    struct lws_context_creation_info info;

    memset(&info, 0, sizeof info);
    skio_lws_context_info(&info);
    if (skio_server_port(p->server) != p->port ||
        skio_lws_vhost(p->server) == NULL || skio_lws_extensions() == NULL ||
        skio_loop_now(p->server) == 0)
        p->result = 1;
}

static void
embed(struct place *p)
{
    struct lws_protocols protocol;
    struct lws_http_mount mount;

    memset(&mount, 0, sizeof mount);
    must_be(p, skio_lws_protocol(p->server, &protocol), SKIO_EBUSY);
    must_be(p, skio_lws_mount(p->server, &mount), SKIO_EINVAL);
    skio_lws_flush(p->server);
}

static void
add_paths(struct place *p)
{
    must_be(p, skio_http_on(p->server, "GET", "/more", on_ok, p), SKIO_OK);
    must_be(p, skio_http_on(p->server, "GET", "/ok", on_ok, p), SKIO_EBUSY);
    must_be(p, skio_mount(p->server, "/files", "/", "index"), SKIO_EBUSY);
}

static void
serve_health(struct place *p)
{
    skio_health_options options;

    skio_health_options_init_size(&options, sizeof options);
    options.live_path = "/alive";
    options.ready_path = NULL;
    must_be(p, skio_health_serve(p->server, &options), SKIO_OK);
    must_be(p, skio_health_serve(p->server, &options), SKIO_EBUSY);
    must_be(p, skio_health_serve(p->server, NULL), SKIO_EBUSY);
}

/* There may have been sessions. */
static void
serve_metrics(struct place *p)
{
    skio_metrics_options options;
    int err;

    skio_metrics_options_init_size(&options, sizeof options);
    options.path = "/more-metrics";
    err = skio_metrics_serve(p->server, &options, NULL);
    if (err != SKIO_OK)
        must_be(p, err, SKIO_EBUSY);
}

/* The signals are this thread's, which ends with the server. */
static void
take_signals(struct place *p)
{
    must_be(p, skio_signals_drain(p->server, UINT32_MAX), SKIO_EINVAL);
    must_be(p, skio_signals_drain(p->server, 0), SKIO_OK);
}

static void
flush(struct place *p)
{
    skio_transport_flush(p->server);
}

static void
time_out(struct place *p)
{
    skio_transport_timeout(p->server);
}

static void
reload(struct place *p)
{
    must_be(p, skio_server_reload_tls(p->server), SKIO_EINVAL);
}

static void
post(struct place *p)
{
    took(p, skio_server_post(p->server, on_posted, p));
}

static void
use_timer(struct place *p)
{
    skio_timer *timer = skio_timer_new(p->server, on_timer, p);

    if (timer != NULL)
        took(p, skio_timer_set(timer, 1));
    skio_timer_free(timer);
    if (p->timer != NULL)
        took(p, skio_timer_set(p->timer, 0));
}

static void
free_timer(struct place *p)
{
    skio_timer *timer = p->timer;

    p->timer = NULL;
    skio_timer_free(timer);
}

static void
use_watch(struct place *p)
{
    skio_watch *watch = NULL;
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    took(p, skio_watch_new(p->server, fd, SKIO_READABLE | SKIO_WRITABLE,
                           on_readable, p, &watch));
    if (watch != NULL)
        skio_watch_set(watch, 0);
    skio_watch_free(watch);
    close(fd);
    skio_watch_set(p->watch, SKIO_READABLE | SKIO_WRITABLE);
    skio_watch_set(p->watch, SKIO_READABLE);
}

static void
free_watch(struct place *p)
{
    skio_watch *watch = p->watch;

    p->watch = NULL;
    skio_watch_free(watch);
}

static void
resolve(struct place *p)
{
    skio_resolve *one = NULL;
    skio_resolve *two = NULL;

    took(p, skio_resolve_new(p->server, "127.0.0.1", 1, on_resolved, p, &one));
    took(p, skio_resolve_new(p->server, "::1", 1, on_resolved, p, &two));
    skio_resolve_cancel(one);
}

static void
reply(struct place *p)
{
    skio_http *request = p->request;

    if (request == NULL)
        return;
    if (strcmp(skio_http_method(request), "GET") != 0 ||
        strcmp(skio_http_path(request), "/go") != 0 ||
        skio_http_query(request, "a") != NULL ||
        skio_http_header(request, "host") == NULL ||
        skio_http_address(request) == NULL ||
        skio_http_body(request).len != 0 || skio_http_json(request) != NULL)
        p->result = 1;
    must_be(p, skio_http_set_header(request, "X-A", "1"), SKIO_OK);
    must_be(p, skio_http_reply_bytes(request, 200, "text/plain", "a", 1),
            SKIO_OK);
    p->request = NULL;
}

static void
take_and_reply(struct place *p)
{
    skio_http *request = p->request;

    if (request == NULL)
        return;
    request = skio_http_take(request);
    must_be(p, skio_http_reply(request, 200, NULL), SKIO_OK);
    p->request = NULL;
}

static const struct call calls[] = {
    {"skio_server_port", false, true, look},
    {"skio_disconnect close", false, false, close_socket},
    {"skio_disconnect", false, false, leave_namespace},
    {"skio_session_discard", false, false, discard_session},
    {"skio_session_close", false, false, close_session},
    {"skio_emit_all", false, false, emit_much},
    {"skio_emit_all beyond the limit", false, false, pass_limit},
    {"skio_sockets_disconnect", false, false, all_go},
    {"skio_run", false, true, run_again},
    {"skio_server_free", true, true, free_server},
    {"skio_server_stop", true, true, stop},
    {"skio_server_drain", true, false, drain},
    {"skio_transport_shutdown", true, false, shut_down},
    {"skio_listen", false, false, listen_again},
    {"skio_lws_protocol", false, false, embed},
    {"skio_http_on", false, false, add_paths},
    {"skio_health_serve", false, false, serve_health},
    {"skio_metrics_serve", false, false, serve_metrics},
    {"skio_signals_drain", false, false, take_signals},
    {"skio_transport_flush", false, false, flush},
    {"skio_transport_timeout", false, false, time_out},
    {"skio_server_reload_tls", false, true, reload},
    {"skio_server_post", false, true, post},
    {"skio_timer_new", false, false, use_timer},
    {"skio_timer_free", false, false, free_timer},
    {"skio_watch_new", false, false, use_watch},
    {"skio_watch_free", false, false, free_watch},
    {"skio_resolve_new", false, false, resolve},
    {"skio_http_reply", false, false, reply},
    {"skio_http_take", false, false, take_and_reply},
};

/* ---- Clients ---- */

static int
dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Frames that end a socket, and a WebSocket. */
#define LEFT                                                                   \
    "\x81\x02"                                                                 \
    "41"
#define CLOSED "\x88"

/* Say this, and read on until that comes; false when the connection ends. A
 * frame of the server has no mask, so its text stands there as it is. */
static bool
talk(int fd, const void *data, size_t len, const char *until, char *answer,
     size_t size)
{
    size_t used = 0;
    ssize_t got;

    answer[0] = '\0';
    if (fd < 0 || send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    if (*until == '\0')
        return true;
    while (used + 1 < size &&
           (got = recv(fd, answer + used, size - used - 1, 0)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            if (answer[used + (size_t)i] == '\0')
                answer[used + (size_t)i] = '.';
        used += (size_t)got;
        answer[used] = '\0';
        if (strstr(answer, LEFT) != NULL || strstr(answer, CLOSED) != NULL)
            return false;
        if (strstr(answer, until) != NULL)
            return true;
    }
    return false;
}

static bool
ask(int fd, const char *request, const char *until, char *answer, size_t size)
{
    return talk(fd, request, strlen(request), until, answer, size);
}

static bool
say(int fd, const char *text, const char *until)
{
    unsigned char frame[64] = {0x81, 0x80};
    char answer[65536];
    size_t len = strlen(text);

    frame[1] |= (unsigned char)len;
    memcpy(frame + 6, text, len); /* a mask of zeroes */
    return talk(fd, frame, len + 6, until, answer, sizeof answer);
}

static void
use_websocket(uint16_t port)
{
    static const char upgrade[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char answer[4096];
    int fd = dial(port);

    if (ask(fd, upgrade, "\r\n\r\n", answer, sizeof answer) &&
        say(fd, "40", "40{\"sid\"") && say(fd, "42[\"e\",1]", "42[\"done\"]"))
        (void)say(fd, "41", "");
    close(fd);
}

static bool
request(uint16_t port, const char *text, char *answer, size_t size)
{
    int fd = dial(port);
    bool is_answered = ask(fd, text, "never comes", answer, size);

    (void)is_answered;
    close(fd);
    return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void
use_polling(uint16_t port)
{
    static const char *const packets[] = {"40", "42[\"e\",1]", "41"};
    char answer[4096];
    char text[300];
    char sid[64] = "";
    const char *start;

    if (!request(port,
                 "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
                 "Host: x\r\nConnection: close\r\n\r\n",
                 answer, sizeof answer))
        return;
    start = strstr(answer, "\"sid\":\"");
    if (start == NULL || sscanf(start + 7, "%63[^\"]", sid) != 1)
        return;
    for (size_t i = 0; i < 3; i++) {
        snprintf(
            text, sizeof text,
            "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n"
            "Host: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            sid, strlen(packets[i]), packets[i]);
        (void)request(port, text, answer, sizeof answer);
    }
}

/* ---- A pair ---- */

static void *
serve(void *arg)
{
    struct place *p = arg;
    int err = skio_run(p->server);

    if (err != SKIO_OK)
        p->result = err;
    return NULL;
}

/* The client may go on: what it has done was handled. */
static void
on_done(skio_socket *socket, const char *event, const skio_value *args,
        void *user)
{
    (void)event;
    (void)args;
    (void)user;
    (void)skio_emit(socket, "done", NULL);
}

static void
set_up(struct place *p, struct test_alloc *alloc)
{
    skio_server_options options;
    skio_health_options health;
    skio_metrics_options metrics;
    skio_nsp *root;

    skio_server_options_init(&options);
    options.allocator = alloc->allocator;
    options.close_timeout_ms = 50;
    options.drain_lead_ms = 0;
    options.log = on_log;
    assert_int_equal(skio_server_new(&p->server, &options), SKIO_OK);
    p->root = root = skio_of(p->server, "/");
    assert_int_equal(skio_http_on(p->server, "GET", "/go", on_go, p), 0);
    assert_int_equal(skio_http_on(p->server, "GET", "/ok", on_ok, p), 0);
    skio_health_options_init(&health);
    health.check = on_ready_check;
    health.user = p;
    assert_int_equal(skio_health_serve(p->server, &health), SKIO_OK);
    skio_metrics_options_init(&metrics);
    metrics.allow = on_metrics;
    metrics.user = p;
    assert_int_equal(skio_metrics_serve(p->server, &metrics, NULL), SKIO_OK);
    assert_int_equal(skio_allow_request(p->server, on_verdict, p), 0);
    assert_int_equal(skio_on_headers(p->server, on_headers, p), 0);
    assert_int_equal(skio_on_connection_error(p->server, on_refused, p), 0);
    assert_int_equal(skio_use(root, on_middleware, p), 0);
    assert_int_equal(skio_on_connect(root, on_connect, p), 0);
    assert_int_equal(skio_on_any(root, on_done, p), 0);
    assert_int_equal(skio_on(root, "e", on_event, p), 0);
    assert_int_equal(skio_on_disconnecting(root, on_disconnecting, p), 0);
    assert_int_equal(skio_on_disconnect(root, on_disconnect, p), 0);
    assert_int_equal(skio_listen(p->server, "127.0.0.1", 0), SKIO_OK);
    p->port = skio_server_port(p->server);
    p->timer = skio_timer_new(p->server, on_timer, p);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(skio_watch_new(p->server, p->fd, SKIO_READABLE,
                                    on_readable, p, &p->watch),
                     SKIO_OK);
}

static void
run_pair(void)
{
    struct place place = {0};
    struct test_alloc alloc;
    pthread_t thread;
    char answer[4096];
    bool is_served;

    test_alloc_init(&alloc);
    set_up(&place, &alloc);
    now = &place;
    assert_int_equal(pthread_create(&thread, NULL, serve, &place), 0);

    use_websocket(place.port);
    use_polling(place.port);
    (void)request(place.port,
                  "GET /socket.io/?EIO=9&transport=polling HTTP/1.1\r\n"
                  "Host: x\r\nConnection: close\r\n\r\n",
                  answer, sizeof answer);
    (void)request(place.port,
                  "GET /go HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                  answer, sizeof answer);
    if (moment == AT_METRICS)
        (void)request(place.port,
                      "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                      "Connection: close\r\n\r\n",
                      answer, sizeof answer);
    if (moment == AT_READY_CHECK)
        (void)request(place.port,
                      "GET /readyz HTTP/1.1\r\nHost: x\r\n"
                      "Connection: close\r\n\r\n",
                      answer, sizeof answer);
    for (int i = 0; i < 5000 && atomic_load(&place.acted) == 0; i++)
        usleep(1000);
    is_served = request(place.port,
                        "GET /ok HTTP/1.1\r\nHost: x\r\n"
                        "Connection: close\r\n\r\n",
                        answer, sizeof answer);

    skio_server_stop(place.server);
    pthread_join(thread, NULL);
    now = NULL;
    skio_watch_free(place.watch);
    skio_timer_free(place.timer);
    skio_server_free(place.server);
    close(place.fd);
    assert_int_equal(atomic_load(&place.acted), 1);
    assert_int_equal(place.result, SKIO_OK);
    assert_int_equal(alloc.live, 0);
    if (!call->ends && moment != AT_DRAINED)
        assert_true(is_served);
}

static void
what_ends_may_be_called_from_every_callback(void **state)
{
    const char *only = getenv("SKIO_CALL");

    (void)state;
    for (moment = 0; moment < MOMENTS; moment++) {
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
            call = &calls[i];
            if ((moment == AT_LOG && !call->only_looks) ||
                (only != NULL && strcmp(only, call->name) != 0))
                continue;
            print_message("# moment %d: %s\n", (int)moment, call->name);
            run_pair();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_may_be_called_from_every_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
