/*
 * Compressed messages (permessage-deflate), cut and dribbled, and where memory
 * runs out
 */
#include "scenario/peer.h"

#include <string.h>

#include "base/deflate.h"
#include "base/mem.h"

#define WEBSOCKET "EIO=4&transport=websocket"
#define OFFER "sec-websocket-extensions: permessage-deflate\n"
#define LONG 300

static void
compressing(skio_server_options *options)
{
    options->per_message_deflate = true;
    options->per_message_deflate_threshold = 100;
    options->max_http_buffer_size = 1000;
}

/* Say a message as the client would compress it. What is made here is freed
 * before memory can run out on the other side. */
static void
say_compressed(struct peer_ws *ws, const void *data, size_t len)
{
    const struct skio__deflate_settings settings = {SKIO__DEFLATE_MESSAGE, 6,
                                                    15, 8};
    struct skio__deflater *deflater =
        skio__deflater_new(skio__mem_default(), &settings);
    struct skio__buf out;
    char small[1100];
    size_t small_len;
    int err = SKIO_ENOMEM;

    skio__buf_init(&out, skio__mem_default());
    if (deflater != NULL)
        err = skio__deflater_run(deflater, data, len, sizeof small, &out);
    small_len = out.len;
    if (err == SKIO_OK)
        memcpy(small, out.data, small_len);
    skio__buf_deinit(&out);
    skio__deflater_free(deflater);
    peer_check(ws->peer, err == SKIO_OK);
    skio_ws_compressed(ws->ws);
    peer_say_bytes(ws, small, small_len, false);
}

static struct peer_ws *
open_ws(struct peer *peer, const char *headers, bool accepted)
{
    struct peer_ws *ws = peer_ws_begin(peer, WEBSOCKET, headers);

    peer_check(peer, ws->http->exchange != NULL);
    ws->inflates = skio_exchange_accept_deflate(ws->http->exchange);
    peer_check(peer, ws->inflates == accepted);
    peer_check(peer, !skio_exchange_accept_deflate(ws->http->exchange));
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect_header(ws->http, "Sec-WebSocket-Extensions",
                       accepted ? "permessage-deflate; "
                                  "server_no_context_takeover; "
                                  "client_no_context_takeover"
                                : NULL);
    peer_expect_prefix(ws, "0{");
    peer_check(peer, !ws->was_compressed);
    peer_expect_event(peer, "open");
    return ws;
}

/* The next event is a message of so many of these, of which 256 are noted. */
static void
expect_long(struct peer *peer, char c, size_t count)
{
    char line[300] = "message ";

    if (count > 256)
        count = 256;
    memset(line + 8, c, count);
    line[8 + count] = '\0';
    peer_expect_event(peer, line);
}

/* The next frame is this message, compressed. */
static void
expect_compressed(struct peer_ws *ws, const void *want, size_t want_len)
{
    struct skio__inflater *inflater;
    struct skio__buf out;
    unsigned opcode = 0;
    const char *data = "";
    size_t len = 0;
    bool same;

    peer_check(ws->peer, peer_frame(ws, &opcode, &data, &len));
    peer_check(ws->peer, ws->was_compressed && len < want_len);
    inflater = skio__inflater_new(skio__mem_default());
    skio__buf_init(&out, skio__mem_default());
    out.max = want_len;
    same = inflater != NULL &&
           skio__inflater_run(inflater, data, len, &out) == SKIO_OK &&
           out.len == want_len && memcmp(out.data, want, want_len) == 0;
    skio__buf_deinit(&out);
    skio__inflater_free(inflater);
    peer_check(ws->peer, same);
}

SCENARIO(long_messages_are_compressed_both_ways, compressing, peer_echo)
{
    struct peer_ws *ws = open_ws(peer, OFFER, true);
    char text[LONG + 1] = "4";

    memset(text + 1, 'z', LONG - 1);
    text[LONG] = '\0';
    say_compressed(ws, text, LONG);
    expect_long(peer, 'z', LONG - 1);
    expect_compressed(ws, text, LONG);
    /* Short ones go as they are, either way. */
    peer_say(ws, "4short");
    peer_expect_event(peer, "message short");
    peer_expect(ws, "4short");
    peer_check(peer, !ws->was_compressed);
}

SCENARIO(who_did_not_offer_gets_it_plain, compressing, peer_echo)
{
    struct peer_ws *ws = open_ws(peer, NULL, false);
    char text[LONG + 1] = "4";

    memset(text + 1, 'z', LONG - 1);
    text[LONG] = '\0';
    peer_say(ws, text);
    expect_long(peer, 'z', LONG - 1);
    peer_expect(ws, text);
    skio_ws_compressed(ws->ws);
    peer_say(ws, "4x");
    peer_expect_event(peer, "close transport error");
    peer_expect_close(ws, 1002);
}

