#include "socketio/server_event.h"

#include <string.h>

#include "base/compiler.h"
#include "base/format.h"
#include "base/mem.h"
#include "socketio/dynamic.h"

/* The names that Node keeps for events of its own on a namespace. */
static bool
is_reserved(const char *event)
{
    return strcmp(event, "connect") == 0 || strcmp(event, "connection") == 0 ||
           strcmp(event, "new_namespace") == 0;
}

int
skio_on_server_event(skio_nsp *nsp, const char *event, skio_server_event_fn *fn,
                     void *user)
{
    size_t len = strlen(event);
    struct sio_event *found;

    if (len > nsp->server->options.max_name_bytes || is_reserved(event))
        return SKIO_EINVAL;
    found = skio__events_get(&nsp->server_events, event, len);
    if (found == NULL)
        return SKIO_ENOMEM;
    return skio__handlers_add(&found->handlers, skio__server_mem(nsp->server),
                              (sio_any_function *)fn, user);
}

int
skio_off_server_event(skio_nsp *nsp, const char *event,
                      skio_server_event_fn *fn, void *user)
{
    struct sio_event *found =
        skio__events_find(&nsp->server_events, event, strlen(event));

    return found == NULL ? 0
                         : skio__handlers_remove(&found->handlers,
                                                 (sio_any_function *)fn, user);
}

/* ---- To the others ---- */

static int
emit(skio_nsp *nsp, struct skio_server_asking *asking, const char *event,
     const char *format, va_list args)
{
    struct skio_message *message;
    struct sio_encoder encoder;
    va_list copy;
    int err;

    if (nsp->adapter == NULL || is_reserved(event))
        return SKIO_EINVAL;
    if (!SIO_ADAPTER_HAS(nsp->adapter, server_side_emit))
        return SKIO_ENOTSUP;

    skio__nsp_encoder(nsp, &encoder);
    encoder.any_name = true;
    encoder.parser = NULL; /* no client reads it */
    va_copy(copy, args);
    err = skio__message_event(&encoder, event, SIO_NO_ID, format, &copy,
                              &message);
    va_end(copy);
    if (err != SKIO_OK)
        return err;

    message->nsp = nsp;
    skio__engine_enter(&nsp->server->engine);
    err = nsp->adapter->ops->server_side_emit(nsp->adapter, message, asking);
    skio__message_unref(message);
    skio__engine_leave(&nsp->server->engine);
    return err;
}

int
skio_server_side_emit(skio_nsp *nsp, const char *event, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = emit(nsp, NULL, event, format, args);
    va_end(args);
    return err;
}

int
skio_server_side_emit_with_ack(skio_nsp *nsp, skio_responses_fn *fn, void *user,
                               const char *event, const char *format, ...)
{
    const skio_allocator *mem = skio__server_mem(nsp->server);
    struct skio_server_asking *asking;
    va_list args;
    int err;

    asking = skio__mem_alloc(mem, sizeof *asking);
    if (asking == NULL)
        return SKIO_ENOMEM;
    *asking = (struct skio_server_asking){nsp, fn, user};
    nsp->refs++;

    va_start(args, format);
    err = emit(nsp, asking, event, format, args);
    va_end(args);
    if (err != SKIO_OK) {
        skio__mem_free(mem, asking);
        nsp->refs--;
        skio__dynamic_left(nsp);
    }
    return err;
}

void
skio_adapter_responses(struct skio_server_asking *asking, int err,
                       const char *json, size_t len, size_t missing)
{
    skio_nsp *nsp = asking->nsp;
    skio_server *server = nsp->server;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    struct skio_value value;
    int bad;

    skio__engine_enter(&server->engine);
    bad = skio__value_init_list(&value, json, len, items, 0, NULL, 0,
                                &server->arena, server->options.max_json_depth);
    if (bad != SKIO_OK) {
        skio__value_init_args(&value, NULL, NULL, NULL, 0, 0, 0, NULL, 0,
                              &server->arena);
        if (err == SKIO_OK)
            err = bad;
    }
    asking->fn(err, &value, missing, asking->user);
    skio__value_deinit(&value);
    skio__arena_release(&server->arena, mark);
    skio__mem_free(skio__server_mem(server), asking);
    nsp->refs--;
    skio__dynamic_left(nsp);
    skio__engine_leave(&server->engine);
}

/* ---- From another ---- */

