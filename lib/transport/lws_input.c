#define _GNU_SOURCE /* MSG_DONTWAIT */

#include "transport/lws_input.h"

#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "transport/lws_direct.h"
#include "transport/lws_direct_out.h"
#include "transport/lws_loop.h"
#include "transport/lws_sealed.h"

#define TAKES_MAX 8 /* calls */
#define FED_MAX 32  /* events, of all, until the loop looks for others */

/* Be told of how many bytes or more; of the end always. */
static int
tell_from(const struct skio__conn *conn, size_t bytes)
{
    int low = (int)bytes;

    return setsockopt(conn->direct->io.fd, SOL_SOCKET, SO_RCVLOWAT, &low,
                      sizeof(low));
}

/* Nothing is read behind what is still to be looked at. */
static ssize_t
look_sealed(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    const struct skio__beginning *kept = direct->beginning;
    size_t had = kept != NULL ? kept->len : 0;
    unsigned char *out = conn->transport->inbox;
    ssize_t got = 0;

    if (had == 0 || conn->head_waits) {
        got = skio__sealed_read(direct->sealed, out + had, SKIO__HEAD_MAX);
        if (got <= 0)
            return got;
    }
    if (had > 0)
        memcpy(out, kept->bytes, had);
    return (ssize_t)had + got;
}

ssize_t
skio__input_look(struct skio__conn *conn, size_t most)
{
    if (conn->direct->sealed != NULL)
        return look_sealed(conn);
    return recv(conn->direct->io.fd, conn->transport->inbox, most,
                MSG_PEEK | MSG_DONTWAIT);
}

/* In place of what was kept. Returns 0, or -1: out of memory. */
static int
replace_kept(struct skio__conn *conn, size_t at, size_t end)
{
    skio__mem_free(conn->transport->mem, conn->direct->beginning);
    conn->direct->beginning = NULL;
    return skio__direct_keep(conn, conn->transport->inbox + at, end - at);
}

/* What was seen is there, if a call takes less it takes more of them. */
static ssize_t
take_plain(struct skio__conn *conn, size_t seen, size_t most)
{
    size_t len = 0;

    for (int left = TAKES_MAX; len < seen && left > 0; left--) {
        ssize_t got = recv(conn->direct->io.fd, conn->transport->inbox + len,
                           most - len, MSG_DONTWAIT);

        if (got == 0 || (got < 0 && !skio__direct_would_block()))
            return -1;
        if (got > 0)
            len += (size_t)got;
    }
    return len < seen ? -1 : (ssize_t)len;
}

ssize_t
skio__input_take(struct skio__conn *conn, size_t len, size_t seen, size_t most)
{
    size_t taken = len < most ? len : most;

    if (conn->direct->sealed == NULL)
        return take_plain(conn, seen, most);
    return replace_kept(conn, taken, len) == 0 ? (ssize_t)taken : -1;
}

ssize_t
skio__input_read(struct skio__conn *conn, size_t room)
{
    struct skio__direct *direct = conn->direct;

    if (direct->sealed != NULL)
        return skio__sealed_read(direct->sealed, conn->transport->inbox, room);
    return recv(direct->io.fd, conn->transport->inbox, room, MSG_DONTWAIT);
}

ssize_t
skio__input_peek(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    char byte;

    if (direct->sealed == NULL)
        return recv(direct->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return direct->beginning != NULL ? 1 : skio__sealed_peek(direct->sealed);
}

bool
skio__input_await(struct skio__conn *conn, size_t len)
{
    bool is_sealed = conn->direct->sealed != NULL;

    if (conn->head_waits && len <= conn->direct->head_seen)
        return false;
    /* a unix socket cannot tell of so many bytes or more */
    if (is_sealed ? replace_kept(conn, 0, len) != 0
                  : conn->is_local || tell_from(conn, len + 1) != 0)
        return false;
    conn->head_waits = true;
    conn->direct->head_seen = (uint32_t)len;
    skio__input_go_on(conn);
    return true;
}

bool
skio__input_end_head(struct skio__conn *conn)
{
    bool waited = conn->head_waits;

    conn->head_waits = false;
    return !waited || conn->direct->sealed != NULL || tell_from(conn, 1) == 0;
}

bool
skio__input_has_more(const struct skio__conn *conn)
{
    const struct skio__direct *direct = conn->direct;

    return direct->sealed != NULL &&
           (skio__sealed_has_more(direct->sealed) ||
            (direct->beginning != NULL && !conn->head_waits));
}

void
skio__input_watch(struct skio__conn *conn, int events)
{
    struct ev_io *io = &conn->direct->io;
    bool is_active = ev_is_active(io);

    if ((io->events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(conn->transport->direct_loop, io);
    ev_io_modify(io, events);
    if (is_active)
        ev_io_start(conn->transport->direct_loop, io);
}

/*
 * The loop calls at once what it is fed, so those who send without end would be
 * served alone: after some, they wait for room to write like others for bytes.
 * And at the end of a turn it has looked for events already: it must not sleep
 * on what the flush after them would have sent.
 */
void
skio__input_go_on(struct skio__conn *conn)
{
    struct skio__lws *transport = conn->transport;

    if (conn->rx_off || !skio__input_has_more(conn))
        return;
    if (transport->fed >= FED_MAX) {
        skio__input_watch(conn, EV_READ | EV_WRITE);
        return;
    }
    transport->fed++;
    ev_feed_event(transport->direct_loop, &conn->direct->io, EV_READ);
    ev_idle_start(transport->direct_loop, &transport->loop->idle);
}
