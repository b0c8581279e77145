/*
 * loopback-server WORKLOAD COUNT: a server and its only user
 *
 * Serves a workload of so many rounds to clients of its own, one request at a
 * time, and ends. Nothing depends on time: whoever counts the server's
 * instructions gets the same number again, and the difference between two
 * counts is what rounds cost, with libwebsockets and libev. The clients are a
 * process of their own, which nobody counts: this program, started anew.
 *
 *     echo         an event and its ack
 *     echo16       16 events in one write, and their acks
 *     polling      the same as echo, by a POST and a GET
 *     broadcast    to 100 clients
 *     connect      a client that comes and goes
 *
 * Followed by "-metrics", it is the same with <socketio/metrics.h>.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <socketio/metrics.h>
#include <socketio/socketio.h>

#include "interop/program.h"

#define TEXT_32 "abcdefghijklmnopqrstuvwxyz012345"
#define EVENT(name) "420[\"" name "\",\"" TEXT_32 "\"]"
#define ACKED "430[\"" TEXT_32 "\"]"
#define NEWS "42[\"broadcast\",\"" TEXT_32 "\"]"

enum { DEPTH = 16, CROWD = 100 };

/* ---- The server ---- */

static unsigned long handled;

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)user;
    handled += skio_ack_send(ack, "%p", SKIO_VALUE(args)) == SKIO_OK;
}

static void
on_broadcast(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    (void)ack;
    (void)user;
    handled += skio_emit_all(skio_socket_nsp(socket), "broadcast", "%p",
                             SKIO_VALUE(args)) == SKIO_OK;
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)socket;
    *(unsigned long *)user += 1;
}

/* ---- Clients: they wait for each answer ---- */

static uint16_t server_port;

/* The server is told to end, whatever happened. */
static _Noreturn void
leave(const char *problem)
{
    if (problem != NULL)
        perror(problem);
    kill(getppid(), SIGTERM);
    _exit(problem != NULL ? 1 : 0);
}

static int
dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(server_port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        leave("connect");
    return fd;
}

static void
send_all(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        leave("send");
}

static void
receive_all(int fd, void *data, size_t len)
{
    if (recv(fd, data, len, MSG_WAITALL) != (ssize_t)len)
        leave("recv");
}

/* One masked text frame of at most 125 bytes; returns its length. */
static size_t
make_frame(unsigned char *frame, const char *text)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t len = strlen(text);

    frame[0] = 0x81;
    frame[1] = (unsigned char)(0x80 | len);
    memcpy(frame + 2, mask, 4);
    for (size_t i = 0; i < len; i++)
        frame[6 + i] = (unsigned char)text[i] ^ mask[i % 4];
    return 6 + len;
}

static void
say(int fd, const char *text)
{
    unsigned char frame[160];
    size_t len = make_frame(frame, text);

    send_all(fd, frame, len);
}

/* A message: all of the text, or one that begins so if it ends in "*". */
static void
hear(int fd, const char *wanted)
{
    size_t wanted_len = strcspn(wanted, "*");
    unsigned char head[4];
    char text[1024];
    size_t len;

    receive_all(fd, head, 2);
    len = head[1];
    if (len == 126) {
        receive_all(fd, head + 2, 2);
        len = (size_t)head[2] << 8 | head[3];
    }
    if (len > sizeof text)
        leave("a message is too long");
    receive_all(fd, text, len);
    if (len < wanted_len || memcmp(text, wanted, wanted_len) != 0 ||
        (wanted[wanted_len] == '\0' && len != wanted_len))
        leave("a message is not as it should be");
}

static int
join(void)
{
    static const char request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char end[4] = "";
    int fd = dial();

    send_all(fd, request, sizeof request - 1);
    while (memcmp(end, "\r\n\r\n", 4) != 0) {
        memmove(end, end + 1, 3);
        receive_all(fd, end + 3, 1);
    }
    hear(fd, "0{\"sid\":\"*");
    say(fd, "40");
    hear(fd, "40{\"sid\":\"*");
    return fd;
}

/* The server closes: then it is done with this client. */
static void
part(int fd)
{
    static const unsigned char close_frame[] = {0x88, 0x80, 0, 0, 0, 0};
    char rest[64];

    send_all(fd, close_frame, sizeof close_frame);
    while (recv(fd, rest, sizeof rest, 0) > 0)
        continue;
    close(fd);
}

static void
run_echo(unsigned long count, int depth)
{
    unsigned char frames[DEPTH * 160];
    size_t len = 0;
    int fd = join();

    for (int i = 0; i < depth; i++)
        len += make_frame(frames + len, EVENT("echo"));
    while (count-- > 0) {
        send_all(fd, frames, len);
        for (int i = 0; i < depth; i++)
            hear(fd, ACKED);
    }
    part(fd);
}

static void
run_broadcast(unsigned long count)
{
    int fds[CROWD];

    for (int i = 0; i < CROWD; i++)
        fds[i] = join();
    while (count-- > 0) {
        say(fds[0], EVENT("broadcast"));
        for (int i = 0; i < CROWD; i++)
            hear(fds[i], NEWS);
    }
    for (int i = 0; i < CROWD; i++)
        part(fds[i]);
}

