#include "ceilings/operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "socketio/message.h"
#include "socketio/packet.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_32 "abcdefghijklmnopqrstuvwxyz012345"
#define ROOMS 10
#define DEPTH 16

/* What clients say in an operation. */
static struct {
    char data[17000];
    size_t len;
} said;

static void
say_text(const char *text)
{
    said.len = strlen(text);
    MUST(said.len < sizeof said.data);
    memcpy(said.data, text, said.len + 1);
}

/* `420["echo","xxx…"]` with so many of them. */
static void
say_echo_of(size_t len)
{
    static const char head[] = "420[\"echo\",\"";

    said.len = sizeof head - 1 + len + 2;
    MUST(said.len < sizeof said.data);
    memcpy(said.data, head, sizeof head - 1);
    memset(said.data + sizeof head - 1, 'x', len);
    memcpy(said.data + sizeof head - 1 + len, "\"]", 3);
}

/* ---- Packets and messages alone ---- */

static const struct sio_packet_limits packet_limits = {
    .max_attachments = 10,
    .max_json_depth = 64,
    .max_name_bytes = 256,
};

static void
prepare_decode(struct clients *clients)
{
    (void)clients;
    say_text("2[\"chat\",{\"from\":\"alice\",\"text\":\"" TEXT_32
             "\",\"at\":1700000000000,\"tags\":[\"a\",\"b\"]}]");
}

static void
decode(struct clients *clients, unsigned rounds)
{
    struct sio_packet packet;
    const char *why;

    while (rounds-- > 0) {
        MUST(skio__packet_decode(said.data, said.len, &packet_limits, &packet,
                                 &why) == SKIO_OK);
        clients->tally.calls += packet.type == SIO_EVENT && packet.count == 2;
    }
}

static struct skio__buf scratch;

static void
prepare_encode(struct clients *clients)
{
    skio__buf_init(&scratch, &clients->allocator);
}

static void
finish_encode(void)
{
    skio__buf_deinit(&scratch);
}

static int
encode_event(const struct sio_encoder *encoder, struct skio_message **out,
             const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio__message_event(encoder, "chat", SIO_NO_ID, format, &args, out);
    va_end(args);
    return err;
}

static void
encode(struct clients *clients, unsigned rounds)
{
    const struct sio_encoder encoder = {
        .mem = &clients->allocator,
        .scratch = &scratch,
        .nsp = "/",
        .max_attachments = 10,
        .max_json_depth = 64,
        .max_name_bytes = 256,
        .max_bytes = 1000000,
    };

    while (rounds-- > 0) {
        struct skio_message *message = NULL;

        MUST(encode_event(&encoder, &message,
                          "{'from':%s,'text':%s,'at':%lld,'tags':['a','b']}",
                          "alice", TEXT_32, 1700000000000LL) == SKIO_OK);
        clients->tally.calls += message->bytes > 0;
        skio__message_unref(message);
    }
}

/* ---- Events ---- */

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct clients *clients = user;

    (void)socket;
    clients->tally.calls += skio_ack_send(ack, "%p", SKIO_VALUE(args)) == 0;
}

static void
on_note(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct clients *clients = user;

    (void)socket;
    (void)ack;
    clients->tally.calls += skio_get_str(args, "0") != NULL;
}

static void
prepare_echo(struct clients *clients)
{
    MUST(skio_on(clients->root, "echo", on_echo, clients) == SKIO_OK);
    say_text("420[\"echo\",\"" TEXT_32 "\"]");
}

static void
prepare_echo_512(struct clients *clients)
{
    prepare_echo(clients);
    say_echo_of(512);
}

static void
prepare_echo_16k(struct clients *clients)
{
    prepare_echo(clients);
    say_echo_of(16384);
}

static void
prepare_echo_binary(struct clients *clients)
{
    prepare_echo(clients);
    say_text("451-0[\"echo\",{\"_placeholder\":true,\"num\":0}]");
}

static void
prepare_receive(struct clients *clients)
{
    MUST(skio_on(clients->root, "note", on_note, clients) == SKIO_OK);
    say_text("42[\"note\",\"" TEXT_32 "\"]");
}

