//! The sequential model: what a registry answers when its callers come one after the other. Plain data, no locks.
//!
//! An `Id`, chosen by the harness, stands for one ticket: it names a place in line, then the turn, vacancy or closing
//! that comes of it. `pass` is the state table of a slot and `end` is every drop; the rest prepares a call of these.
#![allow(dead_code, unreachable_pub)] // Each of the checking packages drives a part of it.

mod words;
use std::{mem, task::Poll};
pub use words::*;

/// The state machine of a slot.
impl Oracle {
    /// The slot is free: it goes to the next in line, as a turn if a session rests there, else as a vacancy.
    /// With nobody in line a session stays at rest, and a slot without one leaves the map.
    fn pass(&mut self, key: Key) {
        self.changes += 1;
        let slot = self.slots.get_mut(&key).expect("what was held is a slot");
        slot.changes = self.changes;
        slot.unlooked = (FIRST..=LINE).find(|&lane| !slot.lanes[lane].is_empty());
        slot.holder = slot.unlooked.and_then(|lane| slot.lanes[lane].pop_front());
        match (slot.holder, slot.session) {
            (Some(id), Some(_)) => self.begin(id, Phase::Busy),
            (Some(id), None) => self.begin(id, Phase::Starting),
            (None, Some(_)) => (slot.phase, slot.since) = (Phase::Idle, slot.rested),
            (None, None) => drop(self.slots.remove(&key)),
        }
    }

    /// A phase begins, and with a vacancy an incarnation. A superseded holder begins nothing.
    fn begin(&mut self, id: Id, phase: Phase) {
        let (now, number) = (self.now(), self.next_number);
        if let Some((_, slot)) = self.held_by(id) {
            (slot.phase, slot.since) = (phase, now);
            if phase == Phase::Starting {
                (slot.number, slot.handle, slot.kept) = (number, None, 0);
                self.next_number += 1;
            }
        }
    }

    /// A grant is looked at: the session goes from the slot into the guard.
    fn look(&mut self, id: Id) -> Option<Guard> {
        let (key, slot) = self.held_by(id)?;
        slot.unlooked = None;
        let guard = Guard::new(key, slot.number, slot.session.take());
        self.guards.insert(id, guard.clone());
        Some(guard)
    }

    /// The turn of a session at rest, or the vacancy of a slot just made. Claims and drains are this: the harness
    /// says which key was taken, and asks first whether it may be.
    pub fn take(&mut self, key: Key, id: Id) -> Guard {
        let slot = self.slots.entry(key).or_default();
        slot.lanes[FIRST].push_front(id);
        self.pass(key);
        self.look(id).expect("the first in line is granted")
    }

    /// A new slot in place of the old; the line waits behind its vacancy, a grant that nobody looked at first.
    fn supersede(&mut self, key: Key, id: Id) -> (Option<Old>, Guard) {
        let mut was = self.slots.remove(&key).unwrap_or_default();
        let held = was.holder.filter(|_| was.unlooked.is_none()).map(Old::Held);
        if let (Some(granted), Some(lane)) = (was.holder, was.unlooked) {
            was.lanes[lane].push_front(granted);
        }
        self.slots.entry(key).or_default().lanes = was.lanes;
        (was.session.map(Old::Idle).or(held), self.take(key, id))
    }
}

/// What callers do: in line, with a guard in hand, and to a key from outside.
impl Oracle {
    pub fn enter(&mut self, key: Key, id: Id, lane: Priority) {
        let slot = self.slots.get(&key);
        let free = slot.is_none_or(|slot| slot.holder.is_none());
        let refusal = match slot {
            _ if self.closed => Refusal::Closed,
            None if self.slots.len() >= self.max_sessions => Refusal::RegistryFull,
            Some(slot) if !free && lane == LINE && slot.waiting() >= self.max_waiting => {
                Refusal::QueueFull
            }
            _ => return self.join(key, id, lane),
        };
        self.refused.insert(id, refusal);
    }

    /// What is free is taken in the call.
    pub fn join(&mut self, key: Key, id: Id, lane: Priority) {
        let slot = self.slots.entry(key).or_default();
        if slot.holder.is_some() {
            return slot.lanes[lane].push_back(id);
        }
        self.take(key, id);
        self.unasked.insert(id);
    }

    pub fn try_enter(&mut self, key: Key, id: Id) -> Poll<Result<Guard, Refusal>> {
        let slot = self.slots.get(&key);
        if !self.closed && slot.is_some_and(|slot| slot.holder.is_some()) {
            return Poll::Ready(Err(Refusal::Busy));
        }
        self.enter(key, id, LINE);
        self.poll(id)
    }

    pub fn poll(&mut self, id: Id) -> Poll<Result<Guard, Refusal>> {
        if self.unasked.remove(&id) {
            return Poll::Ready(Ok(self.guards[&id].clone()));
        }
        let refused = self.refused.remove(&id).map(Err);
        let answer = refused.or_else(|| self.look(id).map(Ok));
        answer.map_or(Poll::Pending, Poll::Ready)
    }

