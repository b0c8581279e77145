#include "socketio/assembly.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

/* Of the block: the assembly, its attachments, its text. 0: too large. */
static size_t
block_size(const struct sio_packet *packet)
{
    size_t size;

    if (skio__mul_overflow(packet->attachments, sizeof(skio_bytes), &size) ||
        skio__add_overflow(size, sizeof(struct sio_assembly), &size) ||
        skio__add_overflow(size, packet->nsp_len, &size) ||
        skio__add_overflow(size, packet->json_len, &size))
        return 0;
    return size;
}

struct sio_assembly *
skio__assembly_new(struct sio_client *client, const struct sio_packet *packet)
{
    skio_server *server = skio__client_server(client);
    size_t size = block_size(packet);
    struct sio_assembly *assembly;
    char *text;

    if (size == 0)
        return NULL;
    assembly = skio__mem_alloc(skio__server_mem(server), size);
    if (assembly == NULL)
        return NULL;

    memset(&assembly->due, 0, sizeof assembly->due);
    assembly->client = client;
    assembly->packet = *packet;
    assembly->received = 0;
    assembly->bytes = 0;
    memset(assembly->attachments, 0,
           packet->attachments * sizeof *assembly->attachments);

    /* The slices are offsets from json. */
    text = (char *)(assembly->attachments + packet->attachments);
    memcpy(text, packet->nsp, packet->nsp_len);
    assembly->packet.nsp = text;
    if (packet->json != NULL) {
        text += packet->nsp_len;
        memcpy(text, packet->json, packet->json_len);
        assembly->packet.json = text;
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
    bool is_last = assembly->received + 1 == assembly->packet.attachments;

    if (len > server->options.max_http_buffer_size - assembly->bytes)
        return SKIO_ELIMIT;

    if (len > 0 && is_last) {
        place->data = data;
    } else if (len > 0) {
        void *copy = skio__mem_alloc(skio__server_mem(server), len);

        if (copy == NULL)
            return SKIO_ENOMEM;
        memcpy(copy, data, len);
        place->data = copy;
    }

    place->len = len;
    assembly->bytes += len;
    assembly->received += !is_last;
    return is_last;
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
    skio__mem_free(mem, assembly);
}
