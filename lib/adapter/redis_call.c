/*
 * A connection to Redis that waits for each answer: see redis_call.h
 */
#define _POSIX_C_SOURCE 200809L /* getaddrinfo, poll, clock_gettime */

#include "adapter/redis_call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/number.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* where SO_NOSIGPIPE does it */
#endif

#define REPLY_MAX 4096 /* bytes; what we ask for is answered in a line */
#define READ_BYTES 4096
#define MOVED "MOVED "
#define RETRY_MS 10 /* between attempts at a busy unix socket */

static int fail(struct skio__redis_call *call, int err, const char *format, ...)
    SKIO_PRINTF(3, 4);

/* Keep the reason of a failure, which may hold words of a peer: escaped. */
static int
fail(struct skio__redis_call *call, int err, const char *format, ...)
{
    char text[SKIO__REDIS_CALL_TEXT];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof(text))
        len = (int)sizeof(text) - 1;
    skio__log_escape(call->text, sizeof(call->text), text, (size_t)len);
    return err;
}

static int
fail_errno(struct skio__redis_call *call, const char *what, int number)
{
    char text[128];
    int err = SKIO_EIO;

    switch (number) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        err = SKIO_ECLOSED;
        break;
    case ETIMEDOUT:
        err = SKIO_ETIMEDOUT;
        break;
    case ENOENT:
        err = SKIO_ENOENT;
        break;
    case EACCES:
    case EPERM:
        err = SKIO_EACCES;
        break;
    case ENOMEM:
    case ENOBUFS:
        err = SKIO_ENOMEM;
        break;
    default:
        break;
    }
    if (strerror_r(number, text, sizeof(text)) != 0)
        snprintf(text, sizeof(text), "error %d", number);
    return fail(call, err, "%s: %s", what, text);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
