//! Which questions of extensions are open, and their answers.
//!
//! The task of a pi and its handles share one list. An answer is put beside its question, under the lock of the list. The lock
//! decides between two answers, and between an answer and the end of the question. The task takes the answer from there.
//!
//! The task alone keeps the list alive. Without it, no question is open.

use crate::{
    message::{PiAnswer, PiQuestion},
    record::Asked,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    mem,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// How many questions may be open at once, and how many bytes they may have; more are answered by nobody.
const OPEN: usize = 64;
const OPEN_BYTES: usize = 1 << 20;
/// How many bytes of answers may wait for pi to read them.
const OWED: usize = 1 << 20;

/// Reaches the open questions of a session's extensions, while its turn runs: the [handle](turnwise::Backend::Handle) of a
/// [`PiAgent`](super::PiAgent).
///
/// [`SessionManager::handle`](turnwise::SessionManager::handle) returns it. It is cheap to clone, and does not keep the session
/// alive. When the process ends, no question is open any more.
#[derive(Clone, Debug)]
pub struct PiHandle(Weak<Shared>);

impl PiHandle {
    /// Returns the open questions, the oldest first.
    pub fn questions(&self) -> Vec<Arc<PiQuestion>> {
        let Some(shared) = self.0.upgrade() else {
            return Vec::new();
        };
        let open = shared.open.lock();
        let unanswered = open.iter().filter(|open| open.answer.is_none());
        unanswered.map(|open| Arc::clone(&open.question)).collect()
    }

    /// Answers a question. Returns false if it is not open any more: it was answered, it timed out, or its turn or its process has ended.
    ///
    /// If a question gets several answers, one call returns true. pi receives that answer, unless its process ends first. Does not wait.
    pub fn answer(&self, id: u64, answer: PiAnswer) -> bool {
        let Some(shared) = self.0.upgrade() else {
            return false;
        };
        let mut open = shared.open.lock();
        let unanswered = |open: &&mut Open| open.question.id == id && open.answer.is_none();
        let Some(open) = open.iter_mut().find(unanswered) else {
            return false;
        };
        open.answer = Some(answer);
        shared.answered.notify_one();
        true
    }
}

#[derive(Debug, Default)]
struct Shared {
    open: Mutex<Vec<Open>>,
    answered: Notify,
}

/// A question that pi has no answer to.
#[derive(Debug)]
pub(crate) struct Open {
    /// pi's own name for it.
    pub(crate) id: String,
    question: Arc<PiQuestion>,
    /// When its time is over.
    due: Option<Instant>,
    pub(crate) answer: Option<PiAnswer>,
}

impl Open {
    fn bytes(&self) -> usize {
        self.id.len() + self.question.weight()
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }
}

/// The list, from the side of the task.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// Somebody answers.
    answered: bool,
    shared: Arc<Shared>,
    /// So many bytes, at most, of what pi has not read are answers.
    owed: usize,
}

impl Questions {
    pub(crate) fn new(answered: bool) -> Self {
        Self {
            answered,
            ..Self::default()
        }
    }

    pub(crate) fn handle(&self) -> PiHandle {
        PiHandle(Arc::downgrade(&self.shared))
    }

    /// A new one; with pi's name for it, if nobody answers it.
    pub(crate) fn ask(&self, asked: Asked, wanted: bool) -> (Arc<PiQuestion>, Option<String>) {
        // Of all processes: the id of an earlier one is none of this one.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Asked { id, method, asks } = asked;
        let question = Arc::new(PiQuestion {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            method,
            title: asks.title,
            message: asks.message,
            options: asks.options,
            placeholder: asks.placeholder,
            prefill: asks.prefill,
        });
        let new = Open {
            id,
            question: Arc::clone(&question),
            due: None,
            answer: None,
        };
        let mut open = self.shared.open.lock();
        let bytes: usize = open.iter().map(Open::bytes).sum();
        let room = open.len() < OPEN && bytes + new.bytes() <= OPEN_BYTES;
        if !self.answered || !wanted || !room {
            return (question, Some(new.id));
        }
        open.push(new);
        (question, None)
    }

    /// Resolves when a handle has answered, before now or later. Cancel-safe.
    pub(crate) async fn answered(&self) {
        self.shared.answered.notified().await;
    }

    /// When the time of the next one is over, if each has so much.
    pub(crate) fn due(&self, limit: Duration) -> Option<Instant> {
        let mut open = self.shared.open.lock();
        for new in open.iter_mut().filter(|open| open.due.is_none()) {
            new.due = Instant::now().checked_add(limit);
        }
        open.iter().filter_map(|open| open.due).min()
    }

    /// Closes those that this holds for.
    pub(crate) fn close(&self, over: impl Fn(&Open) -> bool) -> Vec<Open> {
        let mut open = self.shared.open.lock();
        let (closed, still) = mem::take(&mut *open).into_iter().partition(over);
        *open = still;
        closed
    }

    pub(crate) fn none_open(&self) -> bool {
        self.shared.open.lock().is_empty()
    }

    /// An answer of so many bytes is the last of `waiting` bytes that pi has not read.
    pub(crate) fn owe(&mut self, answer: usize, waiting: usize) {
        self.owed = waiting.min(self.owed + answer);
    }

    /// So many bytes wait for pi to read them. Are too many of them answers?
    pub(crate) fn owes_too_much(&self, waiting: usize) -> bool {
        self.owed.min(waiting) > OWED
    }
}

/// An answer, as pi reads it.
pub(crate) fn line(id: &str, answer: PiAnswer) -> Value {
    let (name, value) = match answer {
        PiAnswer::Value(value) => ("value", value.into()),
        PiAnswer::Confirmed(yes) => ("confirmed", yes.into()),
        PiAnswer::Cancelled => ("cancelled", Value::Bool(true)),
    };
    let mut line = json!({"type": "extension_ui_response", "id": id});
    line[name] = value;
    line
}
