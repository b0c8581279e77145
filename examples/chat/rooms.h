/*
 * Rooms: who is in them, and what was said last
 *
 * Three kinds: a public room is entered by its name; a private one by its key,
 * which an invitation carries; the conversation of two people by being one of
 * them, it has no name that a client could enter.
 *
 * All is kept in memory and bounded. When the table is full, the room that has
 * been empty for longest makes place.
 */
#ifndef CHAT_ROOMS_H
#define CHAT_ROOMS_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"
#include "users.h"

#define ROOMS_MAX 200
#define ROOM_MEMBERS_MAX 500
#define ROOM_HISTORY 50
#define DIRECTS_PER_USER 32 /* that one user may have started */

enum room_kind { ROOM_PUBLIC, ROOM_PRIVATE, ROOM_DIRECT };

struct message {
    unsigned seq; /* counts from 1 in each room */
    int64_t at;   /* milliseconds since 1970, UTC */
    char id[ID_MAX + 1];
    char from[NAME_BYTES];
    char *text; /* a JSON string, as its author's client wrote it */
};

struct member {
    struct user *user;
    unsigned connections;
};

struct room {
    enum room_kind kind;
    char name[NAME_BYTES]; /* empty for ROOM_DIRECT */
    char fold[NAME_BYTES];
    char key[KEY_MAX + 1];                /* of ROOM_PRIVATE */
    struct user *pair[2];                 /* of ROOM_DIRECT; [0] started it */
    struct message history[ROOM_HISTORY]; /* a ring, seq % ROOM_HISTORY */
    unsigned seq;                         /* of the newest message */
    struct member *members;               /* not of ROOM_DIRECT */
    size_t members_count;
    bool is_known; /* the other servers were asked for what they have of it */
    uint64_t used; /* a count that grows: smallest is unused longest */
};

struct rooms {
    struct room *items[ROOMS_MAX];
    size_t count;
    uint64_t uses;
};

/* The public or private room of that name, which is valid, or NULL. */
struct room *rooms_find(const struct rooms *rooms, const char *name);

/* The conversation of two people, or NULL. */
struct room *rooms_find_direct(const struct rooms *rooms, const struct user *a,
                               const struct user *b);

/* Make a room; private with a key, public when key is NULL. NULL: full. */
struct room *rooms_add(struct rooms *rooms, const char *name, const char *key);

/* Make a conversation. NULL: the table is full, or starter has too many. */
struct room *rooms_add_direct(struct rooms *rooms, struct user *starter,
                              struct user *other);

/* Drop the conversations of a user who is forgotten. */
void rooms_drop_user(struct rooms *rooms, const struct user *user);

void rooms_free(struct rooms *rooms);

/* Whether nobody here would notice that it is gone, but for its history. */
bool room_is_idle(const struct room *room);

/* The other one of a conversation. */
struct user *room_other(const struct room *room, const struct user *user);

/*
 * Count one more connection of a member, or one less.
 *
 * room_enter returns 1 when the user was not inside before, 0 when inside
 * already, -1 when the room is full. room_leave returns 1 when the user is
 * not inside any more.
 */
int room_enter(struct rooms *rooms, struct room *room, struct user *user);
int room_leave(struct room *room, const struct user *user);

/*
 * Keep a message: json is a JSON string of len bytes, id and the author's
 * nickname are valid. Returns it, complete with its number, or NULL without
 * memory.
 */
const struct message *room_keep(struct rooms *rooms, struct room *room,
                                const char *from, const char *id,
                                const char *json, size_t len, int64_t at);

/* The message that has this author and id, if it is still kept. */
const struct message *room_find_message(const struct room *room,
                                        const char *from, const char *id);

/* Number the messages anew, in the order of their times: of use as long as
 * nobody here has seen the numbers. */
void room_sort(struct room *room);

/* Write the messages after a number as a JSON array. Returns how many messages
 * after it are no longer kept. */
unsigned room_write_messages(const struct room *room, unsigned after,
                             struct text *out);

#endif /* CHAT_ROOMS_H */
