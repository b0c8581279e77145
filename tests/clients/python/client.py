"""python-socketio through the scenarios of ../foreign.mjs.

    client.py sync|async URL polling|websocket|upgrade

The synchronous client runs in threads behind the same interface as the
asyncio one, so that there is one set of scenarios.
"""

import asyncio
import inspect
import sys

import socketio

KIND, URL, MODE = sys.argv[1:]
TRANSPORTS = ["polling", "websocket"] if MODE == "upgrade" else [MODE]
WAIT = 5
SCENARIOS = []


class Peer:
    """A client with every event in one queue: (namespace, name, *arguments)."""

    def __init__(self, namespaces=("/",)):
        make = socketio.Client if KIND == "sync" else socketio.AsyncClient
        self.sio = make(reconnection_delay=0.1, reconnection_delay_max=0.3)
        self.namespaces = list(namespaces)
        self.queue = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def note(*event):
            loop.call_soon_threadsafe(self.queue.put_nowait, event)

        def answer(word, number):
            return word, number, b"\1\2"

        for nsp in self.namespaces:
            self.sio.on("*", lambda name, *args, nsp=nsp:
                        note(nsp, name, *args), namespace=nsp)
            self.sio.on("question", answer, namespace=nsp)
            self.sio.on("disconnect", lambda reason, nsp=nsp:
                        note(nsp, "(gone)"), namespace=nsp)
            self.sio.on("connect_error", lambda data, nsp=nsp:
                        note(nsp, "(refused)", data), namespace=nsp)

    async def do(self, method, *args, **options):
        if KIND == "sync":
            return await asyncio.to_thread(method, *args, **options)
        result = method(*args, **options)
        return await result if inspect.isawaitable(result) else result

    async def connect(self, auth=None):
        await self.do(self.sio.connect, URL, transports=TRANSPORTS, auth=auth,
                      namespaces=self.namespaces, wait_timeout=WAIT)
        for nsp in self.namespaces:
            await self.next("welcome", nsp)
        return self

    async def next(self, name, nsp="/"):
        """The arguments of the next event of that name; skips others."""
        async with asyncio.timeout(WAIT):
            while True:
                got = await self.queue.get()
                if got[:2] == (nsp, name):
                    return list(got[2:])

    async def emit(self, name, *args, nsp="/"):
        await self.do(self.sio.emit, name, args, namespace=nsp)

    async def ask(self, name, *args, nsp="/"):
        answer = await self.do(self.sio.call, name, args, namespace=nsp,
                               timeout=WAIT)
        if answer is None:
            return []
        return list(answer) if isinstance(answer, tuple) else [answer]

    async def close(self):
        await self.do(self.sio.disconnect)


def scenario(fn):
    SCENARIOS.append(fn)
    return fn


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r:.300}, not {wanted!r:.300}")


@scenario
async def reconnection(peer):
    one = await peer().connect({"n": 2})
    before = one.sio.get_sid()
    await one.ask("join", "r")
    print("restart", flush=True)
    await one.next("(gone)")
    same(await one.next("welcome"), ["/", {"n": 2}])
    same(one.sio.get_sid() != before, True)
    same(len((await one.ask("rooms"))[0]), 1)
    same(await one.ask("echo", b"\1"), [b"\1"])


@scenario
async def connects(peer):
    one = peer()
    await one.do(one.sio.connect, URL, transports=TRANSPORTS, auth={"n": 1},
                 wait_timeout=WAIT)
    same(await one.next("welcome"), ["/", {"n": 1}])
    same(one.sio.transport(), TRANSPORTS[-1])


@scenario
async def acks(peer):
    one = await peer().connect()
    values = ["ä€😀", None, 1.5, -7, {"a": [True, {"b": ""}], "c": {}}]
    same(await one.ask("echo", *values), values)
    same(await one.ask("echo"), [])
    await one.emit("ask", 3000, "word", 5)
    same(await one.next("answer"), ["ok", "word", 5, b"\1\2"])


@scenario
async def binary(peer):
    one = await peer().connect()
    values = [{"a": [b"\0\1\xff"], "b": b""}, "x", bytes(range(256)) * 8]
    same(await one.ask("echo", *values), values)
    await one.emit("echo", *values)
    same(await one.next("echo"), values)
    same(await one.ask("nested"), [{"list": [b"\0", [b"\0\1"]], "none": None}])
    first, end, last = await one.next("nested")
    same([type(first["a"][1]["b"]), len(first["a"][1]["b"]), first["c"], end,
          len(last)], [bytes, 3, b"", "end", 300])


@scenario
async def large(peer):
    one = await peer().connect()
    same(await one.ask("echo", "ä" * 100000), ["ä" * 100000])
    same(await one.ask("big-text", 100000), ["x" * 100000])
    same(await one.ask("big-bytes", 100000),
         [(bytes(range(256)) * 400)[:100000]])


@scenario
async def rooms(peer):
    one, two = await peer().connect(), await peer().connect()
    await two.ask("join", "r")
    await one.emit("to", ["r"], "members", b"\7")
    same(await two.next("to"), ["members", b"\7"])
    await one.emit("broadcast", "others")
    same(await two.next("broadcast"), ["others"])
    await two.ask("leave", "r")
    await one.emit("to", ["r"], "nobody")
    await one.emit("all", "end")
    for each in one, two:
        same(await each.queue.get(), ("/", "all", "end"))


@scenario
async def namespaces(peer):
    one = await peer(["/", "/custom"]).connect()
    for nsp in one.namespaces:
        await one.ask("join", "r", nsp=nsp)
    await one.emit("all", "for custom", nsp="/custom")
    same(await one.next("all", "/custom"), ["for custom"])
    await one.ask("echo")
    same(one.queue.qsize(), 0)


@scenario
async def refusal(peer):
    # Not by connect() itself, which then closes at once: the synchronous client
    # does not say so to the server when its last POST is not answered yet, and
    # waits for the end of its poll.
    one = peer(["/auth"])
    await one.do(one.sio.connect, URL, transports=TRANSPORTS, wait=False,
                 namespaces=one.namespaces, auth={"token": "wrong"})
    same(await one.next("(refused)", "/auth"),
         [{"message": "wrong token", "data": {"code": 401, "token": "wrong"}}])
    same(one.sio.namespaces, {})
    await one.do(one.sio.eio.queue.join)
    await peer(["/auth"]).connect({"token": "ok"})


@scenario
async def disconnection(peer):
    one = await peer(["/", "/custom"]).connect()
    await one.emit("disconnect-me", False)
    same(await one.next("(gone)"), [])
    same(await one.ask("echo", 1, nsp="/custom"), [1])


async def main():
    for each in SCENARIOS:
        peers = []

        def peer(*args):
            peers.append(Peer(*args))
            return peers[-1]

        try:
            async with asyncio.timeout(15):
                await each(peer)
            print("ok", each.__name__, flush=True)
        except Exception as error:
            print(f"not ok {each.__name__}: {error!r}", flush=True)
        for one in peers:
            await one.close()


asyncio.run(main())
