/*
 * The addons for operators: health endpoints, and an end by signal
 */
#define _GNU_SOURCE /* pthread_sigmask */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <socketio/health.h>
#include <socketio/lws.h>
#include <socketio/signals.h>

#include "threats/home.h"
#include "unit/alloc.h"

#define OK "{\"status\":\"ok\"}"
#define DRAINING "{\"status\":\"unavailable\",\"reason\":\"draining\"}"

static char out[4096];
static _Atomic(const char *) host_says; /* what the check of the host returns */

static const char *
check(skio_server *server, void *user)
{
    assert_non_null(server);
    assert_ptr_equal(user, out);
    return atomic_load(&host_says);
}

static void
serve(skio_server *server)
{
    skio_health_options options;

    skio_health_options_init(&options);
    options.check = check;
    options.user = out;
    assert_int_equal(skio_health_serve(server, &options), SKIO_OK);
}

static void
drain_slowly(skio_server_options *options)
{
    options->drain_lead_ms = 60000;
}

/* The status of an answer, and where its body begins. */
static int
ask(const struct home *home, const char *method, const char *path,
    const char **body)
{
    char request[256];

    (void)snprintf(request, sizeof(request),
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   method, path);
    home_ask(home, request, out, sizeof(out));
    *body = strstr(out, "\r\n\r\n");
    assert_non_null(*body);
    *body += 4;
    assert_null(strstr(out, "Server:"));
    assert_null(strstr(out, "server:"));
    return (int)strtol(out + sizeof("HTTP/1.1"), NULL, 10);
}

static bool
is_uncached(void)
{
    return strstr(out, "Cache-Control: no-store\r\n") != NULL ||
           strstr(out, "cache-control: no-store\r\n") != NULL;
}

static void
answers_are_short_uncached_and_the_same_to_head(void **state)
{
    static const char *const paths[] = {"/healthz", "/readyz"};
    struct home *home = home_start_with(HOME_OWN, NULL, serve);
    const char *body;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(home, "GET", paths[i], &body), 200);
        assert_string_equal(body, OK);
        assert_true(is_uncached());
        assert_int_equal(ask(home, "HEAD", paths[i], &body), 200);
        assert_string_equal(body, "");
        assert_true(is_uncached());
        assert_int_equal(ask(home, "POST", paths[i], &body), 405);
    }
    assert_int_equal(ask(home, "GET", "/readyz/", &body), 404);
    home_stop(home);
}

static void
readiness_is_what_the_host_says(void **state)
{
    struct home *home = home_start_with(HOME_OWN, NULL, serve);
    char limit[202];
    const char *body;

    (void)state;
    atomic_store(&host_says, "no \"database\"");
    assert_int_equal(ask(home, "GET", "/readyz", &body), 503);
    assert_string_equal(body, "{\"status\":\"unavailable\","
                              "\"reason\":\"no \\\"database\\\"\"}");
    assert_true(is_uncached());
    assert_int_equal(ask(home, "HEAD", "/readyz", &body), 503);
    assert_int_equal(ask(home, "GET", "/healthz", &body), 200);

    memset(limit, 'r', sizeof(limit));
    limit[200] = '\0';
    atomic_store(&host_says, limit);
    assert_int_equal(ask(home, "GET", "/readyz", &body), 503);
    assert_non_null(strstr(body, limit));
    limit[200] = 'r';
    limit[201] = '\0';
    assert_int_equal(ask(home, "GET", "/readyz", &body), 503);
    assert_non_null(strstr(body, "\"not ready\""));
    atomic_store(&host_says, "\xff"); /* no text: negative all the same */
    assert_int_equal(ask(home, "GET", "/readyz", &body), 500);

    atomic_store(&host_says, NULL);
    assert_int_equal(ask(home, "GET", "/readyz", &body), 200);
    home_stop(home);
}

static void
drain_now(skio_server *server, void *arg)
{
    (void)arg;
    if (server != NULL && skio_server_drain(server, 0, NULL, NULL) != SKIO_OK)
        abort();
}

static skio_server *last_server;

static void
serve_and_remember(skio_server *server)
{
    last_server = server;
    serve(server);
}

static void
draining_server_is_not_ready_and_serves_on(void **state)
{
    struct home *home =
        home_start_with(HOME_OWN, drain_slowly, serve_and_remember);
    const char *body;

    (void)state;
    assert_int_equal(ask(home, "GET", "/readyz", &body), 200);
    assert_int_equal(skio_server_post(last_server, drain_now, NULL), SKIO_OK);
    for (int n = 0; n < 500 && ask(home, "GET", "/readyz", &body) != 503; n++)
        home_pause(10);
    assert_string_equal(body, DRAINING);
    assert_int_equal(ask(home, "HEAD", "/readyz", &body), 503);
    assert_int_equal(ask(home, "GET", "/healthz", &body), 200);
    assert_true(home_is_well(home));
    home_stop(home);
}

