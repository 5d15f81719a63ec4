//! The verified core: a concurrent map of exclusive sessions, without a runtime.
//!
//! Each module uses only those below it in this table, or to its right.
//!
//! | module | its one idea |
//! |---|---|
//! | `calls` | what users call |
//! | `guards` | what those calls return: a position in the queue, a turn, a vacancy |
//! | `map` | the shards, their map locks, and scans over their slots |
//! | `slot` | the state machine of one key, under its slot lock |
//! | `wake`, `woken`, `clock`, `hasher`, `key`, `error` | waking and waiting; which of many waits was woken; time; how keys are hashed and looked up; errors |
//!
//! The core has no `unsafe` and no task or thread of its own. It takes time only from the [`Clock`], except the deadline of
//! [`Enter::wait_timeout`]. No lock is held across a turn, a start, a close or a wait. No user code runs under a lock, except
//! [`ToKey::is_key`] under a map lock. No word is written by the turns of all sessions.

pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod guards;
pub(crate) mod hasher;
pub(crate) mod key;
pub(crate) mod map;
pub(crate) mod slot;
pub(crate) mod wake;
pub(crate) mod woken;

pub use self::{
    calls::{
        builder::Builder,
        drain::Drain,
        idle::{ClaimIdle, Sweep},
        registry::Registry,
    },
    clock::{Clock, ClockHand, Tick},
    error::{EnterError, Moved, ReplaceError, TryEnterError, WaitError},
    guards::{
        enter::Enter,
        entry::Entry,
        guard::{Closing, Turn, Vacancy},
        keep::KeepAlive,
        observed::{Observed, Old, Released, Replaced},
        send_fn::SendFnOnce,
    },
    hasher::{DefaultHasher, KeyHasher},
    key::ToKey,
    slot::{
        number::{Incarnation, InvalidNumber, Ticket},
        status::{Phase, Status},
    },
};
