/*
 * Messages as lists of blobs: another end, more of them, references
 */
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "socketio/message.h"

struct skio_message *
skio__message_with_tail(const struct skio_message *message, const char *tail,
                        size_t len)
{
    struct skio_message *copy =
        skio__message_new(message->mem, NULL, message->count);
    struct skio__blob *blob;
    const void *text;
    char *to;
    size_t text_len;

    if (copy == NULL)
        return NULL;
    skio__blob_packet(message->blobs[0], &text, &text_len);
    blob = skio__blob_new(message->mem, false, text_len + len);
    if (blob == NULL) {
        skio__message_unref(copy);
        return NULL;
    }
    skio__message_add(copy, blob);

    to = (char *)skio__blob_data(blob);
    memcpy(to, text, text_len - 1);
    memcpy(to + text_len - 1, tail, len);
    to[text_len - 1 + len] = ']';
    skio__blob_seal(blob, text_len + len);

    copy->nsp = message->nsp;
    copy->bytes = message->bytes + len;
    while (copy->count < message->count) {
        copy->blobs[copy->count] = skio__blob_ref(message->blobs[copy->count]);
        copy->count++;
    }
    return copy;
}

int
skio__message_grow(const skio_allocator *mem, struct skio_message **message,
                   uint32_t *cap)
{
    struct skio_message *grown;
    size_t size;

    if (*message == NULL) {
        *message = skio__message_new(mem, NULL, 1);
        *cap = 1;
        return *message != NULL ? SKIO_OK : SKIO_ENOMEM;
    }
    if ((*message)->count < *cap)
        return SKIO_OK;

    if (*cap > UINT32_MAX / 2 ||
        skio__mul_overflow(2 * (size_t)*cap, sizeof(*(*message)->blobs),
                           &size) ||
        skio__add_overflow(size, sizeof(**message), &size))
        return SKIO_ENOMEM;
    grown = skio__mem_array(mem, *message, size, 1);
    if (grown == NULL)
        return SKIO_ENOMEM;
    *message = grown;
    *cap *= 2;
    return SKIO_OK;
}

void
skio__message_set_flags(struct skio_message *message, unsigned flags)
{
    const uint32_t bit = SKIO__BLOB_NO_COMPRESS;
    uint32_t wanted = (flags & SKIO_NO_COMPRESS) != 0 ? bit : 0;

    if ((message->blobs[0]->flags & bit) == wanted)
        return;
    for (uint32_t i = 0; i < message->count; i++)
        message->blobs[i]->flags = (message->blobs[i]->flags & ~bit) | wanted;
}

struct skio_message *
skio__message_ref(struct skio_message *message)
{
    message->refs++;
    return message;
}

void
skio__message_unref(struct skio_message *message)
{
    uint32_t i;

    if (message == NULL || --message->refs > 0)
        return;
    for (i = 0; i < message->count; i++)
        skio__blob_unref(message->blobs[i]);
    if (skio__unlikely(message->carried != NULL))
        skio__mem_free(message->mem, message->carried);
    if (message->is_pooled)
        skio__pool_give(skio__pool_of(message->mem), message);
    else
        skio__mem_free(message->mem, message);
}
