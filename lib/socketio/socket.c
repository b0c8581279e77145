#include "socketio/socket.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/writer.h"
#include "engineio/request.h"
#include "socketio/ack.h"
#include "socketio/dynamic.h"
#include "socketio/outgoing.h"
#include "socketio/recovery_remote.h"
#include "socketio/restoring.h"
#include "socketio/taps.h"
#include "socketio/value.h"

const char *
skio_disconnect_name(enum skio_disconnect reason)
{
    switch (reason) {
#define SKIO_DISCONNECT_CASE(name, value, text)                                \
    case SKIO_DISCONNECT_##name:                                               \
        return text;
        SKIO_DISCONNECT_MAP(SKIO_DISCONNECT_CASE)
#undef SKIO_DISCONNECT_CASE
    }
    return "unknown reason";
}

static bool
is_old(const struct sio_client *client)
{
    return skio__session_protocol(client->session) == 3;
}

/*
 * Clients of protocol 3 compute their ids: the session's in "/", else the
 * namespace, '#' and the session's. Returns the bytes of the latter, or 0.
 */
static size_t
long_id_size(const struct sio_client *client, const skio_nsp *nsp)
{
    size_t len;

    if (!is_old(client))
        return 0;
    len = strlen(skio__session_id(client->session));
    if (nsp->name_len > 1)
        return nsp->name_len + sizeof "#" + len;
    return len > SKIO__ID_LEN ? len + 1 : 0; /* of the host's making */
}

static void
name_socket(skio_socket *socket, const struct sio_client *client)
{
    const skio_nsp *nsp = socket->nsp;
    const char *sid = skio__session_id(client->session);
    char *to = socket->long_id;

    socket->id = socket->own_id;
    if (!is_old(client)) {
        skio__server_make_id(nsp->server, socket->own_id);
    } else if (nsp->name_len <= 1 && strlen(sid) <= SKIO__ID_LEN) {
        memcpy(socket->own_id, sid, strlen(sid) + 1);
    } else {
        if (nsp->name_len > 1) {
            memcpy(to, nsp->name, nsp->name_len);
            to += nsp->name_len;
            *to++ = '#';
        }
        memcpy(to, sid, strlen(sid) + 1);
        socket->id = socket->long_id;
    }
}

/* The packet's text is the transport's; this one stays, as long as a reference
 * to the socket may, hence the home's allocator. NULL: no memory. */
static skio_value *
keep_auth(skio_server *server, const char *auth, size_t len)
{
    struct sio_home *home = server->home;

    if (auth == NULL || (len == 2 && memcmp(auth, "{}", 2) == 0))
        return home->no_auth;
    return skio__value_copy(&home->mem, auth, len,
                            server->options.max_json_depth);
}

skio_socket *
skio__socket_new(struct sio_client *client, skio_nsp *nsp, const char *auth,
                 size_t auth_len)
{
    skio_server *server = nsp->server;
    const skio_allocator *mem = skio__server_mem(server);
    skio_socket *socket =
        skio__mem_calloc(mem, 1, sizeof *socket + long_id_size(client, nsp));

    if (socket == NULL)
        return NULL;

    socket->auth = keep_auth(server, auth, auth_len);
    if (socket->auth == NULL) {
        skio__mem_free(mem, socket);
        return NULL;
    }

    socket->home = skio__home_ref(server->home);
    socket->nsp = nsp;
    nsp->refs++;
    socket->refs = 1;
    socket->state = SIO_CONNECTING;
    if (server->engine.hooks.wall_ms != NULL)
        socket->issued_ms =
            server->engine.hooks.wall_ms(server->engine.transport);
    socket->request = skio__request_ref(skio__session_request(client->session));
    name_socket(socket, client);
    skio__client_add(client, socket);
    return socket;
}

/* Uses the message up. */
static int
send_control(struct sio_client *client, struct skio_message *message)
{
    int err = skio__client_send(client, message);

    skio__message_unref(message);
    return err;
}

/* Tell the client its id: `40[/nsp,]{"sid":"…"}`, or with its `pid`. */
static int
send_connect(skio_socket *socket)
{
    char json[sizeof "{\"sid\":\"\",\"pid\":\"\"}" + 2 * SKIO__ID_LEN];
    struct skio__writer writer = {json, sizeof json, 0};
    struct sio_encoder encoder;
    struct skio_message *message;
    int err;

    if (is_old(socket->client)) {
        skio__nsp_encoder(socket->nsp, &encoder);
        err = skio__message_control(&encoder, SIO_CONNECT, NULL, 0, &message);
        return err != SKIO_OK ? err : send_control(socket->client, message);
    }
    skio__writer_str(&writer, "{\"sid\":\"");
    skio__writer_str(&writer, socket->id);
    if (socket->session != NULL) {
        skio__writer_str(&writer, "\",\"pid\":\"");
        skio__writer_str(&writer, socket->session->pid);
    }
    skio__writer_str(&writer, "\"}");

    skio__nsp_encoder(socket->nsp, &encoder);
    err = skio__message_control(&encoder, SIO_CONNECT, json, writer.len,
                                &message);
    if (err != SKIO_OK)
        return err;

    return send_control(socket->client, message);
}

