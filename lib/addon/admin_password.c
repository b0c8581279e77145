/*
 * Passwords, checked in a thread
 *
 * A hash that is worth its name takes tens of milliseconds to check, and the
 * loop has others to serve. So one thread checks one password after the other.
 * It starts with the first; the loop looks for its answers as long as there are
 * any to come, which needs nothing of the transport but its timers.
 */
#define _GNU_SOURCE /* crypt_r, pthread_sigmask */

#include "addon/admin.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#ifdef HAVE_CRYPT
#include <crypt.h>
#endif

#include <socketio/transport.h>

#define LOOK_MS 5 /* how often the loop looks for answers */

struct job {
    struct job *next;
    admin_checked_fn *fn;
    void *user;
    bool is_right;
    size_t len;
    char password[ADMIN_PASSWORD_MAX + 1];
};

struct admin_passwords {
    struct admin *admin;
    char *hash;
    skio_timer *timer;
    uint32_t count; /* jobs whose answer is awaited; the loop's */
    bool has_thread;
    pthread_t thread;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wakes;
    bool ends;
    struct job *waiting; /* the next one first */
    struct job *done;
};

/* ---- Hashes ---- */

static bool
is_bcrypt(const char *hash)
{
    return strlen(hash) == 60 && hash[0] == '$' && hash[1] == '2' &&
           strchr("aby", hash[2]) != NULL && hash[3] == '$';
}

#ifdef HAVE_CRYPT
static bool
verify_bcrypt(const char *hash, const char *password)
{
    struct crypt_data data;
    const char *made;
    bool is_same;

    memset(&data, 0, sizeof data);
    made = crypt_r(password, hash, &data);
    is_same = made != NULL && strlen(made) == strlen(hash) &&
              sodium_memcmp(made, hash, strlen(hash)) == 0;
    sodium_memzero(&data, sizeof data);
    return is_same;
}
#endif

bool
skio_admin_has_bcrypt(void)
{
#ifdef HAVE_CRYPT
    /* Of "x", at the least cost there is. */
    static const char known[] =
        "$2a$04$kUvSCjiUgf6sYBVNX8UrdePzlh6w4UUOXHnuKW2BYfiqJzZxGvVfu";

    return verify_bcrypt(known, "x");
#else
    return false;
#endif
}

bool
skio__admin_password_known(const char *hash)
{
    if (is_bcrypt(hash))
        return skio_admin_has_bcrypt();
    return strncmp(hash, "$argon2", 7) == 0 &&
           strlen(hash) < crypto_pwhash_STRBYTES &&
           crypto_pwhash_str_needs_rehash(hash,
                                          crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                          crypto_pwhash_MEMLIMIT_INTERACTIVE) !=
               -1;
}

static bool
verify(const char *hash, const struct job *job)
{
#ifdef HAVE_CRYPT
    if (is_bcrypt(hash))
        return verify_bcrypt(hash, job->password);
#endif
    return crypto_pwhash_str_verify(hash, job->password, job->len) == 0;
}

