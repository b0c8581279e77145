#include "transport/lws_sealed.h"

#include <errno.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
#define SHUTDOWNS_MAX 8 /* calls */
/*
 * From so many bytes on, only what is in OpenSSL's buffer is read, and the rest
 * of its last record. At most a record less than this was there, and another
 * one came with a full buffer behind it: with the last one, less than 64 KiB.
 */
#define ENOUGH 15000

struct skio__sealed {
    const skio_allocator *mem;
    SSL *ssl;
    BIO *socket;         /* the one that ours is in front of */
    unsigned char *kept; /* sealed, or NULL */
    size_t kept_len;
    size_t kept_sent;
    bool has_more; /* that OpenSSL has read already */
    bool is_over;
};

/* ---- Below OpenSSL ---- */

/* Returns how much was written, 0 when there is no room, -1 when the
 * connection is lost. */
static int
write_socket(const struct skio__sealed *sealed, const void *data, size_t len)
{
    int sent = BIO_write(sealed->socket, data, (int)len);

    if (sent > 0)
        return sent;
    return BIO_should_retry(sealed->socket) ? 0 : -1;
}

static int
keep(struct skio__sealed *sealed, const char *data, size_t len)
{
    unsigned char *kept;

    if (len > SKIO__SEALED_KEPT - sealed->kept_len)
        return -1;
    kept =
        skio__mem_array(sealed->mem, sealed->kept, sealed->kept_len + len, 1);
    if (kept == NULL)
        return -1;
    memcpy(kept + sealed->kept_len, data, len);
    sealed->kept = kept;
    sealed->kept_len += len;
    return 0;
}

/*
 * Takes all, so that OpenSSL is never left with half a record. While it has
 * one, it cannot read a change of keys, which it answers: it fails.
 */
static int
on_write(BIO *bio, const char *data, int len)
{
    struct skio__sealed *sealed = BIO_get_data(bio);
    int sent = 0;

    BIO_clear_retry_flags(bio);
    if (sealed->kept == NULL)
        sent = write_socket(sealed, data, (size_t)len);
    if (sent < 0 ||
        (sent < len && keep(sealed, data + sent, (size_t)(len - sent)) != 0))
        return -1;
    return len;
}

static long
on_control(BIO *bio, int command, long number, void *data)
{
    (void)bio;
    (void)number;
    (void)data;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method; /* of all; stays */

static void
make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "libsocketio");

    if (made == NULL)
        return;
    if (BIO_meth_set_write(made, on_write) == 1 &&
        BIO_meth_set_ctrl(made, on_control) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

/* Between OpenSSL and the socket. */
static BIO *
make_bio(struct skio__sealed *sealed)
{
    BIO *bio = CRYPTO_THREAD_run_once(&once, make_method) == 1 && method != NULL
                   ? BIO_new(method)
                   : NULL;

    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, sealed);
    BIO_set_init(bio, 1);
    return bio;
}

struct skio__sealed *
skio__sealed_new(const skio_allocator *mem, void *ssl)
{
    struct skio__sealed *sealed = skio__mem_calloc(mem, 1, sizeof(*sealed));
    BIO *bio = sealed != NULL ? make_bio(sealed) : NULL;

    if (bio == NULL) {
        skio__mem_free(mem, sealed);
        return NULL;
    }
    sealed->mem = mem;
    sealed->ssl = ssl;
    sealed->socket = SSL_get_wbio(ssl);
    BIO_up_ref(sealed->socket);
    SSL_set0_wbio(ssl, bio);
    SSL_set_read_ahead(ssl, 1);
    sealed->has_more = SSL_has_pending(ssl) == 1;
    return sealed;
}

void
skio__sealed_free(struct skio__sealed *sealed)
{
    if (sealed == NULL)
        return;
    /* nothing may come amid a record */
    if (sealed->kept != NULL)
        SSL_set_quiet_shutdown(sealed->ssl, 1);
    SSL_set0_wbio(sealed->ssl, sealed->socket);
    skio__mem_free(sealed->mem, sealed->kept);
    skio__mem_free(sealed->mem, sealed);
}

/* A full socket is not waited for, but a call may take less than there is room
 * for. */
