// io.socket:socket.io-client through the scenarios of ../foreign.mjs.
//
//   java Client URL polling|websocket|upgrade

import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import io.socket.engineio.client.Transport;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONObject;

public final class Client {
    static final int WAIT_MS = 5000;
    static String url;
    static String[] transports;
    static final List<Peer> peers = new ArrayList<>();

    interface Scenario {
        void run() throws Exception;
    }

    // A socket with every event in a queue: the name, then the arguments.
    static final class Peer {
        final Socket socket;
        final BlockingQueue<List<Object>> queue = new LinkedBlockingQueue<>();

        Peer(Socket socket) {
            this.socket = socket;
            socket.onAnyIncoming(args -> {
                Object last = args[args.length - 1];
                if (last instanceof Ack)
                    ((Ack) last).call(args[1], args[2], new byte[] {1, 2});
                else
                    queue.add(Arrays.asList(args));
            });
            socket.on(Socket.EVENT_DISCONNECT, args -> note("(gone)", args));
            socket.on(Socket.EVENT_CONNECT_ERROR,
                      args -> note("(refused)", args));
            peers.add(this);
        }

        void note(String name, Object... args) {
            List<Object> event = new ArrayList<>(List.of(name));
            event.addAll(Arrays.asList(args));
            queue.add(event);
        }

        // The next event of that name; skips others.
        List<Object> next(String name) throws Exception {
            long end = System.currentTimeMillis() + WAIT_MS;
            List<Object> event;
            do {
                event = queue.poll(end - System.currentTimeMillis(),
                                   TimeUnit.MILLISECONDS);
                if (event == null)
                    throw new Exception("no " + name);
            } while (!event.get(0).equals(name));
            return event;
        }

        List<Object> ask(String name, Object... args) throws Exception {
            BlockingQueue<List<Object>> answer = new LinkedBlockingQueue<>();
            Ack ack = values -> answer.add(Arrays.asList(values));
            socket.emit(name, args, ack);
            List<Object> values = answer.poll(WAIT_MS, TimeUnit.MILLISECONDS);
            if (values == null)
                throw new Exception("no answer to " + name);
            return values;
        }
    }

    // What is compared: JSON, where bytes are {"bytes": [...]}.
    static Object plain(Object value) throws Exception {
        if (value instanceof byte[]) {
            JSONArray bytes = new JSONArray();
            for (byte each : (byte[]) value)
                bytes.put(each & 255);
            return new JSONObject().put("bytes", bytes);
        }
        if (value instanceof JSONArray) {
            JSONArray list = new JSONArray();
            for (int i = 0; i < ((JSONArray) value).length(); i++)
                list.put(plain(((JSONArray) value).get(i)));
            return list;
        }
        if (value instanceof JSONObject) {
            JSONObject object = new JSONObject();
            String[] names = JSONObject.getNames((JSONObject) value);
            for (String name : names == null ? new String[0] : names)
                object.put(name, plain(((JSONObject) value).get(name)));
            return object;
        }
        return value;
    }

    // Keys are put in order by the table that holds them, on both sides.
    static void same(Object got, Object wanted) throws Exception {
        if (got instanceof List && wanted instanceof List) {
            List<?> a = (List<?>) got, b = (List<?>) wanted;
            if (a.size() != b.size())
                throw new Exception("got " + a + ", not " + b);
            for (int i = 0; i < a.size(); i++)
                same(a.get(i), b.get(i));
            return;
        }
        String a = String.valueOf(plain(got)), b = String.valueOf(plain(wanted));
        if (!a.equals(b))
            throw new Exception("got " + a + ", not " + b);
    }

    static Peer dial(String nsp, Map<String, String> auth) {
        IO.Options options = new IO.Options();
        options.transports = transports;
        options.forceNew = true;
        options.reconnectionDelay = 50;
        options.reconnectionDelayMax = 100;
        options.auth = auth;
        Peer peer = new Peer(IO.socket(URI.create(url + nsp), options));
        peer.socket.connect();
        return peer;
    }

    static Peer connect(String nsp) throws Exception {
        Peer peer = dial(nsp, null);
        peer.next("welcome");
        return peer;
    }

    static Peer also(Peer peer, String nsp) throws Exception {
        Peer other = new Peer(peer.socket.io().socket(nsp, null));
        other.socket.connect();
        other.next("welcome");
        return other;
    }

    static byte[] pattern(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = (byte) i;
        return bytes;
    }

    static void reconnection() throws Exception {
        Peer one = dial("/", Map.of("n", "2"));
        one.next("welcome");
        String before = one.socket.id();
        one.ask("join", "r");
        System.out.println("restart");
        one.next("(gone)");
        same(one.next("welcome"),
             List.of("welcome", "/", new JSONObject("{n: '2'}")));
        same(one.socket.id().equals(before), false);
        same(((JSONArray) one.ask("rooms").get(0)).length(), 1);
        same(one.ask("echo", pattern(3)), List.of(pattern(3)));
    }

