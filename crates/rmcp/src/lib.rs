//! Sessions of an MCP server, for [rmcp]'s streamable HTTP: they survive a restart of the server, and idle expiry never cuts a call.
//!
//! [`McpSessions`] is an implementation of rmcp's session manager, over [turnwise]. It replaces rmcp's
//! [`LocalSessionManager`](rmcp::transport::streamable_http_server::session::local::LocalSessionManager). Your handlers need no change.
//!
//! ```
//! use axum::Router;
//! use rmcp::{
//!     ServerHandler, ServiceExt,
//!     model::{ClientConfig, ProtocolVersion, ServerCapabilities, ServerConfig},
//!     transport::{StreamableHttpClientTransport, StreamableHttpServerConfig},
//! };
//! use tokio::net::TcpListener;
//! use turnwise_rmcp::{McpPhase, McpSessions};
//!
//! /// One for each session.
//! struct Handler;
//!
//! impl ServerHandler for Handler {
//!     fn get_info(&self) -> ServerConfig {
//!         ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sessions = McpSessions::builder().max_sessions(1000).build()?; // `.store(..)`: they survive a restart
//!     let service = sessions.service(|| Ok(Handler), StreamableHttpServerConfig::default());
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let url = format!("http://{}/mcp", listener.local_addr()?);
//!     tokio::spawn(async move { axum::serve(listener, Router::new().route_service("/mcp", service)).await });
//!
//!     // A client, as they are today: from the protocol of 2026-07-28 on, MCP has no sessions, and this crate nothing to do.
//!     let client = ClientConfig::default().with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
//!     let client = client.serve(StreamableHttpClientTransport::from_uri(url)).await?;
//!     assert!(client.list_all_tools().await?.is_empty());
//!     assert!(matches!(sessions.snapshot()[0].phase, McpPhase::Idle | McpPhase::Used));
//!     client.cancel().await?; // its DELETE ends the session
//!     Ok(())
//! }
//! ```
//!
//! # What is promised
//!
//! | | |
//! |---|---|
//! | a restart | With a [store](McpSessionsBuilder::store), the next request restores its session: a new handler gets the client's `initialize` once more. Requests that arrive meanwhile wait until the handshake has been repeated, and all are answered |
//! | idle expiry | A session with a call or an open stream does not expire, even if the client of the call has left. With a store, an expired session is restored by its next request. Without one, its client gets 404 and begins a new session, as MCP requires |
//! | DELETE | It removes the session from the store, then ends it, and is answered when its handler has ended. A restore in progress does not undo it |
//! | an old session | Its end never ends the restored one: neither by a late close of its service nor by an expiry |
//! | the limit | [`max_sessions`](McpSessionsBuilder::max_sessions) refuses the next session with [`McpError::TooManySessions`]; rmcp answers 500 with its text |
//! | operators | [`snapshot`](McpSessions::snapshot) returns the phase, the calls and the streams of each session, and waits for nothing |
//!
//! Only the handshake of a handler is restored, not its state. Keep in your own storage what must survive.
//!
//! A call that ran when the server was killed is lost. A client that resumes its stream gets an error for this call, and decides whether to
//! repeat it. It never gets the answer of another call: the identifiers of events name the session's generation and the call. Another server
//! can resume streams only with [`events`](McpSessionsBuilder::events). Such a store gives its own identifiers, and its streams end without
//! that error.
//!
//! # Calls and phases
//!
//! rmcp's service calls the methods of [`SessionManager`](rmcp::transport::streamable_http_server::session::SessionManager). Each row is such a
//! call, each column the phase of the session with that id.
//!
//! | | none | opening | restoring | used, idle | closing |
//! |---|---|---|---|---|---|
//! | `create_session` | opening, with a new id; refused at the limit | - | - | - | - |
//! | `has_session` | false | waits for the handshake; false if that fails | the same | true; its idle time begins anew | false |
//! | `restore_session` | restoring, if the store has it; refused at the limit. If not: not supported, which is a 404 | waits for the handshake, then repeats one with a handler that is not used | the same | repeats a handshake in the same way | waits for the end, then as if there were none |
//! | `initialize_session` | `NotFound` | answered, then idle | answered | the repeated handshake is answered | `NotFound` |
//! | `accept_message`, repeated by rmcp | `NotFound` | `NotFound` | received, then idle | the repeated handshake ends, with its handler | `NotFound` |
//! | `accept_message`, of the client | `NotFound` | waits for the handshake | the same | received | `NotFound` |
//! | `create_stream`, `create_standalone_stream`, `resume` | `NotFound` | waits for the handshake | the same | a stream, which keeps the session | `NotFound` |
//! | `close_session`, for a DELETE | removed from the store | the same, then closing | the same | the same | the same; waits for the end |
//! | `close_session`, at the end of a service | nothing | nothing | nothing | nothing | nothing |
//! | end of its service | - | closing | closing | closing | - |
//! | idle for long | - | - | - | closing, if idle | - |
//!
//! `init_timeout` of rmcp's settings limits a handshake. A handshake is sometimes repeated in vain: a request finds no session, and
//! another request restores the session before the first one does. Without the second handshake, rmcp would answer the first request with 500.
//!
//! # What it costs
//!
//! To restore a session, its entry in the store is read twice: by rmcp, and by this crate, at a moment when no other call can begin or end the
//! session. A call that hangs keeps its session: limit your handlers. A handler that ignores its cancellation delays a DELETE for the five
//! seconds that rmcp gives it.
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table.
//!
//! | module | its one idea |
//! |---|---|
//! | `builder` | the settings |
//! | `sessions` | rmcp's calls |
//! | `snapshot` | what operators see |
//! | `transport` | the calls that run, and the end of a service |
//! | `used` | what keeps a session alive |
//! | `live` | one session, from its start to its end |
//! | `events` | the identifiers of events, by which streams are resumed |
//! | `error` | why a call failed |
#![forbid(unsafe_code)]

mod builder;
mod error;
mod events;
mod live;
mod sessions;
mod snapshot;
mod transport;
mod used;

pub use self::{
    builder::McpSessionsBuilder,
    error::McpError,
    sessions::McpSessions,
    snapshot::{McpPhase, McpSession},
    transport::McpTransport,
};

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
