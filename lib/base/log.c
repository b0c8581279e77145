/*
 * Log lines: see log.h
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define CUT "..."
#define CUT_LEN (sizeof(CUT) - 1)

/*
 * Bytes of the printable character at text, 0 if its first byte must be
 * escaped: controls (C0, DEL, and C1, which is 0xC2 0x80..0x9F) and what is
 * no UTF-8.
 */
static size_t
printable(const char *text, size_t len)
{
    size_t bytes = skio__utf8_char(text, len);
    unsigned char c = (unsigned char)text[0];

    if (bytes == 1 && (c < 0x20 || c == 0x7F))
        return 0;
    if (bytes == 2 && c == 0xC2 && (unsigned char)text[1] < 0xA0)
        return 0;
    return bytes;
}

size_t
skio__log_escape(char *out, size_t size, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t room = size - 1; /* the NUL */
    size_t n = 0;
    size_t fits = 0; /* how much of out can stay if CUT must follow */
    size_t i = 0;

    while (i < len) {
        size_t bytes = printable(text + i, len - i);
        char code[4] = {'\\', 'x', 0, 0};
        const char *piece = text + i;
        size_t piece_len = bytes;

        if (bytes == 0) {
            unsigned char c = (unsigned char)text[i];

            code[2] = hex[c >> 4];
            code[3] = hex[c & 15];
            piece = code;
            piece_len = sizeof(code);
            bytes = 1;
        }
        if (piece_len > room - n) {
            memcpy(out + fits, CUT, CUT_LEN);
            n = fits + CUT_LEN;
            break;
        }
        memcpy(out + n, piece, piece_len);
        n += piece_len;
        i += bytes;
        if (n + CUT_LEN <= room)
            fits = n;
    }
    out[n] = '\0';
    return n;
}

void
skio__logv(const struct skio__logger *logger, enum skio_log_level level,
           const char *format, va_list args)
{
    char raw[SKIO__LOG_MAX + 8]; /* full: longer than line, which tells so */
    char line[SKIO__LOG_MAX];
    size_t len;
    int n;

    if (!skio__log_is_on(logger, level))
        return;

    n = vsnprintf(raw, sizeof(raw), format, args);
    if (n < 0)
        return;

    len = (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1;
    skio__log_escape(line, sizeof(line), raw, len);
    logger->fn(logger->user, level, line);
}

void
skio__log(const struct skio__logger *logger, enum skio_log_level level,
          const char *format, ...)
{
    va_list args;

    va_start(args, format);
    skio__logv(logger, level, format, args);
    va_end(args);
}
