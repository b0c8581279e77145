/*
 * A socket as the app shows it
 *
 *     {"id":…,"clientId":…,"transport":…,"nsp":…,"data":{…},
 *      "handshake":{…},"rooms":[…]}
 *
 * What another server has told is read with care: it may be anybody's JSON.
 * Client id and transport travel among servers in socket.data._admin, which is
 * always put last there, so that it is easily found again.
 */
#include "addon/admin.h"

#include <stdio.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/transport.h>

/* ---- The mark ---- */

/* `"_admin":{…}}`, for a client and a transport. */
#define MARK_BYTES 80

static void
write_mark(char out[MARK_BYTES], const skio_session *session,
           const char *transport)
{
    (void)snprintf(out, MARK_BYTES,
                   "\"_admin\":{\"clientId\":\"%.*s\",\"transport\":\"%s\"}}",
                   ADMIN_CLIENT_ID, skio_session_id(session), transport);
}

/*
 * The length of an object's text without a mark, its last brace and the comma
 * before the mark. The mark may be that of a former connection, which a client
 * that was recovered brings along. What looks like one elsewhere is none: in a
 * string its quotes are escaped, deeper down more braces follow.
 */
static size_t
bare_length(const char *shared)
{
    static const char begin[] = "\"_admin\":{\"clientId\":\"";
    size_t len = strlen(shared) - 1;
    const char *mark = NULL;
    const char *next = shared;
    const char *end;

    while ((next = strstr(next, begin)) != NULL)
        mark = next++;
    if (mark == NULL)
        return len;
    end = strchr(mark + sizeof begin - 1, '"');
    if (end == NULL || end - mark > MARK_BYTES ||
        (strcmp(end, "\",\"transport\":\"polling\"}}") != 0 &&
         strcmp(end, "\",\"transport\":\"websocket\"}}") != 0))
        return len;
    len = (size_t)(mark - shared);
    return shared[len - 1] == ',' ? len - 1 : len;
}

void
skio__admin_mark(struct admin *admin, skio_socket *socket)
{
    const skio_session *session = skio_socket_session(socket);
    const char *shared = skio_socket_shared(socket);
    struct addon_text text = {.server = admin->server};
    char mark[MARK_BYTES];
    size_t bare;

    /* What is no object cannot have it, in Node either. */
    if (session == NULL || shared[0] != '{')
        return;
    bare = bare_length(shared);
    write_mark(mark, session, skio_session_transport(session));
    skio__text_add(&text, shared, bare);
    if (bare > 1)
        skio__text_str(&text, ",");
    skio__text_str(&text, mark);
    if (!text.failed && strcmp(text.data, shared) != 0) {
        admin->is_marking = true;
        if (skio_socket_set_shared(socket, "%-s", text.data) != SKIO_OK)
            skio_transport_log(admin->server, SKIO_LOG_DEBUG,
                               "admin: a socket's data cannot be marked");
        admin->is_marking = false;
    }
    skio__text_deinit(&text);
}

/* ---- Parts ---- */

/* Which members of an object are left out. */
struct kept {
    struct addon_text *text;
    const char *const *without; /* ends with NULL */
    bool has_any;
};

static bool
put_member(const char *key, size_t index, const skio_value *item, void *user)
{
    struct kept *kept = user;
    skio_bytes raw;

    (void)index;
    if (key == NULL || skio_get_slice(item, "", &raw) != SKIO_OK)
        return true;
    for (const char *const *each = kept->without; *each != NULL; each++)
        if (strcmp(key, *each) == 0)
            return true;
    if (kept->has_any)
        skio__text_str(kept->text, ",");
    skio__text_quote(kept->text, key);
    skio__text_str(kept->text, ":");
    skio__text_add(kept->text, raw.data, raw.len);
    kept->has_any = true;
    return true;
}

static void
put_object(struct addon_text *out, const skio_value *value, const char *path,
           const char *const *without_these)
{
    struct kept kept = {out, without_these, false};

    skio__text_str(out, "{");
    if (skio_each(value, path, put_member, &kept) == SKIO_ENOMEM)
        out->failed = true;
    skio__text_str(out, "}");
}

static void
put_data(struct addon_text *out, const skio_value *shared)
{
    static const char *const private_ones[] = {"_admin", NULL};
    skio_bytes raw;

    if (skio_type_of(shared, "") == SKIO_TYPE_OBJECT)
        put_object(out, shared, "", private_ones);
    else if (skio_get_slice(shared, "", &raw) == SKIO_OK)
        skio__text_add(out, raw.data, raw.len);
    else
        skio__text_str(out, "{}");
}

void
skio__admin_put_data(struct addon_text *out, const char *shared)
{
    skio_value *value = skio_value_new(out->server, shared, strlen(shared));

    put_data(out, value);
    skio_value_free(value);
}

