/*
 * The chat: what its event handlers share
 *
 * The events and their arguments are listed in public/net.js. Of everything a
 * client sends nothing is taken on trust: names, keys, lengths, rates and the
 * permission to enter are checked here, and a refusal says why.
 */
#ifndef CHAT_CHAT_H
#define CHAT_CHAT_H

#include <socketio/guard.h>
#include <socketio/socketio.h>

#include "rooms.h"
#include "users.h"

#define TEXT_MAX 2000       /* characters of a message */
#define TEXT_JSON_MAX 12000 /* bytes of it as JSON: escapes may be long */
#define VISITOR_ROOMS_MAX 16
#define ADDRESS_BYTES (sizeof "direct::" + 2 * NAME_BYTES)

struct chat {
    skio_nsp *nsp;
    skio_guard *guard; /* whatever brings a socket into a room asks it */
    bool has_ended;
    struct users users;
    struct rooms rooms;
    char epoch[40]; /* one life of this server: it numbers messages anew */
};

/* One connection, the data of its socket. */
struct visitor {
    struct user *user;
    bool is_online;
    struct room *rooms[VISITOR_ROOMS_MAX]; /* entered, no conversations */
    size_t rooms_count;
};

/* Register the handlers on the server's "/" and make the lobby. */
int chat_start(struct chat *chat, skio_server *server);

/* After skio_server_free(). */
void chat_free(struct chat *chat);

/* chat.c, for the handlers in enter.c and talk.c */

int64_t wall_clock_ms(void);
struct visitor *visitor_of(const skio_socket *socket);
/* Whether the guard let it in here, and it has not left: what is said in a room
 * comes from inside. */
bool is_inside(const skio_socket *socket, const struct room *room);

/* Answer that a request is refused. */
void refuse(skio_ack *ack, const char *code, const char *message);
/* Whether a request that takes some effort comes too fast; refused then. */
bool refuse_too_fast(const struct visitor *visitor, skio_ack *ack);
void refuse_for_now(skio_ack *ack, unsigned retry_ms);

/* Write the library's name of a room, by the name that it has or would have; of
 * the conversation of two; of the room of a user's sockets. */
void room_address(char out[ADDRESS_BYTES], const struct room *room);
void name_address(char out[ADDRESS_BYTES], const char *name);
void direct_address(char out[ADDRESS_BYTES], const char *nick,
                    const char *other);
void user_address(char out[ADDRESS_BYTES], const struct user *user);

/* How one of the two calls their conversation: "@" and the other's nickname. */
void direct_name(char out[NAME_BYTES + 1], const struct room *room,
                 const struct user *reader);

/*
 * Find the room that a request names; *other is the one whom "@nick" names,
 * NULL for a room's name.
 *
 * Returns NULL when there is no such room. When there cannot be one, the name
 * being none or nobody's, *refused is true and the request is answered.
 */
struct room *find_room(struct chat *chat, const struct user *user,
                       const char *name, struct user **other, skio_ack *ack,
                       bool *refused);

/* Send a message to all on this server who are inside of its room. */
void chat_spread(struct chat *chat, const struct room *room,
                 const struct message *message);

/* Tell those who talk with a user in private that the user came or went. */
void chat_tell_directs(struct chat *chat, const struct user *user,
                       const char *event);

/* Take a connection out of a room that it is inside of. */
void chat_leave(struct chat *chat, skio_socket *socket, struct room *room);

/* admit.c: make the guard; tell why it, or its function, did not let enter. */
int admit_start(struct chat *chat);
void refuse_entry(skio_ack *ack, const char *reason);

/* claim.c, the middleware. */
skio_middleware_fn chat_authenticate;

/* Register the handlers of enter.c, look.c and talk.c. */
int enter_start(struct chat *chat);
int look_start(struct chat *chat);
int talk_start(struct chat *chat);

#endif /* CHAT_CHAT_H */