/* A request of a session, or without one; its answer's body. */
static void
ask(int fd, const char *method, const char *sid, const char *body, char *answer,
    size_t size)
{
    char text[1024];
    size_t len = 0;
    const char *at;
    size_t body_len;

    snprintf(text, sizeof text,
             "%s /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\n"
             "Host: localhost\r\nContent-Type: text/plain;charset=UTF-8\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             method, *sid != '\0' ? "&sid=" : "", sid, strlen(body), body);
    send_all(fd, text, strlen(text));

    text[0] = '\0';
    while (strstr(text, "\r\n\r\n") == NULL) {
        if (len + 1 >= sizeof text)
            leave("a response is too long");
        receive_all(fd, text + len, 1);
        text[++len] = '\0';
    }
    at = strstr(text, "ontent-length: ");
    if (at == NULL)
        at = strstr(text, "ontent-Length: ");
    body_len = at != NULL ? strtoul(at + 15, NULL, 10) : size;
    if (body_len >= size || strncmp(text, "HTTP/1.1 200", 12) != 0)
        leave("a response is not as it should be");
    receive_all(fd, answer, body_len);
    answer[body_len] = '\0';
}

static void
run_polling(unsigned long count)
{
    char answer[512];
    char sid[21];
    int fd = dial();

    ask(fd, "GET", "", "", answer, sizeof answer);
    if (strncmp(answer, "0{\"sid\":\"", 9) != 0)
        leave("an open packet is not as it should be");
    memcpy(sid, answer + 9, 20);
    sid[20] = '\0';
    ask(fd, "POST", sid, "40", answer, sizeof answer);
    ask(fd, "GET", sid, "", answer, sizeof answer);
    while (count-- > 0) {
        ask(fd, "POST", sid, EVENT("echo"), answer, sizeof answer);
        ask(fd, "GET", sid, "", answer, sizeof answer);
        if (strcmp(answer, ACKED) != 0)
            leave("a poll is not as it should be");
    }
    ask(fd, "POST", sid, "1", answer, sizeof answer);
    close(fd);
}

static _Noreturn void
run_clients(const char *workload, unsigned long count)
{
    if (strcmp(workload, "echo") == 0) {
        run_echo(count, 1);
    } else if (strcmp(workload, "echo16") == 0) {
        run_echo(count, DEPTH);
    } else if (strcmp(workload, "polling") == 0) {
        run_polling(count);
    } else if (strcmp(workload, "broadcast") == 0) {
        run_broadcast(count);
    } else {
        while (count-- > 0)
            part(join());
    }
    leave(NULL);
}

/* What must have been handled, and how many must have connected. */
static bool
was_all_done(const char *workload, unsigned long count, unsigned long connected)
{
    if (strcmp(workload, "connect") == 0)
        return handled == 0 && connected == count;
    if (strcmp(workload, "echo16") == 0)
        return handled == DEPTH * count;
    return handled == count;
}

/* Whether the workload's name ends so; that is cut off. */
static bool
take_metrics(char *workload)
{
    static const char suffix[] = "-metrics";
    size_t len = strlen(workload);

    if (len < sizeof suffix ||
        strcmp(workload + len - (sizeof suffix - 1), suffix) != 0)
        return false;
    workload[len - (sizeof suffix - 1)] = '\0';
    return true;
}

static pid_t
start_clients(char **argv, uint16_t port)
{
    char text[8];
    pid_t child;

    snprintf(text, sizeof text, "%u", (unsigned)port);
    child = fork();
    if (child == 0) {
        execl(argv[0], argv[0], argv[1], argv[2], text, (char *)NULL);
        leave(argv[0]);
    }
    return child;
}

int
main(int argc, char **argv)
{
    unsigned long count = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long connected = 0;
    bool has_metrics;
    skio_server_options options;
    skio_server *io;
    skio_nsp *root;
    pid_t child = -1;
    int status = 1;

    if (argc < 3 || count == 0) {
        fprintf(stderr, "usage: loopback-server "
                        "echo|echo16|polling|broadcast|connect COUNT\n");
        return 2;
    }
    has_metrics = take_metrics(argv[1]);
    if (argc == 4) {
        server_port = (uint16_t)program_port(argv[3]);
        run_clients(argv[1], count);
    }

    skio_server_options_init(&options);
    if (skio_server_new(&io, &options) != SKIO_OK)
        return 1;
    root = skio_of(io, "/");
    if ((!has_metrics || skio_metrics_serve(io, NULL, NULL) == SKIO_OK) &&
        skio_on(root, "echo", on_echo, NULL) == SKIO_OK &&
        skio_on(root, "broadcast", on_broadcast, NULL) == SKIO_OK &&
        skio_on_connect(root, on_connect, &connected) == SKIO_OK &&
        skio_listen(io, "127.0.0.1", 0) == SKIO_OK) {
        child = start_clients(argv, skio_server_port(io));
        if (child > 0 && program_run(io) == SKIO_OK)
            waitpid(child, &status, 0);
    }
    skio_server_free(io);
    return status != 0 || !was_all_done(argv[1], count, connected);
}
