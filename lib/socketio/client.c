#include "socketio/client.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "socketio/ack.h"
#include "socketio/assembly.h"
#include "socketio/dynamic.h"
#include "socketio/legacy.h"
#include "socketio/middleware.h"
#include "socketio/namespace.h"
#include "socketio/packet.h"
#include "socketio/parser.h"
#include "socketio/recovery.h"
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
static void
fail(struct sio_client *client, const char *why)
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
static void
refuse(struct sio_client *client, const char *why)
{
    close_for(client, why, forced_reason(client));
}

/* The connection failed for want of memory. */
static void
fail_nomem(struct sio_client *client)
{
    skio_server *server = skio__client_server(client);

    skio__log(&server->engine.log, SKIO_LOG_ERROR,
              "out of memory: a client was disconnected");
    skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE, true);
}

static bool
is_old(const struct sio_client *client)
{
    return skio__session_protocol(client->session) == 3;
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
skio__client_send(struct sio_client *client, struct skio_message *message)
{
    struct skio_session *session = client->session;

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
        fail_nomem(client);
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
        fail_nomem(client);
    }
    skio__mem_free(skio__server_mem(server), name);
}

void
skio__client_join(struct sio_client *client, skio_nsp *nsp, const char *auth,
                  size_t len)
{
    skio_socket *socket = skio__client_socket(client, nsp);
    struct sio_session *session;
    uint64_t from = 0;

    if (socket != NULL) {
        if (socket->state != SIO_GONE) {
            refuse(client, "CONNECT to a joined namespace");
            return;
        }
        /* The server had disconnected it; the client comes back. */
        skio__client_remove(client, socket);
        skio_socket_unref(socket);
    }

    session =
        is_old(client) ? NULL : skio__recovery_find(nsp, auth, len, &from);
    socket = skio__socket_new(client, nsp, auth, len);
    if (socket != NULL && session != NULL) {
        skio__recovery_attach(session, socket);
        socket->missed_from = from;
        if (skio__client_server(client)->options.recovery_skip_middlewares) {
            skio__socket_connect(socket);
            return;
        }
    }
    if (socket == NULL || skio__middleware_start(socket) != SKIO_OK)
        fail_nomem(client);
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
        refuse(client, "CONNECT to a namespace that is being joined");
        return;
    }
    if (client->socket_count >= server->options.max_namespaces)
        forget_gone(client);
    if (client->socket_count >= server->options.max_namespaces &&
        (nsp == NULL || skio__client_socket(client, nsp) == NULL)) {
        server->engine.counters.limits_hit++;
        skio__client_refuse(client, packet->nsp, packet->nsp_len,
                            "{\"message\":\"Too many namespaces\"}");
        return;
    }

    if (nsp == NULL)
        skio__dynamic_ask(client, packet);
    else
        skio__client_join(client, nsp, packet->json, packet->json_len);
}

/* Protocol 3: `0/name?a=1,`, and the query is the auth. */
static void
on_old_connect(struct sio_client *client, struct sio_packet *packet,
               const char *query, size_t len)
{
    struct skio__buf json;

    if (query == NULL) {
        packet->json = NULL;
        on_connect_packet(client, packet);
        return;
    }

    skio__buf_init(&json, skio__server_mem(skio__client_server(client)));
    if (skio__legacy_auth(&json, query, len) != SKIO_OK) {
        fail_nomem(client);
    } else {
        packet->json = json.data;
        packet->json_len = json.len;
        on_connect_packet(client, packet);
    }
    skio__buf_deinit(&json);
}

const char *
skio__client_event_name(skio_server *server, const struct sio_packet *packet,
                        size_t *len)
{
    const struct skio__json_slice *first = &packet->items[0];
    char *name;

    *len = 0;
    if (packet->count == 0)
        return "";

    name = skio__arena_alloc(&server->arena, (size_t)first->len + 1);
    if (name == NULL)
        return NULL;

    if (first->type == SKIO__JSON_STRING) {
        *len = skio__json_unescape(packet->json, first, name);
    } else {
        *len = first->len;
        memcpy(name, packet->json + first->start, *len);
    }
    name[*len] = '\0';
    return name;
}

/* Hand an event, complete with its attachments, to the namespace. */
static void
deliver_event(skio_socket *socket, const struct sio_packet *packet,
              const skio_bytes *attachments)
{
    skio_server *server = socket->nsp->server;
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    skio_ack ack = {.socket = socket, .id = packet->id};
    struct skio_value args;
    const char *event;
    size_t len;

    event = skio__client_event_name(server, packet, &len);
    if (event == NULL) {
        fail_nomem(socket->client);
        return;
    }

    skio__value_init_args(&args, packet->json, &packet->root, packet->items,
                          skio__packet_kept(packet), packet->count,
                          packet->count > 0 ? 1 : 0, attachments,
                          packet->attachments, &server->arena);
    args.first_placeholder = server->first_placeholder;

    skio_socket_ref(socket);
    skio__nsp_dispatch(socket->nsp, socket, event, len, &args,
                       packet->has_id ? &ack : NULL);
    skio_socket_unref(socket);

    skio__value_deinit(&args);
    skio__arena_release(&server->arena, mark);
}

static void
deliver_ack(skio_socket *socket, const struct sio_packet *packet,
            const skio_bytes *attachments)
{
    skio_server *server = socket->nsp->server;
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    struct skio_value args;

    skio__value_init_args(&args, packet->json, &packet->root, packet->items,
                          skio__packet_kept(packet), packet->count, 0,
                          attachments, packet->attachments, &server->arena);
    args.first_placeholder = server->first_placeholder;

    skio_socket_ref(socket);
    if (packet->has_id)
        skio__ack_receive(socket, packet->id, &args);
    skio_socket_unref(socket);

    skio__value_deinit(&args);
    skio__arena_release(&server->arena, mark);
}

