//! What must hold of sessions and messages, whatever becomes of calls: at most one session of a key from the beginning of its
//! start to the end of its stop, each step of its life from where it may come, each message heard at most once and in order.
//! Plain std, invisible to the scheduler, so that the book-keeping adds no schedules of its own.

use crate::record::Recorder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use turnwise::manager::{DrainReport, StopReason};

pub(crate) type Key = u8;

/// Where the one session of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its start runs.
    Starts,
    /// Its start was cut short or panicked.
    LeftBehind,
    /// `start_abandoned` runs.
    PutAway,
    /// Nobody uses it.
    Rests,
    /// Its health is looked at.
    LookedAt,
    /// A turn runs.
    InTurn,
    /// Its stop runs.
    Stops,
}

/// The book.
#[derive(Debug)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
    recorder: Arc<Recorder>,
    /// How many sessions there may be at once.
    most: usize,
}

/// What has happened. What only grows can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Book {
    lives: BTreeMap<Key, (u64, Stage)>,
    /// Turns that were cancelled: the last of each key.
    cancelled: BTreeMap<Key, u64>,
    /// Of each key, the last incarnation and the last ticket that was heard.
    last: BTreeMap<Key, (u64, u64)>,
    /// How often user code has begun to hang.
    pub(crate) hangs: usize,
    /// How often a stop was dropped before its end, or what puts a start away.
    cut: usize,
    /// Starts that have begun.
    pub(crate) starts: usize,
    /// Stops that have begun: the key, the incarnation, the reason.
    pub(crate) stops: Vec<(Key, u64, StopReason)>,
    /// Messages that were heard, and by which incarnation.
    pub(crate) heard: BTreeMap<u32, u64>,
    /// Nothing knows the manager any more: all its tasks have ended.
    pub(crate) gone: bool,
    /// What a drop found, which must not panic.
    faults: Vec<String>,
    waiting: Vec<Waker>,
}

