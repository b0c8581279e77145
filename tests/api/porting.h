/*
 * What the lines of skio_porting(7) stand among: test_man compiles each in a
 * function of its own.
 */
#ifndef TESTS_API_PORTING_H
#define TESTS_API_PORTING_H

#include <stdio.h>
#include <stdlib.h>

#include <socketio/emitter.h>
#include <socketio/engine.h>
#include <socketio/http.h>
#include <socketio/redis.h>
#include <socketio/request.h>
#include <socketio/socketio.h>

extern skio_server *io;
extern skio_nsp *root;
extern skio_socket *socket;
extern const skio_value *args;
extern skio_ack *ack;
extern skio_next *next;
extern skio_redis_options redis;
extern skio_emitter *emitter;
extern enum skio_disconnect reason;
extern const char *id;
extern const unsigned char *data;
extern size_t len;
extern void *mine;

extern skio_connection_error_fn on_refused;
extern skio_headers_fn on_headers;
extern skio_verdict_fn on_request;
extern skio_http_fn on_status;
extern skio_match_fn on_name;
extern skio_connect_fn on_connect;
extern skio_middleware_fn on_handshake;
extern skio_event_fn on_hello;
extern skio_any_fn on_any;
extern skio_event_middleware_fn on_event;
extern skio_ack_fn on_answer;
extern skio_answers_fn on_answers;
extern skio_room_fn on_room;
extern skio_room_event_fn on_room_event;
extern skio_fetch_fn on_sockets;
extern skio_disconnect_fn on_disconnect;
extern skio_server_event_fn on_refresh;

#endif
