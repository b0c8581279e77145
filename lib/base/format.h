/*
 * JSON templates: printf conversions inside JSON text, skio_format(7)
 *
 * The compiler checks the arguments against the conversions; this checks the
 * JSON around them: the template is scanned while it is written, so that what
 * comes out is one valid argument list (or one value) or nothing.
 */
#ifndef SKIO_BASE_FORMAT_H
#define SKIO_BASE_FORMAT_H

#include <stdarg.h>

#include <socketio/base.h>

#include "base/attachments.h"
#include "base/buf.h"

struct skio__format_options {
    const skio_allocator *mem;
    uint32_t max_json_depth;
    bool trust_raw_json;
    bool is_value; /* exactly one value is wanted, not a list of any number */
    struct skio__attachments *attachments; /* NULL: "%p" is SKIO_EINVAL */
};

/*
 * Append the template's JSON to out. On failure out->len and the number of
 * attachments are what they were; an error of the buffer itself stays in
 * out->err, which tells too long from too many.
 *
 * args  A va_list that is a variable, not a parameter, of the caller: a
 *       parameter may be an array that has become a pointer. Copy it.
 *
 * Returns SKIO_OK, SKIO_EINVAL, SKIO_ETOOBIG (attachments, or out->max),
 * SKIO_ENOMEM. The bytes of attachments are borrowed from the arguments.
 */
int skio__format(const struct skio__format_options *options,
                 struct skio__buf *out, const char *format, va_list *args);

/*
 * An answer is often what was received, and nothing else: "%p" with a list of
 * arguments. Its text is valid as a list of its own and needs no template.
 * Takes nothing from args. NULL: this is another case.
 */
static inline const struct skio_value *
skio__format_list(const char *format, va_list *args)
{
    const struct skio_value *value;
    const skio_arg *arg;
    va_list copy;

    if (format[0] != '%' || format[1] != 'p' || format[2] != '\0')
        return NULL;
    va_copy(copy, *args);
    arg = va_arg(copy, const void *);
    va_end(copy);
    if (arg == NULL || arg->tag != SKIO_ARG_VALUE || arg->data == NULL)
        return NULL;
    value = arg->data;
    return value->is_list && value->attachment_count == 0 ? value : NULL;
}

#endif /* SKIO_BASE_FORMAT_H */
