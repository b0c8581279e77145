#include "socketio/asking.h"

#include "base/mem.h"
#include "socketio/taps.h"

/* One wait less; the last one tells the end. */
static void
settle(struct skio_asking *asking)
{
    skio_server *server = asking->server;

    if (--asking->pending > 0)
        return;
    asking->fn(asking->timed_out ? SKIO_ETIMEDOUT : SKIO_OK, NULL,
               asking->received, asking->expected, asking->user);
    skio__mem_free(skio__server_mem(server), asking);
}

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    struct skio_asking *asking = user;

    (void)socket;
    if (err == SKIO_OK) {
        asking->received++;
        asking->fn(SKIO_OK, args, asking->received, asking->expected,
                   asking->user);
    } else if (err == SKIO_ETIMEDOUT) {
        asking->timed_out = true;
    } else {
        asking->expected--;
    }
    settle(asking);
}

int
skio__asking_add(struct skio_asking *asking, skio_socket *socket)
{
    int err = skio__ack_wait(socket, asking->id, asking->timeout_ms, on_answer,
                             asking);

    if (err == SKIO_OK) {
        asking->pending++;
        asking->expected++;
    }
    return err;
}

static bool
may_ask(const skio_nsp *nsp, const skio_target *target)
{
    return target->timeout_ms > 0 && target->timeout_ms <= INT32_MAX &&
           nsp->adapter != NULL;
}

/* Send a message that has the namespace's next ack id. Gives it up. */
static int
ask(skio_nsp *nsp, struct skio_message *message, const skio_target *target,
    size_t *asked, skio_answers_fn *fn, void *user)
{
    skio_server *server = nsp->server;
    struct skio_asking *asking;
    int err;

    skio__message_set_flags(message, target->flags);
    asking = skio__mem_calloc(skio__server_mem(server), 1, sizeof *asking);
    if (asking == NULL) {
        skio__message_unref(message);
        return SKIO_ENOMEM;
    }
    *asking = (struct skio_asking){
        .server = server,
        .id = nsp->next_ack_id++,
        .timeout_ms = target->timeout_ms,
        .pending = 1,
        .fn = fn,
        .user = user,
    };

    skio__engine_enter(&server->engine);
    err = nsp->adapter->ops->broadcast_asking(nsp->adapter, message, target,
                                              asking);
    skio__message_unref(message);
    if (err != SKIO_OK && asking->pending == 1)
        skio__mem_free(skio__server_mem(server), asking); /* nobody was asked */
    else {
        if (asked != NULL)
            *asked = asking->expected;
        settle(asking);
        err = SKIO_OK;
    }
    skio__engine_leave(&server->engine);
    return err;
}

int
skio__emit_with_acks(skio_nsp *nsp, const skio_target *target,
                     skio_answers_fn *fn, void *user, const char *event,
                     const char *format, va_list args)
{
    struct skio_message *message;
    struct sio_encoder encoder;
    va_list copy;
    int err;

    if (!may_ask(nsp, target))
        return SKIO_EINVAL;
    skio__nsp_encoder(nsp, &encoder);
    va_copy(copy, args);
    err = skio__message_event(&encoder, event, nsp->next_ack_id, format, &copy,
                              &message);
    va_end(copy);
    if (err != SKIO_OK)
        return err;
    message->nsp = nsp;
    skio__nsp_tell_sent(nsp, event);
    return ask(nsp, message, target, NULL, fn, user);
}

int
skio_emit_with_acks(skio_nsp *nsp, const skio_target *target,
                    skio_answers_fn *fn, void *user, const char *event,
                    const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio__emit_with_acks(nsp, target, fn, user, event, format, args);
    va_end(args);
    return err;
}

int
skio_adapter_ask(skio_nsp *nsp, const char *json, size_t len,
                 const skio_bytes *attachments, uint32_t attachment_count,
                 const skio_target *target, size_t *asked, skio_answers_fn *fn,
                 void *user)
{
    skio_target local = *target;
    struct skio_message *message;
    int err;

    if (!may_ask(nsp, target))
        return SKIO_EINVAL;
    err = skio__message_carried(nsp, json, len, attachments, attachment_count,
                                nsp->next_ack_id, &message);
    if (err != SKIO_OK)
        return err;
    local.flags |= SKIO_LOCAL;
    return ask(nsp, message, &local, asked, fn, user);
}

/* ---- Answers of other servers' clients ---- */

void
skio_adapter_asking_hold(struct skio_asking *asking)
{
    asking->pending++;
}

void
skio_adapter_asking_expect(struct skio_asking *asking, size_t clients)
{
    asking->expected += clients;
}

int
skio_adapter_asking_answer(struct skio_asking *asking, const char *json,
                           size_t len, const skio_bytes *attachments,
                           uint32_t attachment_count)
{
    skio_server *server = asking->server;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    struct skio_value args;
    int err = skio__value_init_list(&args, json, len, items, 0, attachments,
                                    attachment_count, &server->arena,
                                    server->options.max_json_depth);

    if (err != SKIO_OK)
        return err;

    skio__engine_enter(&server->engine);
    asking->received++;
    asking->fn(SKIO_OK, &args, asking->received, asking->expected,
               asking->user);
    skio__value_deinit(&args);
    skio__arena_release(&server->arena, mark);
    skio__engine_leave(&server->engine);
    return SKIO_OK;
}

void
skio_adapter_asking_release(struct skio_asking *asking, bool timed_out)
{
    struct eio_engine *engine = &asking->server->engine;

    skio__engine_enter(engine);
    if (timed_out)
        asking->timed_out = true;
    settle(asking);
    skio__engine_leave(engine);
}

uint32_t
skio_adapter_asking_timeout(const struct skio_asking *asking)
{
    return asking->timeout_ms;
}
