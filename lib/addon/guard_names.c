#include "addon/guard_names.h"

#include <string.h>

#define ID_LEN 20 /* of sockets, here and on Node */

size_t
skio__guard_reserved_bytes(const char *const *names)
{
    size_t bytes = sizeof(char *);

    for (; names != NULL && *names != NULL; names++) {
        if ((*names)[0] == '\0')
            return SIZE_MAX;
        bytes += sizeof(char *) + strlen(*names) + 1;
    }
    return bytes;
}

void
skio__guard_keep_reserved(skio_guard_options *options, void *bytes)
{
    const char *const *names = options->reserved;
    const char **list = bytes;
    size_t count = 0;
    char *text;

    options->reserved = list;
    while (names != NULL && names[count] != NULL)
        count++;
    text = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(names[i]) + 1;

        memcpy(text, names[i], size);
        list[i] = text;
        text += size;
    }
    list[count] = NULL;
}

static bool
has_prefix(const char *room, const char *prefix)
{
    return strncmp(room, prefix, strlen(prefix)) == 0;
}

static bool
is_reserved(const skio_guard_options *options, const char *room)
{
    const char *const *prefix = options->reserved;

    while (prefix != NULL && *prefix != NULL)
        if (has_prefix(room, *prefix++))
            return true;
    return false;
}

/*
 * Whether a room could be a socket's own: on another server sockets are not
 * known, so that the form decides. A client of Socket.IO 2 has "/nsp#" before
 * it.
 */
static bool
could_be_id(const char *room)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *hash = strrchr(room, '#');

    if (room[0] == '/' && hash != NULL)
        room = hash + 1;
    return strlen(room) == ID_LEN && strspn(room, alphabet) == ID_LEN;
}

const char *
skio__guard_find_fault(const skio_guard_options *options,
                       const skio_socket *socket, const char *room)
{
    const skio_nsp *nsp = skio_socket_nsp(socket);

    if (room == NULL || room[0] == '\0' ||
        strlen(room) > options->max_name_bytes)
        return "bad room";
    if (is_reserved(options, room))
        return "reserved";
    if (!options->allow_ids &&
        (could_be_id(room) ||
         (nsp != NULL && skio_nsp_socket(nsp, room) != NULL)))
        return "reserved";
    return NULL;
}

struct counting {
    const skio_guard_options *options;
    const char *id;
    uint32_t count;
};

static bool
count_room(const char *room, void *user)
{
    struct counting *counting = user;

    if (strcmp(room, counting->id) != 0 &&
        !is_reserved(counting->options, room))
        counting->count++;
    return counting->count < counting->options->max_rooms;
}

/* They are counted where they are: what the application joined or left, or what
 * came back with a recovered session, is counted rightly. */
bool
skio__guard_has_all_rooms(const skio_guard_options *options,
                          const skio_socket *socket)
{
    struct counting counting = {options, skio_socket_id(socket), 0};

    skio_each_room(socket, count_room, &counting);
    return counting.count >= options->max_rooms;
}
