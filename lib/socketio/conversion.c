/*
 * Conversions of a template: see conversion.h
 */
#include "socketio/conversion.h"

#include <stdint.h>
#include <string.h>

static enum sio_length
parse_length(const char **pos)
{
    const char *p = *pos;
    enum sio_length length = SIO_LENGTH_NONE;

    switch (*p) {
    case 'h':
        length = p[1] == 'h' ? SIO_LENGTH_CHAR : SIO_LENGTH_SHORT;
        break;
    case 'l':
        length = p[1] == 'l' ? SIO_LENGTH_LONG_LONG : SIO_LENGTH_LONG;
        break;
    case 'j':
        length = SIO_LENGTH_INTMAX;
        break;
    case 'z':
        length = SIO_LENGTH_SIZE;
        break;
    case 't':
        length = SIO_LENGTH_PTRDIFF;
        break;
    case 'L':
        length = SIO_LENGTH_LONG_DOUBLE;
        break;
    default:
        return SIO_LENGTH_NONE;
    }
    *pos += length == SIO_LENGTH_CHAR || length == SIO_LENGTH_LONG_LONG ? 2 : 1;
    return length;
}

/* Digits, or '*'. A precision too large for an int is none at all. */
static int
parse_precision(const char **pos, va_list *args)
{
    const int most = 1000000000;
    int n = 0;

    if (**pos == '*') {
        (*pos)++;
        return va_arg(*args, int);
    }
    for (; **pos >= '0' && **pos <= '9'; (*pos)++)
        n = n >= most / 10 ? most : 10 * n + (**pos - '0');
    return n == most ? -1 : n;
}

/* Whether JSON has something for the combination. */
static enum sio_conversion_kind
kind_of(const struct sio_conversion *c)
{
    const bool is_plain = !c->is_raw && !c->has_precision;

    switch (c->letter) {
    case 's':
        return c->length == SIO_LENGTH_NONE ? SIO_CONVERSION_STRING
                                            : SIO_CONVERSION_NONE;
    case 'd':
    case 'i':
    case 'u':
        return is_plain && c->length != SIO_LENGTH_LONG_DOUBLE
                   ? SIO_CONVERSION_NUMBER
                   : SIO_CONVERSION_NONE;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return !c->is_raw && (c->length == SIO_LENGTH_NONE ||
                              c->length == SIO_LENGTH_LONG ||
                              c->length == SIO_LENGTH_LONG_DOUBLE)
                   ? SIO_CONVERSION_NUMBER
                   : SIO_CONVERSION_NONE;
    case 'p':
        return is_plain && c->length == SIO_LENGTH_NONE ? SIO_CONVERSION_POINTER
                                                        : SIO_CONVERSION_NONE;
    default:
        return SIO_CONVERSION_NONE;
    }
}

const char *
skio__conversion_parse(const char *pos, va_list *args,
                       struct sio_conversion *out)
{
    out->is_raw = *pos == '-';
    pos += out->is_raw;
    out->has_precision = *pos == '.';
    out->precision = -1;
    if (out->has_precision) {
        pos++;
        out->precision = parse_precision(&pos, args);
    }
    out->length = parse_length(&pos);
    out->letter = *pos;
    out->kind = kind_of(out);
    return *pos != '\0' ? pos + 1 : pos;
}

const char *
skio__conversion_string(const struct sio_conversion *conversion, va_list *args,
                        size_t *len)
{
    const char *str = va_arg(*args, const char *);
    const char *nul;

    *len = 0;
    if (str == NULL)
        return NULL;
    if (conversion->precision < 0) {
        *len = strlen(str);
        return str;
    }
    *len = (size_t)conversion->precision;
    nul = memchr(str, '\0', *len);
    if (nul != NULL)
        *len = (size_t)(nul - str);
    return str;
}

static int64_t
take_signed(va_list *args, enum sio_length length)
{
    switch (length) {
    case SIO_LENGTH_SHORT:
        return (short)va_arg(*args, int);
    case SIO_LENGTH_LONG:
        return va_arg(*args, long);
    case SIO_LENGTH_LONG_LONG:
        return va_arg(*args, long long);
    case SIO_LENGTH_INTMAX:
        return va_arg(*args, intmax_t);
    case SIO_LENGTH_SIZE: /* the signed type of size_t's width */
    case SIO_LENGTH_PTRDIFF:
        return va_arg(*args, ptrdiff_t);
    default:
        return va_arg(*args, int);
    }
}

static uint64_t
take_unsigned(va_list *args, enum sio_length length)
{
    switch (length) {
    case SIO_LENGTH_CHAR:
        return (unsigned char)va_arg(*args, unsigned);
    case SIO_LENGTH_SHORT:
        return (unsigned short)va_arg(*args, unsigned);
    case SIO_LENGTH_LONG:
        return va_arg(*args, unsigned long);
    case SIO_LENGTH_LONG_LONG:
        return va_arg(*args, unsigned long long);
    case SIO_LENGTH_INTMAX:
        return va_arg(*args, uintmax_t);
    case SIO_LENGTH_SIZE:
    case SIO_LENGTH_PTRDIFF:
        return va_arg(*args, size_t);
    default:
        return va_arg(*args, unsigned);
    }
}

static size_t
format_double(enum sio_length length, va_list *args, char out[SKIO__NUMBER_MAX])
{
    double value;

    if (length == SIO_LENGTH_LONG_DOUBLE)
        value = (double)va_arg(*args, long double);
    else
        value = va_arg(*args, double);
    return skio__number_format(value, out);
}

static size_t
format_bool(bool value, char out[SKIO__NUMBER_MAX])
{
    const char *word = value ? "true" : "false";
    size_t len = strlen(word);

    memcpy(out, word, len);
    return len;
}

size_t
skio__conversion_number(const struct sio_conversion *conversion, va_list *args,
                        char out[SKIO__NUMBER_MAX])
{
    const enum sio_length length = conversion->length;

    switch (conversion->letter) {
    case 'd':
    case 'i':
        if (length == SIO_LENGTH_CHAR)
            return format_bool((signed char)va_arg(*args, int) != 0, out);
        return skio__number_format_i64(take_signed(args, length), out);
    case 'u':
        return skio__number_format_u64(take_unsigned(args, length), out);
    default:
        return format_double(length, args, out);
    }
}
