/*
 * libuv [PORT [SENSOR_PORT]]: a program with a libuv loop, and a
 * Socket.IO server in it
 *
 * Sensors send a number in a datagram, and are answered how many there were.
 * Pages are told each "reading", and after one second without any that it is
 * "stale". Two ports, 3000 and 3010 if nothing is said; 0 picks a free one.
 */
#include "readings.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>

#include <uv.h>

static skio_server *io;
static uv_poll_t turn;
static uv_udp_t sensors;
static uv_timer_t stale;
static uv_signal_t term, interrupt;

/* A loop whose last handle is closed ends. */
static void
close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* All that the program's loop has to do for the server. When that has stopped
 * so does the program. */
static void
on_turn(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0 || skio_loop_turn(io) != 1)
        uv_walk(poll->loop, close_handle, NULL);
}

/* Returns the descriptor that the loop watches for it, < 0: an error. */
static int
begin_server(uint16_t port)
{
    int err = readings_server(&io);

    if (err == SKIO_OK)
        err = skio_listen(io, "localhost", port);
    if (err == SKIO_OK)
        err = skio_loop_fd(io);
    if (err < 0)
        fprintf(stderr, "libuv: port %u: %s\n", (unsigned)port,
                skio_strerror(err));
    return err;
}

/* ---- The rest is the program's own ---- */

static void
on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    static char text[32];

    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(text, sizeof text - 1);
}

static void
on_stale(uv_timer_t *timer)
{
    (void)timer;
    readings_stale(io);
}

static void
on_sensor(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
          const struct sockaddr *from, unsigned flags)
{
    char answer[16];
    uv_buf_t out = {.base = answer};
    int err;

    (void)flags;
    if (len <= 0 || from == NULL)
        return;
    buf->base[len] = '\0';
    out.len = readings_take(io, buf->base, answer, sizeof answer);
    if (out.len == 0)
        return;
    err = uv_udp_try_send(udp, &out, 1, from);
    if (err < 0)
        fprintf(stderr, "libuv: answering a sensor: %s\n", uv_strerror(err));
    uv_timer_start(&stale, on_stale, READINGS_STALE_MS, 0);
}

/* The first one says goodbye to the pages, a second one waits for nobody. */
static void
on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    if (skio_server_drain(io, READINGS_DRAIN_MS, NULL, NULL) != SKIO_OK)
        uv_walk(signal->loop, close_handle, NULL);
}

/* Each of them fails without memory or descriptors alone. Fills *port with the
 * one it is. */
static int
begin_all(uv_loop_t *loop, int fd, int *port)
{
    struct sockaddr_in at;
    int size = sizeof at;
    int err;

    if ((err = uv_poll_init(loop, &turn, fd)) == 0 &&
        (err = uv_poll_start(&turn, UV_READABLE, on_turn)) == 0 &&
        (err = uv_timer_init(loop, &stale)) == 0 &&
        (err = uv_signal_init(loop, &term)) == 0 &&
        (err = uv_signal_start(&term, on_signal, SIGTERM)) == 0 &&
        (err = uv_signal_init(loop, &interrupt)) == 0 &&
        (err = uv_signal_start(&interrupt, on_signal, SIGINT)) == 0 &&
        (err = uv_udp_init(loop, &sensors)) == 0 &&
        (err = uv_ip4_addr("127.0.0.1", *port, &at)) == 0 &&
        (err = uv_udp_bind(&sensors, (struct sockaddr *)&at, 0)) == 0 &&
        (err = uv_udp_recv_start(&sensors, on_alloc, on_sensor)) == 0)
        err = uv_udp_getsockname(&sensors, (struct sockaddr *)&at, &size);
    if (err != 0)
        fprintf(stderr, "libuv: port %d for sensors: %s\n", *port,
                uv_strerror(err));
    else
        *port = ntohs(at.sin_port);
    return err;
}

int
main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    int port = readings_port(argc, argv, 2, 3010);
    int fd = begin_server(readings_port(argc, argv, 1, 3000));
    bool began = fd >= 0 && begin_all(loop, fd, &port) == 0;

    if (began) {
        printf("libuv: clients at port %u, sensors at %d by UDP; stop with "
               "Ctrl+C\n",
               skio_server_port(io), port);
        fflush(stdout);
    } else {
        uv_walk(loop, close_handle, NULL);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    skio_server_free(io); /* nobody watches its descriptor any more */
    uv_loop_close(loop);
    return !began;
}
