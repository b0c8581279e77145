/*
 * Hexadecimal digits, as escapes in URLs and JSON have them
 */
#ifndef SKIO_BASE_HEX_H
#define SKIO_BASE_HEX_H

/* The value of a digit, -1 if it is none. */
static inline int
skio__hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that two digits are, -1 if they are not two. The second is not
 * looked at unless the first is one: that may be the NUL of a text. */
static inline int
skio__hex_byte(const char *digits)
{
    int high = skio__hex_digit(digits[0]);
    int low = high < 0 ? -1 : skio__hex_digit(digits[1]);

    return low < 0 ? -1 : high * 16 + low;
}

#endif
