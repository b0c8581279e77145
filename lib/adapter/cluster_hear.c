/*
 * What other servers say, done here
 */
#include "adapter/cluster.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* The target of a message, for this server alone. */
static skio_target
target_of(const struct skio__wire_message *message)
{
    return (skio_target){
        .struct_size = sizeof(skio_target),
        .to = message->to,
        .except = message->except,
        .flags = message->flags | SKIO_LOCAL,
        .timeout_ms = message->timeout_ms,
    };
}

static bool
is_text(const skio_bytes *bytes, const char *text)
{
    return bytes->len == strlen(text) &&
           (bytes->len == 0 || memcmp(bytes->data, text, bytes->len) == 0);
}

/* ---- Broadcasts ---- */

static void
on_broadcast(struct skio__cluster *cluster,
             const struct skio__wire_message *message)
{
    skio_target target = target_of(message);
    skio_message *made;
    int err = skio_adapter_message_new(cluster->base.nsp, message->json.data,
                                       message->json.len, message->attachments,
                                       message->attachment_count, &made);

    if (err != SKIO_OK) {
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_DEBUG,
                         "cluster: another server's event was left out: %s",
                         skio_strerror(err));
        return;
    }
    skio_adapter_message_set_flags(made, target.flags);
    (void)cluster->local->ops->broadcast(cluster->local, made, &target);
    skio_adapter_message_unref(made);
}

/* ---- Broadcasts that clients answer ---- */

/* A question of another server, until all clients have answered. */
struct skio__answering {
    struct skio__answering *next;
    struct skio__answering **link; /* where the one before points from */
    struct skio__cluster *cluster; /* NULL: nobody wants answers any more */
    const skio_allocator *mem;
    bool is_asking; /* the question is still being put */
    bool is_over;
    size_t request_len;
    char request[SKIO__CLUSTER_NAME_MAX + 1];
    char asker[SKIO__CLUSTER_NAME_MAX + 1];
};

static void
unlink_answering(struct skio__cluster *cluster,
                 struct skio__answering *answering)
{
    *answering->link = answering->next;
    if (answering->next != NULL)
        answering->next->link = answering->link;
    cluster->answering_count--;
    answering->cluster = NULL;
}

void
skio__cluster_stop_answering(struct skio__cluster *cluster)
{
    while (cluster->answering != NULL)
        unlink_answering(cluster, cluster->answering);
}

static void
free_answering(struct skio__answering *answering)
{
    if (answering->cluster != NULL)
        unlink_answering(answering->cluster, answering);
    skio__mem_free(answering->mem, answering);
}

static struct skio__answering *
new_answering(struct skio__cluster *cluster,
              const struct skio__wire_message *message)
{
    struct skio__answering *answering;

    if (cluster->answering_count >= cluster->limits.max_requests ||
        message->request.len > SKIO__CLUSTER_NAME_MAX ||
        message->uid.len > SKIO__CLUSTER_NAME_MAX)
        return NULL;
    answering = skio__mem_calloc(cluster->mem, 1, sizeof *answering);
    if (answering == NULL)
        return NULL;
    answering->cluster = cluster;
    answering->mem = cluster->mem;
    answering->request_len = message->request.len;
    memcpy(answering->request, message->request.data, message->request.len);
    if (message->uid.len > 0)
        memcpy(answering->asker, message->uid.data, message->uid.len);
    answering->next = cluster->answering;
    answering->link = &cluster->answering;
    if (answering->next != NULL)
        answering->next->link = &answering->next;
    cluster->answering = answering;
    cluster->answering_count++;
    return answering;
}

static void
begin_answer(const struct skio__answering *answering,
             struct skio__wire_message *said, enum skio__wire_type type)
{
    skio__cluster_begin(answering->cluster, said, type);
    said->request = (skio_bytes){answering->request, answering->request_len};
}

