#define _DEFAULT_SOURCE

#include "threats/tls_talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <socketio/socketio.h>

#include "threats/home.h"
#include "unit/alloc.h"

/* ---- The server ---- */

static struct test_alloc allocator; /* the server's thread's, until joined */
static skio_server *server;
static pthread_t thread;
static char cert_file[64];
static SSL_CTX *client_ctx;
char tls_message[TLS_MESSAGE_LEN + 1];

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_much(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int64_t count = 0;

    (void)ack;
    (void)user;
    (void)skio_get_int(args, "0", &count);
    for (int i = 0; i < count; i++)
        assert_int_equal(skio_emit(socket, "n", "%d,%s", i, tls_message),
                         SKIO_OK);
}

static void *
run(void *arg)
{
    return skio_run(arg) == SKIO_OK ? NULL : arg;
}

/* A key and a certificate in one file. */
static int
make_cert(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *file;
    int fd;

    snprintf(cert_file, sizeof(cert_file), "/tmp/skio-syscalls-XXXXXX");
    fd = mkstemp(cert_file);
    if (key == NULL || cert == NULL || fd < 0)
        return -1;
    file = fdopen(fd, "w");
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 36000);
    X509_set_pubkey(cert, key);
    if (file == NULL || X509_sign(cert, key, EVP_sha256()) == 0 ||
        PEM_write_X509(file, cert) != 1 ||
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        fclose(file) != 0)
        return -1;
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

int
tls_start(void)
{
    skio_server_options options;
    skio_nsp *nsp;

    memset(tls_message, 'x', TLS_MESSAGE_LEN);
    home_limit_descriptors(256);
    client_ctx = SSL_CTX_new(TLS_client_method());
    if (make_cert() != 0 || client_ctx == NULL)
        return -1;
    test_alloc_init(&allocator);
    skio_server_options_init(&options);
    options.allocator = allocator.allocator;
    options.tls_cert_file = cert_file;
    options.tls_key_file = cert_file;
    options.max_unconnected = 1000000;
    options.header_timeout_ms = TLS_HEADER_MS;
    options.max_outbound_bytes = 2 * TLS_MESSAGES * TLS_MESSAGE_LEN;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);
    nsp = skio_of(server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "echo", on_echo, NULL), SKIO_OK);
    assert_int_equal(skio_on(nsp, "much", on_much, NULL), SKIO_OK);
    assert_int_equal(skio_listen(server, "127.0.0.1", 0), SKIO_OK);
    return pthread_create(&thread, NULL, run, server);
}

int
tls_stop(void)
{
    void *failed;

    skio_server_stop(server);
    pthread_join(thread, &failed);
    skio_server_free(server);
    SSL_CTX_free(client_ctx);
    unlink(cert_file);
    return failed == NULL && allocator.live == 0 ? 0 : -1;
}

/* ---- The client ---- */

char tls_text[1 << 16]; /* the latest frame's payload */

static void
note(struct tls_talk *t, const char *data, size_t len)
{
    assert_true(len < sizeof(t->text) - t->len);
    memcpy(t->text + t->len, data, len);
    t->len += len;
}

/* Nothing answered is the end, or else three seconds have passed. */
static void
note_loss(struct tls_talk *t, int answer)
{
    t->is_lost = true;
    t->is_hung = SSL_get_error(t->ssl, answer) == SSL_ERROR_WANT_READ;
}

/* A call with a time-out ends when its process was stopped and goes on. */
static bool
was_stopped(const struct tls_talk *t, int answer)
{
    return errno == EINTR &&
           SSL_get_error(t->ssl, answer) == SSL_ERROR_WANT_READ;
}

static bool
hear(struct tls_talk *t, void *out, size_t len)
{
    for (size_t at = 0; at < len && !t->is_lost;) {
        int got = SSL_read(t->ssl, (char *)out + at, (int)(len - at));

        if (got > 0)
            at += (size_t)got;
        else if (!was_stopped(t, got))
            note_loss(t, got);
    }
    return !t->is_lost;
}

