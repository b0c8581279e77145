/*
 * Messages as adapters carry them to other servers and back
 */
#include <socketio/adapter.h>

#include <string.h>

#include "socketio/message.h"
#include "socketio/namespace.h"
#include "socketio/packet.h"
#include "socketio/value.h"

void
skio_adapter_message_json(const skio_message *message, skio_bytes *json)
{
    const void *data;
    const char *text;
    size_t len;

    /* `4 type [count "-"] [nsp ","] [id] json`: a name may hold digits. */
    skio__blob_packet(message->blobs[0], &data, &len);
    text = data;
    text += 2;
    if (message->count > 1)
        text = (const char *)memchr(text, '-', len - 2) + 1;
    if (message->nsp->name_len > 1)
        text += message->nsp->name_len + 1;
    while (*text >= '0' && *text <= '9')
        text++;
    json->len = len - (size_t)(text - (const char *)data);
    json->data = text;
}

uint32_t
skio_adapter_message_attachments(const skio_message *message)
{
    return message->count - 1;
}

void
skio_adapter_message_attachment(const skio_message *message, uint32_t index,
                                skio_bytes *out)
{
    skio__blob_packet(message->blobs[index + 1], &out->data, &out->len);
}

/*
 * Another server's event is checked as a client's is, by the same code: no
 * stock client would take what fails here.
 */
static int
check_event(const skio_server_options *options, struct sio_packet *packet)
{
    const bool has_parser = options->parser != NULL;
    const struct sio_packet_limits limits = {
        /* A parser may put them into the message, where they are bounded. */
        .max_attachments = has_parser ? UINT32_MAX : options->max_attachments,
        .max_json_depth = options->max_json_depth,
        .max_name_bytes = options->max_name_bytes,
    };
    const char *why = "";

    return skio__packet_check(packet, &limits, true, &why);
}

int
skio_adapter_message_new(skio_nsp *nsp, const char *json, size_t len,
                         const skio_bytes *attachments,
                         uint32_t attachment_count, skio_message **out)
{
    skio_server *server = nsp->server;
    struct sio_packet packet = {
        .type = SIO_EVENT,
        .attachments = attachment_count,
        .nsp = "/",
        .nsp_len = 1,
        .json = json,
        .json_len = len,
    };
    struct sio_encoder encoder;
    struct skio_value list;
    int err = check_event(&server->options, &packet);

    if (err != SKIO_OK)
        return err;
    skio__value_init_args(&list, json, &packet.root, packet.items,
                          skio__packet_kept(&packet), packet.count, 0,
                          attachments, attachment_count, &server->arena);
    skio__nsp_encoder(nsp, &encoder);
    err = skio__message_event_list(&encoder, &list, out);
    skio__value_deinit(&list);
    if (err == SKIO_OK)
        (*out)->nsp = nsp;
    return err;
}

void
skio_adapter_message_set_flags(skio_message *message, unsigned flags)
{
    skio__message_set_flags(message, flags);
}

skio_message *
skio_adapter_message_ref(skio_message *message)
{
    return skio__message_ref(message);
}

void
skio_adapter_message_unref(skio_message *message)
{
    skio__message_unref(message);
}