static void
send_ack(const char *json, size_t len, const skio_bytes *attachments,
         uint32_t attachment_count, void *user)
{
    const struct skio__answering *answering = user;
    struct skio__wire_message said;

    begin_answer(answering, &said, SKIO__WIRE_BROADCAST_ACK);
    said.json = (skio_bytes){json, len};
    said.attachments = attachments;
    said.attachment_count = attachment_count;
    (void)skio__cluster_send(answering->cluster, &said, answering->asker);
}

static void
on_answer(int err, const skio_value *args, size_t received, size_t expected,
          void *user)
{
    struct skio__answering *answering = user;

    (void)err;
    (void)received;
    (void)expected;
    if (args == NULL) {
        answering->is_over = true;
        if (!answering->is_asking)
            free_answering(answering);
        return;
    }
    if (answering->cluster == NULL)
        return;
    /* A client may answer with no argument at all. */
    if (skio_adapter_carry(answering->cluster->base.nsp, args, "0", send_ack,
                           answering) == SKIO_ENOENT)
        send_ack(NULL, 0, NULL, 0, answering);
}

static void
on_question(struct skio__cluster *cluster,
            const struct skio__wire_message *message)
{
    struct skio__answering *answering = new_answering(cluster, message);
    skio_target target = target_of(message);
    struct skio__wire_message said;
    size_t asked = 0;

    if (answering == NULL) {
        skio_adapter_log(cluster->base.nsp, SKIO_LOG_WARN,
                         "cluster: another server's question was left out");
        return;
    }
    if (target.timeout_ms == 0 || target.timeout_ms > INT32_MAX)
        target.timeout_ms = cluster->limits.requests_timeout_ms;

    /* Nobody was asked: that, too, is an answer that is waited for. */
    answering->is_asking = true;
    if (skio_adapter_ask(cluster->base.nsp, message->json.data,
                         message->json.len, message->attachments,
                         message->attachment_count, &target, &asked, on_answer,
                         answering) != SKIO_OK)
        answering->is_over = true;
    answering->is_asking = false;
    if (answering->cluster != NULL) {
        begin_answer(answering, &said, SKIO__WIRE_BROADCAST_CLIENT_COUNT);
        said.client_count = asked;
        (void)skio__cluster_send(cluster, &said, answering->asker);
    }
    if (answering->is_over)
        free_answering(answering);
}

/* ---- What is done to sockets ---- */

/*
 * Whether to say that it was done: an old server waits for that, of one socket,
 * and only the server that has the socket says so. Asked before it is done: a
 * socket may be gone afterwards.
 */
static bool
must_acknowledge(const struct skio__cluster *cluster,
                 const struct skio__wire_message *message)
{
    return message->is_legacy && message->request.len > 0 &&
           cluster->local->ops->room_count(cluster->local, message->to[0]) > 0;
}

static void
acknowledge(struct skio__cluster *cluster,
            const struct skio__wire_message *message)
{
    struct skio__wire_message said;

    skio__cluster_begin(cluster, &said, SKIO__WIRE_RESPONSE);
    said.request = message->request;
    (void)skio__cluster_send(cluster, &said, NULL);
}

static void
on_join(struct skio__cluster *cluster, const struct skio__wire_message *message)
{
    const bool is_asked = must_acknowledge(cluster, message);
    skio_target target = target_of(message);
    const char *const *room = message->rooms;

    for (; room != NULL && *room != NULL; room++)
        (void)cluster->local->ops->sockets_join(cluster->local, &target, *room);
    if (is_asked)
        acknowledge(cluster, message);
}

static void
on_leave(struct skio__cluster *cluster,
         const struct skio__wire_message *message)
{
    const bool is_asked = must_acknowledge(cluster, message);
    skio_target target = target_of(message);
    const char *const *room = message->rooms;

    for (; room != NULL && *room != NULL; room++)
        (void)cluster->local->ops->sockets_leave(cluster->local, &target,
                                                 *room);
    if (is_asked)
        acknowledge(cluster, message);
}