/* Leaves the payload in text. Returns the first byte, 0: it ended before. */
unsigned
tls_hear_frame(struct tls_talk *t)
{
    unsigned char head[4];
    size_t len;

    if (!hear(t, head, 2))
        return 0;
    len = head[1];
    if (len == 126 && hear(t, head + 2, 2))
        len = (size_t)head[2] << 8 | head[3];
    assert_true(len < sizeof(tls_text));
    if (!hear(t, tls_text, len))
        return 0;
    tls_text[len] = '\0';
    note(t, head[0] == 0x81 ? "text " : "other ", 5);
    if (strstr(tls_text, "\"sid\"") == NULL) /* which is another each time */
        note(t, tls_text, len);
    return head[0];
}

static void
say_bytes(struct tls_talk *t, const void *data, size_t len)
{
    int sent = t->is_lost ? 0 : SSL_write(t->ssl, data, (int)len);

    if (!t->is_lost && sent <= 0)
        note_loss(t, sent);
}

void
tls_say(struct tls_talk *t, unsigned op, const char *payload)
{
    static unsigned char frame[TLS_MESSAGE_LEN + 100];
    size_t len = strlen(payload);
    size_t at = 2;

    assert_true(len + 8 < sizeof(frame));
    frame[0] = (unsigned char)op;
    frame[1] = (unsigned char)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        frame[at++] = (unsigned char)(len >> 8);
        frame[at++] = (unsigned char)len;
    }
    memset(frame + at, 0, 4);
    memcpy(frame + at + 4, payload, len);
    say_bytes(t, frame, at + 4 + len);
}

static long
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
dial(struct tls_talk *t, int window)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 3};
    int on = 1;

    t->len = 0;
    t->begun_ms = now_ms();
    t->is_lost = t->is_hung = false;
    t->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(t->fd >= 0);
    if (window > 0)
        setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    to.sin_port = htons(skio_server_port(server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(t->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    t->ssl = SSL_new(client_ctx);
    assert_non_null(t->ssl);
    assert_int_equal(SSL_set_fd(t->ssl, t->fd), 1);
}

void
tls_leave(struct tls_talk *t)
{
    t->ms = now_ms() - t->begun_ms;
    SSL_free(t->ssl);
    close(t->fd);
}

/* From the handshakes to the namespace. */
void
tls_join(struct tls_talk *t, int window)
{
    static const char request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    char c = 0;
    int answer;

    dial(t, window);
    do
        answer = SSL_connect(t->ssl);
    while (answer != 1 && was_stopped(t, answer));
    if (answer != 1) {
        note_loss(t, answer);
        return;
    }
    say_bytes(t, request, sizeof(request) - 1);
    for (size_t at = 0; at < 4 && hear(t, &c, 1);)
        at = c == "\r\n\r\n"[at] ? at + 1 : 0;
    (void)tls_hear_frame(t);
    tls_say(t, 0x81, "40");
    (void)tls_hear_frame(t);
}

void
tls_echo(struct tls_talk *t, const char *argument)
{
    static char event[TLS_MESSAGE_LEN + 32];

    snprintf(event, sizeof(event), "42[\"echo\",\"%s\"]", argument);
    tls_say(t, 0x81, event);
    (void)tls_hear_frame(t);
}

void
tls_run(struct tls_talk *t, enum tls_ending ending)
{
    static const unsigned char unmasked[] = {0x81, 0x01, '2'};
    char c;

    tls_join(t, 0);
    tls_echo(t, "a");
    tls_echo(t, tls_message);
    tls_say(t, 0x89, "are you there");
    (void)tls_hear_frame(t);
    tls_say(t, 0x81, "42[\"much\",5]");
    for (int i = 0; i < 5; i++)
        (void)tls_hear_frame(t);
    if (!t->is_lost)
        (void)SSL_key_update(t->ssl, SSL_KEY_UPDATE_REQUESTED);
    tls_echo(t, "b");
    if (ending == TLS_ENDING_BAD)
        say_bytes(t, unmasked, sizeof(unmasked));
    else
        tls_say(t, 0x88, "\x03\xe8");
    (void)tls_hear_frame(t);
    if (!t->is_lost && hear(t, &c, 1))
        note(t, "more", 4);
    else if (SSL_get_shutdown(t->ssl) == SSL_RECEIVED_SHUTDOWN)
        note(t, "end", 3); /* and TLS says so as well */
    tls_leave(t);
}

bool
tls_is_same(const struct tls_talk *a, const struct tls_talk *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}
