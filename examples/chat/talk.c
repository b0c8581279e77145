/*
 * Saying something, and being about to
 */
#include "cluster.h"

#include <inttypes.h>

#include <socketio/shapes.h>

enum verdict { TEXT_FINE, TEXT_EMPTY, TEXT_TOO_LONG, TEXT_BAD };

/* Count characters; refuse control characters but the tab and the newline. */
static enum verdict
judge(const char *text, size_t len)
{
    size_t count = 0;
    bool is_blank = true;

    if (text == NULL)
        return TEXT_EMPTY;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            return TEXT_BAD;
        if ((c & 0xc0) != 0x80) /* not the rest of a character */
            count++;
        if (c > ' ')
            is_blank = false;
    }
    return is_blank ? TEXT_EMPTY : count > TEXT_MAX ? TEXT_TOO_LONG : TEXT_FINE;
}

/* Each of two people knows their conversation by another name. */
void
chat_spread(struct chat *chat, const struct room *room,
            const struct message *message)
{
    char address[ADDRESS_BYTES];
    char name[NAME_BYTES + 1];

    for (size_t i = 0; i < (room->kind == ROOM_DIRECT ? 2 : 1); i++) {
        if (room->kind == ROOM_DIRECT) {
            user_address(address, room->pair[i]);
            direct_name(name, room, room->pair[i]);
        } else {
            room_address(address, room);
        }
        (void)skio_emit_with(
            chat->nsp,
            SKIO_TARGET(.to = SKIO_ROOMS(address), .flags = SKIO_LOCAL),
            "message",
            "{'room':%s,'seq':%u,'id':%s,'from':%s,'text':%-s,'at':%" PRId64
            "}",
            room->kind == ROOM_DIRECT ? name : room->name, message->seq,
            message->id, message->from, message->text, message->at);
    }
}

/*
 * A message: answered when it is kept. The same id again means that the client
 * did not get the answer: it gets it now, and nobody sees the message twice.
 */
static void
on_say(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    struct user *user = visitor->user;
    const char *id = skio_get_str(args, "0.id");
    const struct message *message;
    const struct sent *sent;
    struct user *other;
    struct room *room;
    skio_bytes json;
    const char *text;
    size_t len = 0;
    bool refused;
    unsigned wait;

    room = find_room(chat, user, skio_get_str(args, "0.room"), &other, ack,
                     &refused);
    if (refused)
        return;
    if (room == NULL || !is_inside(socket, room)) {
        refuse(ack, "not_inside", "You are not in that room.");
        return;
    }
    if (!token_is_valid(id, ID_MIN, ID_MAX)) {
        refuse(ack, "bad_id", "The message has no usable id.");
        return;
    }
    sent = user_recall(user, id);
    if (sent != NULL) {
        (void)skio_ack_send(ack, "{'ok':true,'seq':%u,'at':%" PRId64 "}",
                            sent->seq, sent->at);
        return;
    }
    message = room_find_message(room, user->nick, id);
    if (message != NULL) { /* another server took it in */
        (void)skio_ack_send(ack, "{'ok':true,'seq':%u,'at':%" PRId64 "}",
                            message->seq, message->at);
        return;
    }
    text = skio_get_strn(args, "0.text", &len);
    switch (judge(text, len)) {
    case TEXT_FINE:
        break;
    case TEXT_EMPTY:
        refuse(ack, "empty", "The message is empty.");
        return;
    case TEXT_TOO_LONG:
        refuse(ack, "too_long", "The message is longer than 2000 characters.");
        return;
    case TEXT_BAD:
        refuse(ack, "bad_text", "The message has control characters in it.");
        return;
    }
    if (skio_get_slice(args, "0.text", &json) != SKIO_OK ||
        json.len > TEXT_JSON_MAX) {
        refuse(ack, "too_long", "The message is too long.");
        return;
    }
    wait = bucket_take(&user->says, 20, 5);
    if (wait > 0) {
        refuse_for_now(ack, wait);
        return;
    }
    message = room_keep(&chat->rooms, room, user->nick, id, json.data, json.len,
                        wall_clock_ms());
    if (message == NULL) {
        refuse(ack, "full", "The server is out of memory.");
        return;
    }
    user_remember(user, id, message->seq, message->at);
    chat_spread(chat, room, message);
    cluster_tell_said(chat, room, message);
    (void)skio_ack_send(ack, "{'ok':true,'seq':%u,'at':%" PRId64 "}",
                        message->seq, message->at);
}

/* Worth nothing later: dropped for whoever cannot take it now, never answered,
 * and silently ignored when it is wrong: what has another shape does not come
 * here. */
static void
on_typing(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    struct user *user = visitor->user;
    char address[ADDRESS_BYTES];
    char name[NAME_BYTES + 1];
    struct user *other;
    struct room *room;
    bool on = false;
    bool refused;

    room = find_room(chat, user, skio_get_str(args, "0.room"), &other, ack,
                     &refused);
    if (room == NULL || !is_inside(socket, room) ||
        bucket_take(&user->hints, 20, 4) > 0)
        return;
    (void)skio_get_bool(args, "0.on", &on);
    if (other != NULL) {
        user_address(address, other);
        direct_name(name, room, other);
    } else {
        room_address(address, room);
    }
    (void)skio_emit_with(chat->nsp,
                         SKIO_TARGET(.to = SKIO_ROOMS(address),
                                     .sender = socket, .flags = SKIO_VOLATILE),
                         "typing", "{'room':%s,'nick':%s,'on':%hhd}",
                         other != NULL ? name : room->name, user->nick, on);
}

/* The page waits for answers to all other events, and shows them: these refuse
 * in words of their own what is wrong. */
static int
declare(struct chat *chat)
{
    skio_shapes *shapes;
    int err = skio_shapes_new(chat->nsp, NULL, &shapes);

    if (err == SKIO_OK)
        err = skio_shapes_add(shapes, "typing", "{room: string, on: bool}",
                              NULL, NULL);
    return err;
}

int
talk_start(struct chat *chat)
{
    int err = declare(chat);

    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "say", on_say, chat);
    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "typing", on_typing, chat);
    return err;
}