static void
on_disconnect(struct skio__cluster *cluster,
              const struct skio__wire_message *message)
{
    const bool is_asked = must_acknowledge(cluster, message);
    skio_target target = target_of(message);

    (void)cluster->local->ops->sockets_disconnect(cluster->local, &target,
                                                  message->close);
    if (is_asked)
        acknowledge(cluster, message);
}

/* ---- What is told of sockets ---- */

struct report {
    struct skio__buf json;
    bool ids_alone;
    bool has_any;
};

static void
put_json(const char *json, size_t len, const skio_bytes *attachments,
         uint32_t attachment_count, void *user)
{
    struct report *report = user;

    (void)attachments;
    (void)attachment_count;
    skio__buf_append(&report->json, json, len);
}

static void
put_comma(struct report *report)
{
    if (report->has_any)
        skio__buf_putc(&report->json, ',');
    report->has_any = true;
}

static bool
put_room(const char *room, void *user)
{
    struct report *report = user;

    put_comma(report);
    skio__json_quote(&report->json, room, strlen(room));
    return report->json.err == SKIO_OK;
}

static void
put_socket(struct report *report, const skio_remote *remote)
{
    const char *shared = skio_remote_shared(remote);
    const char *id = skio_remote_id(remote);
    int err;

    put_comma(report);
    if (report->ids_alone) {
        skio__json_quote(&report->json, id, strlen(id));
        return;
    }
    skio__buf_append_str(&report->json, "{\"id\":");
    skio__json_quote(&report->json, id, strlen(id));
    skio__buf_append_str(&report->json, ",\"handshake\":");
    err = skio_adapter_carry_handshake(skio_remote_socket(remote), put_json,
                                       report);
    if (err != SKIO_OK && report->json.err == SKIO_OK)
        report->json.err = err;
    skio__buf_append_str(&report->json, ",\"rooms\":[");
    report->has_any = false;
    skio_remote_each_room(remote, put_room, report);
    report->has_any = true;
    skio__buf_append_str(&report->json, "],\"data\":");
    skio__buf_append_str(&report->json, shared != NULL ? shared : "{}");
    skio__buf_putc(&report->json, '}');
}

static void
put_sockets(int err, const skio_remote *const *sockets, size_t count,
            size_t missing, void *user)
{
    struct report *report = user;

    (void)missing;
    if (err != SKIO_OK)
        report->json.err = err;
    for (size_t i = 0; i < count && report->json.err == SKIO_OK; i++)
        put_socket(report, sockets[i]);
}

/* Answer a question about this server with a list. */
static void
tell(struct skio__cluster *cluster, const struct skio__wire_message *message,
     enum skio__wire_type type, struct report *report)
{
    struct skio__wire_message said;
    char asker[SKIO__CLUSTER_NAME_MAX + 1];

    skio__buf_putc(&report->json, ']');
    if (report->json.err != SKIO_OK || message->uid.len >= sizeof asker)
        return;
    if (message->uid.len > 0)
        memcpy(asker, message->uid.data, message->uid.len);
    asker[message->uid.len] = '\0';
    skio__cluster_begin(cluster, &said, type);
    said.request = message->request;
    said.json = (skio_bytes){report->json.data, report->json.len};
    said.has_rooms = message->type == SKIO__WIRE_ALL_ROOMS;
    (void)skio__cluster_send(cluster, &said, asker);
}

static void
begin_report(struct skio__cluster *cluster, struct report *report)
{
    *report = (struct report){.has_any = false};
    skio__buf_init(&report->json, cluster->mem);
    report->json.max = cluster->limits.max_answer_bytes;
    skio__buf_putc(&report->json, '[');
}

