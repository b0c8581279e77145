#include "transport/lws_sealed.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH
/*
 * From so many bytes on, only what is in OpenSSL's buffer is read, and the rest
 * of its last record. At most a record less than this was there, and another
 * one came with a full buffer behind it: with the last one, less than 64 KiB.
 */
#define ENOUGH 15000

struct skio__sealed {
    const skio_allocator *mem;
    SSL *ssl;
    unsigned char *kept; /* a record that was not written as a whole, or NULL */
    size_t kept_len;
    bool is_over;
    bool is_ending; /* the word of it has not left */
};

struct skio__sealed *
skio__sealed_new(const skio_allocator *mem, void *ssl)
{
    struct skio__sealed *sealed = skio__mem_calloc(mem, 1, sizeof(*sealed));

    if (sealed == NULL)
        return NULL;
    sealed->mem = mem;
    sealed->ssl = ssl;
    SSL_set_read_ahead(ssl, 1);
    /* so that a record is what is written or kept, never several */
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return sealed;
}

void
skio__sealed_free(struct skio__sealed *sealed)
{
    if (sealed == NULL)
        return;
    skio__mem_free(sealed->mem, sealed->kept);
    skio__mem_free(sealed->mem, sealed);
}

/* ---- Reading ---- */

bool
skio__sealed_has_more(const struct skio__sealed *sealed)
{
    return SSL_has_pending(sealed->ssl) == 1;
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
    } while (got > 0 && len < room && skio__sealed_has_more(sealed));
    SSL_set_read_ahead(sealed->ssl, 1);

    if (len > 0)
        return (ssize_t)len;
    if (sealed->is_over)
        return 0;
    errno = EAGAIN;
    return -1;
}

/* ---- Writing ---- */

/* Returns how much was written, 0 when there is no room, -1 when the
 * connection is lost. */
static int
write_record(struct skio__sealed *sealed, const void *data, size_t len)
{
    int sent;

    ERR_clear_error();
    sent = SSL_write(sealed->ssl, data, (int)len);
    if (sent > 0)
        return sent;
    return SSL_get_error(sealed->ssl, sent) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int
skio__sealed_flush(struct skio__sealed *sealed)
{
    int sent;

    if (sealed->kept != NULL) {
        sent = write_record(sealed, sealed->kept, sealed->kept_len);
        if (sent <= 0)
            return sent;
        skio__mem_free(sealed->mem, sealed->kept);
        sealed->kept = NULL;
    }
    return sealed->is_ending ? skio__sealed_end(sealed) : 1;
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
    sent = write_record(sealed, data, len);
    if (sent > 0)
        return sent;
    /* OpenSSL has the record; it wants to be asked again with the same. */
    sealed->kept = sent == 0 ? skio__mem_alloc(sealed->mem, len) : NULL;
    if (sealed->kept == NULL) {
        errno = EPIPE;
        return -1;
    }
    memcpy(sealed->kept, data, len);
    sealed->kept_len = len;
    return (ssize_t)len;
}

int
skio__sealed_end(struct skio__sealed *sealed)
{
    int answer;

    ERR_clear_error();
    answer = SSL_shutdown(sealed->ssl);
    sealed->is_ending = answer < 0 && SSL_get_error(sealed->ssl, answer) ==
                                          SSL_ERROR_WANT_WRITE;
    if (sealed->is_ending)
        return 0;
    return answer < 0 ? -1 : 1;
}
