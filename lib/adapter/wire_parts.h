/*
 * What both languages of a cluster are made of
 *
 * Writing: the same calls write JSON or MessagePack. Reading: whichever came
 * is JSON text afterwards, checked, and its members are looked up and copied
 * from there. Only the files of the wire see this.
 */
#ifndef SKIO_ADAPTER_WIRE_PARTS_H
#define SKIO_ADAPTER_WIRE_PARTS_H

#include "adapter/wire.h"
#include "base/json.h"

/* ---- wire_write.c ---- */

enum skio__wire_form {
    SKIO__WIRE_JSON, /* attachments as JSON.stringify() writes a Buffer */
    SKIO__WIRE_MSGPACK
};

/* Errors stick; skio__wire_writer_end() tells. */
struct skio__wire_writer {
    struct skio__buf *out;
    enum skio__wire_form form;
    bool wants_comma;
    int err;
    size_t start; /* of what is written, in out */
};

void skio__wire_writer_begin(struct skio__wire_writer *writer,
                             enum skio__wire_form form, struct skio__buf *out);
/* Returns the error; out is then as long as it was. */
int skio__wire_writer_end(struct skio__wire_writer *writer);

/* A map or array says how many follow, as MessagePack wants it. */
void skio__wire_put_map(struct skio__wire_writer *writer, size_t members);
void skio__wire_put_array(struct skio__wire_writer *writer, size_t elements);
void skio__wire_end_map(struct skio__wire_writer *writer);
void skio__wire_end_array(struct skio__wire_writer *writer);

void skio__wire_put_key(struct skio__wire_writer *writer, const char *key);
void skio__wire_put_text(struct skio__wire_writer *writer, skio_bytes text);
void skio__wire_put_u64(struct skio__wire_writer *writer, uint64_t n);
void skio__wire_put_bool(struct skio__wire_writer *writer, bool value);
void skio__wire_put_null(struct skio__wire_writer *writer);

/* A list of names; NULL is an empty one. */
void skio__wire_put_names(struct skio__wire_writer *writer,
                          const char *const *names);
/* The first of a list that has one. */
void skio__wire_put_name(struct skio__wire_writer *writer,
                         const char *const *names);

/* {rooms, except, flags} of a message; the classic requests have no flags. */
void skio__wire_put_opts(struct skio__wire_writer *writer,
                         const struct skio__wire_message *message,
                         bool with_flags);

/* {type, data, nsp} of a broadcast. */
void skio__wire_put_packet(struct skio__wire_writer *writer,
                           const struct skio__wire_message *message,
                           bool with_nsp);

/* The member with its request. */
void skio__wire_put_request(struct skio__wire_writer *writer,
                            const struct skio__wire_message *message);
/* What JOIN and LEAVE (rooms) or DISCONNECT (close, taken) does: members. */
void skio__wire_put_operation(struct skio__wire_writer *writer,
                              const struct skio__wire_message *message);
/* {requestId, sockets} */
void skio__wire_put_fetched(struct skio__wire_writer *writer,
                            const struct skio__wire_message *message);

/* Its json; SKIO_EINVAL when that is empty. */
void skio__wire_put_payload(struct skio__wire_writer *writer,
                            const struct skio__wire_message *message);

/* ---- wire_read.c ---- */

struct skio__wire_reader {
    const struct skio__wire_limits *limits;
    struct skio__arena *arena;
    struct skio__arena_mark mark;
    const char *text;
    struct skio__json_slice root;
    const skio_bytes *bytes; /* what placeholders stand for */
    uint32_t byte_count;
};

/*
 * Read a whole text: JSON if it begins with a bracket, else MessagePack.
 * wrapping: how many levels stand around the payload at most.
 */
int skio__wire_reader_begin(struct skio__wire_reader *reader, const void *data,
                            size_t len, uint32_t wrapping,
                            const struct skio__wire_limits *limits,
                            struct skio__arena *arena);
/* After an error the arena is as it was; else decoded becomes *out. */
int skio__wire_reader_end(struct skio__wire_reader *reader, int err,
                          const struct skio__wire_message *decoded,
                          struct skio__wire_message *out);

/* A member that is looked for. */
struct skio__wire_member {
    const char *name;
    struct skio__json_slice value; /* when it is there */
    bool is_there;
};

/* Find members of an object, others are ignored; SKIO_EPROTO if it is none. */
int skio__wire_find(const struct skio__wire_reader *reader,
                    const struct skio__json_slice *object,
                    struct skio__wire_member *members, size_t count);

/* Whether the member is there and not null. */
bool skio__wire_has(const struct skio__wire_member *member);

/* Whether JavaScript takes it for true. */
bool skio__wire_is_truthy(const struct skio__wire_reader *reader,
                          const struct skio__wire_member *member);

/* A string, empty if it is not there (has). SKIO_EPROTO when it is something
 * else, SKIO_ELIMIT when it is too long, SKIO_ENOMEM. */
int skio__wire_get_text(struct skio__wire_reader *reader,
                        const struct skio__wire_member *member,
                        skio_bytes *out);

/* A number from 0 to max; SKIO_EPROTO when it is something else. */
int skio__wire_get_u64(const struct skio__wire_reader *reader,
                       const struct skio__wire_member *member, uint64_t max,
                       uint64_t *out);

/* How many clients a message is for. */
int skio__wire_get_count(const struct skio__wire_reader *reader,
                         const struct skio__wire_member *member,
                         struct skio__wire_message *message);

/*
 * A list of names, NULL if it is empty or not there. A name that is no string
 * is what JavaScript's String() makes of it: a room of Node may be a number.
 */
int skio__wire_get_names(struct skio__wire_reader *reader,
                         const struct skio__wire_member *member,
                         const char *const **out);
/* The same, of one name. */
int skio__wire_get_name(struct skio__wire_reader *reader,
                        const struct skio__wire_member *member,
                        const char *const **out);

/* {rooms, except, flags}: each may be missing, the object may not. Without
 * flags they are not looked at. */
int skio__wire_get_opts(struct skio__wire_reader *reader,
                        const struct skio__wire_member *member, bool with_flags,
                        struct skio__wire_message *message);

enum skio__wire_shape {
    SKIO__WIRE_VALUE, /* any */
    SKIO__WIRE_ARRAY,
    SKIO__WIRE_EVENT /* an array that begins with a name */
};

/* The json of a message, and its attachments. */
int skio__wire_get_payload(struct skio__wire_reader *reader,
                           const struct skio__wire_member *member,
                           enum skio__wire_shape shape,
                           struct skio__wire_message *message);

/* {type, data, nsp} of a broadcast; nsp gets the member, or is NULL. */
int skio__wire_get_packet(struct skio__wire_reader *reader,
                          const struct skio__wire_member *member,
                          struct skio__wire_member *nsp,
                          struct skio__wire_message *message);

#endif /* SKIO_ADAPTER_WIRE_PARTS_H */
