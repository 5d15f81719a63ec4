//! An ownership that does what the script says, and writes down what it acquired and released.

use std::fmt::Display;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use turnwise::Incarnation;
use turnwise::manager::*;

use crate::script::{Gate, explode};

/// What the next request does, after its gate.
#[derive(Clone, Debug, Default)]
pub(crate) enum Answer {
    #[default]
    Owned,
    /// With this number.
    Numbered(u64),
    Not(NotOwned),
    Panics,
}

const GRACE: Duration = Duration::from_secs(2);

/// The terms of a process follow each other.
#[derive(Default)]
pub(crate) struct Lease(OnceLock<Instant>);

impl Term for Lease {
    fn holds(&self) -> bool {
        self.0.get().is_none()
    }

    fn grace(&self) -> Duration {
        let ended = self.0.get().map(Instant::elapsed);
        GRACE.saturating_sub(ended.unwrap_or_default())
    }
}

#[derive(Default)]
struct State {
    answers: Vec<(Answer, Option<Gate>)>,
    last: u64,
    term: Option<Arc<Lease>>,
    notice: Option<LossNotice>,
    record: Vec<String>,
    /// Acquired and not released.
    owns: Vec<(String, u64)>,
}

#[derive(Clone, Default)]
pub(crate) struct Owner(Arc<Mutex<State>>);

impl Owner {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().expect("nothing panics with it"))
    }

    /// What the next requests do.
    pub(crate) fn next(&self, answer: Answer) {
        self.with(|state| state.answers.push((answer, None)));
    }

    pub(crate) fn next_at(&self, gate: &Gate, answer: Answer) {
        self.with(|state| state.answers.push((answer, Some(gate.clone()))));
    }

    /// The term ends, and nobody is told.
    pub(crate) fn ends(&self) {
        let term = self.with(|state| state.term.take());
        let Lease(ended) = &*term.expect("something was acquired");
        ended.set(Instant::now()).expect("it ends once");
    }

    /// The term ends.
    pub(crate) fn loses(&self) {
        self.ends();
        let notice = self.with(|state| state.notice.clone());
        notice.expect("a manager was built").notify();
    }

    /// What happened since the last look: `+key number` for an acquisition, `-key number` for a release.
    pub(crate) fn record(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.record))
    }

    /// Nothing is owned that was not released.
    pub(crate) fn owns_nothing(&self) {
        self.with(|state| assert!(state.owns.is_empty(), "still owned: {:?}", state.owns));
    }
}

impl<K: Display + Sync + 'static> Ownership<K> for Owner {
    fn acquire<'a>(&'a self, key: &'a K) -> Acquiring<'a> {
        Box::pin(async move {
            let (answer, gate) = self.with(|state| match state.answers.is_empty() {
                true => Default::default(),
                false => state.answers.remove(0),
            });
            if let Some(gate) = gate {
                gate.pass().await;
            }
            let number = match answer {
                Answer::Owned => None,
                Answer::Numbered(number) => Some(number),
                Answer::Not(why) => return Err(why),
                Answer::Panics => explode(),
            };
            Ok(self.with(|state| {
                state.last = number.unwrap_or(state.last + 100);
                let number = state.last;
                state.record.push(format!("+{key} {number}"));
                state.owns.push((key.to_string(), number));
                let term = state.term.get_or_insert_default();
                let number = Incarnation::try_from(number).expect("it is a number");
                Owned::new(number, Arc::clone(term) as _)
            }))
        })
    }

    fn release(&self, key: &K, number: Incarnation) {
        self.with(|state| {
            let number = number.get();
            state.record.push(format!("-{key} {number}"));
            let owned = (key.to_string(), number);
            let place = state.owns.iter().position(|own| *own == owned);
            state.owns.remove(place.expect("it is released once"));
        });
    }

    fn watch(&self, notice: LossNotice) {
        let before = self.with(|state| state.notice.replace(notice));
        assert!(before.is_none(), "it is watched once");
    }
}