static void
deliver(struct sio_client *client, skio_socket *socket,
        const struct sio_packet *packet, const skio_bytes *attachments)
{
    switch (packet->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        deliver_event(socket, packet, attachments);
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        deliver_ack(socket, packet, attachments);
        break;
    case SIO_DISCONNECT:
        skio__socket_close(socket, SKIO_DISCONNECT_CLIENT_NAMESPACE, false);
        break;
    case SIO_CONNECT:
    case SIO_CONNECT_ERROR:
        refuse(client, "a packet that only servers send");
        break;
    }
}

/* What a client was sent for before: it left, or the server made it leave. */
static bool
is_under_way(skio_socket *socket)
{
    return socket != NULL && socket->state == SIO_GONE;
}

/* A packet that was decoded. attachments NULL: they are still to come, if it
 * has any. */
static void
on_packet(struct sio_client *client, struct sio_packet *packet,
          const skio_bytes *attachments)
{
    skio_server *server = skio__client_server(client);
    skio_socket *socket;
    skio_nsp *nsp;

    if (is_old(client)) {
        const char *query;
        size_t query_len;

        skio__legacy_split(packet, &query, &query_len);
        if (packet->type == SIO_CONNECT) {
            on_old_connect(client, packet, query, query_len);
            return;
        }
    }
    if (packet->type == SIO_CONNECT) {
        on_connect_packet(client, packet);
        return;
    }

    nsp = skio__nsp_find(server, packet->nsp, packet->nsp_len);
    socket = nsp == NULL ? NULL : skio__client_socket(client, nsp);
    if (socket == NULL ||
        (socket->state != SIO_CONNECTED && !is_under_way(socket))) {
        refuse(client, "a packet for a namespace that was not joined");
        return;
    }

    if (packet->attachments > 0 && attachments == NULL) {
        client->assembly = skio__assembly_new(client, packet);
        if (client->assembly == NULL)
            fail_nomem(client);
        return;
    }

    if (is_under_way(socket)) {
        /* Its DISCONNECT ends what the server began: forget the entry. */
        if (packet->type == SIO_DISCONNECT) {
            skio__client_remove(client, socket);
            skio_socket_unref(socket);
        }
        return;
    }
    deliver(client, socket, packet, attachments);
}

static void
on_text(struct sio_client *client, const char *text, size_t len)
{
    struct sio_packet_limits limits;
    struct sio_packet packet;
    const char *why;

    if (client->assembly != NULL) {
        fail(client, "got plaintext data when reconstructing a packet");
        return;
    }

    skio__server_packet_limits(skio__client_server(client), &limits);
    if (skio__packet_decode(text, len, &limits, &packet, &why) != SKIO_OK) {
        fail(client, why);
        return;
    }
    on_packet(client, &packet, NULL);
}

/* A message for a parser that is not the default one. */
static void
on_foreign(struct sio_client *client, const char *data, size_t len, bool binary)
{
    skio_server *server = skio__client_server(client);
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    struct sio_parsed parsed;
    const char *why;
    int err;

    err = skio__parser_decode(&server->options, &server->arena, data, len,
                              binary, &parsed, &why);
    if (err == SKIO_OK)
        on_packet(client, &parsed.packet, parsed.attachments);
    else if (err == SKIO_ENOMEM)
        fail_nomem(client);
    else
        fail(client, why);
    skio__arena_release(&server->arena, mark);
}

static void
on_binary(struct sio_client *client, const char *data, size_t len)
{
    struct sio_assembly *assembly = client->assembly;
    skio_server *server = skio__client_server(client);
    skio_socket *socket;
    skio_nsp *nsp;
    int err;

    if (assembly == NULL) {
        fail(client, "got binary data when not reconstructing a packet");
        return;
    }

    err = skio__assembly_add(assembly, data, len);
    if (err == 0)
        return;
    if (err < 0) {
        if (err == SKIO_ENOMEM) {
            fail_nomem(client);
        } else {
            server->engine.counters.limits_hit++;
            fail(client, "attachments beyond max_http_buffer_size");
        }
        return;
    }

    /* The namespace may have been left while the attachments came. */
    client->assembly = NULL;
    nsp =
        skio__nsp_find(server, assembly->packet.nsp, assembly->packet.nsp_len);
    socket = nsp == NULL ? NULL : skio__client_socket(client, nsp);
    if (socket != NULL && socket->state == SIO_CONNECTED)
        deliver(client, socket, &assembly->packet, assembly->attachments);
    skio__assembly_free(assembly);
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
    if (is_old(client))
        skio__client_join(client, server->root, NULL, 0);
}

static void
on_message(struct skio_session *session, const char *data, size_t len,
           bool binary)
{
    struct sio_client *client = skio__session_state(session);

    if (skio__unlikely(skio__client_server(client)->options.parser != NULL) &&
        client->assembly == NULL)
        on_foreign(client, data, len, binary);
    else if (binary)
        on_binary(client, data, len);
    else
        on_text(client, data, len);
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
    .open = on_open,
    .message = on_message,
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
        skio__session_detail(client->session, "no namespace joined in time");
        skio__session_close(client->session, forced_reason(client), false);
    }

    while ((node = skio__fifo_pop_due(&server->attachments_due, now_ms)) !=
           NULL) {
        struct sio_assembly *assembly =
            skio__container_of(node, struct sio_assembly, due);

        server->engine.counters.limits_hit++;
        fail(assembly->client, "attachments did not come in time");
    }
}
