/*
 * embed-server PORT [MODE]: a host program with a libwebsockets context of its
 * own, in which a Socket.IO server lives
 *
 * The host keeps protocol 0, a route that answers "host", a WebSocket
 * subprotocol "host-echo", and lws' poll() loop; the server has one entry of
 * the protocols and one mount. MODE "ev": a libev loop of the host, with
 * skio_lws_flush() in its prepare hook, instead of the eventfd that serves
 * otherwise.
 *
 * Listens on 127.0.0.1, prints "listening on PORT", serves until SIGTERM. The
 * namespace "/" says welcome and has the events echo (acks what came, or emits
 * it back) and all (to everybody).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <libwebsockets.h>

#include <socketio/lws.h>
#include <socketio/socketio.h>

static volatile sig_atomic_t stopped;
static struct lws_context *context;
static struct ev_loop *loop;

/* ---- The Socket.IO side ---- */

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
    else
        skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    skio_emit(socket, "welcome", NULL);
}

static void
on_all(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *text = skio_get_str(args, "0");

    (void)ack;
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "all", "%s", text);
}

/* ---- The host's side ---- */

static int
answer(struct lws *wsi)
{
    static const char body[] = "host";
    unsigned char buf[LWS_PRE + 512];
    unsigned char *start = buf + LWS_PRE;
    unsigned char *at = start;
    unsigned char *end = buf + sizeof(buf);

    if (lws_add_http_header_status(wsi, 200, &at, end) != 0 ||
        lws_add_http_header_content_length(wsi, sizeof(body) - 1, &at, end) !=
            0 ||
        lws_finalize_http_header(wsi, &at, end) != 0)
        return -1;
    memcpy(at, body, sizeof(body) - 1);
    at += sizeof(body) - 1;
    if (lws_write(wsi, start, (size_t)(at - start), LWS_WRITE_HTTP_FINAL) < 0 ||
        lws_http_transaction_completed(wsi) != 0)
        return -1;
    return 0;
}

static int
on_host(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
        size_t len)
{
    if (skio_lws_guard(wsi, reason))
        return -1;
    if (reason == LWS_CALLBACK_HTTP)
        return answer(wsi);
    return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static int
on_host_echo(struct lws *wsi, enum lws_callback_reasons reason, void *user,
             void *in, size_t len)
{
    unsigned char buf[LWS_PRE + 128];

    (void)user;
    if (reason != LWS_CALLBACK_RECEIVE)
        return 0;
    if (len > 128)
        return -1;
    memcpy(buf + LWS_PRE, in, len);
    return lws_write(wsi, buf + LWS_PRE, len, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static void
on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void
on_ev_signal(struct ev_loop *ev, struct ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(ev, EVBREAK_ALL);
}

static void
on_prepare(struct ev_loop *ev, struct ev_prepare *prepare, int events)
{
    (void)ev;
    (void)events;
    skio_lws_flush(prepare->data);
}

static void
run_ev(skio_server *server)
{
    struct ev_prepare prepare;
    struct ev_signal term;

    ev_prepare_init(&prepare, on_prepare);
    prepare.data = server;
    ev_prepare_start(loop, &prepare);
    ev_signal_init(&term, on_ev_signal, SIGTERM);
    ev_signal_start(loop, &term);
    ev_run(loop, 0);
    ev_signal_stop(loop, &term);
    ev_prepare_stop(loop, &prepare);
}

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", message);
}

int
main(int argc, char **argv)
{
    static const struct lws_protocol_vhost_options is_default = {.name =
                                                                     "default",
                                                                 .value = "1"};
    static const struct lws_protocol_vhost_options vhost_options =
        {.options = &is_default, .name = "socket.io", .value = ""};
    struct lws_protocols protocols[4] = {
        {.name = "host", .callback = on_host},
        {.name = "host-echo", .callback = on_host_echo},
    };
    struct lws_http_mount mount = {0};
    struct lws_context_creation_info info;
    void *loops[1];
    skio_server_options options;
    skio_server *server;
    skio_nsp *root;

    if (argc < 2)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    lws_set_log_level(0, NULL);

    skio_server_options_init(&options);
    options.log = on_log;
    options.log_level = SKIO_LOG_WARN;
    if (skio_server_new(&server, &options) != SKIO_OK)
        return 1;
    root = skio_of(server, "/");
    if (skio_on_connect(root, on_connect, NULL) != SKIO_OK ||
        skio_on(root, "echo", on_echo, NULL) != SKIO_OK ||
        skio_on(root, "all", on_all, NULL) != SKIO_OK ||
        skio_lws_protocol(server, &protocols[2]) != SKIO_OK ||
        skio_lws_mount(server, &mount) != SKIO_OK)
        return 1;

    memset(&info, 0, sizeof(info));
    skio_lws_context_info(&info);
    info.port = (int)strtol(argv[1], NULL, 10);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.mounts = &mount;
    info.pvo = &vhost_options;
    info.gid = -1;
    info.uid = -1;
    if (argc > 2 && strcmp(argv[2], "ev") == 0) {
        loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
        loops[0] = loop;
        info.foreign_loops = loops;
        info.options |= LWS_SERVER_OPTION_LIBEV;
    }
    context = lws_create_context(&info);
    if (context == NULL) {
        fprintf(stderr, "no context\n");
        return 1;
    }
    printf("listening on %d\n", lws_get_vhost_listen_port(
                                    lws_get_vhost_by_name(context, "default")));

    if (loop != NULL) {
        run_ev(server);
    } else {
        signal(SIGTERM, on_signal);
        while (stopped == 0 && lws_service(context, 0) >= 0)
            continue;
    }
    lws_context_destroy(context);
    if (loop != NULL)
        ev_loop_destroy(loop);
    skio_server_free(server);
    return 0;
}
