/*
 * libsocketio: Engine.IO alone, and counters
 *
 * A server can be used without Socket.IO: sessions and raw messages over the
 * same transports. And whatever the server refused or carried is counted here.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_ENGINE_H
#define SOCKETIO_ENGINE_H

#include <socketio/base.h>
#include <socketio/request.h>
#include <socketio/server.h>
#include <socketio/socket.h>

SKIO_BEGIN_DECLS

/** An Engine.IO session: one client, whatever transport carries it. */
typedef struct skio_session skio_session;

/** What an application of Engine.IO alone handles. */
typedef struct skio_engine_handlers {
    size_t struct_size;
    /** A session opened. */
    void (*open)(skio_session *session, void *user);
    /** A message arrived. data is borrowed. */
    void (*message)(skio_session *session, const void *data, size_t len,
                    bool binary, void *user);
    /** The session has closed; the pointer ends with this call. */
    void (*close)(skio_session *session, enum skio_disconnect reason,
                  void *user);
} skio_engine_handlers;

/**
 * Serve Engine.IO alone: sessions go to these handlers, not to Socket.IO.
 *
 * Returns SKIO_OK; SKIO_EBUSY once there was a session; SKIO_ENOMEM.
 */
SKIO_API int skio_engine_handle(skio_server *server,
                                const skio_engine_handlers *handlers,
                                void *user) SKIO_NONNULL(1, 2);

/** The session's secret id (`sid` of the query). Do not show it to others. */
SKIO_API const char *skio_session_id(const skio_session *session)
    SKIO_NONNULL(1);

/**
 * Send a message.
 *
 * Returns SKIO_OK; SKIO_ECLOSED; SKIO_EUTF8 for text that is not UTF-8;
 * SKIO_ENOBUFS when max_outbound_bytes would be passed; SKIO_ENOMEM.
 */
SKIO_API int skio_session_send(skio_session *session, const void *data,
                               size_t len, bool binary) SKIO_NONNULL(1);

/** Close the session; what is queued goes out first. */
SKIO_API void skio_session_close(skio_session *session) SKIO_NONNULL(1);

/** Close the session at once; what is queued is dropped (Node's
 *  close(true)). */
SKIO_API void skio_session_discard(skio_session *session) SKIO_NONNULL(1);

/** The state of a session, Node's readyState. */
enum skio_ready_state {
    SKIO_READY_OPENING,
    SKIO_READY_OPEN,
    SKIO_READY_CLOSING, /**< what is queued leaves by polling */
    SKIO_READY_CLOSED
};
SKIO_API enum skio_ready_state
skio_session_ready_state(const skio_session *session) SKIO_NONNULL(1);

/** The version of Engine.IO that the client speaks: 4, or 3. */
SKIO_API int skio_session_protocol(const skio_session *session) SKIO_NONNULL(1);

/** "polling" or "websocket", as it stands now. */
SKIO_API const char *skio_session_transport(const skio_session *session)
    SKIO_NONNULL(1);

/** Whether it began with another transport than it has now; whether a
 *  WebSocket is about to take over. */
SKIO_API bool skio_session_is_upgraded(const skio_session *session)
    SKIO_NONNULL(1);
SKIO_API bool skio_session_is_upgrading(const skio_session *session)
    SKIO_NONNULL(1);

/** The request that opened it. Borrowed from the session. */
SKIO_API const skio_engine_request *
skio_session_request(const skio_session *session) SKIO_NONNULL(1);

/** The peer's address. */
SKIO_API const char *skio_session_address(const skio_session *session)
    SKIO_NONNULL(1);

/** Bytes that wait to be sent. */
SKIO_API size_t skio_session_queued(const skio_session *session)
    SKIO_NONNULL(1);

/** The session of a socket (Node's socket.conn); NULL once it disconnected. */
SKIO_API skio_session *skio_socket_session(const skio_socket *socket)
    SKIO_NONNULL(1);

/**
 * What can be watched of all sessions, of Socket.IO's too: the events of Node's
 * engine and its sockets. A tap looks and takes notes: it may not send, close,
 * nor tap again. NULL: not of interest. Data is borrowed.
 */
