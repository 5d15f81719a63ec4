//! What a program needs to test its own backend under the manager: a backend that misbehaves on demand, and a record of
//! what it was asked to do.
//!
//! [`Scripted::around`] wraps a backend and gives a [`Script`], the hand that plays it. A call for which nothing is queued
//! passes to the backend; an [`Act`] makes the next call of one method fail, hang or panic, or wait before a [`Gate`].
//!
//! ```
//! use std::{io, time::Duration};
//! use turnwise::testing::{Act, End, Method, Scripted};
//! use turnwise::{Backend, Incarnation, SessionManager, manager::TurnError};
//!
//! struct Plain;
//!
//! impl Backend for Plain {
//!     type Key = String;
//!     type Session = u32;
//!     type Error = io::Error;
//!
//!     async fn start(&self, _: &String, _: Incarnation) -> io::Result<u32> {
//!         Ok(7)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (scripted, script) = Scripted::around(Plain);
//! let sessions = SessionManager::builder(scripted).build()?;
//!
//! script.on_start(Act::hang());
//! assert!(matches!(sessions.turn("a").await, Err(TurnError::StartTimedOut)));
//! assert_eq!(**sessions.turn("a").await?, 7); // what hung left nothing behind
//!
//! script.on_stop(Act::fail(io::Error::other("it will not go")));
//! let report = sessions.shutdown(Duration::ZERO).await;
//! assert_eq!(report.failed.len(), 1);
//!
//! let ends: Vec<_> = script.record().iter().map(|call| (call.method, call.end)).collect();
//! assert_eq!(ends, [
//!     (Method::Start, Some(End::CutShort)),
//!     (Method::StartAbandoned, Some(End::Passed)),
//!     (Method::Start, Some(End::Passed)),
//!     (Method::Stop, Some(End::Failed)),
//! ]);
//! script.assert_played();
//! script.assert_never_two();
//! # Ok(()) }
//! ```
//!
//! Top down: each module knows those below it, and none above.
//!
//! | module | its one idea |
//! |---|---|
//! | `scripted` | the backend, and the hand that plays it |
//! | `act` | what one call does |
//! | `record` | what was called, how it ended, and what must never be |
//! | `watch` | state that may be waited for |
//!
//! **Locks.** One of the record, one of the queue, one of each gate. All are leaves, and nothing is awaited under one. Under
//! that of the record a closure of [`Script::until`] runs, and keys are compared and cloned: neither may play the script.

mod act;
mod record;
mod scripted;
mod watch;

pub use act::{Act, Gate, Unhealthy};
pub use record::{Call, End, Method};
pub use scripted::{Script, Scripted, ScriptedSession};
