/*
 * What OpenSSL allocates for a connection: bounds of its sum, in each state
 * that a client can choose; and each allocation fails, one after the other,
 * from the hello to the end
 *
 * The allocations of the server's thread alone: OpenSSL is given functions of
 * this program. What fails ends its connection at most, and leaves nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "threats/home.h"
#include "transport/secure.h"

#define ROUNDS_MAX 3000 /* more than a talk allocates */

static struct secure_host host;
static struct secure_client client;
static _Thread_local bool is_client;
static atomic_long left;   /* until one fails; 0: none does */
static atomic_long failed; /* how many did */
static atomic_long live;   /* blocks of the server's */
static atomic_long bytes;  /* in them */

union head {
    struct {
        bool is_counted; /* the server's */
        size_t size;
    } block;
    max_align_t align;
};

static bool
must_fail(void)
{
    if (is_client || atomic_load(&left) == 0 || atomic_fetch_sub(&left, 1) != 1)
        return false;
    atomic_fetch_add(&failed, 1);
    return true;
}

static void *
give(size_t size, const char *file, int line)
{
    union head *head;

    (void)file;
    (void)line;
    if (size == 0 || must_fail())
        return NULL;
    head = malloc(sizeof(*head) + size);
    if (head == NULL)
        return NULL;
    head->block.is_counted = !is_client;
    head->block.size = size;
    if (head->block.is_counted) {
        atomic_fetch_add(&live, 1);
        atomic_fetch_add(&bytes, (long)size);
    }
    return head + 1;
}

static void
take(void *block, const char *file, int line)
{
    union head *head = block;

    (void)file;
    (void)line;
    if (block == NULL)
        return;
    if (head[-1].block.is_counted) {
        atomic_fetch_sub(&live, 1);
        atomic_fetch_sub(&bytes, (long)head[-1].block.size);
    }
    free(head - 1);
}

static void *
give_again(void *block, size_t size, const char *file, int line)
{
    union head *head;

    if (block == NULL)
        return give(size, file, line);
    if (size == 0) {
        take(block, file, line);
        return NULL;
    }
    if (must_fail())
        return NULL;
    head = realloc((union head *)block - 1, sizeof(*head) + size);
    if (head == NULL)
        return NULL;
    if (head->block.is_counted)
        atomic_fetch_add(&bytes, (long)size - (long)head->block.size);
    head->block.size = size;
    return head + 1;
}

/* ---- Sums ---- */

static void
say_nothing(void)
{
}

static void
say_half_a_hello(void)
{
    assert_int_equal(SSL_do_handshake(client.ssl), -1);
    secure_flush(&client, 100);
}

static void
say_hello(void)
{
    assert_int_equal(SSL_do_handshake(client.ssl), -1);
    secure_flush(&client, SIZE_MAX);
}

/* As much as OpenSSL takes: it makes room before it comes. */
static void
announce_a_long_hello(void)
{
    static unsigned char record[5 + 16384] = {0x16, 3, 1, 0x40, 0, 1, 2, 1, 64};

    home_send(client.fd, record, sizeof(record));
}

static void
shake_hands(void)
{
    assert_true(secure_shake(&client, 0));
    secure_flush(&client, SIZE_MAX);
}

static void
say_half_a_record(void)
{
    static const char zeros[16384];

    shake_hands();
    secure_write(&client, zeros, sizeof(zeros));
    secure_flush(&client, 16000);
}

static void
say_half_a_head(void)
{
    static const char start[] = SECURE_POLL "X: ";
    static char head[16000];

    shake_hands();
    memset(head, 'x', sizeof(head));
    memcpy(head, start, sizeof(start) - 1);
    secure_send(&client, head, sizeof(head));
}

static void
poll_once(void)
{
    shake_hands();
    secure_say(&client, SECURE_POLL "\r\n");
    assert_true(secure_heard(&client, "maxPayload"));
}

