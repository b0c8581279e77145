/*
 * lws takes a connection only from its first byte on, and what it has read it
 * keeps: so the preface is read here, exactly its own bytes, before lws gets
 * the descriptor. The set is level-triggered; every byte that was seen is
 * taken, so it does not spin.
 */
#define _GNU_SOURCE /* MSG_DONTWAIT */

#include "transport/lws_preface.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "transport/lws.h"
#include "transport/lws_accept.h"
#include "transport/preface.h"

#define READY_MAX 64  /* handled in one go */
#define PEEK_MAX 1024 /* bytes */

struct waiting {
    struct skio__fifo_node timer;
    int fd;
    union skio__address from;
    struct skio__preface preface;
};

/* Closing the descriptor takes it out of the set. */
static void
end(struct skio__lws *transport, struct waiting *waiting, bool close_fd)
{
    skio__fifo_remove(&waiting->timer);
    if (close_fd)
        close(waiting->fd);
    else
        epoll_ctl(transport->preface_fd, EPOLL_CTL_DEL, waiting->fd, NULL);
    skio__mem_free(transport->mem, waiting);
}

/* The set is made with the first connection that needs it. */
static int
open_set(struct skio__lws *transport)
{
    lws_sock_file_fd_type desc;

    if (transport->preface_wsi != NULL)
        return SKIO_OK;
    transport->preface_fd = epoll_create1(EPOLL_CLOEXEC);
    if (transport->preface_fd < 0)
        return SKIO_ENOMEM;
    desc.filefd = transport->preface_fd;
    transport->preface_wsi =
        lws_adopt_descriptor_vhost(transport->vhost, LWS_ADOPT_RAW_FILE_DESC,
                                   desc, SKIO__LWS_NAME, NULL);
    return transport->preface_wsi != NULL ? SKIO_OK : SKIO_ENOMEM;
}

void
skio__preface_wait(struct skio__lws *transport, int fd,
                   const union skio__address *from)
{
    struct waiting *waiting =
        skio__mem_calloc(transport->mem, 1, sizeof(*waiting));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = waiting};

    if (waiting == NULL || open_set(transport) != SKIO_OK ||
        epoll_ctl(transport->preface_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        skio__mem_free(transport->mem, waiting);
        close(fd);
        return;
    }
    waiting->fd = fd;
    waiting->from = *from;
    skio__fifo_push(&transport->preface_due, &waiting->timer,
                    skio__lws_now(transport));
    transport->timer_wanted = true;
}

/* Returns 1 when the preface is complete, 0 when more must come, or < 0. */
static int
take(struct waiting *waiting)
{
    unsigned char bytes[PEEK_MAX];
    bool done = false;

    while (!done) {
        ssize_t seen =
            recv(waiting->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
        ptrdiff_t own;

        if (seen < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (seen <= 0)
            return SKIO_ECLOSED;
        own = skio__preface_feed(&waiting->preface, bytes, (size_t)seen, &done);
        if (own < 0)
            return SKIO_EPROTO;
        if (recv(waiting->fd, bytes, (size_t)own, MSG_DONTWAIT) != own)
            return SKIO_EIO;
    }
    return 1;
}

static void
go_on(struct skio__lws *transport, struct waiting *waiting)
{
    int result = take(waiting);
    union skio__address from = waiting->from;
    int fd = waiting->fd;

    if (result == 0)
        return;
    if (result > 0 && skio__preface_source(&waiting->preface, &from) >= 0) {
        end(transport, waiting, false);
        skio__accept_adopt(transport, fd, &from);
        return;
    }
    if (result != SKIO_ECLOSED)
        skio_transport_log(transport->server, SKIO_LOG_DEBUG,
                           "a proxy's connection did not begin with the PROXY "
                           "protocol");
    end(transport, waiting, true);
}

bool
skio__preface_ready(struct skio__lws *transport, struct lws *wsi)
{
    if (wsi != transport->preface_wsi)
        return false;
    for (int i = 0; i < READY_MAX; i++) {
        struct epoll_event event;

        if (epoll_wait(transport->preface_fd, &event, 1, 0) != 1)
            break;
        go_on(transport, event.data.ptr);
    }
    return true;
}

size_t
skio__preface_timeout(struct skio__lws *transport, uint64_t now_ms)
{
    struct skio__fifo_node *node;
    size_t count = 0;

    while ((node = skio__fifo_pop_due(&transport->preface_due, now_ms)) !=
           NULL) {
        end(transport, skio__container_of(node, struct waiting, timer), true);
        count++;
    }
    return count;
}

void
skio__preface_drop_all(struct skio__lws *transport)
{
    (void)skio__preface_timeout(transport, SKIO__NEVER - 1);
}
