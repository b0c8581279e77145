#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_CAPACITY 1024

void
text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_list again;
    int len;

    if (text->failed)
        return;
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    text->failed = len < 0;
    if (!text->failed && text->capacity - text->len <= (size_t)len) {
        size_t capacity = (text->len + (size_t)len) * 2 + TEXT_CAPACITY;
        char *data = realloc(text->data, capacity);

        text->failed = data == NULL;
        if (data != NULL) {
            text->data = data;
            text->capacity = capacity;
        }
    }
    if (!text->failed) {
        (void)vsnprintf(text->data + text->len, text->capacity - text->len,
                        format, again);
        text->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void
text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}