/* Enter the namespace and its adapter. */
static int
enter_namespace(skio_socket *socket)
{
    skio_nsp *nsp = socket->nsp;

    if (skio__map_put(&nsp->sockets, &socket->node, socket->id,
                      strlen(socket->id)) != SKIO_OK)
        return SKIO_ENOMEM;
    if (nsp->adapter->ops->add(nsp->adapter, socket) != SKIO_OK) {
        skio__map_remove(&nsp->sockets, &socket->node);
        return SKIO_ENOMEM;
    }
    /* Who watches rooms may have closed the connection: nobody entered. */
    if (socket->state != SIO_CONNECTING) {
        nsp->adapter->ops->remove(nsp->adapter, socket);
        skio__map_remove(&nsp->sockets, &socket->node);
        return SKIO_ECLOSED;
    }
    socket->state = SIO_CONNECTED;
    nsp->server->engine.counters.sockets_connected++;
    SIO_TAP(nsp->server, connect, socket);
    return SKIO_OK;
}

/* Go through all that makes a socket; at each step the application may look in
 * and close the connection. */
static int
connect_step_by_step(skio_socket *socket)
{
    skio_nsp *nsp = socket->nsp;
    struct sio_client *client = socket->client;
    int err = enter_namespace(socket);

    if (err != SKIO_OK)
        return err;
    skio__client_joined(client);
    if (socket->recovered)
        err = skio__recovery_restore(socket);
    else if (nsp->recovery != NULL && !is_old(client))
        socket->session = skio__recovery_begin(socket);
    if (err == SKIO_OK)
        err = skio__socket_join_noted(socket);
    if (socket->session != NULL)
        skio__remote_changed(socket->session);
    if (err == SKIO_OK && socket->state != SIO_CONNECTED)
        err = SKIO_ECLOSED;
    return err != SKIO_OK ? err : send_connect(socket);
}

void
skio__socket_connect(skio_socket *socket)
{
    struct sio_client *client = socket->client;
    int err;

    if (skio__unlikely(socket->recovered) && skio__restoring_ask_again(socket))
        return;

    skio_socket_ref(socket);
    err = connect_step_by_step(socket);
    if (err == SKIO_OK) {
        socket->is_told = true;
        SIO_NSP_RUN(socket->nsp, connect, skio_connect_fn,
                    if (socket->state == SIO_CONNECTED) fn(socket, user_data));
    } else if (socket->state <= SIO_CONNECTED && socket->client == client) {
        /*
         * Out of memory: a connection without its socket is of no use, and
         * what was half restored is none to come back to.
         */
        skio__recovery_abandon(socket, SKIO_DISCONNECT_SERVER_NAMESPACE);
        skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE,
                            true);
    }
    skio_socket_unref(socket);
}

/*
 * Take the socket from its namespace, with the callbacks that belong to it. Of
 * one whose connection failed half-way the application was told nothing: it
 * hears of no end either.
 */
static void
leave_namespace(skio_socket *socket, enum skio_disconnect reason)
{
    skio_nsp *nsp = socket->nsp;

    socket->state = SIO_LEAVING;
    if (socket->is_told)
        SIO_NSP_RUN(nsp, disconnecting, skio_disconnect_fn,
                    fn(socket, reason, user_data));

    skio__recovery_leave(socket, reason);
    socket->state = SIO_GONE;
    nsp->adapter->ops->remove(nsp->adapter, socket);
    skio__map_remove(&nsp->sockets, &socket->node);
    nsp->server->engine.counters.sockets_disconnected++;
    SIO_TAP(nsp->server, disconnect, socket, reason);

    skio__ack_close_all(socket);
    if (socket->is_told)
        SIO_NSP_RUN(nsp, disconnect, skio_disconnect_fn,
                    fn(socket, reason, user_data));
}

void
skio__socket_close(skio_socket *socket, enum skio_disconnect reason,
                   bool keep_entry)
{
    struct sio_client *client = socket->client;
    bool was_connected = socket->state == SIO_CONNECTED;

    /* A handler that disconnects once more finds it LEAVING: one close each. */
    if (socket->state == SIO_LEAVING)
        return;

    skio_socket_ref(socket);
    if (was_connected)
        leave_namespace(socket, reason);
    socket->state = SIO_GONE;
    skio__restoring_forget(socket);
    /* A middleware refused who came back, or it has left again. */
    skio__recovery_abandon(socket, reason);

    skio__socket_drop_data(socket);

    /* The handlers may have closed the whole client meanwhile. */
    if (!keep_entry && socket->client == client && client != NULL) {
        skio__client_remove(client, socket);
        skio_socket_unref(socket);
    }
    skio_socket_unref(socket);
}

