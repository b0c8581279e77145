#include "socketio/ack.h"

#include <string.h>

#include "base/compiler.h"
#include "base/format.h"
#include "base/mem.h"
#include "socketio/outgoing.h"
#include "socketio/recovery_remote.h"
#include "socketio/taps.h"

#define WAITS_SEEN 4 /* of a socket, the latest, before the map is asked */

/* ---- Asked of a client ---- */

static struct sio_wait *
find_wait(skio_socket *socket, uint64_t id)
{
    struct sio_wait_key key;
    struct skio__map_node *node;
    struct sio_wait *wait = socket->waits;

    /* Mostly few wait: to hash the key costs more than to look at them. */
    for (int i = 0; i < WAITS_SEEN && wait != NULL; i++, wait = wait->next)
        if (wait->key.id == id)
            return wait;
    if (wait == NULL)
        return NULL;

    memset(&key, 0, sizeof key); /* it is hashed with its padding */
    key.socket = socket;
    key.id = id;
    node = skio__map_find(&socket->nsp->server->waits, &key, sizeof key);
    return node == NULL ? NULL
                        : skio__container_of(node, struct sio_wait, node);
}

/* Unlink from everything; the caller calls back and frees. */
static void
wait_unlink(struct sio_wait *wait)
{
    skio_socket *socket = wait->key.socket;
    skio_server *server = socket->nsp->server;

    skio__map_remove(&server->waits, &wait->node);
    skio__heap_remove(&server->ack_due, &wait->due);
    if (wait->prev != NULL)
        wait->prev->next = wait->next;
    else
        socket->waits = wait->next;
    if (wait->next != NULL)
        wait->next->prev = wait->prev;
    socket->wait_count--;
}

/* End a wait: once unlinked, nothing else can end it again. */
static void
wait_end(struct sio_wait *wait, int err, const skio_value *args)
{
    skio_socket *socket = skio_socket_ref(wait->key.socket);
    skio_ack_fn *fn = wait->fn;
    void *user = wait->user;

    wait_unlink(wait);
    skio__mem_free(&socket->home->mem, wait);
    fn(socket, err, args, user);
    skio_socket_unref(socket);
}

void
skio__ack_receive(skio_socket *socket, uint64_t id, const skio_value *args)
{
    struct sio_wait *wait = find_wait(socket, id);

    if (wait != NULL)
        wait_end(wait, SKIO_OK, args);
}

void
skio__ack_close_all(skio_socket *socket)
{
    while (socket->waits != NULL)
        wait_end(socket->waits, SKIO_ECLOSED, NULL);
}

void
skio__ack_timeouts(skio_server *server, uint64_t now_ms)
{
    struct skio__heap_node *node;

    while ((node = skio__heap_pop_due(&server->ack_due, now_ms)) != NULL)
        wait_end(skio__container_of(node, struct sio_wait, due), SKIO_ETIMEDOUT,
                 NULL);
}

/* Register a wait before its packet is sent. */
static int
wait_new(skio_socket *socket, uint64_t id, uint32_t timeout_ms, skio_ack_fn *fn,
         void *user, struct sio_wait **out)
{
    skio_server *server = socket->nsp->server;
    struct sio_wait *wait;

    if (socket->wait_count >= server->options.max_pending_acks)
        return SKIO_ELIMIT;

    wait = skio__mem_calloc(skio__server_mem(server), 1, sizeof *wait);
    if (wait == NULL)
        return SKIO_ENOMEM;

    wait->key.socket = socket;
    wait->key.id = id;
    wait->fn = fn;
    wait->user = user;
    if (skio__map_put(&server->waits, &wait->node, &wait->key,
                      sizeof wait->key) != SKIO_OK)
        goto fail;
    if (timeout_ms > 0) {
        uint64_t due = skio__engine_now(&server->engine) + timeout_ms;

        if (skio__heap_push(&server->ack_due, &wait->due, due) != SKIO_OK) {
            skio__map_remove(&server->waits, &wait->node);
            goto fail;
        }
        skio__server_wants_timer(server);
    }

    wait->next = socket->waits;
    if (wait->next != NULL)
        wait->next->prev = wait;
    socket->waits = wait;
    socket->wait_count++;
    *out = wait;
    return SKIO_OK;

fail:
    skio__mem_free(skio__server_mem(server), wait);
    return SKIO_ENOMEM;
}

int
skio__ack_wait(skio_socket *socket, uint64_t id, uint32_t timeout_ms,
               skio_ack_fn *fn, void *user)
{
    struct sio_wait *wait;

    return wait_new(socket, id, timeout_ms, fn, user, &wait);
}

