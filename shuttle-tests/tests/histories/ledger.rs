//! What the histories know of their sessions: who lives, who is held, what was written last. Plain std, invisible to the
//! scheduler, so that the book-keeping adds no schedules of its own.
//!
//! These assertions stand beside the sequential model: they also say what becomes of a session while nobody calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use turnwise::{Incarnation, Ticket};

pub(crate) use crate::steps::Key;

/// May a key have more than one session for a while? With `replace` and `remove` it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lives {
    /// C2: from the beginning of a start to the end of the close.
    One,
    /// The superseded ones beside the current.
    Many,
}

/// The book.
#[derive(Debug)]
pub(crate) struct Ledger {
    lives: Lives,
    /// Nobody goes ahead of the line.
    one_lane: bool,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    born: usize,
    died: usize,
    alive: BTreeMap<Key, usize>,
    /// The incarnations that somebody holds now.
    held: BTreeSet<(Key, u64)>,
    /// The last ticket that was seen to be granted.
    granted: BTreeMap<Key, u64>,
}

impl Ledger {
    /// An empty book.
    pub(crate) fn new(lives: Lives, one_lane: bool) -> Arc<Self> {
        Arc::new(Self {
            lives,
            one_lane,
            book: Mutex::default(),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // An assertion that failed while this was locked has ended the run; nobody reads on.
        self.book.lock().expect("no assertion has failed yet")
    }

    /// Begins a start: the session lives from here on.
    pub(crate) fn start(self: &Arc<Self>, key: Key) -> Session {
        let mut book = self.book();
        book.born += 1;
        let id = u32::try_from(book.born).expect("histories are short");
        let alive = book.alive.entry(key).or_default();
        *alive += 1;
        let alive = *alive;
        drop(book);
        if self.lives == Lives::One {
            assert_eq!(alive, 1, "C2: {alive} sessions of key {key} live at once");
        }
        let session = Session {
            id,
            key,
            ledger: Arc::clone(self),
            written: 0,
            spoiled: false,
            read: Mutex::new(0),
        };
        step();
        session
    }

    /// Somebody holds this incarnation from here on, until the returned mark is dropped.
    pub(crate) fn hold(
        self: &Arc<Self>,
        key: Key,
        incarnation: Incarnation,
        ticket: Ticket,
    ) -> Held {
        let (incarnation, ticket) = (incarnation.get(), ticket.get());
        let mut book = self.book();
        let new = book.held.insert((key, incarnation));
        let others = book.held.range((key, 0)..=(key, u64::MAX)).count() - 1;
        let last = book.granted.insert(key, ticket).unwrap_or(0);
        drop(book);
        assert!(
            new,
            "C1: incarnation {incarnation} of key {key} is held twice"
        );
        if self.lives == Lives::One {
            assert_eq!(others, 0, "C1: {others} others hold key {key}");
            // Equal: a turn, its close and what is started after it are one stay at the head of the line.
            assert!(
                last <= ticket || !self.one_lane,
                "C3: ticket {ticket} of key {key} after {last}"
            );
        }
        Held {
            ledger: Arc::clone(self),
            key,
            incarnation,
        }
    }

    /// C12, at rest: `resting` sessions are in the map, all others have been dropped, and nobody holds anything.
    pub(crate) fn at_rest(&self, resting: usize) {
        let book = self.book();
        let (born, died, held) = (book.born, book.died, book.held.len());
        drop(book);
        assert_eq!(held, 0, "somebody still holds something");
        assert_eq!(
            born,
            died + resting,
            "C12: {born} started, {died} ended, {resting} rest"
        );
    }
}

/// A session that is counted, and that is its holder's alone.
#[derive(Debug)]
pub(crate) struct Session {
    id: u32,
    key: Key,
    ledger: Arc<Ledger>,
    written: u64,
    read: Mutex<u64>,
    spoiled: bool,
}

impl Session {
    /// Which of all sessions of the history it is.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// One turn: what it writes the next one reads, and nobody comes between.
    pub(crate) fn work(&mut self) {
        assert!(
            !self.spoiled,
            "C2: a session that a panic left half-changed was handed on"
        );
        assert_eq!(
            self.written,
            *self.read(),
            "C1: the last turn's work is not seen"
        );
        self.written += 1;
        step();
        *self.read() += 1;
        assert_eq!(
            self.written,
            *self.read(),
            "C1: somebody else worked at the same time"
        );
    }

    /// A panic comes in the middle of a turn.
    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }

    fn read(&self) -> MutexGuard<'_, u64> {
        self.read.lock().expect("no assertion has failed yet")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // An end takes time too. Under a lock this step would be a deadlock in some schedule.
        step();
        // A run that has failed is being taken down; a second panic would hide the first.
        if let Ok(mut book) = self.ledger.book.lock() {
            book.died += 1;
            *book.alive.entry(self.key).or_default() -= 1;
        }
    }
}

/// An incarnation is held while this lives.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Ledger>,
    key: Key,
    incarnation: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut book) = self.ledger.book.lock() {
            book.held.remove(&(self.key, self.incarnation));
        }
    }
}

/// Lets the scheduler choose somebody else.
pub(crate) fn step() {
    shuttle::thread::yield_now();
}
