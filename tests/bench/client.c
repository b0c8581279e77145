/* One Socket.IO client on a WebSocket: as little of it as a load needs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "load.h"

const struct workload *workload;
struct client *clients;

const char *expected;
size_t expected_len;

/* Shared by all: nothing of a payload is kept but its prefix. */
static unsigned char buffer[256 * 1024];

static unsigned to_open, opened, opening;
static bool all_ready;

static const char browser_headers[] =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n"
    "Pragma: no-cache\r\nCache-Control: no-cache\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

char *
frame_new(const char *text, size_t len, size_t *frame_len)
{
    /* The mask is zero: the server unmasks all the same. */
    unsigned char *frame = need(calloc(1, len + 14));
    size_t head = 2;

    frame[0] = 0x81;
    if (len < 126) {
        frame[1] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(len >> 8);
        frame[3] = (unsigned char)len;
        head = 4;
    } else {
        frame[1] = 0x80 | 127;
        for (unsigned i = 0; i < 8; i++)
            frame[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
        head = 10;
    }
    memcpy(frame + head + 4, text, len);
    *frame_len = head + 4 + len;
    return (char *)frame;
}

char *
event_new(const char *prefix, size_t size, size_t *len)
{
    size_t prefix_len = strlen(prefix);
    char *text = need(malloc(prefix_len + size + 4));

    memcpy(text, prefix, prefix_len);
    text[prefix_len] = '"';
    memset(text + prefix_len + 1, 'x', size);
    memcpy(text + prefix_len + 1 + size, "\"]", 3);
    *len = prefix_len + size + 3;
    return text;
}

char *
event_frames(const char *prefix, size_t size, unsigned count, size_t *len)
{
    size_t text_len, frame_len;
    char *text = event_new(prefix, size, &text_len);
    char *frame = frame_new(text, text_len, &frame_len);
    char *all = need(malloc(frame_len * count));

    for (unsigned i = 0; i < count; i++)
        memcpy(all + i * frame_len, frame, frame_len);
    free(frame);
    free(text);
    *len = frame_len * count;
    return all;
}

void
client_lost(struct client *client)
{
    give_up("client %u was disconnected", client->index);
}

void
client_close(struct client *client)
{
    if (client->state == CLOSED)
        return;
    client->state = CLOSED;
    net_close(&client->watch);
    free(client->out);
    client->out = NULL;
    client->out_len = 0;
    if (workload->closed != NULL)
        workload->closed(client);
}

void
client_write(struct client *client, const char *data, size_t len)
{
    ssize_t sent = 0;

    if (client->out_len == 0) {
        sent = net_send(&client->watch, data, len);
        if (sent < 0) {
            if (errno != EAGAIN)
                fail("send");
            sent = 0;
        }
        if ((size_t)sent == len)
            return;
        net_want_write(&client->watch, true);
    }
    client->out =
        need(realloc(client->out, client->out_len + len - (size_t)sent));
    memcpy(client->out + client->out_len, data + sent, len - (size_t)sent);
    client->out_len += len - (size_t)sent;
}

static void
write_rest(struct client *client)
{
    ssize_t sent;

    if (client->out_len > 0) {
        sent = net_send(&client->watch, client->out, client->out_len);
        if (sent < 0) {
            if (errno != EAGAIN)
                fail("send");
            return;
        }
        client->out_len -= (size_t)sent;
        memmove(client->out, client->out + sent, client->out_len);
        if (client->out_len > 0)
            return;
    }
    free(client->out);
    client->out = NULL;
    net_want_write(&client->watch, false);
}

void
client_write_text(struct client *client, const char *text)
{
    size_t len;
    char *frame = frame_new(text, strlen(text), &len);

    client_write(client, frame, len);
    free(frame);
}

/* The next one of clients_open(): a window of them, so that no backlog
 * overflows. */
static void
open_more(void)
{
    while (opening < to_open && opening - opened < 256)
        client_open(&clients[opening++], NULL);
}

static void
receive_join(struct client *client)
{
    client->state = READY;
    opened++;
    open_more();
    if (opened == to_open)
        all_ready = true;
    if (workload->ready != NULL)
        workload->ready(client);
}

static bool
begins(const struct client *client, const char *text)
{
    size_t len = strlen(text);

    return client->prefix_len >= len && memcmp(client->prefix, text, len) == 0;
}

static void
receive_message(struct client *client)
{
    if (begins(client, "2") && client->arrived == 1) {
        client_write_text(client, "3");
        if (workload->pinged != NULL)
            workload->pinged(client);
    } else if (client->state == OPENING && begins(client, "0")) {
        client->state = JOINING;
        client_write_text(client, "40");
    } else if (client->state == PROBING && begins(client, "3probe")) {
        workload->probed(client);
    } else if (client->state == JOINING && begins(client, "40{\"sid\":\"")) {
        receive_join(client);
    } else if (client->state == READY && begins(client, "4")) {
        if (expected != NULL &&
            (client->differs || client->arrived != expected_len))
            give_up("client %u got %zu bytes that are not as expected: %.*s",
                    client->index, client->arrived, (int)client->prefix_len,
                    client->prefix);
        workload->message(client);
    } else {
        give_up("client %u did not expect %.*s", client->index,
                (int)client->prefix_len, client->prefix);
    }
}

/* So much of a payload, where arrived bytes are before it. */
static void
receive_payload(struct client *client, const unsigned char *data, size_t len)
{
    size_t at = client->arrived;
    unsigned room = PREFIX_SIZE - client->prefix_len;
    unsigned more = len < room ? (unsigned)len : room;

    memcpy(client->prefix + client->prefix_len, data, more);
    client->prefix_len += more;
    if (expected != NULL &&
        (at + len > expected_len || memcmp(data, expected + at, len) != 0))
        client->differs = true;
    client->arrived += len;
    client->left -= len;
}

/* Bytes of frames; the payload of a message is counted, not kept. */
static void
receive_frames(struct client *client, const unsigned char *data, size_t len)
{
    while (len > 0 && client->state != CLOSED) {
        size_t take;

        if (!client->in_payload) {
            unsigned need = 2;

            client->head[client->head_len++] = *data++;
            len--;
            if (client->head_len >= 2 && (client->head[1] & 127) >= 126)
                need = (client->head[1] & 127) == 126 ? 4 : 10;
            if (client->head_len < need)
                continue;
            client->left = client->head[1] & 127;
            if (need > 2) {
                client->left = 0;
                for (unsigned i = 2; i < need; i++)
                    client->left = client->left << 8 | client->head[i];
            }
            if ((client->head[0] & 0xf0) != 0x80 || client->head[1] & 0x80)
                give_up("client %u got a frame it does not know: %02x %02x",
                        client->index, client->head[0], client->head[1]);
            client->in_payload = true;
            client->prefix_len = 0;
            client->arrived = 0;
            client->differs = false;
            client->head_len = 0;
        }

        take = client->left < len ? (size_t)client->left : len;
        receive_payload(client, data, take);
        data += take;
        len -= take;
        if (client->left == 0) {
            client->in_payload = false;
            if ((client->head[0] & 0x0f) == 8) {
                client_close(client);
                return;
            }
            if ((client->head[0] & 0x0f) <= 2)
                receive_message(client);
        }
    }
}

/* Skip the headers of the 101; what follows them are frames. */
static void
receive_http(struct client *client, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == (client->blank % 2 == 0 ? '\r' : '\n'))
            client->blank++;
        else
            client->blank = data[i] == '\r';
        if (client->blank == 4) {
            client->state = OPENING;
            if (client->sid != NULL) {
                client->state = PROBING;
                client_write_text(client, "2probe");
            }
            receive_frames(client, data + i + 1, len - i - 1);
            return;
        }
    }
}