/* SKIO_ECLOSED: a watcher has disconnected the socket, or more than that. */
static int
tell_watchers(skio_socket *socket, const struct skio_message *message)
{
    struct eio_engine *engine = &socket->nsp->server->engine;
    int err = SKIO_OK;

    skio__engine_enter(engine);
    skio_socket_ref(socket);
    skio__outgoing_tell(socket, message);
    if (socket->state == SIO_GONE || socket->client == NULL)
        err = SKIO_ECLOSED;
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

int
skio__socket_send_with_care(skio_socket *socket, struct skio_message *message,
                            unsigned flags)
{
    if ((flags & SKIO_VOLATILE) != 0 &&
        !skio__session_is_writable(socket->client->session)) {
        socket->nsp->server->engine.counters.volatile_dropped++;
        return SKIO_OK;
    }
    if (skio__outgoing_is_watched(socket->nsp) &&
        tell_watchers(socket, message) != SKIO_OK)
        return SKIO_ECLOSED;
    return skio__client_send(socket->client, message);
}

const char *
skio_socket_id(const skio_socket *socket)
{
    return socket->id;
}

skio_nsp *
skio_socket_nsp(const skio_socket *socket)
{
    return skio__socket_nsp(socket);
}

bool
skio_socket_is_connected(const skio_socket *socket)
{
    return skio__socket_is_member(socket);
}

bool
skio_socket_recovered(const skio_socket *socket)
{
    return socket->recovered;
}

skio_socket *
skio_socket_ref(skio_socket *socket)
{
    socket->refs++;
    return socket;
}

void
skio_socket_unref(skio_socket *socket)
{
    struct sio_home *home;

    if (socket == NULL || --socket->refs > 0)
        return;

    home = socket->home;
    skio_socket_set_data(socket, NULL, NULL);
    if (!home->server_gone) {
        socket->nsp->refs--;
        skio__dynamic_left(socket->nsp);
    }
    if (socket->auth != home->no_auth)
        skio__value_free(socket->auth);
    skio__request_unref(socket->request);
    skio__mem_free(&home->mem, socket->shared);
    skio__mem_free(&home->mem, socket);
    skio__home_unref(home);
}

skio_session *
skio_socket_session(const skio_socket *socket)
{
    return socket->client != NULL ? socket->client->session : NULL;
}

const char *
skio_socket_transport(const skio_socket *socket)
{
    if (socket->client == NULL)
        return "";
    return skio__session_transport(socket->client->session);
}

size_t
skio_socket_queued(const skio_socket *socket)
{
    return socket->client == NULL
               ? 0
               : skio__session_queued(socket->client->session);
}

/* Tell the client that the namespace is over: `41[/nsp,]`. */
static void
send_disconnect(skio_socket *socket)
{
    struct sio_encoder encoder;
    struct skio_message *message;

    skio__remote_hurry(socket);
    /* Those who watch what is sent may have done it already. */
    if (socket->state != SIO_CONNECTED || socket->client == NULL)
        return;
    skio__nsp_encoder(socket->nsp, &encoder);
    if (skio__message_control(&encoder, SIO_DISCONNECT, NULL, 0, &message) !=
        SKIO_OK) {
        /* Without the packet only the connection's end can tell it. */
        skio__session_close(socket->client->session,
                            SKIO_DISCONNECT_FORCED_CLOSE, true);
        return;
    }
    /* Closed or doomed: the connection's end tells the client as well. */
    (void)skio__client_send(socket->client, message);
    skio__message_unref(message);
}

void
skio_disconnect(skio_socket *socket, bool close)
{
    struct sio_client *client = socket->client;

    if (socket->state != SIO_CONNECTED || client == NULL)
        return;

    skio_server *server = socket->nsp->server;
    struct skio_session *session = client->session;

    skio__engine_enter(&server->engine);
    skio_socket_ref(socket); /* when memory is short, the client goes first */
    if (!close) {
        send_disconnect(socket);
        skio__socket_close(socket, SKIO_DISCONNECT_SERVER_NAMESPACE, true);
    } else {
        /*
         * Each handler can change the list; a socket that is CONNECTED leaves
         * that state below, so the walk ends.
         */
        for (skio_socket *each = client->sockets; each != NULL;) {
            if (each->state != SIO_CONNECTED) {
                each = each->next;
                continue;
            }
            skio_socket_ref(each);
            send_disconnect(each);
            skio__socket_close(each, SKIO_DISCONNECT_SERVER_NAMESPACE, true);
            skio_socket_unref(each);
            each = client->sockets;
        }
        skio__session_close(session, SKIO_DISCONNECT_FORCED_CLOSE, false);
    }
    skio_socket_unref(socket);
    skio__engine_leave(&server->engine);
}
