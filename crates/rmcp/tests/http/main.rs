//! rmcp's server over loopback, with its own client and with requests by hand.
//!
//! Most tests watch which handler answers: handlers have numbers, and each session has one handler.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod between;
mod client;
mod ends;
mod events;
mod gate;
mod restarts;
mod resumes;
mod server;
mod store;
mod uses;

use rmcp::transport::streamable_http_server::session::local::SessionConfig;
use std::time::Duration;
use turnwise_rmcp::{McpSessions, McpSessionsBuilder};

/// Sessions that never expire.
fn lasting() -> McpSessionsBuilder {
    McpSessions::builder().config(config(None))
}

/// Sessions that expire soon.
fn short() -> McpSessionsBuilder {
    McpSessions::builder().config(config(Some(Duration::from_millis(200))))
}

fn config(keep_alive: Option<Duration>) -> SessionConfig {
    let mut config = SessionConfig::default();
    config.keep_alive = keep_alive;
    config
}
