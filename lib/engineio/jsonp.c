#include "engineio/jsonp.h"

#include <string.h>

#include "base/json.h"
#include "engineio/request.h"

bool
skio__jsonp_read(const char *query, char digits[EIO_JSONP_DIGITS + 1])
{
    const char *value;
    size_t len;
    size_t count = 0;
    size_t i;

    if (!skio__query_find(query, "j", &value, &len) || len == 0)
        return false;
    for (i = 0; i < len && count < EIO_JSONP_DIGITS; i++) {
        if (value[i] >= '0' && value[i] <= '9')
            digits[count++] = value[i];
    }
    digits[count] = '\0';
    return true;
}

/* U+2028 and U+2029 end a line in old scripts: escaped in the string. */
static void
quote(struct skio__buf *buf, const char *payload, size_t len)
{
    struct skio__buf quoted;
    size_t from = 0;
    size_t i;

    skio__buf_init(&quoted, buf->mem);
    if (skio__json_quote(&quoted, payload, len) != SKIO_OK) {
        buf->err = quoted.err;
        skio__buf_deinit(&quoted);
        return;
    }
    for (i = 0; i + 2 < quoted.len; i++) {
        const unsigned char *at = (const unsigned char *)quoted.data + i;

        if (at[0] != 0xe2 || at[1] != 0x80 || (at[2] & 0xfe) != 0xa8)
            continue;
        skio__buf_append(buf, quoted.data + from, i - from);
        skio__buf_append_str(buf, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
        i += 2;
        from = i + 1;
    }
    skio__buf_append(buf, quoted.data + from, quoted.len - from);
    skio__buf_deinit(&quoted);
}

int
skio__jsonp_wrap(struct skio__buf *buf, const char *digits, const char *payload,
                 size_t len)
{
    skio__buf_append_str(buf, "___eio[");
    skio__buf_append_str(buf, digits);
    skio__buf_append_str(buf, "](");
    quote(buf, payload, len);
    return skio__buf_append_str(buf, ");");
}

/* A backslash and n are a line's end, two of the former and n are the first. */
static size_t
unescape(char *text, size_t len)
{
    size_t out = 0;
    size_t i = 0;

    while (i < len) {
        size_t left = len - i;

        if (left >= 3 && memcmp(text + i, "\\\\n", 3) == 0) {
            text[out++] = '\\';
            text[out++] = 'n';
            i += 3;
        } else if (left >= 2 && memcmp(text + i, "\\n", 2) == 0) {
            text[out++] = '\n';
            i += 2;
        } else {
            text[out++] = text[i++];
        }
    }
    return out;
}

ptrdiff_t
skio__jsonp_unwrap(char *form, size_t len)
{
    size_t from = 0;

    while (from < len) {
        char *start = form + from;
        char *stop = memchr(start, '&', len - from);
        size_t size = stop != NULL ? (size_t)(stop - start) : len - from;

        if (size >= 2 && start[0] == 'd' && start[1] == '=') {
            size_t decoded = skio__query_decode(start + 2, size - 2, form);

            return (ptrdiff_t)unescape(form, decoded);
        }
        from += size + 1;
    }
    return -1;
}