static bool
is_ready_at(int port)
{
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 5};
    char answer[512];
    size_t len;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) !=
            0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        return false;
    home_say(fd, request);
    len = home_read(fd, answer, sizeof(answer), NULL, NULL);
    close(fd);
    return len > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) == 0 &&
           strstr(answer, OK) != NULL;
}

/* Beside the host's loop. */
struct asker {
    struct lws_context *context;
    int port;
    bool is_ready;
    atomic_bool is_done;
};

static void *
ask_host(void *arg)
{
    struct asker *asker = arg;

    asker->is_ready = is_ready_at(asker->port);
    atomic_store(&asker->is_done, true);
    lws_cancel_service(asker->context);
    return NULL;
}

static void
drain_at_once(skio_server_options *options)
{
    options->drain_lead_ms = 0;
    options->close_timeout_ms = 1000;
}

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
nothing(skio_server *server, void *arg)
{
    (void)server;
    (void)arg;
}

#define STUCK 500000
#define STUCK_COUNT 30 /* far more than the system takes for us */

/* Much waits for it, and its end behind that. */
static void
client_that_never_reads_does_not_hold_up_a_drain(void **state)
{
    static char event[STUCK];
    struct home *home =
        home_start_with(HOME_OWN, drain_at_once, serve_and_remember);
    int few = 4096;
    int fd = home_dial(home);
    int idle = home_dial(home);
    uint64_t began;
    uint64_t took;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
    home_say(fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                 "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
    home_read(fd, out, sizeof(out), "maxPayload", NULL);
    home_frame(fd, 0x81, "40", 2);
    memset(event, 'x', sizeof(event));
    memcpy(event, "42[\"echo\",\"", 11);
    memcpy(event + sizeof(event) - 2, "\"]", 2);
    for (int i = 0; i < STUCK_COUNT; i++)
        home_frame(fd, 0x81, event, sizeof(event));
    home_pause(200);

    began = now_ms();
    assert_int_equal(skio_server_post(last_server, drain_now, NULL), SKIO_OK);
    home_read(idle, out, sizeof(out), NULL, NULL);
    while (skio_server_post(last_server, nothing, NULL) == SKIO_OK &&
           now_ms() - began < 5000)
        home_pause(5);
    took = now_ms() - began;
    /* it had its second, and no other one after the drain */
    assert_in_range(took, 900, 1900);
    close(fd);
    close(idle);
    home_stop(home);
}

/* The mount that a host has for the path. */
static void
host_answers_where_its_mount_leads(void **state)
{
    struct lws_protocols protocols[2] = {{.name = NULL}};
    struct lws_http_mount mount = {.mount_next = NULL};
    struct lws_http_mount ready;
    struct lws_context_creation_info info = {.port = 0};
    struct lws_context *context;
    struct asker asker = {.port = 0};
    skio_server *server;
    pthread_t thread;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    assert_int_equal(skio_health_serve(server, NULL), SKIO_OK);
    assert_int_equal(skio_lws_protocol(server, &protocols[0]), SKIO_OK);
    assert_int_equal(skio_lws_mount(server, &mount), SKIO_OK);
    ready = mount;
    ready.mountpoint = "/readyz";
    ready.mountpoint_len = sizeof("/readyz") - 1;
    mount.mount_next = &ready;
    skio_lws_context_info(&info);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.mounts = &mount;
    info.gid = info.uid = -1;
    lws_set_log_level(0, NULL);
    context = lws_create_context(&info);
    assert_non_null(context);

    asker.context = context;
    asker.port =
        lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default"));
    assert_int_equal(pthread_create(&thread, NULL, ask_host, &asker), 0);
    while (!atomic_load(&asker.is_done))
        lws_service(context, 0);
    pthread_join(thread, NULL);
    assert_true(asker.is_ready);
    lws_context_destroy(context);
    skio_server_free(server);
}

static void
paths_may_be_others_or_none(void **state)
{
    skio_health_options options;
    skio_server *server;

    (void)state;
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    skio_health_options_init(&options);
    assert_string_equal(options.live_path, "/healthz");
    assert_string_equal(options.ready_path, "/readyz");
    options.live_path = "live";
    assert_int_equal(skio_health_serve(server, &options), SKIO_EINVAL);
    options.live_path = options.ready_path = NULL;
    assert_int_equal(skio_health_serve(server, &options), SKIO_EINVAL);
    options.live_path = "/live";
    assert_int_equal(skio_health_serve(server, &options), SKIO_OK);
    assert_int_equal(skio_health_serve(server, &options), SKIO_EBUSY);
    assert_int_equal(skio_health_serve(server, NULL), SKIO_OK);
    skio_server_free(server);
}

/* Every allocation of the calls fails once: nothing is left, nothing served
 * half. */
static void
addons_need_all_of_their_memory(void **state)
{
    sigset_t before;
    sigset_t after;
    int err = SKIO_ENOMEM;

    (void)state;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    for (size_t n = 1; err != SKIO_OK && n < 1000; n++) {
        skio_server_options options;
        struct test_alloc alloc;
        skio_server *server;

        test_alloc_init(&alloc);
        skio_server_options_init(&options);
        options.allocator = alloc.allocator;
        assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
        test_alloc_fail(&alloc, n);
        err = skio_health_serve(server, NULL);
        if (err == SKIO_OK)
            err = skio_signals_drain(server, 0);
        if (err == SKIO_OK)
            err = skio_listen(server, "127.0.0.1", 0);
        alloc.fail_in = 0;
        skio_server_free(server);
        assert_int_equal(alloc.live, 0);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
        assert_int_equal(sigismember(&after, SIGTERM),
                         sigismember(&before, SIGTERM));
    }
    assert_int_equal(err, SKIO_OK);
}

/* ---- Signals ---- */

/* Again and again until it is time. */
static void
raise_when_draining(skio_server *server, void *arg)
{
    if (server == NULL)
        return;
    if (skio_server_is_draining(server))
        raise(*(int *)arg);
    else if (skio_server_post(server, raise_when_draining, arg) != SKIO_OK)
        _exit(5);
}

/* A program of its own, which is told to end. Returns what waitpid() says. */
static int
end_child(int first, int second, uint32_t lead_ms)
{
    skio_server_options options;
    skio_server *server;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child > 0) {
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
    }
    skio_server_options_init(&options);
    options.drain_lead_ms = lead_ms;
    if (skio_server_new(&server, &options) != SKIO_OK ||
        skio_signals_drain(server, 0) != SKIO_OK || raise(first) != 0 ||
        skio_listen(server, "127.0.0.1", 0) != SKIO_OK)
        _exit(2);
    last_server = server;
    if (second != 0 &&
        skio_server_post(server, raise_when_draining, &second) != SKIO_OK)
        _exit(3);
    if (skio_run(server) != SKIO_OK || !skio_server_is_draining(server))
        _exit(4);
    skio_server_free(server);
    _exit(0);
}

