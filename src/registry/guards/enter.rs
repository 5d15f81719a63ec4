//! A position in the queue, and the future that waits in it.

use crate::{
    EnterError, Entry, Ticket, WaitError,
    registry::{
        guards::hold::Hold,
        map::{
            shard::{Shard, Slot, list},
            shards::Shards,
        },
        slot::{
            outcome::{Left, Look, Passed},
            queue::Place,
            state::Locked,
        },
        wake::block_on,
    },
    sync::{Arc, Deadline},
};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A call that was granted or is queued: an `Enter`, or one place of a `Drain`. Its drop leaves no trace.
pub(crate) struct Queued<K, V, H> {
    /// Where the place was at the last poll. If that slot was superseded since, the queue has moved to the current one.
    /// `None` once the grant is taken, or the call is dismissed.
    slot: Option<Arc<Slot<K, V, H>>>,
    /// The slot before, and the shard by which the current one was found. Dropped when a panic in that drop can lose nothing.
    former: Option<Moved<K, V, H>>,
    place: Place,
    /// True before the first poll of a queued call, which will most likely need a waker.
    fresh: bool,
}

/// The result of polling a place.
pub(crate) enum Turned<K, V, H> {
    /// The grant was taken: a turn if there is a session, else a vacancy. The order of the fields is the order of their
    /// drops, should a panic come between.
    Granted(Option<Box<V>>, Hold<K, V, H>),
    Waits,
    /// Dismissed from the queue of this slot, or the registry was closed.
    SentAway(Arc<Slot<K, V, H>>),
}

impl<K, V, H> Queued<K, V, H> {
    /// `waits`: the call was queued, not granted.
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>, place: Place, waits: bool) -> Self {
        Self {
            slot: Some(slot),
            former: None,
            place,
            fresh: waits,
        }
    }

    /// Takes the grant if it has come. Otherwise registers `waker` for it.
    ///
    /// Between two polls the slot may be superseded, more than once; then the queue has moved, with this place in it.
    /// Between a poll and the clone of the waker, the grant may come while no waker is registered; hence the second poll.
    /// Models: `c04_progress`, `c06_identity`.
    #[inline]
    pub(crate) fn look(&mut self, waker: &Waker) -> Turned<K, V, H> {
        let mut offered = mem::take(&mut self.fresh).then(|| waker.clone());
        let turned = loop {
            let look = self.find(
                |locked, place| match locked.look(place, waker, &mut offered) {
                    Look::Moved => None,
                    other => Some(other),
                },
            );
            match look {
                Some(Look::NeedsWaker) => offered = Some(waker.clone()),
                Some(Look::Waits) => break Turned::Waits,
                Some(Look::Granted(session)) => {
                    let slot = self.slot.take().expect(PLACED);
                    break Turned::Granted(session, Hold::new(slot));
                }
                Some(Look::SentAway | Look::Moved) | None => {
                    break Turned::SentAway(self.slot.take().expect(PLACED));
                }
            }
        };
        // An unused waker is dropped when a panic in its drop can lose nothing.
        drop((offered, self.former.take()));
        turned
    }

    /// Calls `ask` with the slot where the queue is now, and moves there.
    #[inline]
    #[track_caller]
    fn find<R>(
        &mut self,
        ask: impl FnMut(&mut Locked<'_, Box<V>, H>, Place) -> Option<R>,
    ) -> Option<R> {
        drop(self.former.take());
        let slot = self.slot.as_ref().expect(PLACED);
        let (answer, moved) = ask_queue(slot, self.place, ask);
        if let Some((current, shard)) = moved {
            let before = self.slot.replace(current).expect(PLACED);
            self.former = Some((before, shard));
        }
        answer
    }

    fn ahead(&self) -> usize {
        let slot = self.slot.as_ref().expect(PLACED);
        let (ahead, _) = ask_queue(slot, self.place, |locked, place| {
            match locked.ahead(place) {
                None if locked.superseded() => None,
                here => Some(here.unwrap_or(0)),
            }
        });
        ahead.unwrap_or(0)
    }
}

