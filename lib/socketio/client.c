#include "socketio/client.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "engineio/rates.h"
#include "socketio/assembly.h"
#include "socketio/dynamic.h"
#include "socketio/incoming.h"
#include "socketio/legacy.h"
#include "socketio/middleware.h"
#include "socketio/namespace.h"
#include "socketio/packet.h"
#include "socketio/recovery.h"
#include "socketio/restoring.h"
#include "socketio/socket.h"

static void
close_for(struct sio_client *client, const char *why,
          enum skio_disconnect reason)
{
    skio_server *server = skio__client_server(client);

    server->engine.counters.parse_errors++;
    skio__log(&server->engine.log, SKIO_LOG_DEBUG, "client refused: %s", why);
    skio__session_detail(client->session, "%s", why);
    skio__session_close(client->session, reason, false);
}

/* Node's `error`, to every socket of the client. Its handlers may disconnect
 * this socket or any other. */
static void
tell_error(struct sio_client *client)
{
    skio_socket *socket = client->sockets;

    while (socket != NULL) {
        skio_socket *next;

        skio_socket_ref(socket);
        if (socket->state == SIO_CONNECTED)
            SIO_NSP_RUN(socket->nsp, error, skio_error_fn,
                        fn(socket, SKIO_EPROTO, "", user_data));
        next = socket->client == client ? socket->next : NULL;
        skio_socket_unref(socket);
        socket = next;
    }
}

/*
 * The peer broke the protocol: close, without a word first, as Node does. Its
 * sockets end with `forced close` there, too.
 */
void
skio__client_fail(struct sio_client *client, const char *why)
{
    tell_error(client);
    close_for(client, why, SKIO_DISCONNECT_FORCED_CLOSE);
}

/* Where Node's server closes a client for what it did, not for how it wrote
 * it, sockets do not wait for a transport that takes its time. */
static enum skio_disconnect
forced_reason(const struct sio_client *client)
{
    return skio__session_closes_at_once(client->session)
               ? SKIO_DISCONNECT_FORCED_CLOSE
               : SKIO_DISCONNECT_FORCED_SERVER_CLOSE;
}

/* A packet that could be read, at the wrong time. */
void
skio__client_misuse(struct sio_client *client, const char *why)
{
    close_for(client, why, forced_reason(client));
}

/* The connection failed for want of memory. */
void
skio__client_nomem(struct sio_client *client)
{
    skio_server *server = skio__client_server(client);

    skio__log(&server->engine.log, SKIO_LOG_ERROR,
              "out of memory: a client was disconnected");
    skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE, true);
}

skio_socket *
skio__client_socket(const struct sio_client *client, const skio_nsp *nsp)
{
    for (skio_socket *each = client->sockets; each != NULL; each = each->next)
        if (each->nsp == nsp)
            return each;
    return NULL;
}

void
skio__client_add(struct sio_client *client, skio_socket *socket)
{
    socket->client = client;
    socket->next = client->sockets;
    client->sockets = socket;
    client->socket_count++;
}

void
skio__client_remove(struct sio_client *client, skio_socket *socket)
{
    skio_socket **link = &client->sockets;

    while (*link != NULL && *link != socket)
        link = &(*link)->next;
    assert(*link == socket);
    *link = socket->next;
    socket->next = NULL;
    socket->client = NULL;
    client->socket_count--;
}

void
skio__client_joined(struct sio_client *client)
{
    if (client->has_joined)
        return;
    client->has_joined = true;
    skio__fifo_remove(&client->connect_due);
    skio__session_admit(client->session);
}

int
skio__client_send_all(struct skio_session *session,
                      const struct skio_message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        int err = skio__session_queue(session, message->blobs[i]);

        if (err == SKIO_OK)
            continue;
        /* A packet without all of its attachments would garble the rest. */
        if (i > 0 && err == SKIO_ENOMEM)
            skio__session_doom(session, SKIO_DISCONNECT_FORCED_CLOSE);
        return err;
    }
    return SKIO_OK;
}

