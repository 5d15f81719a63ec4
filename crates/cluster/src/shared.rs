//! What the tasks of a node share, and each step of them.

use crate::{
    engine::{Answer, Batch, Engine, Fault, Grant, Request},
    host::Host,
    keys::{Key, Keys, Waiter},
    settings::Settings,
    sync::Arc,
    term::Lease,
};
use parking_lot::Mutex;
use std::{fmt, mem};
use tokio::sync::{Notify, oneshot};
use turnwise::manager::{LossNotice, NotOwned, Term};

/// Keys of one batch.
pub(crate) const MOST: usize = 100;

pub(crate) struct Shared<E> {
    pub(crate) engine: E,
    pub(crate) host: Host,
    pub(crate) settings: Settings,
    /// The name in the records.
    pub(crate) owner: Arc<str>,
    state: Mutex<State>,
    /// There may be a batch to ask.
    pub(crate) work: Notify,
    /// The node leaves.
    pub(crate) hurry: Notify,
}

#[derive(Default)]
struct State {
    keys: Keys,
    lease: Option<Arc<Lease>>,
    notices: Vec<LossNotice>,
    draining: bool,
    leaving: bool,
    over: bool,
    /// Those that wait until the node has left.
    left: Vec<oneshot::Sender<()>>,
}

impl<E> fmt::Debug for Shared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Node")
            .field("owner", &self.owner)
            .field("lease", &state.lease)
            .field("draining", &state.draining)
            .finish_non_exhaustive()
    }
}

impl<E: Engine> Shared<E> {
    pub(crate) fn new(engine: E, settings: Settings, host: Host) -> Arc<Self> {
        Arc::new(Self {
            owner: format!("{}#{:016x}", settings.name, host.nonce()).into(),
            engine,
            host,
            settings,
            state: Mutex::default(),
            work: Notify::new(),
            hurry: Notify::new(),
        })
    }

    /// Wakes both workers, if both wait.
    fn has_work(&self) {
        self.work.notify_one();
        self.work.notify_one();
    }

    pub(crate) fn want(&self, key: &Key, waiter: Waiter) -> Result<(), NotOwned> {
        let mut state = self.state.lock();
        if state.draining {
            return Err(NotOwned::Unavailable("this node is draining".into()));
        }
        let before = state.keys.want(key, waiter);
        drop(state);
        // A caller of this key that has gone, or breaks the contract.
        drop(before);
        self.work.notify_one();
        Ok(())
    }

    pub(crate) fn release(&self, key: &[u8], fence: u64) {
        self.state.lock().keys.release(key, fence);
        self.work.notify_one();
    }

    pub(crate) fn watch(&self, notice: LossNotice) {
        self.state.lock().notices.push(notice);
    }

    pub(crate) fn lease(&self) -> Option<Arc<Lease>> {
        self.state.lock().lease.clone()
    }

    /// Begins a term. `sent` was read from the clock before the question was sent.
    pub(crate) fn begin(&self, sent: u64, grant: Grant) -> Option<Arc<Lease>> {
        let lease = Lease::new(grant, sent, self.settings.margin, &self.host)?;
        let lease = Arc::new(lease);
        self.state.lock().lease = Some(Arc::clone(&lease));
        self.has_work();
        Some(lease)
    }

    /// The term has ended. Managers are notified once.
    pub(crate) fn lost(&self, lease: &Arc<Lease>) {
        let mut state = self.state.lock();
        let is_present = |held: &mut Arc<Lease>| Arc::ptr_eq(held, lease);
        if state.lease.take_if(is_present).is_none() {
            return;
        }
        state.keys.lost();
        let notices = state.notices.clone();
        drop(state);
        notices.iter().for_each(LossNotice::notify);
    }

    /// No lease could be had.
    pub(crate) fn tidy(&self) {
        self.state.lock().keys.tidy();
    }

    /// The next batch, and the term that it is asked under.
    pub(crate) fn next_batch(&self) -> Option<(Arc<Lease>, Vec<Request>)> {
        let mut state = self.state.lock();
        let lease = state.lease.clone().filter(|lease| lease.holds())?;
        let requests = state.keys.take(MOST);
        let more = state.keys.has_work();
        drop(state);
        if more {
            self.work.notify_one();
        }
        (!requests.is_empty()).then_some((lease, requests))
    }

    pub(crate) fn batch(&self, lease: &Lease, requests: &[Request]) -> Batch {
        Batch {
            owner: Arc::clone(&self.owner),
            lease: lease.number,
            requests: requests.to_vec(),
        }
    }

    /// An answer is believed only by the waiter of that question, and only while the term of the question holds.
    pub(crate) fn answered(
        &self,
        lease: &Arc<Lease>,
        requests: Vec<Request>,
        answers: Result<Vec<Answer>, Fault>,
    ) {
        let answers = match answers {
            Ok(answers) if answers.len() == requests.len() => Ok(answers),
            Ok(_) => Err(Fault::Failed("the engine did not answer all".into())),
            Err(fault) => Err(fault),
        };
        if answers == Err(Fault::Gone) {
            lease.end(true);
        }
        let mut told = Vec::new();
        let mut state = self.state.lock();
        let held = Some(lease).filter(|lease| lease.holds());
        for (index, request) in requests.into_iter().enumerate() {
            let answer = answers.as_ref().map(|answers| answers[index].clone());
            let answer = answer.map_err(Fault::clone);
            told.extend(state.keys.answered(request, answer, held));
        }
        drop(state);
        // No lock is held: a waker may be anything.
        for (key, waiter, told) in told {
            if let Err(Ok(won)) = waiter.send(told) {
                // The caller has gone meanwhile.
                self.release(&key, won.fence);
            }
        }
        if held.is_none() {
            self.lost(lease);
        }
        self.has_work();
    }

    /// Acquires nothing from now on.
    pub(crate) fn drain(&self) {
        let mut state = self.state.lock();
        state.draining = true;
        let waiters = state.keys.waiters();
        state.keys.tidy();
        drop(state);
        for waiter in waiters {
            let draining = NotOwned::Unavailable("this node is draining".into());
            drop(waiter.send(Err(draining)));
        }
    }

    /// The lease is to be given up. What is returned resolves when that is done.
    pub(crate) fn leave(&self) -> oneshot::Receiver<()> {
        self.drain();
        let (left, leaving) = oneshot::channel();
        let mut state = self.state.lock();
        state.leaving = true;
        if !state.over {
            state.left.push(left);
        }
        drop(state);
        self.hurry.notify_one();
        leaving
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.state.lock().leaving
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Whether a session may still run.
    pub(crate) fn has_live(&self) -> bool {
        self.state.lock().keys.has_live()
    }

    pub(crate) fn over(&self) {
        let mut state = self.state.lock();
        state.over = true;
        let left = mem::take(&mut state.left);
        drop(state);
        drop(left);
        self.has_work();
    }
}