static void
send_upgrade(struct client *client)
{
    char request[2048];
    int len = snprintf(request, sizeof(request),
                       "GET %s?EIO=4&transport=websocket%s%s HTTP/1.1\r\n"
                       "Host: 127.0.0.1\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "%s%s\r\n",
                       options.path, client->sid != NULL ? "&sid=" : "",
                       client->sid != NULL ? client->sid : "",
                       !options.browser ? ""
                       : options.tls    ? "Origin: https://127.0.0.1\r\n"
                                        : "Origin: http://127.0.0.1\r\n",
                       options.browser ? browser_headers : "");

    client->state = UPGRADING;
    client_write(client, request, (size_t)len);
}

/* Before it has joined: a workload may bear it, and begin anew. */
static void
refused(struct client *client, const char *answer, int len)
{
    if (workload->refused == NULL)
        give_up("client %u was refused: %.*s", client->index, len, answer);
    workload->refused(client);
}

static void
on_ready(struct watch *watch, unsigned events)
{
    struct client *client = (struct client *)watch;
    ssize_t got;

    if (events & EPOLLOUT) {
        if (client->state == CLOSED) {
            net_want_write(watch, false);
            send_upgrade(client);
        } else {
            write_rest(client);
        }
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    got = net_recv(watch, buffer, sizeof(buffer));
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return;
        if (client->state != READY)
            refused(client, "closed", 6);
        else
            client_close(client);
    } else if (client->state == UPGRADING) {
        if (client->blank == 0 && memcmp(buffer, "HTTP/1.1 101", 12) != 0)
            refused(client, (const char *)buffer, got < 200 ? (int)got : 200);
        else
            receive_http(client, buffer, (size_t)got);
    } else {
        receive_frames(client, buffer, (size_t)got);
    }
}

void
client_open(struct client *client, const char *sid)
{
    unsigned index = client->index;

    memset(client, 0, sizeof(*client));
    client->index = index;
    client->sid = sid;
    client->watch.ready = on_ready;
    net_connect(&client->watch);
}

void
client_upgrade(struct client *client)
{
    client->state = JOINING;
    client_write_text(client, "5");
    client_write_text(client, "40");
}

void
clients_open(unsigned count)
{
    to_open += count;
    all_ready = false;
    open_more();
    net_run_until(&all_ready, "all clients connect");
}
