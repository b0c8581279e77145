/*
 * To a connected socket, from a name: see redis_link_dial.h
 */
#define _GNU_SOURCE /* SOCK_NONBLOCK */

#include "adapter/redis_link_dial.h"

#include <errno.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void try_next(struct skio__redis_dial *dial, int number);

void
skio__redis_dial_init(struct skio__redis_dial *dial, skio_server *server,
                      skio__redis_dialed_fn *fn, void *user)
{
    memset(dial, 0, sizeof *dial);
    dial->server = server;
    dial->fn = fn;
    dial->user = user;
    dial->fd = -1;
}

void
skio__redis_dial_stop(struct skio__redis_dial *dial)
{
    skio_resolve_cancel(dial->resolve);
    dial->resolve = NULL;
    skio_watch_free(dial->watch);
    dial->watch = NULL;
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
    dial->due_ms = UINT64_MAX;
}

static void
fail(struct skio__redis_dial *dial, int err, const char *text)
{
    skio__redis_dial_stop(dial);
    dial->fn(err, -1, text, dial->user);
}

static void
succeed(struct skio__redis_dial *dial)
{
    int fd = dial->fd;
    int on = 1;

    dial->fd = -1;
    skio__redis_dial_stop(dial);
    /* A unix socket has no such option, and needs none. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    dial->fn(SKIO_OK, fd, "", dial->user);
}

static void
on_writable(unsigned ready, void *user)
{
    struct skio__redis_dial *dial = user;
    int number = 0;
    socklen_t len = sizeof number;

    (void)ready;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0)
        number = errno;
    if (number == 0)
        succeed(dial);
    else
        try_next(dial, number);
}

/* Returns 0, or the number of the error that makes another address be tried. */
static int
begin(struct skio__redis_dial *dial, const skio_address *address)
{
    struct sockaddr_storage storage;
    int err;

    if (address->len > sizeof address->data)
        return EINVAL;
    memcpy(&storage, address->data, address->len);
    dial->fd =
        socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0)
        return errno;
    /* Interrupted is under way, as POSIX has it. */
    if (connect(dial->fd, (struct sockaddr *)&storage, address->len) != 0 &&
        errno != EINPROGRESS && errno != EINTR)
        return errno;
    /* A socket that is connected already is writable: no case of its own. */
    err = skio_watch_new(dial->server, dial->fd, SKIO_WRITABLE, on_writable,
                         dial, &dial->watch);
    if (err == SKIO_OK)
        return 0;
    return err == SKIO_ENOMEM ? ENOMEM : err == SKIO_ENOTSUP ? ENOTSUP : EIO;
}

/* number: why the one before did not do, 0 for none. */
static void
try_next(struct skio__redis_dial *dial, int number)
{
    uint64_t until_ms = dial->until_ms;

    skio__redis_dial_stop(dial);
    while (dial->next < dial->count) {
        uint64_t now = skio_loop_now(dial->server);
        uint64_t left = until_ms > now ? until_ms - now : 0;
        size_t count = dial->count - dial->next;

        dial->due_ms = now + left / count;
        number = begin(dial, &dial->addresses[dial->next++]);
        if (number == 0)
            return;
        skio__redis_dial_stop(dial);
    }
    if (number == ENOMEM || number == ENOTSUP)
        fail(dial, number == ENOMEM ? SKIO_ENOMEM : SKIO_ENOTSUP,
             strerror(number));
    else
        fail(dial, number == ETIMEDOUT ? SKIO_ETIMEDOUT : SKIO_EIO,
             strerror(number));
}

static void
on_resolved(int err, const skio_address *addresses, size_t count, void *user)
{
    struct skio__redis_dial *dial = user;

    dial->resolve = NULL;
    if (err != SKIO_OK || count == 0) {
        fail(dial, err != SKIO_OK ? err : SKIO_ENOENT,
             err == SKIO_ENOENT ? "no such host" : "the host was not resolved");
        return;
    }
    if (count > SKIO__REDIS_ADDRESSES_MAX)
        count = SKIO__REDIS_ADDRESSES_MAX;
    memcpy(dial->addresses, addresses, count * sizeof addresses[0]);
    dial->count = count;
    dial->next = 0;
    try_next(dial, 0);
}

void
skio__redis_dial_host(struct skio__redis_dial *dial, const char *host,
                      uint16_t port, uint64_t until_ms)
{
    int err;

    dial->until_ms = until_ms;
    dial->due_ms = until_ms;
    err = skio_resolve_new(dial->server, host, port, on_resolved, dial,
                           &dial->resolve);
    if (err != SKIO_OK)
        fail(dial, err,
             err == SKIO_ENOENT ? "no such host" : skio_strerror(err));
}

void
skio__redis_dial_unix(struct skio__redis_dial *dial, const char *path,
                      uint64_t until_ms)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    skio_address *address = &dial->addresses[0];
    size_t len = strlen(path);

    dial->until_ms = until_ms;
    dial->due_ms = until_ms;
    if (len >= sizeof un.sun_path) {
        fail(dial, SKIO_EINVAL, "the path is too long");
        return;
    }
    memcpy(un.sun_path, path, len + 1);
    memset(address, 0, sizeof *address);
    address->family = AF_UNIX;
    address->len = sizeof un;
    memcpy(address->data, &un, sizeof un);
    dial->count = 1;
    dial->next = 0;
    try_next(dial, 0);
}

void
skio__redis_dial_check(struct skio__redis_dial *dial, uint64_t now_ms)
{
    if (now_ms >= dial->due_ms) {
        if (dial->resolve != NULL)
            fail(dial, SKIO_ETIMEDOUT, "the host was not resolved in time");
        else
            try_next(dial, ETIMEDOUT);
    }
}
