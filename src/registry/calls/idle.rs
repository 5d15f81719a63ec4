//! Scans that never wait for a turn: a snapshot of all slots, and the search for idle sessions.

use crate::{
    Closing, Incarnation, Observed, Phase, Registry, Turn,
    registry::{
        map::{shard::Slot, shards::Shards},
        slot::outcome::Claim,
    },
    sync::Arc,
};
#[cfg(feature = "tokio")]
use std::task::Waker;
use std::{fmt, time::Duration};

impl<K, V, H, S> Registry<K, V, H, S> {
    /// Returns the status and identity of every slot, each at its own moment. Never waits for a turn.
    ///
    /// # Details
    ///
    /// A key that is present all the while is listed once. A key that comes or goes meanwhile may be missed. One that goes and
    /// comes back may be listed twice, as two incarnations.
    pub fn snapshot(&self) -> Vec<Observed<K, V, H>> {
        let mut all = Vec::new();
        for shard in self.shards().all() {
            let look = |seen: &mut Vec<_>, slot: &_| seen.push(Observed::new(slot));
            all.append(&mut shard.scan(look));
        }
        all
    }

    /// Closes the sessions that have been idle for `idle_for`, one after the other. `close` receives each session while its
    /// key is still held. When `close` returns, the key is free, or goes to the next caller in its queue.
    ///
    /// Sessions are chosen as by [`claim_idle`](Self::claim_idle). `close` runs outside all locks.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let sessions: turnwise::Registry<String, u32> = turnwise::Registry::new();
    /// drop(sessions.enter_blocking("a")?.or_insert(1));
    ///
    /// let sweep = sessions.cleanup_idle(Duration::ZERO, |key, session, _incarnation| {
    ///     assert_eq!((key.as_str(), session), ("a", 1));
    /// });
    /// assert_eq!(sweep.closed, 1);
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `close` panics, its key is freed, and the panic ends the sweep.
    pub fn cleanup_idle(
        &self,
        idle_for: Duration,
        mut close: impl FnMut(&K, V, Incarnation),
    ) -> Sweep {
        let mut claims = self.claim_idle(idle_for);
        let mut closed = 0;
        while let Some((slot, session)) = claims.claim(true) {
            let closing = Closing::claimed(&slot, session);
            let incarnation = closing.incarnation();
            let (hold, session) = closing.into_parts();
            close(hold.key(), session, incarnation);
            drop(hold);
            closed += 1;
        }
        Sweep {
            closed,
            ..claims.sweep
        }
    }

    /// Claims the sessions that have been idle for `idle_for`, one with each call of `next`. A session is claimed if it was
    /// neither used nor [touched](Self::touch) within that time. It is never claimed while it is held, granted, waited for or
    /// [kept alive](Self::keep_alive).
    ///
    /// A claimed turn is a turn like any other. [`Turn::vacate`] ends the session; a drop makes it idle again. The iterator
    /// goes through each shard once.
    pub fn claim_idle(&self, idle_for: Duration) -> ClaimIdle<K, V, H> {
        ClaimIdle {
            shards: Arc::clone(self.shards()),
            idle_for,
            next_shard: 0,
            candidates: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// The turn of the idle session that was used least recently, if the registry lists its idle sessions
    /// ([`ranked`](crate::Builder::ranked)). O(log n), amortised over the turns; O(1) if no session is idle.
    ///
    /// If there is none, `waiter` is woken when a session becomes idle, instead of the one before, which is returned in it.
    #[cfg(feature = "tokio")]
    pub(crate) fn close_lru(&self, waiter: &mut Option<Waker>) -> Option<Closing<K, V, H>> {
        let clock = &self.shards().common().clock;
        let (slot, session) = self.shards().lru()?.claim(clock, waiter)?;
        Some(Closing::claimed(&slot, session))
    }

    /// Takes that waker back.
    #[cfg(feature = "tokio")]
    pub(crate) fn unwait_lru(&self) {
        drop(self.shards().lru().and_then(|lru| lru.unwait()));
    }
}

/// The result of [`Registry::cleanup_idle`]: how many sessions it closed, and why it skipped the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// Sessions that were claimed and closed.
    pub closed: usize,
    /// Held or granted, with an empty queue.
    pub busy: usize,
    /// Held or granted, with callers in the queue.
    pub waiting: usize,
    /// Idle for long enough when scanned, but used before they were claimed.
    pub moved: usize,
    /// Idle, but used or touched within the time.
    pub young: usize,
    /// Idle for long enough, but [kept alive](Registry::keep_alive).
    pub kept: usize,
}

/// An iterator that claims idle sessions; see [`Registry::claim_idle`].
#[must_use = "an iterator claims nothing until `next`"]
pub struct ClaimIdle<K, V, H = ()> {
    shards: Arc<Shards<K, V, H>>,
    idle_for: Duration,
    next_shard: usize,
    candidates: Vec<Arc<Slot<K, V, H>>>,
    sweep: Sweep,
}

impl<K, V, H> ClaimIdle<K, V, H> {
    /// Scans the next shard for sessions whose boards show them idle for long enough. Returns false after the last shard.
    fn look(&mut self) -> bool {
        let Some(shard) = self.shards.all().get(self.next_shard) else {
            return false;
        };
        self.next_shard += 1;
        let now = self.shards.common().clock.now();
        let (candidates, seen) = shard.scan(|(candidates, sweep): &mut (Vec<_>, Sweep), slot| {
            let seen = slot.glance();
            match seen.phase {
                Phase::Idle if now.since(seen.since) < self.idle_for => sweep.young += 1,
                Phase::Idle => candidates.push(Arc::clone(slot)),
                _ if seen.waiting > 0 => sweep.waiting += 1,
                _ => sweep.busy += 1,
            }
        });
        self.candidates = candidates;
        self.sweep.young += seen.young;
        self.sweep.waiting += seen.waiting;
        self.sweep.busy += seen.busy;
        true
    }

    /// The next idle session: its turn, or its close, which begins in the critical section of the claim.
    ///
    /// Between the scan and the claim, a session may be used, touched, kept, replaced or removed. So the claim checks everything
    /// again under the slot lock. Models: `c07_claim`, `c07_kept`.
    fn claim(&mut self, close: bool) -> Option<(Arc<Slot<K, V, H>>, Box<V>)> {
        loop {
            while let Some(slot) = self.candidates.pop() {
                let now = slot.home.now();
                let claim = slot.lock().claim(self.idle_for, close, now);
                match claim {
                    Claim::Taken(session) => return Some((slot, session)),
                    Claim::Young => self.sweep.young += 1,
                    Claim::Kept => self.sweep.kept += 1,
                    Claim::Moved => self.sweep.moved += 1,
                }
            }
            if !self.look() {
                return None;
            }
        }
    }
}

impl<K, V, H> Iterator for ClaimIdle<K, V, H> {
    type Item = Turn<K, V, H>;

    fn next(&mut self) -> Option<Turn<K, V, H>> {
        let (slot, session) = self.claim(false)?;
        Some(Turn::claimed(&slot, session))
    }
}

impl<K, V, H> fmt::Debug for ClaimIdle<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimIdle")
            .field("idle_for", &self.idle_for)
            .finish_non_exhaustive()
    }
}
