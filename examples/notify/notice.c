#define _POSIX_C_SOURCE 200809L

#include "notice.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct notice *
notice_new(int64_t id, int64_t created, int64_t expires, const char *target,
           const char *content)
{
    size_t target_size = strlen(target) + 1;
    size_t content_size = strlen(content) + 1;
    struct notice *notice = malloc(sizeof *notice + target_size + content_size);

    if (notice == NULL)
        return NULL;
    *notice = (struct notice){.id = id, .created = created, .expires = expires};
    memcpy(notice->text, target, target_size);
    memcpy(notice->text + target_size, content, content_size);
    notice->target = notice->text;
    notice->content = notice->text + target_size;
    return notice;
}

void
notice_free(struct notice *first)
{
    while (first != NULL) {
        struct notice *next = first->next;

        free(first);
        first = next;
    }
}

const char *
status_word(const struct status *status)
{
    if (status->queued > 0)
        return "queued";
    if (status->delivered > 0)
        return "delivered";
    return status->expired > 0 ? "expired" : "dropped";
}

bool
name_is_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789-_.@";
    size_t len = name != NULL ? strlen(name) : 0;

    return len > 0 && len <= NAME_BYTES && strspn(name, allowed) == len;
}

bool
target_is_valid(const char *target)
{
    if (strcmp(target, "all") == 0)
        return true;
    return (strncmp(target, "user:", 5) == 0 ||
            strncmp(target, "room:", 5) == 0) &&
           name_is_valid(target + 5);
}

int64_t
wall_clock_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
