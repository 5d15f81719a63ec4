//! What was done to the sessions of each key, and what must never be done.
//!
//! Each act is a guard: what is dropped in the middle is written down as cut short. What is wrong is written down when it
//! happens and told by [`Ledger::check`], so that it fails the test, whatever task it happened in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use turnwise::manager::StopReason;

/// One page for each key.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: Mutex<BTreeMap<String, Page>>,
    wrong: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The session that has the key, from the beginning of its start to the end of its stop.
    here: Option<u64>,
    highest: u64,
    in_turn: bool,
    last_ticket: u64,
    /// Starts that gave a session.
    pub(crate) started: usize,
    /// Starts that said that they failed.
    pub(crate) failed: usize,
    /// Starts that were dropped or panicked.
    pub(crate) cut_short: usize,
    /// Of those, how many were put away.
    pub(crate) put_away: usize,
    /// Stops that came to an end, by why.
    pub(crate) stops: Vec<StopReason>,
    /// Stops that were dropped or panicked.
    pub(crate) abandoned: usize,
    /// The numbers of the messages, as they came.
    pub(crate) numbers: Vec<u64>,
    /// What was said, as it came.
    pub(crate) heard: Vec<&'static str>,
}

impl Ledger {
    pub(crate) fn page<R>(&self, key: &str, look: impl FnOnce(&mut Page) -> R) -> R {
        let mut pages = self.pages.lock().expect(WRITES_ONLY);
        look(pages.entry(key.to_owned()).or_default())
    }

    fn wrong(&self) -> MutexGuard<'_, Vec<String>> {
        self.wrong.lock().expect(WRITES_ONLY)
    }

    fn must(&self, holds: bool, key: &str, otherwise: &str) {
        if !holds {
            self.wrong().push(format!("{key}: {otherwise}"));
        }
    }

    /// Nothing was wrong, nothing is left: every session that was there has been stopped, or its stop was abandoned.
    pub(crate) fn check(&self) {
        for (key, page) in &*self.pages.lock().expect(WRITES_ONLY) {
            self.must(page.here.is_none(), key, "a session is left");
            self.must(!page.in_turn, key, "a turn is left");
            let ended = page.stops.len() + page.abandoned;
            self.must(page.started == ended, key, "started is not stopped");
            let away = page.cut_short == page.put_away;
            self.must(away, key, "a start was cut short and not put away");
        }
        let wrong = self.wrong();
        assert!(wrong.is_empty(), "{wrong:#?} in {self:#?}");
    }

    /// A start begins.
    pub(crate) fn start(self: &Arc<Self>, key: &str, number: u64) -> Starting {
        let (alone, higher) = self.page(key, |page| {
            let alone = page.here.replace(number).is_none();
            let higher = number > page.highest;
            page.highest = number;
            (alone, higher)
        });
        self.must(alone, key, "a start while another session is there");
        self.must(higher, key, "a number that is not higher");
        Starting(Some(self.live(key, number)))
    }

    fn live(self: &Arc<Self>, key: &str, number: u64) -> Live {
        Live {
            key: key.to_owned(),
            number,
            pipe: Vec::new(),
            counts: false,
            ledger: Arc::clone(self),
        }
    }

    /// What a start left behind is about to be gone; it is when the guard is dropped.
    pub(crate) fn put_away(self: &Arc<Self>, key: &str, number: u64) -> Away {
        let here = self.page(key, |page| page.here == Some(number));
        self.must(here, key, "what is put away is not there");
        Away(self.live(key, number))
    }

    /// A stop begins.
    pub(crate) fn stop(&self, mut live: Live, reason: StopReason) -> Stopping {
        let here = self.page(&live.key, |page| page.here == Some(live.number));
        self.must(here, &live.key, "a stop of a session that is not there");
        live.counts = false;
        Stopping {
            live,
            reason: Some(reason),
        }
    }
}

const WRITES_ONLY: &str = "under this lock something is written, which does not panic";

/// A session. The answers to all that it was ever told wait in its pipe.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) key: String,
    pub(crate) number: u64,
    pipe: Vec<u64>,
    /// From the end of its start to the beginning of its stop.
    counts: bool,
    ledger: Arc<Ledger>,
}

impl Drop for Live {
    fn drop(&mut self) {
        let stopped = !self.counts;
        self.ledger
            .must(stopped, &self.key, "a session was dropped, not stopped");
    }
}

impl Live {
    /// A turn hears a message. The session will answer it, whether this turn waits for that or not.
    pub(crate) fn hears(&mut self, number: u64, text: &'static str, ticket: u64) -> InTurn<'_> {
        let (alone, new, later, here) = self.ledger.page(&self.key, |page| {
            let alone = !page.in_turn;
            let new = !page.numbers.contains(&number);
            let later = ticket > page.last_ticket;
            page.in_turn = true;
            page.numbers.push(number);
            page.heard.push(text);
            page.last_ticket = ticket;
            (alone, new, later, page.here == Some(self.number))
        });
        self.ledger.must(alone, &self.key, "two in one turn");
        self.ledger.must(new, &self.key, "a message came twice");
        self.ledger.must(later, &self.key, "a turn out of order");
        self.ledger
            .must(here, &self.key, "a message to a session that is not there");
        self.pipe.push(number);
        InTurn(self, number)
    }

    /// A closure tells it something; [`read`](Self::read) is to follow.
    pub(crate) fn told(&mut self, number: u64) {
        self.pipe.push(number);
    }

    /// Reads the answer to that from the pipe.
    pub(crate) fn read(&mut self, number: u64) {
        let own = self.pipe.remove(0) == number;
        self.ledger
            .must(own, &self.key, "the answer of another turn was read");
    }

    pub(crate) fn pipe_is_empty(&self) -> bool {
        self.pipe.is_empty()
    }
}

/// A turn that was told something.
pub(crate) struct InTurn<'a>(&'a mut Live, u64);

impl InTurn<'_> {
    /// Reads the answer from the pipe.
    pub(crate) fn reads(&mut self) {
        self.0.read(self.1);
    }
}

impl Drop for InTurn<'_> {
    fn drop(&mut self) {
        self.0.ledger.page(&self.0.key, |page| page.in_turn = false);
    }
}

/// A start that is under way.
pub(crate) struct Starting(Option<Live>);

impl Starting {
    pub(crate) fn gives(mut self) -> Live {
        let mut live = self.0.take().expect("a start ends once");
        live.counts = true;
        live.ledger.page(&live.key, |page| page.started += 1);
        live
    }

    pub(crate) fn fails(mut self) {
        let live = self.0.take().expect("a start ends once");
        live.ledger.page(&live.key, |page| {
            page.failed += 1;
            page.here = None;
        });
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(live) = &self.0 {
            live.ledger.page(&live.key, |page| page.cut_short += 1);
        }
    }
}

/// What a start left behind, on its way out.
pub(crate) struct Away(Live);

impl Drop for Away {
    fn drop(&mut self) {
        let Self(live) = self;
        live.ledger.page(&live.key, |page| {
            page.put_away += 1;
            page.here = None;
        });
    }
}

/// A session on its way out.
pub(crate) struct Stopping {
    live: Live,
    reason: Option<StopReason>,
}

impl Stopping {
    pub(crate) fn ends(mut self) {
        let reason = self.reason.take().expect("a stop ends once");
        let live = &self.live;
        live.ledger.page(&live.key, |page| page.stops.push(reason));
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        let live = &self.live;
        live.ledger.page(&live.key, |page| {
            page.abandoned += usize::from(self.reason.is_some());
            page.here = None;
        });
    }
}
