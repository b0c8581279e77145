/*
 * The server: options, namespaces, and what all sockets share
 *
 * It owns the engine (sessions) and is what the engine's upper layer hangs on.
 * Timers of this room: clients that joined nothing yet, packets whose
 * attachments are due, acknowledgements.
 */
#ifndef SKIO_SOCKETIO_SERVER_H
#define SKIO_SOCKETIO_SERVER_H

#include <stdatomic.h>

#include <socketio/adapter.h>
#include <socketio/emit.h>
#include <socketio/parser.h>
#include <socketio/server.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/timer.h"
#include "engineio/engine.h"
#include "socketio/attached.h"
#include "socketio/handlers.h"
#include "socketio/message.h"
#include "socketio/packet.h"

/*
 * What outlives the server for as long as the application holds references to
 * its sockets: the allocator, and the auth of all who sent none.
 */
struct sio_home {
    skio_allocator mem;
    skio_value *no_auth; /* an empty object */
    size_t refs;         /* the server, and every socket */
    bool server_gone;    /* its namespaces with it */
};

struct sio_drain;
struct sio_owned;
struct sio_tap;
struct sio_waiter;

struct skio_server {
    struct eio_engine engine;
    skio_server_options options;            /* strings are copies of ours */
    struct sio_packet_limits packet_limits; /* of these, for the decoder */
    struct sio_home *home;
    uint8_t hash_key[SKIO__MAP_KEY_BYTES];

    struct skio__map namespaces; /* name -> skio_nsp */
    skio_nsp *root;
    skio_nsp *parents; /* of namespaces made on demand, oldest first */
    uint32_t parent_count;
    uint32_t dynamic_count; /* namespaces made on demand */
    bool has_empty;         /* some of them may have lost their last socket */
    bool is_freed;          /* skio_server_free() has begun */
    struct sio_handlers namespace_made;
    bool watches_events;        /* some of these: received, handled */
    struct sio_tap *taps;       /* NULL: nobody watches */
    atomic_uint_fast64_t posts; /* skio_server_post(), in any thread */
    skio_adapter_factory *factory;
    void *factory_user;

    struct skio__arena arena; /* unescaped copies, until a callback returns */
    struct skio__pool pool;   /* of packets that are on their way out */
    uint64_t pool_due;        /* when to trim it, or SKIO__NEVER */
    struct skio__buf scratch; /* where packets are encoded */
    struct skio__buf packed;  /* and where a parser puts them */
    skio_parser parser;       /* what options.parser points to, if it does */
    uint64_t first_placeholder;
    uint32_t id_counter;

    struct skio__fifo connect_due;       /* sio_client: joined nothing yet */
    struct skio__fifo attachments_due;   /* sio_assembly */
    struct skio__fifo recovery_due;      /* sio_session */
    struct skio__fifo recovery_trim_due; /* sio_recovery */
    struct skio__fifo recovery_dirty;    /* sio_session: to be saved */
    struct skio__fifo restoring_due;     /* skio_adapter_restoring */
    struct skio__heap ack_due;           /* sio_wait */
    struct skio__map waits;              /* {socket, id} -> sio_wait */
    struct sio_drain *drain;             /* NULL: not asked for */
    struct skio__heap timers;            /* skio_timer */
    struct sio_waiter *loop_waiters;     /* for a transport */
    struct skio_resolve *resolves;

    struct sio_owned *owned; /* skio_server_on_free(), the latest first */
    struct sio_attached *attached;

    void *data;
};

/* Copy the options, with defaults for what the caller's struct is too short
 * for, and check them. skio__options_deinit() frees the copies. */
int skio__options_copy(skio_server_options *out,
                       const skio_server_options *options,
                       const skio_allocator *mem, const char **bad);
void skio__options_deinit(skio_server_options *options,
                          const skio_allocator *mem);

struct sio_home *skio__home_ref(struct sio_home *home);
void skio__home_unref(struct sio_home *home);

static inline const skio_allocator *
skio__server_mem(const skio_server *server)
{
    return &server->home->mem;
}

/* A fresh 20-character id. */
void skio__server_make_id(skio_server *server, char out[21]);

/* The earliest due time of this room's timers; and run those due. */
uint64_t skio__server_next_due(const skio_server *server);
void skio__server_timeout(skio_server *server, uint64_t now_ms);

/* The end of a turn: see to it that memory which one busy turn needed is given
 * back when no other needs it. */
void skio__server_mind_pool(skio_server *server);

/* A timer was armed that may be the earliest now. */
void skio__server_wants_timer(skio_server *server);

#endif /* SKIO_SOCKETIO_SERVER_H */
