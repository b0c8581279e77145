#define _GNU_SOURCE /* memmem, strcasestr */

#include "threats/home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <socketio/lws.h>

struct home {
    enum home_kind kind;
    skio_server *server;
    pthread_t thread;
    uint16_t port;
    uint32_t header_timeout_ms;
    struct lws_context *context;
    struct lws_protocols protocols[3];
    struct lws_http_mount mount;
    atomic_bool stopped;
    atomic_bool woken;
    atomic_size_t blocks;
};

/* ---- Memory, counted from any thread ---- */

static void *
count_malloc(size_t size, void *user)
{
    struct home *home = user;
    void *ptr = malloc(size);

    if (ptr != NULL)
        atomic_fetch_add(&home->blocks, 1);
    return ptr;
}

static void *
count_realloc(void *ptr, size_t size, void *user)
{
    return ptr == NULL ? count_malloc(size, user) : realloc(ptr, size);
}

static void
count_free(void *ptr, void *user)
{
    struct home *home = user;

    if (ptr != NULL)
        atomic_fetch_sub(&home->blocks, 1);
    free(ptr);
}

size_t
home_blocks(const struct home *home)
{
    return atomic_load(&home->blocks);
}

/* ---- A host ---- */

static int
answer(struct lws *wsi)
{
    unsigned char buf[LWS_PRE + 512];
    unsigned char *start = buf + LWS_PRE;
    unsigned char *at = start;
    unsigned char *end = buf + sizeof(buf);

    if (lws_add_http_header_status(wsi, 200, &at, end) != 0 ||
        lws_add_http_header_content_length(wsi, 4, &at, end) != 0 ||
        lws_finalize_http_header(wsi, &at, end) != 0)
        return -1;
    memcpy(at, "host", 4);
    at += 4;
    if (lws_write(wsi, start, (size_t)(at - start), LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
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

static void
start_host(struct home *home)
{
    static const struct lws_protocol_vhost_options is_default = {.name =
                                                                     "default",
                                                                 .value = "1"};
    static const struct lws_protocol_vhost_options options =
        {.options = &is_default, .name = "socket.io", .value = ""};
    struct lws_context_creation_info info;

    home->protocols[0] =
        (struct lws_protocols){.name = "host", .callback = on_host};
    assert_int_equal(skio_lws_protocol(home->server, &home->protocols[1]),
                     SKIO_OK);
    assert_int_equal(skio_lws_mount(home->server, &home->mount), SKIO_OK);

    memset(&info, 0, sizeof(info));
    skio_lws_context_info(&info);
    info.iface = "127.0.0.1";
    info.protocols = home->protocols;
    info.mounts = &home->mount;
    info.pvo = &options;
    info.gid = -1;
    info.uid = -1;
    /* how long a header may take is the host's business */
    info.timeout_secs_ah_idle = home->header_timeout_ms / 1000 + 1;
    lws_set_log_level(0, NULL);
    home->context = lws_create_context(&info);
    assert_non_null(home->context);
    home->port = (uint16_t)lws_get_vhost_listen_port(
        lws_get_vhost_by_name(home->context, "default"));
}

static void *
run(void *arg)
{
    struct home *home = arg;

    if (home->kind == HOME_OWN)
        return skio_run(home->server) == SKIO_OK ? NULL : home;
    while (!atomic_load(&home->stopped))
        if (lws_service(home->context, 0) < 0)
            return home;
    while (!atomic_load(&home->woken)) /* by a call that needs the context */
        home_pause(1);
    lws_context_destroy(home->context);
    return NULL;
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

struct home *
home_start(enum home_kind kind)
{
    return home_start_with(kind, NULL, NULL);
}

struct home *
home_start_with(enum home_kind kind,
                void (*change)(skio_server_options *options),
                void (*setup)(skio_server *server))
{
    struct home *home = calloc(1, sizeof(*home));
    skio_server_options options;

    assert_non_null(home);
    home->kind = kind;
    skio_server_options_init(&options);
    options.max_connections_per_address = 100000;
    options.close_timeout_ms = 500;
    options.max_outbound_bytes = (size_t)64 << 20; /* for a slow reader */
    options.allocator.malloc = count_malloc;
    options.allocator.realloc = count_realloc;
    options.allocator.free = count_free;
    options.allocator.user = home;
    if (change != NULL)
        change(&options);
    home->header_timeout_ms = options.header_timeout_ms;
    assert_int_equal(skio_server_new(&home->server, &options), SKIO_OK);
    assert_int_equal(skio_on(skio_of(home->server, "/"), "echo", on_echo, NULL),
                     SKIO_OK);
    if (setup != NULL)
        setup(home->server);
    if (kind == HOME_OWN) {
        assert_int_equal(skio_listen(home->server, "127.0.0.1", 0), SKIO_OK);
        home->port = skio_server_port(home->server);
    } else {
        start_host(home);
    }
    assert_int_equal(pthread_create(&home->thread, NULL, run, home), 0);
    return home;
}

void
home_stop(struct home *home)
{
    void *failed;

    if (home->kind == HOME_OWN) {
        skio_server_stop(home->server);
    } else {
        atomic_store(&home->stopped, true);
        lws_cancel_service(home->context);
        atomic_store(&home->woken, true);
    }
    pthread_join(home->thread, &failed);
    assert_null(failed);
    skio_server_free(home->server);
    assert_int_equal(home_blocks(home), 0);
    free(home);
}

struct home *
home_elsewhere(uint16_t port)
{
    struct home *home = calloc(1, sizeof(*home));

    assert_non_null(home);
    home->port = port;
    return home;
}

uint16_t
home_port(const struct home *home)
{
    return home->port;
}

/* ---- A client ---- */

int
home_dial(const struct home *home)
{
    return home_dial_from(home, 1);
}

int
home_dial_from(const struct home *home, unsigned host)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(home->port)};
    struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (host != 1) {
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void
home_reset(int fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
                                sizeof(reset)),
                     0);
    close(fd);
}

void
home_send(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the peer may have closed: what it said tells */
        at += sent;
        len -= (size_t)sent;
    }
}

void
home_say(int fd, const char *text)
{
    home_send(fd, text, strlen(text));
}

size_t
home_read(int fd, char *out, size_t size, const char *until, bool *closed)
{
    size_t len = 0;

    if (closed != NULL)
        *closed = false;
    out[0] = '\0';
    while (len + 1 < size) {
        ssize_t got = recv(fd, out + len, size - len - 1, 0);

        if (got <= 0) {
            /* a reset is an end as well */
            if (closed != NULL)
                *closed = got == 0 || (errno != EAGAIN && errno != EINTR);
            break;
        }
        len += (size_t)got;
        out[len] = '\0';
        if (until != NULL && memmem(out, len, until, strlen(until)) != NULL)
            break;
    }
    return len;
}

size_t
home_ask(const struct home *home, const char *text, char *out, size_t size)
{
    int fd = home_dial(home);
    bool closed;
    size_t len;

    home_say(fd, text);
    len = home_read(fd, out, size, NULL, &closed);
    close(fd);
    if (!closed)
        fail_msg("still open after %.60s", text);
    return len;
}

bool
home_is_well(const struct home *home)
{
    char out[2048];

    home_ask(home,
             "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
             "Host: x\r\nConnection: close\r\n\r\n",
             out, sizeof(out));
    return strncmp(out, "HTTP/1.1 200 ", 13) == 0;
}

void
home_handshake(const struct home *home, char *sid)
{
    static const char mark[] = "\"sid\":\"";
    char out[2048];
    const char *at;

    home_ask(home,
             "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
             "Host: x\r\nConnection: close\r\n\r\n",
             out, sizeof(out));
    at = strstr(out, mark);
    assert_non_null(at);
    at += sizeof(mark) - 1;
    memcpy(sid, at, 20);
    sid[20] = '\0';
}

int
home_websocket(const struct home *home)
{
    char out[2048];
    int fd = home_dial(home);

    home_say(fd, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                 "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
    home_read(fd, out, sizeof(out), "maxPayload", NULL);
    assert_int_equal(strncmp(out, "HTTP/1.1 101 ", 13), 0);
    return fd;
}

void
home_frame(int fd, unsigned op, const void *data, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    const unsigned char *bytes = data;
    unsigned char *frame = malloc(len + 14);
    size_t at = 0;

    assert_non_null(frame);
    frame[at++] = (unsigned char)op;
    if (len < 126) {
        frame[at++] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        frame[at++] = 0xfe;
        frame[at++] = (unsigned char)(len >> 8);
        frame[at++] = (unsigned char)len;
    } else {
        frame[at++] = 0xff;
        for (int i = 7; i >= 0; i--)
            frame[at++] = (unsigned char)((uint64_t)len >> (8 * i));
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        frame[at + i] = bytes[i] ^ mask[i & 3];
    home_send(fd, frame, at + len);
    free(frame);
}

size_t
home_heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static size_t
count_entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

void
home_limit_descriptors(unsigned most)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur > most)
        limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

size_t
home_descriptors(void)
{
    return count_entries("/proc/self/fd") - 1; /* that of the folder */
}

size_t
home_threads(void)
{
    return count_entries("/proc/self/task");
}

uint64_t
home_cpu_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

uint64_t
home_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
home_pause(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}
