#include "socketio/recovery_log.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

void
skio__recovery_log_init(struct sio_log *log, const skio_allocator *mem,
                        size_t max_bytes)
{
    *log = (struct sio_log){.mem = mem,
                            .next = 1,
                            .oldest = 1,
                            .max_bytes = max_bytes};
}

static void
drop_first(struct sio_log *log)
{
    struct sio_logged *entry = log->first;

    log->first = entry->next;
    if (log->first == NULL)
        log->last = NULL;
    log->oldest = entry->number + 1;
    log->bytes -= entry->bytes;
    skio__message_unref(entry->message);
    skio__mem_free(log->mem, entry);
}

void
skio__recovery_log_deinit(struct sio_log *log)
{
    while (log->first != NULL)
        drop_first(log);
}

/* Count names and their bytes. */
static uint32_t
measure(const char *const *names, size_t *bytes)
{
    uint32_t count = 0;

    for (; names != NULL && names[count] != NULL; count++)
        *bytes += strlen(names[count]) + 1;
    return count;
}

static char *
put_names(char *to, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        size_t size = strlen(*names) + 1;

        memcpy(to, *names, size);
        to += size;
    }
    return to;
}

static struct sio_logged *
entry_new(struct sio_log *log, struct skio_message *message,
          const skio_target *target)
{
    const char *const *to = target != NULL ? target->to : NULL;
    const char *const *except = target != NULL ? target->except : NULL;
    const char *const sender[] = {target != NULL && target->sender != NULL
                                      ? skio_socket_id(target->sender)
                                      : NULL,
                                  NULL};
    size_t bytes = sizeof(struct sio_logged);
    uint32_t to_count = measure(to, &bytes);
    uint32_t except_count = measure(except, &bytes);
    uint32_t sender_count = measure(sender, &bytes);
    struct sio_logged *entry;
    char *names;

    if (bytes + message->bytes > log->max_bytes)
        return NULL;
    entry = skio__mem_calloc(log->mem, 1, bytes);
    if (entry == NULL)
        return NULL;

    entry->bytes = bytes + message->bytes;
    entry->message = skio__message_ref(message);
    entry->to_count = to_count;
    entry->except_count = except_count + sender_count;
    names = put_names(entry->names, to);
    names = put_names(names, except);
    put_names(names, sender);
    return entry;
}

void
skio__recovery_log_add(struct sio_log *log, struct skio_message *message,
                       const skio_target *target, uint64_t now_ms)
{
    struct sio_logged *entry = entry_new(log, message, target);
    uint64_t number = log->next++;

    if (entry == NULL) {
        while (log->first != NULL)
            drop_first(log);
        log->oldest = number + 1;
        return;
    }

    entry->number = number;
    entry->at_ms = now_ms;
    if (log->last != NULL)
        log->last->next = entry;
    else
        log->first = entry;
    log->last = entry;
    log->bytes += entry->bytes;
    while (log->bytes > log->max_bytes)
        drop_first(log);
}

void
skio__recovery_log_trim(struct sio_log *log, uint64_t before_ms)
{
    while (log->first != NULL && log->first->at_ms < before_ms)
        drop_first(log);
}

/* Whether a room is the socket's: its own, or one of the list. */
static bool
is_in(const char *room, const char *sid, const char *rooms)
{
    if (strcmp(room, sid) == 0)
        return true;
    for (; rooms != NULL && *rooms != '\0'; rooms += strlen(rooms) + 1)
        if (strcmp(room, rooms + 1) == 0)
            return true;
    return false;
}

bool
skio__recovery_log_is_for(const struct sio_logged *entry, const char *sid,
                          const char *rooms)
{
    const char *name = entry->names;
    bool is_for = entry->to_count == 0;

    for (uint32_t i = 0; i < entry->to_count; i++, name += strlen(name) + 1)
        is_for = is_for || is_in(name, sid, rooms);
    for (uint32_t i = 0; is_for && i < entry->except_count;
         i++, name += strlen(name) + 1)
        is_for = !is_in(name, sid, rooms);
    return is_for;
}
