//! The end of a registry: each session as its turn ends.

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
    /// [Closes](Self::close) the registry, then gives each session as its turn ends.
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
}

/// Gives the sessions of a closed registry; see [`Registry::drain`].
///
/// It stands in the queue of every slot that somebody holds. Dropped, it leaves them: sessions are idle again.
#[must_use = "a drain does nothing until `next`"]
pub struct Drain<K, V, H = ()> {
    /// Seen in the last look, and not yet asked for.
    found: Vec<Arc<Slot<K, V, H>>>,
    /// Waited for, by number.
    out: Vec<Option<Out<K, V, H>>>,
    /// The numbers that nobody has.
    free: Vec<usize>,
    /// The numbers of those that are to be looked at: they came anew, or were woken.
    ready: Vec<usize>,
    woken: Woken,
    /// Dropped last: what stands in a queue keeps the registry.
    shards: Arc<Shards<K, V, H>>,
}

/// Somebody who still holds a slot.
enum Out<K, V, H> {
    Queued(Queued<K, V, H>),
    Superseded(Released<K, V, H>, Arc<Slot<K, V, H>>),
}

impl<K, V, H> Out<K, V, H> {
    fn look(&mut self, waker: &Waker) -> Turned<K, V, H> {
        match self {
            Self::Queued(queue) => queue.look(waker),
            Self::Superseded(departure, slot) => {
                match Pin::new(departure).poll(&mut Context::from_waker(waker)) {
                    Poll::Pending => Turned::Waits,
                    // It is asked again, and has nothing.
                    Poll::Ready(()) => Turned::SentAway(Arc::clone(slot)),
                }
            }
        }
    }
}

impl<K, V, H> Drain<K, V, H> {
    /// The next session, its key held. `None` when the registry is drained: no slot is left, and no superseded holder.
    ///
    /// **Hazard**: do not collect the closings. Each must be dropped, here or in a task that it was moved to, or this waits
    /// for it.
    ///
    /// A call looks at those sessions alone that were let go since the last one: a whole drain costs O(n log n).
    ///
    /// **Cancel-safe**: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Closing<K, V, H>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), but waits with this thread.
    pub fn next_blocking(&mut self) -> Option<Closing<K, V, H>> {
        block_on(None, |cx| self.poll_next(cx)).expect("without a deadline there is an answer")
    }

    /// What is left: slots, and superseded ones whose holders have not let go.
    pub fn left(&self) -> Vec<Observed<K, V, H>> {
        self.look().iter().map(Observed::new).collect()
    }

    /// The slots of the map, then those that depart: so a slot that is replaced meanwhile is not missed, though it may be seen
    /// as both. To ask it twice is to be told twice the same.
    fn look(&self) -> Vec<Arc<Slot<K, V, H>>> {
        let mut slots = Vec::new();
        for shard in self.shards.all() {
            let look = |seen: &mut Vec<_>, slot: &_| seen.push(Arc::clone(slot));
            slots.append(&mut shard.scan(look));
            shard.read(|map| slots.extend(map.departing.values().map(Arc::clone)));
        }
        slots
    }

    /// Asks for each slot that was seen, then looks at those that are waited for and were woken; when none is left, looks at
    /// the map again, for a slot may have been removed under its holder meanwhile, who is superseded then. After `close` there
    /// is nothing new: each look sees less than the one before.
    ///
    /// A slot whose session was given, or from whose queue this was sent away, counts as seen again: it may come back to
    /// rest while others are still waited for. Models: `c13_closing`.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Closing<K, V, H>>> {
        loop {
            while let Some(slot) = self.found.pop() {
                if let Some(closing) = self.ask(slot) {
                    return Poll::Ready(Some(closing));
                }
            }
            // Each is taken out before it is looked at, so that a panic in user code leaves nothing half-done.
            while let Some(number) = self.ready.pop() {
                let Some(mut out) = self.out[number].take() else {
                    continue; // woken once too often
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
                    // A vacancy is dropped, and its slot with it.
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

    /// To be looked at.
    fn wait_for(&mut self, out: Out<K, V, H>) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.out.push(None);
            self.out.len() - 1
        });
        self.out[number] = Some(out);
        self.ready.push(number);
    }

    /// The session, if it is idle; else a place in the queue, or at the departure.
    fn ask(&mut self, slot: Arc<Slot<K, V, H>>) -> Option<Closing<K, V, H>> {
        let now = slot.clock.now();
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
            let departure = Released::new(Arc::clone(&slot));
            self.wait_for(Out::Superseded(departure, slot));
            return None;
        }
        // Ahead of nobody: the registry is closed.
        let place = locked.join(Priority::Normal, None);
        drop(locked);
        let queue = Queued::new(slot, place, true);
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
