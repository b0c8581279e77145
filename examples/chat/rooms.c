#include "rooms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
drop(struct rooms *rooms, size_t i)
{
    struct room *room = rooms->items[i];

    for (size_t k = 0; k < ROOM_HISTORY; k++)
        free(room->history[k].text);
    free(room->members);
    free(room);
    rooms->items[i] = rooms->items[--rooms->count];
}

bool
room_is_idle(const struct room *room)
{
    if (room->kind == ROOM_DIRECT)
        return room->pair[0]->online == 0 && room->pair[1]->online == 0;
    return room->members_count == 0;
}

static struct room *
add(struct rooms *rooms, enum room_kind kind)
{
    struct room *room;

    if (rooms->count == ROOMS_MAX) {
        size_t oldest = ROOMS_MAX;

        for (size_t i = 0; i < ROOMS_MAX; i++)
            if (room_is_idle(rooms->items[i]) &&
                (oldest == ROOMS_MAX ||
                 rooms->items[i]->used < rooms->items[oldest]->used))
                oldest = i;
        if (oldest == ROOMS_MAX)
            return NULL;
        drop(rooms, oldest);
    }
    room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    room->kind = kind;
    room->used = ++rooms->uses;
    rooms->items[rooms->count++] = room;
    return room;
}

struct room *
rooms_find(const struct rooms *rooms, const char *name)
{
    char fold[NAME_BYTES];

    name_fold(fold, name);
    for (size_t i = 0; i < rooms->count; i++)
        if (rooms->items[i]->kind != ROOM_DIRECT &&
            strcmp(rooms->items[i]->fold, fold) == 0)
            return rooms->items[i];
    return NULL;
}

struct room *
rooms_find_direct(const struct rooms *rooms, const struct user *a,
                  const struct user *b)
{
    for (size_t i = 0; i < rooms->count; i++) {
        struct user *const *pair = rooms->items[i]->pair;

        if ((pair[0] == a && pair[1] == b) || (pair[0] == b && pair[1] == a))
            return rooms->items[i];
    }
    return NULL;
}

struct room *
rooms_add(struct rooms *rooms, const char *name, const char *key)
{
    struct room *room = add(rooms, key != NULL ? ROOM_PRIVATE : ROOM_PUBLIC);

    if (room == NULL)
        return NULL;
    (void)snprintf(room->name, sizeof room->name, "%s", name);
    name_fold(room->fold, name);
    if (key != NULL)
        (void)snprintf(room->key, sizeof room->key, "%s", key);
    return room;
}

struct room *
rooms_add_direct(struct rooms *rooms, struct user *starter, struct user *other)
{
    size_t started = 0;
    struct room *room;

    for (size_t i = 0; i < rooms->count; i++)
        started += rooms->items[i]->pair[0] == starter;
    room = started < DIRECTS_PER_USER ? add(rooms, ROOM_DIRECT) : NULL;
    if (room != NULL) {
        room->pair[0] = starter;
        room->pair[1] = other;
    }
    return room;
}

void
rooms_drop_user(struct rooms *rooms, const struct user *user)
{
    for (size_t i = rooms->count; i-- > 0;)
        if (rooms->items[i]->pair[0] == user ||
            rooms->items[i]->pair[1] == user)
            drop(rooms, i);
}

void
rooms_free(struct rooms *rooms)
{
    while (rooms->count > 0)
        drop(rooms, rooms->count - 1);
}

struct user *
room_other(const struct room *room, const struct user *user)
{
    return room->pair[room->pair[0] == user];
}

static struct member *
find_member(const struct room *room, const struct user *user)
{
    for (size_t i = 0; i < room->members_count; i++)
        if (room->members[i].user == user)
            return &room->members[i];
    return NULL;
}

int
room_enter(struct rooms *rooms, struct room *room, struct user *user)
{
    struct member *member = find_member(room, user);
    size_t count = room->members_count;
    struct member *members;

    room->used = ++rooms->uses;
    if (member != NULL) {
        member->connections++;
        return 0;
    }
    if (count == ROOM_MEMBERS_MAX)
        return -1;
    members = realloc(room->members, (count + 1) * sizeof *members);
    if (members == NULL)
        return -1;
    members[count] = (struct member){user, 1};
    room->members = members;
    room->members_count = count + 1;
    return 1;
}

int
room_leave(struct room *room, const struct user *user)
{
    struct member *member = find_member(room, user);

    if (member == NULL || --member->connections > 0)
        return 0;
    *member = room->members[--room->members_count];
    return 1;
}

const struct message *
room_keep(struct rooms *rooms, struct room *room, const char *from,
          const char *id, const char *json, size_t len, int64_t at)
{
    struct message *message = &room->history[(room->seq + 1) % ROOM_HISTORY];
    char *text = malloc(len + 1);

    if (text == NULL)
        return NULL;
    memcpy(text, json, len);
    text[len] = '\0';
    free(message->text);
    message->text = text;
    message->seq = ++room->seq;
    message->at = at;
    (void)snprintf(message->id, sizeof message->id, "%s", id);
    (void)snprintf(message->from, sizeof message->from, "%s", from);
    room->used = ++rooms->uses;
    return message;
}

const struct message *
room_find_message(const struct room *room, const char *from, const char *id)
{
    for (size_t i = 0; i < ROOM_HISTORY; i++)
        if (room->history[i].text != NULL &&
            strcmp(room->history[i].id, id) == 0 &&
            strcmp(room->history[i].from, from) == 0)
            return &room->history[i];
    return NULL;
}

static int
compare_times(const void *a, const void *b)
{
    const struct message *first = a;
    const struct message *second = b;

    if (first->at != second->at)
        return first->at < second->at ? -1 : 1;
    return first->seq < second->seq ? -1 : 1;
}

void
room_sort(struct room *room)
{
    struct message sorted[ROOM_HISTORY] = {{0}};
    unsigned kept = room->seq < ROOM_HISTORY ? room->seq : ROOM_HISTORY;

    for (unsigned i = 0; i < kept; i++)
        sorted[i] = room->history[(room->seq - i) % ROOM_HISTORY];
    qsort(sorted, kept, sizeof sorted[0], compare_times);
    for (unsigned i = 0; i < kept; i++) {
        unsigned seq = room->seq - kept + 1 + i;

        sorted[i].seq = seq;
        room->history[seq % ROOM_HISTORY] = sorted[i];
    }
}

unsigned
room_write_messages(const struct room *room, unsigned after, struct text *out)
{
    unsigned kept = room->seq < ROOM_HISTORY ? room->seq : ROOM_HISTORY;
    unsigned first = room->seq - kept; /* the last one that is not kept */
    unsigned from = after > first ? after : first;

    text_add(out, "[");
    for (unsigned seq = from + 1; seq <= room->seq; seq++) {
        const struct message *message = &room->history[seq % ROOM_HISTORY];

        text_add(out,
                 "%s{\"seq\":%u,\"id\":\"%s\",\"from\":\"%s\",\"text\":%s,"
                 "\"at\":%" PRId64 "}",
                 seq == from + 1 ? "" : ",", message->seq, message->id,
                 message->from, message->text, message->at);
    }
    text_add(out, "]");
    return from - after;
}