/* Run the handlers of an event. */
static int
dispatch(skio_nsp *nsp, const char *json, const struct skio__json_slice *first,
         const struct skio_value *args, skio_server_ack *ack)
{
    skio_nsp *const chain[] = {nsp->parent, nsp};
    char *name = skio__arena_alloc(&nsp->server->arena, (size_t)first->len + 1);
    size_t len;

    if (name == NULL)
        return SKIO_ENOMEM;
    len = skio__json_unescape(json, first, name);
    name[len] = '\0';

    for (size_t i = 0; i < 2; i++) {
        struct sio_event *found =
            chain[i] == NULL
                ? NULL
                : skio__events_find(&chain[i]->server_events, name, len);

        if (found != NULL)
            SIO_HANDLERS_RUN(&found->handlers, skio_server_event_fn,
                             fn(nsp, args, ack, user_data));
    }
    return SKIO_OK;
}

int
skio_adapter_server_event(skio_nsp *nsp, const char *json, size_t len,
                          const skio_bytes *attachments,
                          uint32_t attachment_count,
                          const skio_server_asker *asker)
{
    skio_server *server = nsp->server;
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    skio_server_ack ack = {.home = server->home, .nsp = nsp};
    struct skio_value args;
    int err = skio__value_init_list(&args, json, len, items, 1, attachments,
                                    attachment_count, &server->arena,
                                    server->options.max_json_depth);

    if (err != SKIO_OK)
        return err;
    if (items[0].type != SKIO__JSON_STRING) {
        skio__value_deinit(&args);
        return SKIO_EPROTO;
    }
    if (asker != NULL)
        ack.asker = *asker;

    skio__engine_enter(&server->engine);
    nsp->refs++; /* its last socket may leave inside */
    err = dispatch(nsp, json, &items[0], &args, asker != NULL ? &ack : NULL);
    nsp->refs--;
    skio__dynamic_left(nsp);
    skio__value_deinit(&args);
    skio__arena_release(&server->arena, mark);
    skio__engine_leave(&server->engine);
    return err;
}

/* ---- Answering ---- */

/* One value, as text. */
static int
encode_answer(skio_server *server, struct skio__buf *buf, const char *format,
              va_list *args)
{
    struct skio__format_options options = {
        .mem = skio__server_mem(server),
        .max_json_depth = server->options.max_json_depth,
        .trust_raw_json = server->options.trust_raw_json,
        .is_value = true,
    };
    int err;

    skio__buf_init(buf, skio__server_mem(server));
    buf->max = server->options.max_outbound_bytes;
    err = format == NULL ? skio__buf_append_str(buf, "null")
                         : skio__format(&options, buf, format, args);
    return buf->err == SKIO_ETOOBIG ? SKIO_ENOBUFS : err;
}

int
skio_server_ack_send(skio_server_ack *ack, const char *format, ...)
{
    struct skio__buf buf;
    skio_server *server;
    va_list args;
    va_list copy;
    int err;

    if (ack == NULL)
        return SKIO_OK;
    if (ack->is_done)
        return SKIO_EBUSY;
    if (ack->home->server_gone) {
        skio_server_ack_free(ack);
        return SKIO_ECLOSED;
    }

    server = ack->nsp->server;
    va_start(args, format);
    va_copy(copy, args);
    err = encode_answer(server, &buf, format, &copy);
    va_end(copy);
    va_end(args);
    if (err == SKIO_EINVAL) {
        skio__buf_deinit(&buf);
        return err;
    }

    ack->is_done = true;
    if (err == SKIO_OK &&
        !SIO_ADAPTER_HAS(ack->nsp->adapter, server_side_answer))
        err = SKIO_ENOTSUP;
    if (err == SKIO_OK) {
        skio__engine_enter(&server->engine);
        err = ack->nsp->adapter->ops->server_side_answer(ack->nsp->adapter,
                                                         &ack->asker, buf.data,
                                                         buf.len);
        skio__engine_leave(&server->engine);
    }
    skio__buf_deinit(&buf);
    skio_server_ack_free(ack);
    return err;
}

skio_server_ack *
skio_server_ack_take(skio_server_ack *ack)
{
    skio_server_ack *taken;

    if (ack == NULL || ack->is_done || ack->is_taken)
        return ack == NULL || ack->is_done ? NULL : ack;

    taken = skio__mem_alloc(&ack->home->mem, sizeof *taken);
    if (taken == NULL)
        return NULL;
    *taken = *ack;
    taken->is_taken = true;
    skio__home_ref(taken->home);
    taken->nsp->refs++;
    ack->is_done = true;
    return taken;
}

void
skio_server_ack_free(skio_server_ack *ack)
{
    struct sio_home *home;

    if (ack == NULL || !ack->is_taken)
        return;
    home = ack->home;
    if (!home->server_gone) {
        ack->nsp->refs--;
        skio__dynamic_left(ack->nsp);
    }
    skio__mem_free(&home->mem, ack);
    skio__home_unref(home);
}
