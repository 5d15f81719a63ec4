//! Documents that are lent by a store, each to one session at a time, and written back when the session is stopped.
//!
//! Nothing here knows of its tests: `tests/desk.rs` runs it on tokio, `shuttle/tests/schedules.rs` in random schedules.

use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use turnwise::{Agent, Backend, TurnContext, manager::StopReason};

/// Where documents are kept.
#[derive(Debug, Default)]
pub struct Store(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    lines: HashMap<String, Vec<String>>,
    lent: HashSet<String>,
}

impl Store {
    /// The lines of a document, as they were written back last.
    pub fn read(&self, name: &str) -> Vec<String> {
        self.0.lock().lines.get(name).cloned().unwrap_or_default()
    }

    /// The documents that somebody has.
    pub fn lent(&self) -> usize {
        self.0.lock().lent.len()
    }

    fn lend(store: &Arc<Self>, name: &str) -> Result<Loan, Lent> {
        if !store.0.lock().lent.insert(name.to_owned()) {
            return Err(Lent(name.to_owned()));
        }
        Ok(Loan {
            store: Arc::clone(store),
            name: name.to_owned(),
        })
    }
}

/// Given back by its drop: a start or a stop that is cut short leaves nothing behind.
#[derive(Debug)]
struct Loan {
    store: Arc<Store>,
    name: String,
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.store.0.lock().lent.remove(&self.name);
    }
}

/// Somebody else has this document.
#[derive(Debug, PartialEq, Eq)]
pub struct Lent(pub String);

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is lent to somebody else", self.0)
    }
}

impl Error for Lent {}

/// The backend.
#[derive(Debug)]
pub struct Desk(pub Arc<Store>);

/// A document that is written.
#[derive(Debug)]
pub struct Draft {
    lines: Vec<String>,
    loan: Loan,
}

impl Backend for Desk {
    type Key = String;
    type Session = Draft;
    type Handle = ();
    type Event = Infallible;
    type Error = Lent;

    async fn start(
        &self,
        name: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Draft, ()), Lent> {
        let loan = Store::lend(&self.0, name)?;
        tokio::task::yield_now().await; // it is fetched
        let lines = self.0.read(name);
        Ok((Draft { lines, loan }, ()))
    }

    async fn stop(&self, name: &String, draft: Draft, _: StopReason) -> Result<(), Lent> {
        let Draft { lines, loan } = draft;
        tokio::task::yield_now().await; // it is carried back
        self.0.0.lock().lines.insert(name.clone(), lines);
        drop(loan);
        Ok(())
    }
}

impl Agent for Desk {
    type Message = String;
    /// How many lines there are now; `None` if it was cancelled before its own was written.
    type Reply = Option<usize>;

    async fn send(
        &self,
        draft: &mut Draft,
        line: String,
        cx: &TurnContext<Infallible>,
    ) -> Result<Option<usize>, Lent> {
        tokio::task::yield_now().await; // it is spelled
        if cx.is_cancelled() {
            return Ok(None);
        }
        draft.lines.push(line);
        Ok(Some(draft.lines.len()))
    }
}
