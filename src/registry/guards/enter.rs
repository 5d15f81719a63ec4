//! A place in the queue, and the future that waits in it.

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

/// Somebody who was granted or stands in a queue: an `Enter`, or a `Drain`. Its drop leaves no trace.
pub(crate) struct Queued<K, V, H> {
    /// Where the place was when last looked at; `None` once it is granted and taken, or sent away. If that slot was
    /// superseded, the queue has moved to the current one.
    slot: Option<Arc<Slot<K, V, H>>>,
    /// The slot before, and the shard that knew where the queue is now: dropped when nothing can be lost by a panic in it.
    former: Option<Moved<K, V, H>>,
    place: Place,
    /// The first look will most likely need a waker.
    fresh: bool,
}

/// How it stands with somebody in a queue.
pub(crate) enum Turned<K, V, H> {
    /// Taken: a turn if there is a session, else a vacancy.
    /// In the order in which they must drop, should a panic come between.
    Granted(Option<Box<V>>, Hold<K, V, H>),
    Waits,
    /// From the queue of this slot.
    SentAway(Arc<Slot<K, V, H>>),
}

impl<K, V, H> Queued<K, V, H> {
    /// `waits`: it was not granted in the call.
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>, place: Place, waits: bool) -> Self {
        Self {
            slot: Some(slot),
            former: None,
            place,
            fresh: waits,
        }
    }

    /// Looks whether the grant has come, and sees to it that `waker` is woken when it does.
    ///
    /// Between two looks the slot may be superseded, more than once: the queue has moved then, with this place in it.
    /// Between a look and the clone of the waker, the grant may come to a place without a waker: hence the second look.
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
                    let slot = self.slot.take().expect(STANDS);
                    break Turned::Granted(session, Hold::new(slot));
                }
                Some(Look::SentAway | Look::Moved) | None => {
                    break Turned::SentAway(self.slot.take().expect(STANDS));
                }
            }
        };
        // The waker that was not needed is dropped when nothing can be lost by a panic in it.
        drop((offered, self.former.take()));
        turned
    }

    /// Asks the slot where the queue is now, and goes there.
    #[inline]
    #[track_caller]
    fn find<R>(
        &mut self,
        ask: impl FnMut(&mut Locked<'_, Box<V>, H>, Place) -> Option<R>,
    ) -> Option<R> {
        drop(self.former.take());
        let slot = self.slot.as_ref().expect(STANDS);
        let (answer, moved) = ask_queue(slot, self.place, ask);
        if let Some((current, shard)) = moved {
            let before = self.slot.replace(current).expect(STANDS);
            self.former = Some((before, shard));
        }
        answer
    }

    fn ahead(&self) -> usize {
        let slot = self.slot.as_ref().expect(STANDS);
        let (ahead, _) = ask_queue(slot, self.place, |locked, place| {
            match locked.ahead(place) {
                None if locked.superseded() => None,
                here => Some(here.unwrap_or(0)),
            }
        });
        ahead.unwrap_or(0)
    }
}

/// A place has its slot until a look ends it.
const STANDS: &str = "a place has its slot until it is granted or sent away";

/// What the slot says where the queue of `slot` is now, and that slot and its shard if it is another. `ask` answers `None` if its
/// slot was superseded; the current one is then locked under the map's lock, where nobody can supersede it. There is no answer
/// if the queue is gone: sent away, and its slot removed.
///
/// The caller keeps the shard until the answer is in its hands: this may be its last reference, should the registry go.
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

/// Where a queue is now.
type Moved<K, V, H> = (Arc<Slot<K, V, H>>, Arc<Shard<K, V, H>>);

fn why_sent_away<K, V, H>(slot: &Slot<K, V, H>) -> EnterError {
    let closed = |shard: Arc<Shard<K, V, H>>| shard.common().closed();
    if slot.home.upgrade().is_none_or(closed) {
        EnterError::Closed
    } else {
        EnterError::Dismissed
    }
}

/// Gives up the place: out of the queue, or the grant passes on.
impl<K, V, H> Drop for Queued<K, V, H> {
    fn drop(&mut self) {
        let Some(slot) = &self.slot else {
            return;
        };
        let now = slot.clock.now();
        // Dropped last, when nothing can be lost by a panic in it.
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
            // Nobody holds the vacancy now. Newcomers may join its queue before it is let go: they are seen there.
            Some(Left::Vacancy) => drop(self.slot.take().map(Hold::new)),
            // What these hold is dropped here, after the locks.
            Some(Left::Queue(_) | Left::Orphan { .. } | Left::SentAway | Left::Moved) | None => {}
        }
    }
}

/// A place in the queue, taken when `enter` was *called*: a future, or [`wait`](Self::wait) for it with a thread.
///
/// **Cancel-safe**: dropping it at any point leaves no trace; a grant passes to the next in the queue. Once it is ready it must
/// not be polled again, which panics.
///
/// **Hazard**: a free session is granted in the call. An `Enter` that is kept and neither polled nor dropped holds its
/// key, and those behind it wait.
///
/// One that had to wait counts as a [`Registry`](crate::Registry): the registry lives on, should all others be dropped. One
/// that was granted in the call does not, but keeps its grant. If it is put back into the queue, because the slot is replaced
/// before it looks, it still does not count: should the registry go then, it is refused with [`EnterError::Closed`].
#[must_use = "this holds a place in the queue, or the key: await it, wait for it, or drop it"]
pub struct Enter<K, V, H = ()> {
    state: State<K, V, H>,
}

enum State<K, V, H> {
    /// Granted in the call. The registry is not counted up: that would be a write that all sessions share.
    Granted(Queued<K, V, H>),
    /// In the queue when it came. Keeps the registry.
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

    /// The ticket, which the turn will have too. `None` if the entry was refused; the reason comes with the first poll.
    pub fn ticket(&self) -> Option<Ticket> {
        let queue = self.state.queue()?;
        Some(queue.place.ticket())
    }

    /// How many stand before this place in the queue; 0 if it was granted. Counts them under the slot lock: for people to
    /// look at, not for loops.
    pub fn ahead(&self) -> usize {
        self.state.queue().map_or(0, Queued::ahead)
    }

    /// Waits with this thread, in the same queue as the futures.
    ///
    /// # Errors
    ///
    /// As the future's: [`EnterError`] says why the entry was refused.
    pub fn wait(mut self) -> Result<Entry<K, V, H>, EnterError> {
        block_on(None, |cx| self.poll_entry(cx)).expect("without a deadline there is an answer")
    }

    /// Waits with this thread until a deadline, in real time. Who is granted at the deadline is granted.
    ///
    /// # Errors
    ///
    /// [`WaitError::TimedOut`] gives the place back, still held: wait again, or drop it to leave the queue. An error that is
    /// stored or boxed keeps the place for as long.
    /// [`WaitError::Refused`] says why the entry was refused.
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Entry<K, V, H>, WaitError<Self>> {
        let deadline = Deadline::after(limit);
        match block_on(Some(&deadline), |cx| self.poll_entry(cx)) {
            Some(entry) => entry.map_err(WaitError::Refused),
            None => Err(WaitError::TimedOut(self)),
        }
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
