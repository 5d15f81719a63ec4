//! The daemon, as its users see it: the program is started, typed at, and asked over HTTP.
//!
//! No test waits for time to pass. What has to last, lasts until it is told to end (`!hold`); what has to be so, is waited
//! for on the daemon's own feed.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod client;
mod daemon;
mod ends;
mod limits;
mod messages;
mod routes;
mod terminal;
mod trouble;