static void
ask_for_who(void)
{
    shake_hands();
    secure_say(&client, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(secure_heard(&client, "127.0.0.1"));
}

/* In skio_security(7): OpenSSL's share, and ours of one that has no session. */
static void
sums_are_as_the_manual_says(void **state)
{
    static const struct {
        const char *name;
        void (*fn)(void);
        long openssl, ours;
    } states[] = {
        {"silent", say_nothing, 0, 512},
        {"half a hello", say_half_a_hello, 81920, 512},
        {"a hello", say_hello, 81920, 512},
        {"a long hello", announce_a_long_hello, 229376, 512},
        {"idle", shake_hands, 20480, 1024},
        {"half a record", say_half_a_record, 20480 + 17408, 1024},
        {"half a head", say_half_a_head, 20480, 1024 + 16384},
        {"after a poll", poll_once, 20480, 4096},
        {"a tunnel", ask_for_who, 20480, 1536},
    };
    struct secure_client other; /* so that its address is known */

    (void)state;
    secure_start(&host);
    secure_dial(&host, &other);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        long openssl, ours;

        for (int round = 0; round < 2; round++) { /* the first one warms up */
            home_pause(100);
            openssl = atomic_load(&bytes);
            ours = (long)host.alloc.live_bytes;
            secure_reach(&host, &client, 0);
            states[i].fn();
            home_pause(100);
            openssl = atomic_load(&bytes) - openssl;
            ours = (long)host.alloc.live_bytes - ours;
            secure_leave(&client);
        }
        print_message("# %s: OpenSSL %ld bytes, ours %ld\n", states[i].name,
                      openssl, ours);
        assert_true(openssl <= states[i].openssl);
        assert_true(ours <= states[i].ours);
    }
    secure_leave(&other);
    secure_stop(&host);
}

/* ---- Talks ---- */

static void
talk_by_polls(void)
{
    secure_say(&client, SECURE_POLL "\r\n" SECURE_POLL "Connection: close\r\n"
                                    "\r\n");
    (void)secure_read_all(&client);
}

static void
talk_by_websocket(void)
{
    secure_say(&client, SECURE_UPGRADE "\r\n");
    if (!secure_heard(&client, "maxPayload"))
        return;
    secure_frame(&client, "40");
    if (!secure_heard(&client, "40{"))
        return;
    (void)SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
    secure_frame(&client, "42[\"echo\",1]");
    (void)secure_heard(&client, "42[\"echo\",1]");
}

static void
talk_by_tunnel(void)
{
    secure_say(&client, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    if (secure_heard(&client, "127.0.0.1"))
        secure_say(&client, SECURE_POLL SECURE_ODD "Connection: close\r\n\r\n");
    (void)secure_read_all(&client);
}

static void
talk(void (*talk_on)(void))
{
    secure_reach(&host, &client, 0);
    if (secure_shake(&client, 0)) {
        secure_flush(&client, SIZE_MAX);
        talk_on();
    }
    secure_leave(&client);
}

static void
clear_errors(skio_server *server, void *user)
{
    (void)server;
    (void)user;
    ERR_clear_error();
}

/* The server's thread keeps OpenSSL's latest errors, with texts, until others
 * come: they are no part of a connection. */
static void
forget_errors(void)
{
    assert_int_equal(skio_server_post(host.server, clear_errors, NULL),
                     SKIO_OK);
    home_pause(10);
}

static void
await_live(long count)
{
    for (int i = 0; i < 1500 && atomic_load(&live) > count; i++)
        forget_errors();
    assert_true(atomic_load(&live) <= count);
}

/* Returns how many failed. */
static long
fail_each_once(void (*talk_on)(void))
{
    long n = 0;

    do {
        atomic_store(&failed, 0);
        atomic_store(&left, ++n);
        talk(talk_on);
        atomic_store(&left, 0);
        if (n % 20 == 0)
            secure_is_well(&host);
    } while (atomic_load(&failed) > 0 && n < ROUNDS_MAX);
    return n - 1;
}

/* The first time is for what OpenSSL keeps for good. */
static void
fail_each(void (*talk_on)(void))
{
    long before, count;

    secure_start(&host);
    (void)fail_each_once(talk_on);
    home_pause(100);
    forget_errors();
    before = atomic_load(&live);
    count = fail_each_once(talk_on);
    print_message("# %ld allocations failed\n", count);
    assert_true(count > 100 && count < ROUNDS_MAX - 1);
    await_live(before);
    secure_is_well(&host);
    secure_stop(&host);
}

static void
polls_without_memory_end_alone(void **state)
{
    (void)state;
    fail_each(talk_by_polls);
}

static void
websockets_without_memory_end_alone(void **state)
{
    (void)state;
    fail_each(talk_by_websocket);
}

static void
tunnels_without_memory_end_alone(void **state)
{
    (void)state;
    fail_each(talk_by_tunnel);
}

static int
setup(void **state)
{
    is_client = true;
    return CRYPTO_set_mem_functions(give, give_again, take) == 1
               ? secure_setup(state)
               : -1;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_as_the_manual_says),
        cmocka_unit_test(polls_without_memory_end_alone),
        cmocka_unit_test(websockets_without_memory_end_alone),
        cmocka_unit_test(tunnels_without_memory_end_alone),
    };

    return cmocka_run_group_tests_name("memory, TLS", tests, setup,
                                       secure_cleanup);
}
