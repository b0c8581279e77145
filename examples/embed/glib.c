/*
 * glib [PORT [SENSOR_PORT]]: a program with a GLib main loop, and a
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

#include <glib-unix.h>

static skio_server *io;
static GMainLoop *loop;
static guint stale; /* the source of the timer; 0: it is not set */

/* All that the program's loop has to do for the server. */
static gboolean
on_turn(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    (void)user;
    if (skio_loop_turn(io) == 1)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop); /* it has stopped: so does the program */
    return G_SOURCE_CONTINUE;
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
        fprintf(stderr, "glib: port %u: %s\n", (unsigned)port,
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
    fprintf(stderr, "glib: port %u for sensors: %s\n", (unsigned)port,
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
        perror("glib: answering a sensor");
    return len > 0;
}

static gboolean
on_stale(gpointer user)
{
    (void)user;
    stale = 0;
    readings_stale(io);
    return G_SOURCE_REMOVE;
}

static gboolean
on_sensor(gint fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    (void)user;
    if (take_reading(fd)) {
        if (stale != 0)
            g_source_remove(stale);
        stale = g_timeout_add(READINGS_STALE_MS, on_stale, NULL);
    }
    return G_SOURCE_CONTINUE;
}

/* The first one says goodbye to the pages, a second one waits for nobody. */
static gboolean
on_signal(gpointer user)
{
    (void)user;
    if (skio_server_drain(io, READINGS_DRAIN_MS, NULL, NULL) != SKIO_OK)
        g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

int
main(int argc, char **argv)
{
    int fd = begin_server(readings_port(argc, argv, 1, 3000));
    int sensors = open_sensor_port(readings_port(argc, argv, 2, 3010));

    loop = g_main_loop_new(NULL, FALSE);
    if (fd >= 0 && sensors >= 0) {
        guint turn = g_unix_fd_add(fd, G_IO_IN, on_turn, NULL);

        g_unix_fd_add(sensors, G_IO_IN, on_sensor, NULL);
        g_unix_signal_add(SIGTERM, on_signal, NULL);
        g_unix_signal_add(SIGINT, on_signal, NULL);
        printf("glib: clients at port %u, sensors at %u by UDP; stop with "
               "Ctrl+C\n",
               skio_server_port(io), port_of(sensors));
        fflush(stdout);
        g_main_loop_run(loop);
        g_source_remove(turn);
    }
    g_main_loop_unref(loop);
    skio_server_free(io);
    if (sensors >= 0)
        close(sensors);
    return fd < 0 || sensors < 0;
}
