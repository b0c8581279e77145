/*
 * Signals: the first SIGTERM or SIGINT drains a server
 *
 * They are blocked and read from a signalfd, which the loop watches once it can
 * be used. So nothing runs in a signal handler, and one that comes before the
 * loop runs is not lost.
 */
#define _POSIX_C_SOURCE 200809L /* pthread_sigmask */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <socketio/loop.h>
#include <socketio/signals.h>
#include <socketio/transport.h>

struct signals {
    skio_server *server;
    skio_watch *watch; /* NULL: the loop cannot be used yet */
    uint32_t ms;
    int fd; /* -1: they do what they did before */
    sigset_t before;
};

static void
give_back(struct signals *signals)
{
    if (signals->fd < 0)
        return;
    skio_watch_free(signals->watch);
    signals->watch = NULL;
    close(signals->fd);
    signals->fd = -1;
    (void)pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}

static void
on_signal(unsigned ready, void *user)
{
    struct signals *signals = user;
    struct signalfd_siginfo info;
    bool came = false;
    int err;

    (void)ready;
    /* Both may wait: the other one is not the second of them. */
    while (read(signals->fd, &info, sizeof info) == (ssize_t)sizeof info)
        came = true;
    if (!came)
        return;
    give_back(signals);
    err = skio_server_drain(signals->server, signals->ms, NULL, NULL);
    if (err == SKIO_OK)
        return;
    skio_transport_log(signals->server, SKIO_LOG_WARN,
                       "signals: stopping without a drain: %s",
                       skio_strerror(err));
    skio_server_stop(signals->server);
}

static void
begin(skio_server *server, void *user)
{
    struct signals *signals = user;
    int err = skio_watch_new(server, signals->fd, SKIO_READABLE, on_signal,
                             signals, &signals->watch);

    if (err == SKIO_OK)
        return;
    skio_transport_log(server, SKIO_LOG_ERROR,
                       "signals: no drain at SIGTERM: %s", skio_strerror(err));
    give_back(signals);
}

static void
free_signals(void *user)
{
    struct signals *signals = user;

    skio_loop_forget(signals->server, signals);
    give_back(signals);
    skio_transport_free(signals->server, signals);
}

int
skio_signals_drain(skio_server *server, uint32_t ms)
{
    struct signals *signals;
    sigset_t both;
    int err;

    if (ms > INT32_MAX)
        return SKIO_EINVAL;
    signals = skio_transport_alloc(server, sizeof *signals);
    if (signals == NULL)
        return SKIO_ENOMEM;
    *signals = (struct signals){.server = server, .ms = ms};
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    signals->fd = signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0) {
        err = errno == ENOMEM ? SKIO_ENOMEM : SKIO_EIO;
        goto fail;
    }
    if (pthread_sigmask(SIG_BLOCK, &both, &signals->before) != 0) {
        close(signals->fd);
        err = SKIO_EIO;
        goto fail;
    }
    err = skio_server_on_free(server, free_signals, signals);
    if (err != SKIO_OK) {
        give_back(signals);
        goto fail;
    }
    err = skio_loop_ready(server, begin, signals);
    if (err != SKIO_OK)
        give_back(signals); /* the rest is freed with the server */
    return err;

fail:
    skio_transport_free(server, signals);
    return err;
}
