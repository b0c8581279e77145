/*
 * WebSockets over TLS: records and frames that do not end together, a peer that
 * reads late, ends of all kinds, failing memory
 *
 * The client writes records into memory first, so that what goes out in one
 * send() is up to the test.
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <socketio/socketio.h>

#include "threats/home.h"
#include "unit/alloc.h"

#define MESSAGES 400
#define MESSAGE_LEN 20000 /* more than a record */
#define ALLOCATIONS 40

struct host {
    struct test_alloc alloc; /* the server's thread, until it was joined */
    skio_server *server;
    pthread_t thread;
    atomic_int lost;
};

struct client {
    int fd;
    SSL *ssl;
    BIO *in, *out; /* what came, what is to go */
};

static char cert_file[64];
static SSL_CTX *client_ctx;
static char message[MESSAGE_LEN + 1];
static unsigned char raw[1 << 17];
static char text[1 << 16];

/* ---- The server ---- */

static void
on_fail(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct host *host = user;
    int64_t n = 0;

    (void)ack;
    (void)skio_get_int(args, "0", &n);
    assert_int_equal(skio_emit(socket, "ready", "%d", 0), SKIO_OK);
    test_alloc_fail(&host->alloc, (size_t)n);
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

/* As much as no socket takes at once. */
static void
on_much(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(skio_emit(socket, "n", "%d,%s", i, message), SKIO_OK);
}

static void
on_lost(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct host *host = user;

    (void)socket;
    (void)reason;
    atomic_fetch_add(&host->lost, 1);
}

static void *
run(void *arg)
{
    struct host *host = arg;

    return skio_run(host->server) == SKIO_OK ? NULL : host;
}

static void
start(struct host *host)
{
    skio_server_options options;
    skio_nsp *nsp;

    memset(host, 0, sizeof(*host));
    test_alloc_init(&host->alloc);
    skio_server_options_init(&options);
    options.allocator = host->alloc.allocator;
    options.close_timeout_ms = 300;
    options.tls_cert_file = cert_file;
    options.tls_key_file = cert_file;
    options.max_outbound_bytes = 2 * MESSAGES * MESSAGE_LEN;
    assert_int_equal(skio_server_new(&host->server, &options), SKIO_OK);
    nsp = skio_of(host->server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "fail", on_fail, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "echo", on_echo, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "much", on_much, host), SKIO_OK);
    assert_int_equal(skio_on_disconnect(nsp, on_lost, host), SKIO_OK);
    assert_int_equal(skio_listen(host->server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(pthread_create(&host->thread, NULL, run, host), 0);
}

static void
stop(struct host *host)
{
    void *failed;

    skio_server_stop(host->server);
    pthread_join(host->thread, &failed);
    assert_null(failed);
    skio_server_free(host->server);
    assert_int_equal(host->alloc.live, 0);
}

/* ---- The client ---- */

static void
flush_part(struct client *client, size_t most)
{
    while (most > 0 && BIO_ctrl_pending(client->out) > 0) {
        size_t len = most < sizeof(raw) ? most : sizeof(raw);
        int got = BIO_read(client->out, raw, (int)len);

        assert_true(got > 0);
        home_send(client->fd, raw, (size_t)got);
        most -= (size_t)got;
    }
}

static void
flush(struct client *client)
{
    flush_part(client, SIZE_MAX);
}

/* Take what has come. Returns false at the end, or after three seconds. */
static bool
take(struct client *client)
{
    ssize_t got = recv(client->fd, raw, sizeof(raw), 0);

    if (got <= 0)
        return false;
    assert_int_equal(BIO_write(client->in, raw, (int)got), got);
    return true;
}

/* The next bytes; returns how many, 0: the server has ended it. */
static size_t
read_some(struct client *client, void *out, size_t size)
{
    for (;;) {
        int got = SSL_read(client->ssl, out, (int)size);

        if (got > 0)
            return (size_t)got;
        flush(client);
        if (SSL_get_error(client->ssl, got) != SSL_ERROR_WANT_READ ||
            !take(client))
            return 0;
    }
}

static void
read_exactly(struct client *client, void *out, size_t len)
{
    for (size_t at = 0, got; at < len; at += got) {
        got = read_some(client, (char *)out + at, len - at);
        assert_true(got > 0);
    }
}

/* The next frame's first byte, its payload in text. */
static unsigned
read_frame(struct client *client)
{
    unsigned char head[4];
    size_t len;

    read_exactly(client, head, 2);
    len = head[1];
    if (len == 126) {
        read_exactly(client, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    assert_true(len < sizeof(text));
    read_exactly(client, text, len);
    text[len] = '\0';
    return head[0];
}

static void
expect(struct client *client, const char *expected)
{
    assert_int_equal(read_frame(client), 0x81);
    assert_string_equal(text, expected);
}

/* A record with these bytes waits to go out. */
static void
write_record(struct client *client, const void *data, size_t len)
{
    assert_int_equal(SSL_write(client->ssl, data, (int)len), len);
}

static size_t
put_frame(unsigned char *out, unsigned op, const char *payload)
{
    size_t len = strlen(payload);

    assert_true(len < 126);
    out[0] = (unsigned char)op;
    out[1] = (unsigned char)(0x80 | len);
    memset(out + 2, 0, 4);
    memcpy(out + 6, payload, len);
    return 6 + len;
}

static void
say(struct client *client, const char *payload)
{
    unsigned char frame[160];

    write_record(client, frame, put_frame(frame, 0x81, payload));
}

static void
dial(const struct host *host, struct client *client, int window)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 3};
    int answer;

    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client->fd >= 0);
    if (window > 0)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
    to.sin_port = htons(skio_server_port(host->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof(patience));
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof(to)),
                     0);

    client->ssl = SSL_new(client_ctx);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    assert_true(client->ssl != NULL && client->in != NULL &&
                client->out != NULL);
    SSL_set_bio(client->ssl, client->in, client->out);
    SSL_set_connect_state(client->ssl);
    while ((answer = SSL_do_handshake(client->ssl)) != 1) {
        assert_int_equal(SSL_get_error(client->ssl, answer),
                         SSL_ERROR_WANT_READ);
        flush(client);
        if (!take(client))
            return; /* out of memory over there */
    }
    flush(client);
}

