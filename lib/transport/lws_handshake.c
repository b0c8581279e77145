#include "transport/lws_handshake.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "transport/lws_direct.h"
#include "transport/lws_input.h"
#include "transport/lws_sealed.h"

bool
skio__handshake_is_due(const struct skio__conn *conn)
{
    return conn->transport->ssl_ctx != NULL && conn->direct->sealed == NULL;
}

static SSL *
make_ssl(const struct skio__conn *conn)
{
    SSL *ssl = SSL_new(conn->transport->ssl_ctx);

    if (ssl == NULL)
        return NULL;
    if (SSL_set_fd(ssl, conn->direct->io.fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    SSL_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(ssl, 1);
    return ssl;
}

static int
finish(struct skio__conn *conn, SSL *ssl)
{
    struct skio__direct *direct = conn->direct;

    direct->sealed = skio__sealed_new(conn->transport->mem, ssl);
    if (direct->sealed == NULL)
        return -1;
    direct->shaking = NULL;
    direct->body_left = 0; /* in its place */
    skio__input_watch(conn, EV_READ);
    return 1;
}

int
skio__handshake_go_on(struct skio__conn *conn)
{
    struct skio__direct *direct = conn->direct;
    int done;

    ERR_clear_error();
    if (direct->shaking == NULL)
        direct->shaking = make_ssl(conn);
    if (direct->shaking == NULL)
        return -1;
    done = SSL_do_handshake(direct->shaking);
    if (done == 1)
        return finish(conn, direct->shaking);
    switch (SSL_get_error(direct->shaking, done)) {
    case SSL_ERROR_WANT_READ:
        skio__input_watch(conn, EV_READ);
        return 0;
    case SSL_ERROR_WANT_WRITE:
        skio__input_watch(conn, EV_WRITE);
        return 0;
    default:
        return -1;
    }
}

void
skio__handshake_drop(struct skio__conn *conn)
{
    SSL_free(conn->direct->shaking);
    conn->direct->shaking = NULL;
}
