#define _POSIX_C_SOURCE 200809L

#include "transport/secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <socketio/http.h>

#include "threats/home.h"

#define LONG 6000000 /* more than the kernel takes at once */

char secure_out[1 << 20];
const char *secure_cert;
static char cert_file[64];
static SSL_CTX *client_ctx;
static unsigned char raw[1 << 17];
static char long_text[LONG + 1];

/* ---- The certificate ---- */

int
secure_setup(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *file;
    int fd;

    (void)state;
    snprintf(cert_file, sizeof(cert_file), "/tmp/skio-secure-XXXXXX");
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
    secure_cert = cert_file;
    client_ctx = SSL_CTX_new(TLS_client_method());
    memset(long_text, 'x', LONG);
    home_limit_descriptors(256);
    return client_ctx != NULL ? 0 : -1;
}

int
secure_cleanup(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    return unlink(cert_file);
}

/* ---- The server ---- */

static void
on_fail(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct secure_host *host = user;
    int64_t n = 0;

    (void)ack;
    (void)skio_get_int(args, "0", &n);
    (void)skio_emit(socket, "ready", "%d", 0);
    test_alloc_fail(&host->alloc, (size_t)n);
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "echo", "%p", SKIO_VALUE(args));
}

static void
on_long(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "long", "%s", long_text);
}

static void
on_who(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)ack;
    (void)user;
    (void)skio_emit(socket, "who", "%s,%s", skio_socket_address(socket),
                    skio_socket_is_secure(socket) ? "secure" : "plain");
}

static void
on_reload(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    struct secure_host *host = user;

    (void)args;
    (void)ack;
    (void)skio_emit(socket, "reloaded", "%s",
                    skio_err_name(skio_server_reload_tls(host->server)));
}

static void
on_lost(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct secure_host *host = user;

    (void)socket;
    (void)reason;
    atomic_fetch_add(&host->lost, 1);
}

static void
answer_who(skio_http *request, void *user)
{
    (void)user;
    (void)skio_http_reply(request, 200, "%s", skio_http_address(request));
}

static void
answer_long(skio_http *request, void *user)
{
    (void)user;
    (void)skio_http_reply(request, 200, "%s", long_text);
}

static void
answer_upload(skio_http *request, void *user)
{
    (void)user;
    (void)skio_http_reply(request, 200, "%d", (int)skio_http_body(request).len);
}

static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    struct secure_host *host = user;

    if (level == SKIO_LOG_WARN && strstr(message, "no sockets") != NULL)
        atomic_fetch_add(&host->warned, 1);
}

void
secure_options(skio_server_options *options)
{
    skio_server_options_init(options);
    options->close_timeout_ms = 300;
    options->drain_lead_ms = 0;
    options->max_outbound_bytes = (size_t)16 << 20;
    options->max_connections_per_address = 10000;
    options->tls_cert_file = secure_cert;
    options->tls_key_file = secure_cert;
}

