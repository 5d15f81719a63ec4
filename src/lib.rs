#![doc = include_str!("../README.md")]
//!
//! # The map of the house
//!
//! Top down, and in a row from left to right: each module knows those after it, and none before.
//!
//! | module | its one idea |
//! |---|---|
//! | `guide` | how to use it, at length |
//! | `pi` (feature `pi`) | the adapter to the agent pi |
//! | `testing` (feature `testing`) | a backend that misbehaves on demand, for the tests of who embeds the manager |
//! | `manager` (feature `tokio`) | the session manager: what knows how to start, check and stop sessions |
//! | `builder` | the settings, and how a registry comes to be |
//! | `invariants` | what must hold between any two calls, as code |
//! | `idle`, `drain` | scans: idle sessions, all sessions; the end of the registry |
//! | `look` | every call that asks of a key, or does something to it, without its turn |
//! | `reach` | what anyone may do to a call by its number |
//! | `registry` | every call that enters a key, replaces or removes it |
//! | `observed` | what was seen, to act on it only if it still holds; what a replacement gives back |
//! | `enter` | a place in the line, and the future that waits in it |
//! | `entry` | what `enter` gives, in the shape of std's map entries |
//! | `send_fn` | async closures whose futures are `Send` |
//! | `guard` | `Turn`, `Vacancy`, `Closing`: the type of the guard is the phase |
//! | `hold` | what each guard is built on |
//! | `shards` | all parts of the map; no newcomer any more |
//! | `scan` | every slot of a shard, in steps |
//! | `shard` | the map lock; how slots come into the map, are replaced, and leave it |
//! | `common` | what all shards share |
//! | `lru` | which idle session was used least recently |
//! | `transitions`, `outcome`, `slot` | the state machine of one key; what it answers; the slot lock, with the tables of states |
//! | `line`, `leaves`, `status` | who waits; what anyone may know without the lock |
//! | `wake`, `woken`, `clock`, `key`, `error` | waking and waiting; which of many waits was woken; time; how keys are looked up; refusals |
//! | `sync` | the one screen that differs between what ships and what is checked |
//!
//! Deliberately absent from the core: `unsafe`; a task or thread of its own; a time that is not the [`Clock`]'s (but the deadline of
//! [`Enter::wait_timeout`]); a lock held across a turn, a start, a close or a wait; user code under a lock (but [`ToKey::is_key`],
//! under a map lock); a word that the turns of all sessions write.
#![forbid(unsafe_code)]
// Says of each item which feature brings it, where the documentation is built for its host.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod clock;
mod common;
mod drain;
mod enter;
mod entry;
mod error;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hold;
mod idle;
mod invariants;
mod key;
mod leaves;
mod line;
mod look;
#[cfg_attr(not(feature = "tokio"), allow(dead_code))] // the manager alone asks for it
mod lru;
#[cfg(feature = "tokio")]
mod manager;
mod observed;
mod outcome;
#[cfg(all(feature = "pi", unix))]
pub mod pi;
mod reach;
mod registry;
mod scan;
mod send_fn;
mod shard;
mod shards;
mod slot;
mod status;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod transitions;
mod wake;
mod woken;

pub use builder::Builder;
pub use clock::{Clock, ClockHand, Tick};
pub use drain::Drain;
pub use enter::Enter;
pub use entry::Entry;
pub use error::{EnterError, Moved, ReplaceError, TryEnterError, WaitError};
pub use guard::{Closing, Turn, Vacancy};
pub use idle::{ClaimIdle, Sweep};
pub use key::ToKey;
#[cfg(feature = "tokio")]
pub use manager::{
    Agent, Backend, BuildError, DrainReport, Entering, ManagerBuilder, Missable, Outcome, Progress,
    SendError, Sending, SendingStream, SessionEvent, SessionManager, SessionStatus, SessionTurn,
    Skip, StopError, StopReason, Stopping, Subscription, SweepReport, Timeouts, TurnContext,
    TurnError, TurnOptions, WhenFull,
};
pub use observed::{Departure, Observed, Old, Replaced};
pub use registry::{DefaultHasher, Registry};
pub use send_fn::SendFnOnce;
pub use status::{Incarnation, Phase, Status, Ticket};
