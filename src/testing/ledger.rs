//! The record of all calls of a backend, and the rules that they must keep.

use super::{
    record::{Call, End, Method},
    watch::Watched,
};
use crate::{
    Incarnation, Ticket,
    sync::{Arc, RandomState, panicking},
};
use std::{collections::HashMap, fmt, hash::Hash};

/// Records each call of a scripted backend, in the order in which the calls began, and checks them. Clones share the record.
///
/// Its assertions check what the manager guarantees. In your tests they check your own code in between, such as an agent around
/// a scripted one, or a task that outlives its turn.
///
/// # Details
///
/// A plain turn is no call. Mark it with [`ScriptedSession::in_turn`](crate::testing::ScriptedSession::in_turn) to have it
/// checked too.
pub struct Ledger<K>(Arc<Watched<Book<K>>>);

struct Book<K> {
    /// `None` if calls are not kept.
    calls: Option<Vec<Call<K>>>,
    begun: usize,
    pages: HashMap<K, Page<K>, RandomState>,
    counts: HashMap<(Method, End), u64, RandomState>,
    faults: Vec<String>,
    /// Sessions that were dropped without a stop.
    dropped: Vec<String>,
    watch: Option<Arc<dyn Fn(&Call<K>) + Send + Sync>>,
}

/// The state of one key.
struct Page<K> {
    /// While it has a session: the last call of that, and its place in the record.
    here: Option<(usize, Call<K>)>,
    incarnation: Option<Incarnation>,
    /// The last ticket of the queue, and of the calls that went before it.
    tickets: [Option<Ticket>; 2],
}

impl<K: Clone + Eq + Hash + fmt::Debug> Ledger<K> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Watched::new(Book {
            calls: Some(Vec::new()),
            begun: 0,
            pages: HashMap::default(),
            counts: HashMap::default(),
            faults: Vec::new(),
            dropped: Vec::new(),
            watch: None,
        })))
    }

    /// Returns all calls, in the order in which they began.
    pub fn record(&self) -> Vec<Call<K>> {
        self.0.look(|book| book.calls().to_vec())
    }

    /// Resolves when the closure returns true for the record. Use it instead of a sleep.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Details
    ///
    /// The closure runs at each beginning and end of a call, under the ledger's lock. It must not use the script or the ledger.
    pub async fn until(&self, mut is_so: impl FnMut(&[Call<K>]) -> bool) {
        self.0.until(|book| is_so(book.calls())).await;
    }

    /// Returns the number of calls of this method that have ended in this way.
    pub fn count(&self, method: Method, end: End) -> u64 {
        let count = |book: &Book<K>| book.counts.get(&(method, end)).copied();
        self.0.look(count).unwrap_or(0)
    }

    /// Returns the last call of each session that is alive.
    pub fn sessions(&self) -> Vec<Call<K>> {
        self.0.look(|book| {
            let here = book.pages.values().filter_map(|page| page.here.as_ref());
            here.map(|(_, call)| call.clone()).collect()
        })
    }

    /// Stops recording calls and empties the record, for tests of millions of calls. Checks and counts continue.
    pub fn forget_calls(&self) {
        self.0.change(|book| book.calls = None);
    }

    /// Calls the closure at the beginning and end of each call, outside the lock. A later closure replaces it. It must not
    /// panic, because a call may end in a thread that unwinds.
    pub fn watch(&self, watch: impl Fn(&Call<K>) + Send + Sync + 'static) {
        self.0.change(|book| book.watch = Some(Arc::new(watch)));
    }

    /// Returns the violations found so far, as text. [`assert_never_two`](Self::assert_never_two) lists the rules.
    pub fn faults(&self) -> Vec<String> {
        self.0.look(|book| book.faults.clone())
    }

    /// Checks that no key ever had two sessions, no session two calls at once, and no turn came out of order.
    ///
    /// # Panics
    ///
    /// If one of these has happened:
    ///
    /// - Two calls of one key ran at once.
    /// - A session was started before the one before it had been stopped or dropped.
    /// - A session was started before what a start had left behind was cleaned up by `start_abandoned`.
    /// - `start_abandoned` did not follow a start that was cut short.
    /// - A session was called that had been stopped or dropped.
    /// - A session's number was not higher than that of the one before it.
    /// - A message was received after one with a later ticket. Calls that go [first](crate::manager::TurnOptions#structfield.first) have
    ///   an order of their own.
    #[track_caller]
    pub fn assert_never_two(&self) {
        let faults = self.faults().join("\n");
        assert!(faults.is_empty(), "two of one key:\n{faults}");
    }

    /// Returns what is still open, as text: keys that have a session, a call or a start to clean up, and sessions that were
    /// dropped without a stop.
    pub fn left(&self) -> Vec<String> {
        self.0.look(|book| {
            let here = book.pages.values().filter_map(|page| page.here.as_ref());
            let left = here.map(|(_, call)| {
                let end = call.end.map_or("runs".to_owned(), |end| format!("{end:?}"));
                format!("{:?}: a session is left after {call}: {end}", call.key)
            });
            left.chain(book.dropped.iter().cloned()).collect()
        })
    }

    /// Also checks that every session was stopped exactly once. Call it at the end of a test, after the manager's shutdown.
    ///
    /// # Panics
    ///
    /// If [`assert_never_two`](Self::assert_never_two) does, or if anything is [`left`](Self::left).
    #[track_caller]
    pub fn assert_balanced(&self) {
        self.assert_never_two();
        let left = self.left().join("\n");
        assert!(left.is_empty(), "started is not stopped:\n{left}");
    }

    pub(super) fn begin(&self, call: Call<K>) -> InTurn<K> {
        let (place, watch) = self
            .0
            .change(|book| (book.begin(&call), book.watch.clone()));
        let running = InTurn {
            ledger: self.clone(),
            place,
            call,
        };
        if let Some(watch) = watch {
            watch(&running.call);
        }
        running
    }
}

