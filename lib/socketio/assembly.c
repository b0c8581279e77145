#include "socketio/assembly.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

/*
 * Attachments whose places are made at once; the default of max_attachments
 * fits. A larger count is only a client's word: places beyond these are made
 * as attachments come.
 */
#define ROOM_AT_ONCE 10

static uint32_t
first_room(const struct sio_packet *packet)
{
    return packet->attachments < ROOM_AT_ONCE ? packet->attachments
                                              : ROOM_AT_ONCE;
}

/* Of the block: the assembly, its first places, its text. 0: too large. */
static size_t
block_size(const struct sio_packet *packet)
{
    size_t size = first_room(packet) * sizeof(skio_bytes);

    if (skio__add_overflow(size, sizeof(struct sio_assembly), &size) ||
        skio__add_overflow(size, packet->nsp_len, &size) ||
        skio__add_overflow(size, packet->json_len, &size))
        return 0;
    return size;
}

/* A place for one more attachment. */
static int
make_room(struct sio_assembly *assembly)
{
    const skio_allocator *mem =
        skio__server_mem(skio__client_server(assembly->client));
    uint32_t announced = assembly->packet.attachments;
    uint32_t room = assembly->room;
    skio_bytes *places;

    if (assembly->received < room)
        return SKIO_OK;

    room = room > announced / 2 ? announced : room * 2;
    if (assembly->attachments != assembly->first) {
        places =
            skio__mem_array(mem, assembly->attachments, room, sizeof *places);
        if (places == NULL)
            return SKIO_ENOMEM;
    } else {
        places = skio__mem_array(mem, NULL, room, sizeof *places);
        if (places == NULL)
            return SKIO_ENOMEM;
        memcpy(places, assembly->first, assembly->room * sizeof *places);
    }
    assembly->attachments = places;
    assembly->room = room;
    return SKIO_OK;
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
    assembly->room = first_room(packet);
    assembly->attachments = assembly->first;

    /* The slices are offsets from json. */
    text = (char *)(assembly->first + assembly->room);
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
    bool is_last = assembly->received + 1 == assembly->packet.attachments;
    skio_bytes *place;

    if (len > server->options.max_http_buffer_size - assembly->bytes)
        return SKIO_ELIMIT;
    if (make_room(assembly) < 0)
        return SKIO_ENOMEM;

    place = &assembly->attachments[assembly->received];
    place->data = NULL;
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
    if (assembly->attachments != assembly->first)
        skio__mem_free(mem, assembly->attachments);
    skio__mem_free(mem, assembly);
}
