//! The end of a registry: it refuses new calls, and hands out each session as its turn ends.

use crate::{
    Closing, Observed, Registry, Turn,
    registry::{
        guards::{
            enter::{Queued, Turned},
            observed::Released,
        },
        map::{shard::Slot, shards::Shards},
        slot::queue::Priority,
        wake::block_on,
        woken::Woken,
    },
    sync::Arc,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

impl<K, V, H, S> Registry<K, V, H, S> {
    /// [Closes](Self::close) the registry, and returns a [`Drain`], which yields each session as its turn ends.
    ///
    /// ```
    /// let sessions: turnwise::Registry<String, u32> = turnwise::Registry::new();
    /// drop(sessions.enter_blocking("a")?.or_insert(1));
    ///
    /// let mut drain = sessions.drain();
    /// while let Some(mut closing) = drain.next_blocking() {
    ///     assert_eq!(*closing.session_mut(), 1); // a last word
    /// }
    /// assert!(sessions.is_empty());
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    pub fn drain(&self) -> Drain<K, V, H> {
        self.close();
        Drain {
            found: Vec::new(),
            out: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            woken: Woken::new(),
            shards: Arc::clone(self.shards()),
        }
    }

    /// Refuses new calls. Each queued call ends with [`EnterError::Closed`](crate::EnterError::Closed), and so does a call that was
    /// granted the turn and has not taken it. When this returns, no call is granted any more.
    ///
    /// Turns, starts and closes that are held go on. So does an [`Enter`](crate::Enter) that has a free key and was not yet
    /// polled: [`Drain::left`] lists it, and a drain waits until it has ended. Idle sessions stay, for [`drain`](Self::drain),
    /// [`cleanup_idle`](Self::cleanup_idle) or the drop of the registry. A second `close` only makes a drain scan again.
    pub fn close(&self) {
        self.shards().close();
    }

    /// Returns true once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.shards().common().closed()
    }
}

/// Yields the sessions of a closed registry, each as its turn ends; see [`Registry::drain`].
///
/// It waits in the queue of every slot that is held. Dropping it leaves those queues, and their sessions become idle.
#[must_use = "a drain does nothing until `next`"]
pub struct Drain<K, V, H = ()> {
    /// Found by the last scan, and not yet asked for.
    found: Vec<Arc<Slot<K, V, H>>>,
    /// The slots that are waited for. A slot's number is its index.
    out: Vec<Option<Out<K, V, H>>>,
    /// Unused numbers.
    free: Vec<usize>,
    /// The numbers to poll: new ones, and those that were woken.
    ready: Vec<usize>,
    woken: Woken,
    /// Dropped last: the places in `out` keep the registry alive.
    shards: Arc<Shards<K, V, H>>,
}

/// A slot that is still held.
enum Out<K, V, H> {
    Queued(Queued<K, V, H>),
    Superseded(Released<K, V, H>, Arc<Slot<K, V, H>>),
}

impl<K, V, H> Out<K, V, H> {
    fn look(&mut self, waker: &Waker) -> Turned<K, V, H> {
        match self {
            Self::Queued(queue) => queue.look(waker),
            Self::Superseded(released, slot) => {
                match Pin::new(released).poll(&mut Context::from_waker(waker)) {
                    Poll::Pending => Turned::Waits,
                    // If polled once more, it has nothing to return.
                    Poll::Ready(()) => Turned::SentAway(Arc::clone(slot)),
                }
            }
        }
    }
}

impl<K, V, H> Drain<K, V, H> {
    /// Returns the next session, as a [`Closing`] that holds its key. Waits if each session that is left has a holder. Returns
    /// `None` when the registry is drained: there is no slot, and no superseded holder.
    ///
    /// Do not collect the closings. The drain waits until each of them is dropped, here or in the task that you moved it
    /// to.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Performance
    ///
    /// A call polls only the sessions that were released since the last one. A whole drain takes O(n log n).
    pub async fn next(&mut self) -> Option<Closing<K, V, H>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Like [`next`](Self::next), but blocks this thread.
    pub fn next_blocking(&mut self) -> Option<Closing<K, V, H>> {
        block_on(None, |cx| self.poll_next(cx)).expect("without a deadline there is an answer")
    }

