/*
 * Binary packets whose attachments are still to come: assembly.h
 */
#include "socketio/assembly.h"

#include "base/mem.h"
#include "scenario/sio.h"

#define MAX_BYTES 1000

static void
small(skio_server_options *options)
{
    options->max_http_buffer_size = MAX_BYTES;
    options->attachment_timeout_ms = 500;
}

static struct sio_client *
client_of(struct peer *peer)
{
    skio_socket *socket;

    (void)sio_connect(peer, &socket);
    return skio__session_state(skio_socket_session(socket));
}

static int
decode(const char *text, struct sio_packet *packet)
{
    const struct sio_packet_limits limits = {
        .max_attachments = 10,
        .max_json_depth = 10,
        .max_name_bytes = 100,
    };
    const char *why;

    return skio__packet_decode(text, strlen(text), &limits, packet, &why);
}

/* An assembly of a text that is gone afterwards. */
static struct sio_assembly *
begin(struct peer *peer, struct sio_client *client, const char *text)
{
    char copy[128];
    struct sio_packet packet;
    struct sio_assembly *assembly;

    snprintf(copy, sizeof copy, "%s", text);
    peer_check(peer, decode(copy, &packet) == SKIO_OK);
    assembly = skio__assembly_new(client, &packet);
    memset(copy, 'x', sizeof copy);
    return assembly;
}

static const char two[] = "52-/a,7[\"e\",{\"_placeholder\":true,\"num\":0},"
                          "{\"_placeholder\":true,\"num\":1}]";

static void
keeps_what_came(struct peer *peer)
{
    struct sio_client *client = client_of(peer);
    struct sio_assembly *assembly = begin(peer, client, two);
    char bytes[] = "first";

    peer_check(peer, assembly != NULL);
    peer_check(peer, assembly->packet.nsp_len == 2 &&
                         memcmp(assembly->packet.nsp, "/a", 2) == 0);
    peer_check(peer, strncmp(assembly->packet.json, "[\"e\",", 5) == 0);
    peer_check(peer, assembly->packet.id == 7);
    peer_check(peer, assembly->packet.json_len == strlen(two) - 7);
    peer_check(peer, skio__assembly_add(assembly, bytes, 5) == 0);
    memset(bytes, 'x', sizeof bytes);
    peer_check(peer, skio__assembly_add(assembly, NULL, 0) == 1);
    peer_check(peer,
               assembly->attachments[0].len == 5 &&
                   memcmp(assembly->attachments[0].data, "first", 5) == 0);
    peer_check(peer, assembly->attachments[1].len == 0);
    peer_check(peer, assembly->bytes == 5);
    skio__assembly_free(assembly);
    skio__assembly_free(NULL);
}

static void
what_came_is_kept_in_its_order(void **state)
{
    static const struct peer_plan plan = {small, NULL, keeps_what_came};

    (void)state;
    peer_run_once(&plan);
}

static void
borrows_the_last(struct peer *peer)
{
    static const char last[] = "last";
    struct sio_client *client = client_of(peer);
    struct sio_assembly *assembly = begin(peer, client, two);

    peer_check(peer, assembly != NULL);
    peer_check(peer, skio__assembly_add(assembly, NULL, 0) == 0);
    peer_check(peer, skio__assembly_add(assembly, last, 4) == 1);
    peer_check(peer, assembly->attachments[0].len == 0);
    peer_check(peer, assembly->attachments[1].data == last &&
                         assembly->attachments[1].len == 4);
    peer_check(peer, assembly->bytes == 4);
    skio__assembly_free(assembly);
}

static void
the_last_attachment_is_not_copied(void **state)
{
    static const struct peer_plan plan = {small, NULL, borrows_the_last};

    (void)state;
    peer_run_once(&plan);
}

static void
counts_bytes(struct peer *peer)
{
    static const char much[MAX_BYTES + 1];
    struct sio_client *client = client_of(peer);
    struct sio_assembly *assembly = begin(peer, client, two);

    peer_check(peer, assembly != NULL);
    peer_check(peer, skio__assembly_add(assembly, much, MAX_BYTES + 1) ==
                         SKIO_ELIMIT);
    peer_check(peer, skio__assembly_add(assembly, much, MAX_BYTES - 1) == 0);
    peer_check(peer, skio__assembly_add(assembly, much, 2) == SKIO_ELIMIT);
    peer_check(peer, assembly->received == 1);
    peer_check(peer, skio__assembly_add(assembly, much, 1) == 1);
    skio__assembly_free(assembly);
}

static void
bytes_together_may_be_exactly_the_limit(void **state)
{
    static const struct peer_plan plan = {small, NULL, counts_bytes};

    (void)state;
    peer_run_once(&plan);
}

