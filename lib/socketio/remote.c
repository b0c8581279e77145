/*
 * Sockets that were fetched, of this server or another
 *
 * What is done to one is done to the room that its id names, which the adapter
 * finds wherever it is.
 */
#include <socketio/adapter.h>

#include "base/mem.h"
#include "socketio/asking.h"
#include "socketio/socket.h"

const char *
skio_remote_id(const skio_remote *remote)
{
    return remote->socket != NULL ? skio_socket_id(remote->socket) : remote->id;
}

const char *
skio_remote_shared(const skio_remote *remote)
{
    return remote->socket != NULL ? skio_socket_shared(remote->socket)
                                  : remote->shared;
}

void
skio_remote_each_room(const skio_remote *remote, skio_room_fn *fn, void *user)
{
    if (remote->socket != NULL) {
        skio_each_room(remote->socket, fn, user);
        return;
    }
    for (const char *const *room = remote->rooms; *room != NULL; room++)
        if (!fn(*room, user))
            return;
}

skio_socket *
skio_remote_socket(const skio_remote *remote)
{
    return remote->socket;
}

const char *
skio_remote_handshake(const skio_remote *remote)
{
    return remote->socket != NULL ? skio_adapter_handshake(remote->socket)
                                  : remote->handshake;
}

/* The target that is this socket alone. */
#define ITSELF(remote, timeout)                                                \
    SKIO_TARGET(.to = SKIO_ROOMS(skio_remote_id(remote)),                      \
                .timeout_ms = (timeout))

int
skio_remote_emit(const skio_remote *remote, const char *event,
                 const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_emit_withv(remote->nsp, ITSELF(remote, 0), event, format, args);
    va_end(args);
    return err;
}

/* A single answer, out of a broadcast's. */
struct answer {
    const skio_allocator *mem;
    skio_answer_fn *fn;
    void *user;
    bool has_come;
};

static void
on_answers(int err, const skio_value *args, size_t received, size_t expected,
           void *user)
{
    struct answer *answer = user;

    (void)received;
    (void)expected;
    if (args != NULL) {
        if (!answer->has_come) {
            answer->has_come = true;
            answer->fn(SKIO_OK, args, answer->user);
        }
        return;
    }
    if (!answer->has_come)
        answer->fn(err != SKIO_OK ? err : SKIO_ECLOSED, NULL, answer->user);
    skio__mem_free(answer->mem, answer);
}

int
skio_remote_emit_with_ack(const skio_remote *remote, uint32_t timeout_ms,
                          skio_answer_fn *fn, void *user, const char *event,
                          const char *format, ...)
{
    const skio_allocator *mem = skio__server_mem(remote->nsp->server);
    struct answer *answer = skio__mem_alloc(mem, sizeof *answer);
    va_list args;
    int err;

    if (answer == NULL)
        return SKIO_ENOMEM;
    *answer = (struct answer){mem, fn, user, false};

    va_start(args, format);
    err = skio__emit_with_acks(remote->nsp, ITSELF(remote, timeout_ms),
                               on_answers, answer, event, format, args);
    va_end(args);
    if (err != SKIO_OK)
        skio__mem_free(mem, answer);
    return err;
}

int
skio_remote_join(const skio_remote *remote, const char *room)
{
    return skio_sockets_join(remote->nsp, ITSELF(remote, 0), room);
}

int
skio_remote_leave(const skio_remote *remote, const char *room)
{
    return skio_sockets_leave(remote->nsp, ITSELF(remote, 0), room);
}

int
skio_remote_disconnect(const skio_remote *remote, bool close)
{
    return skio_sockets_disconnect(remote->nsp, ITSELF(remote, 0), close);
}
