//! For tests of programs that embed the manager. Your backend misbehaves on demand, and a ledger records and checks each call
//! of it.
//!
//! [`Scripted::around`] wraps your backend and returns its [`Script`]. An [`Act`] makes the next call of one method fail, hang,
//! panic, take time or wait at a [`Gate`]. A call without an act passes to your backend. The [`Ledger`] lists all calls, and
//! its assertions check that each session was used by one call at a time, and was stopped once.
//!
//! ```
//! use std::{io, time::Duration};
//! use turnwise::testing::{Act, End, Method, Scripted};
//! use turnwise::{Backend, SessionManager, TurnContext, manager::{SessionTurn, TurnError}};
//!
//! struct Plain;
//!
//! impl Backend for Plain {
//!     type Key = String;
//!     type Session = u32;
//!     type Handle = ();
//!     type Event = ();
//!     type Error = io::Error;
//!
//!     async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> io::Result<(u32, ())> {
//!         Ok((7, ()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (scripted, script) = Scripted::around(Plain);
//! let sessions = SessionManager::builder(scripted).build()?;
//!
//! script.on(Method::Start, Act::hang());
//! assert!(matches!(sessions.turn("a").await, Err(TurnError::StartTimedOut)));
//! let turn = sessions.turn("a").await?; // what hung left nothing behind
//! assert_eq!(**turn, 7);
//! SessionTurn::done(turn);
//!
//! script.on(Method::Stop, Act::fail(io::Error::other("it will not go")));
//! let report = sessions.shutdown(Duration::ZERO).await;
//! assert_eq!(report.failed.len(), 1);
//!
//! let calls = script.ledger().record();
//! let ends: Vec<_> = calls.iter().map(|call| (call.method, call.end)).collect();
//! assert_eq!(ends, [
//!     (Method::Start, Some(End::CutShort)),
//!     (Method::StartAbandoned, Some(End::Passed)),
//!     (Method::Start, Some(End::Passed)),
//!     (Method::Stop, Some(End::Failed)),
//! ]);
//! script.assert_played();
//! script.ledger().assert_balanced();
//! # Ok(()) }
//! ```
//!
//! [`every_cancel_point`] drops a future of yours at each point at which it can be cancelled.
//!
//! Each module uses only those below it in this table.
//!
//! | module | its one idea |
//! |---|---|
//! | `scripted` | the backend, and the script that it plays |
//! | `cancel` | a future that is dropped at each point at which it can be |
//! | `act` | what one call does |
//! | `ledger` | the record of all calls, and its rules |
//! | `record` | one call |
//! | `context` | a context for a backend without a manager |
//! | `watch` | state with a wait for its changes |
//!
//! **Locks.** The ledger has one, the queue of acts has one, and each gate has one. All are leaves. No checker sees them, and
//! nothing is awaited under one. The closure of [`Ledger::until`] runs, and keys are compared and cloned, under the ledger's.

mod act;
mod cancel;
mod context;
mod ledger;
mod record;
mod scripted;
mod watch;

pub use act::{Act, Gate};
pub use cancel::every_cancel_point;
pub use context::context;
pub use ledger::{InTurn, Ledger};
pub use record::{Call, End, Method};
pub use scripted::{Script, Scripted, ScriptedSession};
