/*
 * A server of TLS, and a WebSocket of it that says the same each time, with
 * what it heard
 */
#ifndef TESTS_THREATS_TLS_TALK_H
#define TESTS_THREATS_TLS_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#define TLS_MESSAGES 400      /* more than any socket takes */
#define TLS_MESSAGE_LEN 20000 /* more than a record */
#define TLS_HEADER_MS 1000    /* that a handshake and a request may take */

enum tls_ending {
    TLS_ENDING_CLOSE, /* by the book */
    TLS_ENDING_BAD,   /* a frame that nobody may send */
    TLS_ENDINGS
};

struct tls_talk {
    int fd;
    SSL *ssl;
    bool is_lost; /* ended before its time */
    bool is_hung; /* neither answered nor ended */
    long begun_ms;
    long ms; /* from the connect to the end */
    size_t len;
    char text[1 << 18]; /* what was heard */
};

extern char tls_text[1 << 16]; /* the latest frame's payload */
extern char tls_message[TLS_MESSAGE_LEN + 1];

/* Serve from a thread, with a certificate of its own. Returns 0, or else it
 * failed. */
int tls_start(void);
/* Non-zero: the server failed, or memory of it is left. */
int tls_stop(void);

/* From the handshakes to the namespace; window: the receive buffer, 0: as
 * usual. */
void tls_join(struct tls_talk *t, int window);
/* A masked frame; op is its first byte. */
void tls_say(struct tls_talk *t, unsigned op, const char *payload);
/* Leaves the payload in tls_text. Returns the first byte, 0: it ended. */
unsigned tls_hear_frame(struct tls_talk *t);
/* Ask for an echo, and hear it. */
void tls_echo(struct tls_talk *t, const char *argument);
void tls_leave(struct tls_talk *t);

/* From the connect to the end. */
void tls_run(struct tls_talk *t, enum tls_ending ending);
bool tls_is_same(const struct tls_talk *a, const struct tls_talk *b);

#endif /* TESTS_THREATS_TLS_TALK_H */