hang_up(struct skio__redis_call *call)
{
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

/* Wait until the socket can be read or written. */
static int
await(struct skio__redis_call *call, short events, int64_t deadline)
{
    struct pollfd fd = {call->fd, events, 0};

    for (;;) {
        int64_t left = deadline - now_ms();
        int n;

        if (left <= 0)
            return fail(call, SKIO_ETIMEDOUT, "Redis did not answer in time");
        n = poll(&fd, 1, left < INT_MAX ? (int)left : INT_MAX);
        if (n > 0)
            return SKIO_OK;
        if (n < 0 && errno != EINTR)
            return fail_errno(call, "poll", errno);
    }
}

/* ---- Commands and answers ---- */

static int
write_command(struct skio__redis_call *call, const skio_bytes *argv,
              size_t argc)
{
    struct skio__buf *out = &call->out;

    skio__buf_reset(out);
    skio__buf_putc(out, '*');
    skio__buf_append_u64(out, argc);
    for (size_t i = 0; i < argc; i++) {
        skio__buf_append_str(out, "\r\n$");
        skio__buf_append_u64(out, argv[i].len);
        skio__buf_append_str(out, "\r\n");
        skio__buf_append(out, argv[i].data, argv[i].len);
    }
    skio__buf_append_str(out, "\r\n");
    return out->err == SKIO_OK
               ? SKIO_OK
               : fail(call, out->err, "%s", skio_strerror(out->err));
}

/* All of the command, or not all of it: then Redis cannot run it. */
static int
send_all(struct skio__redis_call *call, int64_t deadline)
{
    const char *pos = call->out.data;
    size_t left = call->out.len;

    while (left > 0) {
        ssize_t n = send(call->fd, pos, left, MSG_NOSIGNAL);

        if (n >= 0) {
            pos += n;
            left -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            int err = await(call, POLLOUT, deadline);

            if (err != SKIO_OK)
                return err;
        } else if (errno != EINTR) {
            return fail_errno(call, "sending to Redis", errno);
        }
    }
    return SKIO_OK;
}

static bool
starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* MOVED 3999 127.0.0.1:6381, or ::1:6381, or :6381 on the same host. */
static bool
parse_moved(struct skio__redis_call *call, const char *text)
{
    const char *host = strchr(text + strlen(MOVED), ' ');
    const char *colon = strrchr(text, ':');
    unsigned port = 0;
    size_t len;

    if (host == NULL || colon == NULL || colon <= host)
        return false;
    for (const char *digit = colon + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || port > UINT16_MAX)
            return false;
        port = 10 * port + (unsigned)(*digit - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return false;

    len = (size_t)(colon - ++host);
    if (len > SKIO__REDIS_HOST_MAX)
        return false;
    if (len > 0) {
        memcpy(call->host, host, len);
        call->host[len] = '\0';
    } else if (call->host[0] == '\0') {
        memcpy(call->host, call->options->host,
               strlen(call->options->host) + 1);
    }
    call->port = (uint16_t)port;
    return true;
}

/* An error of Redis: its first word tells what it is called here. */
static int
judge(struct skio__redis_call *call, const struct skio__redis_reply *reply)
{
    const char *text = reply->str;
    int err = SKIO_EIO;

    if (reply->type != SKIO__REDIS_ERROR)
        return SKIO_OK;
    if (starts_with(text, "NOAUTH") || starts_with(text, "WRONGPASS") ||
        starts_with(text, "NOPERM") || starts_with(text, "DENIED"))
        err = SKIO_EACCES;
    else if (call->options->cluster && starts_with(text, MOVED))
        call->is_moved = parse_moved(call, text);
    return fail(call, err, "Redis: %s", text);
}

/* Read until the answer is there. A byte that follows it is not kept: nobody
 * asked for it. */
static int
read_answer(struct skio__redis_call *call, int64_t deadline)
{
    const struct skio__redis_reply *reply = NULL;
    char bytes[READ_BYTES];
    int got = skio__redis_parser_begin(&call->parser);

    while (got == 0) {
        ssize_t n = recv(call->fd, bytes, sizeof(bytes), 0);

        if (n == 0)
            return fail(call, SKIO_ECLOSED, "Redis closed the connection");
        if (n > 0) {
            got = skio__redis_parser_feed(&call->parser, bytes, (size_t)n);
            if (got == SKIO_OK)
                got = skio__redis_parser_next(&call->parser, &reply);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            int err = await(call, POLLIN, deadline);

            if (err != SKIO_OK)
                return err;
        } else if (errno != EINTR) {
            return fail_errno(call, "reading from Redis", errno);
        }
    }
    if (got == SKIO_ENOMEM)
        return fail(call, SKIO_ENOMEM, "%s", skio_strerror(SKIO_ENOMEM));
    if (got < 0 || reply == NULL)
        return fail(call, SKIO_EPROTO, "what answers is no Redis: %s",
                    call->parser.what);
    return judge(call, reply);
}

/* ---- The connection ---- */

static int
set_flags(struct skio__redis_call *call)
{
    const int on = 1;

    if (fcntl(call->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(call->fd, F_SETFL, O_NONBLOCK) != 0)
        return fail_errno(call, "fcntl", errno);
#ifdef SO_NOSIGPIPE
    setsockopt(call->fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
    /* Neither is needed, nor possible on every kind of socket. */
    setsockopt(call->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(call->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return SKIO_OK;
}

/* A unix socket at which too many wait already says EAGAIN: try until one was
 * taken. */
static int
connect_again(struct skio__redis_call *call, const struct sockaddr *address,
              socklen_t len, int64_t deadline)
{
    while (errno == EAGAIN && now_ms() < deadline) {
        poll(NULL, 0, RETRY_MS);
        if (connect(call->fd, address, len) == 0)
            return SKIO_OK;
    }
    return fail_errno(call, "connecting to Redis",
                      errno == EAGAIN ? ETIMEDOUT : errno);
}

/* After a connect(2) that did not succeed at once: errno says why. */
static int
finish_connect(struct skio__redis_call *call, const struct sockaddr *address,
               socklen_t len, int64_t deadline)
{
    int number = 0;
    socklen_t size = sizeof(number);
    int err;

    if (errno != EINPROGRESS && errno != EINTR)
        return connect_again(call, address, len, deadline);
    err = await(call, POLLOUT, deadline);
    if (err != SKIO_OK)
        return err;
    if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    return number == 0 ? SKIO_OK
                       : fail_errno(call, "connecting to Redis", number);
}

static int
connect_to(struct skio__redis_call *call, const struct sockaddr *address,
           socklen_t len, int64_t deadline)
{
    int err;

    call->fd = socket(address->sa_family, SOCK_STREAM, 0);
    if (call->fd < 0)
        return fail_errno(call, "socket", errno);
    err = set_flags(call);
    if (err == SKIO_OK && connect(call->fd, address, len) != 0)
        err = finish_connect(call, address, len, deadline);
    if (err != SKIO_OK)
        hang_up(call);
    return err;
}

static int
connect_unix(struct skio__redis_call *call, int64_t deadline)
{
    const char *path = call->options->unix_path;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len >= sizeof(address.sun_path))
        return fail(call, SKIO_EINVAL, "the path of the socket is too long");
    memcpy(address.sun_path, path, len + 1);
    return connect_to(call, (const struct sockaddr *)&address, sizeof(address),
                      deadline);
}

static int
fail_lookup(struct skio__redis_call *call, const char *host, int number)
{
    int err = SKIO_ENOENT;

    if (number == EAI_SYSTEM)
        return fail_errno(call, "resolving the host of Redis", errno);
    if (number == EAI_MEMORY)
        err = SKIO_ENOMEM;
    else if (number == EAI_AGAIN)
        err = SKIO_EIO; /* who knows names did not answer */
    return fail(call, err, "%s: %s", host, gai_strerror(number));
}

/* Each address in turn, until one answers. */
static int
connect_tcp(struct skio__redis_call *call, const char *host, uint16_t port,
            int64_t deadline)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    struct addrinfo *list;
    char digits[SKIO__NUMBER_MAX];
    size_t len = skio__number_format_u64(port, digits);
    int err;

    digits[len] = '\0';
    err = getaddrinfo(host, digits, &hints, &list);
    if (err != 0)
        return fail_lookup(call, host, err);
    err = SKIO_ENOENT;
    for (const struct addrinfo *each = list; each != NULL; each = each->ai_next)
        if ((err = connect_to(call, each->ai_addr, each->ai_addrlen,
                              deadline)) == SKIO_OK)
            break;
    freeaddrinfo(list);
    return err;
}

static int
ask(struct skio__redis_call *call, const skio_bytes *argv, size_t argc,
    int64_t deadline)
{
    int err = write_command(call, argv, argc);

    if (err == SKIO_OK)
        err = send_all(call, deadline);
    return err == SKIO_OK ? read_answer(call, deadline) : err;
}

static skio_bytes
text_bytes(const char *text)
{
    return (skio_bytes){text, strlen(text)};
}

/* An older Redis has no word of its own for a refused password. And what
 * answers may repeat what it was told. */
static int
authenticate(struct skio__redis_call *call, int64_t deadline)
{
    const char *user = call->options->user;
    const char *password = call->options->password;
    skio_bytes argv[3] = {text_bytes("AUTH")};
    size_t argc = 1;
    int err;

    if (user != NULL)
        argv[argc++] = text_bytes(user);
    argv[argc++] = text_bytes(password != NULL ? password : "");
    err = ask(call, argv, argc, deadline);
    if (err == SKIO_EIO)
        err = SKIO_EACCES;
    if (err == SKIO_EACCES && password != NULL && *password != '\0' &&
        strstr(call->text, password) != NULL)
        fail(call, err, "Redis refused the password");
    return err;
}

static int
select_database(struct skio__redis_call *call, int64_t deadline)
{
    char number[SKIO__NUMBER_MAX];
    const skio_bytes argv[2] = {
        text_bytes("SELECT"),
        {number, skio__number_format_u64(call->options->database, number)},
    };

    return ask(call, argv, 2, deadline);
}

/* Where we were sent, else where the options say: that has its own time. */
static int
connect_any(struct skio__redis_call *call, int64_t *deadline)
{
    const skio_redis_options *options = call->options;

    if (call->host[0] != '\0') {
        if (connect_tcp(call, call->host, call->port, *deadline) == SKIO_OK)
            return SKIO_OK;
        call->host[0] = '\0'; /* the others know who has taken its place */
        *deadline = now_ms() + options->connect_timeout_ms;
    }
    return options->unix_path != NULL
               ? connect_unix(call, *deadline)
               : connect_tcp(call, options->host, options->port, *deadline);
}

static int
begin(struct skio__redis_call *call)
{
    const skio_redis_options *options = call->options;
    int64_t deadline = now_ms() + options->connect_timeout_ms;
    int err = connect_any(call, &deadline);

    if (err == SKIO_OK && (options->user != NULL || options->password != NULL))
        err = authenticate(call, deadline);
    if (err == SKIO_OK && options->database > 0)
        err = select_database(call, deadline);
    if (err != SKIO_OK)
        hang_up(call);
    return err;
}

/* Whether the connection still stands as the last answer left it: what Redis
 * closed meanwhile, or said of its own accord, is found here. */
static bool
is_well(const struct skio__redis_call *call)
{
    struct pollfd fd = {call->fd, POLLIN, 0};

    return call->fd >= 0 && poll(&fd, 1, 0) == 0;
}

void
skio__redis_call_init(struct skio__redis_call *call,
                      const skio_redis_options *options,
                      const skio_allocator *mem)
{
    call->options = options;
    skio__buf_init(&call->out, mem);
    skio__redis_parser_init(&call->parser, mem, REPLY_MAX, 1);
    call->fd = -1;
    call->host[0] = '\0';
    call->port = 0;
    call->is_moved = false;
    call->text[0] = '\0';
}

void
skio__redis_call_deinit(struct skio__redis_call *call)
{
    hang_up(call);
    skio__redis_parser_deinit(&call->parser);
    skio__buf_deinit(&call->out);
}

/* One try. *is_sure: Redis cannot have run the command. */
static int
try_once(struct skio__redis_call *call, const skio_bytes *argv, size_t argc,
         bool *is_sure)
{
    int64_t deadline;
    int err = SKIO_OK;

    *is_sure = true;
    if (call->fd < 0)
        err = begin(call);
    if (err != SKIO_OK)
        return err;

    deadline = now_ms() + call->options->command_timeout_ms;
    err = write_command(call, argv, argc);
    if (err == SKIO_OK)
        err = send_all(call, deadline);
    if (err == SKIO_OK) {
        *is_sure = false;
        err = read_answer(call, deadline);
    }
    if (err != SKIO_OK)
        hang_up(call);
    return err;
}

int
skio__redis_call(struct skio__redis_call *call, const skio_bytes *argv,
                 size_t argc)
{
    bool is_used;
    bool is_sure;
    int err;

    if (!is_well(call))
        hang_up(call);
    is_used = call->fd >= 0;
    call->is_moved = false;
    err = try_once(call, argv, argc, &is_sure);
    if (err == SKIO_ECLOSED && is_used && is_sure)
        err = try_once(call, argv, argc, &is_sure);
    if (err == SKIO_EIO && call->is_moved) /* once: two may name each other */
        err = try_once(call, argv, argc, &is_sure);
    if (err == SKIO_ETIMEDOUT)
        call->host[0] = '\0'; /* another node may have taken over by now */
    return err;
}
