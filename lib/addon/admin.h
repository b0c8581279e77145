/*
 * The admin addon: what its files share
 *
 *     admin.c           options, the namespace, who is told, the tick
 *     admin_login.c     who may connect
 *     admin_password.c  passwords, checked in a thread
 *     admin_session.c   who has logged in before
 *     admin_stats.c     numbers
 *     admin_events.c    sockets, rooms and events as they come and go
 *     admin_describe.c  a socket as JSON
 *     admin_actions.c   what an admin may do
 *     admin_date.c      the time of the day
 */
#ifndef SKIO_ADDON_ADMIN_H
#define SKIO_ADDON_ADMIN_H

#include <socketio/adapter.h>
#include <socketio/admin.h>
#include <socketio/loop.h>
#include <socketio/socketio.h>

#include "addon/text.h"

#define ADMIN_PASSWORD_MAX 1024
#define ADMIN_ID_BYTES 33   /* of a login: 32 hexadecimal digits and a NUL */
#define ADMIN_DATE_BYTES 25 /* "2026-11-21T03:00:36.153Z" */
#define ADMIN_CLIENT_ID 12  /* of a session's id as much is shown */

/* ---- Time ---- */

/* Milliseconds since 1970, and as JavaScript's Date is sent. */
uint64_t skio__admin_wall_ms(void);
void skio__admin_date(char out[ADMIN_DATE_BYTES]);

/* ---- Numbers ---- */

enum admin_type {
    ADMIN_CONNECTION,
    ADMIN_DISCONNECTION, /* by reason */
    ADMIN_PACKETS_IN,
    ADMIN_PACKETS_OUT,
    ADMIN_BYTES_IN,
    ADMIN_BYTES_OUT
};

/* What happened in one second. */
struct admin_count {
    uint64_t second; /* milliseconds since 1970, rounded down */
    enum admin_type type;
    enum skio_disconnect reason;
    uint64_t count;
};

#define ADMIN_COUNTS_MAX 256

struct admin_stats {
    struct admin_count counts[ADMIN_COUNTS_MAX];
    size_t count;
    size_t polling; /* sessions that began so and have not upgraded */
    bool has_tapped_packets;
};

/* ---- Logins ---- */

struct admin_session {
    unsigned char hash[32]; /* of its id, which only its client has */
    uint64_t until;         /* skio_loop_now() */
};

#define ADMIN_ADDRESSES_MAX 1024

/* Failures of an address within a minute. */
struct admin_failures {
    uint64_t address; /* a keyed hash of it */
    uint64_t since;
    uint32_t count;
};

/* ---- The whole ---- */

struct admin_passwords; /* admin_password.c */

struct admin {
    skio_server *server;
    skio_nsp *nsp;
    skio_admin_options options; /* strings are copies of ours */
    char hostname[256];
    uint64_t started;
    bool is_usable;  /* skio_admin_serve() has come to its end */
    bool is_watched; /* an admin is connected, here or at another server */
    skio_timer *tick;

    struct admin_stats stats;

    bool is_marking;        /* skio__admin_mark() sets a shared value */
    bool has_upgraded;      /* a transport: marks are to be looked at */
    skio_timer *upgrades;   /* when that is */
    struct addon_text left; /* "namespace\0room\0id\0" for each room_left */
    uint64_t second;        /* of skio_loop_now(), in which so many... */
    uint32_t shown;         /* ...events were shown */
    uint64_t hidden;        /* events that were not, since the last tick */

    struct admin_passwords *passwords; /* NULL: no_auth */
    struct admin_session *sessions;    /* the oldest first */
    size_t session_count;
    struct admin_failures failures[ADMIN_ADDRESSES_MAX];
    unsigned char hash_key[16];
};

static inline bool
skio__admin_is_development(const struct admin *admin)
{
    return admin->options.mode == SKIO_ADMIN_DEVELOPMENT;
}

/* An admin is about to connect: begin to watch. */
void skio__admin_watch(struct admin *admin);

/* Broadcast to all admins. */
void skio__admin_tell(struct admin *admin, const char *event,
                      const char *format, ...) SKIO_PRINTF(3, 4);

/* ---- admin_login.c ---- */

int skio__admin_login_init(struct admin *admin);
/* Give the session of an admin who has just logged in to it. */
void skio__admin_login_greet(skio_socket *socket);

/* ---- admin_password.c ---- */

/* Called on the loop thread, with what skio__admin_check() got. */
typedef void admin_checked_fn(struct admin *admin, bool is_right, void *user);

bool skio__admin_password_known(const char *hash);
int skio__admin_passwords_new(struct admin *admin);
/* Whoever still waits is told no. */
void skio__admin_passwords_free(struct admin *admin);
/* Check a password against the hash of the options, later. SKIO_OK;
 * SKIO_ELIMIT when too many wait; SKIO_EINVAL for one that is too long;
 * SKIO_ENOMEM. */
int skio__admin_check(struct admin *admin, const char *password,
                      admin_checked_fn *fn, void *user);

/* ---- admin_session.c ---- */

int skio__admin_sessions_init(struct admin *admin);
bool skio__admin_session_find(struct admin *admin, const char *id);
/* Make one, known to the other servers, too. */
void skio__admin_session_new(struct admin *admin, char id[ADMIN_ID_BYTES]);

/* ---- admin_stats.c ---- */

int skio__admin_stats_init(struct admin *admin);
/* Count packets from now on: not before somebody looks. */
void skio__admin_stats_begin(struct admin *admin);
void skio__admin_stats_tell(struct admin *admin);

/* ---- admin_events.c ---- */

int skio__admin_events_init(struct admin *admin);
/* Watch the events of all namespaces, or no more. */
void skio__admin_events_watch(struct admin *admin, bool is_watched);
/* Look whether transports were upgraded. */
void skio__admin_events_refresh(struct admin *admin);

/* ---- admin_describe.c ---- */

/* Set socket.data._admin, as Node's servers have it. */
void skio__admin_mark(struct admin *admin, skio_socket *socket);
/* A socket of this server, or what another one has told of its own. */
void skio__admin_describe(const struct admin *admin, struct addon_text *out,
                          const skio_remote *remote);
void skio__admin_describe_socket(const struct admin *admin,
                                 struct addon_text *out, skio_socket *socket);
/* Shared data without what skio__admin_mark() added. */
void skio__admin_put_data(struct addon_text *out, const char *shared);

/* ---- admin_actions.c ---- */

int skio__admin_actions_init(struct admin *admin);
/* Send all_sockets to one admin. */
void skio__admin_list(struct admin *admin, skio_socket *socket);

#endif /* SKIO_ADDON_ADMIN_H */
