// The server of peers/socketioxide.mjs: the events of bench-server.c. Handlers
// have types here: `echo` and `broadcast` carry one argument, `room` a second.
use std::env;
use std::error::Error;

use axum::serve::ListenerExt;
use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use serde_json::Value;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::SocketIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{signal, SignalKind};

const BACKLOG: u32 = 4096;

async fn on_echo(Data(data): Data<Value>, ack: AckSender) {
    ack.send(&data).ok();
}

async fn on_broadcast(io: SocketIo, Data(data): Data<Value>, ack: AckSender) {
    if let Some(everybody) = io.of("/") {
        everybody.emit("broadcast", &data).await.ok();
    }
    ack.send(&()).ok();
}

async fn on_join(socket: SocketRef, Data(room): Data<String>, ack: AckSender) {
    socket.join(room);
    ack.send(&true).ok();
}

async fn on_leave(socket: SocketRef, Data(room): Data<String>, ack: AckSender) {
    socket.leave(room);
    ack.send(&true).ok();
}

async fn on_room(io: SocketIo, Data((room, data)): Data<(String, Value)>, ack: AckSender) {
    io.to(room).emit("room", &data).await.ok();
    ack.send(&true).ok();
}

async fn serve_plain(listener: TcpListener, router: Router) -> Result<(), Box<dyn Error>> {
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn serve_tls(listener: TcpListener, router: Router) -> Result<(), Box<dyn Error>> {
    let provider = rustls::crypto::ring::default_provider();
    provider
        .install_default()
        .map_err(|_| "a second provider")?;

    let (cert, key) = (env::var("TLS_CERT")?, env::var("TLS_KEY")?);
    let config = RustlsConfig::from_pem_file(cert, key).await?;
    let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
    axum_server::from_tcp(listener.into_std()?)?
        .acceptor(acceptor)
        .serve(router.into_make_service())
        .await?;
    Ok(())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (layer, io) = SocketIo::new_layer();

    io.ns("/", async |socket: SocketRef| {
        socket.on("echo", on_echo);
        socket.on("broadcast", on_broadcast);
        socket.on("join", on_join);
        socket.on("leave", on_leave);
        socket.on("room", on_room);
    });

    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?.port());

    let router = Router::new().layer(layer);
    let serving = async {
        if env::var_os("TLS_CERT").is_some() {
            serve_tls(listener, router).await
        } else {
            serve_plain(listener, router).await
        }
    };
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = serving => served?,
        _ = stop.recv() => {}
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}
