/*
 * What is kept and sent: names, drafts and notices
 *
 * A draft is what an application asks for; a notice is what became of it, with
 * its number. Both are plain data: the loop and the writer hand them to each
 * other, and only one of them has them at a time.
 */
#ifndef NOTIFY_NOTICE_H
#define NOTIFY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_BYTES 64   /* of a user or a room */
#define TARGET_BYTES 70 /* "user:" and a name */
#define KEY_BYTES 128   /* of an Idempotency-Key */
#define CALLER_BYTES 16 /* which API key it was: the start of its hash */
#define HASH_BYTES 32   /* of a request's body */
#define ROOMS_MAX 32    /* that one user is in */
#define CONTENT_BYTES 8192

/* How a piece of the store's work ended. */
enum outcome {
    OUTCOME_OK,
    OUTCOME_NONE,     /* there is no such thing, or nobody to tell */
    OUTCOME_CONFLICT, /* the Idempotency-Key belongs to another body */
    OUTCOME_FULL,     /* there is a limit, and it is reached */
    OUTCOME_FAILED    /* the disk: nothing was kept */
};

struct draft {
    char target[TARGET_BYTES + 1]; /* "user:ada", "room:ops" or "all" */
    int64_t created;               /* milliseconds since 1970 */
    int64_t expires;
    unsigned char caller[CALLER_BYTES];
    unsigned char hash[HASH_BYTES];
    char key[KEY_BYTES + 1];     /* "": none */
    char content[CONTENT_BYTES]; /* a JSON object */
};

struct notice {
    struct notice *next;
    int64_t id;
    int64_t created;
    int64_t expires;
    const char *target;
    const char *content;
    char text[]; /* holds both */
};

/* How far a notification has come: so many of its readers. */
struct status {
    int64_t id;
    int64_t created;
    int64_t expires;
    int64_t queued;
    int64_t delivered;
    int64_t expired;
    int64_t dropped;
    char target[TARGET_BYTES + 1];
};

/* NULL: no memory. */
struct notice *notice_new(int64_t id, int64_t created, int64_t expires,
                          const char *target, const char *content);

/* All of a list. */
void notice_free(struct notice *first);

/* One word for all of a notification's readers: "queued" as long as one of them
 * waits, "delivered" when one has it, else "expired" or "dropped". */
const char *status_word(const struct status *status);

/* 1 to 64 letters, digits, '-', '_', '.' and '@'. NULL is none. */
bool name_is_valid(const char *name);

/* "all", or "user:" or "room:" and a name. */
bool target_is_valid(const char *target);

int64_t wall_clock_ms(void);

#endif /* NOTIFY_NOTICE_H */