impl<K: Clone + Eq + Hash + fmt::Debug> Book<K> {
    fn calls(&self) -> &[Call<K>] {
        self.calls.as_deref().unwrap_or_default()
    }

    /// Records the call and its violations. Returns its place in the record.
    fn begin(&mut self, call: &Call<K>) -> usize {
        let place = self.begun;
        self.begun += 1;
        let page = self.pages.entry(call.key.clone()).or_default();
        page.begin(place, call, |what| {
            self.faults.push(format!("{:?}: {call} {what}", call.key));
        });
        if let Some(calls) = &mut self.calls {
            calls.push(call.clone());
        }
        place
    }

    fn end(&mut self, place: usize, call: &Call<K>, end: End) {
        *self.counts.entry((call.method, end)).or_default() += 1;
        if let Some(calls) = &mut self.calls {
            calls[place].end = Some(end);
        }
        let Some(page) = self.pages.get_mut(&call.key) else {
            return;
        };
        let is_gone = match call.method {
            Method::Start => end == End::Failed,
            Method::StartAbandoned | Method::Stop => true,
            Method::IsHealthy | Method::Send | Method::Turn => false,
        };
        match &mut page.here {
            Some((here, _)) if *here != place => {}
            Some(_) if is_gone => page.here = None,
            Some((_, last)) => last.end = Some(end),
            None => {}
        }
    }
}

impl<K> Default for Page<K> {
    fn default() -> Self {
        Self {
            here: None,
            incarnation: None,
            tickets: [None; 2],
        }
    }
}

