//! The session manager: the registry, and the knowledge how to start, check and stop a session.
//!
//! Top down, and in a row from left to right: each module knows those after it, and none before.
//!
//! | module | its one idea |
//! |---|---|
//! | `calls` | what users call |
//! | `call` | how a call gets its turn and uses it |
//! | `end` | how sessions end |
//! | `look` | what a session is doing |
//! | `listen` | the partial output of sessions |
//! | `shared` | what all tasks of one manager share |
//! | `settings` | timeouts, limits, options |
//! | `ending` | how far a shutdown is, and what became of each session |
//! | `report` | what the manager reports: to the log, as values, to subscribers |
//! | `backend` | what a user implements |
//! | `reach` | how one call reaches another: the switch that cancels it |
//! | `error`, `bell`, `run`, `text` | errors; waiting for a change; running user code; bounded and escaped text |
//!
//! **Locks.** The manager's own locks (a switch, a call's answer, a bell, a queue, the listeners, the ending) are leaves: under one of
//! them no other is taken, but that of a key's listeners under that of its part of all keys; nothing is awaited, nobody is
//! woken, and of user code only `Eq`, `Hash`, `Clone` and the drop of keys run.
//!
//! **What must not be cut short** (a start, a look at health, a stop) runs in a task that owns the slot's guard; a caller
//! that goes away only stops waiting.
//!
//! **Every call reaches a turn in every state.** A call leaves a handle in the registry in the critical section in which
//! it takes its place, and another call finds it there by its ticket, whatever has become of it. The columns are what the other
//! call answers, and then what becomes of the call. `tests/manager/table` has this table, and runs each cell.
//!
//! | | `abort(ticket)` | `abort(None)` | its drop | `dismiss` | `stop` | `restart` | `shutdown`, begun | `shutdown`, deadline | `status` | `listen` |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | no session | false | false | - | 0 | false | its turn | nothing | nothing | none | - |
//! | idle | false | false | - | 0 | true | its turn | stopped | stopped | Idle | - |
//! | queued | true; `Aborted` at once, message back | true, the turn before it; reply | leaves at once | 1; `Dismissed` at once, message back | true; reply of the next session | its turn; reply | stopped; `Closed` at once, message back | stopped; `Closed` at once, message back | Busy, 1 waits; reply | all of it; reply |
//! | granted, not polled | true; `Aborted` at once, message back | true; `Aborted` at once, message back | idle at once | 0; reply | true; `Aborted` at once, message back | its turn; reply | stopped; `Closed` at once, message back | stopped; `Closed` at once, message back | Busy, of its ticket; reply | all of it; reply |
//! | taken in the call, not polled | true; `Aborted` at once, message back | true; `Aborted` at once, message back | idle when its task runs | 0; reply | true; `Aborted` at once, message back | its turn; reply | stopped; reply | stopped; `Aborted` at once, message back | Busy, of its ticket; reply | all of it; reply |
//! | starting | true; `Aborted` after it, message back | true; `Aborted` after it, message back | goes on for the next | 0; reply | true; `Aborted` after it, message back | its turn; reply | stopped; reply | stopped; `Aborted` after it, message back | Starting, of its ticket; reply | all of it; reply |
//! | health check | true; `Aborted` after it, message back | true; `Aborted` after it, message back | goes on for the next | 0; reply | true; `Aborted` after it, message back | its turn; reply | stopped; reply | stopped; `Aborted` after it, message back | Busy, of its ticket; reply | all of it; reply |
//! | stop of an unhealthy session | true; `Aborted` after it, message back | true; `Aborted` after it, message back | the stop goes on | 0; reply | false; `Aborted` after it, message back | its turn; reply | stopped; reply | stopped; `Aborted` after it, message back | Closing, of its ticket; reply | all of it; reply |
//! | message running | true; cancelled, `Aborted` | true; cancelled, `Aborted` | cancelled | 0; reply | true; cancelled, `Aborted` | its turn; reply | stopped; reply | stopped; cancelled, `Aborted` | Busy, of its ticket; reply | what follows; reply |
//! | closure running | true; `Aborted` after `Timeouts::abort` | true; `Aborted` after `Timeouts::abort` | dirty | 0; its value | false, it is dirty; `Aborted` after `Timeouts::abort` | its turn; its value | stopped; its value | stopped; `Aborted` after `Timeouts::abort` | Busy, of its ticket; its value | nothing; its value |
//! | plain turn held | true; cancelled, ends when it is given back | true; cancelled, ends when it is given back | idle at once | 0; goes on | true; cancelled, ends when it is given back | its turn; goes on | stopped; goes on | stopped; cancelled, ends when it is given back | Busy, of its ticket; goes on | nothing; goes on |
//! | over, dirty session stopping | false | false | - | 0 | false | its turn | stopped | stopped | Closing | - |
//! | stop running | false | false | - | 0 | true, the same stop | its turn | stopped | stopped | Closing | - |

mod backend;
mod bell;
mod call;
mod calls;
mod end;
mod ending;
mod error;
mod listen;
mod look;
mod reach;
mod report;
pub(crate) mod run;
mod settings;
mod shared;
mod text;

pub use self::{
    backend::{Agent, Backend, StopReason, TurnContext},
    call::{
        sending::{Sending, SendingStream},
        turn::{Entering, SessionTurn},
    },
    calls::SessionManager,
    end::stop::Stopping,
    error::{SendError, StopError, TurnError},
    report::{
        events::{Subscription, Update},
        reports::{DrainReport, Outcome, SessionEvent, SessionStatus, Skip, SweepReport},
    },
    settings::{BuildError, ManagerBuilder, Timeouts, TurnOptions, WhenFull},
};
