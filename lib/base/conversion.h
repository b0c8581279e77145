/*
 * Conversions of a template: what a '%' introduces, and the argument it takes
 *
 *     % [-] [.N | .*] [hh h l ll j z t L] letter
 *
 * Those of printf that have a meaning in JSON; the compiler has checked that
 * the arguments fit them.
 */
#ifndef SKIO_BASE_CONVERSION_H
#define SKIO_BASE_CONVERSION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/number.h"

enum skio__length {
    SKIO__LENGTH_NONE,
    SKIO__LENGTH_CHAR,
    SKIO__LENGTH_SHORT,
    SKIO__LENGTH_LONG,
    SKIO__LENGTH_LONG_LONG,
    SKIO__LENGTH_INTMAX,
    SKIO__LENGTH_SIZE,
    SKIO__LENGTH_PTRDIFF,
    SKIO__LENGTH_LONG_DOUBLE
};

enum skio__conversion_kind {
    SKIO__CONVERSION_NONE, /* it has no meaning here: refuse the template */
    SKIO__CONVERSION_STRING,
    SKIO__CONVERSION_NUMBER, /* or a boolean */
    SKIO__CONVERSION_POINTER
};

struct skio__conversion {
    enum skio__conversion_kind kind;
    enum skio__length length;
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
                                   struct skio__conversion *out);

/* Take a string: up to its NUL, precision bytes at most. It may be NULL. */
const char *skio__conversion_string(const struct skio__conversion *conversion,
                                    va_list *args, size_t *len);

/* Take a number or boolean, and write it as JSON. Returns the length. */
size_t skio__conversion_number(const struct skio__conversion *conversion,
                               va_list *args, char out[SKIO__NUMBER_MAX]);

#endif /* SKIO_BASE_CONVERSION_H */
