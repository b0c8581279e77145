/*
 * The chat on several servers: what they tell and ask each other
 *
 * Each server keeps what was said, and numbers it for its own clients; a client
 * that comes from another server sees another epoch, as after a restart, and
 * sorts out by the messages' ids what it has already. What a server has not
 * heard of, since it was not there yet or Redis was away, it asks for when
 * somebody wants it. Alone, without --redis, there is nobody to tell or to ask,
 * and all goes on at once.
 *
 *   said  {room, key, pair, id, from, text, at}   a message
 *   came  {nick, key}                             a user is here
 *   quit  nick                                    the nickname is free
 *   back                                          ask for what was missed
 *   who   nick     -> null, or {nick, key, busy, directs: [{nick, key}]}
 *   room  {room, pair}  -> null, or {room, key, messages: [...]}
 *   rooms          -> [[room, people], ...]
 *
 * `pair` are the two people of a conversation, [{nick, key}, {nick, key}], and
 * `room` is null then; `key` is null for a public room. Who is in a room, on
 * whichever server, is asked of the library: skio_sockets_fetch().
 */
#ifndef CHAT_CLUSTER_H
#define CHAT_CLUSTER_H

#include "chat.h"

/* Tell the other servers. */
void cluster_tell_said(struct chat *chat, const struct room *room,
                       const struct message *message);
void cluster_tell_came(struct chat *chat, const struct user *user);
void cluster_tell_quit(struct chat *chat, const struct user *user);
void cluster_tell_back(struct chat *chat);

/* Called once, from inside the call when there is nobody to be asked. What the
 * chat had may have changed, and be gone. */
typedef void cluster_then_fn(struct chat *chat, void *arg);

/* Ask the others about a nickname, which is valid; with the answers the chat
 * knows its owner and the owner's conversations. */
void cluster_ask_user(struct chat *chat, const char *nick,
                      cluster_then_fn *then, void *arg);

/* Ask the others about a room by its name, or about the conversation of two
 * people (room is NULL then). */
void cluster_ask_room(struct chat *chat, const char *room, const struct user *a,
                      const struct user *b, cluster_then_fn *then, void *arg);

/* The nicknames, as a JSON array; NULL when memory ran out. Borrowed. */
typedef void cluster_people_fn(struct chat *chat, const char *people,
                               void *arg);

/* Fetch who is inside of a room, on all servers. */
void cluster_people(struct chat *chat, const struct room *room,
                    cluster_people_fn *fn, void *arg);

/* Somebody left a room here, or the chat (room is NULL): tell the others in it
 * unless another connection of theirs is still there. */
void cluster_left(struct chat *chat, const struct user *user,
                  const struct room *room);

/* Messages of a room may have been missed: ask for them. */
void cluster_catch_up(struct chat *chat);

/* learn.c: what the others say. value has nick and key of a user; NULL when
 * that cannot be, see users_meet(). */
struct user *learn_user(struct chat *chat, const skio_value *value,
                        bool is_busy);

/* The room or conversation that a value is about by its members room, key and
 * pair, made if it has to be; NULL when it is another one here. */
struct room *learn_room(struct chat *chat, const skio_value *value);

/* A message; those who are in the room get it, unless it is known. */
void learn_message(struct chat *chat, struct room *room,
                   const skio_value *value);

/* Write what learn_room() reads, without the braces. */
void learn_write(const struct room *room, struct text *out);

/* answer.c: register what is told and asked by the others. */
int answer_start(struct chat *chat);

/*
 * join.c: become one of the servers that share this Redis, and say so to the
 * balancer: ids of sessions begin with the server's name and a dot.
 *
 * join_redis comes before chat_start(), join_watch after skio_listen(),
 * join_end before skio_server_free(). SKIO_ENOTSUP: built without Redis.
 */
int join_redis(struct chat *chat, skio_server *server, const char *url);
int join_name(skio_server *server, const char *name);
int join_watch(struct chat *chat, skio_server *server);
void join_end(void);

#endif /* CHAT_CLUSTER_H */