int
skio_admin_hash(const char *password, char out[SKIO_ADMIN_HASH_BYTES])
{
    size_t len = strlen(password);

    _Static_assert(SKIO_ADMIN_HASH_BYTES == crypto_pwhash_STRBYTES,
                   "the header names libsodium's size");
    if (len == 0 || len > ADMIN_PASSWORD_MAX)
        return SKIO_EINVAL;
    if (sodium_init() < 0)
        return SKIO_EIO;
    return crypto_pwhash_str(out, password, len,
                             crypto_pwhash_OPSLIMIT_INTERACTIVE,
                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0
               ? SKIO_OK
               : SKIO_ENOMEM;
}

/* ---- The thread ---- */

static void *
check_all(void *arg)
{
    struct admin_passwords *all = arg;

    pthread_mutex_lock(&all->lock);
    for (;;) {
        struct job *job = all->waiting;
        struct job **end = &all->done;

        if (all->ends)
            break;
        if (job == NULL) {
            pthread_cond_wait(&all->wakes, &all->lock);
            continue;
        }
        all->waiting = job->next;
        pthread_mutex_unlock(&all->lock);
        job->is_right = verify(all->hash, job);
        job->next = NULL;
        pthread_mutex_lock(&all->lock);
        while (*end != NULL)
            end = &(*end)->next;
        *end = job;
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* The host's signals are not for this thread. */
static bool
start(struct admin_passwords *all)
{
    sigset_t every;
    sigset_t before;

    sigfillset(&every);
    if (pthread_sigmask(SIG_SETMASK, &every, &before) != 0)
        return false;
    all->has_thread = pthread_create(&all->thread, NULL, check_all, all) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return all->has_thread;
}

/* ---- The loop ---- */

static void
job_free(struct admin_passwords *all, struct job *job)
{
    sodium_memzero(job->password, sizeof job->password);
    skio_transport_free(all->admin->server, job);
}

/* Answer a list of jobs. */
static void
answer(struct admin_passwords *all, struct job *jobs)
{
    while (jobs != NULL) {
        struct job *job = jobs;

        jobs = job->next;
        all->count--;
        job->fn(all->admin, job->is_right, job->user);
        job_free(all, job);
    }
}

static void
look(void *user)
{
    struct admin_passwords *all = user;
    struct job *done;

    /* First, while there is certainly a place for it among the timers. */
    (void)skio_timer_set(all->timer, LOOK_MS);
    pthread_mutex_lock(&all->lock);
    done = all->done;
    all->done = NULL;
    pthread_mutex_unlock(&all->lock);
    answer(all, done);
    if (all->count == 0)
        skio_timer_stop(all->timer);
}

int
skio__admin_passwords_new(struct admin *admin)
{
    size_t len = strlen(admin->options.password_hash) + 1;
    struct admin_passwords *all =
        skio_transport_alloc(admin->server, sizeof *all);

    if (all == NULL)
        return SKIO_ENOMEM;
    *all = (struct admin_passwords){.admin = admin};
    all->timer = skio_timer_new(admin->server, look, all);
    all->hash = skio_transport_alloc(admin->server, len);
    if (all->timer == NULL || all->hash == NULL ||
        pthread_mutex_init(&all->lock, NULL) != 0) {
        skio_timer_free(all->timer);
        skio_transport_free(admin->server, all->hash);
        skio_transport_free(admin->server, all);
        return SKIO_ENOMEM;
    }
    if (pthread_cond_init(&all->wakes, NULL) != 0) {
        pthread_mutex_destroy(&all->lock);
        skio_timer_free(all->timer);
        skio_transport_free(admin->server, all->hash);
        skio_transport_free(admin->server, all);
        return SKIO_ENOMEM;
    }
    memcpy(all->hash, admin->options.password_hash, len);
    admin->passwords = all;
    return SKIO_OK;
}

void
skio__admin_passwords_free(struct admin *admin)
{
    struct admin_passwords *all = admin->passwords;

    if (all == NULL)
        return;
    if (all->has_thread) {
        pthread_mutex_lock(&all->lock);
        all->ends = true;
        pthread_cond_signal(&all->wakes);
        pthread_mutex_unlock(&all->lock);
        pthread_join(all->thread, NULL);
    }
    for (struct job *job = all->done; job != NULL; job = job->next)
        job->is_right = false; /* too late */
    answer(all, all->done);
    answer(all, all->waiting);
    skio_timer_free(all->timer);
    pthread_cond_destroy(&all->wakes);
    pthread_mutex_destroy(&all->lock);
    sodium_memzero(all->hash, strlen(all->hash));
    skio_transport_free(admin->server, all->hash);
    skio_transport_free(admin->server, all);
    admin->passwords = NULL;
}

int
skio__admin_check(struct admin *admin, const char *password,
                  admin_checked_fn *fn, void *user)
{
    struct admin_passwords *all = admin->passwords;
    size_t len = strlen(password);
    struct job **end;
    struct job *job;
    int err;

    if (len > ADMIN_PASSWORD_MAX)
        return SKIO_EINVAL;
    if (all->count >= admin->options.max_waiting)
        return SKIO_ELIMIT;
    job = skio_transport_alloc(admin->server, sizeof *job);
    if (job == NULL)
        return SKIO_ENOMEM;
    *job = (struct job){.fn = fn, .user = user, .len = len};
    memcpy(job->password, password, len + 1);

    err = skio_timer_set(all->timer, LOOK_MS);
    if (err == SKIO_OK && !all->has_thread && !start(all))
        err = SKIO_EIO;
    if (err != SKIO_OK) {
        job_free(all, job);
        return err;
    }
    all->count++;
    pthread_mutex_lock(&all->lock);
    for (end = &all->waiting; *end != NULL;)
        end = &(*end)->next;
    *end = job;
    pthread_cond_signal(&all->wakes);
    pthread_mutex_unlock(&all->lock);
    return SKIO_OK;
}
