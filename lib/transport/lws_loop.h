/*
 * The loop of an own context, between lws_listen.c, which makes it, and
 * lws_run.c, which runs it
 */
#ifndef SKIO_TRANSPORT_LWS_LOOP_H
#define SKIO_TRANSPORT_LWS_LOOP_H

#include <stdbool.h>

#include <ev.h>
#include <libwebsockets.h>

struct skio__loop {
    struct ev_loop *ev; /* NULL: lws' own poll() loop */
    struct ev_prepare prepare;
    struct ev_idle idle;
    struct ev_check check; /* turned from outside */
    unsigned deferrals;
    struct lws_protocols protocols[2];
    bool running;
    bool is_turned;  /* by skio_loop_turn() */
    bool has_events; /* of the turn that goes on */
};

#endif /* SKIO_TRANSPORT_LWS_LOOP_H */