    /// Returns what is left: the slots in the map, and superseded slots that are still held.
    pub fn left(&self) -> Vec<Observed<K, V, H>> {
        self.look().iter().map(Observed::new).collect()
    }

    /// Reads each shard's map, then its superseded slots. In this order a slot that is replaced meanwhile is not missed. It
    /// may be found twice, and polling it twice gives the same result.
    fn look(&self) -> Vec<Arc<Slot<K, V, H>>> {
        let mut slots = Vec::new();
        for shard in self.shards.all() {
            let look = |seen: &mut Vec<_>, slot: &_| seen.push(Arc::clone(slot));
            slots.append(&mut shard.scan(look));
            shard.read(|map| slots.extend(map.departing.values().map(Arc::clone)));
        }
        slots
    }

    /// Asks for each slot that was found, then polls those in `ready`. When nothing is waited for any more, it scans the
    /// map again: a slot may have been removed while it was held, which supersedes its holder. After `close` no slot is
    /// added, so each scan finds fewer.
    ///
    /// A slot counts as found again when its session was returned, and when the drain was dismissed from its queue: the
    /// session may become idle while others are still waited for. Models: `c13_closing`.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Closing<K, V, H>>> {
        loop {
            while let Some(slot) = self.found.pop() {
                if let Some(closing) = self.ask(slot) {
                    return Poll::Ready(Some(closing));
                }
            }
            // Each is taken out before it is polled, so that a panic in user code leaves nothing half-done.
            while let Some(number) = self.ready.pop() {
                let Some(mut out) = self.out[number].take() else {
                    continue; // woken once more than needed
                };
                self.free.push(number);
                match out.look(self.woken.waker(number)) {
                    Turned::Waits => {
                        self.free.pop();
                        self.out[number] = Some(out);
                    }
                    Turned::Granted(Some(session), hold) => {
                        self.found.push(Arc::clone(hold.slot()));
                        return Poll::Ready(Some(Turn::vacate(Turn::new(session, hold))));
                    }
                    // Dropping the vacancy removes its slot.
                    Turned::Granted(None, hold) => drop(hold),
                    Turned::SentAway(slot) => self.found.push(slot),
                }
            }
            if !self.found.is_empty() {
                continue;
            }
            if self.waits_for() > 0 {
                self.woken.take(&mut self.ready, cx.waker());
                if self.ready.is_empty() {
                    return Poll::Pending;
                }
                continue;
            }
            self.found = self.look();
            if self.found.is_empty() {
                return Poll::Ready(None);
            }
        }
    }

    fn waits_for(&self) -> usize {
        self.out.len() - self.free.len()
    }

    /// Adds it to those that are waited for, to be polled first.
    fn wait_for(&mut self, out: Out<K, V, H>) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.out.push(None);
            self.out.len() - 1
        });
        self.out[number] = Some(out);
        self.ready.push(number);
    }

    /// Returns the session if it is idle. Otherwise waits in the queue, or for the superseded holder.
    fn ask(&mut self, slot: Arc<Slot<K, V, H>>) -> Option<Closing<K, V, H>> {
        let now = slot.home.now();
        let mut locked = slot.lock();
        if let Some(session) = locked.claim_if_idle(now) {
            drop(locked);
            let turn = Turn::claimed(&slot, session);
            self.found.push(slot);
            return Some(Turn::vacate(turn));
        }
        if locked.departed() {
            return None;
        }
        if locked.superseded() {
            drop(locked);
            let released = Released::new(Arc::clone(&slot));
            self.wait_for(Out::Superseded(released, slot));
            return None;
        }
        // The registry is closed, so there is nobody to be ahead of.
        let place = locked.join(Priority::Normal, None);
        drop(locked);
        let queue = Queued::new(slot, place);
        self.wait_for(Out::Queued(queue));
        None
    }
}

impl<K, V, H> fmt::Debug for Drain<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("waits_for", &self.waits_for())
            .finish_non_exhaustive()
    }
}