static void
say_end(SSL *ssl)
{
    int said = -1;

    for (int i = 0; i < SHUTDOWNS_MAX && said < 0; i++) {
        ERR_clear_error();
        said = SSL_shutdown(ssl);
        if (said < 0 && SSL_get_error(ssl, said) != SSL_ERROR_WANT_WRITE)
            return;
    }
}

void
skio__sealed_drop(struct skio__sealed *sealed)
{
    SSL *ssl;

    if (sealed == NULL)
        return;
    ssl = sealed->ssl;
    skio__sealed_free(sealed);
    say_end(ssl);
    SSL_free(ssl);
}

/* ---- Reading ---- */

bool
skio__sealed_has_more(const struct skio__sealed *sealed)
{
    return sealed->has_more;
}

bool
skio__sealed_is_over(const struct skio__sealed *sealed)
{
    return sealed->is_over;
}

/* What SSL_read() said when it read nothing. */
static void
note_end(struct skio__sealed *sealed, int answer)
{
    int reason = SSL_get_error(sealed->ssl, answer);

    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        sealed->is_over = true;
    if (reason == SSL_ERROR_SYSCALL) /* nobody is there to be told */
        SSL_set_quiet_shutdown(sealed->ssl, 1);
}

ssize_t
skio__sealed_read(struct skio__sealed *sealed, void *out, size_t room)
{
    size_t len = 0;
    int got;

    do {
        size_t left = room - len;

        if (len > ENOUGH)
            SSL_set_read_ahead(sealed->ssl, 0);
        ERR_clear_error();
        got = SSL_read(sealed->ssl, (char *)out + len,
                       (int)(left < RECORD_MAX ? left : RECORD_MAX));
        if (got <= 0)
            note_end(sealed, got);
        else
            len += (size_t)got;
    } while (got > 0 && len < room && SSL_has_pending(sealed->ssl) == 1);
    SSL_set_read_ahead(sealed->ssl, 1);
    /* Half a record is pending as well: its rest makes the socket ready. */
    sealed->has_more =
        sealed->is_over || (got > 0 && SSL_has_pending(sealed->ssl) == 1);

    if (len > 0)
        return (ssize_t)len;
    if (sealed->is_over)
        return 0;
    errno = EAGAIN;
    return -1;
}

ssize_t
skio__sealed_peek(struct skio__sealed *sealed)
{
    char byte;
    int got;

    ERR_clear_error();
    got = SSL_peek(sealed->ssl, &byte, 1);
    if (got <= 0)
        note_end(sealed, got);
    sealed->has_more = sealed->is_over || got > 0;
    if (got > 0 || sealed->is_over)
        return got > 0 ? 1 : 0;
    errno = EAGAIN;
    return -1;
}

/* ---- Writing ---- */

size_t
skio__sealed_kept(const struct skio__sealed *sealed)
{
    return sealed->kept_len - sealed->kept_sent;
}

int
skio__sealed_flush(struct skio__sealed *sealed)
{
    while (sealed->kept != NULL) {
        int sent = write_socket(sealed, sealed->kept + sealed->kept_sent,
                                sealed->kept_len - sealed->kept_sent);

        if (sent <= 0)
            return sent;
        sealed->kept_sent += (size_t)sent;
        if (sealed->kept_sent < sealed->kept_len)
            continue;
        skio__mem_free(sealed->mem, sealed->kept);
        sealed->kept = NULL;
        sealed->kept_len = sealed->kept_sent = 0;
    }
    return 1;
}

ssize_t
skio__sealed_write(struct skio__sealed *sealed, const void *data, size_t len)
{
    int sent = skio__sealed_flush(sealed);

    if (sent <= 0) {
        errno = sent == 0 ? EAGAIN : EPIPE;
        return -1;
    }
    if (len > RECORD_MAX)
        len = RECORD_MAX;
    ERR_clear_error();
    sent = SSL_write(sealed->ssl, data, (int)len);
    if (sent > 0)
        return sent;
    errno = EPIPE;
    return -1;
}

int
skio__sealed_end(struct skio__sealed *sealed)
{
    ERR_clear_error();
    return SSL_shutdown(sealed->ssl) < 0 ? -1 : skio__sealed_flush(sealed);
}
