//! Sessions of an MCP server that restarts, and that ends idle sessions: those of rmcp, and those of turnwise-rmcp. Both are set up
//! alike, with a store of sessions, and used by the same requests.

mod client;
pub mod scenarios;
mod server;
pub mod store;
pub mod table;

/// How often each thing is done.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How often the server is killed.
    pub kills: usize,
    /// How many sessions have bursts of calls.
    pub sessions: usize,
    /// How many bursts each of them has.
    pub bursts: u32,
    /// How many sessions have a long call, and how many have a stream that is resumed.
    pub each: usize,
}