SCENARIO(a_compressed_message_is_limited, compressing, peer_echo)
{
    struct peer_ws *ws = open_ws(peer, OFFER, true);
    char text[1002] = "4";

    memset(text + 1, 'y', sizeof text - 1);
    say_compressed(ws, text, 1000);
    expect_long(peer, 'y', 999);
    expect_compressed(ws, text, 1000);
    say_compressed(ws, text, 1001);
    peer_expect_event(peer, "close transport error");
    peer_expect_close(ws, 1009);
}

SCENARIO(what_does_not_inflate_ends_the_connection, compressing, peer_echo)
{
    struct peer_ws *ws = open_ws(peer, OFFER, true);

    skio_ws_compressed(ws->ws);
    peer_say_bytes(ws, "\xff\xff\xff", 3, true);
    peer_expect_event(peer, "close transport error");
    peer_expect_close(ws, 1007);
}

/* ---- What the options say of zlib ---- */

#define VARIED 900

/* Text that repeats itself beyond a window of 512 bytes. */
static void
vary(char text[VARIED])
{
    unsigned state = 1;

    for (size_t i = 0; i < VARIED; i++) {
        state = state * 1103515245u + 12345u;
        text[i] = i < VARIED - 300 ? (char)('a' + (state >> 16) % 26)
                                   : text[i - (VARIED - 300)];
    }
    text[0] = '4';
}

/* What zlib makes of it; false: no memory, or no gain. */
static bool
make(const struct skio__deflate_settings *settings, const char text[VARIED],
     char out[VARIED], size_t *len)
{
    struct skio__deflater *deflater =
        skio__deflater_new(skio__mem_default(), settings);
    struct skio__buf buf;
    bool made = false;

    skio__buf_init(&buf, skio__mem_default());
    if (deflater != NULL)
        made =
            skio__deflater_run(deflater, text, VARIED, VARIED, &buf) == SKIO_OK;
    *len = buf.len;
    if (made)
        memcpy(out, buf.data, buf.len);
    skio__buf_deinit(&buf);
    skio__deflater_free(deflater);
    return made;
}

static void
narrow(skio_server_options *options)
{
    compressing(options);
    options->per_message_deflate_level = 1;
    options->per_message_deflate_window_bits = 9;
    options->per_message_deflate_mem_level = 1;
}

static void
fast(skio_server_options *options)
{
    options->http_compression = true;
    options->http_compression_threshold = 100;
    options->http_compression_level = 1;
}

SCENARIO(messages_are_compressed_as_the_options_say, narrow, peer_echo)
{
    const struct skio__deflate_settings wanted = {SKIO__DEFLATE_MESSAGE, 1, 9,
                                                  1};
    const struct skio__deflate_settings usual = {SKIO__DEFLATE_MESSAGE, 6, 15,
                                                 8};
    struct peer_ws *ws = peer_ws_begin(peer, WEBSOCKET, OFFER);
    char text[VARIED], small[VARIED], other[VARIED];
    size_t len = 0, other_len = 0;
    unsigned opcode = 0;
    const char *data = "";
    size_t data_len = 0;

    vary(text);
    peer_check(peer, make(&wanted, text, small, &len));
    peer_check(peer, make(&usual, text, other, &other_len));
    peer_check(peer, other_len < len);
    peer_check(peer, ws->http->exchange != NULL);
    ws->inflates = skio_exchange_accept_deflate(ws->http->exchange);
    peer_ws_finish(ws);
    peer_check(peer, ws->ws != NULL);
    peer_expect_prefix(ws, "0{");
    peer_say_bytes(ws, text, VARIED, false);
    peer_check(peer, peer_frame(ws, &opcode, &data, &data_len));
    peer_check(peer, ws->was_compressed && data_len == len &&
                         memcmp(data, small, len) == 0);
}

SCENARIO(polls_are_compressed_as_the_options_say, fast, peer_echo)
{
    const struct skio__deflate_settings wanted = {SKIO__DEFLATE_GZIP, 1, 15, 8};
    const struct skio__deflate_settings usual = {SKIO__DEFLATE_GZIP, 6, 15, 8};
    const char *query = peer_polling(peer);
    char text[VARIED], small[VARIED], other[VARIED];
    size_t len = 0, other_len = 0;
    struct peer_http *http;

    vary(text);
    peer_check(peer, make(&wanted, text, small, &len));
    peer_check(peer, make(&usual, text, other, &other_len));
    peer_check(peer, other_len != len || memcmp(other, small, len) != 0);
    peer_expect_http(peer_post_bytes(peer, query, NULL, text, VARIED), 200,
                     "ok");
    http = peer_request(peer, "GET", query, "accept-encoding: gzip\n");
    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "Content-Encoding", "gzip");
    peer_check(peer, http->body.len == len &&
                         memcmp(http->body.data, small, len) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_messages_are_compressed_both_ways),
        cmocka_unit_test(who_did_not_offer_gets_it_plain),
        cmocka_unit_test(a_compressed_message_is_limited),
        cmocka_unit_test(what_does_not_inflate_ends_the_connection),
        cmocka_unit_test(messages_are_compressed_as_the_options_say),
        cmocka_unit_test(polls_are_compressed_as_the_options_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
