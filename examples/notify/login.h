/*
 * A login for the demonstration: whoever types a name is that user. A product
 * has a login of its own that knows people, and signs tokens with the same
 * secret; nothing else of this program changes. It runs with --demo alone.
 *
 *     POST /demo/login {"user": "ada"}   {"token": …, "api_key": …}
 *
 * The API key is in the answer so that the page can send something to look at.
 * A product tells it to no page.
 */
#ifndef NOTIFY_LOGIN_H
#define NOTIFY_LOGIN_H

#include <socketio/socketio.h>
#include <socketio/tokens.h>

#define TOKEN_AUDIENCE "notify"
#define TOKEN_SECONDS 3600

struct login {
    skio_server *server;
    skio_token_key key; /* the server's, too */
    const char *api_key;
};

/* login stays where it is as long as the server. */
int login_start(struct login *login);

#endif /* NOTIFY_LOGIN_H */
