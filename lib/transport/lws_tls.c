#include "transport/lws_tls.h"

#include <stdio.h>
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
    const char *option = "tls_cert_file";
    const char *path = options->tls_cert_file;
    struct skio__tls tls = {0};
    char why[160];

    ERR_clear_error();
    if (transport->tls == NULL) {
        transport->tls =
            skio__mem_calloc(transport->mem, 1, sizeof(*transport->tls));
        if (transport->tls == NULL)
            return SKIO_ENOMEM;
    }
    if (read_certs(&tls, path)) {
        option = "tls_key_file";
        path = options->tls_key_file;
        if (read_key(&tls, path, options->tls_key_password)) {
            free_parts(transport->tls);
            *transport->tls = tls;
            return SKIO_OK;
        }
    }

    ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
    ERR_clear_error();
    skio_transport_log(transport->server, SKIO_LOG_ERROR,
                       "%s: \"%s\" cannot be used: %s", option, path, why);
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

/*
 * A client that comes back with a ticket spares the signature, which is dear
 * with RSA; any other costs less than the ticket. A round trip is spared by
 * neither (RFC 8446, 2.2). More than one at a time is for clients that open
 * many connections.
 */
static size_t
count_tickets(const struct skio__tls *tls)
{
    return EVP_PKEY_is_a(tls->key, "RSA") == 1 ? 1 : 0;
}

/* A handshake begins. Returns 1, or 0 to end it with an alert. */
static int
on_handshake(SSL *ssl, void *user)
{
    const struct skio__lws *transport = user;
    const struct skio__tls *tls = transport->tls;

    SSL_certs_clear(ssl);
    return SSL_set_num_tickets(ssl, count_tickets(tls)) == 1 &&
           SSL_use_cert_and_key(ssl, tls->cert, tls->key, tls->chain, 1) == 1;
}

/*
 * Of the suites of TLS 1.3 that the system allows, the one with SHA-256 first:
 * a handshake hashes again and again, and processors do this one themselves.
 * Returns -1 when that is not taken.
 */
static int
prefer_fast_suite(SSL_CTX *ctx)
{
    static const char fast[] = "TLS_AES_128_GCM_SHA256";
    const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(ctx);
    char list[256];
    size_t len = sizeof(fast) - 1;
    bool is_allowed = false;

    memcpy(list, fast, sizeof(fast));
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, i);
        const char *name = SSL_CIPHER_get_name(suite);
        int more;

        if (strcmp(SSL_CIPHER_get_version(suite), "TLSv1.3") != 0)
            continue;
        if (strcmp(name, fast) == 0) {
            is_allowed = true;
            continue;
        }
        more = snprintf(list + len, sizeof(list) - len, ":%s", name);
        if (more < 0 || (size_t)more >= sizeof(list) - len)
            return 0; /* more than there are today */
        len += (size_t)more;
    }
    if (!is_allowed)
        return 0;
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return SSL_CTX_set_ciphersuites(ctx, list) == 1 ? 0 : -1;
}

int
skio__tls_attach(struct skio__lws *transport, void *ssl_ctx)
{
    const char *least = transport->options->tls_min_version;
    int version = least != NULL && strcmp(least, "TLSv1.3") == 0
                      ? TLS1_3_VERSION
                      : TLS1_2_VERSION;

    if (transport->tls == NULL || prefer_fast_suite(ssl_ctx) != 0)
        return -1;
    SSL_CTX_set_cert_cb(ssl_ctx, on_handshake, transport);
    /* Who resumes has a ticket; whoever has none shall not cost memory. */
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION);
    transport->ssl_ctx = ssl_ctx;
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
