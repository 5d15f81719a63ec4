//! The model's nouns and questions: plain data, and what can be read off it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub type Key = u8;
pub type Id = u32;
pub type Session = u32;
/// Index of a lane of the line.
pub type Priority = usize;
pub const FIRST: Priority = 0;
pub const LINE: Priority = 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    #[default]
    Starting,
    Busy,
    Idle,
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    Closed,
    QueueFull,
    RegistryFull,
    Dismissed,
    Busy,
    Moved,
}

/// What is in somebody's hand: a turn or a closing with its session, a vacancy without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    pub key: Key,
    pub number: u64,
    pub session: Option<Session>,
}

impl Guard {
    pub fn new(key: Key, number: u64, session: Option<Session>) -> Self {
        Self {
            key,
            number,
            session,
        }
    }
}

/// What a replacement found: an idle session, or a holder, superseded from now on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Old {
    Idle(Session),
    Held(Id),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sweep {
    pub closed: usize,
    pub busy: usize,
    pub waiting: usize,
    pub young: usize,
    pub kept: usize,
}

/// A slot; a clone of it is an observation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    pub phase: Phase,
    pub since: u64,
    pub number: u64,
    pub holder: Option<Id>,
    /// The holder is a grant out of this lane, and nobody has looked at it.
    pub unlooked: Option<Priority>,
    pub lanes: [VecDeque<Id>; 2],
    /// At rest here: the slot is free, or granted and unlooked.
    pub session: Option<Session>,
    /// When the session came to rest.
    pub rested: u64,
    pub touched: u64,
    pub handle: Option<u32>,
    /// Guards that keep the session alive.
    pub kept: usize,
    /// The model's `changes` when something last happened to this slot at rest.
    pub changes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Oracle {
    pub max_sessions: usize,
    pub max_waiting: usize,
    pub next_number: u64,
    pub elapsed: Duration,
    pub closed: bool,
    pub changes: u64,
    pub slots: BTreeMap<Key, Slot>,
    /// All that is in somebody's hand, superseded or not.
    pub guards: BTreeMap<Id, Guard>,
    /// Of these guards, those whose `Enter` has not been polled.
    pub unasked: BTreeSet<Id>,
    /// To be told at the next poll.
    pub refused: BTreeMap<Id, Refusal>,
}

/// What can be read off.
impl Oracle {
    /// The slot that `id` holds, or was granted; none if `id` waits, or is superseded.
    pub fn held_by(&mut self, id: Id) -> Option<(Key, &mut Slot)> {
        let mut slots = self.slots.iter_mut().map(|(&key, slot)| (key, slot));
        slots.find(|(_, slot)| slot.holder == Some(id))
    }

    pub fn now(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).expect("tests are short")
    }

    /// The next poll is ready: refused, taken in the call, or granted and not looked at.
    pub fn settled(&self, id: Id) -> bool {
        let granted = |slot: &Slot| slot.holder == Some(id) && slot.unlooked.is_some();
        let at_once = self.refused.contains_key(&id) || self.unasked.contains(&id);
        at_once || self.slots.values().any(granted)
    }

    /// The guard is not superseded.
    pub fn is_current(&self, id: Id) -> bool {
        self.slots.values().any(|slot| slot.holder == Some(id))
    }

    /// The incarnation that was seen is the current one: `Observed::replace` and `remove` may act.
    pub fn holds(&self, key: Key, seen: &Slot) -> bool {
        let slot = self.slots.get(&key);
        slot.is_some_and(|slot| slot.number == seen.number)
    }

    /// What has been idle for this time.
    fn old(&self, idle_for: Duration) -> impl Iterator<Item = (&Key, &Slot)> {
        self.slots.iter().filter(move |(_, slot)| {
            let quiet = self.now() - slot.rested.max(slot.touched);
            slot.phase == Phase::Idle && Duration::from_millis(quiet) >= idle_for
        })
    }

    /// What a drain may take, whatever keeps it alive.
    pub fn idle(&self) -> BTreeSet<Key> {
        self.old(Duration::ZERO).map(|(&key, _)| key).collect()
    }

    /// What `claim_idle` may take now. The order between keys is not fixed.
    pub fn claimable(&self, idle_for: Duration) -> BTreeSet<Key> {
        let unkept = self.old(idle_for).filter(|(_, slot)| slot.kept == 0);
        unkept.map(|(&key, _)| key).collect()
    }

    /// What `cleanup_idle` counts if it begins now. Each close is a `claim_idle`, a `vacate` and an `end`.
    pub fn sweep(&self, idle_for: Duration) -> Sweep {
        let closed = self.claimable(idle_for).len();
        let kept = self.old(idle_for).count() - closed;
        let count = |test: fn(&&Slot) -> bool| self.slots.values().filter(test).count();
        Sweep {
            closed,
            young: count(|slot| slot.holder.is_none()) - closed - kept,
            kept,
            busy: count(|slot| slot.holder.is_some() && slot.waiting() == 0),
            waiting: count(|slot| slot.waiting() > 0),
        }
    }

    /// `drain` gives `None`: closed, the map empty, no superseded holder left.
    pub fn drained(&self) -> bool {
        self.closed && self.slots.is_empty() && self.guards.is_empty()
    }

    /// Every session that was neither dropped nor given away.
    pub fn sessions(&self) -> BTreeSet<Session> {
        let held = self.guards.values().filter_map(|guard| guard.session);
        let resting = self.slots.values().filter_map(|slot| slot.session);
        resting.chain(held).collect()
    }
}

impl Slot {
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// How many of the line go before `id`, if it waits.
    pub fn ahead(&self, id: Id) -> Option<usize> {
        self.lanes.iter().flatten().position(|&waiter| waiter == id)
    }
}
