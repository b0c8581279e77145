#include "base/names.h"

#include <string.h>

size_t
skio__names_measure(const char *const *names, size_t *bytes)
{
    size_t count = 0;

    for (; names != NULL && names[count] != NULL; count++)
        *bytes += strlen(names[count]) + 1;
    *bytes += (count + 1) * sizeof *names;
    return count;
}

char *
skio__names_copy(const char **list, const char *const *names, char *text)
{
    for (; names != NULL && *names != NULL; names++) {
        size_t size = strlen(*names) + 1;

        *list++ = memcpy(text, *names, size);
        text += size;
    }
    *list = NULL;
    return text;
}
