/*
 * Values: see value.h
 */
#include "base/value.h"

#include "base/compiler.h"

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

/* Where the first argument begins that was not kept. */
static skio__rare uint32_t
walk_to_first(const struct skio_value *value)
{
    struct skio__json_slice first = value->root;

    (void)skio__value_arg(value, 0, &first); /* there is one */
    return first.start;
}

void
skio__value_raw(const struct skio_value *value, const char **text, size_t *len)
{
    uint32_t start = value->root.start;
    uint32_t end = start + value->root.len;

    if (value->is_list && skio__value_arg_count(value) == 0) {
        end = start;
    } else if (value->is_list) {
        start = value->skip < value->item_count
                    ? value->items[value->skip].start
                    : walk_to_first(value);
        end--; /* the bracket; before it no byte of a value is so low */
        while ((unsigned char)value->text[end - 1] <= ' ')
            end--;
    }
    *text = value->text + start;
    *len = end - start;
}
