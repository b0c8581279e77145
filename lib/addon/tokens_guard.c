/*
 * Guards: a namespace that wants tokens, and how long its sockets may stay
 *
 *     admitted ──▶ waits in a heap ──▶ told, in a list ──▶ disconnected
 *                    ▲   wall clock       │   loop's clock
 *                    └────── renewed ─────┘
 *
 * One timer for all sockets. When a token expires is a date, so the wall clock
 * says when; it may be set, hence the look at it every RECHECK_MS. How long the
 * grace is counts from the telling, by the clock that only grows: whatever
 * happens to the date, everybody is told first and has the whole of it.
 *
 * The heap is a pairing heap whose nodes are in the entries, so that nothing
 * has to be allocated to renew.
 */
#include <string.h>

#include <socketio/loop.h>
#include <socketio/tokens.h>
#include <socketio/transport.h>
#include <socketio/users.h>

#include "addon/sized.h"

#define GRACE_MAX 86400000
#define RECHECK_MS 15000
#define TURN_MAX 256 /* sockets that are told, and disconnected, in one turn */

struct guard;

/* What a guarded socket has. */
struct entry {
    struct guard *guard;
    skio_socket *socket;
    skio_token *token;
    enum { ENTRY_IDLE, ENTRY_WAITS, ENTRY_TOLD } state;
    uint64_t due; /* WAITS: wall clock; TOLD: the loop's */
    struct entry *child;
    struct entry *next; /* of the same parent; TOLD: of the list */
    struct entry *back; /* the sibling before, the parent; TOLD: of the list */
};

struct guard {
    skio_server *server;
    skio_tokens *tokens;
    skio_tokens_guard_options options; /* strings: of the block */
    skio_timer *timer;
    struct entry *heap;  /* the earliest */
    struct entry *first; /* TOLD, the earliest first */
    struct entry *last;
    char strings[];
};

static const char entry_key = 0;

static const skio_tokens_guard_options defaults = {
    .struct_size = sizeof(skio_tokens_guard_options),
    .auth_name = "token",
    .from_header = true,
    .grace_ms = 30000,
    .expired_event = "token_expired",
    .renew_event = "token_renew",
};

void
skio_tokens_guard_options_init_size(skio_tokens_guard_options *options,
                                    size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- The heap ---- */

/* Two roots become one; either may be NULL. */
static struct entry *
meld(struct entry *a, struct entry *b)
{
    struct entry *top = a;
    struct entry *below = b;

    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->due < a->due) {
        top = b;
        below = a;
    }
    below->back = top;
    below->next = top->child;
    if (top->child != NULL)
        top->child->back = below;
    top->child = below;
    return top;
}