void
skio__client_refuse(struct sio_client *client, const char *nsp, size_t len,
                    const char *json)
{
    skio_server *server = skio__client_server(client);
    struct skio_message *message;
    struct sio_encoder encoder;
    char *name;

    name = skio__mem_strndup(skio__server_mem(server), nsp, len);
    if (name == NULL) {
        skio__client_nomem(client);
        return;
    }

    skio__nsp_encoder(server->root, &encoder);
    encoder.nsp = name;
    if (skio__message_control(&encoder, SIO_CONNECT_ERROR, json, strlen(json),
                              &message) == SKIO_OK) {
        /* When that cannot be queued, the session is on its way out. */
        (void)skio__client_send(client, message);
        skio__message_unref(message);
    } else {
        skio__client_nomem(client);
    }
    skio__mem_free(skio__server_mem(server), name);
}

void
skio__client_join(struct sio_client *client, skio_nsp *nsp, const char *auth,
                  size_t len)
{
    skio_socket *socket = skio__client_socket(client, nsp);
    struct sio_session *session;

    if (socket != NULL) {
        if (socket->state != SIO_GONE) {
            skio__client_misuse(client, "CONNECT to a joined namespace");
            return;
        }
        /* The server had disconnected it; the client comes back. */
        skio__client_remove(client, socket);
        skio_socket_unref(socket);
    }

    session = skio__client_is_old(client) ? NULL
                                          : skio__recovery_find(nsp, auth, len);
    socket = skio__socket_new(client, nsp, auth, len);
    if (socket != NULL && session != NULL) {
        skio__recovery_attach(session, socket);
        if (skio__client_server(client)->options.recovery_skip_middlewares) {
            skio__socket_connect(socket);
            return;
        }
    }
    if (socket != NULL && skio__restoring_ask(socket))
        return;
    if (socket == NULL || skio__middleware_start(socket) != SKIO_OK)
        skio__client_nomem(client);
}

/* Whether a verdict on this namespace is awaited for the client already. */
static bool
is_asked_for(const struct sio_client *client, const struct sio_packet *packet)
{
    const skio_match *match = client->matches;

    while (match != NULL &&
           (match->name_len != packet->nsp_len ||
            memcmp(match->name, packet->nsp, packet->nsp_len) != 0))
        match = match->next;
    return match != NULL;
}

/* The server's goodbyes need not be answered: they must not use up what a
 * client may join. */
static void
forget_gone(struct sio_client *client)
{
    skio_socket *socket = client->sockets;

    while (socket != NULL) {
        skio_socket *next = socket->next;

        if (socket->state == SIO_GONE) {
            skio__client_remove(client, socket);
            skio_socket_unref(socket);
        }
        socket = next;
    }
}

static void
on_connect_packet(struct sio_client *client, const struct sio_packet *packet)
{
    skio_server *server = skio__client_server(client);
    skio_nsp *nsp = skio__nsp_find(server, packet->nsp, packet->nsp_len);

    if (nsp == NULL && server->parents == NULL) {
        skio__client_refuse(client, packet->nsp, packet->nsp_len,
                            "{\"message\":\"Invalid namespace\"}");
        return;
    }
    if (is_asked_for(client, packet)) {
        skio__client_misuse(client,
                            "CONNECT to a namespace that is being joined");
        return;
    }
    if (client->socket_count >= server->options.max_namespaces)
        forget_gone(client);
    if (client->socket_count >= server->options.max_namespaces &&
        (nsp == NULL || skio__client_socket(client, nsp) == NULL)) {
        skio__limit_hit(&server->engine, EIO_LIMIT_max_namespaces);
        skio__client_refuse(client, packet->nsp, packet->nsp_len,
                            "{\"message\":\"Too many namespaces\"}");
        return;
    }

    if (nsp == NULL)
        skio__dynamic_ask(client, packet);
    else
        skio__client_join(client, nsp, packet->json, packet->json_len);
}

bool
skio__client_may_emit(skio_socket *socket)
{
    bool may;

    skio_socket_ref(socket);
    may = skio__rates_event(socket->client->session, socket) &&
          socket->state == SIO_CONNECTED;
    skio_socket_unref(socket);
    return may;
}

/* To join costs what an event does, or more. */
static bool
may_connect(struct sio_client *client, const struct sio_packet *packet)
{
    if (skio__client_server(client)->engine.rates == NULL ||
        skio__rates_event(client->session, NULL))
        return true;
    if (skio__session_is_open(client->session))
        skio__client_refuse(client, packet->nsp, packet->nsp_len,
                            "{\"message\":\"Too many requests\"}");
    return false;
}

