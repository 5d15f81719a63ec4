//! The table of states and calls: what each call returns, and what it does to another call in every state of that call.
//!
//! `expected` is the table. A missing cell does not compile. A wrong cell fails here. The table in the docs of `manager` is
//! compared with it.

mod scene;

use std::fmt::Write as _;

use scene::Scene;

/// The state of the call, or of its session, when another call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Idle,
    Queued,
    Granted,
    Taken,
    Owner,
    Room,
    Starting,
    Health,
    Renewing,
    Message,
    Sends,
    Closure,
    Plain,
    Dirty,
    Stopping,
}

/// The other call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    AbortTicket,
    Abort,
    Drop,
    Dismiss,
    Stop,
    Restart,
    Shutdown,
    ShutdownNow,
    Status,
    Listen,
}

const STATES: [(State, &str); 16] = [
    (State::Absent, "no session"),
    (State::Idle, "idle"),
    (State::Queued, "queued"),
    (State::Granted, "granted, not polled"),
    (State::Taken, "turn taken at once, not polled"),
    (State::Owner, "starting, acquiring its key"),
    (State::Room, "starting, waiting for room"),
    (State::Starting, "starting"),
    (State::Health, "health check"),
    (State::Renewing, "stopping an unhealthy session"),
    (State::Message, "message running"),
    (State::Sends, "waiting in `send`"),
    (State::Closure, "closure running"),
    (State::Plain, "plain turn held, session not borrowed"),
    (State::Dirty, "ended, dirty session stopping"),
    (State::Stopping, "stopped by another call"),
];

const OTHERS: [(Other, &str); 10] = [
    (Other::AbortTicket, "`abort(ticket)`"),
    (Other::Abort, "`abort(None)`"),
    (Other::Drop, "drop"),
    (Other::Dismiss, "`dismiss`"),
    (Other::Stop, "`stop`"),
    (Other::Restart, "`restart`"),
    (Other::Shutdown, "`shutdown`, before its deadline"),
    (Other::ShutdownNow, "`shutdown`, after its deadline"),
    (Other::Status, "`status`"),
    (Other::Listen, "`listen`"),
];

