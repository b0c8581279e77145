#include "transport/lws_tls.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "transport/lws.h"

struct skio__tls {
    X509 *cert;
    struct stack_st_X509 *chain; /* those that signed it */
    EVP_PKEY *key;
};

static void
free_parts(struct skio__tls *tls)
{
    X509_free(tls->cert);
    sk_X509_pop_free(tls->chain, X509_free);
    EVP_PKEY_free(tls->key);
}

/* OpenSSL asks on the terminal when there is no such function. */
static int
give_password(char *buf, int size, int writing, void *user)
{
    const char *password = user;
    size_t len = password != NULL ? strlen(password) : 0;

    (void)writing;
    if (len == 0 || size < 0 || len > (size_t)size)
        return -1;
    memcpy(buf, password, len);
    return (int)len;
}

/* The first certificate is the server's, the others are its chain. */
static bool
read_certs(struct skio__tls *tls, const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert;

    if (bio == NULL)
        return false;
    tls->chain = sk_X509_new_null();
    tls->cert = PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL);
    while (tls->cert != NULL && tls->chain != NULL &&
           (cert = PEM_read_bio_X509(bio, NULL, give_password, NULL)) != NULL)
        if (sk_X509_push(tls->chain, cert) == 0) {
            X509_free(cert);
            break;
        }
    BIO_free(bio);
    if (tls->cert == NULL || tls->chain == NULL)
        return false;

    /* the end of the file is an end, a broken certificate is not */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

static bool
read_key(struct skio__tls *tls, const char *path, const char *password)
{
    BIO *bio = BIO_new_file(path, "r");

    if (bio == NULL)
        return false;
    tls->key = PEM_read_bio_PrivateKey(bio, NULL, give_password,
                                       (void *)(uintptr_t)password);
    BIO_free(bio);
    return tls->key != NULL && X509_check_private_key(tls->cert, tls->key) == 1;
}

int
skio__tls_load(struct skio__lws *transport)
{
    const skio_server_options *options = transport->options;
    struct skio__tls tls = {0};
    char why[160];

    ERR_clear_error();
    if (transport->tls == NULL) {
        transport->tls =
            skio__mem_calloc(transport->mem, 1, sizeof(*transport->tls));
        if (transport->tls == NULL)
            return SKIO_ENOMEM;
    }
    if (read_certs(&tls, options->tls_cert_file) &&
        read_key(&tls, options->tls_key_file, options->tls_key_password)) {
        free_parts(transport->tls);
        *transport->tls = tls;
        return SKIO_OK;
    }

    ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
    ERR_clear_error();
    skio_transport_log(transport->server, SKIO_LOG_ERROR,
                       "tls: cannot use the certificate and its key: %s", why);
    free_parts(&tls);
    return SKIO_EIO;
}

void
skio__tls_free(struct skio__lws *transport)
{
    if (transport->tls == NULL)
        return;
    free_parts(transport->tls);
    skio__mem_free(transport->mem, transport->tls);
    transport->tls = NULL;
}

/* A handshake begins. Returns 1, or 0 to end it with an alert. */
static int
on_handshake(SSL *ssl, void *user)
{
    const struct skio__lws *transport = user;
    const struct skio__tls *tls = transport->tls;

    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, tls->cert, tls->key, tls->chain, 1);
}

int
skio__tls_attach(struct skio__lws *transport, void *ssl_ctx)
{
    const char *least = transport->options->tls_min_version;
    int version = least != NULL && strcmp(least, "TLSv1.3") == 0
                      ? TLS1_3_VERSION
                      : TLS1_2_VERSION;

    if (transport->tls == NULL)
        return -1;
    SSL_CTX_set_cert_cb(ssl_ctx, on_handshake, transport);
    /* Two by default, each a sixteenth of a handshake's cost; a client that
     * comes back is given its next one then. */
    if (SSL_CTX_set_num_tickets(ssl_ctx, 1) != 1)
        return -1;
    return SSL_CTX_set_min_proto_version(ssl_ctx, version) == 1 ? 0 : -1;
}

int
skio_server_reload_tls(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);

    if (transport == NULL || transport->tls == NULL)
        return SKIO_EINVAL;
    return skio__tls_load(transport);
}
