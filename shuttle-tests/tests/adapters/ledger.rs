//! What must hold of sessions and messages, whatever becomes of calls: the shared ledger's checks at each call, each message
//! heard at most once, and in the end nothing is left. Plain std, invisible to the scheduler, so that the book-keeping adds
//! no schedules of its own.

use crate::record::Recorder;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};
use turnwise::manager::{DrainReport, SessionControl, StopReason};
use turnwise::testing::{Call, End, Ledger as Calls, Method};

pub(crate) type Key = u8;

/// The book.
#[derive(Debug)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
    calls: OnceLock<Calls<Key>>,
    recorder: Arc<Recorder>,
    /// How many sessions there may be at once.
    most: usize,
}

/// What has happened. What only grows can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Turns that were cancelled: the last of each key.
    cancelled: BTreeMap<Key, u64>,
    /// How often user code has begun to hang.
    pub(crate) hangs: usize,
    /// How often a stop was dropped before its end, or what puts a start away.
    cut: usize,
    /// Starts that have begun.
    pub(crate) starts: usize,
    /// The control of the last session of each key.
    pub(crate) controls: BTreeMap<Key, SessionControl<u32>>,
    /// Stops that have begun: the key, the incarnation, the reason.
    pub(crate) stops: Vec<(Key, u64, StopReason)>,
    /// Messages that were heard, and by which incarnation.
    pub(crate) heard: BTreeMap<u32, u64>,
    /// The same, in the order in which they were heard.
    pub(crate) order: Vec<u32>,
    /// Nothing knows the manager any more: all its tasks have ended.
    pub(crate) gone: bool,
    waiting: Vec<Waker>,
}

