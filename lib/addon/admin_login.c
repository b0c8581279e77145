/*
 * Who may connect to the admin namespace
 *
 * By the id of a former login, or by name and password. Whoever is refused is
 * told the same, whether it was the name, the password or a limit; and a name
 * that is wrong takes as long as a password that is.
 */
#define _POSIX_C_SOURCE 200809L /* inet_pton */

#include "addon/admin.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include <socketio/transport.h>

#define FAILURES_MS 60000

/* ---- Failures ---- */

/* Of an IPv6 address the network counts: a host has more than enough. */
static uint64_t
address_key(const struct admin *admin, const char *address)
{
    unsigned char binary[16] = {0};
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t key;

    _Static_assert(sizeof hash == sizeof key &&
                       sizeof admin->hash_key == crypto_shorthash_KEYBYTES,
                   "SipHash-2-4");
    if (inet_pton(AF_INET6, address, binary) == 1)
        (void)crypto_shorthash(hash, binary, 8, admin->hash_key);
    else
        (void)crypto_shorthash(hash, (const unsigned char *)address,
                               strlen(address), admin->hash_key);
    memcpy(&key, hash, sizeof key);
    return key;
}

/* The place of an address; if it has none, that of the oldest. */
static struct admin_failures *
failures_of(struct admin *admin, uint64_t address)
{
    uint64_t now = skio_loop_now(admin->server);
    struct admin_failures *oldest = &admin->failures[0];

    for (size_t i = 0; i < ADMIN_ADDRESSES_MAX; i++) {
        struct admin_failures *each = &admin->failures[i];

        if (each->count > 0 && now - each->since >= FAILURES_MS)
            each->count = 0;
        if (each->count > 0 && each->address == address)
            return each;
        if (oldest->count > 0 &&
            (each->count == 0 || each->since < oldest->since))
            oldest = each;
    }
    *oldest = (struct admin_failures){address, now, 0};
    return oldest;
}

/* An attempt counts as a failure until it has succeeded, so that many at once
 * are no more than many one by one. */
static bool
may_try(struct admin *admin, uint64_t address)
{
    struct admin_failures *failures = failures_of(admin, address);

    if (failures->count >= admin->options.max_failures)
        return false;
    failures->count++;
    return true;
}

static void
forgive(struct admin *admin, uint64_t address)
{
    struct admin_failures *failures = failures_of(admin, address);

    if (failures->count > 0)
        failures->count--;
}

/* ---- Verdicts ---- */

static void
refuse(skio_next *next)
{
    (void)skio_next_error(next, "invalid credentials", NULL);
}

static void
let_in(struct admin *admin, skio_next *next)
{
    if (skio_nsp_count(admin->nsp) >= admin->options.max_admins) {
        (void)skio_next_error(next, "too many admins", NULL);
        return;
    }
    skio__admin_watch(admin);
    (void)skio_next_ok(next);
}

/* What a socket that has logged in is told once it is connected. */
struct greeting {
    skio_server *server;
    char id[ADMIN_ID_BYTES];
};

static void
free_greeting(void *data)
{
    struct greeting *greeting = data;

    sodium_memzero(greeting->id, sizeof greeting->id);
    skio_transport_free(greeting->server, greeting);
}

void
skio__admin_login_greet(skio_socket *socket)
{
    const struct greeting *greeting = skio_socket_data(socket);

    if (greeting == NULL)
        return;
    (void)skio_emit(socket, "session", "%s", greeting->id);
    skio_socket_set_data(socket, NULL, NULL);
}

/* Without memory for a session there is none to come back to. */
static void
begin_session(struct admin *admin, skio_socket *socket)
{
    struct greeting *greeting =
        skio_transport_alloc(admin->server, sizeof *greeting);

    if (greeting == NULL)
        return;
    greeting->server = admin->server;
    skio__admin_session_new(admin, greeting->id);
    skio_socket_set_data(socket, greeting, free_greeting);
}

/* ---- Logins ---- */

struct login {
    skio_next *next;
    uint64_t address;
    bool is_name;
};

static void
on_checked(struct admin *admin, bool is_right, void *user)
{
    struct login *login = user;
    skio_next *next = login->next;
    skio_socket *socket = skio_next_socket(next);
    bool is_admin = is_right && login->is_name;

    if (is_admin)
        forgive(admin, login->address);
    skio_transport_free(admin->server, login);
    if (!is_admin || socket == NULL) {
        refuse(next);
        return;
    }
    skio_transport_log(admin->server, SKIO_LOG_INFO,
                       "admin at \"%s\" has logged in",
                       skio_socket_address(socket));
    begin_session(admin, socket);
    let_in(admin, next);
}

/* Compare without telling by the time how much is right. */
static bool
is_same(const char *one, const char *other)
{
    unsigned char a[32];
    unsigned char b[32];

    (void)crypto_generichash(a, sizeof a, (const unsigned char *)one,
                             strlen(one), NULL, 0);
    (void)crypto_generichash(b, sizeof b, (const unsigned char *)other,
                             strlen(other), NULL, 0);
    return sodium_memcmp(a, b, sizeof a) == 0;
}

/* Have name and password checked. false: that cannot be. */
static bool
log_in(struct admin *admin, skio_socket *socket, skio_next *next,
       uint64_t address)
{
    const skio_value *auth = skio_socket_auth(socket);
    const char *username = skio_get_str(auth, "username");
    const char *password = skio_get_str(auth, "password");
    struct login *login;

    if (username == NULL || password == NULL)
        return false;
    login = skio_transport_alloc(admin->server, sizeof *login);
    if (login == NULL)
        return false;
    *login = (struct login){next, address,
                            is_same(username, admin->options.username)};
    if (skio__admin_check(admin, password, on_checked, login) == SKIO_OK)
        return true;
    skio_transport_free(admin->server, login);
    return false;
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    struct admin *admin = user;
    const skio_value *auth = skio_socket_auth(socket);
    const char *id = skio_get_str(auth, "sessionId");
    uint64_t address = address_key(admin, skio_socket_address(socket));

    if (!admin->is_usable) {
        refuse(next);
    } else if (admin->options.no_auth) {
        let_in(admin, next);
    } else if (id == NULL && skio_get_str(auth, "password") == NULL) {
        refuse(next); /* a form that was not filled in yet: no failure */
    } else if (!may_try(admin, address)) {
        skio_transport_log(admin->server, SKIO_LOG_WARN,
                           "admin: too many logins from \"%s\" fail",
                           skio_socket_address(socket));
        refuse(next);
    } else if (id != NULL && skio__admin_session_find(admin, id)) {
        forgive(admin, address);
        let_in(admin, next);
    } else if (!log_in(admin, socket, next, address)) {
        refuse(next);
    }
}

int
skio__admin_login_init(struct admin *admin)
{
    int err = SKIO_OK;

    if (!admin->options.no_auth)
        err = skio__admin_passwords_new(admin);
    if (err == SKIO_OK && !admin->options.no_auth)
        err = skio__admin_sessions_init(admin);
    if (err == SKIO_OK)
        err = skio_use(admin->nsp, on_middleware, admin);
    return err;
}
