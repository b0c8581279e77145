/*
 * Re-entrancy of the Redis adapters: what is told of a Redis that is not there,
 * and everything that may be called then
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <socketio/emitter.h>
#include <socketio/redis.h>
#include <socketio/socketio.h>
#include <socketio/transport.h>

#include "unit/alloc.h"

/* A folder that is none. */
#define NOWHERE "/dev/null/redis.sock"

typedef int adapter_fn(skio_server *server, const skio_redis_options *options);

struct place {
    skio_server *server;
    skio_nsp *root;
    void (*call)(struct place *p);
    unsigned acted;
    int odd;           /* results that are none */
    skio_timer *timer; /* stops the server, but not before it was called */
    int waits;
};

static void
took(struct place *p, int result)
{
    if (result < SKIO_ETHREAD)
        p->odd++;
}

/* ---- Calls ---- */

static void
on_fetch(int err, const skio_remote *const *sockets, size_t count,
         size_t missing, void *user)
{
    (void)sockets;
    (void)count;
    (void)missing;
    took(user, err);
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    (void)responses;
    (void)missing;
    took(user, err);
}

static void
adapters(struct place *p)
{
    skio_redis_options options;

    skio_redis_options_init_size(&options, sizeof options);
    options.unix_path = NOWHERE;
    if (skio_redis_adapter(p->server, &options) != SKIO_EBUSY ||
        skio_redis_sharded_adapter(p->server, &options) != SKIO_EBUSY ||
        skio_redis_streams_adapter(p->server, &options) != SKIO_EBUSY)
        p->odd++;
}

static void emit_list(struct place *p, skio_emitter *emitter,
                      const char *format, ...) SKIO_PRINTF(3, 4);

static void
emit_list(struct place *p, skio_emitter *emitter, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    took(p, skio_emitter_emitv(emitter, "/", NULL, "x", format, args));
    va_end(args);
    va_start(args, format);
    took(p, skio_emitter_server_side_emitv(emitter, "/", "x", format, args));
    va_end(args);
}

static void
emitters(struct place *p)
{
    skio_emitter_options options;
    skio_emitter *emitter = NULL;

    skio_emitter_options_init_size(&options, sizeof options);
    options.unix_path = NOWHERE;
    took(p, skio_emitter_new(&emitter, &options));
    took(p, skio_emitter_emit(emitter, "/", NULL, "x", NULL));
    took(p, skio_emitter_join(emitter, "/", NULL, SKIO_ROOMS("r")));
    took(p, skio_emitter_leave(emitter, "/", NULL, SKIO_ROOMS("r")));
    took(p, skio_emitter_disconnect(emitter, "/", NULL, true));
    took(p, skio_emitter_server_side_emit(emitter, "/", "x", NULL));
    emit_list(p, emitter, "%d", 1);
    if (strlen(skio_emitter_error(emitter)) == 0)
        p->odd++;
    skio_emitter_free(emitter);
}

static void
ask(struct place *p)
{
    took(p, skio_emit_all(p->root, "x", NULL));
    took(p, skio_sockets_join(p->root, NULL, "r"));
    took(p, skio_sockets_fetch(p->root, NULL, on_fetch, p));
    took(p, skio_server_side_emit(p->root, "x", NULL));
    took(p,
         skio_server_side_emit_with_ack(p->root, on_responses, p, "x", NULL));
    if (skio_of(p->server, "/more") == NULL)
        p->odd++;
}

static void
stop(struct place *p)
{
    skio_server_stop(p->server);
}

static void
free_server(struct place *p)
{
    skio_server_free(p->server);
}

static void
drain(struct place *p)
{
    took(p, skio_server_drain(p->server, 0, NULL, NULL));
}

static void
shut_down(struct place *p)
{
    skio_transport_shutdown(p->server);
    skio_transport_flush(p->server);
}

static void
run_again(struct place *p)
{
    int err = skio_run(p->server);

    /* Told before it runs: then the server does not listen yet, or it does. */
    if (err != SKIO_EBUSY)
        p->odd++;
}

/* ---- Clients ---- */

static void
stop_at_last(void *user)
{
    struct place *p = user;

    if (p->acted > 0 || ++p->waits == 100 ||
        skio_timer_set(p->timer, 20) != SKIO_OK)
        skio_server_stop(p->server);
}

static void
on_event(skio_server *server, const skio_redis_event *event, void *user)
{
    struct place *p = user;

    (void)server;
    if (event->state != SKIO_REDIS_DOWN || p->acted == 2)
        return;
    p->acted++;
    p->call(p);
    if (strlen(event->text) == 0)
        p->odd++;
}

static void
run_pair(adapter_fn *adapter, void (*call)(struct place *p))
{
    struct place place = {.call = call};
    struct test_alloc alloc;
    skio_server_options options;
    skio_redis_options redis;

    test_alloc_init(&alloc);
    skio_server_options_init(&options);
    options.allocator = alloc.allocator;
    options.close_timeout_ms = 50;
    assert_int_equal(skio_server_new(&place.server, &options), SKIO_OK);
    place.root = skio_of(place.server, "/");
    skio_redis_options_init(&redis);
    redis.unix_path = NOWHERE;
    redis.reconnect_min_ms = 1;
    redis.reconnect_max_ms = 1;
    redis.on_event = on_event;
    redis.on_event_user = &place;
    assert_int_equal(adapter(place.server, &redis), SKIO_OK);
    place.timer = skio_timer_new(place.server, stop_at_last, &place);
    assert_non_null(place.timer);
    assert_int_equal(skio_listen(place.server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(skio_timer_set(place.timer, 20), SKIO_OK);
    assert_int_equal(skio_run(place.server), SKIO_OK);
    skio_timer_free(place.timer);
    skio_server_free(place.server);

    assert_true(place.acted > 0);
    assert_int_equal(place.odd, 0);
    assert_int_equal(alloc.live, 0);
}

static void
everything_may_be_called_when_redis_is_lost(void **state)
{
    static adapter_fn *const kinds[] = {skio_redis_adapter,
                                        skio_redis_sharded_adapter,
                                        skio_redis_streams_adapter};
    static void (*const calls[])(struct place * p) = {
        adapters, emitters, ask, stop, free_server, drain, shut_down, run_again,
    };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (size_t j = 0; j < sizeof calls / sizeof calls[0]; j++) {
            print_message("# adapter %zu, call %zu\n", i, j);
            run_pair(kinds[i], calls[j]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_may_be_called_when_redis_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
