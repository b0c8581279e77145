#include "threats/scale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0: none is given. */
static unsigned
percent(void)
{
    const char *text = getenv("SKIO_SCALE");
    unsigned long number = text != NULL ? strtoul(text, NULL, 10) : 0;

    return number > 100 ? 100 : (unsigned)number;
}

/* 1234567 as "1,234,567". */
static const char *
grouped(unsigned number, char text[16])
{
    char digits[16];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%u", number);
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

bool
scale_is_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

bool
scale_is_long(void)
{
    return percent() > 0;
}

bool
scale_is_full(void)
{
    return percent() == 100;
}

unsigned
scaled(unsigned usual, unsigned full, const char *what)
{
    unsigned part = (unsigned)((unsigned long long)full * percent() / 100);
    char texts[2][16];

    if (part < usual)
        part = usual < full ? usual : full;
    printf("# %s of %s %s\n", grouped(part, texts[0]), grouped(full, texts[1]),
           what);
    fflush(stdout);
    return part;
}

size_t
scaled_stride(size_t usual)
{
    unsigned part = percent();
    size_t stride = part > 0 ? (99 + part) / part : usual;

    return stride < usual ? stride : usual;
}
