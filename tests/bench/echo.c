/* echo: every client asks with an ack, --depth at a time. */
#include "load.h"

static char *frames;
static size_t frames_len;
static uint64_t outstanding;
static bool all_answered;

static void
ask(struct client *client)
{
    client->asked = now_ns();
    client->waiting = options.depth;
    outstanding += options.depth;
    client_write(client, frames, frames_len);
}

static void
echo_message(struct client *client)
{
    if (client->waiting == 0)
        give_up("client %u got an ack that it did not ask for", client->index);
    result_add(now_ns() - client->asked);
    client->waiting--;
    outstanding--;
    if (client->waiting == 0 && !stopping)
        ask(client);
    all_answered = outstanding == 0;
}

static const struct workload echo = {.message = echo_message,
                                     .closed = client_lost};

void
run_echo(void)
{
    workload = &echo;
    expected = event_new("431[", options.size, &expected_len);
    frames =
        event_frames("421[\"echo\",", options.size, options.depth, &frames_len);
    for (unsigned i = 0; i < options.clients; i++)
        ask(&clients[i]);
    result_run();
    all_answered = outstanding == 0;
    net_run_until(&all_answered, "all answers come");
}