    static void connects() throws Exception {
        Peer one = dial("/", Map.of("n", "1"));
        BlockingQueue<String> used = new LinkedBlockingQueue<>();
        one.socket.io().on(Manager.EVENT_TRANSPORT, args -> {
            Transport transport = (Transport) args[0];
            transport.on(Transport.EVENT_PACKET,
                         packet -> used.add(transport.name));
        });
        same(one.next("welcome"),
             List.of("welcome", "/", new JSONObject("{n: '1'}")));
        // In upgrade mode packets come by polling first.
        String wanted = transports[transports.length - 1];
        String name;
        do {
            name = used.poll(WAIT_MS, TimeUnit.MILLISECONDS);
            if (name == null)
                throw new Exception("nothing came over " + wanted);
        } while (!name.equals(wanted));
        same(one.ask("echo", 1), List.of(1));
    }

    static void acks() throws Exception {
        Peer one = connect("/");
        Object[] values = {"ä€😀", JSONObject.NULL, 1.5, -7,
                           new JSONObject("{a: [true, {b: ''}], c: {}}")};
        same(one.ask("echo", values), Arrays.asList(values));
        same(one.ask("echo"), List.of());
        one.socket.emit("ask", 3000, "word", 5);
        same(one.next("answer"),
             List.of("answer", "ok", "word", 5, new byte[] {1, 2}));
    }

    static void binary() throws Exception {
        Peer one = connect("/");
        JSONObject nested = new JSONObject()
            .put("a", new JSONArray().put(pattern(3)))
            .put("b", new byte[0]);
        Object[] values = {nested, "x", pattern(2000)};
        same(one.ask("echo", values), Arrays.asList(values));
        one.socket.emit("echo", values);
        same(one.next("echo").subList(1, 4), Arrays.asList(values));
        same(one.ask("nested"), List.of(new JSONObject()
            .put("list", new JSONArray().put(pattern(1))
                .put(new JSONArray().put(pattern(2))))
            .put("none", JSONObject.NULL)));
        same(one.next("nested"), List.of("nested", new JSONObject()
            .put("a", new JSONArray().put(1)
                .put(new JSONObject().put("b", pattern(3))))
            .put("c", new byte[0]), "end", pattern(300)));
    }

    static void large() throws Exception {
        Peer one = connect("/");
        same(one.ask("echo", "ä".repeat(100000)),
             List.of("ä".repeat(100000)));
        same(one.ask("big-text", 100000), List.of("x".repeat(100000)));
        same(one.ask("big-bytes", 100000), List.of(pattern(100000)));
    }

    static void rooms() throws Exception {
        Peer one = connect("/"), two = connect("/");
        JSONArray room = new JSONArray().put("r");
        two.ask("join", "r");
        one.socket.emit("to", room, "members", pattern(2));
        one.socket.emit("broadcast", "others");
        same(two.next("to"), List.of("to", "members", pattern(2)));
        same(two.next("broadcast"), List.of("broadcast", "others"));
        two.ask("leave", "r");
        one.socket.emit("to", room, "nobody");
        one.socket.emit("all", "end");
        for (Peer each : List.of(one, two))
            same(each.queue.poll(WAIT_MS, TimeUnit.MILLISECONDS),
                 List.of("all", "end"));
    }

    static void namespaces() throws Exception {
        Peer one = connect("/"), two = also(one, "/custom");
        two.socket.emit("all", "for custom");
        same(two.next("all"), List.of("all", "for custom"));
        one.ask("echo");
        same(one.queue.size(), 0);
    }

    static void refusal() throws Exception {
        Peer one = dial("/auth", Map.of("token", "wrong"));
        JSONObject error = (JSONObject) one.next("(refused)").get(1);
        same(error.getString("message"), "wrong token");
        same(error.getJSONObject("data"),
             new JSONObject("{code: 401, token: 'wrong'}"));
        dial("/auth", Map.of("token", "ok")).next("welcome");
    }

    static void disconnection() throws Exception {
        Peer one = connect("/"), two = also(one, "/custom");
        one.socket.emit("disconnect-me", false);
        same(one.next("(gone)"),
             List.of("(gone)", "io server disconnect"));
        same(two.ask("echo", 1), List.of(1));
    }

    static void run(String name, Scenario scenario) {
        try {
            scenario.run();
            System.out.println("ok " + name);
        } catch (Exception error) {
            String why = String.valueOf(error).replace('\n', ' ');
            System.out.println("not ok " + name + ": " +
                               why.substring(0, Math.min(300, why.length())));
        }
        for (Peer each : peers)
            each.socket.disconnect();
        peers.clear();
    }

    public static void main(String[] args) {
        url = args[0];
        transports = args[1].equals("upgrade")
            ? new String[] {"polling", "websocket"} : new String[] {args[1]};
        run("reconnection", Client::reconnection);
        run("connects", Client::connects);
        run("acks", Client::acks);
        run("binary", Client::binary);
        run("large", Client::large);
        run("rooms", Client::rooms);
        run("namespaces", Client::namespaces);
        run("refusal", Client::refusal);
        run("disconnection", Client::disconnection);
        System.exit(0);
    }
}
