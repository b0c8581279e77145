#include "threats/visit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH "/socket.io/?EIO=4&transport=polling"
#define UPGRADE                                                                \
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"                   \
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n"

static char out[1 << 16];

static void
post(const struct home *home, const char *sid, const char *body)
{
    char text[512];

    snprintf(text, sizeof(text),
             "POST " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
             sid, strlen(body), body);
    home_ask(home, text, out, sizeof(out));
}

static void
poll_once(const struct home *home, const char *sid)
{
    char text[256];

    snprintf(text, sizeof(text),
             "GET " PATH "&sid=%s HTTP/1.1\r\nHost: x\r\n"
             "Connection: close\r\n\r\n",
             sid);
    home_ask(home, text, out, sizeof(out));
}

void
visit(const struct home *home, unsigned kind)
{
    char sid[32], text[512];
    int fd;

    switch (kind % 5) {
    case 0: /* polls, and says goodbye */
        home_handshake(home, sid);
        post(home, sid, "40");
        poll_once(home, sid);
        post(home, sid, "42[\"echo\",1]");
        poll_once(home, sid);
        post(home, sid, "1");
        break;
    case 1: /* a WebSocket, and a Close frame */
        fd = home_websocket(home);
        home_frame(fd, 0x81, "40", 2);
        home_frame(fd, 0x81, "42[\"echo\",1]", 12);
        home_read(fd, out, sizeof(out), "echo", NULL);
        home_frame(fd, 0x88, "\x03\xe8", 2);
        home_read(fd, out, sizeof(out), NULL, NULL);
        close(fd);
        break;
    case 2: /* one that is cut amid a binary packet */
        fd = home_websocket(home);
        home_frame(fd, 0x81, "40", 2);
        home_frame(fd, 0x81, "452-[\"echo\"]", 12);
        home_frame(fd, 0x82, "abc", 3);
        home_reset(fd);
        break;
    case 3: /* one that breaks the protocol */
        fd = home_websocket(home);
        home_frame(fd, 0x81, "40", 2);
        home_frame(fd, 0x81, "4?", 2);
        home_read(fd, out, sizeof(out), "\x88", NULL);
        close(fd);
        break;
    default: /* an upgrade */
        home_handshake(home, sid);
        post(home, sid, "40");
        snprintf(text, sizeof(text),
                 "GET /socket.io/?EIO=4&transport=websocket&sid=%s%s", sid,
                 strchr(UPGRADE, ' ') + sizeof("/socket.io/?EIO=4&transport="
                                               "websocket"));
        fd = home_dial(home);
        home_say(fd, text);
        home_say(fd, "\r\n");
        home_read(fd, out, sizeof(out), "\r\n\r\n", NULL);
        assert_int_equal(strncmp(out, "HTTP/1.1 101 ", 13), 0);
        home_frame(fd, 0x81, "2probe", 6);
        home_read(fd, out, sizeof(out), "3probe", NULL);
        home_frame(fd, 0x81, "5", 1);
        home_frame(fd, 0x81, "42[\"echo\",1]", 12);
        home_read(fd, out, sizeof(out), "echo", NULL);
        close(fd);
        break;
    }
}
