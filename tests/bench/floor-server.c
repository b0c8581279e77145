/*
 * floor-server PORT [--tls CERT KEY]: a server that does nothing but what must
 * be done, system calls
 *
 * The floor that `make bench` compares with: raw epoll, bytes framed in
 * advance, no library, no checks. Per exchange one recv and one send; per
 * broadcast one send for each client and turn. It answers bench-load as
 * bench-server does, and nobody else: a message is known by its first bytes,
 * and the answers are made when the first message of a run shows their size.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOMS = 1024, PENDING_MAX = 64 };

struct conn {
    int fd;
    SSL *tls;
    bool upgraded;
    bool held; /* a GET waits for its answer */
    unsigned room;
    unsigned room_slot;
    unsigned slot;
    unsigned pending;     /* broadcasts to send at the turn's end */
    unsigned acks;        /* polling: answers to the next GET */
    struct conn *session; /* polling: whose acks these are */
    unsigned id;          /* polling: its place in sessions */
    char *part;           /* of a frame or request that is still arriving */
    size_t part_len;
};

struct list {
    struct conn **items;
    unsigned count, room;
};

static int epoll;
static SSL_CTX *tls;
static struct list everybody, rooms[ROOMS];
static struct conn *sessions[65536];
static unsigned session_count;

/* The answer to one echo, and a broadcast; PENDING_MAX of each in a row. */
static char *echo_frames, *cast_frames;
static size_t echo_len, cast_len;
static char *poll_acks;
static size_t poll_ack_len;

static unsigned char buffer[256 * 1024];

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned
list_add(struct list *list, struct conn *conn)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        list->items = realloc(list->items, list->room * sizeof(conn));
        if (list->items == NULL)
            fail("realloc");
    }
    list->items[list->count] = conn;
    return list->count++;
}

/* What OpenSSL's answer would have been of send() or recv(). */
static ssize_t
tls_answer(SSL *ssl, int answer)
{
    int err;

    if (answer > 0)
        return answer;
    err = SSL_get_error(ssl, answer);
    errno = err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE ? EAGAIN
                                                                      : EPIPE;
    return -1;
}

static ssize_t
conn_send(struct conn *conn, const void *data, size_t len)
{
    if (conn->tls == NULL)
        return send(conn->fd, data, len, MSG_NOSIGNAL);
    return tls_answer(conn->tls, SSL_write(conn->tls, data,
                                           len < INT_MAX ? (int)len : INT_MAX));
}

static ssize_t
conn_recv(struct conn *conn, void *data, size_t room)
{
    if (conn->tls == NULL)
        return recv(conn->fd, data, room, 0);
    return tls_answer(conn->tls,
                      SSL_read(conn->tls, data,
                               room < INT_MAX ? (int)room : INT_MAX));
}

static void
send_all(struct conn *conn, const char *data, size_t len)
{
    /* A client that does not read is not what a floor is for. */
    while (len > 0) {
        ssize_t sent = conn_send(conn, data, len);

        if (sent < 0 && errno != EAGAIN)
            return;
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
        }
    }
}

/* An unmasked frame "prefix xxxx suffix", count times in a row. */
static char *
make_frames(const char *prefix, size_t size, const char *suffix, size_t *len)
{
    size_t payload = strlen(prefix) + size + strlen(suffix);
    size_t head = payload < 126 ? 2 : 4;
    char *frames = malloc((head + payload) * PENDING_MAX);

    if (frames == NULL)
        fail("malloc");
    for (unsigned i = 0; i < PENDING_MAX; i++) {
        char *frame = frames + i * (head + payload);

        frame[0] = (char)0x81;
        if (payload < 126) {
            frame[1] = (char)payload;
        } else {
            frame[1] = 126;
            frame[2] = (char)(payload >> 8);
            frame[3] = (char)payload;
        }
        memcpy(frame + head, prefix, strlen(prefix));
        memset(frame + head + strlen(prefix), 'x', size);
        memcpy(frame + head + strlen(prefix) + size, suffix, strlen(suffix));
    }
    *len = head + payload;
    return frames;
}

