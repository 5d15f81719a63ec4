//! A REPL for each user behind axum: a server by hand and one over the session manager, driven in the same way.

pub mod bursts;
pub mod http;
pub mod scenarios;
pub mod server;
pub mod settings;
pub mod table;
