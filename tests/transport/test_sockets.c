/*
 * Listening at several sockets: unix ones, those of others, those of a service
 * manager; and whom a proxy speaks for
 */
#define _GNU_SOURCE /* setenv, memmem */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <socketio/engine.h>
#include <socketio/http.h>
#include <socketio/lws.h>
#include <socketio/socketio.h>

#include "unit/alloc.h"

#define WHO "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

struct home {
    skio_server *server;
    pthread_t thread;
    char folder[64];
    char path[96];
};

/* ---- A server ---- */

static void
on_who(skio_http *request, void *user)
{
    (void)user;
    assert_true(
        skio_http_reply(request, 200, "%s", skio_http_address(request)) <= 0);
}

static void
home_new(struct home *home, const char *proxies, bool proxy_protocol)
{
    skio_server_options options;

    memset(home, 0, sizeof *home);
    skio_server_options_init(&options);
    options.close_timeout_ms = 500;
    options.header_timeout_ms = 1000;
    options.trusted_proxies = proxies;
    options.proxy_protocol = proxy_protocol;
    assert_int_equal(skio_server_new(&home->server, &options), SKIO_OK);
    assert_int_equal(skio_http_on(home->server, "GET", "/who", on_who, NULL),
                     SKIO_OK);
    snprintf(home->folder, sizeof home->folder, "/tmp/skio-XXXXXX");
    assert_non_null(mkdtemp(home->folder));
    snprintf(home->path, sizeof home->path, "%s/socket", home->folder);
}

static void *
run(void *arg)
{
    return skio_run(arg) == SKIO_OK ? NULL : arg;
}

static void
home_run(struct home *home)
{
    assert_int_equal(pthread_create(&home->thread, NULL, run, home->server), 0);
}

static void
home_free(struct home *home)
{
    skio_server_free(home->server);
    unlink(home->path);
    rmdir(home->folder);
}

static void
home_stop(struct home *home)
{
    void *failed;

    skio_server_stop(home->server);
    pthread_join(home->thread, &failed);
    assert_null(failed);
    home_free(home);
}

/* ---- A client ---- */

static int
dial_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 5};
    socklen_t len = sizeof to;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof to.sun_path);
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
        len =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, len) == 0)
        return fd;
    close(fd);
    return -1;
}

static int
dial_port(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whatever comes until the server closes: the last line of it; closes fd. */
static const char *
last_line(int fd)
{
    static char answer[4096];
    size_t len = 0;
    ssize_t got = 0;
    char *line;

    while (len + 1 < sizeof answer &&
           (got = recv(fd, answer + len, sizeof answer - len - 1, 0)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("still open");
    close(fd);
    line = strrchr(answer, '\n');
    return line != NULL ? line + 1 : answer;
}

/* Who the server thinks that is; "" when it closes without an answer. */
static const char *
ask(int fd, const void *preface, size_t len, const char *headers)
{
    assert_true(fd >= 0);
    if (len > 0)
        (void)send(fd, preface, len, MSG_NOSIGNAL);
    (void)send(fd, WHO, sizeof WHO - 1, MSG_NOSIGNAL);
    (void)send(fd, headers, strlen(headers), MSG_NOSIGNAL);
    (void)send(fd, "\r\n", 2, MSG_NOSIGNAL);
    return last_line(fd);
}

static const char *
who(int fd)
{
    return ask(fd, NULL, 0, "");
}

static size_t
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static bool
exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* ---- Unix sockets ---- */

static void
unix_socket_is_served_and_removed_at_the_end(void **state)
{
    struct home home;
    struct stat st;
    char path[96];

    (void)state;
    home_new(&home, NULL, false);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0640), SKIO_OK);
    assert_int_equal(skio_server_port(home.server), 0);
    assert_int_equal(lstat(home.path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0640);
    home_run(&home);
    assert_string_equal(who(dial_unix(home.path)), "\"\"");
    memcpy(path, home.path, sizeof path);
    skio_server_stop(home.server);
    pthread_join(home.thread, NULL);
    assert_false(exists(path));
    home_free(&home);
}

static void
mode_is_what_was_asked_for_whatever_the_umask(void **state)
{
    static const unsigned modes[] = {0600, 0660, 0666, 0777, 0};
    mode_t before = umask(0077);

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct home home;
        struct stat st;

        home_new(&home, NULL, false);
        assert_int_equal(skio_listen_unix(home.server, home.path, modes[i]),
                         SKIO_OK);
        assert_int_equal(lstat(home.path, &st), 0);
        assert_int_equal(st.st_mode & 0777, modes[i]);
        home_free(&home);
    }
    umask(before);
}

static void
abstract_name_leaves_no_file(void **state)
{
    struct home home, other;
    char name[64];

    (void)state;
    home_new(&home, NULL, false);
    home_new(&other, NULL, false);
    snprintf(name, sizeof name, "@libsocketio-test-%ld", (long)getpid());
    assert_int_equal(skio_listen_unix(home.server, name, 0600), SKIO_OK);
    assert_int_equal(skio_listen_unix(other.server, name, 0600),
                     SKIO_EADDRINUSE);
    assert_false(exists(name));
    home_run(&home);
    assert_string_equal(who(dial_unix(name)), "\"\"");
    home_stop(&home);
    assert_int_equal(skio_listen_unix(other.server, name, 0600), SKIO_OK);
    home_free(&other);
}

static void
stale_socket_file_is_replaced(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct home home;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    home_new(&home, NULL, false);
    memcpy(at.sun_path, home.path, strlen(home.path));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd); /* the file stays */
    assert_true(exists(home.path));
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    home_run(&home);
    assert_string_equal(who(dial_unix(home.path)), "\"\"");
    home_stop(&home);
}

