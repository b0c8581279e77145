/*
 * JSON as MessagePack, on msgpack-c's packer: see msgpack.h
 *
 * MessagePack says how many elements follow before the first of them. So the
 * text is walked twice: once to count, in the order of the opening brackets,
 * and once to write.
 */
#include "base/msgpack.h"

#include <string.h>

#include <msgpack/pack.h>

#include "base/number.h"

#define FEW 64 /* containers that are counted without an allocation */

#define PLACEHOLDER "{\"_placeholder\":true,\"num\":"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1)

#define STR_HEAD_MAX 5 /* bytes before a string */

#define TWO_63 9223372036854775808.0
#define TWO_64 18446744073709551616.0

struct counts {
    uint32_t few[FEW];
    struct skio__buf more; /* of uint32_t */
    size_t len;
};

struct writer {
    msgpack_packer packer;
    struct skio__buf *out;
    const char *pos;
    const char *end;
    uint64_t first;
    const skio_bytes *bytes;
    uint32_t byte_count;
    struct counts counts;
    size_t next; /* of the counts */
};

/* The packer's way to our buffer. */
static int
append(void *out, const char *data, size_t len)
{
    return skio__buf_append(out, data, len) == SKIO_OK ? 0 : -1;
}

static void
packer_init(msgpack_packer *packer, struct skio__buf *out)
{
    msgpack_packer_init(packer, out, append);
}

/* ---- Counting ---- */

static uint32_t
count_at(const struct counts *counts, size_t i)
{
    uint32_t n;

    if (i < FEW)
        return counts->few[i];
    memcpy(&n, counts->more.data + (i - FEW) * sizeof(n), sizeof(n));
    return n;
}

static void
count_one(struct counts *counts, size_t i)
{
    uint32_t n;

    if (i < FEW) {
        counts->few[i]++;
        return;
    }
    n = count_at(counts, i) + 1;
    memcpy(counts->more.data + (i - FEW) * sizeof(n), &n, sizeof(n));
}

static int
count_new(struct counts *counts, uint32_t n)
{
    size_t i = counts->len++;

    if (i >= FEW)
        return skio__buf_append(&counts->more, &n, sizeof(n));
    counts->few[i] = n;
    return SKIO_OK;
}

static const char *
skip_blanks(const char *pos, const char *end)
{
    while (pos < end &&
           (*pos == ' ' || *pos == '\n' || *pos == '\r' || *pos == '\t'))
        pos++;
    return pos;
}

/*
 * Where the placeholder at pos ends, and which bytes it stands for; NULL if
 * none stands there. Only the library's own spelling is one.
 */
static const char *
placeholder(const struct writer *w, const char *pos, const skio_bytes **bytes)
{
    const char *digits = pos + PLACEHOLDER_LEN;
    uint64_t num = 0;

    if (w->byte_count == 0 || (size_t)(w->end - pos) <= PLACEHOLDER_LEN ||
        memcmp(pos, PLACEHOLDER, PLACEHOLDER_LEN) != 0)
        return NULL;

    pos = digits;
    while (pos < w->end && *pos >= '0' && *pos <= '9' && pos - digits < 18)
        num = 10 * num + (uint64_t)(*pos++ - '0');
    if (pos == digits || pos == w->end || *pos != '}' || num < w->first ||
        num - w->first >= w->byte_count)
        return NULL;
    *bytes = &w->bytes[num - w->first];
    return pos + 1;
}

/* Elements of arrays and members of objects, by their opening brackets. */
static int
count(struct writer *w)
{
    size_t stack[SKIO__JSON_DEPTH_MAX]; /* which count each level has */
    uint32_t depth = 0;
    const char *pos = w->pos;
    const skio_bytes *bytes;
    const char *after;
    int err = SKIO_OK;

    while (err == SKIO_OK && pos < w->end) {
        switch (*pos) {
        case '{':
        case '[':
            after = placeholder(w, pos, &bytes);
            if (after != NULL) {
                pos = after;
                break;
            }
            if (depth == SKIO__JSON_DEPTH_MAX)
                return SKIO_EINVAL;
            stack[depth++] = w->counts.len;
            pos = skip_blanks(pos + 1, w->end);
            err = count_new(&w->counts, *pos != '}' && *pos != ']');
            break;
        case '}':
        case ']':
            if (depth == 0)
                return SKIO_EINVAL;
            depth--;
            pos++;
            break;
        case ',':
            if (depth == 0)
                return SKIO_EINVAL;
            count_one(&w->counts, stack[depth - 1]);
            pos++;
            break;
        case ':':
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            pos++;
            break;
        default:
            pos = skio__json_skip(pos, w->end);
            break;
        }
    }
    return err;
}

/* ---- Writing ---- */

/* A string with escapes is shorter than its text: its bytes are put where the
 * longest head would end, and moved up to the head it gets. */
static int
put_escaped(struct writer *w, const char *text, size_t len)
{
    const struct skio__json_slice slice = {0, (uint32_t)len, SKIO__JSON_STRING,
                                           SKIO__JSON_ESCAPED};
    struct skio__buf *out = w->out;
    char *body;
    size_t n;

    if (skio__buf_reserve(out, STR_HEAD_MAX + len) != SKIO_OK)
        return out->err;
    body = out->data + out->len + STR_HEAD_MAX;
    n = skio__json_unescape(text, &slice, body);
    msgpack_pack_str(&w->packer, n);
    memmove(out->data + out->len, body, n);
    out->len += n;
    return out->err;
}

