//! The session manager on tokio: it starts, checks and stops sessions, and gives each to one caller at a time.
//!
//! | to | use |
//! |---|---|
//! | define how a session starts and stops | implement [`Backend`] |
//! | define how a session answers a message | implement [`Agent`] too; its page has a complete program |
//! | use the sessions | build a [`SessionManager`]; its page lists the calls |
//! | limit times, sessions, queues and memory | [`ManagerBuilder`] and [`Timeouts`]; for one call, [`TurnOptions`] |
//! | watch sessions | [`SessionStatus`], [`Subscription`], [`SessionEvent`] |
//! | reach a session, and keep it | [`Backend::Handle`], [`KeepAlive`] |
//! | let a session emit events, and end, by itself | [`SessionControl`] |
//! | share the keys with other processes | [`Ownership`] |
//! | handle errors | [`TurnError`], [`SendError`], [`StopError`] |
//!
//! # Calls and states
//!
//! Each row is a state of a call (a message, unless stated) or of its session. Each column is what another caller does in that state.
//! A cell has the result of that. After the semicolon it has the result of the call in the row. `Aborted` stands for an agent that does not
//! reply within `Timeouts::abort` of its cancellation. One that does delivers its reply.
//!
//! | | `abort(ticket)` | `abort(None)` | drop | `dismiss` | `stop` | `restart` | `shutdown`, before its deadline | `shutdown`, after its deadline | `status` | `listen` |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | no session | false | false | - | 0 | false | its turn | not reported | not reported | none | - |
//! | idle | false | false | - | 0 | true | its turn | stopped | stopped | Idle | - |
//! | queued | true; `Aborted` at once, message returned | true, cancels the turn before it; reply | leaves the queue at once | 1; `Dismissed` at once, message returned | true; reply from the next session | its turn; reply | stopped; `Closed` at once, message returned | stopped; `Closed` at once, message returned | Busy, 1 waiting; reply | all events; reply |
//! | granted, not polled | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | idle at once | 0; reply | true; `Aborted` at once, message returned | its turn; reply | stopped; `Closed` at once, message returned | stopped; `Closed` at once, message returned | Busy, with its ticket; reply | all events; reply |
//! | turn taken at once, not polled | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | idle once its task runs | 0; reply | true; `Aborted` at once, message returned | its turn; reply | stopped; reply | stopped; `Aborted` at once, message returned | Busy, with its ticket; reply | all events; reply |
//! | starting, acquiring its key | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | leaves at once | 0; reply | false; `Aborted` at once, message returned | its turn; reply | not reported; `Closed` at once, message returned | not reported; `Closed` at once, message returned | Starting, with its ticket; reply | all events; reply |
//! | starting, waiting for room | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | leaves at once | 0; reply | false; `Aborted` at once, message returned | its turn; reply | not reported; `Closed` at once, message returned | not reported; `Closed` at once, message returned | Starting, with its ticket; reply | all events; reply |
//! | starting | true, start cut short; `Aborted` at once, message returned | true, start cut short; `Aborted` at once, message returned | goes on, for the next caller | 0; reply | false, start cut short; `Aborted` at once, message returned | its turn; reply | stopped; reply | not reported, start cut short; `Aborted` at once, message returned | Starting, with its ticket; reply | all events; reply |
//! | health check | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | goes on, for the next caller | 0; reply | true; `Aborted` at once, message returned | its turn; reply | stopped; reply | stopped; `Aborted` at once, message returned | Busy, with its ticket; reply | all events; reply |
//! | stopping an unhealthy session | true; `Aborted` at once, message returned | true; `Aborted` at once, message returned | the stop goes on | 0; reply | false; `Aborted` at once, message returned | its turn; reply | stopped; reply | stopped; `Aborted` at once, message returned | Closing, with its ticket; reply | all events; reply |
//! | message running | true; cancelled, `Aborted` | true; cancelled, `Aborted` | cancelled | 0; reply | true; cancelled, `Aborted` | its turn; reply | stopped; reply | stopped; cancelled, `Aborted` | Busy, with its ticket; reply | later events; reply |
//! | waiting in `send` | true; woken at once, `Aborted` | true; woken at once, `Aborted` | cancelled | 0; reply | true; woken at once, `Aborted` | its turn; reply | stopped; reply | stopped; woken at once, `Aborted` | Busy, with its ticket; reply | the event that waits, and later ones; reply |
//! | closure running | true; `Aborted` after `Timeouts::abort` | true; `Aborted` after `Timeouts::abort` | session dirty | 0; value | false, session dirty; `Aborted` after `Timeouts::abort` | its turn; value | stopped; value | stopped; `Aborted` after `Timeouts::abort` | Busy, with its ticket; value | no events; value |
//! | plain turn held, session not borrowed | true; cancelled, ends when dropped | true; cancelled, ends when dropped | idle at once | 0; goes on | true; cancelled, ends when dropped | its turn; goes on | stopped; goes on | stopped; cancelled, ends when dropped | Busy, with its ticket; goes on | no events; goes on |
//! | ended, dirty session stopping | false | false | - | 0 | false | its turn | stopped | stopped | Closing | - |
//! | stopped by another call | false | false | - | 0 | true, joins that stop | its turn | stopped | stopped | Closing | - |
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table, and those to its right in its row.
//!
//! | module | its one idea |
//! |---|---|
//! | `control` | the calls of users that control and watch sessions |
//! | `calls` | the manager, and the calls of users that need a turn |
//! | `call` | how a call gets its turn and uses it |
//! | `end` | how sessions end |
//! | `look`, `keep` | the status of a session; the guard that keeps it alive |
//! | `circle` | which turn waits for which call, and whether that is a circle |
//! | `shared` | what all tasks of one manager share |
//! | `listen` | the partial output of sessions |
//! | `settings`, `options` | timeouts and limits; the options of one call |
//! | `ending` | the progress of a shutdown, and the end of each session |
//! | `report` | what the manager reports: log, values, subscriptions |
//! | `reach` | how one call reaches another: the handle of a call |
//! | `backend`, `context` | the traits that a user implements; the context of a start or a turn |
//! | `life` | what is known of one incarnation |
//! | `switch` | what cancels a call |
//! | `error`, `bell`, `run`, `text` | errors; waiting for a change; running user code; bounded and escaped text |
//! | `ownership` | how processes share keys |
//!
//! **Locks.** There is one in each switch, call's answer, bell, message, event queue, ring and hub, in the listeners and each of their parts,
//! and in the ending. While one is held, no other is taken, nothing is awaited, and no waker runs. The one exception: a hub is locked under its
//! part of the listeners. The only user code that runs under them is `Eq`, `Hash`, `Clone` and `Drop` of keys.
//!
//! **Tasks.** A start, a health check and a stop belong to the key. Each runs in a task that owns the slot's guard. A caller that goes
//! away, or is cancelled, only stops waiting for it. A start is cut short by a stop, by the deadline of a shutdown, and by an abort that
//! finds no other call waiting.
//!
//! **Reach.** A call stores a handle in the registry in the critical section that gives it its position. A plain turn of an idle session
//! stores none: the handle of the session stands for it. Other calls find the handle by its ticket, in every state. `tests/manager/table` runs each cell of the table above.
//!
//! **Size.** A task is copied several times when it is spawned, and an `async fn` stores each argument twice. So the functions that
//! the future of a message consists of return an `async` block, and what few calls reach is in a box.

#![allow(clippy::manual_async_fn)]

mod backend;
mod bell;
mod call;
mod calls;
mod circle;
pub(crate) mod context;
mod control;
mod end;
mod ending;
mod error;
mod keep;
pub(crate) mod life;
mod listen;
mod look;
mod options;
mod ownership;
mod reach;
mod report;
pub(crate) mod run;
mod settings;
mod shared;
pub(crate) mod switch;
mod text;

pub use self::{
    backend::{Agent, Backend, StopReason},
    call::{
        entering::Entering,
        sending::{Sending, SendingStream},
        turn::SessionTurn,
    },
    calls::SessionManager,
    context::{SessionControl, TurnContext},
    end::stop::Stopping,
    error::{Causes, SendError, StopError, TurnError},
    keep::KeepAlive,
    options::TurnOptions,
    ownership::{Acquiring, LossNotice, NotOwned, Owned, Ownership, Term},
    report::{
        events::Subscription,
        reports::{
            DrainReport, Outcome, QueuedCall, SessionEvent, SessionStatus, Skip, SweepReport,
        },
        ring::EventId,
        stats::{Refused, Stats, Stops, Turns},
        unread::Update,
    },
    settings::{BuildError, ManagerBuilder, Timeouts, WhenFull},
};
