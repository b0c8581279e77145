#include "socketio/server.h"

#include <string.h>

#include <sodium.h>

#include "base/compiler.h"
#include "base/deflate.h"
#include "base/id.h"
#include "base/mem.h"
#include "socketio/ack.h"
#include "socketio/client.h"
#include "socketio/drain.h"
#include "socketio/dynamic.h"
#include "socketio/loop.h"
#include "socketio/namespace.h"
#include "socketio/recovery.h"
#include "socketio/restoring.h"
#include "socketio/socket.h"
#include "socketio/taps.h"
#include "socketio/value.h"

/* Scratch for the unescaped copies of one callback: a message expands to at
 * most its own size with each read, a handler that reads in a loop is ended. */
#define ARENA_TIMES 16

/* What a busy turn needed is kept so long for the next one. */
#define POOL_TRIM_MS 10000

struct sio_home *
skio__home_ref(struct sio_home *home)
{
    home->refs++;
    return home;
}

void
skio__home_unref(struct sio_home *home)
{
    if (--home->refs > 0)
        return;

    skio__value_free(home->no_auth);
    skio_allocator mem = home->mem; /* it is about to free itself */
    skio__mem_free(&mem, home);
}

struct eio_engine *
skio__server_engine(skio_server *server)
{
    return &server->engine;
}

void
skio__server_make_id(skio_server *server, char out[21])
{
    unsigned char random[SKIO__ID_RANDOM];

    skio__engine_random(&server->engine, random, sizeof random);
    skio__id_make(out, random, server->id_counter++);
}

uint64_t
skio__server_next_due(const skio_server *server)
{
    uint64_t due = skio__fifo_peek_due(&server->connect_due);
    uint64_t attachments = skio__fifo_peek_due(&server->attachments_due);
    uint64_t recovery = skio__fifo_peek_due(&server->recovery_due);
    uint64_t trim = skio__fifo_peek_due(&server->recovery_trim_due);
    uint64_t restoring = skio__fifo_peek_due(&server->restoring_due);
    uint64_t ack = skio__heap_peek_due(&server->ack_due);
    uint64_t timer = skio__heap_peek_due(&server->timers);

    if (server->pool_due < due)
        due = server->pool_due;
    if (timer < due)
        due = timer;
    if (attachments < due)
        due = attachments;
    if (recovery < due)
        due = recovery;
    if (trim < due)
        due = trim;
    if (restoring < due)
        due = restoring;
    if (server->drain != NULL && skio__drain_next_due(server) < due)
        due = skio__drain_next_due(server);
    return ack < due ? ack : due;
}

void
skio__server_mind_pool(skio_server *server)
{
    if (skio__likely(!skio__pool_has_grown(&server->pool) ||
                     server->pool_due != SKIO__NEVER))
        return;
    server->pool_due = skio__engine_now(&server->engine) + POOL_TRIM_MS;
    skio__server_wants_timer(server);
}

static void
trim_pool(skio_server *server, uint64_t now_ms)
{
    if (server->pool_due > now_ms)
        return;
    skio__pool_trim(&server->pool);
    server->pool_due = SKIO__NEVER;
    skio__server_mind_pool(server);
}

void
skio__server_timeout(skio_server *server, uint64_t now_ms)
{
    trim_pool(server, now_ms);
    skio__client_timeouts(server, now_ms);
    skio__ack_timeouts(server, now_ms);
    skio__recovery_timeouts(server, now_ms);
    skio__restoring_timeouts(server, now_ms);
    skio__drain_timeout(server, now_ms);
    skio__loop_timeouts(server, now_ms);
}

void
skio__server_wants_timer(skio_server *server)
{
    if (server->engine.hooks.wants_timer != NULL && !server->engine.is_deaf)
        server->engine.hooks.wants_timer(server->engine.transport);
}

/* The allocator that the options name, or the C library's. */
static const skio_allocator *
choose_allocator(const skio_server_options *options)
{
    if (options == NULL ||
        options->struct_size < offsetof(skio_server_options, allocator) +
                                   sizeof options->allocator)
        return skio__mem_default();
    return options->allocator.malloc != NULL &&
                   options->allocator.realloc != NULL &&
                   options->allocator.free != NULL
               ? &options->allocator
               : skio__mem_default();
}

/* Tell of a bad option, with the caller's own log: there is no server yet. */
static void
log_bad_option(const skio_server_options *options, const char *name)
{
    struct skio__logger log = {options->log, options->log_user,
                               options->log_level};

    skio__log(&log, SKIO_LOG_ERROR, "the option %s is out of its range", name);
}

