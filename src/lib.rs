#![doc = include_str!("../README.md")]
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table, and in the table of each folder.
//!
//! | module | its one idea |
//! |---|---|
//! | `guide` | how to use the crate, at length |
//! | `testing` (feature `testing`) | a scripted backend and its ledger, for the tests of programs that embed the manager |
//! | [`manager`] (feature `tokio`) | the session manager: starts, checks and stops sessions |
//! | `registry` | the verified core: one turn at a time for every session |
//! | `sync` | the one screen that differs between what ships and what is checked |
#![forbid(unsafe_code)]
// Says of each item which feature brings it, where the documentation is built for its host.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "tokio")]
pub mod manager;
mod registry;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "tokio")]
pub use manager::{Agent, Backend, SessionManager, TurnContext};
pub use registry::{
    Builder, ClaimIdle, Clock, ClockHand, Closing, DefaultHasher, Drain, Enter, EnterError, Entry,
    Incarnation, Moved, Observed, Old, Phase, Registry, Released, ReplaceError, Replaced,
    SendFnOnce, Status, Sweep, Tick, Ticket, ToKey, TryEnterError, Turn, Vacancy, WaitError,
};
