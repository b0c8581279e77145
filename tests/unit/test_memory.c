/*
 * The memory adapter's arrays: each entry knows its place in the other one
 */
#include "adapter/memory.h"

#include "base/mem.h"
#include "scenario/sio.h"
#include "socketio/namespace.h"

#define SOCKETS 12
#define ROOMS 9

static skio_socket *sockets[SOCKETS];

static void
crowded(skio_server_options *options)
{
    options->max_rooms = ROOMS;
}

static struct memory *
memory_of(struct peer *peer)
{
    return skio__memory_of(skio_of(peer->server, "/")->adapter);
}

static void
connect_all(struct peer *peer)
{
    for (int i = 0; i < SOCKETS; i++)
        (void)sio_connect(peer, &sockets[i]);
}

/* Everything that memory.h says of the arrays. */
static void
check_arrays(struct peer *peer)
{
    const struct memory *memory = memory_of(peer);
    struct skio__map_node *node;
    struct skio__map_node *after;
    size_t members = 0;
    size_t memberships = 0;

    for (uint32_t i = 0; i < memory->count; i++) {
        const struct member *member = memory->all[i];

        peer_check(peer, member->index == i);
        peer_check(peer, skio__memory_member(member->socket) == member);
        memberships += member->count;
        for (uint32_t place = 0; place < member->count; place++) {
            const struct membership *own = &member->rooms[place];

            peer_check(peer, own->index < own->room->count);
            peer_check(peer, own->room->members[own->index].member == member);
            peer_check(peer, own->room->members[own->index].place == place);
        }
    }
    SKIO__MAP_EACH(&memory->rooms, node, after) {
        const struct room *room = skio__container_of(node, struct room, node);

        peer_check(peer, room->count > 0 && room->count <= room->cap);
        peer_check(peer, room->cap <= 4 || room->count > room->cap / 8);
        members += room->count;
    }
    peer_check(peer, members == memberships);
}

static const char *
room_name(unsigned number)
{
    static char name[16];

    snprintf(name, sizeof name, "room %u", number);
    return name;
}

/* Joins and leaves as chance has it, next to a table of who should be where. */
static void
wander(struct peer *peer)
{
    static bool is_in[SOCKETS][ROOMS];
    unsigned chance = 12345;

    memset(is_in, 0, sizeof is_in);
    connect_all(peer);
    for (int step = 0; step < 4000; step++) {
        unsigned who;
        unsigned room;
        bool joins;

        chance = chance * 1103515245u + 12345u;
        who = (chance >> 8) % SOCKETS;
        room = (chance >> 16) % ROOMS;
        /* It fills and empties in turn, so that arrays grow and shrink. */
        joins = (chance >> 24) % 4 < (step / 500 % 2 == 0 ? 3u : 1u);
        if (joins)
            peer_check(peer,
                       skio_join(sockets[who], room_name(room)) == SKIO_OK);
        else
            peer_check(peer, skio_leave(sockets[who], room_name(room)) ==
                                 (is_in[who][room] ? SKIO_OK : SKIO_ENOENT));
        is_in[who][room] = joins;
        if (step % 16 == 0)
            check_arrays(peer);
    }
    for (unsigned room = 0; room < ROOMS; room++) {
        size_t count = 0;

        for (int i = 0; i < SOCKETS; i++) {
            count += is_in[i][room];
            peer_check(peer, skio_in_room(sockets[i], room_name(room)) ==
                                 is_in[i][room]);
        }
        peer_check(peer, skio_room_count(skio_of(peer->server, "/"),
                                         room_name(room)) == count);
    }
    for (int i = 0; i < SOCKETS; i += 2)
        skio_disconnect(sockets[i], true);
    peer_flush(peer);
    check_arrays(peer);
    peer_check(peer, memory_of(peer)->count == SOCKETS / 2);
}

static void
both_arrays_agree_whatever_is_joined_and_left(void **state)
{
    static const struct peer_plan plan = {crowded, NULL, wander};

    (void)state;
    peer_run_once(&plan);
}

static void
count_visit(struct member *member, void *user)
{
    unsigned *visits = user;

    for (int i = 0; i < SOCKETS; i++)
        visits[i] += member->socket == sockets[i];
}

/* The bits of those who must be met, each once. */
static void
expect_visits(struct peer *peer, const skio_target *target, unsigned bits)
{
    unsigned visits[SOCKETS] = {0};

    skio__memory_visit(memory_of(peer), target, count_visit, visits);
    for (unsigned i = 0; i < SOCKETS; i++)
        peer_check(peer, visits[i] == ((bits >> i) & 1));
}

