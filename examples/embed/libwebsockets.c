/*
 * libwebsockets [PORT]: a program with a libwebsockets context, and a Socket.IO
 * server in it
 *
 * Sensors ask for "/reading?value=21.5", and are answered how many there were.
 * Pages, at the same port, are told each "reading", and after one second
 * without any that it is "stale". The port is 3000 if nothing is said; 0 picks
 * a free one.
 *
 * The context, the vhost, its other routes and the loop stay the program's; so
 * it says what its loop is, here that of libwebsockets itself. A program whose
 * own loop is libev, libuv or GLib, and which needs no context, has less to do:
 * see the others in this folder.
 */
#include "readings.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <socketio/lws.h>

#define STALE_US (READINGS_STALE_MS * LWS_US_PER_MS)

static skio_server *io;
static struct lws_context *context;
static lws_sorted_usec_list_t stale;
static bool is_over;

static void
on_drained(skio_server *server, void *user)
{
    (void)server;
    (void)user;
    is_over = true;
}

static void
on_stale(lws_sorted_usec_list_t *timer)
{
    (void)timer;
    readings_stale(io);
}

/* A sensor's request: answered with a number, or 404. */
static int
answer(struct lws *wsi)
{
    unsigned char buf[LWS_PRE + 512];
    unsigned char *start = buf + LWS_PRE, *at = start, *end = buf + sizeof buf;
    char text[32] = "";
    const char *given =
        lws_get_urlarg_by_name(wsi, "value=", text, sizeof text);
    size_t len =
        given != NULL ? readings_take(io, given, text, sizeof text) : 0;

    if (len > 0)
        lws_sul_schedule(context, 0, &stale, on_stale, STALE_US);
    if (lws_add_http_header_status(wsi, len > 0 ? 200 : 404, &at, end) != 0 ||
        lws_add_http_header_content_length(wsi, len, &at, end) != 0 ||
        lws_finalize_http_header(wsi, &at, end) != 0)
        return -1;
    memcpy(at, text, len);
    if (lws_write(wsi, start, (size_t)(at - start) + len,
                  LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* The first one says goodbye to the pages, a second one waits for nobody. */
static void
on_signal(struct lws *wsi)
{
    struct signalfd_siginfo info;

    if (read(lws_get_socket_fd(wsi), &info, sizeof info) == sizeof info &&
        skio_server_drain(io, READINGS_DRAIN_MS, on_drained, NULL) != SKIO_OK)
        is_over = true;
}

static int
on_host(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
        size_t len)
{
    if (skio_lws_guard(wsi, reason))
        return -1;
    if (reason == LWS_CALLBACK_HTTP)
        return answer(wsi);
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        on_signal(wsi);
    return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static bool
take_signals(struct lws_vhost *vhost)
{
    lws_sock_file_fd_type fd;
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    fd.filefd = signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd.filefd >= 0 && sigprocmask(SIG_BLOCK, &both, NULL) == 0 &&
           lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, fd,
                                      "host", NULL) != NULL;
}

static int
begin_server(struct lws_protocols *protocol, struct lws_http_mount *mount)
{
    int err = readings_server(&io);

    if (err == SKIO_OK)
        err = skio_lws_protocol(io, protocol);
    if (err == SKIO_OK)
        err = skio_lws_mount(io, mount);
    if (err != SKIO_OK)
        fprintf(stderr, "libwebsockets: %s\n", skio_strerror(err));
    return err;
}

int
main(int argc, char **argv)
{
    /* Browsers name no subprotocol: what is for no other is the server's. */
    static const struct lws_protocol_vhost_options is_default = {.name =
                                                                     "default",
                                                                 .value = "1"};
    static const struct lws_protocol_vhost_options vhost_options =
        {.options = &is_default, .name = "socket.io", .value = ""};
    struct lws_protocols protocols[3] = {{.name = "host", .callback = on_host}};
    struct lws_http_mount mount = {.mount_next = NULL};
    struct lws_context_creation_info info;
    struct lws_vhost *vhost = NULL;

    lws_set_log_level(LLL_ERR, NULL);
    if (begin_server(&protocols[1], &mount) != SKIO_OK)
        return 1;
    memset(&info, 0, sizeof info);
    skio_lws_context_info(&info);
    info.port = readings_port(argc, argv, 1, 3000);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.mounts = &mount;
    info.pvo = &vhost_options;
    info.gid = -1;
    info.uid = -1;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    context = lws_create_context(&info);
    if (context != NULL)
        vhost = lws_create_vhost(context, &info);
    if (vhost != NULL && take_signals(vhost)) {
        printf("libwebsockets: clients and http://localhost:%d/reading?value=1 "
               "at port %d; stop with Ctrl+C\n",
               lws_get_vhost_listen_port(vhost),
               lws_get_vhost_listen_port(vhost));
        fflush(stdout);
        while (!is_over && lws_service(context, 0) >= 0)
            continue;
    } else {
        fprintf(stderr, "libwebsockets: port %d: cannot listen there\n",
                info.port);
    }
    if (context != NULL)
        lws_context_destroy(context);
    skio_server_free(io);
    return !is_over;
}