static void
on_fetch(struct skio__cluster *cluster,
         const struct skio__wire_message *message)
{
    skio_target target = target_of(message);
    struct report report;

    begin_report(cluster, &report);
    report.ids_alone = message->type == SKIO__WIRE_SOCKETS;
    if (cluster->local->ops->fetch(cluster->local, &target, put_sockets,
                                   &report) == SKIO_OK)
        tell(cluster, message,
             report.ids_alone ? SKIO__WIRE_RESPONSE
                              : SKIO__WIRE_FETCH_SOCKETS_RESPONSE,
             &report);
    skio__buf_deinit(&report.json);
}

static void
on_all_rooms(struct skio__cluster *cluster,
             const struct skio__wire_message *message)
{
    struct report report;

    begin_report(cluster, &report);
    if (cluster->local->ops->each_room(cluster->local, put_room, &report) ==
        SKIO_OK)
        tell(cluster, message, SKIO__WIRE_RESPONSE, &report);
    skio__buf_deinit(&report.json);
}

/* ---- Events between servers ---- */

static void
on_server_side_emit(struct skio__cluster *cluster,
                    const struct skio__wire_message *message)
{
    skio_server_asker asker = {"", ""};

    if (message->uid.len >= sizeof asker.server ||
        message->request.len >= sizeof asker.request)
        return;
    if (message->uid.len > 0)
        memcpy(asker.server, message->uid.data, message->uid.len);
    if (message->request.len > 0)
        memcpy(asker.request, message->request.data, message->request.len);
    (void)skio_adapter_server_event(cluster->base.nsp, message->json.data,
                                    message->json.len, message->attachments,
                                    message->attachment_count,
                                    message->request.len > 0 ? &asker : NULL);
}

int
skio__cluster_server_side_answer(skio_adapter *adapter,
                                 const skio_server_asker *asker,
                                 const char *json, size_t len)
{
    struct skio__cluster *cluster = skio__cluster_of(adapter);
    struct skio__wire_message said;

    skio__cluster_begin(cluster, &said, SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE);
    said.request = (skio_bytes){asker->request, strlen(asker->request)};
    said.json = (skio_bytes){json, len};
    return skio__cluster_send(cluster, &said, asker->server);
}

/* ---- All of it ---- */

void
skio__cluster_hear(struct skio__cluster *cluster,
                   const struct skio__wire_message *message)
{
    if (cluster->is_shut || is_text(&message->uid, cluster->uid) ||
        (message->nsp.len > 0 &&
         !is_text(&message->nsp, skio_nsp_name(cluster->base.nsp))))
        return;

    switch (message->type) {
    case SKIO__WIRE_BROADCAST:
        if (message->request.len > 0)
            on_question(cluster, message);
        else
            on_broadcast(cluster, message);
        break;
    case SKIO__WIRE_SOCKETS_JOIN:
        on_join(cluster, message);
        break;
    case SKIO__WIRE_SOCKETS_LEAVE:
        on_leave(cluster, message);
        break;
    case SKIO__WIRE_DISCONNECT_SOCKETS:
        on_disconnect(cluster, message);
        break;
    case SKIO__WIRE_FETCH_SOCKETS:
    case SKIO__WIRE_SOCKETS:
        on_fetch(cluster, message);
        break;
    case SKIO__WIRE_ALL_ROOMS:
        on_all_rooms(cluster, message);
        break;
    case SKIO__WIRE_SERVER_SIDE_EMIT:
        on_server_side_emit(cluster, message);
        break;
    case SKIO__WIRE_FETCH_SOCKETS_RESPONSE:
    case SKIO__WIRE_SERVER_SIDE_EMIT_RESPONSE:
    case SKIO__WIRE_BROADCAST_CLIENT_COUNT:
    case SKIO__WIRE_BROADCAST_ACK:
    case SKIO__WIRE_RESPONSE:
        skio__cluster_answered(cluster, message);
        break;
    case SKIO__WIRE_INITIAL_HEARTBEAT:
    case SKIO__WIRE_HEARTBEAT:
    case SKIO__WIRE_ADAPTER_CLOSE:
        break; /* Redis counts the servers */
    }
}
