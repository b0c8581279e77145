/*
 * systemd [PORT]: a service that systemd starts, watches and stops
 *
 *   systemd/socketio-embed.socket   has systemd listen, as the first client may
 *                                   come before the service does
 *   systemd/socketio-embed.service  says how it is run, and what it may not do
 *
 * It is told when the service is ready, how many clients there are, that it
 * lives, and that it ends. Started by hand it listens at PORT, 3000 if nothing
 * is said; 0 picks a free one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <socketio/health.h>
#include <socketio/loop.h>
#include <socketio/socketio.h>
#include <systemd/sd-daemon.h>

#define DRAIN_MS 3000 /* with the rest below TimeoutStopSec */

struct service {
    skio_server *io;
    skio_timer *alive;
    skio_watch *watch;
    uint32_t alive_ms; /* 0: nobody waits for it */
    int signals;       /* signalfd */
};

/* It goes to the journal, with its level. */
static void
on_log(void *user, enum skio_log_level level, const char *message)
{
    const char *mark = level == SKIO_LOG_ERROR  ? SD_ERR
                       : level == SKIO_LOG_WARN ? SD_WARNING
                                                : SD_INFO;

    (void)user;
    fprintf(stderr, "%s%s\n", mark, message);
}

static void
say_clients(skio_server *io)
{
    sd_notifyf(0, "STATUS=%zu clients", skio_server_sessions(io));
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)socket;
    say_clients(user);
}

static void
on_message(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "message", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, NULL);
}

/* Only a loop that still turns says so. */
static void
on_alive(void *user)
{
    struct service *service = user;

    sd_notify(0, "WATCHDOG=1");
    say_clients(service->io);
    if (skio_timer_set(service->alive, service->alive_ms) != SKIO_OK)
        skio_server_stop(service->io);
}

/* The first one lets the clients go, a second one waits for nobody. */
static void
on_signal(unsigned ready, void *user)
{
    struct service *service = user;
    struct signalfd_siginfo info;

    (void)ready;
    if (read(service->signals, &info, sizeof info) != sizeof info)
        return;
    sd_notify(0, "STOPPING=1");
    if (skio_server_drain(service->io, DRAIN_MS, NULL, NULL) != SKIO_OK)
        skio_server_stop(service->io);
}

static int
take_signals(struct service *service)
{
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    service->signals = signalfd(-1, &both, SFD_CLOEXEC | SFD_NONBLOCK);
    if (service->signals < 0 || sigprocmask(SIG_BLOCK, &both, NULL) != 0)
        return SKIO_EIO;
    return skio_watch_new(service->io, service->signals, SKIO_READABLE,
                          on_signal, service, &service->watch);
}

/* Twice as often as systemd waits for. */
static int
watch_over(struct service *service)
{
    uint64_t usec = 0;
    int asked = sd_watchdog_enabled(0, &usec);

    service->alive = skio_timer_new(service->io, on_alive, service);
    if (service->alive == NULL)
        return SKIO_ENOMEM;
    if (asked <= 0 || usec / 2000 > UINT32_MAX)
        return SKIO_OK;
    service->alive_ms = (uint32_t)(usec / 2000);
    return skio_timer_set(service->alive, service->alive_ms);
}

static int
make(struct service *service, uint16_t port)
{
    skio_server_options options;
    skio_nsp *root;
    int err;

    skio_server_options_init(&options);
    options.log = on_log;
    options.drain_lead_ms = 0; /* there is no balancer to tell */
    err = skio_server_new(&service->io, &options);
    if (err != SKIO_OK)
        return err;
    root = skio_of(service->io, "/");
    err = skio_health_serve(service->io, NULL);
    if (err == SKIO_OK)
        err = skio_on_connect(root, on_connect, service->io);
    if (err == SKIO_OK)
        err = skio_on(root, "message", on_message, NULL);
    if (err == SKIO_OK) /* how many were passed; 0: started by hand */
        err = skio_listen_systemd(service->io);
    if (err == 0)
        err = skio_listen(service->io, "localhost", port);
    if (err >= 0)
        err = take_signals(service);
    return err == SKIO_OK ? watch_over(service) : err;
}

int
main(int argc, char **argv)
{
    struct service service = {.signals = -1};
    char *end = NULL;
    unsigned long port = argc > 1 ? strtoul(argv[1], &end, 10) : 3000;
    int err;

    if (argc > 2 || (end != NULL && (end == argv[1] || *end != '\0')) ||
        port > 65535) {
        fprintf(stderr, SD_ERR "usage: systemd [PORT], 0 to 65535\n");
        return 2;
    }
    err = make(&service, (uint16_t)port);

    if (err == SKIO_OK) {
        printf("systemd: clients at port %u; stop with Ctrl+C\n",
               skio_server_port(service.io));
        fflush(stdout);
        sd_notify(0, "READY=1\nSTATUS=0 clients");
        err = skio_run(service.io);
    }
    if (err != SKIO_OK) {
        fprintf(stderr, SD_ERR "systemd: %s\n", skio_strerror(err));
        sd_notifyf(0, "STATUS=%s", skio_strerror(err));
    }
    skio_watch_free(service.watch);
    skio_timer_free(service.alive);
    skio_server_free(service.io);
    if (service.signals >= 0)
        close(service.signals);
    return err != SKIO_OK;
}
