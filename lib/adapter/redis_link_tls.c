/*
 * TLS between a link and its socket: see redis_link_tls.h
 *
 * OpenSSL's errors are kept for each thread, and other users of it share ours:
 * the queue is emptied before each call and after each failure.
 */
#include "adapter/redis_link_tls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define PIECE ((size_t)16 * 1024) /* a record */
#define RELOAD_MS 10000

/* OpenSSL asks on the terminal when there is no such function. */
static int
give_no_password(char *buf, int size, int writing, void *user)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static int
load(struct skio__redis_tls *tls, const skio_redis_options *options,
     const char **why)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    *why = "no memory for TLS";
    if (context == NULL)
        return SKIO_ENOMEM;
    SSL_CTX_set_default_passwd_cb(context, give_no_password);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    *why = NULL;
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        *why = "TLS 1.2 is not available";
    else if (options->tls_ca_file == NULL
                 ? SSL_CTX_set_default_verify_paths(context) != 1
                 : SSL_CTX_load_verify_locations(context, options->tls_ca_file,
                                                 NULL) != 1)
        *why = "tls_ca_file cannot be used";
    else if (options->tls_cert_file != NULL &&
             SSL_CTX_use_certificate_chain_file(context,
                                                options->tls_cert_file) != 1)
        *why = "tls_cert_file cannot be used";
    else if (options->tls_cert_file != NULL &&
             (SSL_CTX_use_PrivateKey_file(context, options->tls_key_file,
                                          SSL_FILETYPE_PEM) != 1 ||
              SSL_CTX_check_private_key(context) != 1))
        *why = "tls_key_file cannot be used";
    if (*why != NULL) {
        SSL_CTX_free(context);
        return SKIO_EIO;
    }
    tls->context = context;
    return SKIO_OK;
}

void
skio__redis_tls_init(struct skio__redis_tls *tls, const skio_allocator *mem)
{
    memset(tls, 0, sizeof *tls);
    skio__buf_init(&tls->out, mem);
}

void
skio__redis_tls_deinit(struct skio__redis_tls *tls)
{
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    SSL_CTX_free(tls->context);
    tls->context = NULL;
    skio__buf_deinit(&tls->out);
}

/* Who must be there: an address in the certificate, or a name. */
static bool
expect(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
skio__redis_tls_begin(struct skio__redis_tls *tls,
                      const skio_redis_options *options, const char *host,
                      uint64_t now_ms, const char **why)
{
    BIO *in;
    BIO *out;
    int err = SKIO_OK;

    skio__redis_tls_end(tls, now_ms);
    ERR_clear_error();
    if (tls->context == NULL) {
        err = load(tls, options, why);
        tls->loaded_ms = now_ms;
    }
    if (err != SKIO_OK) {
        ERR_clear_error();
        return err;
    }

    *why = "no memory for TLS";
    tls->ssl = SSL_new(tls->context);
    if (tls->ssl == NULL)
        return SKIO_ENOMEM;
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    if (in == NULL || out == NULL) {
        BIO_free(in);
        BIO_free(out);
        skio__redis_tls_end(tls, now_ms);
        return SKIO_ENOMEM;
    }
    SSL_set_bio(tls->ssl, in, out); /* both are the SSL's now */
    SSL_set_connect_state(tls->ssl);
    if (!expect(tls->ssl, options->tls_server_name != NULL
                              ? options->tls_server_name
                              : host)) {
        skio__redis_tls_end(tls, now_ms);
        ERR_clear_error();
        return SKIO_ENOMEM;
    }
    return SKIO_OK;
}

/* Certificates may have been renewed when somebody is not who he should be;
 * but reading those of the system takes a while. */
void
skio__redis_tls_end(struct skio__redis_tls *tls, uint64_t now_ms)
{
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    skio__buf_deinit(&tls->out);
    tls->sent = 0;
    if (tls->has_failed && now_ms - tls->loaded_ms >= RELOAD_MS) {
        SSL_CTX_free(tls->context);
        tls->context = NULL;
    }
    tls->has_failed = false;
}

/* Take what OpenSSL has written. */
static int
collect(struct skio__redis_tls *tls)
{
    BIO *bio = SSL_get_wbio(tls->ssl);
    char piece[4096];
    int got;

    while ((got = BIO_read(bio, piece, sizeof piece)) > 0)
        if (skio__buf_append(&tls->out, piece, (size_t)got) != SKIO_OK)
            return SKIO_ENOMEM;
    return SKIO_OK;
}

/* What a result that is no count means. */
static int
judge(struct skio__redis_tls *tls, int result, char *why, size_t size)
{
    long verified = SSL_get_verify_result(tls->ssl);
    int kind = SSL_get_error(tls->ssl, result);
    unsigned long number = ERR_peek_error();
    const char *reason = ERR_reason_error_string(number);

    ERR_clear_error();
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        return 0;
    if (kind == SSL_ERROR_ZERO_RETURN) {
        snprintf(why, size, "Redis hung up");
        return SKIO_ECLOSED;
    }
    tls->has_failed = true;
    if (verified != X509_V_OK) {
        snprintf(why, size, "TLS: %s", X509_verify_cert_error_string(verified));
        return SKIO_EACCES;
    }
    snprintf(why, size, "TLS: %s", reason != NULL ? reason : "broken");
    switch (ERR_GET_REASON(number)) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return SKIO_EACCES;
    case ERR_R_MALLOC_FAILURE:
        return SKIO_ENOMEM;
    default:
        return SKIO_EPROTO;
    }
}

int
skio__redis_tls_feed(struct skio__redis_tls *tls, const void *data, size_t len)
{
    ERR_clear_error();
    if (len <= INT_MAX &&
        BIO_write(SSL_get_rbio(tls->ssl), data, (int)len) == (int)len)
        return SKIO_OK;
    ERR_clear_error();
    return SKIO_ENOMEM;
}

/* A result of OpenSSL, and what it has written meanwhile. */
static int
finish(struct skio__redis_tls *tls, int result, char *why, size_t size)
{
    int err = result > 0 ? result : judge(tls, result, why, size);

    if (collect(tls) != SKIO_OK && err >= 0) {
        snprintf(why, size, "no memory for TLS");
        return SKIO_ENOMEM;
    }
    return err;
}

int
skio__redis_tls_read(struct skio__redis_tls *tls, char *data, size_t size,
                     char *why, size_t why_size)
{
    ERR_clear_error();
    return finish(tls,
                  SSL_read(tls->ssl, data,
                           size < PIECE ? (int)size : (int)PIECE),
                  why, why_size);
}

int
skio__redis_tls_write(struct skio__redis_tls *tls, const void *data, size_t len,
                      char *why, size_t why_size)
{
    ERR_clear_error();
    return finish(tls,
                  SSL_write(tls->ssl, data,
                            len < PIECE ? (int)len : (int)PIECE),
                  why, why_size);
}

bool
skio__redis_tls_is_open(const struct skio__redis_tls *tls)
{
    return tls->ssl != NULL && SSL_is_init_finished(tls->ssl) == 1;
}

size_t
skio__redis_tls_output(const struct skio__redis_tls *tls, const char **data)
{
    if (tls->sent == tls->out.len)
        return 0;
    *data = tls->out.data + tls->sent;
    return tls->out.len - tls->sent;
}

void
skio__redis_tls_sent(struct skio__redis_tls *tls, size_t len)
{
    tls->sent += len;
    if (tls->sent == tls->out.len) {
        skio__buf_reset(&tls->out);
        tls->sent = 0;
    }
}
