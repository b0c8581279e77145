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
    uint32_t start = value->root.start;
    uint32_t end = start + value->root.len;
    struct skio__json_slice first;

    if (value->is_list && skio__value_arg_count(value) == 0) {
        end = start;
    } else if (value->is_list) {
        if (value->skip < value->item_count)
            start = value->items[value->skip].start;
        else if (skio__value_arg(value, 0, &first) == SKIO_OK)
            start = first.start;
        end--; /* the bracket; before it no byte of a value is so low */
        while ((unsigned char)value->text[end - 1] <= ' ')
            end--;
    }
    *text = value->text + start;
    *len = end - start;
}