static void
socket_that_somebody_serves_is_left_alone(void **state)
{
    struct home home, other;

    (void)state;
    home_new(&home, NULL, false);
    home_new(&other, NULL, false);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    home_run(&home);
    assert_int_equal(skio_listen_unix(other.server, home.path, 0600),
                     SKIO_EADDRINUSE);
    home_free(&other);
    assert_string_equal(who(dial_unix(home.path)), "\"\"");
    home_stop(&home);
}

static void
file_that_is_no_socket_is_left_alone(void **state)
{
    struct home home;
    int fd;

    (void)state;
    home_new(&home, NULL, false);
    fd = open(home.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600),
                     SKIO_EADDRINUSE);
    assert_true(exists(home.path));
    unlink(home.path);
    assert_int_equal(symlink("/nonexistent", home.path), 0);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600),
                     SKIO_EADDRINUSE);
    assert_true(exists(home.path));
    home_free(&home);
}

static void
file_that_another_has_put_there_is_not_removed(void **state)
{
    struct home home, other;

    (void)state;
    home_new(&home, NULL, false);
    home_new(&other, NULL, false);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    assert_int_equal(unlink(home.path), 0);
    assert_int_equal(skio_listen_unix(other.server, home.path, 0600), SKIO_OK);
    skio_server_free(home.server);
    assert_true(exists(home.path));
    home_free(&other);
    assert_false(exists(home.path));
    rmdir(home.folder);
}

static void
unix_path_that_cannot_be_is_an_error(void **state)
{
    struct home home;
    char path[256];
    size_t before;

    (void)state;
    home_new(&home, NULL, false);
    before = count_descriptors();
    memset(path, 'x', sizeof path);
    path[0] = '@';
    path[108] = '\0';
    assert_int_equal(skio_listen_unix(home.server, path, 0600), SKIO_EINVAL);
    assert_int_equal(skio_listen_unix(home.server, "", 0600), SKIO_EINVAL);
    assert_int_equal(skio_listen_unix(home.server, "@", 0600), SKIO_EINVAL);
    assert_int_equal(skio_listen_unix(home.server, home.path, 01600),
                     SKIO_EINVAL);
    assert_int_equal(skio_listen_unix(home.server, "/nonexistent/socket", 0600),
                     SKIO_ENOENT);
    /* but for the eventfd and its like of the transport */
    assert_in_range(count_descriptors(), before, before + 3);
    path[107] = '\0';
    assert_int_equal(skio_listen_unix(home.server, path, 0600), SKIO_OK);
    home_free(&home);
}

