/*
 * libsocketio: a Socket.IO server for C programs
 *
 * All that a server needs. Not affiliated with the Socket.IO project.
 *
 *     server     skio_server_new … skio_run … skio_server_free   server.h
 *     namespace  skio_of, skio_on, skio_on_connect, skio_use     namespace.h
 *     socket     skio_socket_id, skio_join, skio_disconnect      socket.h
 *     sending    skio_emit, skio_emit_to, skio_broadcast         emit.h
 *     cluster    skio_server_side_emit, skio_sockets_count      cluster.h
 *     receiving  skio_get_str, skio_get_int, skio_get_bytes      value.h
 *     wire       skio_parser_msgpack                             parser.h
 *     HTTP       skio_http_on, skio_mount                        http.h
 *     requests   skio_allow_request, skio_on_connection_error    request.h
 *
 * One rule for threads: a server lives on one loop thread, and everything is
 * called there, except skio_server_post(), skio_server_stop(), skio_strerror(),
 * skio_err_name() and skio_version().
 *
 * One rule for ownership: pointers passed in are borrowed for the call, and
 * pointers handed to a callback until it returns. The exceptions say so in
 * their verb: _new, _take, _ref.
 */
#ifndef SOCKETIO_SOCKETIO_H
#define SOCKETIO_SOCKETIO_H

#include <socketio/base.h>
#include <socketio/cluster.h>
#include <socketio/emit.h>
#include <socketio/http.h>
#include <socketio/namespace.h>
#include <socketio/parser.h>
#include <socketio/request.h>
#include <socketio/server.h>
#include <socketio/socket.h>
#include <socketio/value.h>

#endif /* SOCKETIO_SOCKETIO_H */
