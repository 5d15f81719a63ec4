//! The search for idle sessions, and the view of all: scans that never wait for a turn.

use crate::{
    Incarnation, Observed, Phase, Registry, Turn,
    registry::{
        map::{shard::Slot, shards::Shards},
        slot::outcome::Claim,
    },
    sync::Arc,
};
use std::{fmt, time::Duration};

impl<K, V, H, S> Registry<K, V, H, S> {
    /// Every slot as it is at its own moment, with its identity. A key that stays is seen once; one that comes or goes
    /// meanwhile may be seen or not, and one that goes and comes back, twice: the two are different incarnations.
    pub fn snapshot(&self) -> Vec<Observed<K, V, H>> {
        let mut all = Vec::new();
        for shard in self.shards().all() {
            let look = |seen: &mut Vec<_>, slot: &_| seen.push(Observed::new(slot));
            all.append(&mut shard.scan(look));
        }
        all
    }

    /// Claims sessions that are idle and were not active within `idle_for`, one each time `next` is called: neither used nor
    /// [touched](Self::touch), nobody in the queue, no grant. All that is decided under the session's own slot lock.
    ///
    /// A claimed turn is a turn like any other: [`Turn::vacate`] ends the session, a drop lets it are idle again. The iterator
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

    /// The turn of the idle session that was used least recently, of a registry that is built for it
    /// ([`ranked`](crate::Builder::ranked)). In O(log n), amortised over the turns; without an idle session, in O(1).
    #[cfg(feature = "tokio")]
    pub(crate) fn claim_longest_idle(&self) -> Option<Turn<K, V, H>> {
        let (slot, session) = self.shards().lru()?.claim()?;
        Some(Turn::claimed(&slot, session))
    }

    /// Ends the sessions that are idle and were not active within `idle_for`, one after the other: each is claimed and given
    /// to `close`, its key still held; when `close` returns the key is free, or goes to those who came meanwhile.
    ///
    /// `close` runs outside all locks. If it panics, the key is free all the same, and the panic ends the sweep.
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
    pub fn cleanup_idle(
        &self,
        idle_for: Duration,
        mut close: impl FnMut(&K, V, Incarnation),
    ) -> Sweep {
        let mut claims = self.claim_idle(idle_for);
        let mut closed = 0;
        for turn in &mut claims {
            let closing = Turn::vacate(turn);
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
}

/// What a sweep did, and why it passed over the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// Claimed and closed.
    pub closed: usize,
    /// Held, or granted; nobody waits.
    pub busy: usize,
    /// Held, or granted, and somebody waits.
    pub waiting: usize,
    /// Looked idle for long enough, but was used between that look and the claim.
    pub moved: usize,
    /// Idle, but used or touched within the time.
    pub young: usize,
}

/// Claims one idle session each time `next` is called; see [`Registry::claim_idle`].
#[must_use = "an iterator claims nothing until `next`"]
pub struct ClaimIdle<K, V, H = ()> {
    shards: Arc<Shards<K, V, H>>,
    idle_for: Duration,
    next_shard: usize,
    candidates: Vec<Arc<Slot<K, V, H>>>,
    sweep: Sweep,
}

impl<K, V, H> ClaimIdle<K, V, H> {
    /// Collects from the next shard what looks idle for long enough, by its board. False if that was the last.
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
}

impl<K, V, H> Iterator for ClaimIdle<K, V, H> {
    type Item = Turn<K, V, H>;

    /// Between the look at a slot and the claim, its session may be used, touched, replaced or removed: hence everything
    /// is asked again under the slot lock. Models: `c07_claim`.
    fn next(&mut self) -> Option<Turn<K, V, H>> {
        loop {
            while let Some(slot) = self.candidates.pop() {
                let now = slot.clock.now();
                let claim = slot.lock().claim(self.idle_for, now);
                match claim {
                    Claim::Taken(session) => return Some(Turn::claimed(&slot, session)),
                    Claim::Young => self.sweep.young += 1,
                    Claim::Moved => self.sweep.moved += 1,
                }
            }
            if !self.look() {
                return None;
            }
        }
    }
}

impl<K, V, H> fmt::Debug for ClaimIdle<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimIdle")
            .field("idle_for", &self.idle_for)
            .finish_non_exhaustive()
    }
}