/* ---- Several ---- */

static void
server_listens_at_several_sockets_at_once(void **state)
{
    struct home home;
    uint16_t first;

    (void)state;
    home_new(&home, NULL, false);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    assert_int_equal(skio_server_port(home.server), 0);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    first = skio_server_port(home.server);
    assert_int_not_equal(first, 0);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(skio_server_port(home.server), first);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", first),
                     SKIO_EADDRINUSE);
    home_run(&home);
    assert_string_equal(who(dial_unix(home.path)), "\"\"");
    assert_string_equal(who(dial_port(first)), "\"127.0.0.1\"");
    home_stop(&home);
}

struct addition {
    pthread_mutex_t lock;
    pthread_cond_t done;
    const char *path;
    int result; /* 1: not yet */
};

static void
add_listener(skio_server *server, void *arg)
{
    struct addition *addition = arg;

    pthread_mutex_lock(&addition->lock);
    addition->result = skio_listen_unix(server, addition->path, 0600);
    pthread_cond_signal(&addition->done);
    pthread_mutex_unlock(&addition->lock);
}

static void
listener_joins_a_server_that_runs(void **state)
{
    struct addition addition = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .done = PTHREAD_COND_INITIALIZER,
                                .result = 1};
    struct home home;

    (void)state;
    home_new(&home, NULL, false);
    addition.path = home.path;
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    assert_string_equal(who(dial_port(skio_server_port(home.server))),
                        "\"127.0.0.1\"");
    pthread_mutex_lock(&addition.lock);
    assert_int_equal(skio_server_post(home.server, add_listener, &addition),
                     SKIO_OK);
    while (addition.result == 1)
        pthread_cond_wait(&addition.done, &addition.lock);
    pthread_mutex_unlock(&addition.lock);
    assert_int_equal(addition.result, SKIO_OK);
    assert_string_equal(who(dial_unix(home.path)), "\"\"");
    home_stop(&home);
}

/* ---- Descriptors ---- */

static int
bound_socket(bool listening, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (listening)
        assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void
bound_descriptor_is_served_listening_or_not(void **state)
{
    (void)state;
    for (int listening = 0; listening < 2; listening++) {
        struct home home;
        uint16_t port;
        int fd = bound_socket(listening == 1, &port);

        home_new(&home, NULL, false);
        assert_int_equal(skio_listen_fd(home.server, fd), SKIO_OK);
        assert_int_equal(skio_server_port(home.server), port);
        home_run(&home);
        assert_string_equal(who(dial_port(port)), "\"127.0.0.1\"");
        home_stop(&home);
        assert_int_equal(dial_port(port), -1); /* it was closed */
    }
}

static void
unfit_descriptor_is_refused_and_stays_the_callers(void **state)
{
    struct home home;
    uint16_t port;
    int fds[6];
    int pair[2];

    (void)state;
    home_new(&home, NULL, false);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0); /* not bound */
    fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
    fds[2] = socket(AF_UNIX, SOCK_STREAM, 0);
    fds[3] = open("/dev/null", O_RDONLY);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fds[4] = pair[0];
    fds[5] = pair[1];
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(skio_listen_fd(home.server, fds[i]), SKIO_EINVAL);
        assert_int_equal(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
        close(fds[i]);
    }
    assert_int_equal(skio_listen_fd(home.server, -1), SKIO_EINVAL);
    fds[0] = bound_socket(true, &port);
    fds[1] = dial_port(port); /* connected */
    assert_int_equal(skio_listen_fd(home.server, fds[1]), SKIO_EINVAL);
    close(fds[0]);
    close(fds[1]);
    home_free(&home);
}

/* ---- A service manager ---- */

static void
pass_descriptors(long pid, const char *count)
{
    char text[32];

    snprintf(text, sizeof text, "%ld", pid);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", count, 1);
}