impl Ledger {
    pub(crate) fn new(recorder: Arc<Recorder>, most: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::default(),
            calls: OnceLock::new(),
            recorder,
            most: most.unwrap_or(usize::MAX),
        })
    }

    /// Sees each call from now on.
    pub(crate) fn watch(self: &Arc<Self>, calls: &Calls<Key>) {
        let ledger = Arc::downgrade(self);
        calls.watch(move |call| {
            if let Some(ledger) = ledger.upgrade() {
                ledger.sees(call);
            }
        });
        self.calls.set(calls.clone()).expect("it watches one");
    }

    fn calls(&self) -> &Calls<Key> {
        self.calls.get().expect("it watches one")
    }

    /// A call begins, or has ended.
    fn sees(&self, call: &Call<Key>) {
        let what = match call.end {
            None => call.to_string(),
            Some(end) => format!("{call}: {end:?}"),
        };
        self.say(format!("key {}", call.key), what);
        self.change(|book| match (call.method, call.end) {
            (Method::Start, None) => book.starts += 1,
            (Method::Stop, None) => {
                let reason = call.reason.expect("of each stop");
                book.stops.push((call.key, call.incarnation.get(), reason));
            }
            (Method::Stop | Method::StartAbandoned, Some(End::CutShort)) => book.cut += 1,
            _ => {}
        });
        // An end may be that of a task that fails already.
        if call.end.is_none() {
            let faults = self.calls().faults().join("; ");
            assert!(faults.is_empty(), "{} {faults}", claim(call, &faults));
            let lives = self.calls().sessions().len();
            assert!(lives <= self.most, "max_sessions: {lives} sessions");
        }
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

    pub(crate) fn controls(&self, key: Key, session: SessionControl<u32>) {
        self.change(|book| drop(book.controls.insert(key, session)));
    }

    /// Discards the last session of a key. Returns its number.
    pub(crate) fn discards(&self, key: Key) -> u64 {
        let session = self.read(|book| book.controls[&key].clone());
        let number = session.incarnation().get();
        self.say(format!("session #{number}"), "is discarded");
        session.discard("by the scenario");
        number
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
        let sessions = self.calls().sessions();
        let mut book = self.book();
        let changed = change(&mut book);
        self.recorder.has_not_ended(book.unended(&sessions));
        let waiting = std::mem::take(&mut book.waiting);
        drop(book);
        waiting.into_iter().for_each(Waker::wake);
        changed
    }

    /// The turn of a session has heard that it is to end.
    pub(crate) fn is_cancelled(&self, key: Key, incarnation: u64) {
        self.say(format!("key {key}"), format!("#{incarnation} is cancelled"));
        self.change(|book| book.cancelled.insert(key, incarnation));
    }

    pub(crate) fn hangs(&self) {
        self.change(|book| book.hangs += 1);
    }

    /// A session has a message.
    pub(crate) fn hears(&self, key: Key, incarnation: u64, message: u32) {
        let what = format!("#{incarnation} hears {message}");
        self.say(format!("key {key}"), what);
        let twice = self.change(|book| {
            book.order.push(message);
            book.heard.insert(message, incarnation)
        });
        assert_eq!(twice, None, "message {message} is heard twice");
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

    /// The keys that have a session.
    pub(crate) fn there(&self) -> Vec<Key> {
        let is_there = |call: &Call<Key>| match call.method {
            Method::Start => call.end == Some(End::Passed),
            method => method != Method::StartAbandoned,
        };
        let sessions = self.calls().sessions().into_iter();
        sessions.filter(is_there).map(|call| call.key).collect()
    }

    /// Whether this session is there, or is being started or stopped.
    pub(crate) fn lives(&self, key: Key, number: u64) -> bool {
        let sessions = self.calls().sessions().into_iter();
        let mut own = sessions.filter(|call| (call.key, call.incarnation.get()) == (key, number));
        own.next().is_some()
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
        self.calls().assert_never_two();
        let left = self.calls().left().join("; ");
        assert!(left.is_empty(), "A4: {left}");
    }
}

/// Which claim a call breaks that ought not to begin.
fn claim(call: &Call<Key>, faults: &str) -> &'static str {
    match (call.method, call.reason) {
        (Method::Start, _) if faults.contains("cleaned up") => "A5:",
        (Method::StartAbandoned, _) => "A5:",
        (Method::Stop, Some(StopReason::Idle)) => "A3:",
        (Method::Stop, Some(StopReason::Shutdown)) => "A4:",
        (Method::Stop, Some(StopReason::Requested)) => "A6:",
        _ => "A2:",
    }
}

impl Book {
    /// What has not ended, and which claim it breaks if it never does.
    fn unended(&self, sessions: &[Call<Key>]) -> BTreeMap<String, String> {
        let sessions = sessions.iter().map(|call| {
            let (key, incarnation) = (call.key, call.incarnation.get());
            let (claim, what) = match (call.method, call.end) {
                (Method::Start, None) => ("A1:", "its start does not end"),
                (Method::Start, Some(End::CutShort | End::Panicked)) => {
                    ("A5:", "what its start left is not cleaned up")
                }
                (_, Some(_)) => ("A4:", "it rests and is not stopped"),
                (Method::StartAbandoned, None) => ("A1:", "what puts its start away does not end"),
                (Method::IsHealthy, None) => ("A1:", "the look at its health does not end"),
                (Method::Stop, None) => ("A1:", "its stop does not end"),
                (_, None) if self.cancelled.get(&key) == Some(&incarnation) => {
                    ("A1:", "its turn was cancelled and is not cut short")
                }
                (_, None) => ("A6:", "its turn is not cancelled and does not end"),
            };
            let what = format!("#{incarnation} of key {key}: {what}");
            (what, claim.to_owned())
        });
        let mut unended: BTreeMap<String, String> = sessions.collect();
        if unended.is_empty() && !self.gone {
            let left = "no session is left, and something of the manager goes on";
            unended.insert(left.to_owned(), "A4:".to_owned());
        }
        unended
    }

    /// Why sessions were stopped, first to last.
    pub(crate) fn reasons(&self) -> Vec<StopReason> {
        self.stops.iter().map(|stop| stop.2).collect()
    }
}
