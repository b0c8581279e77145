/*
 * A text that grows: the lists of JSON that one answer carries
 *
 * Only checked names and tokens, and JSON that the library has checked, are
 * written into it; the library checks the whole once more when it is sent.
 */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *data; /* NUL-terminated, or NULL before the first piece */
    size_t len;
    size_t capacity;
    bool failed; /* memory ran out: the text is not complete */
};

/* Append, as printf() writes. After a failure nothing more is appended. */
__attribute__((format(printf, 2, 3))) void text_add(struct text *text,
                                                    const char *format, ...);

/* Free what the text holds and make it empty. */
void text_free(struct text *text);

#endif /* CHAT_TEXT_H */
