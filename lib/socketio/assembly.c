#include "socketio/assembly.h"

#include <string.h>

#include "base/mem.h"

struct sio_assembly *
skio__assembly_new(struct sio_client *client, const struct sio_packet *packet)
{
    skio_server *server = skio__client_server(client);
    const skio_allocator *mem = skio__server_mem(server);
    struct sio_assembly *assembly = skio__mem_calloc(mem, 1, sizeof *assembly);

    if (assembly == NULL)
        return NULL;

    assembly->client = client;
    assembly->packet = *packet;
    assembly->text =
        skio__mem_alloc(mem, packet->nsp_len + packet->json_len + 1);
    assembly->attachments = skio__mem_calloc(mem, packet->attachments,
                                             sizeof *assembly->attachments);
    if (assembly->text == NULL || assembly->attachments == NULL) {
        skio__assembly_free(assembly);
        return NULL;
    }

    /* The slices are offsets from json. */
    memcpy(assembly->text, packet->nsp, packet->nsp_len);
    assembly->packet.nsp = assembly->text;
    if (packet->json != NULL) {
        assembly->packet.json = assembly->text + packet->nsp_len;
        memcpy(assembly->text + packet->nsp_len, packet->json,
               packet->json_len);
    }

    skio__fifo_push(&server->attachments_due, &assembly->due,
                    skio__engine_now(&server->engine));
    skio__server_wants_timer(server);
    return assembly;
}

int
skio__assembly_add(struct sio_assembly *assembly, const char *data, size_t len)
{
    skio_server *server = skio__client_server(assembly->client);
    skio_bytes *place = &assembly->attachments[assembly->received];

    if (len > server->options.max_http_buffer_size - assembly->bytes)
        return SKIO_ELIMIT;

    if (len > 0) {
        void *copy = skio__mem_alloc(skio__server_mem(server), len);

        if (copy == NULL)
            return SKIO_ENOMEM;
        memcpy(copy, data, len);
        place->data = copy;
        place->len = len;
    }

    assembly->bytes += len;
    assembly->received++;
    return assembly->received == assembly->packet.attachments;
}

void
skio__assembly_free(struct sio_assembly *assembly)
{
    const skio_allocator *mem;

    if (assembly == NULL)
        return;

    mem = skio__server_mem(skio__client_server(assembly->client));
    skio__fifo_remove(&assembly->due);
    for (uint32_t i = 0; i < assembly->received; i++)
        skio__mem_free(mem, (void *)(uintptr_t)assembly->attachments[i].data);
    skio__mem_free(mem, assembly->attachments);
    skio__mem_free(mem, assembly->text);
    skio__mem_free(mem, assembly);
}
