/*
 * Conversions of a template: what a '%' introduces, and the argument it takes
 *
 *     % [-] [.N | .*] [hh h l ll j z t L] letter
 *
 * Those of printf that have a meaning in JSON; the compiler has checked that
 * the arguments fit them.
 */
#ifndef SKIO_SOCKETIO_CONVERSION_H
#define SKIO_SOCKETIO_CONVERSION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/number.h"

enum sio_length {
    SIO_LENGTH_NONE,
    SIO_LENGTH_CHAR,
    SIO_LENGTH_SHORT,
    SIO_LENGTH_LONG,
    SIO_LENGTH_LONG_LONG,
    SIO_LENGTH_INTMAX,
    SIO_LENGTH_SIZE,
    SIO_LENGTH_PTRDIFF,
    SIO_LENGTH_LONG_DOUBLE
};

enum sio_conversion_kind {
    SIO_CONVERSION_NONE, /* it has no meaning here: refuse the template */
    SIO_CONVERSION_STRING,
    SIO_CONVERSION_NUMBER, /* or a boolean */
    SIO_CONVERSION_POINTER
};

struct sio_conversion {
    enum sio_conversion_kind kind;
    enum sio_length length;
    int precision; /* negative: none */
    bool has_precision;
    bool is_raw; /* '-': a string that is finished JSON */
    char letter;
};

/*
 * Read the conversion after its '%', and a precision that is an argument.
 * Returns where the template goes on.
 */
const char *skio__conversion_parse(const char *pos, va_list *args,
                                   struct sio_conversion *out);

/* Take a string: up to its NUL, precision bytes at most. It may be NULL. */
const char *skio__conversion_string(const struct sio_conversion *conversion,
                                    va_list *args, size_t *len);

/* Take a number or boolean, and write it as JSON. Returns the length. */
size_t skio__conversion_number(const struct sio_conversion *conversion,
                               va_list *args, char out[SKIO__NUMBER_MAX]);

#endif /* SKIO_SOCKETIO_CONVERSION_H */