void
secure_make(struct secure_host *host, const skio_server_options *options)
{
    skio_server_options own = *options;
    skio_nsp *nsp;

    memset(host, 0, sizeof(*host));
    test_alloc_init(&host->alloc);
    own.allocator = host->alloc.allocator;
    own.log = on_log;
    own.log_user = host;
    assert_int_equal(skio_server_new(&host->server, &own), SKIO_OK);
    nsp = skio_of(host->server, "/");
    assert_non_null(nsp);
    assert_int_equal(skio_on(nsp, "fail", on_fail, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "echo", on_echo, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "long", on_long, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "who", on_who, host), SKIO_OK);
    assert_int_equal(skio_on(nsp, "reload", on_reload, host), SKIO_OK);
    assert_int_equal(skio_on_disconnect(nsp, on_lost, host), SKIO_OK);
    assert_int_equal(skio_http_on(host->server, "GET", "/who", answer_who,
                                  NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(host->server, "GET", "/long", answer_long,
                                  NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(host->server, "POST", "/upload",
                                  answer_upload, NULL),
                     SKIO_OK);
}

static void *
run(void *arg)
{
    struct secure_host *host = arg;

    return skio_run(host->server) == SKIO_OK ? NULL : host;
}

void
secure_serve(struct secure_host *host)
{
    assert_int_equal(skio_listen(host->server, "127.0.0.1", 0), SKIO_OK);
    assert_int_equal(pthread_create(&host->thread, NULL, run, host), 0);
}

void
secure_start(struct secure_host *host)
{
    skio_server_options options;

    secure_options(&options);
    secure_make(host, &options);
    secure_serve(host);
}

static void
await_end(struct secure_host *host)
{
    void *failed;

    pthread_join(host->thread, &failed);
    assert_null(failed);
    skio_server_free(host->server);
    assert_int_equal(host->alloc.live, 0);
}

void
secure_stop(struct secure_host *host)
{
    skio_server_stop(host->server);
    await_end(host);
}

static void
begin_drain(skio_server *server, void *arg)
{
    (void)arg;
    if (skio_server_drain(server, 500, NULL, NULL) != SKIO_OK)
        abort();
}

void
secure_drain(struct secure_host *host)
{
    assert_int_equal(skio_server_post(host->server, begin_drain, NULL),
                     SKIO_OK);
    await_end(host);
}

void
secure_await_loss(struct secure_host *host, int count)
{
    for (int i = 0; i < 300 && atomic_load(&host->lost) < count; i++)
        home_pause(10);
    assert_int_equal(atomic_load(&host->lost), count);
}

/* ---- The client: bytes ---- */

void
secure_begin(struct secure_client *client)
{
    struct timeval patience = {.tv_sec = 10};

    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof(patience));
    client->ssl = SSL_new(client_ctx);
    client->in = BIO_new(BIO_s_mem());
    client->out = BIO_new(BIO_s_mem());
    assert_true(client->ssl != NULL && client->in != NULL &&
                client->out != NULL);
    SSL_set_bio(client->ssl, client->in, client->out);
    SSL_set_connect_state(client->ssl);
}

void
secure_reach(const struct secure_host *host, struct secure_client *client,
             int window)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client->fd >= 0);
    if (window > 0)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    to.sin_port = htons(skio_server_port(host->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof(to)),
                     0);
    secure_begin(client);
}

void
secure_flush(struct secure_client *client, size_t most)
{
    while (most > 0 && BIO_ctrl_pending(client->out) > 0) {
        size_t len = most < sizeof(raw) ? most : sizeof(raw);
        int got = BIO_read(client->out, raw, (int)len);

        assert_true(got > 0);
        /* the server may have ended it */
        (void)send(client->fd, raw, (size_t)got, MSG_NOSIGNAL);
        most -= (size_t)got;
    }
}

/* Take what has come. Returns false at the end, or after ten seconds. */
static bool
take(struct secure_client *client)
{
    ssize_t got = recv(client->fd, raw, sizeof(raw), 0);

    if (got <= 0)
        return false;
    assert_int_equal(BIO_write(client->in, raw, (int)got), got);
    return true;
}

bool
secure_shake(struct secure_client *client, size_t piece)
{
    int answer;

    while ((answer = SSL_do_handshake(client->ssl)) != 1) {
        if (SSL_get_error(client->ssl, answer) != SSL_ERROR_WANT_READ)
            return false;
        while (piece > 0 && BIO_ctrl_pending(client->out) > 0)
            secure_flush(client, piece);
        secure_flush(client, SIZE_MAX);
        if (!take(client))
            return false;
    }
    while (piece > 0 && BIO_ctrl_pending(client->out) > 0)
        secure_flush(client, piece);
    return true;
}

void
secure_dial(const struct secure_host *host, struct secure_client *client)
{
    secure_reach(host, client, 0);
    assert_true(secure_shake(client, 0));
    secure_flush(client, SIZE_MAX);
}

void
secure_write(struct secure_client *client, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        int part = len - at < 16384 ? (int)(len - at) : 16384;
        int sent = SSL_write(client->ssl, (const char *)data + at, part);

        assert_int_equal(sent, part);
        at += (size_t)sent;
    }
}

void
secure_send(struct secure_client *client, const void *data, size_t len)
{
    secure_write(client, data, len);
    secure_flush(client, SIZE_MAX);
}

void
secure_say(struct secure_client *client, const char *text)
{
    secure_send(client, text, strlen(text));
}

size_t
secure_put_frame(unsigned char *out, unsigned op, const char *payload)
{
    size_t len = strlen(payload);

    assert_true(len < 126);
    out[0] = (unsigned char)op;
    out[1] = (unsigned char)(0x80 | len);
    memset(out + 2, 0, 4);
    memcpy(out + 6, payload, len);
    return 6 + len;
}

