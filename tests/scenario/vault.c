#include "scenario/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

/* The memory adapter with a few operations of another kind. */
static skio_adapter_ops ops;
static const skio_adapter_ops *memory;
static struct vault *vault;

static bool
is_dead(const skio_adapter *adapter)
{
    return vault->dead == skio_nsp_server(adapter->nsp);
}

/* ---- Names ---- */

static void
put_names(char *to, size_t size, const char *const *names)
{
    size_t used = 0;

    *to = '\0';
    for (; names != NULL && *names != NULL; names++)
        used += (size_t)snprintf(to + used, size - used, "%s\n", *names);
}

static bool
has_name(const char *names, const char *name, size_t len)
{
    const char *end;

    for (; *names != '\0'; names = end + 1) {
        end = strchr(names, '\n');
        if ((size_t)(end - names) == len && memcmp(names, name, len) == 0)
            return true;
    }
    return false;
}

/* Whether two lists have a name in common. */
static bool
meet(const char *a, const char *b)
{
    const char *end;

    for (; *a != '\0'; a = end + 1) {
        end = strchr(a, '\n');
        if (has_name(b, a, (size_t)(end - a)))
            return true;
    }
    return false;
}

/* The list as an array; cuts the lines, which must outlast it. */
static void
cut_names(char *names, const char **list)
{
    while (*names != '\0') {
        char *end = strchr(names, '\n');

        *list++ = names;
        *end = '\0';
        names = end + 1;
    }
    *list = NULL;
}

/* ---- Sessions ---- */

struct vault_session *
vault_find(struct vault *in, const char *pid)
{
    for (int i = 0; i < VAULT_SESSIONS; i++)
        if (strcmp(in->sessions[i].pid, pid) == 0)
            return &in->sessions[i];
    return NULL;
}

/* "a b", its own left out. */
static const char *
show_rooms(const skio_adapter_session *session)
{
    static char text[200];
    size_t used = 0;

    *text = '\0';
    for (const char *const *room = session->rooms + 1; *room != NULL; room++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 used > 0 ? " " : "", *room);
    return text;
}

static int
save(skio_adapter *adapter, const skio_adapter_session *session)
{
    struct vault_session *kept = vault_find(vault, session->pid);

    if (is_dead(adapter))
        return SKIO_OK;
    if (!vault->is_quiet)
        peer_note(vault->peer, "save %s%s[%s] %s%s",
                  vault->watched != NULL &&
                          vault->watched->in.len > vault->watched->read
                      ? "late "
                      : "",
                  strcmp(session->rooms[0], session->sid) == 0 ? "" : "odd ",
                  show_rooms(session), session->shared,
                  session->final ? " final" : "");
    if (vault->fails)
        return SKIO_ENOBUFS;
    if (kept == NULL)
        kept = vault_find(vault, "");
    if (kept == NULL)
        return SKIO_ELIMIT;
    snprintf(kept->pid, sizeof kept->pid, "%s", session->pid);
    snprintf(kept->sid, sizeof kept->sid, "%s", session->sid);
    snprintf(kept->shared, sizeof kept->shared, "%s", session->shared);
    put_names(kept->rooms, sizeof kept->rooms, session->rooms);
    return SKIO_OK;
}

static void
end(skio_adapter *adapter, const char *pid, const char *sid)
{
    struct vault_session *kept = vault_find(vault, pid);

    if (is_dead(adapter))
        return;
    if (!vault->is_quiet)
        peer_note(vault->peer, "end%s", strlen(sid) == 20 ? "" : " odd");
    if (kept != NULL)
        kept->pid[0] = '\0';
}

static bool
recovers(skio_adapter *adapter)
{
    (void)adapter;
    return true;
}

/* ---- Events ---- */

static struct vault_event *
keep_event(skio_nsp *nsp, const skio_message *message,
           const skio_target *target)
{
    struct vault_event *event = &vault->events[vault->count];
    const char *const sender[] = {
        target != NULL && target->sender != NULL
            ? skio_socket_id(target->sender)
            : NULL,
        NULL,
    };
    skio_bytes json;
    skio_bytes bytes;

    if (vault->count == VAULT_EVENTS ||
        skio_adapter_message_json(message, &json) != SKIO_OK ||
        json.len >= sizeof event->json)
        return NULL;
    memset(event, 0, sizeof *event);
    memcpy(event->json, json.data, json.len);
    if (skio_adapter_message_attachments(message) > 0) {
        skio_adapter_message_attachment(message, 0, &bytes);
        memcpy(event->bytes, bytes.data, bytes.len);
        event->bytes_len = bytes.len;
        event->has_bytes = true;
    }
    snprintf(event->nsp, sizeof event->nsp, "%s", skio_nsp_name(nsp));
    if (target != NULL) {
        put_names(event->to, sizeof event->to, target->to);
        put_names(event->except, sizeof event->except,
                  sender[0] != NULL ? sender : target->except);
    }
    vault->count++;
    return event;
}