static int
put_string(struct writer *w, const char *text, size_t len)
{
    if (memchr(text, '\\', len) != NULL)
        return put_escaped(w, text, len);
    return skio__msgpack_put_str(w->out, text + 1, len - 2);
}

/* Digits alone, exactly; false when it is written otherwise or is too large. */
static bool
parse_digits(const char *text, size_t len, uint64_t *out)
{
    uint64_t n = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    *out = n;
    return true;
}

/* A double as JavaScript's numbers go: an integer when it is one. Not -2^63,
 * which JavaScript writes with other digits than the integer has. */
static void
put_double(struct writer *w, double value)
{
    if (value >= 0 && value < TWO_64 && (double)(uint64_t)value == value)
        msgpack_pack_uint64(&w->packer, (uint64_t)value);
    else if (value < 0 && value > -TWO_63 && (double)(int64_t)value == value)
        msgpack_pack_int64(&w->packer, (int64_t)value);
    else
        msgpack_pack_double(&w->packer, value);
}

static int
put_number(struct writer *w, const char *text, size_t len)
{
    const bool is_negative = *text == '-';
    double value = 0;
    uint64_t n;

    if (parse_digits(text + is_negative, len - is_negative, &n) &&
        (!is_negative || n <= (uint64_t)INT64_MAX + 1)) {
        if (is_negative && n > 0)
            msgpack_pack_int64(&w->packer, -(int64_t)(n - 1) - 1);
        else
            msgpack_pack_uint64(&w->packer, n);
        return w->out->err;
    }
    if (skio__number_parse(text, len, &value) != SKIO_OK)
        return SKIO_EINVAL;
    put_double(w, value);
    return w->out->err;
}

static int
put_scalar(struct writer *w)
{
    const char *text = w->pos;
    size_t len;

    w->pos = skio__json_skip(text, w->end);
    len = (size_t)(w->pos - text);
    switch (*text) {
    case '"':
        return put_string(w, text, len);
    case 't':
        msgpack_pack_true(&w->packer);
        return w->out->err;
    case 'f':
        msgpack_pack_false(&w->packer);
        return w->out->err;
    case 'n':
        msgpack_pack_nil(&w->packer);
        return w->out->err;
    default:
        return put_number(w, text, len);
    }
}

static int
put_container(struct writer *w)
{
    const skio_bytes *bytes;
    const char *after = placeholder(w, w->pos, &bytes);
    bool is_map = *w->pos == '{';
    uint32_t n;

    if (after != NULL) {
        w->pos = after;
        return skio__msgpack_put_bytes(w->out, bytes->data, bytes->len);
    }
    w->pos++;
    n = count_at(&w->counts, w->next++);
    return is_map ? skio__msgpack_put_map(w->out, n)
                  : skio__msgpack_put_array(w->out, n);
}

static int
write_all(struct writer *w)
{
    int err = SKIO_OK;

    while (err == SKIO_OK && w->pos < w->end) {
        switch (*w->pos) {
        case '{':
        case '[':
            err = put_container(w);
            break;
        case '}':
        case ']':
        case ',':
        case ':':
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            w->pos++;
            break;
        default:
            err = put_scalar(w);
            break;
        }
    }
    return err;
}

int
skio__msgpack_from_json(struct skio__buf *out, const char *json, size_t len,
                        uint64_t first, const skio_bytes *bytes,
                        uint32_t byte_count)
{
    struct writer w;
    int err;

    packer_init(&w.packer, out);
    w.out = out;
    w.pos = json;
    w.end = json + len;
    w.first = first;
    w.bytes = bytes;
    w.byte_count = byte_count;
    w.counts.len = 0;
    w.next = 0;
    skio__buf_init(&w.counts.more, out->mem);

    err = count(&w);
    if (err == SKIO_OK)
        err = write_all(&w);
    skio__buf_deinit(&w.counts.more);
    return err;
}

/* ---- Parts ---- */

/* Lengths have 32 bits. */
static int
check_size(struct skio__buf *out, size_t size)
{
    if (size > UINT32_MAX && out->err == SKIO_OK)
        out->err = SKIO_ETOOBIG;
    return out->err;
}

int
skio__msgpack_put_map(struct skio__buf *out, size_t members)
{
    msgpack_packer packer;

    if (check_size(out, members) != SKIO_OK)
        return out->err;
    packer_init(&packer, out);
    msgpack_pack_map(&packer, members);
    return out->err;
}

int
skio__msgpack_put_array(struct skio__buf *out, size_t elements)
{
    msgpack_packer packer;

    if (check_size(out, elements) != SKIO_OK)
        return out->err;
    packer_init(&packer, out);
    msgpack_pack_array(&packer, elements);
    return out->err;
}

int
skio__msgpack_put_str(struct skio__buf *out, const char *str, size_t len)
{
    msgpack_packer packer;

    if (check_size(out, len) != SKIO_OK)
        return out->err;
    packer_init(&packer, out);
    msgpack_pack_str(&packer, len);
    return skio__buf_append(out, str, len);
}

int
skio__msgpack_put_bytes(struct skio__buf *out, const void *data, size_t len)
{
    msgpack_packer packer;

    if (check_size(out, len) != SKIO_OK)
        return out->err;
    packer_init(&packer, out);
    msgpack_pack_bin(&packer, len);
    return skio__buf_append(out, data, len);
}

int
skio__msgpack_put_u64(struct skio__buf *out, uint64_t n)
{
    msgpack_packer packer;

    packer_init(&packer, out);
    msgpack_pack_uint64(&packer, n);
    return out->err;
}