static void
no_passed_descriptors_are_no_error(void **state)
{
    static const char *const none[] = {"0", "", "x", "-1", "1x"};
    struct home home;

    (void)state;
    home_new(&home, NULL, false);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    assert_int_equal(skio_listen_systemd(home.server), 0);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        pass_descriptors((long)getpid(), none[i]);
        assert_int_equal(skio_listen_systemd(home.server), 0);
    }
    pass_descriptors((long)getpid() + 1, "1"); /* meant for another process */
    assert_int_equal(skio_listen_systemd(home.server), 0);
    pass_descriptors((long)getpid(), "65");
    assert_int_equal(skio_listen_systemd(home.server), SKIO_ELIMIT);
    assert_int_equal(skio_run(home.server), SKIO_EINVAL);
    home_free(&home);
}

static void
passed_descriptors_are_all_served(void **state)
{
    struct home home;
    uint16_t ports[2];
    int kept[2], fds[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        fds[i] = bound_socket(true, &ports[i]);
        kept[i] = fcntl(3 + i, F_DUPFD, 20); /* what was there */
    }
    for (int i = 0; i < 2; i++)
        assert_true(fds[i] == 3 + i || dup2(fds[i], 3 + i) >= 0);
    for (int i = 0; i < 2; i++)
        if (fds[i] > 4)
            close(fds[i]);

    home_new(&home, NULL, false);
    pass_descriptors((long)getpid(), "2");
    assert_int_equal(skio_listen_systemd(home.server), 2);
    assert_null(getenv("LISTEN_FDS"));
    assert_int_equal(skio_listen_systemd(home.server), 0);
    assert_int_equal(skio_server_port(home.server), ports[0]);
    home_run(&home);
    for (int i = 0; i < 2; i++)
        assert_string_equal(who(dial_port(ports[i])), "\"127.0.0.1\"");
    home_stop(&home);
    for (int i = 0; i < 2; i++)
        if (kept[i] >= 0)
            close(kept[i]);
}

/* ---- Proxies ---- */

static void
address_is_the_one_that_a_trusted_proxy_names(void **state)
{
    struct home home;
    uint16_t port;

    (void)state;
    home_new(&home, "loopback", false);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    port = skio_server_port(home.server);
    home_run(&home);
    assert_string_equal(who(dial_port(port)), "\"127.0.0.1\"");
    assert_string_equal(ask(dial_port(port), NULL, 0,
                            "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n"),
                        "\"192.0.2.1\"");
    /* several lines are one list */
    assert_string_equal(ask(dial_port(port), NULL, 0,
                            "X-Forwarded-For: 192.0.2.1\r\n"
                            "X-Forwarded-For: 2001:db8::1\r\n"),
                        "\"2001:db8::1\"");
    assert_string_equal(ask(dial_port(port), NULL, 0,
                            "X-Forwarded-For: 192.0.2.1, nonsense\r\n"),
                        "\"127.0.0.1\"");
    /* and the other header names nobody */
    assert_string_equal(ask(dial_port(port), NULL, 0,
                            "Forwarded: for=192.0.2.1\r\n"),
                        "\"127.0.0.1\"");
    /* unix peers are not in this list */
    assert_string_equal(ask(dial_unix(home.path), NULL, 0,
                            "X-Forwarded-For: 192.0.2.1\r\n"),
                        "\"\"");
    home_stop(&home);
}

static void
unix_peer_may_be_a_trusted_proxy(void **state)
{
    struct home home;

    (void)state;
    home_new(&home, "unix", false);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    home_run(&home);
    assert_string_equal(ask(dial_unix(home.path), NULL, 0,
                            "X-Forwarded-For: 192.0.2.1\r\n"),
                        "\"192.0.2.1\"");
    home_stop(&home);
}

static void
nobody_is_trusted_unless_named(void **state)
{
    struct home home;

    (void)state;
    home_new(&home, NULL, false);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    assert_string_equal(ask(dial_port(skio_server_port(home.server)), NULL, 0,
                            "X-Forwarded-For: 192.0.2.1\r\n"),
                        "\"127.0.0.1\"");
    home_stop(&home);
}

static void
list_of_proxies_that_is_none_is_an_error(void **state)
{
    skio_server_options options;
    skio_server *server = NULL;
    struct home home;

    (void)state;
    home_new(&home, "10.0.0.0/99", false);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_EINVAL);
    home_free(&home);
    skio_server_options_init(&options);
    options.proxy_protocol = true; /* from whom? */
    assert_int_equal(skio_server_new(&server, &options), SKIO_EINVAL);
}