static void
one_signal_drains_and_ends_well(void **state)
{
    (void)state;
    assert_int_equal(end_child(SIGTERM, 0, 100), 0);
    assert_int_equal(end_child(SIGINT, 0, 0), 0);
}

static void
second_signal_ends_at_once(void **state)
{
    int status = end_child(SIGTERM, SIGTERM, INT32_MAX);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = end_child(SIGINT, SIGTERM, INT32_MAX);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void
signals_are_given_back(void **state)
{
    skio_server *server;
    sigset_t before;
    sigset_t mask;
    size_t descriptors;

    (void)state;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    descriptors = home_descriptors();
    assert_int_equal(skio_signals_drain(server, (uint32_t)INT32_MAX + 1),
                     SKIO_EINVAL);
    assert_int_equal(skio_signals_drain(server, INT32_MAX), SKIO_OK);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGTERM), 1);
    assert_int_equal(sigismember(&mask, SIGINT), 1);
    skio_server_free(server);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGTERM),
                     sigismember(&before, SIGTERM));
    assert_int_equal(home_descriptors(), descriptors);
}

/* ---- The end of a server ---- */

static void
note_free(void *user)
{
    strncat(out, user, sizeof(out) - strlen(out) - 1);
}

static void
functions_run_when_a_server_is_freed(void **state)
{
    static char names[2][2] = {"a", "b"};
    skio_server *server;

    (void)state;
    out[0] = '\0';
    assert_int_equal(skio_server_new(&server, NULL), SKIO_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(skio_server_on_free(server, note_free, names[i]),
                         SKIO_OK);
    assert_string_equal(out, "");
    skio_server_free(server);
    assert_string_equal(out, "ba");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_short_uncached_and_the_same_to_head),
        cmocka_unit_test(readiness_is_what_the_host_says),
        cmocka_unit_test(draining_server_is_not_ready_and_serves_on),
        cmocka_unit_test(client_that_never_reads_does_not_hold_up_a_drain),
        cmocka_unit_test(host_answers_where_its_mount_leads),
        cmocka_unit_test(paths_may_be_others_or_none),
        cmocka_unit_test(addons_need_all_of_their_memory),
        cmocka_unit_test(one_signal_drains_and_ends_well),
        cmocka_unit_test(second_signal_ends_at_once),
        cmocka_unit_test(signals_are_given_back),
        cmocka_unit_test(functions_run_when_a_server_is_freed),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
