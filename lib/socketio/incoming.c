#include "socketio/incoming.h"

#include <string.h>

#include "base/compiler.h"
#include "base/utf8.h"
#include "socketio/ack.h"
#include "socketio/assembly.h"
#include "socketio/legacy.h"
#include "socketio/namespace.h"
#include "socketio/parser.h"
#include "socketio/socket.h"
#include "socketio/taps.h"

const char *
skio__incoming_event_name(skio_server *server, const struct sio_packet *packet,
                          size_t *len)
{
    const struct skio__json_slice *first = &packet->items[0];
    char *name;

    *len = 0;
    if (packet->json == NULL || packet->count == 0)
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

/* Ask one list of event middlewares. SKIO_OK: all pass the event on. */
static int
ask_middlewares(skio_nsp *nsp, skio_socket *socket, const char *event,
                const skio_value *args, skio_ack *ack)
{
    int err = SKIO_OK;

    SIO_HANDLERS_RUN(&nsp->event_middlewares, skio_event_middleware_fn,
                     if (err == SKIO_OK) err =
                         fn(socket, event, args, ack, user_data));
    return err;
}

/* Tell those who watch all events. False: one of them took it away. */
static skio__rare bool
tell_watchers(skio_nsp *nsp, skio_socket *socket, const char *event,
              const skio_value *args, skio_ack *ack)
{
    int err = SKIO_OK;

    SIO_NSP_RUN(nsp, any, skio_any_fn, fn(socket, event, args, user_data));

    if (nsp->parent != NULL && nsp->parent->event_middlewares.count > 0)
        err = ask_middlewares(nsp->parent, socket, event, args, ack);
    if (err == SKIO_OK && nsp->event_middlewares.count > 0)
        err = ask_middlewares(nsp, socket, event, args, ack);
    if (err != SKIO_OK)
        SIO_NSP_RUN(nsp, error, skio_error_fn,
                    fn(socket, err, event, user_data));
    return err == SKIO_OK;
}

/* A handler can add and remove handlers, but events never go away. */
static inline void
run_event(skio_nsp *nsp, skio_socket *socket, const char *event, size_t len,
          const skio_value *args, skio_ack *ack)
{
    struct sio_event *found = skio__events_recall(&nsp->events, event, len);

    if (found == NULL)
        return;
    found->received++;
    SIO_HANDLERS_RUN(&found->handlers, skio_event_fn,
                     fn(socket, args, ack, user_data));
}

static skio__rare void
run_parents_event(skio_nsp *nsp, skio_socket *socket, const char *event,
                  size_t len, const skio_value *args, skio_ack *ack)
{
    struct sio_event *own;

    run_event(nsp->parent, socket, event, len, args, ack);
    /* What the child handles, too, was counted: its run counts no more. */
    if (skio__map_count(&nsp->events.by_name) == 0 ||
        socket->state != SIO_CONNECTED ||
        skio__events_recall(&nsp->parent->events, event, len) == NULL)
        return;
    own = skio__events_recall(&nsp->events, event, len);
    if (own != NULL)
        own->received--;
}

/*
 * Run the handlers of an event: the catch-all ones first. The name must be
 * NUL-terminated only if the namespace is watched.
 */
static inline void
dispatch(skio_nsp *nsp, skio_socket *socket, const char *event, size_t len,
         const skio_value *args, skio_ack *ack, bool is_watched)
{
    if (is_watched && !tell_watchers(nsp, socket, event, args, ack))
        return;

    /* Any of them may have disconnected the socket. */
    if (nsp->parent != NULL && socket->state == SIO_CONNECTED)
        run_parents_event(nsp, socket, event, len, args, ack);
    if (socket->state == SIO_CONNECTED)
        run_event(nsp, socket, event, len, args, ack);
}

/*
 * The name as it stands in the packet, where that is what it means: not
 * NUL-terminated. NULL: there is an escape in it.
 */
static const char *
plain_name(const struct sio_packet *packet, size_t *len)
{
    const struct skio__json_slice *first = &packet->items[0];

    *len = 0;
    if (packet->count == 0)
        return "";
    if ((first->flags & SKIO__JSON_ESCAPED) != 0)
        return NULL;
    if (first->type == SKIO__JSON_STRING) {
        *len = first->len - 2;
        return packet->json + first->start + 1;
    }
    *len = first->len;
    return packet->json + first->start;
}

/* Whether catch-all handlers or event middlewares are told of each event. */
static inline bool
has_watchers(const skio_nsp *nsp)
{
    return (nsp->any.count | nsp->event_middlewares.count) != 0;
}

/* Hand an event, complete with its attachments, to the namespace. */
static void
deliver_event(skio_socket *socket, const struct sio_packet *packet,
              const skio_bytes *attachments)
{
    skio_server *server = socket->nsp->server;
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    skio_ack ack = {.socket = socket, .id = packet->id};
    skio_nsp *nsp = socket->nsp;
    const bool is_watched =
        has_watchers(nsp) ||
        skio__unlikely(nsp->parent != NULL && has_watchers(nsp->parent));
    struct skio_value args;
    const char *event;
    size_t len;

    if (skio__unlikely(server->engine.rates != NULL) &&
        !skio__client_may_emit(socket))
        return;

    /* Only who watches all events is given the name itself. */
    event = plain_name(packet, &len);
    if (skio__unlikely(event == NULL || is_watched))
        event = skio__incoming_event_name(server, packet, &len);
    if (event == NULL) {
        skio__client_nomem(socket->client);
        return;
    }

    skio__packet_args(packet, packet->count > 0 ? 1 : 0, attachments,
                      &server->arena, &args);
    args.first_placeholder = server->first_placeholder;

    nsp->received++;
    socket->refs++;
    if (skio__unlikely(server->watches_events))
        skio__nsp_taps_received(nsp, event, len);
    dispatch(nsp, socket, event, len, &args, packet->has_id ? &ack : NULL,
             is_watched);
    if (skio__unlikely(server->watches_events))
        skio__nsp_taps_handled(nsp);
    if (skio__likely(socket->refs > 1))
        socket->refs--;
    else
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

    skio__packet_args(packet, 0, attachments, &server->arena, &args);
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
        skio__client_misuse(client, "a packet that only servers send");
        break;
    }
}