/* Two sessions for each address, which loopback may name. */
static skio_server *
new_limited_server(void)
{
    skio_server_options options;
    skio_server *server = NULL;

    skio_server_options_init(&options);
    options.close_timeout_ms = 500;
    options.trusted_proxies = "loopback";
    options.max_connections_per_address = 2;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    return server;
}

/* Of three clients that try three times each through one proxy. */
static int
count_served(uint16_t port)
{
    static const char handshake[] =
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n"
        "Connection: close\r\nX-Forwarded-For: 192.0.2.%d\r\n\r\n";
    int served = 0;

    for (int client = 1; client <= 3; client++)
        for (int i = 0; i < 3; i++) {
            char text[512];
            int fd = dial_port(port);
            int len = snprintf(text, sizeof text, handshake, client);

            assert_int_equal(send(fd, text, (size_t)len, 0), len);
            served += strstr(last_line(fd), "\"sid\"") != NULL;
        }
    return served;
}

struct host {
    struct lws_context *context;
    struct lws_protocols protocols[2];
    struct lws_http_mount mount;
    pthread_t thread;
    atomic_bool stopped;
};

static void
per_address_limit_counts_clients_and_not_their_proxy(void **state)
{
    struct home home;

    (void)state;
    home_new(&home, NULL, false);
    skio_server_free(home.server);
    home.server = new_limited_server();
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    assert_int_equal(count_served(skio_server_port(home.server)), 6);
    home_stop(&home);
}

static void *
run_host(void *arg)
{
    struct host *host = arg;

    while (!atomic_load(&host->stopped))
        if (lws_service(host->context, 0) < 0)
            return arg;
    return NULL;
}

/* A program with its own context, that serves from a thread. */
static uint16_t
start_host(struct host *host, skio_server *server)
{
    struct lws_context_creation_info info;

    assert_int_equal(skio_lws_protocol(server, &host->protocols[0]), SKIO_OK);
    assert_int_equal(skio_lws_mount(server, &host->mount), SKIO_OK);
    memset(&info, 0, sizeof info);
    skio_lws_context_info(&info);
    info.iface = "127.0.0.1";
    info.protocols = host->protocols;
    info.mounts = &host->mount;
    info.gid = info.uid = -1;
    lws_set_log_level(0, NULL);
    host->context = lws_create_context(&info);
    assert_non_null(host->context);
    assert_int_equal(pthread_create(&host->thread, NULL, run_host, host), 0);
    return (uint16_t)lws_get_vhost_listen_port(
        lws_get_vhost_by_name(host->context, "default"));
}

static void
stop_host(struct host *host)
{
    void *failed;

    atomic_store(&host->stopped, true);
    lws_cancel_service(host->context);
    pthread_join(host->thread, &failed);
    assert_null(failed);
    lws_context_destroy(host->context);
}

static void
proxies_are_trusted_inside_a_host_as_well(void **state)
{
    skio_server *server = new_limited_server();
    struct host host = {.stopped = false};

    (void)state;
    assert_int_equal(count_served(start_host(&host, server)), 6);
    stop_host(&host);
    skio_server_free(server);
}

static void
listening_without_memory_changes_nothing(void **state)
{
    size_t before = 0;
    int err = SKIO_ENOMEM;

    (void)state;
    for (size_t n = 1; err == SKIO_ENOMEM && n < 200; n++) {
        struct test_alloc alloc;
        skio_server_options options;
        skio_server *server = NULL;
        struct home home;

        home_new(&home, NULL, false);
        test_alloc_init(&alloc);
        skio_server_options_init(&options);
        options.allocator = alloc.allocator;
        options.trusted_proxies = "loopback";
        assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
        test_alloc_fail(&alloc, n);
        err = skio_listen_unix(server, home.path, 0600);
        alloc.fail_in = 0;
        assert_int_equal(exists(home.path), err == SKIO_OK);
        /* and nothing stands in the way of the next try */
        if (err != SKIO_OK)
            assert_int_equal(skio_listen_unix(server, home.path, 0600),
                             SKIO_OK);
        skio_server_free(server);
        assert_int_equal(alloc.live, 0);
        home_free(&home);
        if (n == 1)
            before = count_descriptors();
    }
    assert_int_equal(err, SKIO_OK);
    assert_int_equal(count_descriptors(), before);
}