typedef struct skio_engine_taps {
    size_t struct_size;
    /** "connection": a session opened. */
    void (*connection)(skio_session *session, void *user);
    /** "upgrading": the client probes another transport. */
    void (*upgrading)(skio_session *session, void *user);
    /** "upgrade": it moved there. */
    void (*upgrade)(skio_session *session, void *user);
    /** "packet" received. type is Engine.IO's character, '4' for a message. */
    void (*packet)(skio_session *session, char type, const void *data,
                   size_t len, bool binary, void *user);
    /** "packetCreate": one is about to be queued. */
    void (*packet_create)(skio_session *session, char type, const void *data,
                          size_t len, bool binary, void *user);
    /** "flush": what is queued is handed to the transport; "drain": all of it
     *  was. */
    void (*flush)(skio_session *session, void *user);
    void (*drain)(skio_session *session, void *user);
    /** "heartbeat": a ping or pong came. */
    void (*heartbeat)(skio_session *session, void *user);
    /** "close": why; skio_disconnect_detail() has more. */
    void (*close)(skio_session *session, enum skio_disconnect reason,
                  void *user);
} skio_engine_taps;

/**
 * Watch the sessions of a server. Several taps run in their order.
 *
 * Returns SKIO_OK; SKIO_ENOMEM.
 */
SKIO_API int skio_engine_tap(skio_server *server, const skio_engine_taps *taps,
                             void *user) SKIO_NONNULL(1, 2);

/**
 * More on why a session closes, Node's details of a disconnect: as in "a
 * message of 1000001 bytes passes max_http_buffer_size, 1000000". For a handler
 * of the end, and inside it alone: NULL else, and when there is no more.
 */
SKIO_API const char *skio_disconnect_detail(const skio_server *server)
    SKIO_NONNULL(1);

/** A pointer of yours. */
SKIO_API void skio_session_set_data(skio_session *session, void *data)
    SKIO_NONNULL(1);
SKIO_API void *skio_session_data(const skio_session *session) SKIO_NONNULL(1);

/** What a server has carried and refused since it was made. */
typedef struct skio_counters {
    size_t struct_size;
    uint64_t sessions_opened;
    uint64_t sessions_closed;
    uint64_t sockets_connected;
    uint64_t sockets_disconnected;
    uint64_t packets_in; /**< Engine.IO packets */
    uint64_t packets_out;
    uint64_t bytes_in; /**< of messages and POST bodies */
    uint64_t bytes_out;
    uint64_t requests_refused; /**< answered with an Engine.IO error */
    uint64_t parse_errors;     /**< sessions closed for a bad packet */
    uint64_t limits_hit;       /**< peers stopped by a limit */
    uint64_t slow_consumers;   /**< sessions closed by max_outbound_bytes */
    uint64_t
        volatile_dropped; /**< events not sent to who could not take them */
    uint64_t rates_hit;   /**< of limits_hit, those of rates */
    uint64_t upgrades;    /**< sessions that moved to a WebSocket */
    uint64_t heartbeats;  /**< pings and pongs of clients */
    uint64_t posts;       /**< skio_server_post() that succeeded */
    uint64_t websockets;  /**< sessions that a WebSocket carries now */
} skio_counters;

/** Fill *out, up to its struct_size. */
SKIO_API void skio_server_counters(const skio_server *server,
                                   skio_counters *out) SKIO_NONNULL(1, 2);

/**
 * How often a limit stopped a peer since the server was made. Together they are
 * limits_hit and slow_consumers of skio_server_counters().
 *
 * i  0 for the first, and so on; a later version may know of more.
 *
 * Returns its name, as a rule that of its option, and fills *hits; NULL when
 * there are no more. The names are constants: a program may keep them, and no
 * client has a part in them.
 *
 * Threads: loop thread only. Since: 0.1.
 */
SKIO_API const char *skio_server_limit(const skio_server *server, size_t i,
                                       uint64_t *hits) SKIO_NONNULL(1, 3);

SKIO_END_DECLS

#endif /* SOCKETIO_ENGINE_H */
