#include "socketio/middleware.h"

#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "base/utf8.h"

enum verdict { UNDECIDED, ACCEPTED, REFUSED };

struct skio_next {
    skio_socket *socket; /* referenced */
    bool is_own;         /* past those of the parent */
    uint32_t index;      /* of the middleware that decides, in its list */
    bool is_running;     /* inside that middleware's call */
    enum verdict verdict;
};

/* The verdict has been used up. */
static void
next_free(skio_next *next)
{
    skio_socket *socket = next->socket;

    skio__mem_free(&socket->home->mem, next);
    skio_socket_unref(socket);
}

/* The middlewares of the parent and of the namespace count on. */
static uint32_t
chain_length(const skio_nsp *nsp)
{
    return nsp->middlewares.count +
           (nsp->parent != NULL ? nsp->parent->middlewares.count : 0);
}

/* The middleware whose turn it is; false at the end. Those that are added
 * meanwhile come last in their list: none runs twice, none is left out. */
static bool
chain_at(skio_next *next, struct sio_handler *item)
{
    const skio_nsp *nsp = next->socket->nsp;

    if (!next->is_own && (nsp->parent == NULL ||
                          next->index >= nsp->parent->middlewares.count)) {
        next->is_own = true;
        next->index = 0;
    }
    const struct sio_handlers *list =
        next->is_own ? &nsp->middlewares : &nsp->parent->middlewares;

    if (next->index >= list->count)
        return false;
    *item = list->items[next->index];
    return true;
}

/* Run middlewares from next->index on, until one postpones its verdict. */
static void
run(skio_next *next)
{
    skio_socket *socket = next->socket;
    struct sio_handler item;

    while (socket->state == SIO_CONNECTING && chain_at(next, &item)) {
        skio_middleware_fn *fn = (skio_middleware_fn *)item.fn;

        next->verdict = UNDECIDED;
        next->is_running = true;
        fn(socket, next, item.user);
        next->is_running = false;
        if (next->verdict != ACCEPTED)
            break;
        next->index++;
    }

    /* Still the application's: it decides later, even if the client is gone. */
    if (next->verdict == UNDECIDED)
        return;

    if (next->verdict == ACCEPTED && socket->state == SIO_CONNECTING)
        skio__socket_connect(socket);
    next_free(next);
}

bool
skio__middleware_is_any(const skio_nsp *nsp)
{
    return chain_length(nsp) > 0;
}

int
skio__middleware_start(skio_socket *socket)
{
    skio_next *next;

    if (chain_length(socket->nsp) == 0) {
        skio__socket_connect(socket);
        return SKIO_OK;
    }

    next = skio__mem_calloc(&socket->home->mem, 1, sizeof *next);
    if (next == NULL)
        return SKIO_ENOMEM;

    next->socket = skio_socket_ref(socket);
    run(next);
    return SKIO_OK;
}

int
skio_next_ok(skio_next *next)
{
    skio_socket *socket = next->socket;

    if (next->is_running) {
        if (next->verdict != UNDECIDED)
            return SKIO_EBUSY;
        next->verdict = ACCEPTED;
        return socket->state == SIO_CONNECTING ? SKIO_OK : SKIO_ECLOSED;
    }

    if (socket->state != SIO_CONNECTING) {
        next_free(next);
        return SKIO_ECLOSED;
    }

    skio_server *server = socket->nsp->server;

    skio__engine_enter(&server->engine);
    next->index++;
    next->verdict = ACCEPTED;
    run(next);
    skio__engine_leave(&server->engine);
    return SKIO_OK;
}

/* `{"message":…,"data":…}`, the data optional. */
static int
encode_error(skio_server *server, bool is_old, struct skio__buf *json,
             const char *message, const char *format, va_list *args)
{
    struct skio__format_options options = {
        .mem = skio__server_mem(server),
        .max_json_depth = server->options.max_json_depth,
        .trust_raw_json = server->options.trust_raw_json,
        .is_value = true,
    };
    int err = SKIO_OK;

    if (!skio__utf8_valid(message, strlen(message)))
        message = "error";

    /* Protocol 3 has the data alone, or the message as a string. */
    if (is_old) {
        if (format != NULL)
            err = skio__format(&options, json, format, args);
        if (format == NULL || (err != SKIO_OK && json->err == SKIO_OK)) {
            json->len = 0;
            skio__json_quote(json, message, strlen(message));
        }
        return json->err != SKIO_OK ? json->err : err;
    }

    skio__buf_append_str(json, "{\"message\":");
    skio__json_quote(json, message, strlen(message));
    if (format != NULL) {
        size_t without_data = json->len;

        skio__buf_append_str(json, ",\"data\":");
        err = skio__format(&options, json, format, args);
        if (err != SKIO_OK && json->err == SKIO_OK)
            json->len = without_data;
    }
    skio__buf_putc(json, '}');
    return json->err != SKIO_OK ? json->err : err;
}

/* Send the CONNECT_ERROR and forget the socket; the connection stays. */
static int
refuse(skio_socket *socket, const char *message, const char *format,
       va_list *args)
{
    skio_server *server = socket->nsp->server;
    struct sio_client *client = socket->client;
    struct skio_message *packet;
    struct sio_encoder encoder;
    struct skio__buf json;
    int format_err;
    int err;

    skio__buf_init(&json, skio__server_mem(server));
    json.max = server->options.max_outbound_bytes;
    format_err =
        encode_error(server, skio__session_protocol(client->session) == 3,
                     &json, message, format, args);
    err = json.err;
    if (err == SKIO_OK) {
        skio__nsp_encoder(socket->nsp, &encoder);
        err = skio__message_control(&encoder, SIO_CONNECT_ERROR, json.data,
                                    json.len, &packet);
    }
    skio__buf_deinit(&json);

    if (err == SKIO_OK) {
        err = skio__client_send(client, packet);
        skio__message_unref(packet);
    } else {
        /* The client must learn of it in the one way that is left. */
        skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE,
                            true);
    }

    skio__socket_close(socket, SKIO_DISCONNECT_SERVER_NAMESPACE, false);
    return err != SKIO_OK ? err : format_err;
}

int
skio_next_error(skio_next *next, const char *message, const char *format, ...)
{
    skio_socket *socket = next->socket;
    va_list args;
    int err = SKIO_ECLOSED;

    if (next->is_running && next->verdict != UNDECIDED)
        return SKIO_EBUSY;

    if (socket->state == SIO_CONNECTING) {
        skio_server *server = socket->nsp->server;

        skio__engine_enter(&server->engine);
        va_start(args, format);
        va_list copy;
        va_copy(copy, args);
        err = refuse(socket, message, format, &copy);
        va_end(copy);
        va_end(args);
        skio__engine_leave(&server->engine);
    }

    next->verdict = REFUSED;
    if (!next->is_running)
        next_free(next);
    return err;
}

skio_socket *
skio_next_socket(const skio_next *next)
{
    return next->socket->state == SIO_CONNECTING ? next->socket : NULL;
}