/* A member as it stands, or null; of an object, without what is secret. */
static void
put_part(struct addon_text *out, const skio_value *handshake, const char *name)
{
    skio_bytes raw;

    skio__text_quote(out, name);
    skio__text_str(out, ":");
    if (skio_get_slice(handshake, name, &raw) == SKIO_OK)
        skio__text_add(out, raw.data, raw.len);
    else
        skio__text_str(out, "null");
}

/* The handshake without its auth, which is the client's password or the like.
 * The address is the library's, which takes a proxy's word only if it is
 * trusted. */
static void
put_handshake(const struct admin *admin, struct addon_text *out,
              const skio_value *handshake)
{
    static const char *const secrets[] = {"cookie", "authorization",
                                          "proxy-authorization", NULL};
    static const char *const nothing[] = {NULL};
    static const char *const parts[] = {"query", "issued", "secure",
                                        "time",  "url",    "xdomain"};

    skio__text_str(out, "{");
    put_part(out, handshake, "address");
    skio__text_str(out, ",\"headers\":");
    put_object(out, handshake, "headers",
               admin->options.show_secrets ? nothing : secrets);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        skio__text_str(out, ",");
        put_part(out, handshake, parts[i]);
    }
    skio__text_str(out, "}");
}

static void
put_string(struct addon_text *out, const char *name, const char *string)
{
    skio__text_quote(out, name);
    skio__text_str(out, ":");
    skio__text_quote(out, string);
    skio__text_str(out, ",");
}

struct rooms {
    struct addon_text *out;
    bool has_any;
};

static bool
put_room(const char *room, void *user)
{
    struct rooms *rooms = user;

    if (rooms->has_any)
        skio__text_str(rooms->out, ",");
    skio__text_quote(rooms->out, room);
    rooms->has_any = true;
    return true;
}

/* What a socket is made of, wherever it comes from. */
struct seen {
    const char *id;
    const char *nsp;
    const char *shared;
    const char *handshake;     /* JSON text */
    const skio_socket *socket; /* of this server */
    const skio_remote *remote; /* of another */
};

static void
put_transport(struct addon_text *out, const struct seen *seen,
              const skio_value *shared)
{
    const char *client = skio_get_str(shared, "_admin.clientId");
    const char *transport = skio_get_str(shared, "_admin.transport");
    const skio_session *session = NULL;
    char id[ADMIN_CLIENT_ID + 1];

    if (seen->socket != NULL)
        session = skio_socket_session(seen->socket);
    if (session != NULL) {
        (void)snprintf(id, sizeof id, "%.*s", ADMIN_CLIENT_ID,
                       skio_session_id(session));
        client = id;
        transport = skio_session_transport(session);
    }
    if (client != NULL)
        put_string(out, "clientId", client);
    if (transport != NULL)
        put_string(out, "transport", transport);
}

static void
put_socket(const struct admin *admin, struct addon_text *out,
           const struct seen *seen)
{
    skio_server *server = admin->server;
    struct rooms rooms = {out, false};
    skio_value *shared;
    skio_value *handshake;

    if (seen->handshake == NULL) {
        out->failed = true;
        return;
    }
    shared = skio_value_new(server, seen->shared, strlen(seen->shared));
    handshake =
        skio_value_new(server, seen->handshake, strlen(seen->handshake));

    skio__text_str(out, "{");
    put_string(out, "id", seen->id);
    put_transport(out, seen, shared);
    put_string(out, "nsp", seen->nsp);
    skio__text_str(out, "\"data\":");
    put_data(out, shared);
    skio__text_str(out, ",\"handshake\":");
    put_handshake(admin, out, handshake);
    skio__text_str(out, ",\"rooms\":[");
    if (seen->socket != NULL)
        skio_each_room(seen->socket, put_room, &rooms);
    else
        skio_remote_each_room(seen->remote, put_room, &rooms);
    skio__text_str(out, "]}");

    skio_value_free(handshake);
    skio_value_free(shared);
}

void
skio__admin_describe_socket(const struct admin *admin, struct addon_text *out,
                            skio_socket *socket)
{
    const struct seen seen = {
        .id = skio_socket_id(socket),
        .nsp = skio_nsp_name(skio_socket_nsp(socket)),
        .shared = skio_socket_shared(socket),
        .handshake = skio_adapter_handshake(socket),
        .socket = socket,
    };

    put_socket(admin, out, &seen);
}

void
skio__admin_describe(const struct admin *admin, struct addon_text *out,
                     const skio_remote *remote)
{
    const struct seen seen = {
        .id = skio_remote_id(remote),
        .nsp = skio_nsp_name(remote->nsp),
        .shared = skio_remote_shared(remote),
        .handshake = skio_remote_handshake(remote),
        .socket = skio_remote_socket(remote),
        .remote = remote,
    };

    put_socket(admin, out, &seen);
}