static void answer(struct conn *conn, const char *body, size_t len);

/* The probe of an upgrade: the poll that waits is released. */
static void
probe(struct conn *conn)
{
    struct conn *session = conn->session;

    send_all(conn,
             "\x81\x06"
             "3probe",
             8);
    if (session != NULL && session->held) {
        session->held = false;
        answer(session, "6", 1);
    }
}

static void
cast(struct list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        list->items[i]->pending++;
}

/* What was broadcast in this turn: one send for each receiver. */
static void
flush_casts(void)
{
    for (unsigned i = 0; i < everybody.count; i++) {
        struct conn *conn = everybody.items[i];

        while (conn->pending > 0) {
            unsigned count =
                conn->pending < PENDING_MAX ? conn->pending : PENDING_MAX;

            send_all(conn, cast_frames, count * cast_len);
            conn->pending -= count;
        }
    }
}

/* One message, unmasked. Returns whether it is an echo to be answered. */
static bool
message(struct conn *conn, const char *text, size_t len, bool *casting)
{
    if (len >= 14 && memcmp(text, "421[\"echo\"", 10) == 0) {
        if (echo_frames == NULL)
            echo_frames = make_frames("431[\"", len - 14, "\"]", &echo_len);
        return true;
    }
    if (len >= 15 && memcmp(text, "42[\"broadcast\",", 15) == 0) {
        if (cast_frames == NULL)
            cast_frames =
                make_frames("42[\"broadcast\",\"", len - 18, "\"]", &cast_len);
        cast(&everybody);
        *casting = true;
    } else if (len >= 24 && memcmp(text, "42[\"room\",\"room", 15) == 0) {
        char *end;
        unsigned room = (unsigned)strtoul(text + 15, &end, 10) % ROOMS;
        size_t head = (size_t)(end - text) + 3; /* "," after its number */

        if (cast_frames == NULL)
            cast_frames =
                make_frames("42[\"room\",\"", len - head - 2, "\"]", &cast_len);
        cast(&rooms[room]);
        *casting = true;
    } else if (len >= 16 && memcmp(text, "421[\"join\",\"", 12) == 0) {
        /* Rooms of another name are joined and never asked for. */
        if (memcmp(text + 12, "room", 4) == 0) {
            conn->room = (unsigned)strtoul(text + 16, NULL, 10) % ROOMS;
            list_add(&rooms[conn->room], conn);
        }
        send_all(conn,
                 "\x81\x09"
                 "431[true]",
                 11);
    } else if (len == 2 && memcmp(text, "40", 2) == 0) {
        send_all(conn,
                 "\x81\x20"
                 "40{\"sid\":\"aaaaaaaaaaaaaaaaaaaa\"}",
                 34);
    } else if (len == 6 && memcmp(text, "2probe", 6) == 0) {
        probe(conn);
    }
    return false;
}

static void
unmask(unsigned char *data, size_t len, const unsigned char *key)
{
    uint64_t word, mask;
    size_t i = 0;

    memcpy(&mask, key, 4);
    memcpy((char *)&mask + 4, key, 4);
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, data + i, sizeof(word));
        word ^= mask;
        memcpy(data + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        data[i] ^= key[i & 3];
}

/* Whole frames at the start of data; returns the bytes they took. */
static size_t
frames(struct conn *conn, unsigned char *data, size_t len, bool *casting)
{
    size_t used = 0;
    unsigned echoes = 0;

    while (len - used >= 6) {
        unsigned char *frame = data + used;
        size_t size = frame[1] & 127, head = 6;

        if (size == 126) {
            if (len - used < 8)
                break;
            size = (size_t)frame[2] << 8 | frame[3];
            head = 8;
        }
        if (len - used < head + size)
            break;
        unmask(frame + head, size, frame + head - 4);
        echoes += message(conn, (char *)frame + head, size, casting);
        used += head + size;
    }
    while (echoes > 0) {
        unsigned count = echoes < PENDING_MAX ? echoes : PENDING_MAX;

        send_all(conn, echo_frames, count * echo_len);
        echoes -= count;
    }
    return used;
}

