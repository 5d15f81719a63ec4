//! A position in the queue, and the future that waits in it.

use crate::{
    EnterError, Entry, Ticket, WaitError,
    registry::{
        guards::{guard::put_back, hold::Hold},
        map::{leave::finish, shard::Slot, shards::Shards},
        slot::{
            outcome::{Left, Look},
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

/// A call that was queued: an `Enter`, or one place of a `Drain`. Its drop leaves no trace.
pub(crate) struct Queued<K, V, H> {
    /// Where the place was at the last poll. If that slot was superseded since, the queue has moved to the current one.
    /// `None` once the grant is taken, or the call is dismissed.
    slot: Option<Arc<Slot<K, V, H>>>,
    /// The slot before. Dropped when a panic in that drop can lose nothing.
    former: Option<Arc<Slot<K, V, H>>>,
    place: Place,
    /// True before the first poll, which will most likely need a waker.
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
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>, place: Place) -> Self {
        Self {
            slot: Some(slot),
            former: None,
            place,
            fresh: true,
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
        if let Some(current) = moved {
            self.former = self.slot.replace(current);
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
/// slot.
///
/// `ask` returns `None` if its slot was superseded. The current slot is then locked under the map lock, where nothing can
/// supersede it. There is no answer if the queue is gone: dismissed, and its slot removed.
#[inline]
#[track_caller]
fn ask_queue<K, V, H, R>(
    slot: &Slot<K, V, H>,
    place: Place,
    mut ask: impl FnMut(&mut Locked<'_, Box<V>, H>, Place) -> Option<R>,
) -> (Option<R>, Option<Arc<Slot<K, V, H>>>) {
    let answer = ask(&mut slot.lock(), place);
    if answer.is_some() {
        return (answer, None);
    }
    let found = slot.home.read(|map| {
        let current = map.find_queue(slot.hash, slot.queue)?;
        let answer = ask(&mut current.lock(), place);
        Some((answer, Arc::clone(current)))
    });
    match found {
        Some((answer, current)) => (answer, Some(current)),
        None => (None, None),
    }
}

fn why_sent_away<K, V, H>(slot: &Slot<K, V, H>) -> EnterError {
    if slot.home.common().closed() {
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
        let now = slot.home.now();
        // Dropped last, when a panic in its drop can lose nothing.
        let _former = self.former.take();
        let left = self.find(|locked, place| match locked.leave(place, now) {
            Left::Moved => None,
            other => Some(other),
        });
        match left {
            Some(Left::Passed(passed)) => {
                if let (Some(passed), Some(slot)) = (passed, &self.slot) {
                    finish(passed, slot);
                }
            }
            // Nobody holds the vacancy now. Callers that join its queue before it is released are found there.
            Some(Left::Vacancy) => drop(self.slot.take().map(Hold::new)),
            // Their contents are dropped here, after the locks.
            Some(Left::Queue(_) | Left::SentAway | Left::Moved) | None => {}
        }
    }
}

/// A position in the queue of a key, and the future of its turn. Await it, or block a thread with [`wait`](Self::wait).
///
/// The call of [`enter`](crate::Registry::enter) takes the position; the future only waits.
///
/// # Cancel safety
///
/// Dropping it at any point leaves the queue. A turn that it was granted or has taken passes to the next caller; without one,
/// the session is as idle as it was before.
///
/// # Panics
///
/// Polling it after it has returned its result panics.
///
/// # Details
///
/// A free key is taken in the call: the `Enter` *holds* it then, like the turn or the vacancy that it will return, whether
/// it is polled or not. The callers behind it wait, [`Registry::replace`](crate::Registry::replace) reports it as held, and
/// [`Registry::close`](crate::Registry::close) does not revoke it.
///
/// An `Enter` that had to wait keeps the [`Registry`](crate::Registry) alive. One that holds its key does not: if the
/// registry is dropped, it returns a superseded turn or vacancy.
#[must_use = "this holds a place in the queue, or the key: await it, wait for it, or drop it"]
pub struct Enter<K, V, H = ()> {
    state: State<K, V, H>,
}

/// Two words, like a [`Turn`](crate::Turn). A call that waits or is refused pays for an allocation instead.
enum State<K, V, H> {
    /// Taken in the call: a turn, or a vacancy if there is no session. Holds no reference to the registry: counting it would
    /// be a write that all sessions share.
    Held(Option<Box<V>>, Arc<Slot<K, V, H>>),
    /// `None` once it has returned its result.
    Other(Option<Box<Other<K, V, H>>>),
}

enum Other<K, V, H> {
    /// Queued by the call. Keeps the registry alive.
    Waiting {
        queue: Queued<K, V, H>,
        _registry: Arc<Shards<K, V, H>>,
    },
    Refused(EnterError),
}

impl<K, V, H> Enter<K, V, H> {
    #[inline(always)]
    pub(crate) fn held(session: Option<Box<V>>, slot: Arc<Slot<K, V, H>>) -> Self {
        let state = State::Held(session, slot);
        Self { state }
    }

    pub(crate) fn waiting(queue: Queued<K, V, H>, registry: &Arc<Shards<K, V, H>>) -> Self {
        Self::other(Other::Waiting {
            queue,
            _registry: Arc::clone(registry),
        })
    }

    pub(crate) fn refused(error: EnterError) -> Self {
        Self::other(Other::Refused(error))
    }

    fn other(other: Other<K, V, H>) -> Self {
        let state = State::Other(Some(Box::new(other)));
        Self { state }
    }

    fn queue(&self) -> Option<&Queued<K, V, H>> {
        match &self.state {
            State::Other(Some(other)) => match &**other {
                Other::Waiting { queue, .. } => Some(queue),
                Other::Refused(_) => None,
            },
            State::Held(..) | State::Other(None) => None,
        }
    }

    /// Blocks this thread until the turn comes, in the same queue as the futures.
    ///
    /// # Errors
    ///
    /// Those of [`Registry::enter`](crate::Registry::enter).
    pub fn wait(mut self) -> Result<Entry<K, V, H>, EnterError> {
        block_on(None, |cx| self.poll_entry(cx)).expect("without a deadline there is an answer")
    }

    /// Blocks this thread for at most `limit`, in real time. A call that is granted at the deadline gets its entry.
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

    /// Returns the number of calls ahead of this one in the queue; 0 if it has the key. Counts them under the slot lock: meant
    /// for display, not for loops.
    pub fn ahead(&self) -> usize {
        self.queue().map_or(0, Queued::ahead)
    }

    /// Returns the ticket, which its turn will have too. `None` if the call was refused; the first poll returns the reason.
    pub fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Held(_, slot) => Some(slot.ticket()),
            State::Other(_) => Some(self.queue()?.place.ticket()),
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn spot(&self) -> Option<crate::registry::slot::state::Spot> {
        match &self.state {
            State::Held(_, slot) => Some(slot.spot(slot.ticket())),
            State::Other(_) => {
                let queued = self.queue()?;
                Some(queued.slot.as_ref()?.spot(queued.place.ticket()))
            }
        }
    }

    #[inline(always)]
    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry<K, V, H>, EnterError>> {
        if let State::Other(other) = &mut self.state {
            return poll_other(other, cx.waker());
        }
        match mem::replace(&mut self.state, State::Other(None)) {
            State::Held(session, slot) => Poll::Ready(Ok(Entry::new(Hold::new(slot), session))),
            State::Other(_) => unreachable!("it was looked at"),
        }
    }
}

#[cold]
fn poll_other<K, V, H>(
    other: &mut Option<Box<Other<K, V, H>>>,
    waker: &Waker,
) -> Poll<Result<Entry<K, V, H>, EnterError>> {
    let result = match other.as_deref_mut() {
        None => panic!("`Enter` was polled after it was ready"),
        Some(Other::Refused(error)) => Err(*error),
        Some(Other::Waiting { queue, .. }) => match queue.look(waker) {
            Turned::Waits => return Poll::Pending,
            Turned::Granted(session, hold) => Ok(Entry::new(hold, session)),
            Turned::SentAway(slot) => Err(why_sent_away(&slot)),
        },
    };
    *other = None;
    Poll::Ready(result)
}

/// What was taken in the call and not asked for is given back. A place in the queue leaves it by its own drop.
impl<K, V, H> Drop for Enter<K, V, H> {
    #[inline(always)]
    fn drop(&mut self) {
        match mem::replace(&mut self.state, State::Other(None)) {
            State::Other(None) => {}
            State::Other(Some(other)) => drop_cold(other),
            State::Held(session, slot) => put_back(session, slot),
        }
    }
}

#[cold]
fn drop_cold<K, V, H>(other: Box<Other<K, V, H>>) {
    drop(other);
}

impl<K, V, H> Future for Enter<K, V, H> {
    type Output = Result<Entry<K, V, H>, EnterError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_entry(cx)
    }
}

impl<K, V, H> fmt::Debug for Enter<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Enter");
        match &self.state {
            State::Held(_, slot) => debug
                .field("state", &"held")
                .field("ticket", &slot.ticket()),
            State::Other(None) => debug.field("done", &true),
            State::Other(Some(other)) => match &**other {
                Other::Waiting { queue, .. } => debug
                    .field("state", &"waiting")
                    .field("ticket", &queue.place.ticket()),
                Other::Refused(error) => debug.field("refused", error),
            },
        };
        debug.finish_non_exhaustive()
    }
}
