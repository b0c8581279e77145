/*
 * Values: see value.h
 */
#include "base/value.h"

#include <string.h>

int
skio__value_arg(const struct skio_value *value, uint64_t n,
                struct skio__json_slice *out)
{
    if (n >= skio__value_arg_count(value))
        return SKIO_ENOENT;
    n += value->skip;
    if (n < value->item_count) {
        *out = value->items[n];
        return SKIO_OK;
    }
    return skio__json_nth(value->text, &value->root, n, out) == SKIO_OK
               ? SKIO_OK
               : SKIO_ENOENT;
}

void
skio__value_raw(const struct skio_value *value, const char **text, size_t *len)
{
    struct skio__json_slice first;
    uint32_t end = value->root.start + value->root.len;

    *text = value->text + value->root.start;
    *len = value->root.len;
    if (!value->is_list)
        return;

    *len = 0;
    if (skio__value_arg(value, 0, &first) != SKIO_OK)
        return;
    end--; /* the bracket; before it no byte of a value is so low */
    while ((unsigned char)value->text[end - 1] <= ' ')
        end--;
    *text = value->text + first.start;
    *len = end - first.start;
}
