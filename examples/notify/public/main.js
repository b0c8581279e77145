// The page of a reader. What it has it keeps in this tab: notifications by their
// numbers, which only grow, so that one that comes again is known.

const KEEP = 200; // notifications in the list
const $ = (id) => document.getElementById(id);

let me = null; // {name, token, api_key}
let notes = []; // the oldest first; {id, to, at, title, text, unread}
let socket = null;

/* What a tab remembers over a reload. */
const memory = {
    load() {
        me = JSON.parse(sessionStorage.getItem("me") ?? "null");
        notes = JSON.parse(sessionStorage.getItem("notes") ?? "[]");
    },
    save() {
        sessionStorage.setItem("me", JSON.stringify(me));
        sessionStorage.setItem("notes", JSON.stringify(notes));
    },
};

/*
 * The login of the demonstration; a product has another.
 */

async function logIn(name) {
    const response = await fetch("/demo/login", {
        method: "POST", body: JSON.stringify({ user: name }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    me = { ...me, name, ...answer };
    memory.save();
}

$("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("login-error").textContent = "";
    try {
        await logIn($("name").value.trim());
        open();
    } catch (error) {
        $("login-error").textContent = error.message;
    }
});

$("logout").addEventListener("click", () => {
    socket.close();
    sessionStorage.clear();
    location.reload();
});

/*
 * The connection
 */

function connect() {
    socket = io({ auth: (give) => give({ token: me.token }) });

    socket.on("connect", () => state("online"));
    socket.on("disconnect", (reason) => {
        state($("offline").checked ? "offline" : "reconnecting");
        /* A server that sends us away wants us back, unless we left. */
        if (reason === "io server disconnect") setTimeout(back, 500);
    });
    socket.on("connect_error", async (error) => {
        state("reconnecting");
        if (error.message !== "unauthorized") return;
        /* Another token: the old one has expired, or the server is new. */
        await logIn(me.name).catch(() => {});
        setTimeout(back, 1000);
    });
    socket.on("token_expired", async () => {
        await logIn(me.name).catch(() => {});
        socket.emit("token_renew", me.token);
    });
    socket.on("welcome", ({ rooms, store }) => {
        if (me.store !== store) notes = []; // another store has other numbers
        me.store = store;
        showRooms(rooms);
        show();
    });
    socket.on("trouble", (text) => { $("sent").textContent = text; });
    socket.on("read", (id) => {
        for (const note of notes) if (note.id <= id) note.unread = false;
        show();
    });
    socket.on("notification", ({ id, to, at, content }, receipt) => {
        if (id > (notes.at(-1)?.id ?? 0)) { // else it is here already
            notes.push({ id, to, at, title: content.title, text: content.text,
                         unread: true });
            notes = notes.slice(-KEEP);
            show();
        }
        receipt(); // only now that this tab has it
    });
}

const back = () => { if (!$("offline").checked) socket.connect(); };

function state(word) {
    $("state").dataset.state = word;
    $("state").textContent = word;
}

$("offline").addEventListener("change", () => {
    if ($("offline").checked) socket.disconnect();
    else back();
});

/*
 * The list
 */

function row(note) {
    const item = document.createElement("li");
    const part = (name, text) => {
        const element = document.createElement("p");
        element.className = name;
        element.textContent = text;
        item.append(element);
    };

    item.dataset.id = note.id;
    if (note.unread) item.dataset.unread = "";
    part("name", note.title);
    if (note.text) part("text", note.text);
    part("about", `${new Date(note.at).toLocaleTimeString()} · ${
        note.to === "all" ? "to all"
            : note.to.startsWith("room:") ? `in ${note.to.slice(5)}`
                : "to you"} · no. ${note.id}`);
    return item;
}

function show() {
    const unread = notes.filter((note) => note.unread).length;

    $("list").replaceChildren(...notes.map(row).reverse());
    $("empty").hidden = notes.length > 0;
    $("badge").hidden = unread === 0;
    $("badge").textContent = unread > 99 ? "99+" : unread;
    document.title = unread > 0 ? `(${unread}) Notifications` : "Notifications";
    memory.save();
}

/* This tab at once, other devices of the user as soon as they are told. */
function readUpTo(id) {
    for (const note of notes) if (note.id <= id) note.unread = false;
    show();
    socket.emit("read", id);
}

$("list").addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) readUpTo(Number(item.dataset.id));
});
$("read-all").addEventListener("click", () => readUpTo(notes.at(-1)?.id ?? 0));

/*
 * Rooms
 */

function showRooms(rooms) {
    $("rooms").replaceChildren(...rooms.map((name) => {
        const item = document.createElement("li");
        const leave = document.createElement("button");

        item.textContent = name;
        leave.type = "button";
        leave.textContent = "×";
        leave.ariaLabel = `Leave ${name}`;
        leave.addEventListener("click", () => ask("leave", name, rooms
            .filter((each) => each !== name)));
        item.append(leave);
        return item;
    }));
    $("rooms").dataset.names = JSON.stringify(rooms);
    $("targets").replaceChildren(...["all", `user:${me.name}`,
        ...rooms.map((name) => `room:${name}`)].map((value) => {
        const option = document.createElement("option");
        option.value = value;
        return option;
    }));
}

async function ask(event, name, rooms) {
    const answer = await socket.timeout(10000).emitWithAck(event, name)
        .catch(() => ({ ok: false, error: "no answer, are you online?" }));

    $("room-error").textContent = answer.ok ? "" : answer.error;
    if (answer.ok) showRooms([...new Set(rooms)].sort());
}

$("enter").addEventListener("submit", (event) => {
    const name = $("room").value.trim();

    event.preventDefault();
    $("room").value = "";
    ask("join", name, [...JSON.parse($("rooms").dataset.names ?? "[]"), name]);
});

/*
 * What an application does: here for the demonstration alone
 */

$("send").addEventListener("submit", async (event) => {
    event.preventDefault();
    const response = await fetch("/api/notify", {
        method: "POST",
        headers: { Authorization: `Bearer ${me.api_key}`,
                   "Idempotency-Key": crypto.randomUUID?.() ??
                       `${Date.now()}-${Math.random()}` },
        body: JSON.stringify({
            to: $("to").value.trim(), title: $("title").value,
            text: $("text").value, ttl_s: Number($("ttl").value),
        }),
    }).catch(() => null);
    const answer = await response?.json().catch(() => null);

    $("sent").textContent = response?.status === 202
        ? `202: no. ${answer.id} is kept, for ${answer.readers}`
        : `${response?.status ?? "no answer"}: ${answer?.error ?? ""}`;
    if (response?.status === 202) watch(answer.id);
});

/* Until it has been delivered, or a while. */
async function watch(id) {
    for (let i = 0; i < 20; i++) {
        await new Promise((done) => setTimeout(done, 300 + 100 * i));
        const response = await fetch(`/api/notify/${id}`, {
            headers: { Authorization: `Bearer ${me.api_key}` },
        }).catch(() => null);
        const status = await response?.json().catch(() => null);

        if (!status?.status || !$("sent").textContent.includes(`no. ${id} `))
            return;
        $("sent").textContent = `202: no. ${id} is ${status.status}: ${
            status.delivered} of ${status.queued + status.delivered +
            status.expired + status.dropped} have it`;
        if (status.status !== "queued") return;
    }
}

function open() {
    $("login").hidden = true;
    $("app").hidden = false;
    $("me").textContent = me.name;
    $("to").value = `user:${me.name}`;
    showRooms([]);
    show();
    connect();
}

memory.load();
if (me) open();
