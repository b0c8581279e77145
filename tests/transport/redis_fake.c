#define _GNU_SOURCE /* accept4, strcasestr */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/redis_fake.h"

void
fake_start(struct fake *fake)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int i;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listener =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fake->listener >= 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&in, sizeof in),
                     0);
    assert_int_equal(listen(fake->listener, 64), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&in, &len),
                     0);
    fake->port = ntohs(in.sin_port);
    for (i = 0; i < FAKE_CONNECTIONS; i++)
        fake->connections[i].fd = -1;
}

static void
hang_up(struct fake_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->len = 0;
    connection->subscribes = false;
}

void
fake_stop(struct fake *fake)
{
    int i;

    for (i = 0; i < FAKE_CONNECTIONS; i++)
        hang_up(&fake->connections[i]);
    close(fake->listener);
}

void
fake_say(struct fake_connection *connection, const char *format, ...)
{
    char text[65536];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof text);
    if (connection->fd >= 0)
        (void)send(connection->fd, text, (size_t)len, MSG_NOSIGNAL);
}

struct fake_connection *
fake_subscriber(struct fake *fake)
{
    int i;

    for (i = 0; i < FAKE_CONNECTIONS; i++) {
        if (fake->connections[i].fd >= 0 && fake->connections[i].subscribes)
            return &fake->connections[i];
    }
    return NULL;
}

static void
answer(struct fake *fake, struct fake_connection *connection,
       const char *const *words, size_t count)
{
    const char *what = words[0];
    char lower[16];
    size_t i;

    if (strcmp(what, "PING") == 0) {
        fake_say(connection, connection->subscribes
                                 ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                                 : "+PONG\r\n");
        return;
    }
    fake->commands++;
    if (strstr(what, "SUBSCRIBE") != NULL)
        connection->subscribes = true;
    if (fake->answer != NULL && fake->answer(fake, connection, words, count))
        return;
    if (strstr(what, "SUBSCRIBE") == NULL) {
        fake_say(connection, ":1\r\n");
        return;
    }
    for (i = 0; what[i] != '\0' && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)what[i]);
    lower[i] = '\0';
    for (i = 1; i < count; i++)
        fake_say(connection, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n",
                 strlen(lower), lower, strlen(words[i]), words[i]);
}

/* The number behind a mark; what follows its line end, or NULL: not yet. */
static char *
read_number(char *at, char mark, long *out)
{
    char *end = strstr(at, "\r\n");

    if (end == NULL)
        return NULL;
    assert_int_equal(*at, mark);
    *out = strtol(at + 1, NULL, 10);
    return end + 2;
}

/* Returns the bytes of a command that was answered; 0: there is none yet. */
static size_t
take_command(struct fake *fake, struct fake_connection *connection)
{
    const char *words[FAKE_WORDS] = {NULL};
    char *ends[FAKE_WORDS] = {NULL};
    char *end = connection->buf + connection->len;
    char *at = connection->buf;
    long count;
    long i;

    if (connection->len == 0)
        return 0;
    at = read_number(at, '*', &count);
    if (at == NULL)
        return 0;
    if (count <= 0 || count > FAKE_WORDS) {
        fail();
        return 0;
    }
    for (i = 0; i < count; i++) {
        long len;

        at = at == end ? NULL : read_number(at, '$', &len);
        if (at == NULL || end - at < len + 2)
            return 0;
        words[i] = at;
        ends[i] = at + len;
        at += len + 2;
    }
    /* All of it is here: the line ends may become the ends of words. */
    for (i = 0; i < count; i++)
        *ends[i] = '\0';
    answer(fake, connection, words, (size_t)count);
    return (size_t)(at - connection->buf);
}

static void
read_connection(struct fake *fake, struct fake_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->buf + connection->len,
                       sizeof connection->buf - 1 - connection->len, 0);
    size_t used;

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            hang_up(connection);
        return;
    }
    connection->len += (size_t)got;
    connection->buf[connection->len] = '\0';
    while (connection->fd >= 0 && (used = take_command(fake, connection)) > 0) {
        connection->len -= used;
        memmove(connection->buf, connection->buf + used, connection->len + 1);
    }
}

void
fake_step(struct fake *fake)
{
    int i;

    for (i = 0; i < FAKE_CONNECTIONS; i++) {
        if (fake->connections[i].fd < 0)
            fake->connections[i].fd =
                accept4(fake->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fake->connections[i].fd >= 0)
            read_connection(fake, &fake->connections[i]);
    }
}
