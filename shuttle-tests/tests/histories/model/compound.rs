//! Steps that are more than a call of the oracle: what it does in one, the registry does in two, or the oracle does not know.

use super::State;
use crate::oracle::{self, Guard, Slot};
use crate::steps::{Close, Id, Key, Left, Refusal, Seen, Told, UNSEEN};
use std::time::Duration;

impl State {
    pub(super) fn leave(&mut self, key: Key, id: Id) -> bool {
        if self.oracle.refused.remove(&id).is_some() {
            return true;
        }
        let slot = self.oracle.slots.get(&key);
        let vacant = slot.is_some_and(|slot| {
            slot.holder == Some(id) && slot.unlooked.is_some() && slot.session.is_none()
        });
        self.at(key, |oracle| {
            if vacant {
                drop(oracle.poll(id));
            } else {
                oracle.end(id);
            }
        });
        true
    }

    pub(super) fn end(&mut self, key: Key, id: Id) -> bool {
        // A vacancy that a close took back is the close's to let go.
        let mine = self.oracle.guards.contains_key(&id)
            && self.revoked.get(&key).is_none_or(|&(by, _)| by != id);
        if mine {
            self.parted.remove(&id);
            self.at(key, |oracle| oracle.end(id));
        }
        true
    }

    pub(super) fn replace(
        &mut self,
        key: Key,
        id: Id,
        seen: Option<Seen>,
        refuse_closed: bool,
    ) -> Result<(Left, u64), Refusal> {
        if let Some(seen) = seen {
            let seen = self.seen.get(&seen);
            if !seen.is_some_and(|(key, slot)| self.oracle.holds(*key, slot)) {
                return Err(Refusal::Moved);
            }
        }
        let handle = self.oracle.slots.get(&key).and_then(|slot| slot.handle);
        let (old, guard) = self.at(key, |oracle| {
            oracle.closed &= refuse_closed;
            oracle.replace(key, id)
        })?;
        let left = match old {
            None => Left::Nothing,
            Some(oracle::Old::Idle(session)) => Left::Rested(session),
            Some(oracle::Old::Held(holder)) => {
                self.departures.insert(id, holder);
                self.parted.insert(holder, handle);
                Left::Held
            }
        };
        Ok((left, guard.number))
    }

    pub(super) fn sweep(&mut self, key: Key, close: Close) -> bool {
        let vacancy = self.at(key, |oracle| {
            oracle.dismiss(key, Refusal::Closed);
            let slot = oracle.slots.get(&key)?;
            let rests = slot.session.is_some();
            let id = slot.holder.filter(|_| slot.unlooked.is_some())?;
            if rests {
                oracle.end(id);
            } else {
                drop(oracle.poll(id));
            }
            oracle.refused.insert(id, Refusal::Closed);
            (!rests).then_some(id)
        });
        self.revoked.extend(vacancy.map(|id| (key, (id, close))));
        true
    }

    pub(super) fn let_go(&mut self, key: Key, close: Close) -> bool {
        let revoked = self.revoked.get(&key).copied();
        if let Some((id, _)) = revoked.filter(|&(_, by)| by == close) {
            self.revoked.remove(&key);
            self.parted.remove(&id);
            // Its `Enter` may still be told why.
            let refused = self.oracle.refused.get(&id).copied();
            self.at(key, |oracle| oracle.end(id));
            self.oracle.refused.extend(refused.map(|why| (id, why)));
        }
        true
    }

    pub(super) fn status(&mut self, key: Key, seen: Option<Seen>, got: Option<&Told>) -> bool {
        let (Some(slot), Some(got)) = (self.oracle.slots.get(&key), got) else {
            return self.oracle.slots.contains_key(&key) == got.is_some();
        };
        // A ticket that nobody saw has no name here.
        let same_holder = match (slot.holder, got.holder) {
            (Some(holder), Some(_)) if holder >= UNSEEN => true,
            (holder, told) => holder == told,
        };
        let same = got.phase == slot.phase
            && got.since == slot.since
            && got.waiting == slot.waiting()
            && same_holder;
        // What a claim or a replacement will ask for, and no more.
        let (number, changes, phase) = (slot.number, slot.changes, slot.phase);
        let slot = Slot {
            number,
            changes,
            phase,
            ..Slot::default()
        };
        self.seen.extend(seen.map(|seen| (seen, (key, slot))));
        same && self.numbered(key, number, got.number)
    }

    pub(super) fn seen_handle(&self, seen: Seen) -> Option<u32> {
        let (key, slot) = self.seen.get(&seen)?;
        if self.oracle.holds(*key, slot) {
            return self.oracle.slots[key].handle;
        }
        let same = |guard: &Guard| guard.key == *key && guard.number == slot.number;
        let mut guards = self.oracle.guards.iter();
        let (id, _) = guards.find(|(id, guard)| self.parted.contains_key(id) && same(guard))?;
        self.parted[id]
    }

    pub(super) fn claimable(&self, key: Key, idle_for: u64) -> bool {
        let idle_for = Duration::from_millis(idle_for);
        self.oracle.claimable(idle_for).contains(&key)
    }
}
