//! The search for idle sessions, and the view of all: scans that never wait for a turn.

use crate::{
    Clock, Incarnation, Observed, Phase, Registry, Turn,
    shard::{Shards, Slot},
    sync::Arc,
    transitions::Claim,
};
use std::{fmt, time::Duration};

impl<K, V, H, S> Registry<K, V, H, S> {
    /// Every slot as it is at its moment, with its identity. One step per shard: a key that comes or goes meanwhile may be
    /// seen or not.
    pub fn snapshot(&self) -> Vec<Observed<K, V, H>> {
        let mut all = Vec::new();
        for shard in self.shards().all() {
            shard.read(|map| {
                all.extend(
                    map.table
                        .iter()
                        .map(|slot| Observed::new(slot, self.clock())),
                );
            });
        }
        all
    }

    /// Claims sessions that rest and were not active within `idle_for`, one each time `next` is called: neither used nor
    /// [touched](Self::touch), nobody in the line, no grant. All that is decided under the session's own slot lock.
    ///
    /// A claimed turn is a turn like any other: [`Turn::vacate`] ends the session, a drop lets it rest again. The iterator
    /// goes through each shard once.
    pub fn claim_idle(&self, idle_for: Duration) -> ClaimIdle<K, V, H> {
        ClaimIdle {
            shards: Arc::clone(self.shards()),
            clock: self.clock().clone(),
            idle_for,
            next_shard: 0,
            candidates: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// Ends the sessions that rest and were not active within `idle_for`, one after the other: each is claimed and given
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
    /// At rest, but used or touched within the time.
    pub young: usize,
}

/// Claims one idle session each time `next` is called; see [`Registry::claim_idle`].
#[must_use = "an iterator claims nothing until `next`"]
pub struct ClaimIdle<K, V, H = ()> {
    shards: Arc<Shards<K, V, H>>,
    clock: Clock,
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
        let now = self.clock.now();
        shard.read(|map| {
            for slot in &map.table {
                let seen = slot.glance();
                match seen.phase {
                    Phase::Idle if now.since(seen.since) < self.idle_for => self.sweep.young += 1,
                    Phase::Idle => self.candidates.push(Arc::clone(slot)),
                    _ if seen.waiting > 0 => self.sweep.waiting += 1,
                    _ => self.sweep.busy += 1,
                }
            }
        });
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
                let now = self.clock.now();
                let claim = slot.lock().claim(self.idle_for, now);
                match claim {
                    Claim::Taken(holding) => {
                        return Some(Turn::claimed(&slot, &self.clock, holding));
                    }
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
