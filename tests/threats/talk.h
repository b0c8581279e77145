/*
 * A client of a home that says the same each time, and what it heard
 *
 * What the server sent is one text, in which nothing differs from one run to
 * the next: ids and dates are blotted out. So whatever is to be invisible to a
 * client leaves the text as it was.
 */
#ifndef TESTS_THREATS_TALK_H
#define TESTS_THREATS_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threats/home.h"

enum talk_kind {
    TALK_WEBSOCKET,
    TALK_POLLING,
    TALK_UPGRADE,
    TALK_BY_LWS,   /* a WebSocket whose request libwebsockets reads */
    TALK_DEFLATED, /* one that offers compression */
    TALK_KINDS
};

enum talk_end {
    TALK_DONE,    /* all was said and heard */
    TALK_CLOSED,  /* the server closed the connection before that */
    TALK_REFUSED, /* it answered with another status */
    TALK_HUNG     /* it neither answered nor closed */
};

struct talk {
    const struct home *home;
    int fd;
    enum talk_end end;
    bool deflates; /* its long answer may be compressed */
    uint32_t patience_ms;
    size_t len;
    size_t mark; /* up to here it was looked at */
    char text[1 << 20];
};

/* For home_start_with(): what a client talks to. */
void talk_set_up(skio_server *server);
/* Talk from the connect to the end. */
enum talk_end talk_run(struct talk *talk, const struct home *home,
                       enum talk_kind kind, uint32_t patience_ms);
bool talk_is_same(const struct talk *a, const struct talk *b);
const char *talk_kind_name(enum talk_kind kind);
const char *talk_end_name(enum talk_end end);

#endif /* TESTS_THREATS_TALK_H */
