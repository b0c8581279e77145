/*
 * Who has logged in before
 *
 * A client keeps the id that it was given and shows it when it comes back. Kept
 * here is a hash of it, which nobody can use; the other servers of a cluster
 * get that, too, so that the client may come back to any of them.
 */
#include "addon/admin.h"

#include <sodium.h>
#include <string.h>

#include <socketio/cluster.h>
#include <socketio/transport.h>

#define HASH_BYTES sizeof(((struct admin_session *)NULL)->hash)
#define HEX_BYTES (2 * HASH_BYTES + 1)
#define SESSION_EVENT "admin:session"

static void
hash_id(unsigned char hash[HASH_BYTES], const char *id)
{
    (void)crypto_generichash(hash, HASH_BYTES, (const unsigned char *)id,
                             strlen(id), NULL, 0);
}

/* So many at the front, which are the oldest. */
static void
drop(struct admin *admin, size_t count)
{
    admin->session_count -= count;
    memmove(admin->sessions, admin->sessions + count,
            admin->session_count * sizeof *admin->sessions);
}

static void
drop_expired(struct admin *admin)
{
    uint64_t now = skio_loop_now(admin->server);
    size_t count = 0;

    while (count < admin->session_count && admin->sessions[count].until <= now)
        count++;
    if (count > 0)
        drop(admin, count);
}

static void
add(struct admin *admin, const unsigned char hash[HASH_BYTES])
{
    struct admin_session *added;

    drop_expired(admin);
    if (admin->session_count == admin->options.max_sessions)
        drop(admin, 1);
    added = &admin->sessions[admin->session_count++];
    memcpy(added->hash, hash, HASH_BYTES);
    added->until = skio_loop_now(admin->server) +
                   (uint64_t)admin->options.session_s * 1000;
}

bool
skio__admin_session_find(struct admin *admin, const char *id)
{
    unsigned char hash[HASH_BYTES];
    bool is_there = false;

    hash_id(hash, id);
    drop_expired(admin);
    for (size_t i = 0; i < admin->session_count; i++)
        if (sodium_memcmp(admin->sessions[i].hash, hash, HASH_BYTES) == 0)
            is_there = true;
    return is_there;
}

void
skio__admin_session_new(struct admin *admin, char id[ADMIN_ID_BYTES])
{
    unsigned char random[(ADMIN_ID_BYTES - 1) / 2];
    unsigned char hash[HASH_BYTES];
    char hex[HEX_BYTES];
    int err;

    randombytes_buf(random, sizeof random);
    sodium_bin2hex(id, ADMIN_ID_BYTES, random, sizeof random);
    hash_id(hash, id);
    add(admin, hash);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    err = skio_server_side_emit(admin->nsp, SESSION_EVENT, "%s", hex);
    if (err != SKIO_OK)
        skio_transport_log(admin->server, SKIO_LOG_DEBUG,
                           "admin: other servers know no session: %s",
                           skio_strerror(err));
}

static void
on_session(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
           void *user)
{
    const char *hex = skio_get_str(args, "0");
    unsigned char hash[HASH_BYTES];
    size_t len = 0;

    (void)nsp;
    (void)ack;
    if (hex != NULL && strlen(hex) == HEX_BYTES - 1 &&
        sodium_hex2bin(hash, sizeof hash, hex, HEX_BYTES - 1, NULL, &len,
                       NULL) == 0 &&
        len == sizeof hash)
        add(user, hash);
}

int
skio__admin_sessions_init(struct admin *admin)
{
    admin->sessions =
        skio_transport_alloc(admin->server, admin->options.max_sessions *
                                                sizeof *admin->sessions);
    if (admin->sessions == NULL)
        return SKIO_ENOMEM;
    return skio_on_server_event(admin->nsp, SESSION_EVENT, on_session, admin);
}
