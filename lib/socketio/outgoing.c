#include "socketio/outgoing.h"

#include "base/arena.h"
#include "socketio/incoming.h"
#include "socketio/parser.h"

/* The attachments of a message, as views. NULL: none, or out of memory. */
static skio_bytes *
attachments_of(skio_server *server, const struct skio_message *message)
{
    skio_bytes *views;

    if (message->count < 2)
        return NULL;
    views =
        skio__arena_alloc(&server->arena, (message->count - 1) * sizeof *views);
    for (uint32_t i = 1; views != NULL && i < message->count; i++)
        skio__blob_packet(message->blobs[i], &views[i - 1].data,
                          &views[i - 1].len);
    return views;
}

/* What was encoded; memory comes from the arena. */
static bool
read_message(skio_server *server, const struct skio_message *message,
             struct sio_parsed *out)
{
    struct sio_packet_limits limits = server->packet_limits;
    const void *text;
    const char *why;
    size_t len;

    if (server->options.parser != NULL)
        return skio__parser_reread(&server->options, &server->arena, message,
                                   out) == SKIO_OK;

    /* The packet's own limits were checked when it was encoded. */
    limits.max_name_bytes = SIZE_MAX;
    skio__blob_packet(message->blobs[0], &text, &len);
    if (skio__packet_decode((const char *)text + 1, len - 1, &limits,
                            &out->packet, &why) != SKIO_OK)
        return false;
    out->attachments = attachments_of(server, message);
    return out->attachments != NULL || message->count < 2;
}

void
skio__outgoing_tell(skio_socket *socket, const struct skio_message *message)
{
    skio_nsp *nsp = socket->nsp;
    skio_server *server = nsp->server;
    struct skio__arena_mark mark = skio__arena_mark(&server->arena);
    struct sio_parsed parsed;
    const struct sio_packet *packet = &parsed.packet;
    struct skio_value args;
    const char *event = NULL;
    size_t len;

    if (read_message(server, message, &parsed) &&
        (packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT))
        event = skio__incoming_event_name(server, packet, &len);
    if (event != NULL) {
        skio__packet_args(packet, 1, parsed.attachments, &server->arena, &args);
        args.first_placeholder = server->first_placeholder;
        SIO_NSP_RUN(nsp, any_outgoing, skio_any_fn,
                    fn(socket, event, &args, user_data));
        skio__value_deinit(&args);
    }
    skio__arena_release(&server->arena, mark);
}