/// The invariant of `Queued::slot`.
const PLACED: &str = "a place has its slot until it is granted or dismissed";

/// Calls `ask` with `slot`, or with the slot to which its queue has moved. Returns the answer, and in the second case that
/// slot and its shard.
///
/// `ask` returns `None` if its slot was superseded. The current slot is then locked under the map lock, where nothing can
/// supersede it. There is no answer if the queue is gone: dismissed, and its slot removed.
///
/// The caller keeps the shard until it has stored the answer: if the registry is dropped, this can be the last reference.
#[inline]
#[track_caller]
fn ask_queue<K, V, H, R>(
    slot: &Slot<K, V, H>,
    place: Place,
    mut ask: impl FnMut(&mut Locked<'_, Box<V>, H>, Place) -> Option<R>,
) -> (Option<R>, Option<Moved<K, V, H>>) {
    let answer = ask(&mut slot.lock(), place);
    if answer.is_some() {
        return (answer, None);
    }
    let Some(shard) = slot.home.upgrade() else {
        return (None, None);
    };
    let found = shard.read(|map| {
        let current = map.find_queue(slot.hash, slot.queue)?;
        let answer = ask(&mut current.lock(), place);
        Some((answer, Arc::clone(current)))
    });
    match found {
        Some((answer, current)) => (answer, Some((current, shard))),
        None => (None, None),
    }
}

/// The slot and shard where a queue is now.
type Moved<K, V, H> = (Arc<Slot<K, V, H>>, Arc<Shard<K, V, H>>);

fn why_sent_away<K, V, H>(slot: &Slot<K, V, H>) -> EnterError {
    let closed = |shard: Arc<Shard<K, V, H>>| shard.common().closed();
    if slot.home.upgrade().is_none_or(closed) {
        EnterError::Closed
    } else {
        EnterError::Dismissed
    }
}

/// Gives up the place: leaves the queue, or passes the grant on.
impl<K, V, H> Drop for Queued<K, V, H> {
    fn drop(&mut self) {
        let Some(slot) = &self.slot else {
            return;
        };
        let now = slot.clock.now();
        // Dropped last, when a panic in its drop can lose nothing.
        let _former = self.former.take();
        let left = self.find(|locked, place| match locked.leave(place, now) {
            Left::Moved => None,
            other => Some(other),
        });
        match left {
            Some(Left::Passed(passed)) => {
                passed.into_iter().for_each(Passed::finish);
                self.slot.iter().for_each(list);
            }
            // Nobody holds the vacancy now. Callers that join its queue before it is released are found there.
            Some(Left::Vacancy) => drop(self.slot.take().map(Hold::new)),
            // Their contents are dropped here, after the locks.
            Some(Left::Queue(_) | Left::Orphan { .. } | Left::SentAway | Left::Moved) | None => {}
        }
    }
}

/// A position in the queue of a key. Await it, or [`wait`](Self::wait) for it with a thread.
///
/// The call of [`enter`](crate::Registry::enter) takes the position; the future only waits.
///
/// # Cancel safety
///
/// Dropping it at any point leaves the queue. A turn that was already granted passes to the next caller.
///
/// # Panics
///
/// Polling it after it has returned its result panics.
///
/// # Details
///
/// A free session is granted in the call. An `Enter` that is kept without being polled or dropped then holds its key, and
/// the callers behind it wait.
///
/// An `Enter` that had to wait keeps the [`Registry`](crate::Registry) alive. One that was granted in the call does not: it
/// keeps its grant when the registry is dropped. If its slot is replaced before its first poll, it is queued again, and
/// gets [`EnterError::Closed`] when the registry is dropped.
#[must_use = "this holds a place in the queue, or the key: await it, wait for it, or drop it"]
pub struct Enter<K, V, H = ()> {
    state: State<K, V, H>,
}

enum State<K, V, H> {
    /// Granted in the call. Holds no reference to the registry: counting it would be a write that all sessions share.
    Granted(Queued<K, V, H>),
    /// Queued by the call. Keeps the registry alive.
    Waiting {
        queue: Queued<K, V, H>,
        _registry: Arc<Shards<K, V, H>>,
    },
    Refused(EnterError),
    Done,
}

impl<K, V, H> State<K, V, H> {
    fn queue(&self) -> Option<&Queued<K, V, H>> {
        match self {
            Self::Granted(queue) | Self::Waiting { queue, .. } => Some(queue),
            Self::Refused(_) | Self::Done => None,
        }
    }
}

impl<K, V, H> Enter<K, V, H> {
    pub(crate) fn granted(queue: Queued<K, V, H>) -> Self {
        let state = State::Granted(queue);
        Self { state }
    }

    pub(crate) fn waiting(queue: Queued<K, V, H>, registry: &Arc<Shards<K, V, H>>) -> Self {
        let state = State::Waiting {
            queue,
            _registry: Arc::clone(registry),
        };
        Self { state }
    }

    pub(crate) fn refused(error: EnterError) -> Self {
        let state = State::Refused(error);
        Self { state }
    }

    /// Waits with this thread, in the same queue as the futures.
    ///
    /// # Errors
    ///
    /// The same as those of the future.
    pub fn wait(mut self) -> Result<Entry<K, V, H>, EnterError> {
        block_on(None, |cx| self.poll_entry(cx)).expect("without a deadline there is an answer")
    }

    /// Waits with this thread for at most `limit`, in real time. A call that is granted at the deadline gets its entry.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] returns the `Enter`, which keeps its position: wait again, or drop it to leave the queue. An
    /// error that is stored keeps the position too. [`WaitError::Refused`] has the reason of a refusal.
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Entry<K, V, H>, WaitError<Self>> {
        let deadline = Deadline::after(limit);
        match block_on(Some(&deadline), |cx| self.poll_entry(cx)) {
            Some(entry) => entry.map_err(WaitError::Refused),
            None => Err(WaitError::TimedOut(self)),
        }
    }

    /// The number of calls ahead of this one in the queue; 0 if it was granted. Counts them under the slot lock: meant for
    /// display, not for loops.
    pub fn ahead(&self) -> usize {
        self.state.queue().map_or(0, Queued::ahead)
    }

    /// The ticket, which its turn will have too. `None` if the call was refused; the first poll returns the reason.
    pub fn ticket(&self) -> Option<Ticket> {
        let queue = self.state.queue()?;
        Some(queue.place.ticket())
    }

    #[inline]
    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry<K, V, H>, EnterError>> {
        let result = match &mut self.state {
            State::Granted(queue) | State::Waiting { queue, .. } => match queue.look(cx.waker()) {
                Turned::Waits => return Poll::Pending,
                Turned::Granted(session, hold) => Ok(Entry::new(hold, session)),
                Turned::SentAway(slot) => Err(why_sent_away(&slot)),
            },
            State::Refused(error) => Err(*error),
            State::Done => panic!("`Enter` was polled after it was ready"),
        };
        self.state = State::Done;
        Poll::Ready(result)
    }
}

impl<K, V, H> Future for Enter<K, V, H> {
    type Output = Result<Entry<K, V, H>, EnterError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_entry(cx)
    }
}

impl<K, V, H> fmt::Debug for Enter<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Enter");
        match &self.state {
            State::Granted(queue) => debug
                .field("state", &"granted")
                .field("ticket", &queue.place.ticket()),
            State::Waiting { queue, .. } => debug
                .field("state", &"waiting")
                .field("ticket", &queue.place.ticket()),
            State::Refused(error) => debug.field("refused", error),
            State::Done => debug.field("done", &true),
        };
        debug.finish_non_exhaustive()
    }
}