static void
leave(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

static const char request[] =
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

static void
ask(struct client *client)
{
    char c = 0;

    write_record(client, request, sizeof(request) - 1);
    flush(client);
    for (size_t at = 0; at < 4; at = c == "\r\n\r\n"[at] ? at + 1 : 0)
        read_exactly(client, &c, 1);
    assert_int_equal(read_frame(client), 0x81);
    assert_int_equal(text[0], '0');
}

/* A client of "/"; window: its receive buffer, 0: as usual. */
static void
join(const struct host *host, struct client *client, int window)
{
    dial(host, client, window);
    ask(client);
    say(client, "40");
    flush(client);
    assert_int_equal(read_frame(client), 0x81);
    assert_memory_equal(text, "40{", 3);
}

static void
await_loss(struct host *host, int count)
{
    for (int i = 0; i < 300 && atomic_load(&host->lost) < count; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&host->lost), count);
}

/* ---- The tests ---- */

/* Many records come at once, and the end of the last one later or not. */
static void
records_need_not_come_one_by_one(void **state)
{
    static const int counts[] = {1, 2, 100, 100, 900, 900, 3000};
    static struct host host;
    struct client client;
    char event[40];

    (void)state;
    start(&host);
    join(&host, &client, 0);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (int n = 0; n < counts[i]; n++) {
            snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
            say(&client, event);
        }
        if (i % 2 == 0) {
            flush_part(&client, BIO_ctrl_pending(client.out) - 9);
            home_pause(20);
        }
        flush(&client);
        for (int n = 0; n < counts[i]; n++) {
            snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
            expect(&client, event);
        }
    }
    leave(&client);
    await_loss(&host, 1);
    stop(&host);
}

/* Full records, small ones and cut frames, more than is read in one go. */
static void
frames_need_not_end_with_records(void **state)
{
    static unsigned char frames[300000];
    static struct host host;
    struct client client;
    char event[40];
    size_t len = 0;
    int count = 0;

    (void)state;
    start(&host);
    join(&host, &client, 0);
    for (; len < sizeof(frames) - 100; count++) {
        snprintf(event, sizeof(event), "42[\"echo\",%d]", count);
        len += put_frame(frames + len, 0x81, event);
    }
    for (size_t at = 0, part = 1; at < len; at += part) {
        part = part * 7 % 16411 % 16384 + 1; /* some of each length */
        if (part > len - at)
            part = len - at;
        write_record(&client, frames + at, part);
    }
    flush(&client);
    for (int n = 0; n < count; n++) {
        snprintf(event, sizeof(event), "42[\"echo\",%d]", n);
        expect(&client, event);
    }
    leave(&client);
    stop(&host);
}

