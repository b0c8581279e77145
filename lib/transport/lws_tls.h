/*
 * The certificate of the own listener: read from its files here, not by lws, so
 * that it can be replaced
 *
 * The SSL_CTX that lws makes holds none; each handshake is given what is in
 * force then. A whole new certificate takes the place of the old one in one
 * assignment, and connections that have the old one keep it.
 */
#ifndef SKIO_TRANSPORT_LWS_TLS_H
#define SKIO_TRANSPORT_LWS_TLS_H

struct skio__lws;

/*
 * Read the files. Returns SKIO_OK; SKIO_EIO when they are no certificate with
 * its key (logged), the old ones stay in force; SKIO_ENOMEM.
 */
int skio__tls_load(struct skio__lws *transport);
void skio__tls_free(struct skio__lws *transport);

/* LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: lws has made this
 * SSL_CTX, which serves its connections and ours alike. Non-zero: it cannot be
 * used. */
int skio__tls_attach(struct skio__lws *transport, void *ssl_ctx);

#endif /* SKIO_TRANSPORT_LWS_TLS_H */
