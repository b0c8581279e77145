#include "ceilings/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* Ahead of each block: how large it is, so that live bytes can be counted. */
union head {
    size_t size;
    max_align_t align;
};

_Noreturn void
clients_die(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

/* ---- The allocator ---- */

static void *
take(void *old, size_t size, struct clients *clients)
{
    union head *head = old != NULL ? (union head *)old - 1 : NULL;

    if (head != NULL)
        clients->live_bytes -= head->size;
    clients->tally.allocations++;
    clients->tally.bytes += size;
    clients->live_bytes += size;
    head = realloc(head, sizeof *head + size);
    MUST(head != NULL);
    head->size = size;
    return head + 1;
}

static void *
count_malloc(size_t size, void *user)
{
    return take(NULL, size, user);
}

static void *
count_realloc(void *old, size_t size, void *user)
{
    return take(old, size, user);
}

static void
count_free(void *block, void *user)
{
    struct clients *clients = user;
    union head *head = block;

    if (head == NULL)
        return;
    head--;
    clients->live_bytes -= head->size;
    free(head);
}

/* ---- The transport's hooks ---- */

static uint64_t
now_ms(void *transport)
{
    return ((struct clients *)transport)->now;
}

static void
wants_flush(void *transport)
{
    ((struct clients *)transport)->wants_flush = true;
}

static void
wants_timer(void *transport)
{
    (void)transport; /* clients_wait() asks */
}

static void
write_bytes(struct clients *clients, const void *data, size_t len)
{
    clients->tally.written += len;
    if (!clients->records || len == 0)
        return;
    if (clients->record_len + len >= clients->record_cap) {
        clients->record_cap = (clients->record_len + len + 1) * 2;
        clients->record = realloc(clients->record, clients->record_cap);
        MUST(clients->record != NULL);
    }
    memcpy(clients->record + clients->record_len, data, len);
    clients->record_len += len;
    clients->record[clients->record_len] = '\0';
}

static void
respond(void *handle, const skio_response *response)
{
    struct client_request *request = handle;

    MUST(response->status == 200);
    request->exchange = NULL;
    write_bytes(request->all, response->body, response->body_len);
}

/* As for a socket that takes everything. */
static void
ws_flush(void *handle)
{
    struct client *client = handle;
    skio_bytes slices[16];
    size_t count;

    while ((count = skio_ws_peek(client->ws, slices, 16)) > 0) {
        size_t written = 0;

        for (size_t i = 0; i < count; i++) {
            write_bytes(client->all, slices[i].data, slices[i].len);
            written += slices[i].len;
        }
        skio_ws_consume(client->ws, written);
    }
}

static void
destroy(void *transport)
{
    struct clients *clients = transport;

    for (size_t i = 0; i < clients->count; i++)
        client_hang_up(&clients->list[i]);
}

/* ---- The server ---- */

/* xorshift64: ids must differ, and be the same in each run. */
static void
fill_random(void *buf, size_t len, void *user)
{
    struct clients *clients = user;
    unsigned char *bytes = buf;

    for (size_t i = 0; i < len; i++) {
        clients->random ^= clients->random << 13;
        clients->random ^= clients->random >> 7;
        clients->random ^= clients->random << 17;
        bytes[i] = (unsigned char)(clients->random >> 32);
    }
}

static const char *
fixed_name(void)
{
    return "fixed";
}

static uint32_t
fixed_random(void)
{
    return 0x9e3779b9u;
}

static void
fixed_buf(void *const buf, const size_t size)
{
    memset(buf, 0x9e, size);
}

/*
 * Libsodium's, of which the server makes the key of its hashes: with another
 * in each run, a table would be enlarged now and then for one more name.
 */
static void
fix_hashes(void)
{
    static randombytes_implementation fixed = {
        .implementation_name = fixed_name,
        .random = fixed_random,
        .buf = fixed_buf,
    };

    MUST(randombytes_set_implementation(&fixed) == 0);
}

static void
on_connect(skio_socket *socket, void *user)
{
    ((struct clients *)user)->socket = socket;
}

void
clients_init(struct clients *clients, size_t cap)
{
    static const skio_transport hooks = {
        .struct_size = sizeof hooks,
        .now_ms = now_ms,
        .wants_flush = wants_flush,
        .wants_timer = wants_timer,
        .respond = respond,
        .ws_flush = ws_flush,
        .destroy = destroy,
    };
    skio_server_options options;

    memset(clients, 0, sizeof *clients);
    clients->now = 1000;
    clients->random = 0x9e3779b97f4a7c15u;
    clients->cap = cap;
    clients->list = calloc(cap, sizeof *clients->list);
    MUST(clients->list != NULL);

    clients->allocator.malloc = count_malloc;
    clients->allocator.realloc = count_realloc;
    clients->allocator.free = count_free;
    clients->allocator.user = clients;
    skio_server_options_init(&options);
    options.allocator = clients->allocator;
    options.random = fill_random;
    options.random_user = clients;
    options.max_connections_per_address = UINT32_MAX;
    options.max_unconnected = UINT32_MAX;

    fix_hashes();
    MUST(skio_server_new(&clients->server, &options) == SKIO_OK);
    MUST(skio_transport_attach(clients->server, &hooks, clients) == SKIO_OK);
    clients->root = skio_of(clients->server, "/");
    MUST(clients->root != NULL);
    MUST(skio_on_connect(clients->root, on_connect, clients) == SKIO_OK);
}

void
clients_deinit(struct clients *clients)
{
    skio_server_free(clients->server);
    MUST(clients->live_bytes == 0);
    free(clients->record);
    free(clients->list);
}

void
clients_forget(struct clients *clients)
{
    memset(&clients->tally, 0, sizeof clients->tally);
}

void
clients_record(struct clients *clients, bool records)
{
    clients->records = records;
    clients->record_len = 0;
}

void
clients_flush(struct clients *clients)
{
    if (!clients->wants_flush)
        return;
    clients->wants_flush = false;
    skio_transport_flush(clients->server);
}

void
clients_wait(struct clients *clients, uint32_t ms)
{
    clients->now += ms;
    /* What is due at once may be done in several turns. */
    while (skio_transport_next_timeout(clients->server) == 0) {
        skio_transport_timeout(clients->server);
        clients_flush(clients);
    }
}

/* ---- Clients ---- */

/* As the stock client for Node sends them. */
static const char upgrade_headers[] =
    "host\0localhost:3000\0connection\0Upgrade\0upgrade\0websocket\0"
    "sec-websocket-version\0"
    "13\0sec-websocket-key\0dGhlIHNhbXBsZSBub25jZQ==\0"
    "sec-websocket-extensions\0permessage-deflate; client_max_window_bits";
static const char polling_headers[] =
    "host\0localhost:3000\0connection\0keep-alive\0accept\0*/*\0"
    "content-type\0text/plain;charset=UTF-8";

static int
begin(struct client_request *handle, const char *method, const char *query,
      int64_t content_length, bool upgrade)
{
    const skio_request request = {
        .method = method,
        .path = "/socket.io/",
        .query = query,
        .headers = upgrade ? upgrade_headers : polling_headers,
        .headers_len =
            upgrade ? sizeof upgrade_headers : sizeof polling_headers,
        .address = "192.0.2.1",
        .upgrade = upgrade,
        .content_length = content_length,
    };

    return skio_exchange_new(handle->all->server, &request, handle,
                             &handle->exchange);
}

static struct client *
new_client(struct clients *clients)
{
    struct client *client = &clients->list[clients->count];

    MUST(clients->count < clients->cap);
    clients->count++;
    client->all = clients;
    client->poll.all = clients;
    client->post.all = clients;
    return client;
}

struct client *
client_connect(struct clients *clients)
{
    struct client *client = new_client(clients);
    skio_exchange *exchange;

    clients->socket = NULL;
    MUST(begin(&client->poll, "GET", "EIO=4&transport=websocket", -1, true) ==
         SKIO_EXCHANGE_UPGRADE);
    exchange = client->poll.exchange;
    client->poll.exchange = NULL;
    client->ws = skio_ws_open(exchange, client);
    MUST(client->ws != NULL);
    clients_flush(clients);
    client_say(client, "40", 2);
    clients_flush(clients);
    MUST(clients->socket != NULL);
    client->socket = clients->socket;
    return client;
}

struct client *
client_connect_polling(struct clients *clients)
{
    struct client *client = new_client(clients);
    const char *sid;

    clients->socket = NULL;
    clients_record(clients, true);
    MUST(begin(&client->poll, "GET", "EIO=4&transport=polling", -1, false) ==
         SKIO_EXCHANGE_ANSWERED);
    sid = strstr(clients->record, "\"sid\":\"");
    MUST(sid != NULL);
    snprintf(client->query, sizeof client->query,
             "EIO=4&transport=polling&sid=%.20s", sid + strlen("\"sid\":\""));
    clients_record(clients, false);

    client_post(client, "40", 2);
    clients_flush(clients);
    client_poll(client);
    MUST(client->poll.exchange == NULL && clients->socket != NULL);
    client->socket = clients->socket;
    return client;
}

void
client_say(struct client *client, const char *text, size_t len)
{
    skio_ws_receive(client->ws, text, len, false, true, true);
}

void
client_hang_up(struct client *client)
{
    skio_ws *ws = client->ws;
    skio_exchange *poll = client->poll.exchange;

    client->ws = NULL;
    client->poll.exchange = NULL;
    if (ws != NULL)
        skio_ws_closed(ws, true);
    if (poll != NULL)
        skio_exchange_abort(poll);
}

void
client_poll(struct client *client)
{
    int state = begin(&client->poll, "GET", client->query, -1, false);

    MUST(state == SKIO_EXCHANGE_ANSWERED || state == SKIO_EXCHANGE_HELD);
}

void
client_post(struct client *client, const char *body, size_t len)
{
    MUST(begin(&client->post, "POST", client->query, (int64_t)len, false) ==
         SKIO_EXCHANGE_BODY);
    MUST(skio_exchange_body(client->post.exchange, body, len) == SKIO_OK);
    MUST(skio_exchange_end(client->post.exchange) == SKIO_EXCHANGE_ANSWERED);
}