/* Eight megabytes wait for a peer that reads late, and asks meanwhile. */
static void
peer_that_reads_late_gets_all(void **state)
{
    static char expected[MESSAGE_LEN + 64];
    static struct host host;
    unsigned char frame[160];
    struct client client;

    (void)state;
    start(&host);
    join(&host, &client, 4096);
    say(&client, "42[\"much\"]");
    flush(&client);
    home_pause(100);
    write_record(&client, frame, put_frame(frame, 0x89, "are you there"));
    say(&client, "42[\"echo\",\"last\"]");
    flush(&client);
    home_pause(100);
    for (int n = 0; n < MESSAGES; n++) {
        unsigned op = read_frame(&client);

        if (op == 0x8a) { /* the pong comes between two messages */
            assert_string_equal(text, "are you there");
            op = read_frame(&client);
        }
        assert_int_equal(op, 0x81);
        snprintf(expected, sizeof(expected), "42[\"n\",%d,\"%s\"]", n, message);
        assert_string_equal(text, expected);
    }
    expect(&client, "42[\"echo\",\"last\"]");
    leave(&client);
    stop(&host);
}

static void
every_end_is_noticed(void **state)
{
    static const unsigned char unmasked[] = {0x81, 0x01, '2'};
    static struct host host;
    unsigned char frame[160];
    struct client client;

    (void)state;
    start(&host);
    join(&host, &client, 0); /* TLS ends, TCP does not */
    SSL_shutdown(client.ssl);
    flush(&client);
    await_loss(&host, 1);
    leave(&client);

    join(&host, &client, 0); /* TCP ends, TLS does not */
    shutdown(client.fd, SHUT_WR);
    await_loss(&host, 2);
    leave(&client);

    join(&host, &client, 0); /* no TLS any more */
    home_say(client.fd, "GET / HTTP/1.1\r\n\r\n");
    await_loss(&host, 3);
    leave(&client);

    join(&host, &client, 0); /* a frame that nobody may send */
    write_record(&client, unmasked, sizeof(unmasked));
    flush(&client);
    assert_int_equal(read_frame(&client), 0x88);
    assert_int_equal((unsigned char)text[0] << 8 | (unsigned char)text[1],
                     1002);
    assert_int_equal(read_some(&client, text, sizeof(text)), 0);
    await_loss(&host, 4);
    leave(&client);

    join(&host, &client, 0); /* by the book; what was asked is answered */
    say(&client, "42[\"echo\",1]");
    write_record(&client, frame, put_frame(frame, 0x88, "\x03\xe8"));
    flush(&client);
    expect(&client, "42[\"echo\",1]");
    assert_int_equal(read_frame(&client), 0x88);
    assert_int_equal(read_some(&client, text, sizeof(text)), 0);
    await_loss(&host, 5);
    leave(&client);
    stop(&host);
}

static void
fail_next(struct client *client, int n)
{
    char event[40];

    snprintf(event, sizeof(event), "42[\"fail\",%d]", n);
    say(client, event);
    flush(client);
    expect(client, "42[\"ready\",0]");
}

/* While a handshake is done, and while a record waits for room. */
static void
failing_allocations_end_one_client_at_most(void **state)
{
    static struct host host;
    struct client boss, client;

    (void)state;
    start(&host);
    join(&host, &boss, 0);
    for (int n = 1; n <= ALLOCATIONS; n++) {
        fail_next(&boss, n);
        dial(&host, &client, 4096);
        if (SSL_is_init_finished(client.ssl)) {
            write_record(&client, request, sizeof(request) - 1);
            say(&client, "40");
            flush(&client);
            (void)read_some(&client, text, sizeof(text));
        }
        leave(&client);
        fail_next(&boss, 0);
    }
    for (int n = 1; n <= ALLOCATIONS; n++) {
        join(&host, &client, 4096);
        fail_next(&boss, n);
        say(&client, "42[\"echo\",\"a\"]");
        flush(&client);
        leave(&client);
        fail_next(&boss, 0);
    }
    join(&host, &client, 0);
    leave(&client);
    leave(&boss);
    stop(&host);
}

/* ---- The certificate ---- */

static int
make_cert(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *file;
    int fd;

    (void)state;
    snprintf(cert_file, sizeof(cert_file), "/tmp/skio-sealed-XXXXXX");
    fd = mkstemp(cert_file);
    if (key == NULL || cert == NULL || fd < 0)
        return -1;
    file = fdopen(fd, "w");
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    if (file == NULL || X509_sign(cert, key, EVP_sha256()) == 0 ||
        PEM_write_X509(file, cert) != 1 ||
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        fclose(file) != 0)
        return -1;
    X509_free(cert);
    EVP_PKEY_free(key);
    client_ctx = SSL_CTX_new(TLS_client_method());
    memset(message, 'x', MESSAGE_LEN);
    return client_ctx != NULL ? 0 : -1;
}

static int
drop_cert(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    return unlink(cert_file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_need_not_come_one_by_one),
        cmocka_unit_test(frames_need_not_end_with_records),
        cmocka_unit_test(peer_that_reads_late_gets_all),
        cmocka_unit_test(every_end_is_noticed),
        cmocka_unit_test(failing_allocations_end_one_client_at_most),
    };

    return cmocka_run_group_tests(tests, make_cert, drop_cert);
}
