/*
 * The rooms of one socket, which the namespace's adapter keeps
 */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "socketio/socket.h"

/* A room's name: not too long, and UTF-8, since it travels in clusters. */
static bool
is_room_name(const skio_socket *socket, const char *room)
{
    size_t len = strlen(room);

    return len <= socket->nsp->server->options.max_name_bytes &&
           skio__utf8_valid(room, len);
}

/* ---- Rooms that a middleware joins: noted until the socket connects ---- */

struct note {
    struct note *next;
    char room[];
};

/* What hangs on a CONNECTING socket. */
struct notes {
    const skio_allocator *mem;
    struct note *first;
    uint32_t count;
};

static const char notes_key;

static void
free_notes(void *data)
{
    struct notes *notes = data;
    const skio_allocator *mem = notes->mem;

    while (notes->first != NULL) {
        struct note *note = notes->first;

        notes->first = note->next;
        skio__mem_free(mem, note);
    }
    skio__mem_free(mem, notes);
}

static struct notes *
notes_of(skio_socket *socket)
{
    struct notes *notes = skio_socket_attached(socket, &notes_key);

    if (notes != NULL)
        return notes;
    notes = skio__mem_calloc(&socket->home->mem, 1, sizeof *notes);
    if (notes == NULL)
        return NULL;
    notes->mem = &socket->home->mem;
    if (skio_socket_attach(socket, &notes_key, notes, free_notes) != SKIO_OK) {
        free_notes(notes);
        return NULL;
    }
    return notes;
}

/* The link to the note of a room, or to the list's end. */
static struct note **
find_note(struct notes *notes, const char *room)
{
    struct note **link = &notes->first;

    while (*link != NULL && strcmp((*link)->room, room) != 0)
        link = &(*link)->next;
    return link;
}

static int
note_room(skio_socket *socket, const char *room)
{
    struct notes *notes = notes_of(socket);
    size_t size = strlen(room) + 1;
    struct note **link;

    if (notes == NULL)
        return SKIO_ENOMEM;
    link = find_note(notes, room);
    if (*link != NULL)
        return SKIO_OK;
    if (notes->count >= socket->nsp->server->options.max_rooms)
        return SKIO_ELIMIT;
    *link = skio__mem_alloc(notes->mem, sizeof **link + size);
    if (*link == NULL)
        return SKIO_ENOMEM;
    (*link)->next = NULL;
    memcpy((*link)->room, room, size);
    notes->count++;
    return SKIO_OK;
}

static int
forget_room(skio_socket *socket, const char *room)
{
    struct notes *notes = skio_socket_attached(socket, &notes_key);
    struct note **link;
    struct note *note;

    if (notes == NULL)
        return SKIO_ENOENT;
    link = find_note(notes, room);
    note = *link;
    if (note == NULL)
        return SKIO_ENOENT;
    *link = note->next;
    notes->count--;
    skio__mem_free(notes->mem, note);
    return SKIO_OK;
}

int
skio__socket_join_noted(skio_socket *socket)
{
    struct notes *notes = skio_socket_attached(socket, &notes_key);
    int err = SKIO_OK;

    /* Who watches rooms may disconnect the socket, and its notes with it. */
    while (notes != NULL && notes->first != NULL && err == SKIO_OK) {
        struct note *note = notes->first;
        const skio_allocator *mem = notes->mem;

        notes->first = note->next;
        err = skio_join(socket, note->room);
        skio__mem_free(mem, note);
        /* With the rooms of before there are too many: it does without. */
        if (err == SKIO_ELIMIT)
            err = SKIO_OK;
        notes = skio_socket_attached(socket, &notes_key);
    }
    if (notes != NULL)
        (void)skio_socket_attach(socket, &notes_key, NULL, NULL);
    return err;
}

int
skio_join(skio_socket *socket, const char *room)
{
    if (socket->state == SIO_GONE || socket->home->server_gone)
        return SKIO_ECLOSED;
    if (room == NULL || !is_room_name(socket, room))
        return SKIO_EINVAL;
    if (socket->state == SIO_CONNECTING)
        return note_room(socket, room);

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_adapter *adapter = socket->nsp->adapter;
    int err;

    /* Those who watch rooms may disconnect the socket. */
    skio__engine_enter(engine);
    skio_socket_ref(socket);
    err = adapter->ops->join(adapter, socket, room);
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

int
skio_leave(skio_socket *socket, const char *room)
{
    if (room != NULL && socket->state == SIO_CONNECTING)
        return forget_room(socket, room);
    if (room == NULL || !skio__socket_is_member(socket))
        return SKIO_ENOENT;

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_adapter *adapter = socket->nsp->adapter;
    int err;

    skio__engine_enter(engine);
    skio_socket_ref(socket);
    err = adapter->ops->leave(adapter, socket, room);
    skio_socket_unref(socket);
    skio__engine_leave(engine);
    return err;
}

/* The first room that is not the socket's own. */
static bool
find_other_room(const char *room, void *user)
{
    const char **found = user;

    if (*found == NULL) {
        *found = room; /* its own comes first */
        return true;
    }
    *found = room;
    return false;
}

void
skio_leave_all(skio_socket *socket)
{
    for (;;) {
        const char *room = NULL;

        skio_each_room(socket, find_other_room, &room);
        if (room == NULL || room == socket->id)
            return;
        if (skio_leave(socket, room) != SKIO_OK)
            return;
    }
}

bool
skio_in_room(const skio_socket *socket, const char *room)
{
    struct eio_engine *engine;
    bool result;

    if (room == NULL || !skio__socket_is_member(socket))
        return false;
    engine = &socket->nsp->server->engine;
    skio__engine_enter(engine);
    result = socket->nsp->adapter->ops->has(socket->nsp->adapter, socket, room);
    skio__engine_leave(engine);
    return result;
}

void
skio_each_room(const skio_socket *socket, skio_room_fn *fn, void *user)
{
    if (!skio__socket_is_member(socket))
        return;

    struct eio_engine *engine = &socket->nsp->server->engine;
    skio_socket *held = skio_socket_ref((skio_socket *)(uintptr_t)socket);

    /* The callback may change anything. */
    skio__engine_enter(engine);
    held->nsp->adapter->ops->rooms(held->nsp->adapter, held, fn, user);
    skio_socket_unref(held);
    skio__engine_leave(engine);
}