int
skio_emit_with_ack(skio_socket *socket, uint32_t timeout_ms,
                   skio_ack_fn *on_ack, void *user, const char *event,
                   const char *format, ...)
{
    struct skio_message *message;
    struct sio_wait *wait;
    va_list args;
    va_list copy;
    uint64_t id;
    int err;

    if (timeout_ms > INT32_MAX)
        return SKIO_EINVAL;
    if (!skio__socket_is_member(socket))
        return SKIO_ECLOSED;

    id = socket->nsp->next_ack_id;
    va_start(args, format);
    va_copy(copy, args);
    err = skio__message_event(&socket->nsp->encoder, event, id, format, &copy,
                              &message);
    va_end(copy);
    va_end(args);
    if (err != SKIO_OK)
        return err;

    err = wait_new(socket, id, timeout_ms, on_ack, user, &wait);
    if (err == SKIO_OK) {
        skio__nsp_tell_sent(socket->nsp, event);
        socket->nsp->next_ack_id++;
        skio_socket_ref(socket);
        err = skio__remote_carries(socket->nsp, socket)
                  ? skio__remote_send(socket, message, SKIO_LOCAL)
                  : skio__socket_send(socket, message, 0);
        if (err != SKIO_OK) {
            /* A watcher may have disconnected the socket: then the callback
             * has run already. */
            wait = find_wait(socket, id);
            if (wait == NULL) {
                err = SKIO_OK;
            } else {
                wait_unlink(wait);
                skio__mem_free(&socket->home->mem, wait);
            }
        }
        skio_socket_unref(socket);
    }
    skio__message_unref(message);
    return err;
}

/* ---- Asked by a client ---- */

/*
 * What is most often answered: what was asked, as it came. The text goes into
 * the frame at once, without a message around it, which nobody would see.
 */
static inline int
pass_on(skio_socket *socket, uint64_t id, const skio_value *list)
{
    struct skio__blob *blob;
    int err = skio__message_ack_list(&socket->nsp->encoder, id, list, &blob);

    if (err != SKIO_OK)
        return err;
    err = socket->client != NULL
              ? skio__session_queue(socket->client->session, blob)
              : SKIO_ECLOSED;
    skio__blob_unref(blob);
    return err;
}

static int
answer(skio_socket *socket, uint64_t id, const char *format, va_list *args)
{
    const skio_value *list =
        format != NULL ? skio__format_list(format, args) : NULL;
    struct skio_message *message;
    int err;

    if (list != NULL && socket->nsp->encoder.parser == NULL &&
        !skio__outgoing_is_watched(socket->nsp))
        return pass_on(socket, id, list);
    err = skio__message_ack(&socket->nsp->encoder, id, format, args, &message);
    if (err != SKIO_OK)
        return err;
    err = skio__socket_send(socket, message, 0);
    skio__message_unref(message);
    return err;
}

int
skio_ack_send(skio_ack *ack, const char *format, ...)
{
    skio_socket *socket;
    va_list args;
    int err;

    if (ack == NULL)
        return SKIO_OK;
    if (ack->is_done)
        return SKIO_EBUSY;

    socket = ack->socket;
    if (!skio__socket_is_member(socket)) {
        err = SKIO_ECLOSED;
        goto done;
    }

    va_start(args, format);
    err = answer(socket, ack->id, format, &args);
    va_end(args);

    /* A template at fault leaves the ack as it was, to be answered rightly;
     * whatever else fails uses it up. */
    if (err == SKIO_EINVAL || err == SKIO_ETOOBIG)
        return err;

done:
    ack->is_done = true;
    if (ack->is_taken)
        skio_ack_free(ack);
    return err;
}

skio_ack *
skio_ack_take(skio_ack *ack)
{
    skio_ack *taken;

    if (ack == NULL || ack->is_done || ack->is_taken)
        return ack == NULL || ack->is_done ? NULL : ack;

    taken = skio__mem_calloc(&ack->socket->home->mem, 1, sizeof *taken);
    if (taken == NULL)
        return NULL;

    taken->socket = skio_socket_ref(ack->socket);
    taken->id = ack->id;
    taken->is_taken = true;
    ack->is_done = true;
    return taken;
}

void
skio_ack_free(skio_ack *ack)
{
    skio_socket *socket;

    if (ack == NULL || !ack->is_taken)
        return;

    socket = ack->socket;
    skio__mem_free(&socket->home->mem, ack);
    skio_socket_unref(socket);
}
