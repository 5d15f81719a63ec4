//! A server for the clients: `--store=FOLDER`, `--listen=ADDRESS`, `--idle-ms=N` for the idle limit of sessions, and `--no-get` to
//! offer no stream for notifications, as servers may. Prints its address. It exits at the end of its input, and so with its test.

mod handler;
mod store;

use axum::{
    Router,
    routing::{any_service, delete_service},
};
use handler::Handler;
use rmcp::transport::{
    StreamableHttpServerConfig, streamable_http_server::session::local::SessionConfig,
};
use std::{env, error::Error, io, process, sync::Arc, thread, time::Duration};
use store::Files;
use tokio::net::TcpListener;
use turnwise_rmcp::McpSessions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let value = |name: &str| {
        let given = args
            .iter()
            .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        given.map(str::to_owned)
    };
    let mut config = SessionConfig::default();
    // How long clients wait before they resume a stream.
    let retry = Duration::from_millis(200);
    config.sse_retry = Some(retry);
    if let Some(idle) = value("--idle-ms") {
        config.keep_alive = Some(Duration::from_millis(idle.parse()?));
    }
    let folder = value("--store").ok_or("--store is missing")?;
    let sessions = McpSessions::builder()
        .config(config)
        .store(Arc::new(Files(folder.into())))
        .build()?;
    let mut config = StreamableHttpServerConfig::default();
    config.sse_retry = Some(retry);
    let service = sessions.service(|| Ok(Handler::default()), config);
    let routes = match args.iter().any(|arg| arg == "--no-get") {
        true => delete_service(service.clone()).post_service(service),
        false => any_service(service),
    };
    let listen = value("--listen").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(&listen).await?;
    println!("{}", listener.local_addr()?);
    thread::spawn(|| {
        let _ended = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    axum::serve(listener, Router::new().route("/mcp", routes)).await?;
    Ok(())
}
