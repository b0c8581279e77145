/*
 * Messages: Socket.IO packets ready to be sent
 *
 * One blob for the text and one for each attachment, encoded once, counted,
 * shared by all queues they stand in. The text begins with Engine.IO's '4' and
 * stands in its blob as in a WebSocket frame; an attachment is its bare bytes.
 */
#ifndef SKIO_SOCKETIO_MESSAGE_H
#define SKIO_SOCKETIO_MESSAGE_H

#include <socketio/emit.h>
#include <socketio/parser.h>

#include "base/blob.h"
#include "socketio/packet.h"
#include "socketio/value.h"

struct skio_message {
    uint32_t refs;
    uint32_t count; /* blobs: 1 + attachments */
    skio_nsp *nsp;  /* of an event; not counted */
    size_t bytes;   /* of all frames */
    /* As it is carried elsewhere; NULL: nobody asked, or it is so already. */
    struct sio_carried *carried;
    bool is_foreign; /* encoded by a parser that is not the default one */
    bool is_pooled;  /* a block of the pool of `mem` */
    const skio_allocator *mem;
    struct skio__blob *blobs[]; /* [0] is the text */
};

/* What an encoder needs to know. */
struct sio_encoder {
    const skio_allocator *mem;
    struct skio__pool *pool;   /* for small messages; NULL: none */
    struct skio__buf *scratch; /* reused: no allocation in the steady state */
    const char *nsp;           /* "/" or "/name" */
    uint32_t max_attachments;
    uint32_t max_json_depth;
    size_t max_name_bytes;
    size_t max_bytes; /* of the whole message: max_outbound_bytes */
    bool trust_raw_json;
    bool any_name; /* of an event between servers: none is reserved here */
    const skio_parser *parser; /* NULL: the default one */
    struct skio__buf *packed;  /* scratch of a parser */
};

#define SIO_NO_ID UINT64_MAX

/*
 * `2["event",args…]`, or 5 with attachments, with an ack id unless SIO_NO_ID.
 *
 * format NULL: no arguments. Errors as skio_emit(): SKIO_EINVAL, SKIO_ETOOBIG,
 * SKIO_ENOBUFS beyond max_bytes, SKIO_ENOMEM.
 */
int skio__message_event(const struct sio_encoder *encoder, const char *event,
                        uint64_t id, const char *format, va_list *args,
                        struct skio_message **out);

/* As above, with finished JSON for the arguments. */
int skio__message_event_json(const struct sio_encoder *encoder,
                             const char *event, uint64_t id, const char *json,
                             size_t len, struct skio_message **out);

/*
 * An event from the whole list of its name and arguments, which is checked:
 * skip is 0. What looks like a placeholder in it is one.
 */
int skio__message_event_list(const struct sio_encoder *encoder,
                             const struct skio_value *list, uint64_t id,
                             struct skio_message **out);

/* What another server emitted, checked here: see skio_adapter_message_new(). */
int skio__message_carried(skio_nsp *nsp, const char *json, size_t len,
                          const skio_bytes *attachments,
                          uint32_t attachment_count, uint64_t id,
                          struct skio_message **out);

/* `3<id>[args…]`, or 6. */
int skio__message_ack(const struct sio_encoder *encoder, uint64_t id,
                      const char *format, va_list *args,
                      struct skio_message **out);

/*
 * The same where the arguments are those of a list without attachments: the
 * text alone, which the caller owns. For the default parser.
 */
int skio__message_ack_list(const struct sio_encoder *encoder, uint64_t id,
                           const struct skio_value *list,
                           struct skio__blob **out);

/*
 * The other types: `type [nsp,] json`, json finished text or NULL: CONNECT
 * with `{"sid":"…"}`, CONNECT_ERROR, DISCONNECT.
 */
int skio__message_control(const struct sio_encoder *encoder, enum sio_type type,
                          const char *json, size_t len,
                          struct skio_message **out);

/*
 * A copy of a message of arguments with more text before the closing bracket;
 * the attachments are shared. NULL: no memory.
 */
struct skio_message *skio__message_with_tail(const struct skio_message *message,
                                             const char *tail, size_t len);

/* An empty one with room for so many blobs, or NULL. pool: of the same
 * allocator, or NULL. */
struct skio_message *skio__message_new(const skio_allocator *mem,
                                       struct skio__pool *pool, uint32_t blobs);

/*
 * For parsers: room for one more blob in *message (NULL: a new one), whose cap
 * is kept by the caller.
 */
int skio__message_grow(const skio_allocator *mem, struct skio_message **message,
                       uint32_t *cap);

/* One more blob, which the message owns then. */
static inline void
skio__message_add(struct skio_message *message, struct skio__blob *blob)
{
    message->blobs[message->count++] = blob;
    message->bytes += (size_t)blob->head + blob->len;
}
/* Whether it may be compressed where it is sent next. */
void skio__message_set_flags(struct skio_message *message, unsigned flags);

struct skio_message *skio__message_ref(struct skio_message *message);
void skio__message_unref(struct skio_message *message); /* NULL: nothing */

#endif /* SKIO_SOCKETIO_MESSAGE_H */
