/* connect: connect by WebSocket, join "/", cut the connection, again. */
#include "load.h"

static void
connect_ready(struct client *client)
{
    result_add(now_ns() - client->asked);
    client_close(client);
    if (stopping)
        return;
    client_open(client, NULL);
    client->asked = now_ns();
}

static void
connect_message(struct client *client)
{
    give_up("client %u got a message", client->index);
}

static const struct workload connecting = {.ready = connect_ready,
                                           .message = connect_message};

void
run_connect(void)
{
    workload = &connecting;
    for (unsigned i = 0; i < options.clients; i++) {
        client_open(&clients[i], NULL);
        clients[i].asked = now_ns();
    }
    result_run();
}