void
skio__client_connect(struct sio_client *client, struct sio_packet *packet,
                     const char *query, size_t len)
{
    struct skio__buf json;

    if (!may_connect(client, packet))
        return;
    if (skio__client_is_old(client) && query == NULL)
        packet->json = NULL;
    if (query == NULL) {
        on_connect_packet(client, packet);
        return;
    }

    skio__buf_init(&json, skio__server_mem(skio__client_server(client)));
    if (skio__legacy_auth(&json, query, len) != SKIO_OK) {
        skio__client_nomem(client);
    } else {
        packet->json = json.data;
        packet->json_len = json.len;
        on_connect_packet(client, packet);
    }
    skio__buf_deinit(&json);
}

static void
on_open(struct skio_session *session)
{
    struct sio_client *client = skio__session_state(session);
    skio_server *server = skio__session_engine(session)->server;

    client->session = session;
    skio__fifo_push(&server->connect_due, &client->connect_due,
                    skio__engine_now(&server->engine));
    skio__server_wants_timer(server);
    if (skio__client_is_old(client))
        skio__client_join(client, server->root, NULL, 0);
}

static void
on_close(struct skio_session *session, enum skio_disconnect reason)
{
    struct sio_client *client = skio__session_state(session);
    skio_socket *socket;

    skio__fifo_remove(&client->connect_due);
    skio__assembly_free(client->assembly);
    client->assembly = NULL;
    skio__dynamic_forget(client);

    /*
     * A LEAVING socket is inside its own handlers, further up the stack: it
     * goes on there, without its client.
     */
    while ((socket = client->sockets) != NULL) {
        skio_socket_ref(socket);
        skio__socket_close(socket, reason, true);
        if (socket->client == client) {
            skio__client_remove(client, socket);
            skio_socket_unref(socket);
        }
        skio_socket_unref(socket);
    }
}

static void
on_pressure(struct skio_session *session, size_t queued)
{
    struct sio_client *client = skio__session_state(session);
    skio_socket *socket = client->sockets;

    /* A handler may disconnect this socket or any other of the client. */
    while (socket != NULL) {
        skio_socket *next;

        skio_socket_ref(socket);
        if (socket->state == SIO_CONNECTED)
            SIO_NSP_RUN(socket->nsp, backpressure, skio_backpressure_fn,
                        fn(socket, queued, user_data));
        next = socket->client == client ? socket->next : NULL;
        skio_socket_unref(socket);
        socket = next;
    }
}

/*
 * The second heartbeat after a goodbye was begun after it: the client has got
 * it, and what was under way then has arrived. A socket that is kept for longer
 * would keep its namespace, too.
 */
static void
on_beat(struct skio_session *session)
{
    struct sio_client *client = skio__session_state(session);
    skio_socket *socket = client->sockets;

    while (socket != NULL) {
        skio_socket *next = socket->next;

        if (socket->state == SIO_GONE && socket->is_stale) {
            skio__client_remove(client, socket);
            skio_socket_unref(socket);
        } else if (socket->state == SIO_GONE) {
            socket->is_stale = true;
        }
        socket = next;
    }
}

const struct eio_upper skio__client_upper = {
    .state_size = sizeof(struct sio_client),
    .checks_text = true,
    .open = on_open,
    .message = skio__incoming,
    .close = on_close,
    .pressure = on_pressure,
    .beat = on_beat,
};

void
skio__client_timeouts(skio_server *server, uint64_t now_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(&server->connect_due, now_ms)) != NULL) {
        struct sio_client *client =
            skio__container_of(node, struct sio_client, connect_due);

        skio__log(&server->engine.log, SKIO_LOG_DEBUG,
                  "a client joined no namespace in time");
        skio__limit_hit(&server->engine, EIO_LIMIT_connect_timeout_ms);
        skio__session_detail(client->session, "no namespace joined in time");
        /* Where no poll waits it would linger for one, as it does in Node: half
         * a minute more for who has not even joined. */
        skio__session_close(client->session, forced_reason(client),
                            !skio__session_closes_at_once(client->session));
    }

    while ((node = skio__fifo_pop_due(&server->attachments_due, now_ms)) !=
           NULL) {
        struct sio_assembly *assembly =
            skio__container_of(node, struct sio_assembly, due);

        skio__limit_hit(&server->engine, EIO_LIMIT_attachment_timeout_ms);
        skio__client_fail(assembly->client, "attachments did not come in time");
    }
}
