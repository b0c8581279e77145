"""The server of peers/python.mjs: the events of bench-server.c."""
import functools
import os
import socket
import ssl

from aiohttp import web
from engineio.async_drivers import aiohttp as driver
import socketio
import uvloop

BACKLOG = 4096

# It has no option for this: no server here compresses messages.
driver.WebSocketResponse = functools.partial(web.WebSocketResponse,
                                             compress=False)

# A task for each event would cost more; these handlers wait for nothing. The
# load says that it comes from a page of another site.
sio = socketio.AsyncServer(async_mode="aiohttp", async_handlers=False,
                           cors_allowed_origins="*")


@sio.event
async def echo(sid, *args):
    return args


@sio.event
async def broadcast(sid, *args):
    await sio.emit("broadcast", args)
    return ()


@sio.event
async def join(sid, room):
    await sio.enter_room(sid, room)
    return True


@sio.event
async def leave(sid, room):
    await sio.leave_room(sid, room)
    return True


@sio.on("room")
async def to_room(sid, room, *args):
    await sio.emit("room", args, room=room)
    return True


def tls():
    if "TLS_CERT" not in os.environ:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
    return context


app = web.Application()
sio.attach(app)
listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
print("listening on", listener.getsockname()[1], flush=True)
web.run_app(app, sock=listener, backlog=BACKLOG, ssl_context=tls(),
            loop=uvloop.new_event_loop(), access_log=None, print=None,
            shutdown_timeout=0)
