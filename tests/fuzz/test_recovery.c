/*
 * Fuzz target: clients that come back, and what an adapter keeps of them
 *
 * Input: how it is kept and asked for, then steps: what a client says when it
 * connects, and what the adapter tells of a session and of what it missed. All
 * of these are somebody else's: another server's, or hostile. Also places in
 * streams and offsets, as text.
 */
#include "fuzz/fuzz.h"

#include <socketio/socketio.h>

#include "adapter/redis_reader.h"
#include "base/utf8.h"
#include "scenario/peer.h"
#include "scenario/vault.h"
#include "socketio/recovery.h"

#define STEPS_MAX 40
#define TEXT_MAX 128

struct world {
    struct fuzz_input in;
    struct vault vault;
    struct peer *peer;
    struct peer_ws *ws;
    unsigned how;
    size_t connected;
    size_t disconnected;
    size_t recovered;
    char pid[24];
    char offset[64];
    char texts[6][TEXT_MAX];
    const char *rooms[4];
};

static struct world world;

enum { WITH_VAULT = 1, WITH_MIDDLEWARE = 2, WITH_SMALL_LOG = 4, WAITS = 8 };

/* Text of the input without NULs. */
static const char *
some_text(unsigned place)
{
    char *text = world.texts[place];
    size_t len = fuzz_below(&world.in, TEXT_MAX);
    const char *from = fuzz_bytes(&world.in, &len);
    size_t kept = 0;

    for (size_t i = 0; i < len; i++)
        if (from[i] != '\0')
            text[kept++] = from[i];
    text[kept] = '\0';
    return text;
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    world.connected++;
    world.recovered += skio_socket_recovered(socket);
    fuzz_check(skio__utf8_valid(skio_socket_id(socket),
                                strlen(skio_socket_id(socket))));
    (void)skio_join(socket, "a");
    (void)skio_emit(socket, "hello", "%d", 1);
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)socket;
    (void)reason;
    (void)user;
    world.disconnected++;
}

static void
on_middleware(skio_socket *socket, skio_next *next, void *user)
{
    (void)socket;
    (void)user;
    (void)skio_next_ok(next);
}

/* ---- The adapter's words ---- */