/* Each message is a turn of its own. */
static void
talk(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        client_say(clients->list, said.data, said.len);
        clients_flush(clients);
    }
}

/* All that arrived at once is one turn. */
static void
talk_fast(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        for (int i = 0; i < DEPTH; i++)
            client_say(clients->list, said.data, said.len);
        clients_flush(clients);
    }
}

/* Many clients' messages are one turn. */
static void
talk_all(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        for (size_t n = 0; n < clients->count; n++) {
            for (int i = 0; i < DEPTH; i++)
                client_say(&clients->list[n], said.data, said.len);
        }
        clients_flush(clients);
    }
}

static void
talk_binary(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        client_say(clients->list, said.data, said.len);
        skio_ws_receive(clients->list->ws, TEXT_32, 32, true, true, true);
        clients_flush(clients);
    }
}

static void
emit(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        clients->tally.calls +=
            skio_emit(clients->socket, "news", "%s, %d", TEXT_32, 42) == 0;
        clients_flush(clients);
    }
}

/* ---- Broadcasts and rooms ---- */

static void
broadcast(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        clients->tally.calls +=
            skio_emit_all(clients->root, "news", "%s, %d", TEXT_32, 42) == 0;
        clients_flush(clients);
    }
}

static void
broadcast_fast(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        for (int i = 0; i < DEPTH; i++)
            clients->tally.calls += skio_emit_all(clients->root, "news",
                                                  "%s, %d", TEXT_32, 42) == 0;
        clients_flush(clients);
    }
}

/* The clients that there are go to ROOMS rooms. */
static void
prepare_rooms(struct clients *clients)
{
    char room[16];

    for (size_t i = 0; i < clients->count; i++) {
        snprintf(room, sizeof room, "room-%zu", i % ROOMS);
        MUST(skio_join(clients->list[i].socket, room) == SKIO_OK);
    }
}

static void
emit_to_rooms(struct clients *clients, unsigned rounds)
{
    char room[] = "room-0";

    while (rounds-- > 0) {
        for (char i = 0; i < ROOMS; i++) {
            room[5] = (char)('0' + i);
            clients->tally.calls += skio_emit_to(clients->root, room, "news",
                                                 "%s, %d", TEXT_32, 42) == 0;
        }
        clients_flush(clients);
    }
}

static void
join_and_leave(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        clients->tally.calls += skio_join(clients->socket, "lobby") == SKIO_OK;
        clients->tally.calls += skio_leave(clients->socket, "lobby") == SKIO_OK;
    }
}

/* ---- Connections ---- */

static void
connect_clients(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        client_connect(clients);
        clients->tally.calls++;
    }
}

static void
count_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct clients *clients = user;

    (void)socket;
    clients->tally.calls += reason == SKIO_DISCONNECT_TRANSPORT_CLOSE;
}

static void
prepare_disconnect(struct clients *clients)
{
    MUST(skio_on_disconnect(clients->root, count_disconnect, clients) ==
         SKIO_OK);
}

static void
disconnect_clients(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        client_hang_up(&clients->list[clients->gone++]);
        clients_flush(clients);
    }
}

/* A ping to each, and the pongs. */
static void
heartbeat(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        clients_wait(clients, 25000);
        for (size_t i = 0; i < clients->count; i++)
            client_say(&clients->list[i], "3", 1);
        clients_flush(clients);
    }
}

/* A poll waits, an event comes by POST and its ack answers the poll. */
static void
echo_polling(struct clients *clients, unsigned rounds)
{
    while (rounds-- > 0) {
        client_poll(clients->list);
        client_post(clients->list, said.data, said.len);
        clients_flush(clients);
        MUST(clients->list->poll.exchange == NULL);
    }
}

/* ---- The table ---- */

#define NEWS "42[\"news\",\"" TEXT_32 "\",42]"
#define ECHOED "430[\"" TEXT_32 "\"]"