static void
answer(struct conn *conn, const char *body, size_t len)
{
    char text[65536];
    int head = snprintf(text, sizeof(text),
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; "
                        "charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
                        len);

    if (len < sizeof(text) - (size_t)head) {
        memcpy(text + head, body, len);
        send_all(conn, text, (size_t)head + len);
    } else {
        send_all(conn, text, (size_t)head);
        send_all(conn, body, len);
    }
}

static void
answer_held(struct conn *session)
{
    if (!session->held || session->acks == 0)
        return;
    answer(session->session, poll_acks, session->acks * poll_ack_len - 1);
    session->held = false;
    session->acks = 0;
}

/* A poll: the session is the GET connection that made it. */
static void
polling(struct conn *conn, const char *head, const char *body, size_t len)
{
    static const char joined[] = "40{\"sid\":\"aaaaaaaaaaaaaaaaaaaa\"}";
    const char *sid = memmem(head, (size_t)(body - head), "sid=", 4);
    struct conn *session;
    char open[128];

    if (sid == NULL) {
        conn->id = session_count % 65536;
        sessions[conn->id] = conn;
        snprintf(open, sizeof(open),
                 "0{\"sid\":\"%020u\",\"upgrades\":[],\"pingInterval\":25000,"
                 "\"pingTimeout\":20000,\"maxPayload\":1000000}",
                 session_count++);
        answer(conn, open, strlen(open));
        return;
    }
    session = sessions[strtoul(sid + 4, NULL, 10) % 65536];
    if (session == NULL)
        return;
    if (head[0] == 'P') {
        if (len == 2 && memcmp(body, "40", 2) == 0) {
            session->pending = 1;
        } else {
            const char *next = memchr(body, '\x1e', len);
            size_t size = next != NULL ? (size_t)(next - body) : len;

            if (poll_acks == NULL) {
                size_t count = size - 14;

                poll_ack_len = count + 8;
                poll_acks = malloc(poll_ack_len * PENDING_MAX);
                if (poll_acks == NULL)
                    fail("malloc");
                for (unsigned i = 0; i < PENDING_MAX; i++) {
                    char *ack = poll_acks + i * poll_ack_len;

                    memcpy(ack, "431[\"", 5);
                    memset(ack + 5, 'x', count);
                    memcpy(ack + 5 + count, "\"]\x1e", 3);
                }
            }
            session->acks += (unsigned)((len + 1) / (size + 1));
        }
        answer(conn, "ok", 2);
    } else if (session->pending) {
        session->pending = 0;
        answer(conn, joined, sizeof(joined) - 1);
        return;
    } else {
        session->held = true;
        session->session = conn;
    }
    answer_held(session);
}

