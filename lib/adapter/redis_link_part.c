/*
 * The end of a link: what was said last is read before it goes
 */
#define _POSIX_C_SOURCE 200809L /* poll, shutdown */

#include "adapter/redis_link_state.h"

#include <errno.h>

#include <poll.h>
#include <sys/socket.h>

#define READS 4
#define PATIENCE_MS 50 /* with a Redis that does not read */

/* Whether the other end has closed the connection. What it said is ignored. */
static bool
is_at_end(int fd)
{
    char ignored[4096];

    for (int i = 0; i < READS; i++) {
        ssize_t got = recv(fd, ignored, sizeof ignored, 0);

        if (got < 0)
            return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
        if (got == 0)
            return true;
    }
    return false;
}

/*
 * A socket that is closed resets the connection when an answer comes, and with
 * it goes what Redis has not read yet. So Redis is given the time to read all
 * of it, and to hang up.
 */
void
skio__redis_link_part(struct skio__redis_link *link, uint64_t until_ms)
{
    unsigned patience = PATIENCE_MS;
    bool is_shut = false;

    if (link->state != SKIO__REDIS_LINK_UP || link->subscribes ||
        skio__redis_link_is_over(link) || link->due_count == 0)
        return;
    skio__redis_link_enter(link);
    skio_watch_free(link->watch);
    link->watch = NULL;
    while (patience > 0 && skio_loop_now(link->server) < until_ms) {
        struct pollfd ready = {.fd = link->fd, .events = POLLIN};

        while (skio__redis_link_write(link) > 0)
            continue;
        if (skio__redis_link_is_over(link) || is_at_end(link->fd))
            break;
        if (skio__redis_link_has_output(link))
            ready.events |= POLLOUT;
        else if (!is_shut)
            is_shut = shutdown(link->fd, SHUT_WR) == 0;
        if (poll(&ready, 1, 1) <= 0)
            patience--;
    }
    skio__redis_link_fail(link, SKIO_ECLOSED, "the server ends");
    link->busy--;
}