impl<K: Clone> Page<K> {
    fn begin(&mut self, place: usize, call: &Call<K>, mut fault: impl FnMut(String)) {
        let here = self.here.as_ref().map(|(_, last)| last);
        if let Some(last) = here.filter(|last| last.end.is_none()) {
            fault(format!("begins during {last}"));
        }
        let own = here.filter(|last| last.incarnation == call.incarnation);
        match (call.method, here) {
            (Method::Start, None) => {}
            (Method::Start, Some(last)) if last.leaves_something() => {
                let number = last.incarnation;
                fault(format!("begins before #{number} is cleaned up"));
            }
            (Method::Start, Some(last)) => {
                let number = last.incarnation;
                fault(format!(
                    "begins while #{number} is neither stopped nor dropped"
                ));
            }
            (Method::StartAbandoned, _) if own.is_some_and(Call::leaves_something) => {}
            (Method::StartAbandoned, _) => {
                fault("follows no start that was cut short".to_owned());
            }
            _ if own.is_some_and(Call::leaves_alive) => {}
            _ => fault("is of a session that has ended".to_owned()),
        }
        if call.method == Method::Start {
            let last = self.incarnation.replace(call.incarnation);
            if last >= Some(call.incarnation) {
                fault("has no higher number than the start before it".to_owned());
            }
        }
        let last = &mut self.tickets[usize::from(call.first)];
        if call.ticket.is_some() && *last >= call.ticket {
            fault("comes after a later turn".to_owned());
        }
        *last = (*last).max(call.ticket);
        if call.method == Method::Start || own.is_some() {
            self.here = Some((place, call.clone()));
        }
    }
}

/// A call that runs, or a plain turn. Dropping it ends the call.
pub struct InTurn<K: Clone + Eq + Hash + fmt::Debug> {
    ledger: Ledger<K>,
    place: usize,
    call: Call<K>,
}

impl<K: Clone + Eq + Hash + fmt::Debug> InTurn<K> {
    pub(super) fn ends(mut self, is_well: bool) {
        self.call.end = Some(if is_well { End::Passed } else { End::Failed });
    }
}

impl<K: Clone + Eq + Hash + fmt::Debug> Drop for InTurn<K> {
    fn drop(&mut self) {
        let end = match self.call.end {
            Some(end) => end,
            None if panicking() => End::Panicked,
            None if self.call.method == Method::Turn => End::Passed,
            None => End::CutShort,
        };
        self.call.end = Some(end);
        let watch = self.ledger.0.change(|book| {
            book.end(self.place, &self.call, end);
            book.watch.clone()
        });
        if let Some(watch) = watch {
            watch(&self.call);
        }
    }
}

/// One session, from the end of its start until it has been stopped or dropped.
pub(super) struct Life<K: Clone + Eq + Hash + fmt::Debug> {
    pub(super) ledger: Ledger<K>,
    pub(super) key: K,
    pub(super) incarnation: Incarnation,
}

impl<K: Clone + Eq + Hash + fmt::Debug> Life<K> {
    pub(super) fn call(&self, method: Method) -> Call<K> {
        Call::new(self.key.clone(), self.incarnation, method)
    }
}

impl<K: Clone + Eq + Hash + fmt::Debug> Drop for Life<K> {
    fn drop(&mut self) {
        self.ledger.0.change(|book| {
            let page = book.pages.get_mut(&self.key);
            let here = page.map(|page| &mut page.here);
            let is_this = |(_, last): &mut (usize, Call<K>)| {
                last.incarnation == self.incarnation && last.leaves_alive()
            };
            if here.and_then(|here| here.take_if(is_this)).is_some() {
                let (key, number) = (&self.key, self.incarnation);
                let dropped = format!("{key:?}: #{number} was dropped without a stop");
                book.dropped.push(dropped);
            }
        });
    }
}

impl<K> Clone for Ledger<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: fmt::Debug> fmt::Debug for Ledger<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.look(|book| {
            f.debug_struct("Ledger")
                .field("calls", &book.calls)
                .field("faults", &book.faults)
                .finish_non_exhaustive()
        })
    }
}

impl<K: Clone + Eq + Hash + fmt::Debug> fmt::Debug for InTurn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InTurn").field(&self.call).finish()
    }
}