int
skio_server_new(skio_server **out, const skio_server_options *options)
{
    const skio_allocator *mem = choose_allocator(options);
    const char *bad;
    skio_server *server;
    int err;

    /* Idempotent, thread-safe, and cheap after the first time. */
    if (sodium_init() < 0)
        return SKIO_EIO;

    server = skio__mem_calloc(mem, 1, sizeof *server);
    if (server == NULL)
        return SKIO_ENOMEM;
    server->home = skio__mem_calloc(mem, 1, sizeof *server->home);
    if (server->home == NULL) {
        skio__mem_free(mem, server);
        return SKIO_ENOMEM;
    }
    server->home->mem = *mem;
    server->home->refs = 1;
    mem = &server->home->mem;

    server->home->no_auth = skio__value_new(mem, "{}", 2, 1);
    if (server->home->no_auth == NULL) {
        err = SKIO_ENOMEM;
        goto fail_options;
    }

    err = skio__options_copy(&server->options, options, mem, &bad);
    if (err != SKIO_OK) {
        if (bad != NULL)
            log_bad_option(&server->options, bad);
        goto fail_options;
    }

    server->packet_limits = (struct sio_packet_limits){
        .max_attachments = server->options.max_attachments,
        .max_json_depth = server->options.max_json_depth,
        .max_name_bytes = server->options.max_name_bytes,
    };
    randombytes_buf(server->hash_key, sizeof server->hash_key);
    skio__map_init(&server->namespaces, mem, server->hash_key);
    skio__map_init(&server->waits, mem, server->hash_key);
    skio__heap_init(&server->ack_due, mem);
    skio__heap_init(&server->timers, mem);
    skio__fifo_init(&server->connect_due, server->options.connect_timeout_ms);
    skio__fifo_init(&server->attachments_due,
                    server->options.attachment_timeout_ms);
    skio__fifo_init(&server->recovery_due, server->options.recovery_ms);
    skio__fifo_init(&server->recovery_trim_due, server->options.recovery_ms);
    skio__fifo_init(&server->recovery_dirty, 0);
    skio__fifo_init(&server->restoring_due, server->options.verdict_timeout_ms);
    skio__arena_init(&server->arena, mem,
                     server->options.max_http_buffer_size * ARENA_TIMES);
    skio__buf_init(&server->scratch, mem);
    skio__pool_init(&server->pool, mem);
    server->pool_due = SKIO__NEVER;
    skio__buf_init(&server->packed, mem);
    if (server->options.parser != NULL) {
        server->parser = *server->options.parser;
        server->options.parser = &server->parser;
        server->first_placeholder = server->parser.first_placeholder;
    }
    server->factory = skio_adapter_memory;

    err = skio__engine_init(&server->engine, server, &server->options, mem,
                            server->hash_key);
    if (err != SKIO_OK)
        goto fail_engine;
    server->engine.upper = &skio__client_upper;

    server->root = skio_of(server, "/");
    if (server->root == NULL) {
        err = SKIO_ENOMEM;
        goto fail_root;
    }

    *out = server;
    return SKIO_OK;

fail_root:
    skio__engine_deinit(&server->engine);
fail_engine:
    skio__arena_deinit(&server->arena);
    skio__options_deinit(&server->options, mem);
fail_options:;
    struct sio_home *home = server->home;
    skio__mem_free(mem, server);
    skio__home_unref(home);
    return err;
}

struct sio_owned {
    struct sio_owned *next;
    skio_free_fn *fn;
    void *user;
};

int
skio_server_on_free(skio_server *server, skio_free_fn *fn, void *user)
{
    struct sio_owned *owned =
        skio__mem_alloc(skio__server_mem(server), sizeof *owned);

    if (owned == NULL)
        return SKIO_ENOMEM;
    *owned = (struct sio_owned){server->owned, fn, user};
    server->owned = owned;
    return SKIO_OK;
}

static void
free_owned(skio_server *server)
{
    while (server->owned != NULL) {
        struct sio_owned *owned = server->owned;

        server->owned = owned->next;
        owned->fn(owned->user);
        skio__mem_free(skio__server_mem(server), owned);
    }
}