/*
 * The client's socket of a namespace, or NULL. Each packet asks: the few that a
 * client has joined are compared sooner than a name is hashed.
 */
static inline skio_socket *
socket_of(const struct sio_client *client, const struct sio_packet *packet)
{
    const char *name = packet->nsp;
    const size_t len = packet->nsp_len;

    for (skio_socket *each = client->sockets; each != NULL; each = each->next)
        if (each->nsp->name_len == len && each->nsp->name[0] == *name &&
            (len == 1 || memcmp(each->nsp->name, name, len) == 0))
            return each;
    return NULL;
}

/*
 * A packet that cannot be delivered now: its attachments are to come, or its
 * socket has gone; socket NULL: was never there.
 */
static skio__rare void
put_off(struct sio_client *client, skio_socket *socket,
        const struct sio_packet *packet, const skio_bytes *attachments)
{
    if (socket == NULL ||
        (socket->state != SIO_CONNECTED && socket->state != SIO_GONE)) {
        skio__client_misuse(client,
                            "a packet for a namespace that was not joined");
        return;
    }

    if (packet->attachments > 0 && attachments == NULL) {
        client->assembly = skio__assembly_new(client, packet);
        if (client->assembly == NULL)
            skio__client_nomem(client);
        return;
    }

    /*
     * It was sent before: the client left, or the server made it leave. Its
     * DISCONNECT ends what the server began: forget the entry.
     */
    if (packet->type == SIO_DISCONNECT) {
        skio__client_remove(client, socket);
        skio_socket_unref(socket);
    }
}