static void
tell_lies(void)
{
    static const char *const pids[] = {"", "x", "ABCDEFGHIJKLMNOPQRST"};
    skio_adapter_session *lie = &world.vault.lie;
    skio_adapter_missed *missed = &world.vault.lie_missed;
    unsigned what = fuzz_byte(&world.in);
    size_t count = what & 3;

    memset(lie, 0, sizeof(*lie));
    memset(missed, 0, sizeof(*missed));
    if ((what & 4) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        world.rooms[i] = some_text((unsigned)i);
    world.rooms[count] = NULL;
    lie->struct_size = sizeof(*lie);
    lie->pid = (what & 8) != 0 ? world.pid : pids[what >> 4 & 1];
    lie->sid = (what & 16) != 0 ? pids[2] : some_text(3);
    lie->rooms = world.rooms;
    lie->shared = (what & 32) != 0 ? some_text(4) : NULL;
    if ((what & 64) == 0)
        return;
    lie->pid = NULL; /* the session is true, what it missed is not */
    missed->json = some_text(5);
    missed->len = strlen(missed->json);
    missed->offset = (what & 128) != 0 ? "1-0" : pids[1];
}

/* ---- The client's ---- */

static void
hear(void)
{
    unsigned opcode;
    const char *data;
    size_t len;

    while (world.ws != NULL && world.ws->read < world.ws->in.len &&
           peer_frame(world.ws, &opcode, &data, &len)) {
        char text[256];
        const char *at;

        if (opcode != 1)
            continue;
        fuzz_check(skio__utf8_valid(data, len));
        snprintf(text, sizeof(text), "%.*s", (int)len, data);
        at = strstr(text, "\"pid\":\"");
        if (strncmp(text, "40", 2) == 0 && at != NULL)
            (void)sscanf(at + 7, "%23[^\"]", world.pid);
        at = strrchr(text, ',');
        if (strncmp(text, "42", 2) == 0 && at != NULL)
            (void)sscanf(at, ",\"%63[^\"]\"]", world.offset);
    }
}

static void
say(const char *text, size_t len)
{
    char *exact = fuzz_exact(text, len);

    if (world.ws != NULL)
        peer_say_bytes(world.ws, exact, len, false);
    free(exact);
}

static void
come_back(void)
{
    char packet[512];
    unsigned what = fuzz_below(&world.in, 6);
    const char *pid = what & 1 ? some_text(0) : world.pid;
    const char *offset = what & 2 ? some_text(1) : world.offset;

    if (what == 5) {
        offset = some_text(2);
        snprintf(packet, sizeof(packet), "40%s", offset);
    } else {
        snprintf(packet, sizeof(packet), "40{\"pid\":\"%s\",\"offset\":\"%s\"}",
                 pid, offset);
    }
    say(packet, strlen(packet));
}

static void
step(void)
{
    struct peer *peer = world.peer;
    skio_nsp *root = skio_of(peer->server, "/");

    switch (fuzz_below(&world.in, 10)) {
    case 0:
    case 1:
        world.ws = peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
        break;
    case 2:
    case 3:
        come_back();
        break;
    case 4:
        if (world.ws != NULL)
            peer_hang_up(world.ws, fuzz_below(&world.in, 2) == 1);
        break;
    case 5:
        tell_lies();
        break;
    case 6:
        vault_answer(&world.vault);
        break;
    case 7:
        (void)skio_emit_to(root, "a", "x", "%s", "text");
        break;
    case 8:
        peer_wait(peer, 10 * (uint64_t)fuzz_byte(&world.in));
        break;
    default:
        world.ws = peer_ws_request(peer, "EIO=4&transport=websocket", NULL);
        say("40", 2);
        break;
    }
    peer_flush(peer);
    hear();
}

static void
set_options(skio_server_options *options)
{
    options->recovery_ms = 1000;
    options->recovery_max_sessions = 3;
    options->ping_interval_ms = 5000;
    options->max_name_bytes = 20;
    options->max_rooms = 3;
    options->recovery_skip_middlewares = (world.how & 16) != 0;
    if ((world.how & WITH_SMALL_LOG) != 0)
        options->recovery_max_bytes = 500;
}

static void
clean_up(struct peer *peer)
{
    (void)peer;
    vault_answer(&world.vault);
}

static void
set_up(struct peer *peer)
{
    skio_nsp *root = skio_of(peer->server, "/");

    world.peer = peer;
    if ((world.how & WITH_VAULT) != 0) {
        world.vault = (struct vault){
            .is_quiet = true,
            .peer = peer,
            .waits = (world.how & WAITS) != 0,
            .keeps = (world.how & 32) != 0,
            .has_no_missed = (world.how & 64) != 0,
        };
        peer->cleanup = clean_up;
        fuzz_check(vault_attach(&world.vault, peer->server) == SKIO_OK);
    }
    fuzz_check(skio_on_connect(root, on_connect, NULL) == SKIO_OK);
    fuzz_check(skio_on_disconnect(root, on_disconnect, NULL) == SKIO_OK);
    if ((world.how & WITH_MIDDLEWARE) != 0)
        fuzz_check(skio_use(root, on_middleware, NULL) == SKIO_OK);
}

static void
run_script(struct peer *peer)
{
    size_t fail = fuzz_byte(&world.in);

    if (fail >= 100)
        test_alloc_fail(&peer->alloc, fail - 99);
    for (int i = 0; i < STEPS_MAX && world.in.left > 0; i++)
        step();
    test_alloc_fail(&peer->alloc, 0);
}

/* ---- Texts ---- */

static void
check_texts(void)
{
    char *text = fuzz_copy(world.in.at, world.in.left);
    char printed[SKIO__STREAM_ID_MAX];
    struct skio__stream_id id;
    struct skio__stream_id again;
    size_t len;

    if (skio__stream_id_parse(text, world.in.left, &id)) {
        len = skio__stream_id_print(id, printed);
        fuzz_check(len < sizeof(printed) && printed[len] == '\0');
        fuzz_check(skio__stream_id_parse(printed, len, &again));
        fuzz_check(skio__stream_id_compare(id, again) == 0);
    }
    if (skio__recovery_is_offset(text))
        fuzz_check(strlen(text) <= SIO_OFFSET_MAX &&
                   skio__utf8_valid(text, strlen(text)));
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct peer_plan plan = {set_options, set_up, run_script};

    memset(&world, 0, sizeof(world));
    world.in = (struct fuzz_input){data, size};
    world.how = fuzz_byte(&world.in);
    if (world.how == 255) {
        check_texts();
        return 0;
    }
    peer_run_once(&plan);
    fuzz_check(world.connected == world.disconnected);
    fuzz_check(world.recovered <= world.connected);
    return 0;
}
