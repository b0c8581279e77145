/*
 * Conversions of a template: see conversion.h
 */
#include "base/conversion.h"

#include <stdint.h>
#include <string.h>

static enum skio__length
parse_length(const char **pos)
{
    const char *p = *pos;
    enum skio__length length = SKIO__LENGTH_NONE;

    switch (*p) {
    case 'h':
        length = p[1] == 'h' ? SKIO__LENGTH_CHAR : SKIO__LENGTH_SHORT;
        break;
    case 'l':
        length = p[1] == 'l' ? SKIO__LENGTH_LONG_LONG : SKIO__LENGTH_LONG;
        break;
    case 'j':
        length = SKIO__LENGTH_INTMAX;
        break;
    case 'z':
        length = SKIO__LENGTH_SIZE;
        break;
    case 't':
        length = SKIO__LENGTH_PTRDIFF;
        break;
    case 'L':
        length = SKIO__LENGTH_LONG_DOUBLE;
        break;
    default:
        return SKIO__LENGTH_NONE;
    }
    *pos +=
        length == SKIO__LENGTH_CHAR || length == SKIO__LENGTH_LONG_LONG ? 2 : 1;
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
static enum skio__conversion_kind
kind_of(const struct skio__conversion *c)
{
    const bool is_plain = !c->is_raw && !c->has_precision;

    switch (c->letter) {
    case 's':
        return c->length == SKIO__LENGTH_NONE ? SKIO__CONVERSION_STRING
                                              : SKIO__CONVERSION_NONE;
    case 'd':
    case 'i':
    case 'u':
        return is_plain && c->length != SKIO__LENGTH_LONG_DOUBLE
                   ? SKIO__CONVERSION_NUMBER
                   : SKIO__CONVERSION_NONE;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return !c->is_raw && (c->length == SKIO__LENGTH_NONE ||
                              c->length == SKIO__LENGTH_LONG ||
                              c->length == SKIO__LENGTH_LONG_DOUBLE)
                   ? SKIO__CONVERSION_NUMBER
                   : SKIO__CONVERSION_NONE;
    case 'p':
        return is_plain && c->length == SKIO__LENGTH_NONE
                   ? SKIO__CONVERSION_POINTER
                   : SKIO__CONVERSION_NONE;
    default:
        return SKIO__CONVERSION_NONE;
    }
}

const char *
skio__conversion_parse(const char *pos, va_list *args,
                       struct skio__conversion *out)
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
skio__conversion_string(const struct skio__conversion *conversion,
                        va_list *args, size_t *len)
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
take_signed(va_list *args, enum skio__length length)
{
    switch (length) {
    case SKIO__LENGTH_SHORT:
        return (short)va_arg(*args, int);
    case SKIO__LENGTH_LONG:
        return va_arg(*args, long);
    case SKIO__LENGTH_LONG_LONG:
        return va_arg(*args, long long);
    case SKIO__LENGTH_INTMAX:
        return va_arg(*args, intmax_t);
    case SKIO__LENGTH_SIZE: /* the signed type of size_t's width */
    case SKIO__LENGTH_PTRDIFF:
        return va_arg(*args, ptrdiff_t);
    default:
        return va_arg(*args, int);
    }
}

static uint64_t
take_unsigned(va_list *args, enum skio__length length)
{
    switch (length) {
    case SKIO__LENGTH_CHAR:
        return (unsigned char)va_arg(*args, unsigned);
    case SKIO__LENGTH_SHORT:
        return (unsigned short)va_arg(*args, unsigned);
    case SKIO__LENGTH_LONG:
        return va_arg(*args, unsigned long);
    case SKIO__LENGTH_LONG_LONG:
        return va_arg(*args, unsigned long long);
    case SKIO__LENGTH_INTMAX:
        return va_arg(*args, uintmax_t);
    case SKIO__LENGTH_SIZE:
    case SKIO__LENGTH_PTRDIFF:
        return va_arg(*args, size_t);
    default:
        return va_arg(*args, unsigned);
    }
}

static size_t
format_double(enum skio__length length, va_list *args,
              char out[SKIO__NUMBER_MAX])
{
    double value;

    if (length == SKIO__LENGTH_LONG_DOUBLE)
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
skio__conversion_number(const struct skio__conversion *conversion,
                        va_list *args, char out[SKIO__NUMBER_MAX])
{
    const enum skio__length length = conversion->length;

    switch (conversion->letter) {
    case 'd':
    case 'i':
        if (length == SKIO__LENGTH_CHAR)
            return format_bool((signed char)va_arg(*args, int) != 0, out);
        return skio__number_format_i64(take_signed(args, length), out);
    case 'u':
        return skio__number_format_u64(take_unsigned(args, length), out);
    default:
        return format_double(length, args, out);
    }
}
