/*
 * Numbers as JavaScript writes and reads them
 *
 * Doubles go to their shortest text and back to the nearest value, exactly,
 * and independent of the locale, which the C library's printf and strtod are
 * not.
 */
#ifndef SKIO_BASE_NUMBER_H
#define SKIO_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#define SKIO__NUMBER_MAX 32 /* bytes enough for any number */

/*
 * Write a double as JSON.stringify() does (ECMAScript, Number::toString; NaN
 * and the infinities are "null", -0 is "0"). Returns the length; no NUL.
 */
size_t skio__number_format(double value, char out[SKIO__NUMBER_MAX]);

size_t skio__number_format_i64(int64_t value, char out[SKIO__NUMBER_MAX]);
size_t skio__number_format_u64(uint64_t value, char out[SKIO__NUMBER_MAX]);

/*
 * Read a JSON number that the scanner has accepted. The nearest double, ties
 * to even; too large is an infinity, too small is 0, as in JavaScript.
 * Returns SKIO_OK, or SKIO_EPROTO when the text is not exactly one number.
 */
int skio__number_parse(const char *text, size_t len, double *out);

/*
 * Read a JSON number as an integer, exactly also above 2^53. 1.0 and 1e3 are
 * integers. Returns SKIO_OK, SKIO_ETYPE when it has a fraction, SKIO_ERANGE
 * when it does not fit, SKIO_EPROTO when the text is not exactly one number.
 */
int skio__number_parse_i64(const char *text, size_t len, int64_t *out);

#endif /* SKIO_BASE_NUMBER_H */