static void
visit(struct peer *peer)
{
    struct memory *memory;

    connect_all(peer);
    memory = memory_of(peer);
    for (int i = 0; i < 4; i++)
        peer_check(peer, skio_join(sockets[i], "a") == SKIO_OK);
    for (int i = 2; i < 6; i++)
        peer_check(peer, skio_join(sockets[i], "b") == SKIO_OK);
    /* The marks wear out, and begin anew. */
    for (int round = 0; round < 3; round++) {
        expect_visits(peer, NULL, 0xfff);
        expect_visits(peer, SKIO_TARGET(.to = SKIO_ROOMS("a")), 0x00f);
        expect_visits(peer, SKIO_TARGET(.to = SKIO_ROOMS("a", "b", "a")),
                      0x03f);
        expect_visits(peer,
                      SKIO_TARGET(.to = SKIO_ROOMS("a"),
                                  .except = SKIO_ROOMS("b", "none")),
                      0x003);
        expect_visits(peer,
                      SKIO_TARGET(.to = SKIO_ROOMS(skio_socket_id(sockets[7]),
                                                   "b"),
                                  .sender = sockets[3]),
                      0x0b4);
        expect_visits(peer, SKIO_TARGET(.except = SKIO_ROOMS("a", "b")), 0xfc0);
        expect_visits(peer, SKIO_TARGET(.to = SKIO_ROOMS("none")), 0);
        memory->round = UINT32_MAX - 3;
    }
}

static void
a_target_is_met_once_each_also_when_marks_wear_out(void **state)
{
    static const struct peer_plan plan = {crowded, NULL, visit};

    (void)state;
    peer_run_once(&plan);
}

static void
lack_memory(struct peer *peer)
{
    size_t live;
    int err = SKIO_ENOMEM;

    connect_all(peer);
    for (int i = 0; i < 4; i++)
        peer_check(peer, skio_join(sockets[i], "full") == SKIO_OK);
    for (unsigned i = 0; i < 4; i++)
        peer_check(peer, skio_join(sockets[4], room_name(i)) == SKIO_OK);
    /* Both arrays are full: the one's room, and the other's memberships. */
    live = peer->alloc.live;
    for (size_t n = 1; err == SKIO_ENOMEM; n++) {
        peer_check(peer, n < 10);
        test_alloc_fail(&peer->alloc, n);
        err = skio_join(sockets[4], n % 2 == 0 ? "full" : "new");
        test_alloc_fail(&peer->alloc, 0);
        check_arrays(peer);
        if (err == SKIO_ENOMEM)
            peer_check(peer, peer->alloc.live == live);
    }
    peer_check(peer, err == SKIO_OK);
    /* What cannot shrink stays as it is. */
    for (int i = 0; i < SOCKETS; i++)
        peer_check(peer, skio_join(sockets[i], "crowd") == SKIO_OK);
    test_alloc_fail_from(&peer->alloc, 1);
    for (int i = 0; i < SOCKETS; i++)
        peer_check(peer, skio_leave(sockets[i], "crowd") == SKIO_OK);
    test_alloc_fail(&peer->alloc, 0);
    peer_check(peer, skio_room_count(skio_of(peer->server, "/"), "crowd") == 0);
}

static void
without_memory_nobody_joins_and_everybody_leaves(void **state)
{
    static const struct peer_plan plan = {crowded, NULL, lack_memory};

    (void)state;
    peer_run_once(&plan);
}

static void
count_all(int err, size_t count, size_t missing, void *user)
{
    peer_note(user, "%s %d %d", skio_err_name(err), (int)count, (int)missing);
}

static void
ask(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");
    skio_adapter *adapter = root->adapter;

    connect_all(peer);
    peer_check(peer,
               skio_join(sockets[0], skio_socket_id(sockets[1])) == SKIO_OK);
    /* A socket's own room, and who joined it. */
    peer_check(peer, skio__memory_room_count(adapter,
                                             skio_socket_id(sockets[1])) == 2);
    peer_check(peer, skio__memory_room_count(adapter,
                                             skio_socket_id(sockets[0])) == 1);
    peer_check(peer, skio__memory_room_count(adapter, "none") == 0);
    peer_check(peer,
               skio__memory_count(adapter, NULL, count_all, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 12 0");
    peer_check(peer,
               skio__memory_count(adapter,
                                  SKIO_TARGET(.to = SKIO_ROOMS(
                                                  skio_socket_id(sockets[1]))),
                                  count_all, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 2 0");
    peer_check(peer,
               skio__memory_server_count(adapter, count_all, peer) == SKIO_OK);
    peer_expect_event(peer, "SKIO_OK 1 0");
}

static void
an_own_room_may_be_joined_by_others_and_counts_once(void **state)
{
    static const struct peer_plan plan = {crowded, NULL, ask};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_arrays_agree_whatever_is_joined_and_left),
        cmocka_unit_test(a_target_is_met_once_each_also_when_marks_wear_out),
        cmocka_unit_test(without_memory_nobody_joins_and_everybody_leaves),
        cmocka_unit_test(an_own_room_may_be_joined_by_others_and_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