void
secure_frame(struct secure_client *client, const char *payload)
{
    unsigned char frame[SECURE_FRAME_MAX];

    secure_send(client, frame, secure_put_frame(frame, 0x81, payload));
}

size_t
secure_read_some(struct secure_client *client, void *out, size_t size)
{
    for (;;) {
        int got = SSL_read(client->ssl, out, (int)size);

        if (got > 0)
            return (size_t)got;
        secure_flush(client, SIZE_MAX);
        if (SSL_get_error(client->ssl, got) != SSL_ERROR_WANT_READ ||
            !take(client))
            return 0;
    }
}

bool
secure_heard(struct secure_client *client, const char *until)
{
    size_t len = 0, got;

    do {
        secure_out[len] = '\0';
        for (size_t at = 0; at < len; at += strlen(secure_out + at) + 1)
            if (strstr(secure_out + at, until) != NULL)
                return true;
        got = secure_read_some(client, secure_out + len,
                               sizeof(secure_out) - 1 - len);
        len += got;
    } while (got > 0 && len < sizeof(secure_out) - 1);
    return false;
}

size_t
secure_read_all(struct secure_client *client)
{
    size_t len = 0, got;

    while ((got = secure_read_some(client, secure_out,
                                   sizeof(secure_out) - 1)) > 0) {
        secure_out[got] = '\0';
        len += got;
    }
    return len;
}

bool
secure_was_told(const struct secure_client *client)
{
    return (SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool
secure_ends(struct secure_client *client, long ms)
{
    struct pollfd ready = {.fd = client->fd, .events = POLLIN};

    while (poll(&ready, 1, (int)ms) == 1)
        if (recv(client->fd, raw, sizeof(raw), 0) <= 0)
            return true;
    return false;
}

void
secure_leave(struct secure_client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

void
secure_reset(struct secure_client *client)
{
    static const struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    secure_leave(client);
}

void
secure_finish(struct secure_client *client, enum secure_end how)
{
    if (how == SECURE_NOTIFY || how == SECURE_BOTH) {
        SSL_shutdown(client->ssl);
        secure_flush(client, SIZE_MAX);
    }
    if (how == SECURE_FIN || how == SECURE_BOTH)
        shutdown(client->fd, SHUT_WR);
    if (how == SECURE_RESET)
        secure_reset(client);
}

void
secure_await_descriptors(size_t count)
{
    for (int i = 0; i < 500 && home_descriptors() > count; i++)
        home_pause(10);
    assert_true(home_descriptors() <= count);
}

/* ---- The client: requests ---- */

void
secure_post(struct secure_client *client, const char *sid, const char *body)
{
    char text[512];

    snprintf(text, sizeof(text),
             "POST " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             sid, strlen(body), body);
    secure_say(client, text);
}

void
secure_poll(struct secure_client *client, const char *sid)
{
    char text[256];

    snprintf(text, sizeof(text),
             "GET " SECURE_PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid);
    secure_say(client, text);
}

void
secure_join(struct secure_client *client, char sid[32])
{
    static const char mark[] = "\"sid\":\"";

    secure_say(client, SECURE_POLL "\r\n");
    assert_true(secure_heard(client, "maxPayload"));
    memcpy(sid, strstr(secure_out, mark) + sizeof(mark) - 1, 20);
    sid[20] = '\0';
    secure_post(client, sid, "40");
    assert_true(secure_heard(client, "\r\n\r\nok"));
    secure_poll(client, sid);
    assert_true(secure_heard(client, "40{\"sid\""));
}

void
secure_upgrade(struct secure_client *client, const char *request)
{
    secure_say(client, request);
    assert_true(secure_heard(client, "maxPayload"));
    assert_int_equal(strncmp(secure_out, "HTTP/1.1 101 ", 13), 0);
    secure_frame(client, "40");
    assert_true(secure_heard(client, "40{\"sid\""));
}

void
secure_is_well(const struct secure_host *host)
{
    struct secure_client client;

    secure_dial(host, &client);
    secure_say(&client, SECURE_POLL "\r\n");
    assert_true(secure_heard(&client, "maxPayload"));
    secure_leave(&client);
}