/// What the other call returns; then what becomes of the call: at once, or when the step that it waits for has ended.
#[rustfmt::skip]
fn expected(state: State, other: Other) -> &'static str {
    use {Other as O, State as S};
    match (state, other) {
        (S::Absent | S::Idle, O::AbortTicket | O::Abort) => "false",
        (S::Absent | S::Idle | S::Stopping | S::Dirty, O::Drop) => "-",
        (S::Absent | S::Idle | S::Stopping | S::Dirty, O::Dismiss) => "0",
        (S::Absent, O::Stop) => "false",
        (S::Idle, O::Stop) => "true",
        (S::Absent | S::Idle | S::Stopping | S::Dirty, O::Restart) => "its turn",
        (S::Absent, O::Shutdown | O::ShutdownNow) => "not reported",
        (S::Idle | S::Stopping | S::Dirty, O::Shutdown | O::ShutdownNow) => "stopped",
        (S::Absent, O::Status) => "none",
        (S::Idle, O::Status) => "Idle",
        (S::Absent | S::Idle | S::Stopping | S::Dirty, O::Listen) => "-",

        (S::Queued | S::Granted | S::Taken, O::AbortTicket) => "true; `Aborted` at once, message returned",
        (S::Granted | S::Taken, O::Abort) => "true; `Aborted` at once, message returned",
        (S::Queued, O::Abort) => "true, cancels the turn before it; reply",
        (S::Queued, O::Drop) => "leaves the queue at once",
        (S::Granted, O::Drop) => "idle at once",
        (S::Taken, O::Drop) => "idle once its task runs",
        (S::Queued, O::Dismiss) => "1; `Dismissed` at once, message returned",
        (S::Granted | S::Taken, O::Dismiss) => "0; reply",
        (S::Queued, O::Stop) => "true; reply from the next session",
        (S::Granted | S::Taken, O::Stop) => "true; `Aborted` at once, message returned",
        (S::Queued | S::Granted | S::Taken, O::Restart) => "its turn; reply",
        (S::Queued | S::Granted, O::Shutdown | O::ShutdownNow) => "stopped; `Closed` at once, message returned",
        (S::Taken, O::Shutdown) => "stopped; reply",
        (S::Taken, O::ShutdownNow) => "stopped; `Aborted` at once, message returned",
        (S::Queued, O::Status) => "Busy, 1 waiting; reply",
        (S::Granted | S::Taken, O::Status) => "Busy, with its ticket; reply",
        (S::Queued | S::Granted | S::Taken, O::Listen) => "all events; reply",

        (S::Owner | S::Room, O::AbortTicket | O::Abort) => "true; `Aborted` at once, message returned",
        (S::Owner | S::Room, O::Drop) => "leaves at once",
        (S::Owner | S::Room, O::Dismiss) => "0; reply",
        (S::Owner | S::Room, O::Stop) => "false; `Aborted` at once, message returned",
        (S::Owner | S::Room, O::Restart) => "its turn; reply",
        (S::Owner | S::Room, O::Shutdown | O::ShutdownNow) => "not reported; `Closed` at once, message returned",
        (S::Owner | S::Room, O::Status) => "Starting, with its ticket; reply",
        (S::Owner | S::Room, O::Listen) => "all events; reply",

        (S::Starting, O::AbortTicket | O::Abort) => "true, start cut short; `Aborted` at once, message returned",
        (S::Health | S::Renewing, O::AbortTicket | O::Abort) => "true; `Aborted` at once, message returned",
        (S::Starting | S::Health, O::Drop) => "goes on, for the next caller",
        (S::Renewing, O::Drop) => "the stop goes on",
        (S::Starting | S::Health | S::Renewing, O::Dismiss) => "0; reply",
        (S::Starting, O::Stop) => "false, start cut short; `Aborted` at once, message returned",
        (S::Health, O::Stop) => "true; `Aborted` at once, message returned",
        (S::Renewing, O::Stop) => "false; `Aborted` at once, message returned",
        (S::Starting | S::Health | S::Renewing, O::Restart) => "its turn; reply",
        (S::Starting | S::Health | S::Renewing, O::Shutdown) => "stopped; reply",
        (S::Starting, O::ShutdownNow) => "not reported, start cut short; `Aborted` at once, message returned",
        (S::Health | S::Renewing, O::ShutdownNow) => "stopped; `Aborted` at once, message returned",
        (S::Starting, O::Status) => "Starting, with its ticket; reply",
        (S::Health, O::Status) => "Busy, with its ticket; reply",
        (S::Renewing, O::Status) => "Closing, with its ticket; reply",
        (S::Starting | S::Health | S::Renewing, O::Listen) => "all events; reply",

        (S::Message, O::AbortTicket | O::Abort) => "true; cancelled, `Aborted`",
        (S::Sends, O::AbortTicket | O::Abort | O::Stop) => "true; woken at once, `Aborted`",
        (S::Sends, O::ShutdownNow) => "stopped; woken at once, `Aborted`",
        (S::Message | S::Sends, O::Drop) => "cancelled",
        (S::Message | S::Sends, O::Dismiss) => "0; reply",
        (S::Message, O::Stop) => "true; cancelled, `Aborted`",
        (S::Message | S::Sends, O::Restart) => "its turn; reply",
        (S::Message | S::Sends, O::Shutdown) => "stopped; reply",
        (S::Message, O::ShutdownNow) => "stopped; cancelled, `Aborted`",
        (S::Message | S::Sends, O::Status) => "Busy, with its ticket; reply",
        (S::Message, O::Listen) => "later events; reply",
        (S::Sends, O::Listen) => "the event that waits, and later ones; reply",

        (S::Closure, O::AbortTicket | O::Abort) => "true; `Aborted` after `Timeouts::abort`",
        (S::Closure, O::Drop) => "session dirty",
        (S::Closure, O::Dismiss) => "0; value",
        (S::Closure, O::Stop) => "false, session dirty; `Aborted` after `Timeouts::abort`",
        (S::Closure, O::Restart) => "its turn; value",
        (S::Closure, O::Shutdown) => "stopped; value",
        (S::Closure, O::ShutdownNow) => "stopped; `Aborted` after `Timeouts::abort`",
        (S::Closure, O::Status) => "Busy, with its ticket; value",
        (S::Closure, O::Listen) => "no events; value",

        (S::Plain, O::AbortTicket | O::Abort) => "true; cancelled, ends when dropped",
        (S::Plain, O::Drop) => "idle at once",
        (S::Plain, O::Dismiss) => "0; goes on",
        (S::Plain, O::Stop) => "true; cancelled, ends when dropped",
        (S::Plain, O::Restart) => "its turn; goes on",
        (S::Plain, O::Shutdown) => "stopped; goes on",
        (S::Plain, O::ShutdownNow) => "stopped; cancelled, ends when dropped",
        (S::Plain, O::Status) => "Busy, with its ticket; goes on",
        (S::Plain, O::Listen) => "no events; goes on",

        (S::Dirty | S::Stopping, O::AbortTicket | O::Abort) => "false",
        (S::Dirty, O::Stop) => "false",
        (S::Stopping, O::Stop) => "true, joins that stop",
        (S::Dirty | S::Stopping, O::Status) => "Closing",
    }
}

/// A call that is made between two turns, in a start, in a health check or in a stop reaches the call that is there.
#[tokio::test(start_paused = true)]
async fn every_call_reaches_a_turn_in_every_state() {
    let mut wrong = String::new();
    for (state, name) in STATES {
        for (other, call) in OTHERS {
            println!("{name}, {call}"); // should this cell panic
            let scene = Scene::new(state).await;
            let (is, expected) = (scene.play(state, other).await, expected(state, other));
            if is != expected {
                let _ = writeln!(wrong, "{name}, {call}: got {is:?}, expected {expected:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The table in the docs is this one.
#[test]
fn the_table_of_the_docs_is_this_one() {
    let mut table = String::from("//! | |");
    let rows = |table: &mut String, cells: &mut dyn Iterator<Item = &str>| {
        cells.for_each(|cell| table.extend([" ", cell, " |"]));
        table.push('\n');
    };
    rows(&mut table, &mut OTHERS.iter().map(|(_, name)| *name));
    table.push_str("//! |---|");
    table.push_str(&"---|".repeat(OTHERS.len()));
    table.push('\n');
    for (state, name) in STATES {
        let _ = write!(table, "//! | {name} |");
        rows(
            &mut table,
            &mut OTHERS.iter().map(|(other, _)| expected(state, *other)),
        );
    }
    let docs = include_str!("../../../src/manager/mod.rs");
    assert!(
        docs.contains(&table),
        "the table in src/manager/mod.rs should be:\n{table}"
    );
}
