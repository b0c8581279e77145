#include "readings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double last;
static int count;

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    if (count > 0)
        skio_emit(socket, "reading", "%g", last);
}

static void
on_count(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)args;
    (void)user;
    skio_ack_send(ack, "%d", count);
}

int
readings_server(skio_server **io)
{
    skio_server_options options;
    int err;

    skio_server_options_init(&options);
    options.drain_lead_ms = 0; /* there is no balancer to tell */
    err = skio_server_new(io, &options);
    if (err == SKIO_OK)
        err = skio_on_connect(skio_of(*io, "/"), on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on(skio_of(*io, "/"), "count", on_count, NULL);
    return err;
}

size_t
readings_take(skio_server *io, const char *text, char *answer, size_t size)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || !isfinite(value))
        return 0;
    last = value;
    skio_emit_all(skio_of(io, "/"), "reading", "%g", last);
    return (size_t)snprintf(answer, size, "%d\n", ++count);
}

void
readings_stale(skio_server *io)
{
    skio_emit_all(skio_of(io, "/"), "stale", NULL);
}

uint16_t
readings_port(int argc, char **argv, int number, uint16_t usual)
{
    const char *text = argc > number ? argv[number] : NULL;
    unsigned long port = usual;
    char *end;

    if (text != NULL) {
        port = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end != '\0' || port > UINT16_MAX) {
            fprintf(stderr, "%s: %s: a port is 0 to 65535\n", argv[0], text);
            exit(2);
        }
    }
    return (uint16_t)port;
}
