/*
 * WebSockets that lws reads and writes
 *
 * lws unmasks, and answers pings; frames we send are encoded already and
 * written raw (LWS_WRITE_RAW adds nothing), so one encoding serves every
 * connection.
 *
 * lws writes its pongs, and its Close after an error, between our writes: so a
 * write must never end inside a frame. Whole frames are joined up to
 * SKIO__LWS_WRITE bytes. A longer frame has to go in slices: only from lws'
 * writeable callback, where a pending pong was sent before, and while it is
 * under way nothing is read that could ask for another.
 */
#include "transport/lws.h"

#include <string.h>

#include <libwebsockets.h>

#include "transport/frames.h"
#include "transport/lws_deflate.h"

/* ---- Receiving ---- */

int
skio__ws_receive(struct skio__conn *conn, const void *data, size_t len)
{
    struct lws *wsi = conn->wsi;
    bool first = lws_is_first_fragment(wsi) != 0;
    bool final = lws_is_final_fragment(wsi) != 0;
    size_t remaining = lws_remaining_packet_payload(wsi);

    if (conn->kind != CONN_WS)
        return 0;

    conn->transport->inside_frame = remaining > 0;

    /* Fragments count by their ends: lws gives long ones in pieces. */
    if (first)
        conn->fragments = 0;
    if (remaining == 0 && !final && ++conn->fragments > SKIO__FRAGMENTS_MAX) {
        static unsigned char text[] = "too many fragments";

        lws_close_reason(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, text,
                         sizeof(text) - 1);
        return -1;
    }

    if (conn->deflates && skio__deflate_begins(conn, first))
        skio_ws_compressed(conn->u.ws);
    skio_ws_receive(conn->u.ws, data, len, lws_frame_is_binary(wsi) != 0, first,
                    final);
    return 0;
}

int
skio__ws_peer_close(struct skio__conn *conn)
{
    conn->peer_closed = true;

    /* lws would answer with a Close of its own: not after ours, and not
     * into the middle of a frame. */
    return conn->finished || conn->frame_left > 0 ? -1 : 0;
}

/* ---- Writing ---- */

/* The length of the unmasked frame at data, header included; 0: the header
 * is not complete. */
static size_t
frame_length(const unsigned char *data, size_t len)
{
    uint64_t payload = 0;
    size_t extra = 0;

    if (len < 2)
        return 0;
    if (data[1] == 126)
        extra = 2;
    else if (data[1] == 127)
        extra = 8;
    else
        payload = data[1];
    if (len < 2 + extra)
        return 0;
    for (size_t i = 0; i < extra; i++)
        payload = payload << 8 | data[2 + i];

    return (size_t)payload + 2 + extra;
}

/* How much of data is whole frames; *next: how long the one after them is. */
static size_t
whole_frames(const unsigned char *data, size_t len, size_t *next)
{
    size_t used = 0;

    *next = 0;
    while (used < len) {
        size_t frame = frame_length(data + used, len - used);

        *next = frame;
        if (frame == 0 || frame > len - used)
            break;
        used += frame;
        *next = 0;
    }
    return used;
}

/* The bytes to write next, joined: *data is a slice itself when it is long
 * enough alone. */
static size_t
gather(struct skio__conn *conn, const unsigned char **data)
{
    unsigned char *scratch = conn->transport->scratch + LWS_PRE;
    skio_bytes slices[SKIO__LWS_SLICES];
    size_t count = skio_ws_peek(conn->u.ws, slices, SKIO__LWS_SLICES);
    size_t len = 0;

    if (count == 0)
        return 0;
    if (count == 1 || slices[0].len >= SKIO__LWS_WRITE) {
        *data = slices[0].data;
        return slices[0].len < SKIO__LWS_WRITE ? slices[0].len
                                               : SKIO__LWS_WRITE;
    }
    for (size_t i = 0; i < count && len < SKIO__LWS_WRITE; i++) {
        size_t part = SKIO__LWS_WRITE - len;

        if (part > slices[i].len)
            part = slices[i].len;
        memcpy(scratch + len, slices[i].data, part);
        len += part;
    }
    *data = scratch;
    return len;
}

/* Where the write may end. 0: a long frame must wait for its callback. */
static size_t
limit(struct skio__conn *conn, const unsigned char *data, size_t len)
{
    size_t next, whole;

    if (conn->frame_left > 0)
        return len < conn->frame_left ? len : conn->frame_left;

    whole = whole_frames(data, len, &next);
    if (whole > 0)
        return whole;
    if (!conn->writing)
        return 0;
    conn->frame_left = next;
    return len;
}

static void
suspend(struct skio__conn *conn)
{
    lws_callback_on_writable(conn->wsi);
    if (conn->frame_left > 0 && !conn->rx_off) {
        lws_rx_flow_control(conn->wsi, 0);
        conn->rx_off = true;
    }
}

int
skio__ws_write(struct skio__conn *conn)
{
    for (int i = 0; i < SKIO__WRITES_MAX; i++) {
        const unsigned char *data;
        size_t len;

        if (lws_partial_buffered(conn->wsi)) {
            suspend(conn);
            return 0;
        }
        len = gather(conn, &data);
        if (len == 0)
            break;
        len = limit(conn, data, len);
        if (len == 0) {
            lws_callback_on_writable(conn->wsi);
            return 0;
        }

        /* LWS_WRITE_RAW changes nothing in the buffer: frames are shared */
        if (lws_write(conn->wsi, (unsigned char *)(uintptr_t)data, len,
                      LWS_WRITE_RAW) < 0)
            return -1;
        if (conn->frame_left > 0)
            conn->frame_left -= len;
        skio_ws_consume(conn->u.ws, len);

        if (conn->frame_left == 0 && conn->rx_off) {
            lws_rx_flow_control(conn->wsi, 1);
            conn->rx_off = false;
        }
        if (i == SKIO__WRITES_MAX - 1) {
            suspend(conn);
            return 0;
        }
    }

    if (!conn->finished && skio_ws_is_finished(conn->u.ws)) {
        conn->finished = true;
        if (conn->peer_closed)
            return -1;
        skio__conn_wait(conn, &conn->transport->close_due);
    }
    return 0;
}