/* A packet that was decoded. attachments NULL: they are still to come, if it
 * has any. */
static void
on_packet(struct sio_client *client, struct sio_packet *packet,
          const skio_bytes *attachments)
{
    const char *query = NULL;
    size_t query_len = 0;
    skio_socket *socket;

    if (skio__client_is_old(client))
        skio__legacy_split(packet, &query, &query_len);
    if (packet->type == SIO_CONNECT) {
        skio__client_connect(client, packet, query, query_len);
        return;
    }
    socket = socket_of(client, packet);
    if (skio__likely(socket != NULL && socket->state == SIO_CONNECTED &&
                     (packet->attachments == 0 || attachments != NULL)))
        deliver(client, socket, packet, attachments);
    else
        put_off(client, socket, packet, attachments);
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
        skio__client_nomem(client);
    else
        skio__client_fail(client, why);
    skio__arena_release(&server->arena, mark);
}

static void
on_binary(struct sio_client *client, const char *data, size_t len)
{
    struct sio_assembly *assembly = client->assembly;
    skio_server *server = skio__client_server(client);
    skio_socket *socket;
    int err;

    if (assembly == NULL) {
        skio__client_fail(client,
                          "got binary data when not reconstructing a packet");
        return;
    }

    err = skio__assembly_add(assembly, data, len);
    if (err == 0)
        return;
    if (err < 0) {
        if (err == SKIO_ENOMEM) {
            skio__client_nomem(client);
        } else {
            skio__limit_hit(&server->engine, EIO_LIMIT_max_http_buffer_size);
            skio__client_fail(client,
                              "attachments beyond max_http_buffer_size");
        }
        return;
    }

    /* The namespace may have been left while the attachments came. */
    client->assembly = NULL;
    socket = socket_of(client, &assembly->packet);
    if (socket != NULL && socket->state == SIO_CONNECTED)
        deliver(client, socket, &assembly->packet, assembly->attachments);
    skio__assembly_free(assembly);
}

/* What is no packet in text form, or must not be one now. */
static skio__rare void
on_special(struct sio_client *client, const char *data, size_t len, bool binary)
{
    if (!binary && !skio__utf8_valid(data, len))
        skio__session_bad_text(client->session);
    else if (client->assembly == NULL &&
             skio__client_server(client)->options.parser != NULL)
        on_foreign(client, data, len, binary);
    else if (binary)
        on_binary(client, data, len);
    else
        skio__client_fail(client,
                          "got plaintext data when reconstructing a packet");
}

/* A text that could not be decoded, maybe for want of being one. */
static skio__rare void
refuse(struct sio_client *client, const char *data, size_t len, const char *why)
{
    if (skio__utf8_valid(data, len))
        skio__client_fail(client, why);
    else
        skio__session_bad_text(client->session);
}

/* Whatever can be decoded is UTF-8: the JSON is read byte by byte, as is a
 * namespace's name. */
void
skio__incoming(struct skio_session *session, const char *data, size_t len,
               bool binary)
{
    struct sio_client *client = skio__session_state(session);
    const skio_server *server = skio__client_server(client);
    struct sio_packet packet;
    skio_socket *socket;
    const char *why;

    if (skio__unlikely(binary || client->assembly != NULL ||
                       server->options.parser != NULL)) {
        on_special(client, data, len, binary);
        return;
    }
    if (skio__packet_decode(data, len, &server->packet_limits, &packet, &why) !=
        SKIO_OK) {
        refuse(client, data, len, why);
        return;
    }
    /* Nearly always an event, and its socket is there. */
    socket = packet.type == SIO_EVENT && !skio__client_is_old(client)
                 ? socket_of(client, &packet)
                 : NULL;
    if (skio__likely(socket != NULL && socket->state == SIO_CONNECTED))
        deliver_event(socket, &packet, NULL);
    else
        on_packet(client, &packet, NULL);
}