    pub fn dismiss(&mut self, key: Key, refusal: Refusal) -> usize {
        let slot = self.slots.get_mut(&key);
        let lanes = slot.map(|slot| mem::take(&mut slot.lanes));
        let line: Vec<Id> = lanes.into_iter().flatten().flatten().collect();
        self.refused.extend(line.iter().map(|&id| (id, refusal)));
        line.len()
    }

    pub fn fill(&mut self, id: Id, session: Session) {
        self.begin(id, Phase::Busy);
        let guard = self.guards.get_mut(&id).expect("a vacancy is held");
        guard.session = Some(session);
    }

    pub fn vacate(&mut self, id: Id) {
        self.begin(id, Phase::Closing);
    }

    /// `closed` and `split`: a closing becomes a vacancy; a superseded one keeps its number. The session goes.
    pub fn closed(&mut self, id: Id) -> Option<Session> {
        self.begin(id, Phase::Starting);
        let new = self.held_by(id).map(|(_, slot)| slot.number);
        let guard = self.guards.get_mut(&id)?;
        guard.number = new.unwrap_or(guard.number);
        guard.session.take()
    }

    /// A turn ends in order: the session rests. A superseded one goes.
    pub fn release(&mut self, id: Id) -> Option<Session> {
        let (now, mut session) = (self.now(), self.guards.remove(&id)?.session);
        if let Some((_, slot)) = self.held_by(id) {
            (slot.session, slot.rested) = (session.take(), now);
        }
        self.end(id);
        session
    }

    /// Every other drop: of a place in line, a grant, a vacancy, a closing, a turn that unwinds. The session goes, but for
    /// one that nobody has asked for.
    pub fn end(&mut self, id: Id) -> Option<Session> {
        let lanes = self.slots.values_mut().flat_map(|slot| &mut slot.lanes);
        lanes.for_each(|lane| lane.retain(|&waiter| waiter != id));
        self.refused.remove(&id);
        let unasked = self.unasked.remove(&id);
        let mut session = self.guards.remove(&id).and_then(|guard| guard.session);
        if let Some((key, slot)) = self.held_by(id) {
            if unasked {
                slot.session = session.take();
            }
            self.pass(key);
        }
        session
    }

    pub fn replace(&mut self, key: Key, id: Id) -> Result<(Option<Old>, Guard), Refusal> {
        match self.slots.get(&key) {
            _ if self.closed => Err(Refusal::Closed),
            None if self.slots.len() >= self.max_sessions => Err(Refusal::RegistryFull),
            _ => Ok(self.supersede(key, id)),
        }
    }

    /// `replace`, and its vacancy dropped.
    pub fn remove(&mut self, key: Key, id: Id) -> Option<Old> {
        self.slots.get(&key)?;
        let (old, _) = self.supersede(key, id);
        self.end(id);
        old
    }

    /// `Observed::claim`: nothing at all has happened to a session at rest.
    pub fn claim(&mut self, key: Key, seen: &Slot, id: Id) -> Result<Guard, Refusal> {
        let slot = self.slots.get(&key);
        let same = slot.is_some_and(|slot| slot.changes == seen.changes);
        let kept = slot.is_some_and(|slot| slot.kept > 0);
        let may = same && seen.phase == Phase::Idle && !kept;
        may.then(|| self.take(key, id)).ok_or(Refusal::Moved)
    }

    pub fn touch(&mut self, key: Key) -> bool {
        self.changes += 1;
        let (now, changes, slot) = (self.now(), self.changes, self.slots.get_mut(&key));
        let touched = slot.map(|slot| (slot.touched, slot.changes) = (now, changes));
        touched.is_some()
    }

    /// The number of the session that is kept alive from now on.
    pub fn keep(&mut self, key: Key) -> Option<u64> {
        let slot = self.slots.get_mut(&key)?;
        let there = matches!(slot.phase, Phase::Idle | Phase::Busy);
        there.then(|| {
            slot.kept += 1;
            slot.number
        })
    }

    /// One guard less. The last one is activity.
    pub fn unkeep(&mut self, key: Key, number: u64) {
        let kept = self.slots.get_mut(&key);
        let Some(slot) = kept.filter(|slot| slot.number == number) else {
            return;
        };
        slot.kept -= 1;
        if slot.kept == 0 {
            self.touch(key);
        }
    }

    /// No newcomer: lines are sent away, grants that nobody looked at are taken back.
    pub fn close(&mut self) {
        self.closed = true;
        for key in self.slots.keys().copied().collect::<Vec<Key>>() {
            self.dismiss(key, Refusal::Closed);
            let granted = self.slots.get(&key).filter(|slot| slot.unlooked.is_some());
            if let Some(id) = granted.and_then(|slot| slot.holder) {
                self.end(id);
                self.refused.insert(id, Refusal::Closed);
            }
        }
    }
}
