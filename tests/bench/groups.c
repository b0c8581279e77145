/*
 * broadcast and room: one client of a group asks, each delivery counts
 *
 * The next is asked when all of the group have got all of the last. With rooms
 * there are as many groups as rooms; a broadcast is one group of all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct group {
    struct client *sender;
    char *frames;
    size_t frames_len;
    unsigned members;
    uint64_t missing; /* deliveries until the next round */
    uint64_t asked;   /* messages in all rounds */
};

static struct group *groups;
static unsigned group_count;
static uint64_t outstanding;
static bool all_delivered;

static void
group_ask(struct group *group)
{
    group->missing = (uint64_t)group->members * options.depth;
    outstanding += group->missing;
    group->asked += options.depth;
    group->sender->asked = now_ns();
    client_write(group->sender, group->frames, group->frames_len);
}

static void
group_message(struct client *client)
{
    struct group *group = &groups[client->index % group_count];

    /* Nobody gets one twice, so that nobody misses one in a whole round. */
    if (++client->received > group->asked)
        give_up("client %u got %llu messages of %llu", client->index,
                (unsigned long long)client->received,
                (unsigned long long)group->asked);
    result_add(now_ns() - group->sender->asked);
    group->missing--;
    outstanding--;
    if (group->missing == 0 && !stopping)
        group_ask(group);
    all_delivered = outstanding == 0;
}

static const struct workload grouped = {.message = group_message,
                                        .closed = client_lost};

/* ----------------------------------------------------------------- joining */

static unsigned room_count, wanted, unjoined;
static bool all_joined;

static void
join_next(struct client *client)
{
    char text[64];

    if (client->waiting == 0)
        snprintf(text, sizeof(text), "421[\"join\",\"room%u\"]",
                 client->index % room_count);
    else
        snprintf(text, sizeof(text), "421[\"join\",\"more%u\"]",
                 client->waiting);
    client_write_text(client, text);
}

static void
join_message(struct client *client)
{
    if (++client->waiting < wanted)
        join_next(client);
    else
        all_joined = --unjoined == 0;
}

static const struct workload join = {.message = join_message,
                                     .closed = client_lost};

void
join_rooms(unsigned count, unsigned memberships)
{
    room_count = count;
    wanted = memberships;
    unjoined = options.clients;
    workload = &join;
    expected = "431[true]";
    expected_len = strlen(expected);
    for (unsigned i = 0; i < options.clients; i++)
        join_next(&clients[i]);
    net_run_until(&all_joined, "all clients join");
    for (unsigned i = 0; i < options.clients; i++)
        clients[i].waiting = 0;
}

void
run_groups(unsigned count, bool rooms)
{
    char prefix[64];

    group_count = count;
    groups = need(calloc(count, sizeof(*groups)));
    for (unsigned i = 0; i < options.clients; i++) {
        struct group *group = &groups[i % count];

        group->members++;
        if (group->sender != NULL)
            continue;
        group->sender = &clients[i];
        snprintf(prefix, sizeof(prefix), "42[\"room\",\"room%u\",", i);
        group->frames =
            event_frames(rooms ? prefix : "42[\"broadcast\",", options.size,
                         options.depth, &group->frames_len);
    }

    workload = &grouped;
    expected = event_new(rooms ? "42[\"room\"," : "42[\"broadcast\",",
                         options.size, &expected_len);
    for (unsigned i = 0; i < count; i++)
        group_ask(&groups[i]);
    result_run();
    all_delivered = outstanding == 0;
    net_run_until(&all_delivered, "all are delivered");
}
