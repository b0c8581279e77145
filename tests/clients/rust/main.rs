// rust_socketio through the scenarios of ../foreign.mjs.
//
//   client URL polling|websocket|upgrade
//
// Version 0.6.0 by itself: a payload is either JSON or one run of bytes; an
// event with bytes that asks for an acknowledgement is sent as BINARY_ACK; a
// socket has one namespace and a connection of its own; and events cannot be
// acknowledged; and bytes that come over WebSocket, from any server, are lost.
// What it cannot do is left out here.

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{json, Value};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(5);
type Outcome = Result<(), String>;
type Note = (String, Payload);

struct Peer {
    client: Client,
    queue: Receiver<Note>,
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    let why = format!("got {got:?}, not {wanted:?}");
    Err(why.chars().take(300).collect())
}

fn values(payload: Payload) -> Value {
    match payload {
        Payload::Text(list) => Value::Array(list),
        other => json!(format!("{other:?}")),
    }
}

impl Peer {
    fn connect(nsp: &str, auth: Value) -> Result<Peer, String> {
        let args: Vec<String> = std::env::args().collect();
        let transport = match args[2].as_str() {
            "polling" => TransportType::Polling,
            "websocket" => TransportType::Websocket,
            _ => TransportType::WebsocketUpgrade,
        };
        let (note, queue): (Sender<Note>, _) = channel();
        let (refused, gone) = (note.clone(), note.clone());
        let client = ClientBuilder::new(args[1].clone())
            .namespace(nsp)
            .auth(auth)
            .transport_type(transport)
            .reconnect_delay(50, 200)
            .on_any(move |event, payload, _| {
                let _ = note.send((event.to_string(), payload));
            })
            .on(Event::Error, move |payload, _| {
                let _ = refused.send(("(error)".into(), payload));
            })
            .on(Event::Close, move |payload, _| {
                let _ = gone.send(("(gone)".into(), payload));
            })
            .connect()
            .map_err(text)?;
        Ok(Peer { client, queue })
    }

    fn welcomed(nsp: &str) -> Result<Peer, String> {
        let peer = Peer::connect(nsp, json!({ "n": 1 }))?;
        same(peer.next("welcome")?, json!([nsp, { "n": 1 }]))?;
        Ok(peer)
    }

    // The next event of that name; skips others.
    fn next_payload(&self, name: &str) -> Result<Payload, String> {
        let end = Instant::now() + WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (event, payload) =
                self.queue.recv_timeout(left).map_err(|_| format!("no {name}"))?;
            if event == name {
                return Ok(payload);
            }
        }
    }

    fn next(&self, name: &str) -> Result<Value, String> {
        self.next_payload(name).map(values)
    }

    fn emit<P: Into<Payload>>(&self, name: &str, payload: P) -> Outcome {
        self.client.emit(name, payload).map_err(text)
    }

    // The arguments of an acknowledgement come as one list.
    fn ask(&self, name: &str, args: Vec<Value>) -> Result<Value, String> {
        let (answer, answers) = channel();
        self.client
            .emit_with_ack(name, args, WAIT, move |payload, _| {
                let _ = answer.send(values(payload));
            })
            .map_err(text)?;
        let got = answers
            .recv_timeout(WAIT)
            .map_err(|_| format!("no answer to {name}"))?;
        Ok(got[0].clone())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

fn reconnection() -> Outcome {
    let one = Peer::welcomed("/")?;
    one.ask("join", vec![json!("r")])?;
    println!("restart");
    same(one.next("welcome")?, json!(["/", { "n": 1 }]))?;
    let rooms = one.ask("rooms", vec![])?;
    same(rooms[0].as_array().map(Vec::len), Some(1))
}

fn connects() -> Outcome {
    let one = Peer::welcomed("/")?;
    same(one.ask("auth", vec![])?, json!([{ "n": 1 }]))
}

fn acks() -> Outcome {
    let one = Peer::welcomed("/")?;
    let args = vec![json!("ä€😀"), json!(null), json!(1.5), json!(-7),
                    json!({ "a": [true, { "b": "" }], "c": {} })];
    same(one.ask("echo", args.clone())?, Value::Array(args))?;
    same(one.ask("echo", vec![])?, json!([]))
}

fn binary() -> Outcome {
    let one = Peer::welcomed("/")?;
    let bytes: Vec<u8> = (0..2000).map(|i| i as u8).collect();
    one.emit("note-set", bytes.clone())?;
    let seen = one.ask("any-log", vec![])?;
    same(seen, json!([["note-set", "any-log"]]))?;
    if std::env::args().nth(2).as_deref() != Some("polling") {
        return Ok(());
    }
    one.emit("echo", bytes.clone())?;
    same(one.next_payload("echo")?, Payload::from(bytes))
}

fn large() -> Outcome {
    let one = Peer::welcomed("/")?;
    let sent = vec![json!("ä".repeat(100000))];
    same(one.ask("echo", sent.clone())?, Value::Array(sent))?;
    same(one.ask("big-text", vec![json!(100000)])?,
         json!(["x".repeat(100000)]))
}

fn rooms() -> Outcome {
    let (one, two) = (Peer::welcomed("/")?, Peer::welcomed("/")?);
    two.ask("join", vec![json!("r")])?;
    one.emit("to", vec![json!(["r"]), json!("members")])?;
    one.emit("broadcast", json!("others"))?;
    same(two.next("to")?, json!(["members"]))?;
    same(two.next("broadcast")?, json!(["others"]))?;
    two.ask("leave", vec![json!("r")])?;
    one.emit("to", vec![json!(["r"]), json!("nobody")])?;
    one.emit("all", json!("end"))?;
    for each in [&one, &two] {
        let (event, payload) = each.queue.recv_timeout(WAIT).map_err(text)?;
        same((event.as_str(), values(payload)), ("all", json!(["end"])))?;
    }
    Ok(())
}

fn namespaces() -> Outcome {
    let (one, two) = (Peer::welcomed("/")?, Peer::welcomed("/custom")?);
    two.emit("all", json!("for custom"))?;
    same(two.next("all")?, json!(["for custom"]))?;
    one.ask("echo", vec![])?;
    same(one.queue.try_recv().is_err(), true)
}

fn refusal() -> Outcome {
    let one = Peer::connect("/auth", json!({ "token": "wrong" }))?;
    let error = one.next("(error)")?.to_string();
    for part in ["wrong token", "401"] {
        if !error.contains(part) {
            return Err(format!("{error} without {part}"));
        }
    }
    let two = Peer::connect("/auth", json!({ "token": "ok" }))?;
    two.next("welcome").map(|_| ())
}

fn disconnection() -> Outcome {
    let one = Peer::welcomed("/")?;
    one.emit("disconnect-me", json!(false))?;
    one.next_payload("(gone)").map(|_| ())
}

fn main() {
    let scenarios: [(&str, fn() -> Outcome); 9] = [
        ("reconnection", reconnection), ("connects", connects),
        ("acks", acks), ("binary", binary), ("large", large),
        ("rooms", rooms), ("namespaces", namespaces), ("refusal", refusal),
        ("disconnection", disconnection),
    ];
    for (name, scenario) in scenarios {
        match scenario() {
            Ok(()) => println!("ok {name}"),
            Err(why) => println!("not ok {name}: {}", why.replace('\n', " ")),
        }
    }
    // Its threads go on polling.
    std::process::exit(0);
}
