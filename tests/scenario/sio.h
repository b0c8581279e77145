/*
 * Socket.IO on a scripted peer: what these scenarios share
 */
#ifndef TESTS_SCENARIO_SIO_H
#define TESTS_SCENARIO_SIO_H

#include <stdio.h>
#include <string.h>

#include <socketio/socketio.h>

#include "scenario/peer.h"

/* The next frame must be this namespace's CONNECT reply: gives the id in it. */
static inline void
sio_take_connect(struct peer_ws *ws, const char *start, char id[21])
{
    unsigned opcode = 0;
    const char *data = "";
    size_t len = 0;
    size_t skip = strlen(start);

    peer_check(ws->peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(ws->peer, opcode == 1 && len == skip + 30);
    peer_check(ws->peer, memcmp(data, start, skip) == 0);
    peer_check(ws->peer, memcmp(data + skip, "{\"sid\":\"", 8) == 0);
    peer_check(ws->peer, memcmp(data + skip + 28, "\"}", 2) == 0);
    memcpy(id, data + skip + 8, 20);
    id[20] = '\0';
}

/* The text of the next frame; "" without one. Valid until the next call. */
static inline const char *
sio_next_text(struct peer_ws *ws)
{
    static char text[512];
    unsigned opcode;
    const char *data;
    size_t len;

    if (!peer_frame(ws, &opcode, &data, &len) || len >= sizeof text)
        len = 0;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

/* Join a namespace over an open session; "/" is "". Gives the socket. */
static inline skio_socket *
sio_join(struct peer_ws *ws, const char *nsp)
{
    char packet[64];
    char id[21];
    skio_nsp *found;
    skio_socket *socket;

    snprintf(packet, sizeof packet, "40%s%s", nsp, *nsp != '\0' ? "," : "");
    peer_say(ws, packet);
    sio_take_connect(ws, packet, id);
    found = skio_of(ws->peer->server, *nsp != '\0' ? nsp : "/");
    peer_check(ws->peer, found != NULL);
    socket = skio_nsp_socket(found, id);
    peer_check(ws->peer, socket != NULL);
    return socket;
}

/* A new connection with a socket of "/". */
static inline struct peer_ws *
sio_connect(struct peer *peer, skio_socket **socket)
{
    struct peer_ws *ws = peer_websocket(peer);
    skio_socket *joined = sio_join(ws, "");

    if (socket != NULL)
        *socket = joined;
    return ws;
}

static inline void
sio_note_connect(skio_socket *socket, void *user)
{
    peer_note(user, "connect %s", skio_nsp_name(skio_socket_nsp(socket)));
}

static inline void
sio_note_disconnecting(skio_socket *socket, enum skio_disconnect reason,
                       void *user)
{
    peer_note(user, "disconnecting %s %s",
              skio_nsp_name(skio_socket_nsp(socket)),
              skio_disconnect_name(reason));
}

static inline void
sio_note_disconnect(skio_socket *socket, enum skio_disconnect reason,
                    void *user)
{
    peer_note(user, "disconnect %s %s", skio_nsp_name(skio_socket_nsp(socket)),
              skio_disconnect_name(reason));
}

static inline void
sio_note_event(skio_socket *socket, const skio_value *args, skio_ack *ack,
               void *user)
{
    const char *json = skio_get_json(args, "");

    (void)socket;
    peer_note(user, "event %s%s", json != NULL ? json : "?",
              ack != NULL ? " ack" : "");
}

static inline void
sio_note_answer(skio_socket *socket, int err, const skio_value *args,
                void *user)
{
    const char *json = args != NULL ? skio_get_json(args, "") : "-";

    (void)socket;
    peer_note(user, "answer %s %s", skio_err_name(err),
              json != NULL ? json : "?");
}

static inline skio_counters
sio_counters(struct peer *peer)
{
    skio_counters counters = {.struct_size = sizeof counters};

    skio_server_counters(peer->server, &counters);
    return counters;
}

#endif /* TESTS_SCENARIO_SIO_H */