/* A whole request at the start of data, or nothing; returns its bytes. */
static size_t
request(struct conn *conn, const char *data, size_t len)
{
    static const char accepted[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: "
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    static const char opened[] =
        "\x81\x6b"
        "0{\"sid\":\"aaaaaaaaaaaaaaaaaaaa\",\"upgrades\":[],"
        "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    const char *length, *sid;
    size_t head, body = 0;

    if (end == NULL)
        return 0;
    head = (size_t)(end - data) + 4;
    if (memmem(data, head, "Upgrade: websocket", 18) != NULL) {
        char text[sizeof(accepted) + sizeof(opened)];

        conn->upgraded = true;
        conn->slot = list_add(&everybody, conn);
        sid = memmem(data, head, "sid=", 4);
        if (sid != NULL) {
            conn->session = sessions[strtoul(sid + 4, NULL, 10) % 65536];
            send_all(conn, accepted, sizeof(accepted) - 1);
            return head;
        }
        memcpy(text, accepted, sizeof(accepted));
        memcpy(text + sizeof(accepted) - 1, opened, sizeof(opened));
        send_all(conn, text, sizeof(accepted) + sizeof(opened) - 2);
        return head;
    }
    length = memmem(data, head, "Content-Length:", 15);
    if (length != NULL)
        body = strtoul(length + 15, NULL, 10);
    if (len < head + body)
        return 0;
    polling(conn, data, data + head, body);
    return head + body;
}

static void
conn_close(struct conn *conn)
{
    if (conn->upgraded) {
        everybody.items[conn->slot] = everybody.items[--everybody.count];
        everybody.items[conn->slot]->slot = conn->slot;
    }
    if (!conn->upgraded && sessions[conn->id] == conn)
        sessions[conn->id] = NULL;
    SSL_free(conn->tls);
    close(conn->fd);
    free(conn->part);
    free(conn);
}

/* Returns whether it is still there. */
static bool
conn_read(struct conn *conn, bool *casting)
{
    size_t len = 0, used;
    ssize_t got;

    if (conn->part != NULL) {
        memcpy(buffer, conn->part, conn->part_len);
        len = conn->part_len;
    }
    got = conn_recv(conn, buffer + len, sizeof(buffer) - len);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return true;
        conn_close(conn);
        return false;
    }
    len += (size_t)got;
    used = conn->upgraded ? frames(conn, buffer, len, casting)
                          : request(conn, (const char *)buffer, len);
    /* A part is kept masked: frames() touches whole frames only. */
    if (len > used) {
        conn->part = realloc(conn->part, len - used);
        if (conn->part == NULL)
            fail("realloc");
        memcpy(conn->part, buffer + used, len - used);
    } else if (conn->part != NULL) {
        free(conn->part);
        conn->part = NULL;
    }
    conn->part_len = len - used;
    return true;
}

static void
conn_event(struct conn *conn, bool *casting)
{
    /* OpenSSL may hold what epoll does not know of. */
    do {
        if (!conn_read(conn, casting))
            return;
    } while (conn->tls != NULL && SSL_pending(conn->tls) > 0);
}

static void
accept_some(int listener)
{
    for (unsigned i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        struct conn *conn;
        int on = 1;

        if (fd < 0)
            return;
        conn = calloc(1, sizeof(*conn));
        if (conn == NULL)
            fail("calloc");
        conn->fd = fd;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
            fail("setsockopt");
        if (tls != NULL) {
            conn->tls = SSL_new(tls);
            if (conn->tls == NULL || SSL_set_fd(conn->tls, fd) != 1)
                fail("SSL_new");
            SSL_set_accept_state(conn->tls);
        }
        event.data.ptr = conn;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            fail("epoll_ctl");
    }
}

static int
listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, len) != 0 ||
        listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        fail("listen");
    printf("listening on %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void
start_tls(const char *cert, const char *key)
{
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "floor-server: %s, %s: no certificate\n", cert, key);
        exit(1);
    }
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1)
        exit(1);
}

int
main(int argc, char **argv)
{
    struct epoll_event events[512];
    struct rlimit limit;
    int listener;

    if (argc != 2 && (argc != 5 || strcmp(argv[2], "--tls") != 0)) {
        fprintf(stderr, "usage: floor-server PORT [--tls CERT KEY]\n");
        return 2;
    }
    if (argc == 5)
        start_tls(argv[3], argv[4]);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            fail("setrlimit");
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    events[0] = (struct epoll_event){.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, events) != 0)
        fail("epoll");

    for (;;) {
        int count = epoll_wait(epoll, events, 512, -1);
        bool casting = false;

        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_some(listener);
            else
                conn_event(events[i].data.ptr, &casting);
        }
        if (casting)
            flush_casts();
    }
}
