//! What happened, and whether it adds up.

use crate::agent::{KEYS, Mishap};
use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};
use turnwise::manager::{SendError, TurnError};

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) sent: Count,
    pub(crate) swept: Count,
    pub(crate) skipped_busy: Count,
    delivered: Count,
    replies: Count,
    refused: Count,
    aborted: Count,
    agent_failed: Count,
    starts: Count,
    starts_failed: Count,
    starts_abandoned: Count,
    sessions: Count,
    stops: Count,
    stops_done: Count,
    /// What must never be.
    wrong: Count,
    /// By key: from the beginning of a start to the end of a stop.
    live: Vec<AtomicBool>,
    /// By key: the last message that a session has heard.
    last: Vec<AtomicU64>,
}

impl Default for Books {
    fn default() -> Self {
        let zero = Count::default;
        Self {
            sent: zero(),
            swept: zero(),
            skipped_busy: zero(),
            delivered: zero(),
            replies: zero(),
            refused: zero(),
            aborted: zero(),
            agent_failed: zero(),
            starts: zero(),
            starts_failed: zero(),
            starts_abandoned: zero(),
            sessions: zero(),
            stops: zero(),
            stops_done: zero(),
            wrong: zero(),
            live: (0..KEYS).map(|_| AtomicBool::new(false)).collect(),
            last: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// A stop that has begun. However it ends, its session is gone then.
pub(crate) struct Stop<'a> {
    books: &'a Books,
    key: usize,
}

impl Stop<'_> {
    pub(crate) fn done(&self) {
        self.books.stops_done.add(1);
    }
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.books.gone(self.key);
    }
}

impl Books {
    fn never(&self, wrong: bool, what: &str) {
        if wrong {
            self.wrong.add(1);
            eprintln!("never: {what}");
        }
    }

    fn gone(&self, key: usize) {
        let was = self.live[key].swap(false, SeqCst);
        self.never(!was, "a session ended that was not there");
    }

    pub(crate) fn start_begins(&self, key: usize) {
        self.starts.add(1);
        let was = self.live[key].swap(true, SeqCst);
        self.never(was, "two sessions of one key");
    }

    pub(crate) fn start_failed(&self, key: usize) {
        self.starts_failed.add(1);
        self.gone(key);
    }

    pub(crate) fn start_abandoned(&self, key: usize) {
        self.starts_abandoned.add(1);
        self.gone(key);
    }

    pub(crate) fn started(&self, key: usize) {
        self.sessions.add(1);
        self.never(
            !self.live[key].load(SeqCst),
            "a start ended that had not begun",
        );
    }

    pub(crate) fn stop_begins(&self, key: usize, session: usize) -> Stop<'_> {
        self.stops.add(1);
        self.never(key != session, "another key's session was stopped");
        Stop { books: self, key }
    }

    pub(crate) fn delivered(&self, key: usize, message: u64) {
        self.delivered.add(1);
        let last = self.last[key].swap(message, SeqCst);
        self.never(
            last >= message,
            "a message came twice, or before an earlier one",
        );
    }

    pub(crate) fn heard(
        &self,
        key: usize,
        number: u64,
        end: &Result<(usize, u64), SendError<u64, Mishap>>,
    ) {
        match end {
            Ok(reply) => {
                self.replies.add(1);
                self.never(*reply != (key, number), "an answer to another message");
            }
            Err(SendError {
                message: Some(back),
                ..
            }) => {
                self.refused.add(1);
                self.never(*back != number, "another message came back");
                self.never(
                    self.last[key].load(SeqCst) == number,
                    "a delivered message came back",
                );
            }
            Err(SendError {
                error: TurnError::Agent(_),
                ..
            }) => self.agent_failed.add(1),
            Err(_) => self.aborted.add(1),
        }
    }

    pub(crate) fn balance(&self) -> Result<(), String> {
        let equal = |what: &str, left: u64, right: u64| {
            let message = format!("{what}: {left} and {right}");
            if left == right { Ok(()) } else { Err(message) }
        };
        equal("what must never be, and nothing", self.wrong.get(), 0)?;
        let ended = self.sessions.get() + self.starts_failed.get() + self.starts_abandoned.get();
        equal("starts, and their ends", self.starts.get(), ended)?;
        equal("sessions, and stops", self.sessions.get(), self.stops.get())?;
        let live = self.live.iter().filter(|live| live.load(SeqCst)).count();
        equal("sessions that live on, and none", live as u64, 0)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = Count::get;
        writeln!(
            f,
            "  messages: {} sent, {} delivered, {} answered, {} refused and handed back, {} cut or cancelled, {} failed",
            n(&self.sent),
            n(&self.delivered),
            n(&self.replies),
            n(&self.refused),
            n(&self.aborted),
            n(&self.agent_failed),
        )?;
        writeln!(
            f,
            "  starts: {}, of which {} failed and {} were abandoned; sessions: {}",
            n(&self.starts),
            n(&self.starts_failed),
            n(&self.starts_abandoned),
            n(&self.sessions),
        )?;
        write!(
            f,
            "  stops: {}, of which {} came to their end; sweeps by hand: {} stopped, {} passed over as busy",
            n(&self.stops),
            n(&self.stops_done),
            n(&self.swept),
            n(&self.skipped_busy),
        )
    }
}