const struct operation operations[] = {
    {.name = "decode",
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .prepare = prepare_decode,
     .run = decode},
    {.name = "encode",
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .prepare = prepare_encode,
     .run = encode,
     .finish = finish_encode},
    {.name = "receive",
     .clients = 1,
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .prepare = prepare_receive,
     .run = talk},
    {.name = "emit",
     .clients = 1,
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .writes = NEWS,
     .messages = 1,
     .run = emit},
    {.name = "echo",
     .clients = 1,
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .writes = ECHOED,
     .messages = 1,
     .prepare = prepare_echo,
     .run = talk},
    {.name = "echo-depth-16",
     .clients = 1,
     .rounds = 100,
     .per_round = DEPTH,
     .calls = DEPTH,
     .writes = ECHOED,
     .messages = DEPTH,
     .prepare = prepare_echo,
     .run = talk_fast},
    {.name = "echo-of-100",
     .clients = 100,
     .rounds = 5,
     .per_round = 100 * DEPTH,
     .calls = 100 * DEPTH,
     .writes = ECHOED,
     .messages = 100 * DEPTH,
     .prepare = prepare_echo,
     .run = talk_all},
    {.name = "echo-512",
     .clients = 1,
     .rounds = 500,
     .per_round = 1,
     .calls = 1,
     .writes = "430[\"xxxx*",
     .next = "430[\"xxxx*",
     .messages = 1,
     .prepare = prepare_echo_512,
     .run = talk},
    {.name = "echo-16k",
     .clients = 1,
     .rounds = 100,
     .per_round = 1,
     .calls = 1,
     .writes = "430[\"xxxx*",
     .next = "430[\"xxxx*",
     .messages = 1,
     .prepare = prepare_echo_16k,
     .run = talk},
    {.name = "echo-binary",
     .clients = 1,
     .rounds = 500,
     .per_round = 1,
     .calls = 1,
     .writes = "461-0[{\"_placeholder\":true,\"num\":0}]*",
     .next = TEXT_32 "*",
     .messages = 2,
     .prepare = prepare_echo_binary,
     .run = talk_binary},
    {.name = "echo-polling",
     .clients = 1,
     .rounds = 500,
     .per_round = 1,
     .calls = 1,
     .writes = "ok" ECHOED,
     .messages = 1,
     .polls = true,
     .prepare = prepare_echo,
     .run = echo_polling},
    {.name = "broadcast",
     .clients = 1000,
     .rounds = 10,
     .per_round = 1000,
     .calls = 1,
     .writes = NEWS,
     .messages = 1000,
     .run = broadcast},
    {.name = "broadcast-depth-16",
     .clients = 1000,
     .rounds = 2,
     .per_round = 1000 * DEPTH,
     .calls = DEPTH,
     .writes = NEWS,
     .messages = 1000 * DEPTH,
     .run = broadcast_fast},
    {.name = "rooms-of-100",
     .clients = 100 * ROOMS,
     .rounds = 10,
     .per_round = 100 * ROOMS,
     .calls = ROOMS,
     .writes = NEWS,
     .messages = 100 * ROOMS,
     .prepare = prepare_rooms,
     .run = emit_to_rooms},
    {.name = "join-leave",
     .clients = 1,
     .rounds = 500,
     .per_round = 1,
     .calls = 2,
     .run = join_and_leave},
    {.name = "connect",
     .clients = 1,
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .writes = "0{\"sid\":\"*",
     .next = "40{\"sid\":\"*",
     .messages = 2,
     .run = connect_clients},
    {.name = "disconnect",
     .clients = 1010,
     .rounds = 1000,
     .per_round = 1,
     .calls = 1,
     .prepare = prepare_disconnect,
     .run = disconnect_clients},
    {.name = "heartbeat",
     .clients = 1000,
     .rounds = 5,
     .per_round = 1000,
     .writes = "2",
     .messages = 1000,
     .run = heartbeat},
};

const size_t operation_count = COUNT(operations);

const struct operation *
operation_find(const char *name)
{
    for (size_t i = 0; i < COUNT(operations); i++) {
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    }
    return NULL;
}

void
operation_count_rounds(const struct operation *operation,
                       struct clients *clients)
{
    operation->run(clients, operation->rounds);
}
