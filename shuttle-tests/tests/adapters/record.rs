//! What happened in one execution, in the order of time: who, and in words. Plain std, invisible to the scheduler.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trace::Trace;

/// What is written down of one execution.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    rows: Mutex<Vec<(String, String)>>,
    /// What has not ended, by what it is: the claim that it breaks if it never does.
    unended: Mutex<BTreeMap<String, String>>,
}

thread_local! {
    /// All tasks of an execution are one thread of the system; the harness reads it there when they have failed.
    static CURRENT: RefCell<Arc<Recorder>> = RefCell::default();
}

impl Recorder {
    /// A new record, which is the current one of this thread from now on.
    pub(crate) fn begin() -> Arc<Self> {
        let recorder = Arc::new(Self::default());
        CURRENT.set(Arc::clone(&recorder));
        recorder
    }

    /// That of the execution that this thread ran last.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.with_borrow(Arc::clone)
    }

    fn rows(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        // What was written before a panic is what the report of it needs.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has not ended, from now on.
    pub(crate) fn has_not_ended(&self, unended: BTreeMap<String, String>) {
        *self.unended.lock().unwrap_or_else(PoisonError::into_inner) = unended;
    }

    /// The words of a failure. When nothing goes on, or things go round, shuttle knows which tasks there are, and not what they
    /// are for: that stands before its words, as the claim that is broken.
    pub(crate) fn words(&self, words: String) -> String {
        let goes_on_for_ever = ["exceeded max_steps", "deadlock"];
        if !goes_on_for_ever.iter().any(|which| words.contains(which)) {
            return words;
        }
        let unended = self.unended.lock().unwrap_or_else(PoisonError::into_inner);
        let unended = unended
            .iter()
            .map(|(what, claim)| format!("{claim} {what}; "));
        unended.collect::<String>() + &words
    }

    pub(crate) fn say(&self, who: impl Into<String>, what: impl Into<String>) {
        self.rows().push((who.into(), what.into()));
    }

    /// The rows, with a column for each caller and each key.
    pub(crate) fn trace(&self, title: &str) -> Trace {
        let rows = self.rows();
        let mut actors: Vec<String> = Vec::new();
        for (who, _) in rows.iter() {
            if !actors.contains(who) {
                actors.push(who.clone());
            }
        }
        let place = |who: &String| actors.iter().position(|actor| actor == who);
        let told = rows.iter().map(|(who, what)| {
            let actor = place(who).expect("every one who said something is an actor");
            (actor, what.clone())
        });
        let told: Vec<_> = told.collect();
        Trace::plain(title, actors, told)
    }
}