static bool
is_for(const struct vault_event *event, const char *nsp, const char *rooms)
{
    return strcmp(event->nsp, nsp) == 0 &&
           (event->to[0] == '\0' || meet(event->to, rooms)) &&
           !meet(event->except, rooms);
}

/* Deliver an event with its offset on one server. */
static int
deliver(skio_adapter *adapter, const struct vault_event *event, unsigned number)
{
    const skio_bytes bytes = {event->bytes, event->bytes_len};
    struct vault_event copy = *event;
    const char *to[8];
    const char *except[8];
    const skio_target target = {.struct_size = sizeof target,
                                .to = to,
                                .except = except};
    skio_message *message;
    skio_message *stamped;
    char offset[16];
    int err;

    cut_names(copy.to, to);
    cut_names(copy.except, except);
    snprintf(offset, sizeof offset, "%u-0", number);
    err =
        skio_adapter_message_new(adapter->nsp, event->json, strlen(event->json),
                                 &bytes, event->has_bytes, &message);
    if (err != SKIO_OK)
        return err;
    err = skio_adapter_message_with_offset(message, offset, &stamped);
    skio_adapter_message_unref(message);
    if (err != SKIO_OK)
        return err;
    err = memory->broadcast(adapter, stamped, &target);
    skio_adapter_message_unref(stamped);
    return err;
}

/* Deliver an event on all servers. */
static int
deliver_all(unsigned number)
{
    const struct vault_event *event = &vault->events[number - 1];
    int err = SKIO_OK;

    for (int i = 0; i < VAULT_ADAPTERS && err == SKIO_OK; i++) {
        skio_adapter *each = vault->adapters[i];

        if (each != NULL && !is_dead(each) &&
            strcmp(skio_nsp_name(each->nsp), event->nsp) == 0)
            err = deliver(each, event, number);
    }
    return err;
}

static int
broadcast(skio_adapter *adapter, skio_message *message,
          const skio_target *target)
{
    if (target != NULL && (target->flags & SKIO_LOCAL) != 0)
        return memory->broadcast(adapter, message, target);
    if (keep_event(adapter->nsp, message, target) == NULL)
        return SKIO_ENOMEM;
    if (vault->holds)
        return SKIO_OK;
    vault->held = vault->count;
    return deliver_all(vault->count);
}

int
vault_release(struct vault *in)
{
    int err = SKIO_OK;

    in->holds = false;
    while (in->held < in->count && err == SKIO_OK)
        err = deliver_all(++in->held);
    return err;
}

static bool
put_room(const char *room, void *user)
{
    char *names = user;
    size_t used = strlen(names);

    snprintf(names + used, 200 - used, "%s\n", room);
    return true;
}

static void
deliver_now(skio_adapter *adapter, skio_socket *socket)
{
    char rooms[200] = "";

    skio_each_room(socket, put_room, rooms);
    for (unsigned i = vault->held; i < vault->count; i++) {
        const struct vault_event *event = &vault->events[i];
        skio_message *message;

        if (!is_for(event, skio_nsp_name(adapter->nsp), rooms) ||
            skio_adapter_message_new(adapter->nsp, event->json,
                                     strlen(event->json), NULL, 0,
                                     &message) != SKIO_OK)
            continue;
        skio_adapter_deliver(socket, message, 0);
        skio_adapter_message_unref(message);
    }
}

/* ---- Questions ---- */

#define MISSED_MAX VAULT_EVENTS

struct missed {
    skio_adapter_missed list[MISSED_MAX];
    skio_bytes bytes[MISSED_MAX];
    char offsets[MISSED_MAX][16];
    size_t count;
};

static void
find_missed(const char *nsp, const char *rooms, unsigned long from,
            struct missed *out)
{
    out->count = 0;
    for (unsigned long i = from; i < vault->count; i++) {
        const struct vault_event *event = &vault->events[i];
        skio_adapter_missed *next = &out->list[out->count];
        skio_bytes *bytes = &out->bytes[out->count];
        char *offset = out->offsets[out->count];

        if (!is_for(event, nsp, rooms))
            continue;
        snprintf(offset, sizeof out->offsets[0], "%lu-0", i + 1);
        *bytes = (skio_bytes){event->bytes, event->bytes_len};
        *next = (skio_adapter_missed){event->json, strlen(event->json), bytes,
                                      event->has_bytes, offset};
        out->count++;
    }
}

