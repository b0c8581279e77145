/*
 * What TLS keeps for a peer that reads nothing and asks for new keys again and
 * again: each request is answered, and the answers have nowhere to go
 *
 * Both ends are in one thread, on a pair of sockets.
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "transport/lws_sealed.h"
#include "unit/alloc.h"

#define ANSWER 27 /* bytes at most that a change of keys is answered with */
#define PEAK_MAX (2 * SKIO__SEALED_KEPT + 4096) /* the old and the grown one */

struct ends {
    struct test_alloc alloc;
    SSL_CTX *server_ctx;
    SSL_CTX *client_ctx;
    SSL *server;
    SSL *client;
    struct skio__sealed *sealed;
};

static unsigned char inbox[1 << 17];

static void
use_cert(SSL_CTX *ctx)
{
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
    EVP_PKEY *key = NULL;
    X509 *cert = X509_new();

    assert_non_null(maker);
    assert_int_equal(EVP_PKEY_keygen_init(maker), 1);
    assert_int_equal(EVP_PKEY_keygen(maker, &key), 1);
    EVP_PKEY_CTX_free(maker);
    assert_non_null(cert);
    assert_int_equal(X509_set_version(cert, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_true(X509_sign(cert, key, NULL) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL *
make_end(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);
    int small = 4096;

    assert_non_null(ssl);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    return ssl;
}

static void
ends_init(struct ends *ends)
{
    int fds[2];
    int client = 0, server = 0;

    test_alloc_init(&ends->alloc);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ends->server_ctx = SSL_CTX_new(TLS_server_method());
    ends->client_ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ends->server_ctx);
    assert_non_null(ends->client_ctx);
    SSL_CTX_set_min_proto_version(ends->client_ctx, TLS1_3_VERSION);
    use_cert(ends->server_ctx);
    SSL_CTX_set_num_tickets(ends->server_ctx, 0);
    ends->server = make_end(ends->server_ctx, fds[0]);
    ends->client = make_end(ends->client_ctx, fds[1]);
    for (int i = 0; i < 20 && (client != 1 || server != 1); i++) {
        client = SSL_connect(ends->client);
        server = SSL_accept(ends->server);
    }
    assert_int_equal(client, 1);
    assert_int_equal(server, 1);
    ends->sealed = skio__sealed_new(&ends->alloc.allocator, ends->server);
    assert_non_null(ends->sealed);
}

static void
ends_free(struct ends *ends)
{
    int server = SSL_get_fd(ends->server);
    int client = SSL_get_fd(ends->client);

    skio__sealed_free(ends->sealed);
    assert_int_equal(ends->alloc.live, 0);
    SSL_free(ends->server);
    SSL_free(ends->client);
    SSL_CTX_free(ends->server_ctx);
    SSL_CTX_free(ends->client_ctx);
    close(server);
    close(client);
}

/* Leaves a record of which a part is kept. */
static void
fill(struct ends *ends)
{
    static const char data[16384];
    ssize_t sent;
    int records = 0;

    do
        sent = skio__sealed_write(ends->sealed, data, sizeof(data));
    while (sent > 0 && ++records < 1000);
    assert_int_equal(sent, -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(skio__sealed_flush(ends->sealed), 0);
}

/* The client asks for new keys, and says a byte. Returns what the server read
 * of that: 1, or 0 at the end. */
static ssize_t
ask_for_keys(struct ends *ends)
{
    assert_int_equal(SSL_key_update(ends->client, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(ends->client, "x", 1), 1);
    return skio__sealed_read(ends->sealed, inbox, sizeof(inbox));
}

static void
answers_that_nobody_takes_are_kept_up_to_the_limit(void **state)
{
    struct ends ends;
    size_t asked = 0;

    (void)state;
    ends_init(&ends);
    fill(&ends);
    while (asked < SKIO__SEALED_KEPT && ask_for_keys(&ends) == 1)
        asked++;

    /* As many as there is room for, beside what is left of a record. */
    assert_true(asked * ANSWER <= SKIO__SEALED_KEPT);
    assert_true(asked * ANSWER >= SKIO__SEALED_KEPT - 20000);
    assert_true(skio__sealed_is_over(ends.sealed));
    assert_true(ends.alloc.peak_bytes <= PEAK_MAX);
    ends_free(&ends);
}

static void
what_is_kept_up_to_the_limit_arrives(void **state)
{
    struct ends ends;
    size_t got = 0;
    int flushed = 0, len = 0;

    (void)state;
    ends_init(&ends);
    fill(&ends);
    for (size_t i = 0; i < (SKIO__SEALED_KEPT - 20000) / ANSWER; i++)
        assert_int_equal(ask_for_keys(&ends), 1);

    for (int i = 0; i < 10000 && (flushed != 1 || len > 0); i++) {
        len = SSL_read(ends.client, inbox, sizeof(inbox));
        if (len > 0)
            got += (size_t)len;
        flushed = skio__sealed_flush(ends.sealed);
        assert_true(flushed >= 0);
    }
    assert_int_equal(flushed, 1);
    assert_true(got > 0 && got % 16384 == 0);
    assert_int_equal(skio__sealed_write(ends.sealed, "y", 1), 1);
    assert_int_equal(SSL_read(ends.client, inbox, sizeof(inbox)), 1);
    assert_int_equal(inbox[0], 'y');
    ends_free(&ends);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_nobody_takes_are_kept_up_to_the_limit),
        cmocka_unit_test(what_is_kept_up_to_the_limit_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
