/*
 * The log of recovery: events by number, bounded by bytes and by age
 */
#ifndef SKIO_SOCKETIO_RECOVERY_LOG_H
#define SKIO_SOCKETIO_RECOVERY_LOG_H

#include "socketio/message.h"

/* An event and whom it went to. */
struct sio_logged {
    struct sio_logged *next;
    uint64_t number;
    uint64_t at_ms;
    size_t bytes; /* all that is kept for it */
    struct skio_message *message;
    uint32_t to_count; /* names in the text; 0: everybody */
    uint32_t except_count;
    char names[]; /* NUL-terminated, `to` first */
};

struct sio_log {
    const skio_allocator *mem;
    struct sio_logged *first;
    struct sio_logged *last;
    uint64_t next;   /* the number of the next event, from 1 on */
    uint64_t oldest; /* all from here on are in the log */
    size_t bytes;
    size_t max_bytes;
};

void skio__recovery_log_init(struct sio_log *log, const skio_allocator *mem,
                             size_t max_bytes);
void skio__recovery_log_deinit(struct sio_log *log);

/*
 * Add an event under the number log->next, which is used up either way: what
 * cannot be kept leaves a gap, and everything before it is of no use.
 */
void skio__recovery_log_add(struct sio_log *log, struct skio_message *message,
                            const skio_target *target, uint64_t now_ms);

/* Drop what is older. */
void skio__recovery_log_trim(struct sio_log *log, uint64_t before_ms);

/* Whether an event was for a socket with this id and these rooms
 * ("+a\0+b\0\0", its own not among them; NULL: none). */
bool skio__recovery_log_is_for(const struct sio_logged *entry, const char *sid,
                               const char *rooms);

#endif /* SKIO_SOCKETIO_RECOVERY_LOG_H */