static void
has_a_time(struct peer *peer)
{
    struct sio_client *client = client_of(peer);
    struct sio_assembly *first = begin(peer, client, two);
    struct sio_assembly *second;

    peer_check(peer, first != NULL);
    peer->now += 100;
    second = begin(peer, client, two);
    peer_check(peer, second != NULL);
    peer_check(peer, skio__fifo_peek_due(&peer->server->attachments_due) ==
                         peer->now + 400);
    skio__assembly_free(first);
    peer_check(peer, skio__fifo_peek_due(&peer->server->attachments_due) ==
                         peer->now + 500);
    skio__assembly_free(second);
    peer_check(peer, skio__fifo_peek_due(&peer->server->attachments_due) ==
                         UINT64_MAX);
}

static void
the_last_must_come_in_time(void **state)
{
    static const struct peer_plan plan = {small, NULL, has_a_time};

    (void)state;
    peer_run_once(&plan);
}

/* More than have their place at once, all of them in their order. */
#define MANY 57

static struct sio_assembly *
begin_many(struct peer *peer, struct sio_client *client)
{
    const struct sio_packet_limits limits = {
        .max_attachments = UINT32_MAX,
        .max_json_depth = 10,
        .max_name_bytes = 100,
    };
    struct sio_packet packet;
    const char *why;
    static const char text[] = "557-[\"e\",{\"_placeholder\":true,\"num\":0}]";

    peer_check(peer, skio__packet_decode(text, strlen(text), &limits, &packet,
                                         &why) == SKIO_OK);
    return skio__assembly_new(client, &packet);
}

static void
grows(struct peer *peer)
{
    struct sio_client *client = client_of(peer);
    size_t live = peer->alloc.live;
    size_t bytes = peer->alloc.live_bytes;
    struct sio_assembly *assembly = begin_many(peer, client);

    peer_check(peer, assembly != NULL);
    peer_check(peer, peer->alloc.live_bytes < bytes + 1000);
    for (unsigned char i = 0; i < MANY; i++) {
        /* a place that cannot be made changes nothing */
        test_alloc_fail(&peer->alloc, 1);
        if (skio__assembly_add(assembly, (const char *)&i, 1) == SKIO_ENOMEM) {
            peer_check(peer, assembly->received == i && assembly->bytes == i);
            test_alloc_fail(&peer->alloc, 0);
            peer_check(peer, skio__assembly_add(assembly, (const char *)&i,
                                                1) == (i + 1 == MANY));
        } else {
            test_alloc_fail(&peer->alloc, 0);
            peer_check(peer, i + 1 == MANY);
        }
    }
    for (unsigned char i = 0; i + 1 < MANY; i++)
        peer_check(peer, assembly->attachments[i].len == 1 &&
                             memcmp(assembly->attachments[i].data, &i, 1) == 0);
    peer_check(peer, assembly->attachments[MANY - 1].len == 1);
    skio__assembly_free(assembly);
    peer_check(peer, peer->alloc.live == live);
}

static void
places_are_made_as_attachments_come(void **state)
{
    static const struct peer_plan plan = {small, NULL, grows};

    (void)state;
    peer_run_once(&plan);
}

static void
lacks_memory(struct peer *peer)
{
    struct sio_client *client = client_of(peer);
    size_t live = peer->alloc.live;
    struct sio_assembly *assembly;

    test_alloc_fail(&peer->alloc, 1);
    peer_check(peer, begin(peer, client, two) == NULL);
    peer_check(peer, peer->alloc.live == live);
    peer_check(peer, skio__fifo_peek_due(&peer->server->attachments_due) ==
                         UINT64_MAX);
    test_alloc_fail(&peer->alloc, 0);
    assembly = begin(peer, client, two);
    peer_check(peer, assembly != NULL);
    test_alloc_fail(&peer->alloc, 1);
    peer_check(peer, skio__assembly_add(assembly, "x", 1) == SKIO_ENOMEM);
    peer_check(peer, assembly->received == 0 && assembly->bytes == 0);
    peer_check(peer, skio__assembly_add(assembly, "x", 1) == 0);
    skio__assembly_free(assembly);
    peer_check(peer, peer->alloc.live == live);
}

static void
without_memory_nothing_is_kept(void **state)
{
    static const struct peer_plan plan = {small, NULL, lacks_memory};

    (void)state;
    peer_run_once(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_is_kept_in_its_order),
        cmocka_unit_test(the_last_attachment_is_not_copied),
        cmocka_unit_test(bytes_together_may_be_exactly_the_limit),
        cmocka_unit_test(the_last_must_come_in_time),
        cmocka_unit_test(places_are_made_as_attachments_come),
        cmocka_unit_test(without_memory_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
