#include "base/msgpack_token.h"

#include <string.h>

#include <socketio/base.h>

static size_t
left(const struct skio__msgpack_input *in)
{
    return (size_t)(in->end - in->pos);
}

/* A big-endian number of so many bytes. False when they are not there. */
static bool
take_uint(struct skio__msgpack_input *in, unsigned bytes, uint64_t *out)
{
    uint64_t n = 0;

    if (left(in) < bytes)
        return false;
    while (bytes-- > 0)
        n = n << 8 | *in->pos++;
    *out = n;
    return true;
}

/* Two's complement of so many bytes, 1 to 8. */
static int64_t
to_signed(uint64_t n, unsigned bytes)
{
    const uint64_t sign = UINT64_C(1) << ((8 * bytes - 1) & 63);

    return n < sign ? (int64_t)n : -(int64_t)(2 * sign - 1 - n) - 1;
}

static int
take_run(struct skio__msgpack_input *in, enum skio__msgpack_kind kind,
         uint64_t len, struct skio__msgpack_token *token)
{
    if (len > left(in))
        return SKIO_EPROTO;
    token->kind = kind;
    token->as.run.data = (const char *)in->pos;
    token->as.run.len = (uint32_t)len;
    in->pos += len;
    return SKIO_OK;
}

/* Each element takes a byte at least, so a count beyond that is a lie. */
static int
take_container(struct skio__msgpack_input *in, enum skio__msgpack_kind kind,
               uint64_t count, struct skio__msgpack_token *token)
{
    if (count > left(in) / (kind == SKIO__MSGPACK_MAP ? 2 : 1))
        return SKIO_EPROTO;
    token->kind = kind;
    token->as.count = (uint32_t)count;
    return SKIO_OK;
}

static int
take_sized(struct skio__msgpack_input *in, enum skio__msgpack_kind kind,
           unsigned size, struct skio__msgpack_token *token)
{
    uint64_t len;

    if (!take_uint(in, size, &len))
        return SKIO_EPROTO;
    if (kind == SKIO__MSGPACK_ARRAY || kind == SKIO__MSGPACK_MAP)
        return take_container(in, kind, len, token);
    return take_run(in, kind, len, token);
}

/* Where notepack.io gives type 0 a meaning it depends on the form. */
static int
take_ext(struct skio__msgpack_input *in, bool is_fixed, uint64_t len,
         struct skio__msgpack_token *token)
{
    uint64_t type;
    uint64_t ms;
    int err;

    if (!take_uint(in, 1, &type))
        return SKIO_EPROTO;
    if (is_fixed && type == 0 && len == 8) {
        if (!take_uint(in, 8, &ms))
            return SKIO_EPROTO;
        token->kind = SKIO__MSGPACK_DATE;
        token->as.i64 = to_signed(ms, 8);
        return SKIO_OK;
    }

    err = take_run(in, SKIO__MSGPACK_EXT, len, token);
    token->as.run.type = (int)to_signed(type, 1);
    if (type == 0 && !is_fixed)
        token->kind = SKIO__MSGPACK_BYTES;
    else if (type == 0 && len == 1)
        token->kind = SKIO__MSGPACK_UNDEFINED;
    return err;
}

static int
take_sized_ext(struct skio__msgpack_input *in, unsigned size,
               struct skio__msgpack_token *token)
{
    uint64_t len;

    return take_uint(in, size, &len) ? take_ext(in, false, len, token)
                                     : SKIO_EPROTO;
}

static int
take_float(struct skio__msgpack_input *in, unsigned size,
           struct skio__msgpack_token *token)
{
    uint64_t bits;
    uint32_t half;
    float narrow;

    if (!take_uint(in, size, &bits))
        return SKIO_EPROTO;
    token->kind = SKIO__MSGPACK_DOUBLE;
    if (size == 8) {
        memcpy(&token->as.number, &bits, sizeof(token->as.number));
    } else {
        half = (uint32_t)bits;
        memcpy(&narrow, &half, sizeof(narrow));
        token->as.number = (double)narrow;
    }
    return SKIO_OK;
}

static int
take_integer(struct skio__msgpack_input *in, bool is_signed, unsigned size,
             struct skio__msgpack_token *token)
{
    uint64_t n;

    if (!take_uint(in, size, &n))
        return SKIO_EPROTO;
    token->kind = is_signed ? SKIO__MSGPACK_INT : SKIO__MSGPACK_UINT;
    if (is_signed)
        token->as.i64 = to_signed(n, size);
    else
        token->as.u64 = n;
    return SKIO_OK;
}

/* The forms whose first byte is theirs alone, from C0 to DF. */
static int
take_form(struct skio__msgpack_input *in, unsigned form,
          struct skio__msgpack_token *token)
{
    switch (form) {
    case 0xc0:
        token->kind = SKIO__MSGPACK_NIL;
        return SKIO_OK;
    case 0xc2:
    case 0xc3:
        token->kind = SKIO__MSGPACK_BOOL;
        token->as.boolean = form == 0xc3;
        return SKIO_OK;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_sized(in, SKIO__MSGPACK_BYTES, 1U << (form - 0xc4), token);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take_sized_ext(in, 1U << (form - 0xc7), token);
    case 0xca:
    case 0xcb:
        return take_float(in, form == 0xca ? 4 : 8, token);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_integer(in, false, 1U << (form - 0xcc), token);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_integer(in, true, 1U << (form - 0xd0), token);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return take_ext(in, true, 1U << (form - 0xd4), token);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_sized(in, SKIO__MSGPACK_STR, 1U << (form - 0xd9), token);
    case 0xdc:
    case 0xdd:
        return take_sized(in, SKIO__MSGPACK_ARRAY, form == 0xdc ? 2 : 4, token);
    case 0xde:
    case 0xdf:
        return take_sized(in, SKIO__MSGPACK_MAP, form == 0xde ? 2 : 4, token);
    default:
        return SKIO_EPROTO;
    }
}

int
skio__msgpack_take(struct skio__msgpack_input *in,
                   struct skio__msgpack_token *token)
{
    unsigned form;

    if (in->pos == in->end)
        return SKIO_EPROTO;
    form = *in->pos++;

    if (form < 0x80) {
        token->kind = SKIO__MSGPACK_UINT;
        token->as.u64 = form;
        return SKIO_OK;
    }
    if (form < 0x90)
        return take_container(in, SKIO__MSGPACK_MAP, form & 0x0f, token);
    if (form < 0xa0)
        return take_container(in, SKIO__MSGPACK_ARRAY, form & 0x0f, token);
    if (form < 0xc0)
        return take_run(in, SKIO__MSGPACK_STR, form & 0x1f, token);
    if (form >= 0xe0) {
        token->kind = SKIO__MSGPACK_INT;
        token->as.i64 = (int64_t)form - 0x100;
        return SKIO_OK;
    }
    return take_form(in, form, token);
}

bool
skio__msgpack_undefined_next(const struct skio__msgpack_input *in)
{
    return left(in) >= 3 && in->pos[0] == 0xd4 && in->pos[1] == 0;
}