/* Make one root of siblings: in pairs, then all pairs, the last first. */
static struct entry *
meld_all(struct entry *first)
{
    struct entry *pairs = NULL;
    struct entry *root = NULL;

    while (first != NULL) {
        struct entry *a = first;
        struct entry *b = a->next;
        struct entry *pair;

        first = b != NULL ? b->next : NULL;
        a->next = a->back = NULL;
        if (b != NULL)
            b->next = b->back = NULL;
        pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct entry *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

static void
heap_remove(struct guard *guard, struct entry *entry)
{
    struct entry *below = meld_all(entry->child);

    if (entry == guard->heap) {
        guard->heap = below;
    } else {
        if (entry->back->child == entry)
            entry->back->child = entry->next;
        else
            entry->back->next = entry->next;
        if (entry->next != NULL)
            entry->next->back = entry->back;
        guard->heap = meld(guard->heap, below);
    }
    entry->child = entry->next = entry->back = NULL;
}

/* ---- The list of those that were told ---- */

static void
list_append(struct guard *guard, struct entry *entry)
{
    entry->back = guard->last;
    entry->next = NULL;
    if (guard->last != NULL)
        guard->last->next = entry;
    else
        guard->first = entry;
    guard->last = entry;
}

static void
list_remove(struct guard *guard, struct entry *entry)
{
    if (entry->back != NULL)
        entry->back->next = entry->next;
    else
        guard->first = entry->next;
    if (entry->next != NULL)
        entry->next->back = entry->back;
    else
        guard->last = entry->back;
    entry->next = entry->back = NULL;
}

/* ---- When something is due ---- */

static void
unschedule(struct entry *entry)
{
    if (entry->state == ENTRY_WAITS)
        heap_remove(entry->guard, entry);
    else if (entry->state == ENTRY_TOLD)
        list_remove(entry->guard, entry);
    entry->state = ENTRY_IDLE;
}

/* How long until `due`, and no longer than `most`. */
static uint32_t
until(uint64_t due, uint64_t now, uint32_t most)
{
    if (due <= now)
        return 0;
    return due - now < most ? (uint32_t)(due - now) : most;
}

/* Set the timer for what comes first. SKIO_OK or SKIO_ENOMEM. */
static int
arm(struct guard *guard)
{
    uint32_t delay = RECHECK_MS;

    if (guard->heap == NULL && guard->first == NULL) {
        skio_timer_stop(guard->timer);
        return SKIO_OK;
    }
    if (guard->heap != NULL)
        delay = until(guard->heap->due, skio_loop_wall(guard->server), delay);
    if (guard->first != NULL)
        delay = until(guard->first->due, skio_loop_now(guard->server), delay);
    return skio_timer_set(guard->timer, delay);
}

/* Wait for the token's end. SKIO_OK or SKIO_ENOMEM. */
static int
schedule(struct entry *entry)
{
    struct guard *guard = entry->guard;

    unschedule(entry);
    entry->due = skio_token_expires(entry->token);
    if (entry->due == 0)
        return SKIO_OK;
    entry->state = ENTRY_WAITS;
    guard->heap = meld(guard->heap, entry);
    return arm(guard);
}

static void
free_entry(void *data)
{
    struct entry *entry = data;

    unschedule(entry);
    skio_token_free(entry->token);
    skio_transport_free(entry->guard->server, entry);
}

static void
tell(const struct guard *guard, skio_socket *socket,
     enum skio_token_fault fault, uint32_t grace_ms)
{
    if (guard->options.expired_event == NULL)
        return;
    (void)skio_emit(socket, guard->options.expired_event,
                    "{'code':%s,'reason':%s,'grace_ms':%u}",
                    skio_token_fault_code(fault),
                    skio_token_fault_reason(fault), (unsigned)grace_ms);
}

/* Its time is over, and so is its grace; unless the clock was set back. */
static void
end_grace(struct entry *entry, uint64_t wall)
{
    struct guard *guard = entry->guard;
    skio_socket *socket = entry->socket;

    list_remove(guard, entry);
    entry->state = ENTRY_IDLE;
    if (wall < skio_token_expires(entry->token)) {
        entry->state = ENTRY_WAITS;
        entry->due = skio_token_expires(entry->token);
        guard->heap = meld(guard->heap, entry);
        return;
    }
    skio_disconnect(socket, false); /* and the entry is gone */
}

static void
begin_grace(struct entry *entry, uint64_t now)
{
    struct guard *guard = entry->guard;

    heap_remove(guard, entry);
    entry->state = ENTRY_TOLD;
    entry->due = now + guard->options.grace_ms;
    list_append(guard, entry);
    /* Too slow a reader may be disconnected by this. */
    tell(guard, entry->socket, SKIO_TOKEN_FAULT_EXPIRED,
         guard->options.grace_ms);
}

/* Of a crowd each turn of the loop takes a part. */
static void
on_timer(void *user)
{
    struct guard *guard = user;
    uint64_t wall = skio_loop_wall(guard->server);
    uint64_t now = skio_loop_now(guard->server);

    /* There is room for it now: what runs below may set timers of its own. */
    (void)skio_timer_set(guard->timer, RECHECK_MS);
    for (int i = 0; i < TURN_MAX && guard->first != NULL; i++) {
        if (guard->first->due > now)
            break;
        end_grace(guard->first, wall);
    }
    for (int i = 0; i < TURN_MAX && guard->heap != NULL; i++) {
        if (guard->heap->due > wall)
            break;
        begin_grace(guard->heap, now);
    }
    (void)arm(guard);
}

/* ---- Who comes in ---- */

/* The client's token; MISSING: there is none. */
static enum skio_token_fault
find_token(const struct guard *guard, const skio_socket *socket,
           const char **text, size_t *len)
{
    const skio_value *auth = skio_socket_auth(socket);
    const char *name = guard->options.auth_name;
    enum skio_type type =
        name != NULL ? skio_type_of(auth, name) : SKIO_TYPE_NONE;

    *text = NULL;
    if (type == SKIO_TYPE_STRING)
        *text = skio_get_strn(auth, name, len);
    else if (type != SKIO_TYPE_NONE && type != SKIO_TYPE_NULL)
        return SKIO_TOKEN_FAULT_MALFORMED;
    else if (guard->options.from_header)
        *text =
            skio_token_bearer(skio_socket_header(socket, "authorization"), len);
    return *text != NULL ? SKIO_TOKEN_FAULT_NONE : SKIO_TOKEN_FAULT_MISSING;
}

/* Consumes the token. */
static enum skio_token_fault
keep_token(struct guard *guard, skio_socket *socket, skio_token *token)
{
    struct entry *entry = skio_transport_alloc(guard->server, sizeof *entry);

    if (entry == NULL) {
        skio_token_free(token);
        return SKIO_TOKEN_FAULT_UNAVAILABLE;
    }
    *entry = (struct entry){.guard = guard, .socket = socket, .token = token};
    if (skio_socket_attach(socket, &entry_key, entry, free_entry) != SKIO_OK) {
        free_entry(entry);
        return SKIO_TOKEN_FAULT_UNAVAILABLE;
    }
    return SKIO_TOKEN_FAULT_NONE;
}

static enum skio_token_fault
bind_user(skio_socket *socket, const char *subject)
{
    switch (skio_user_bind(socket, subject)) {
    case SKIO_OK:
        return SKIO_TOKEN_FAULT_NONE;
    case SKIO_EINVAL:
        return SKIO_TOKEN_FAULT_SUBJECT;
    default:
        return SKIO_TOKEN_FAULT_UNAVAILABLE;
    }
}

static enum skio_token_fault
admit(struct guard *guard, skio_socket *socket)
{
    const char *text;
    size_t len = 0;
    skio_token *token;
    const char *subject;
    enum skio_token_fault fault = find_token(guard, socket, &text, &len);

    if (fault != SKIO_TOKEN_FAULT_NONE)
        return fault;
    if (skio_tokens_check(guard->tokens, text, len, &token, &fault) != SKIO_OK)
        return fault;
    subject = skio_token_subject(token);
    fault = keep_token(guard, socket, token);
    if (fault == SKIO_TOKEN_FAULT_NONE && guard->options.bind_user)
        fault = subject == NULL ? SKIO_TOKEN_FAULT_SUBJECT
                                : bind_user(socket, subject);
    if (fault != SKIO_TOKEN_FAULT_NONE)
        (void)skio_socket_attach(socket, &entry_key, NULL, NULL);
    return fault;
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    enum skio_token_fault fault = admit(user, socket);

    if (fault == SKIO_TOKEN_FAULT_NONE)
        (void)skio_next_ok(next);
    else
        (void)skio_next_error(next, "unauthorized", "{'code':%s,'reason':%s}",
                              skio_token_fault_code(fault),
                              skio_token_fault_reason(fault));
}

static void
on_connect(skio_socket *socket, void *user)
{
    struct guard *guard = user;
    struct entry *entry = skio_socket_attached(socket, &entry_key);

    /* One that came back has passed no middleware. */
    if (entry == NULL) {
        enum skio_token_fault fault = admit(guard, socket);

        if (fault != SKIO_TOKEN_FAULT_NONE) {
            tell(guard, socket, fault, 0);
            skio_disconnect(socket, false);
            return;
        }
        entry = skio_socket_attached(socket, &entry_key);
    }
    if (entry != NULL && entry->guard == guard && schedule(entry) != SKIO_OK)
        skio_disconnect(socket, false);
}

/* ---- Renewing ---- */

static bool
is_same_subject(const skio_token *a, const skio_token *b)
{
    const char *one = skio_token_subject(a);
    const char *other = skio_token_subject(b);

    return one == NULL || other == NULL ? one == other
                                        : strcmp(one, other) == 0;
}

static enum skio_token_fault
renew(struct guard *guard, struct entry *entry, const skio_value *args)
{
    size_t len = 0;
    const char *text = skio_get_strn(args, "0", &len);
    enum skio_token_fault fault;
    skio_token *token;

    if (skio_tokens_check(guard->tokens, text, len, &token, &fault) != SKIO_OK)
        return fault;
    if (!is_same_subject(entry->token, token)) {
        skio_token_free(token);
        return SKIO_TOKEN_FAULT_SUBJECT;
    }
    skio_token_free(entry->token);
    entry->token = token;
    return schedule(entry) == SKIO_OK ? SKIO_TOKEN_FAULT_NONE
                                      : SKIO_TOKEN_FAULT_UNAVAILABLE;
}

static void
on_renew(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct guard *guard = user;
    struct entry *entry = skio_socket_attached(socket, &entry_key);
    enum skio_token_fault fault;
    double exp;

    if (entry == NULL || entry->guard != guard)
        return;
    fault = renew(guard, entry, args);
    if (fault != SKIO_TOKEN_FAULT_NONE)
        (void)skio_ack_send(ack, "{'ok':false,'code':%s,'reason':%s}",
                            skio_token_fault_code(fault),
                            skio_token_fault_reason(fault));
    else if (skio_get_double(skio_token_value(entry->token), "exp", &exp) ==
             SKIO_OK)
        (void)skio_ack_send(ack, "{'ok':true,'expires':%.17g}", exp);
    else
        (void)skio_ack_send(ack, "{'ok':true,'expires':null}");
}

/* ---- Guards ---- */

static void
free_guard(void *user)
{
    struct guard *guard = user;

    skio_timer_free(guard->timer);
    skio_transport_free(guard->server, guard);
}

static size_t
string_size(const char *string)
{
    return string != NULL ? strlen(string) + 1 : 0;
}

static const char *
keep_string(char **to, const char *string)
{
    const char *kept = *to;
    size_t size = string_size(string);

    if (string == NULL)
        return NULL;
    memcpy(*to, string, size);
    *to += size;
    return kept;
}

/* NULL: no memory. */
static struct guard *
make_guard(skio_tokens *tokens, skio_server *server,
           const skio_tokens_guard_options *options)
{
    size_t size = sizeof(struct guard) + string_size(options->auth_name) +
                  string_size(options->expired_event) +
                  string_size(options->renew_event);
    struct guard *guard = skio_transport_alloc(server, size);
    char *strings;

    if (guard == NULL)
        return NULL;
    *guard =
        (struct guard){.server = server, .tokens = tokens, .options = *options};
    strings = guard->strings;
    guard->options.auth_name = keep_string(&strings, options->auth_name);
    guard->options.expired_event =
        keep_string(&strings, options->expired_event);
    guard->options.renew_event = keep_string(&strings, options->renew_event);
    guard->timer = skio_timer_new(server, on_timer, guard);
    if (guard->timer == NULL ||
        skio_server_on_free(server, free_guard, guard) != SKIO_OK) {
        free_guard(guard);
        return NULL;
    }
    return guard;
}

/* Whether an event of this name can be sent. */
static int
check_event(skio_server *server, const char *name)
{
    skio_nsp *root = skio_of(server, "/");
    skio_message *message;

    if (name == NULL)
        return SKIO_OK;
    message = root != NULL ? skio_message_new(root, name, NULL) : NULL;
    if (message == NULL)
        return SKIO_EINVAL;
    skio_message_free(message);
    return SKIO_OK;
}

int
skio_tokens_guard(skio_tokens *tokens, skio_nsp *nsp,
                  const skio_tokens_guard_options *options)
{
    skio_tokens_guard_options own = defaults;
    struct guard *guard;
    int err;

    addon_sized_read(&own, sizeof own, options);
    if ((own.auth_name == NULL && !own.from_header) || own.grace_ms > GRACE_MAX)
        return SKIO_EINVAL;
    err = check_event(skio_nsp_server(nsp), own.expired_event);
    if (err != SKIO_OK)
        return err;
    guard = make_guard(tokens, skio_nsp_server(nsp), &own);
    if (guard == NULL)
        return SKIO_ENOMEM;

    /* Without the middleware, which comes last, those who connect are looked
     * at all the same. */
    err = skio_on_connect(nsp, on_connect, guard);
    if (err == SKIO_OK && own.renew_event != NULL)
        err = skio_on(nsp, own.renew_event, on_renew, guard);
    if (err == SKIO_OK)
        err = skio_use(nsp, on_middleware, guard);
    return err;
}

const skio_value *
skio_token_claims(const skio_socket *socket)
{
    const struct entry *entry = skio_socket_attached(socket, &entry_key);

    return entry != NULL ? skio_token_value(entry->token) : NULL;
}
