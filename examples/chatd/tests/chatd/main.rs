//! The daemon, as its users see it: the program is started, typed at, and asked over HTTP.
//!
//! No test waits for time to pass. What has to last, lasts until it is told to end (`!hold`); what has to be so, is waited
//! for on the daemon's own feed.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[cfg(all(unix, feature = "pi"))]
mod agents;
mod client;
mod crowds;
mod daemon;
mod drain;
mod ends;
mod limits;
mod messages;
mod metrics;
mod routes;
mod table;
mod terminal;
mod trouble;

#[cfg(unix)]
mod background;
#[cfg(unix)]
mod held;
#[cfg(unix)]
mod pty;
#[cfg(all(unix, feature = "pi"))]
mod questions;
mod queue;
#[cfg(unix)]
mod repl;
#[cfg(all(unix, feature = "pi"))]
mod script;
#[cfg(unix)]
mod spare;
#[cfg(all(unix, feature = "pi"))]
mod token;
#[cfg(unix)]
mod unix_socket;
#[cfg(all(unix, feature = "pi"))]
mod words;