static void
answer(struct vault_question *question)
{
    skio_adapter_restoring *restoring = question->restoring;
    struct vault_session *kept = vault_find(vault, question->session.pid);
    struct vault_session copy = question->session;
    struct missed missed;
    const char *rooms[16];
    skio_adapter_session session = {.struct_size = sizeof session};
    unsigned long from = strtoul(question->offset, NULL, 10);

    question->restoring = NULL;
    if (!question->is_again) {
        if (kept != NULL)
            copy = *kept;
        if (kept != NULL && !vault->keeps)
            kept->pid[0] = '\0';
    }
    if (vault->lie.pid != NULL) {
        skio_adapter_restored(restoring, &vault->lie, NULL, 0);
        return;
    }
    if ((kept == NULL && !question->is_again) || from == 0 ||
        from > vault->count || from < vault->oldest) {
        skio_adapter_restored(restoring, NULL, NULL, 0);
        return;
    }

    find_missed(skio_nsp_name(question->adapter->nsp), copy.rooms, from,
                &missed);
    if (vault->lie_missed.json != NULL)
        missed.list[missed.count++] = vault->lie_missed;
    cut_names(copy.rooms, rooms);
    session.pid = copy.pid;
    session.sid = copy.sid;
    session.rooms = rooms;
    session.shared = copy.shared;
    skio_adapter_restored(restoring, &session, missed.list, missed.count);
}

static int
ask(skio_adapter *adapter, struct vault_question question)
{
    int place = 0;

    if (!vault->is_quiet)
        peer_note(vault->peer, question.is_again ? "ask again" : "ask");
    if (vault->refuses)
        return SKIO_EIO;
    question.adapter = adapter;
    if (!vault->waits) {
        answer(&question);
        return SKIO_OK;
    }
    while (place < VAULT_QUESTIONS && vault->questions[place].restoring != NULL)
        place++;
    if (place == VAULT_QUESTIONS)
        return SKIO_ELIMIT;
    vault->questions[place] = question;
    return SKIO_OK;
}

static int
restore(skio_adapter *adapter, const char *pid, const char *offset,
        skio_adapter_restoring *restoring)
{
    struct vault_question question = {.restoring = restoring};

    snprintf(question.session.pid, sizeof question.session.pid, "%s", pid);
    snprintf(question.offset, sizeof question.offset, "%s", offset);
    return ask(adapter, question);
}

static int
ask_missed(skio_adapter *adapter, const skio_adapter_session *session,
           const char *offset, skio_adapter_restoring *restoring)
{
    struct vault_question question = {.restoring = restoring, .is_again = true};

    snprintf(question.session.pid, sizeof question.session.pid, "%s",
             session->pid);
    snprintf(question.session.sid, sizeof question.session.sid, "%s",
             session->sid);
    snprintf(question.session.shared, sizeof question.session.shared, "%s",
             session->shared);
    put_names(question.session.rooms, sizeof question.session.rooms,
              session->rooms);
    snprintf(question.offset, sizeof question.offset, "%s", offset);
    return ask(adapter, question);
}

void
vault_answer(struct vault *in)
{
    for (int i = 0; i < VAULT_QUESTIONS; i++)
        if (in->questions[i].restoring != NULL)
            answer(&in->questions[i]);
}

/* ---- Its life ---- */

static void
close_adapter(skio_adapter *adapter)
{
    for (int i = 0; i < VAULT_QUESTIONS; i++) {
        struct vault_question *question = &vault->questions[i];
        skio_adapter_restoring *restoring = question->restoring;

        if (restoring == NULL || question->adapter != adapter ||
            vault->abandons)
            continue;
        question->restoring = NULL;
        skio_adapter_restored(restoring, NULL, NULL, 0);
    }
    for (int i = 0; i < VAULT_ADAPTERS; i++)
        if (vault->adapters[i] == adapter)
            vault->adapters[i] = NULL;
    memory->close(adapter);
}

static int
make(skio_nsp *nsp, void *user, skio_adapter **out)
{
    int place = 0;
    int err;

    vault = user;
    while (place < VAULT_ADAPTERS && vault->adapters[place] != NULL)
        place++;
    if (place == VAULT_ADAPTERS)
        return SKIO_ELIMIT;
    err = skio_adapter_memory(nsp, NULL, out);
    if (err != SKIO_OK)
        return err;

    memory = (*out)->ops;
    ops = *memory;
    ops.close = close_adapter;
    ops.broadcast = broadcast;
    ops.recovers = vault->recovers != NULL ? vault->recovers : recovers;
    ops.session_save = save;
    ops.session_end = end;
    ops.session_restore = restore;
    ops.deliver_now = deliver_now;
    ops.session_missed = vault->has_no_missed ? NULL : ask_missed;
    (*out)->ops = &ops;
    vault->adapters[place] = *out;
    return SKIO_OK;
}

int
vault_attach(struct vault *in, skio_server *server)
{
    return skio_server_adapter(server, make, in);
}
