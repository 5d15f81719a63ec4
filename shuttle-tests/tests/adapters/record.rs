//! What happened in one execution, in the order of time: who, and in words. Plain std, invisible to the scheduler.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trace::Trace;

/// What is written down of one execution.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<(String, String)>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
