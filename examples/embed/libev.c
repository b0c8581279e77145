/*
 * libev [PORT [SENSOR_PORT]]: a program with a libev loop, and a
 * Socket.IO server in it
 *
 * Sensors send a number in a datagram, and are answered how many there were.
 * Pages are told each "reading", and after one second without any that it is
 * "stale". Two ports, 3000 and 3010 if nothing is said; 0 picks a free one.
 */
#include "readings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

static skio_server *io;
static struct ev_timer stale;

/* All that the program's loop has to do for the server. */
static void
on_turn(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    (void)events;
    if (skio_loop_turn(io) == 1)
        return;
    ev_io_stop(loop, watcher); /* it has stopped: so does the program */
    ev_break(loop, EVBREAK_ALL);
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
        fprintf(stderr, "libev: port %u: %s\n", (unsigned)port,
                skio_strerror(err));
    return err;
}

/* ---- The rest is the program's own ---- */

static int
open_sensor_port(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    fprintf(stderr, "libev: port %u for sensors: %s\n", (unsigned)port,
            strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static uint16_t
port_of(int fd)
{
    struct sockaddr_in at = {.sin_port = 0};
    socklen_t size = sizeof at;

    (void)getsockname(fd, (struct sockaddr *)&at, &size);
    return ntohs(at.sin_port);
}

/* Returns whether there was a reading. */
static bool
take_reading(int fd)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char text[32];
    ssize_t len = recvfrom(fd, text, sizeof text - 1, MSG_DONTWAIT,
                           (struct sockaddr *)&from, &size);

    if (len <= 0)
        return false;
    text[len] = '\0';
    len = (ssize_t)readings_take(io, text, text, sizeof text);
    if (len > 0 && sendto(fd, text, (size_t)len, MSG_DONTWAIT,
                          (const struct sockaddr *)&from, size) < 0)
        perror("libev: answering a sensor");
    return len > 0;
}

static void
on_sensor(struct ev_loop *loop, struct ev_io *watcher, int events)
{
    (void)events;
    if (take_reading(watcher->fd))
        ev_timer_again(loop, &stale);
}

static void
on_stale(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
    readings_stale(io);
}

/* The first one says goodbye to the pages, a second one waits for nobody. */
static void
on_signal(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    if (skio_server_drain(io, READINGS_DRAIN_MS, NULL, NULL) != SKIO_OK)
        ev_break(loop, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
    struct ev_loop *loop = EV_DEFAULT;
    int fd = begin_server(readings_port(argc, argv, 1, 3000));
    int sensors = open_sensor_port(readings_port(argc, argv, 2, 3010));
    struct ev_io turn, sensor;
    struct ev_signal term, interrupt;

    if (fd >= 0 && sensors >= 0) {
        ev_io_init(&turn, on_turn, fd, EV_READ);
        ev_io_start(loop, &turn);
        ev_io_init(&sensor, on_sensor, sensors, EV_READ);
        ev_io_start(loop, &sensor);
        ev_timer_init(&stale, on_stale, 0, READINGS_STALE_MS / 1000.0);
        ev_signal_init(&term, on_signal, SIGTERM);
        ev_signal_start(loop, &term);
        ev_signal_init(&interrupt, on_signal, SIGINT);
        ev_signal_start(loop, &interrupt);
        printf("libev: clients at port %u, sensors at %u by UDP; stop with "
               "Ctrl+C\n",
               skio_server_port(io), port_of(sensors));
        fflush(stdout);
        ev_run(loop, 0);
        ev_io_stop(loop, &turn);
        ev_io_stop(loop, &sensor);
    }
    skio_server_free(io);
    if (sensors >= 0)
        close(sensors);
    return fd < 0 || sensors < 0;
}
