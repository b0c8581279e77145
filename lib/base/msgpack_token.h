/*
 * MessagePack's tokens: a value that is no container, or a container's head
 *
 * What the input promises is checked against what is left of it.
 */
#ifndef SKIO_BASE_MSGPACK_TOKEN_H
#define SKIO_BASE_MSGPACK_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum skio__msgpack_kind {
    SKIO__MSGPACK_NIL,
    SKIO__MSGPACK_UNDEFINED,
    SKIO__MSGPACK_BOOL,
    SKIO__MSGPACK_UINT,
    SKIO__MSGPACK_INT,
    SKIO__MSGPACK_DOUBLE,
    SKIO__MSGPACK_STR,
    SKIO__MSGPACK_BYTES,
    SKIO__MSGPACK_DATE,
    SKIO__MSGPACK_EXT,
    SKIO__MSGPACK_ARRAY,
    SKIO__MSGPACK_MAP
};

struct skio__msgpack_token {
    enum skio__msgpack_kind kind;
    union {
        bool boolean;
        uint64_t u64;
        int64_t i64; /* also a Date's milliseconds */
        double number;
        uint32_t count; /* of elements, or members */
        struct {
            const char *data;
            uint32_t len;
            int type; /* of an ext */
        } run;
    } as;
};

struct skio__msgpack_input {
    const unsigned char *pos;
    const unsigned char *end;
};

/* The next token; its runs are views of the input. SKIO_OK or SKIO_EPROTO. */
int skio__msgpack_take(struct skio__msgpack_input *in,
                       struct skio__msgpack_token *token);

/* Whether notepack.io's undefined comes next, which an object leaves out. */
bool skio__msgpack_undefined_next(const struct skio__msgpack_input *in);

#endif /* SKIO_BASE_MSGPACK_TOKEN_H */