impl Ledger {
    pub(crate) fn new(recorder: Arc<Recorder>, most: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::default(),
            recorder,
            most: most.unwrap_or(usize::MAX),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no assertion fails with it")
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book())
    }

    pub(crate) fn say(&self, who: impl Into<String>, what: impl Into<String>) {
        self.recorder.say(who, what);
    }

    fn say_of(&self, key: Key, incarnation: u64, what: impl fmt::Display) {
        self.say(format!("key {key}"), format!("#{incarnation} {what}"));
    }

    /// Waits for what stays so once it is so.
    pub(crate) async fn until(&self, reached: impl Fn(&Book) -> bool) {
        poll_fn(|cx| {
            let mut book = self.book();
            if reached(&book) {
                return Poll::Ready(());
            }
            book.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Changes the book, and wakes those who wait for a change.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let changed = change(&mut book);
        self.recorder.has_not_ended(book.unended());
        let waiting = std::mem::take(&mut book.waiting);
        drop(book);
        waiting.into_iter().for_each(Waker::wake);
        changed
    }

    /// The turn of a session has heard that it is to end.
    pub(crate) fn is_cancelled(&self, key: Key, incarnation: u64) {
        self.say_of(key, incarnation, "is cancelled");
        self.change(|book| book.cancelled.insert(key, incarnation));
    }

    pub(crate) fn hangs(&self) {
        self.change(|book| book.hangs += 1);
    }

    pub(crate) fn starts(self: &Arc<Self>, key: Key, incarnation: u64) -> Stay {
        let (before, last, lives) = self.change(|book| {
            book.starts += 1;
            let before = book.lives.insert(key, (incarnation, Stage::Starts));
            let last = book.last.entry(key).or_default();
            let last = std::mem::replace(&mut last.0, incarnation);
            (before, last, book.lives.len())
        });
        self.say_of(key, incarnation, "starts");
        match before {
            None => {}
            Some((other, Stage::LeftBehind | Stage::PutAway)) => {
                panic!("A5: key {key} is handed on before #{other} is put away")
            }
            Some((other, stage)) => panic!("A2: #{other} {stage:?} while #{incarnation} starts"),
        }
        assert!(last < incarnation, "the number of an incarnation is old");
        assert!(lives <= self.most, "max_sessions: {lives} sessions");
        self.stay(key, incarnation, Some(Stage::LeftBehind))
    }

    /// After a start that was cut short.
    pub(crate) fn is_put_away(self: &Arc<Self>, key: Key, incarnation: u64) -> Stay {
        let from = self.moves(key, incarnation, Stage::PutAway);
        assert_eq!(
            from,
            Some(Stage::LeftBehind),
            "A5: a start is abandoned that was not cut short"
        );
        self.stay(key, incarnation, None)
    }

    pub(crate) fn is_looked_at(self: &Arc<Self>, key: Key, incarnation: u64) -> Stay {
        let from = self.moves(key, incarnation, Stage::LookedAt);
        assert_eq!(from, Some(Stage::Rests), "a look at what does not rest");
        self.stay(key, incarnation, Some(Stage::Rests))
    }

    /// A turn runs until what this gives is dropped.
    pub(crate) fn is_used(self: &Arc<Self>, key: Key, incarnation: u64) -> Stay {
        let from = self.moves(key, incarnation, Stage::InTurn);
        assert_eq!(from, Some(Stage::Rests), "a turn of what does not rest");
        self.stay(key, incarnation, Some(Stage::Rests))
    }

    pub(crate) fn stops(self: &Arc<Self>, key: Key, incarnation: u64, reason: StopReason) -> Stay {
        let from = self.moves(key, incarnation, Stage::Stops);
        self.change(|book| book.stops.push((key, incarnation, reason)));
        let claim = match reason {
            StopReason::Idle => "A3: ",
            StopReason::Dirty => "A2: ",
            StopReason::Shutdown => "A4: ",
            StopReason::Requested => "A6: ",
            _ => "",
        };
        assert_eq!(
            from,
            Some(Stage::Rests),
            "{claim}stopped as {reason:?} while it does not rest"
        );
        self.stay(key, incarnation, None)
    }

    /// What it was before.
    fn moves(&self, key: Key, incarnation: u64, to: Stage) -> Option<Stage> {
        self.say_of(key, incarnation, format!("{to:?}"));
        self.change(|book| {
            let life = book.lives.get_mut(&key)?;
            (life.0 == incarnation).then(|| std::mem::replace(&mut life.1, to))
        })
    }

    fn stay(self: &Arc<Self>, key: Key, incarnation: u64, then: Option<Stage>) -> Stay {
        Stay {
            ledger: Arc::clone(self),
            key,
            incarnation,
            then,
            ended: false,
        }
    }

    /// A session has a message.
    pub(crate) fn hears(&self, key: Key, incarnation: u64, ticket: u64, message: u32) {
        self.say_of(key, incarnation, format!("hears {message}"));
        let (twice, last) = self.change(|book| {
            let last = book.last.entry(key).or_default();
            let last = std::mem::replace(&mut last.1, ticket);
            (book.heard.insert(message, incarnation), last)
        });
        assert_eq!(twice, None, "message {message} is heard twice");
        assert!(
            last < ticket,
            "message {message}, ticket {ticket}, is heard after ticket {last}"
        );
    }

    /// A session is dropped that no stop has taken.
    pub(crate) fn lost(&self, key: Key, incarnation: u64) {
        self.say_of(key, incarnation, "dropped without a stop");
        self.change(|book| {
            let words = format!("A4: #{incarnation} of key {key} is dropped without a stop");
            book.faults.push(words);
        });
    }

    /// The report of a shutdown names each key once, and those that had a session when it began, or got one: `there` are the
    /// keys that had one, `stops` is how many stops had begun.
    pub(crate) fn names(&self, report: &DrainReport<Key>, there: Vec<Key>, stops: usize) {
        let failed = report.failed.iter().map(|(key, _)| key);
        let named: Vec<Key> = (report.stopped.iter())
            .chain(failed)
            .chain(&report.abandoned)
            .copied()
            .collect();
        let once: BTreeSet<Key> = named.iter().copied().collect();
        assert_eq!(
            once.len(),
            named.len(),
            "A4: a key is named twice: {report:?}"
        );
        let later = self.read(|book| book.stops[stops..].to_vec());
        for key in there.into_iter().chain(later.iter().map(|stop| stop.0)) {
            assert!(
                once.contains(&key),
                "A4: key {key} is not named: {report:?}"
            );
        }
    }

    pub(crate) fn manager_is_gone(&self) {
        self.change(|book| book.gone = true);
    }

    /// The manager has ended, and so has every session; those whose end hung alone were cut short, for time passed for no other.
    pub(crate) fn is_settled(&self) {
        self.is_over();
        let (cut, hangs) = self.read(|book| (book.cut, book.hangs));
        assert!(
            cut <= hangs,
            "the end of a session is cut short, and does not hang"
        );
    }

    /// The same where time passes for all.
    pub(crate) fn is_over(&self) {
        let (faults, lives) = self.read(|book| (book.faults.clone(), book.lives.clone()));
        assert!(faults.is_empty(), "{}", faults.join("; "));
        assert!(lives.is_empty(), "A4: left after the end: {lives:?}");
    }
}

impl Book {
    /// What has not ended, and which claim it breaks if it never does.
    fn unended(&self) -> BTreeMap<String, String> {
        let lives = self.lives.iter().map(|(key, &(incarnation, stage))| {
            let (claim, what) = match stage {
                Stage::Starts => ("A1:", "its start does not end"),
                Stage::LeftBehind => ("A5:", "what its start left is not put away"),
                Stage::PutAway => ("A1:", "what puts its start away does not end"),
                Stage::Rests => ("A4:", "it rests and is not stopped"),
                Stage::LookedAt => ("A1:", "the look at its health does not end"),
                Stage::InTurn if self.cancelled.get(key) == Some(&incarnation) => {
                    ("A1:", "its turn was cancelled and is not cut short")
                }
                Stage::InTurn => ("A6:", "its turn is not cancelled and does not end"),
                Stage::Stops => ("A1:", "its stop does not end"),
            };
            (
                format!("#{incarnation} of key {key}: {what}"),
                claim.to_owned(),
            )
        });
        let mut unended: BTreeMap<String, String> = lives.collect();
        if unended.is_empty() && !self.gone {
            let left = "no session is left, and something of the manager goes on";
            unended.insert(left.to_owned(), "A4:".to_owned());
        }
        unended
    }

    /// The keys that have a session.
    pub(crate) fn there(&self) -> Vec<Key> {
        let there = |stage| !matches!(stage, Stage::Starts | Stage::LeftBehind | Stage::PutAway);
        let lives = self.lives.iter().filter(|(_, life)| there(life.1));
        lives.map(|(key, _)| *key).collect()
    }

    /// Why sessions were stopped, first to last.
    pub(crate) fn reasons(&self) -> Vec<StopReason> {
        self.stops.iter().map(|stop| stop.2).collect()
    }
}

/// One stage of a session's life. With its drop, however that comes, the next one begins, or the life is over.
#[derive(Debug)]
pub(crate) struct Stay {
    ledger: Arc<Ledger>,
    key: Key,
    incarnation: u64,
    then: Option<Stage>,
    ended: bool,
}

impl Stay {
    /// It did not end as it was feared: the session rests next, or there is none.
    pub(crate) fn ends(mut self, then: Option<Stage>) {
        self.then = then;
        self.ended = true;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let (key, incarnation) = (self.key, self.incarnation);
        match self.then {
            Some(stage) => self.ledger.say_of(key, incarnation, format!("{stage:?}")),
            None => self.ledger.say_of(key, incarnation, "is gone"),
        }
        self.ledger.change(|book| {
            let before = match self.then {
                Some(stage) => book.lives.insert(key, (incarnation, stage)),
                None => book.lives.remove(&key),
            };
            let ends = |stage| matches!(stage, Stage::Stops | Stage::PutAway);
            let ends = before.is_some_and(|(_, stage)| ends(stage));
            book.cut += usize::from(ends && !self.ended && !engine::panicking());
        });
    }
}