static void
note_drained(skio_server *server, void *user)
{
    (void)server;
    atomic_store((atomic_bool *)user, true);
}

static void
drain_at_once(skio_server *server, void *user)
{
    assert_int_equal(skio_server_drain(server, 300, note_drained, user),
                     SKIO_OK);
}

static void
drain_works_inside_a_host(void **state)
{
    skio_server *server = new_limited_server();
    struct host host = {.stopped = false};
    struct timespec moment = {0, 10000000};
    atomic_bool drained = false;
    uint16_t port;

    (void)state;
    port = start_host(&host, server);
    assert_int_equal(count_served(port), 6); /* they never poll */
    assert_int_equal(skio_server_post(server, drain_at_once, &drained),
                     SKIO_OK);
    for (int i = 0; i < 500 && !atomic_load(&drained); i++)
        nanosleep(&moment, NULL);
    assert_true(atomic_load(&drained));
    assert_int_equal(count_served(port), 0); /* and nobody comes in */
    stop_host(&host);
    skio_server_free(server);
}

/* ---- The PROXY protocol ---- */

#define V2 SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\x0a\0\0\1\xc3\x50\0\x50"

static void
proxy_protocol_names_the_client(void **state)
{
    static const char v1[] = "PROXY TCP4 192.0.2.1 10.0.0.1 50000 80\r\n";
    static const char v6[] = "PROXY TCP6 2001:db8::1 ::1 50000 80\r\n";
    static const char local[] = SIGNATURE "\x20\0\0\0";
    struct home home;
    uint16_t port;

    (void)state;
    home_new(&home, "loopback, unix", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(skio_listen_unix(home.server, home.path, 0600), SKIO_OK);
    port = skio_server_port(home.server);
    home_run(&home);
    assert_string_equal(ask(dial_port(port), v1, sizeof v1 - 1, ""),
                        "\"192.0.2.1\"");
    assert_string_equal(ask(dial_port(port), v6, sizeof v6 - 1, ""),
                        "\"2001:db8::1\"");
    assert_string_equal(ask(dial_port(port), V2, sizeof V2 - 1, ""),
                        "\"192.0.2.1\"");
    assert_string_equal(ask(dial_unix(home.path), V2, sizeof V2 - 1, ""),
                        "\"192.0.2.1\"");
    assert_string_equal(ask(dial_port(port), local, sizeof local - 1, ""),
                        "\"127.0.0.1\"");
    /* the client it names is no proxy: what it claims is ignored */
    assert_string_equal(ask(dial_port(port), V2, sizeof V2 - 1,
                            "X-Forwarded-For: 6.6.6.6\r\n"),
                        "\"192.0.2.1\"");
    home_stop(&home);
}

static void
preface_in_pieces_is_put_together(void **state)
{
    struct timespec moment = {0, 2000000};
    struct home home;

    (void)state;
    home_new(&home, "loopback", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    for (size_t cut = 1; cut < sizeof V2 - 1; cut += 3) {
        int fd = dial_port(skio_server_port(home.server));

        assert_int_equal(send(fd, V2, cut, 0), (ssize_t)cut);
        nanosleep(&moment, NULL);
        assert_string_equal(ask(fd, &V2[cut], sizeof V2 - 1 - cut, ""),
                            "\"192.0.2.1\"");
    }
    home_stop(&home);
}

static void
trusted_proxy_without_a_preface_is_closed(void **state)
{
    struct home home;
    uint16_t port;

    (void)state;
    home_new(&home, "loopback", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    port = skio_server_port(home.server);
    home_run(&home);
    assert_string_equal(who(dial_port(port)), "");
    assert_string_equal(ask(dial_port(port), "PROXY TCP4 x\r\n", 14, ""), "");
    assert_string_equal(ask(dial_port(port), SIGNATURE "\x21\x11\xff\xff", 16,
                            ""),
                        "");
    home_stop(&home);
}

static void
read_header_hits(skio_server *server, void *arg)
{
    const char *name;
    uint64_t hits;

    for (size_t i = 0; (name = skio_server_limit(server, i, &hits)) != NULL;
         i++)
        if (strcmp(name, "header_timeout_ms") == 0)
            atomic_store((atomic_int *)arg, (int)hits);
}

static void
preface_that_does_not_come_is_not_waited_for(void **state)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    struct home home;
    atomic_int hits = -1;
    int fds[2];

    (void)state;
    home_new(&home, "loopback", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    for (int i = 0; i < 2; i++)
        fds[i] = dial_port(skio_server_port(home.server));
    assert_int_equal(send(fds[1], "PROXY TC", 8, 0), 8);
    assert_string_equal(last_line(fds[0]), ""); /* within header_timeout_ms */
    assert_string_equal(last_line(fds[1]), "");
    assert_int_equal(skio_server_post(home.server, read_header_hits, &hits),
                     SKIO_OK);
    for (int i = 0; i < 300 && atomic_load(&hits) < 0; i++)
        nanosleep(&moment, NULL);
    assert_int_equal(atomic_load(&hits), 2);
    home_stop(&home);
}

static void
stop_does_not_wait_for_a_preface(void **state)
{
    struct home home;
    int fd;

    (void)state;
    home_new(&home, "loopback", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    home_run(&home);
    fd = dial_port(skio_server_port(home.server));
    assert_int_equal(send(fd, "PROXY TC", 8, 0), 8);
    home_stop(&home);
    assert_string_equal(last_line(fd), "");
}

static void
stranger_cannot_speak_the_proxy_protocol(void **state)
{
    struct home home;
    uint16_t port;

    (void)state;
    home_new(&home, "10.0.0.1", true);
    assert_int_equal(skio_listen(home.server, "127.0.0.1", 0), SKIO_OK);
    port = skio_server_port(home.server);
    home_run(&home);
    assert_string_equal(who(dial_port(port)), "\"127.0.0.1\"");
    assert_null(strstr(ask(dial_port(port), V2, sizeof V2 - 1, ""), "192.0"));
    home_stop(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unix_socket_is_served_and_removed_at_the_end),
        cmocka_unit_test(mode_is_what_was_asked_for_whatever_the_umask),
        cmocka_unit_test(abstract_name_leaves_no_file),
        cmocka_unit_test(stale_socket_file_is_replaced),
        cmocka_unit_test(socket_that_somebody_serves_is_left_alone),
        cmocka_unit_test(file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(file_that_another_has_put_there_is_not_removed),
        cmocka_unit_test(unix_path_that_cannot_be_is_an_error),
        cmocka_unit_test(server_listens_at_several_sockets_at_once),
        cmocka_unit_test(listener_joins_a_server_that_runs),
        cmocka_unit_test(bound_descriptor_is_served_listening_or_not),
        cmocka_unit_test(unfit_descriptor_is_refused_and_stays_the_callers),
        cmocka_unit_test(no_passed_descriptors_are_no_error),
        cmocka_unit_test(passed_descriptors_are_all_served),
        cmocka_unit_test(address_is_the_one_that_a_trusted_proxy_names),
        cmocka_unit_test(unix_peer_may_be_a_trusted_proxy),
        cmocka_unit_test(nobody_is_trusted_unless_named),
        cmocka_unit_test(list_of_proxies_that_is_none_is_an_error),
        cmocka_unit_test(per_address_limit_counts_clients_and_not_their_proxy),
        cmocka_unit_test(proxies_are_trusted_inside_a_host_as_well),
        cmocka_unit_test(listening_without_memory_changes_nothing),
        cmocka_unit_test(drain_works_inside_a_host),
        cmocka_unit_test(proxy_protocol_names_the_client),
        cmocka_unit_test(preface_in_pieces_is_put_together),
        cmocka_unit_test(trusted_proxy_without_a_preface_is_closed),
        cmocka_unit_test(preface_that_does_not_come_is_not_waited_for),
        cmocka_unit_test(stop_does_not_wait_for_a_preface),
        cmocka_unit_test(stranger_cannot_speak_the_proxy_protocol),
    };

    return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
