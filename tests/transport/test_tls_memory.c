/*
 * OpenSSL without memory: each of its allocations for a connection fails, one
 * after the other, from the hello to the end
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

#include "threats/home.h"
#include "transport/secure.h"

#define ROUNDS_MAX 3000 /* more than a talk allocates */

static struct secure_host host;
static struct secure_client client;
static _Thread_local bool is_client;
static atomic_long left;   /* until one fails; 0: none does */
static atomic_long failed; /* how many did */
static atomic_long live;   /* blocks of the server's */

/* Whose block it is, and room for what malloc() aligns for. */
union head {
    bool is_counted;
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
    head->is_counted = !is_client;
    if (head->is_counted)
        atomic_fetch_add(&live, 1);
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
    if (head[-1].is_counted)
        atomic_fetch_sub(&live, 1);
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
    return head != NULL ? head + 1 : NULL;
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
await_live(long count)
{
    for (int i = 0; i < 300 && atomic_load(&live) > count; i++)
        home_pause(10);
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
        cmocka_unit_test(polls_without_memory_end_alone),
        cmocka_unit_test(websockets_without_memory_end_alone),
        cmocka_unit_test(tunnels_without_memory_end_alone),
    };

    return cmocka_run_group_tests_name("memory, TLS", tests, setup,
                                       secure_cleanup);
}
