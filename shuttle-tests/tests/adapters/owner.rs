//! An ownership whose answers take a while, and whose term ends when the scenario says so. It checks the order of what it is asked.

use crate::backend::step;
use crate::ledger::{Key, Ledger};
use crate::world::LONG;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use turnwise::Incarnation;
use turnwise::manager::{Acquiring, LossNotice, NotOwned, Owned, Ownership, Term};

/// Ends once. Its grace is long, or there is none: then what still runs must end at once.
#[derive(Default)]
struct Lease {
    over: AtomicBool,
    graceless: AtomicBool,
}

impl Term for Lease {
    fn holds(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    fn grace(&self) -> Duration {
        match self.graceless.load(Ordering::SeqCst) {
            true => Duration::ZERO,
            false => LONG,
        }
    }
}

#[derive(Default)]
struct State {
    term: Arc<Lease>,
    last: u64,
    notice: Option<LossNotice>,
    /// How many of the next answers are that another process owns the key.
    elsewhere: usize,
    /// What is owned: key and number.
    owns: Vec<(Key, u64)>,
}

#[derive(Default)]
pub(crate) struct Owner {
    state: Mutex<State>,
    ledger: Mutex<Option<Arc<Ledger>>>,
}

impl Owner {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Another process owns what is asked for next, so many times.
    pub(crate) fn is_elsewhere(&self, times: usize) {
        self.with(|state| state.elsewhere = times);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("no assertion fails with it"))
    }

    /// Looks at the sessions of this ledger from now on.
    pub(crate) fn watches(&self, ledger: &Arc<Ledger>) {
        *self.ledger.lock().expect("nothing panics with it") = Some(Arc::clone(ledger));
    }

    fn lives(&self, key: Key, number: u64) -> bool {
        let ledger = self.ledger.lock().expect("nothing panics with it");
        let ledger = ledger.as_ref();
        ledger.is_some_and(|ledger| ledger.lives(key, number))
    }

    /// The term ends, and nobody is told. What was acquired under it is lost; what comes is for the next one.
    pub(crate) fn ends(&self) {
        let term = self.with(|state| std::mem::take(&mut state.term));
        term.over.store(true, Ordering::SeqCst);
    }

    /// The term has no grace.
    pub(crate) fn is_graceless(&self) {
        let graceless = |state: &mut State| state.term.graceless.store(true, Ordering::SeqCst);
        self.with(graceless);
    }

    pub(crate) fn loses(&self) {
        self.ends();
        let notice = self.with(|state| state.notice.clone());
        notice.expect("a manager was built").notify();
    }

    pub(crate) fn owns_nothing(&self) {
        let owns = self.with(|state| std::mem::take(&mut state.owns));
        assert!(owns.is_empty(), "A17: not released: {owns:?}");
    }
}

impl Ownership<Key> for Owner {
    fn acquire<'a>(&'a self, key: &'a Key) -> Acquiring<'a> {
        Box::pin(async move {
            step().await;
            let owned = self.with(|state| state.owns.iter().any(|own| own.0 == *key));
            assert!(!owned, "A17: it was not released");
            step().await;
            self.with(|state| {
                if let Some(left) = state.elsewhere.checked_sub(1) {
                    state.elsewhere = left;
                    return Err(NotOwned::Elsewhere("other".into()));
                }
                state.last += 10;
                state.owns.push((*key, state.last));
                let number = Incarnation::try_from(state.last).expect("it is not 0");
                Ok(Owned::new(number, Arc::clone(&state.term) as _))
            })
        })
    }

    fn release(&self, key: &Key, number: Incarnation) {
        let number = number.get();
        assert!(!self.lives(*key, number), "A17: released, and it lives");
        let place = self.with(|state| {
            let place = state.owns.iter().position(|own| *own == (*key, number));
            place.map(|place| state.owns.remove(place))
        });
        assert!(place.is_some(), "A17: released twice");
    }

    fn watch(&self, notice: LossNotice) {
        self.with(|state| state.notice = Some(notice));
    }
}
