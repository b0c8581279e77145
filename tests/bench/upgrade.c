/*
 * upgrade: a polling handshake, a held poll, a probe, the upgrade; join "/"
 *
 * Two connections, as a stock client has them: the first asks for a session
 * and then polls, the second is the WebSocket that takes the session over.
 * Once the probe is answered and the poll released, "5" is sent. Then both are
 * cut, and all begins again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "load.h"

struct upgrader {
    struct watch watch; /* the first connection */
    struct client *client;
    char sid[64];
    bool probed, released;
    bool ponging; /* what is asked on that connection is a POST */
    char answer[2048];
    size_t answer_len;
};

static struct upgrader *upgraders;

static void on_ready(struct watch *watch, unsigned events);

static void
begin(struct upgrader *upgrader)
{
    struct client *client = upgrader->client;

    memset(upgrader, 0, sizeof(*upgrader));
    upgrader->client = client;
    upgrader->watch.ready = on_ready;
    client->asked = now_ns();
    net_connect(&upgrader->watch);
}

/* A server that sometimes loses a session while it is upgraded, as a client
 * would find it: all of that client begins anew. */
static void
refused(struct upgrader *upgrader, const char *answer)
{
    if (upgrader->sid[0] == '\0' || result_refused() > options.refusals)
        give_up("an upgrade was answered by %s", answer);
    client_close(upgrader->client);
    net_close(&upgrader->client->watch); /* one that does not stand yet */
    net_close(&upgrader->watch);
    if (!stopping)
        begin(upgrader);
}

static void
get(struct upgrader *upgrader)
{
    char text[512];
    int len =
        snprintf(text, sizeof(text),
                 "GET %s?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
                 "Host: 127.0.0.1\r\n\r\n",
                 options.path, upgrader->sid[0] ? "&sid=" : "", upgrader->sid);

    upgrader->answer_len = 0;
    if (net_send(&upgrader->watch, text, (size_t)len) != len)
        fail("send");
}

/* Some servers ping at once, and answer the poll with that. */
static void
post_pong(struct upgrader *upgrader)
{
    char text[512];
    int len = snprintf(text, sizeof(text),
                       "POST %s?EIO=4&transport=polling&sid=%s HTTP/1.1\r\n"
                       "Host: 127.0.0.1\r\n"
                       "Content-Type: text/plain;charset=UTF-8\r\n"
                       "Content-Length: 1\r\n\r\n3",
                       options.path, upgrader->sid);

    upgrader->ponging = true;
    upgrader->answer_len = 0;
    if (net_send(&upgrader->watch, text, (size_t)len) != len)
        fail("send");
}

static void
upgrade_if_ready(struct upgrader *upgrader)
{
    if (upgrader->probed && upgrader->released)
        client_upgrade(upgrader->client);
}

static void
answered(struct upgrader *upgrader, const char *text, size_t len)
{
    uint64_t asked = upgrader->client->asked;
    const char *sid;

    if (upgrader->ponging) {
        upgrader->ponging = false;
        get(upgrader);
        return;
    }
    if (upgrader->sid[0]) {
        if (len == 1 && text[0] == '2') {
            post_pong(upgrader);
            return;
        }
        /* A ping that comes with the release is one that may wait. */
        if (strcmp(text, "6") != 0 && strcmp(text, "2\0366") != 0)
            give_up("the poll of an upgrade was answered by %s", text);
        upgrader->released = true;
        upgrade_if_ready(upgrader);
        return;
    }
    sid = strstr(text, "\"sid\":\"");
    if (sid == NULL || sscanf(sid + 7, "%63[^\"]", upgrader->sid) != 1)
        give_up("no handshake but %s", text);
    get(upgrader);
    client_open(upgrader->client, upgrader->sid);
    upgrader->client->asked = asked;
}

static void
on_ready(struct watch *watch, unsigned events)
{
    struct upgrader *upgrader = (struct upgrader *)watch;
    char *answer = upgrader->answer;
    const char *end, *length;
    size_t size;
    ssize_t got;

    if (events & EPOLLOUT) {
        get(upgrader);
        return;
    }
    got = net_recv(watch, answer + upgrader->answer_len,
                   sizeof(upgrader->answer) - 1 - upgrader->answer_len);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        /* After the upgrade a server may close what it does not need. */
        if (!upgrader->released)
            refused(upgrader, "the end of a poll's connection");
        else
            net_close(watch);
        return;
    }
    upgrader->answer_len += (size_t)got;
    answer[upgrader->answer_len] = '\0';
    end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return;
    length = strcasestr(answer, "content-length:");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || length == NULL ||
        length > end) {
        refused(upgrader, answer);
        return;
    }
    size = strtoul(length + 15, NULL, 10);
    if (upgrader->answer_len >= (size_t)(end - answer) + 4 + size)
        answered(upgrader, end + 4, size);
}

static void
upgrade_probed(struct client *client)
{
    upgraders[client->index].probed = true;
    upgrade_if_ready(&upgraders[client->index]);
}

static void
upgrade_ready(struct client *client)
{
    struct upgrader *upgrader = &upgraders[client->index];

    result_add(now_ns() - client->asked);
    client_close(client);
    net_close(&upgrader->watch);
    if (!stopping)
        begin(upgrader);
}

static void
upgrade_message(struct client *client)
{
    give_up("client %u got a message", client->index);
}

static void
upgrade_refused(struct client *client)
{
    refused(&upgraders[client->index], "a WebSocket's refusal");
}

static const struct workload upgrading = {.ready = upgrade_ready,
                                          .message = upgrade_message,
                                          .probed = upgrade_probed,
                                          .refused = upgrade_refused};

void
run_upgrade(void)
{
    workload = &upgrading;
    upgraders = need(calloc(options.clients, sizeof(*upgraders)));
    for (unsigned i = 0; i < options.clients; i++) {
        upgraders[i].client = &clients[i];
        begin(&upgraders[i]);
    }
    result_run();
}