void
skio_server_free(skio_server *server)
{
    struct skio__map_node *node;
    struct skio__map_node *after;

    if (server == NULL)
        return;

    /* Inside a callback the stack above still uses everything. */
    if (server->is_freed || server->engine.depth > 0 ||
        (server->engine.hooks.is_busy != NULL &&
         server->engine.hooks.is_busy(server->engine.transport))) {
        skio_server_stop(server);
        return;
    }

    /* The loop is over: whoever has waited for its thread may do this. */
    skio__engine_take_thread(&server->engine);
    server->is_freed = true;
    skio_transport_shutdown(server);
    skio_transport_flush(server);
    free_owned(server);
    while (server->attached != NULL) {
        struct sio_attached *first = server->attached;

        server->attached = first->next;
        skio__mem_free(skio__server_mem(server), first);
    }
    if (server->engine.hooks.destroy != NULL)
        server->engine.hooks.destroy(server->engine.transport);
    /* What is freed from here on may still call us. */
    server->engine.hooks.stop = NULL;
    server->engine.hooks.post = NULL;
    skio__engine_deinit(&server->engine);
    skio__drain_free(server);

    SKIO__MAP_EACH(&server->namespaces, node, after) {
        skio_nsp *nsp = skio__container_of(node, skio_nsp, node);

        skio__map_remove(&server->namespaces, node);
        skio__nsp_free(nsp);
    }
    skio__map_deinit(&server->namespaces);
    while (server->parents != NULL) {
        skio_nsp *parent = server->parents;

        server->parents = parent->matcher->next;
        skio__nsp_free(parent);
    }
    skio__loop_deinit(server);
    skio__nsp_taps_deinit(server);
    skio__handlers_deinit(&server->namespace_made, skio__server_mem(server));
    skio__map_deinit(&server->waits);
    skio__heap_deinit(&server->ack_due);
    skio__arena_deinit(&server->arena);
    skio__buf_deinit(&server->scratch);
    skio__buf_deinit(&server->packed);
    skio__pool_deinit(&server->pool);

    struct sio_home *home = server->home;
    home->server_gone = true;
    skio__options_deinit(&server->options, &home->mem);
    skio__mem_free(&home->mem, server);
    skio__home_unref(home);
}

void
skio_server_stop(skio_server *server)
{
    /* Written once, before there are other threads to call this. */
    if (server->engine.hooks.stop != NULL)
        server->engine.hooks.stop(server->engine.transport);
}

int
skio_server_post(skio_server *server, skio_post_fn *fn, void *arg)
{
    int err;

    if (server->engine.hooks.post == NULL)
        return SKIO_ENOTSUP;
    /* Ahead of the call: what is posted may end the server. */
    atomic_fetch_add_explicit(&server->posts, 1, memory_order_relaxed);
    err = server->engine.hooks.post(server->engine.transport, fn, arg);
    if (err != SKIO_OK)
        atomic_fetch_sub_explicit(&server->posts, 1, memory_order_relaxed);
    return err;
}

int
skio_server_attach(skio_server *server, const void *key, void *data,
                   skio_free_fn *free_fn)
{
    int err;

    if (skio_server_attached(server, key) != NULL)
        return SKIO_EBUSY;
    err = skio__attached_add(&server->attached, skio__server_mem(server), key,
                             data, NULL);
    if (err != SKIO_OK || free_fn == NULL)
        return err;
    err = skio_server_on_free(server, free_fn, data);
    if (err != SKIO_OK) {
        struct sio_attached *added = server->attached;

        server->attached = added->next;
        skio__mem_free(skio__server_mem(server), added);
    }
    return err;
}

void *
skio_server_attached(const skio_server *server, const void *key)
{
    const struct sio_attached *each = server->attached;

    while (each != NULL && each->key != key)
        each = each->next;
    return each == NULL ? NULL : each->data;
}

size_t
skio_server_sessions(const skio_server *server)
{
    return skio__map_count(&server->engine.sessions);
}

void
skio_server_set_data(skio_server *server, void *data)
{
    server->data = data;
}

void *
skio_server_data(const skio_server *server)
{
    return server->data;
}

void
skio_server_counters(const skio_server *server, skio_counters *out)
{
    size_t size = out->struct_size;
    skio_counters counters = server->engine.counters;

    counters.posts = atomic_load_explicit(&server->posts, memory_order_relaxed);
    counters.websockets = server->engine.websockets;
    if (size > sizeof counters)
        size = sizeof counters;
    counters.struct_size = out->struct_size;
    memcpy(out, &counters, size);
}

const char *
skio_server_limit(const skio_server *server, size_t i, uint64_t *hits)
{
    const char *name = skio__limit_name(i);

    if (name != NULL)
        *hits = server->engine.limits[i];
    return name;
}
