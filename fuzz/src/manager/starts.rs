//! The model's starts: the room for one more session, the start, and what becomes of it.

use turnwise::manager::StopReason;

use super::model::Model;
use super::words::*;

impl Model {
    pub(crate) fn make_room(&mut self, key: usize) {
        if self.slots[key].seat || self.room.is_empty() && self.has_room() {
            self.slots[key].seat = true;
            return self.start(key);
        }
        let id = self.slot(key).holder.expect("somebody starts");
        let call = &self.calls[id];
        let limit = call
            .until
            .map_or(self.now + ROOM, |until| until.min(self.now + ROOM));
        let looks = self.room.iter().any(|&key| !self.slots[key].evicted);
        let now_or_never = call.no_wait;
        let why = if self.ending.closed() {
            Some(Why::Closed)
        } else if !self.set.evicts
            || limit <= self.now
            || now_or_never && (looks || self.longest_idle().is_none())
        {
            Some(Why::RegistryFull)
        } else {
            None
        };
        if let Some(why) = why {
            self.end(id, End::Failed(why));
            return self.next(key);
        }
        let slot = &mut self.slots[key];
        (slot.at, slot.room, slot.evicted) = (At::Room, Some(limit), false);
        self.room.push_back(key);
        self.look_for_room();
    }

    fn has_room(&self) -> bool {
        let most = self.set.max_sessions.unwrap_or(usize::MAX);
        self.slots.iter().filter(|slot| slot.seat).count() < most
    }

    /// The first start that waits and has evicted no session looks for one.
    pub(crate) fn look_for_room(&mut self) {
        let looks = |key: &&usize| !self.slots[**key].evicted;
        let Some(&key) = self.room.iter().find(looks) else {
            return;
        };
        if let Some(victim) = self.longest_idle() {
            self.slots[key].evicted = true;
            self.stop_session(victim, StopReason::Capacity, Vec::new());
            self.look_for_room();
        }
    }

    /// A seat goes to the first start that waits.
    pub(crate) fn leave_seat(&mut self, key: usize) {
        self.slots[key].seat = false;
        while self.has_room() {
            let Some(next) = self.room.pop_front() else {
                return;
            };
            let slot = self.slot(next);
            (slot.seat, slot.room) = (true, None);
            self.start(next);
        }
        self.look_for_room();
    }

    /// A start waits for room no longer.
    pub(crate) fn leave_room(&mut self, key: usize, end: End) {
        self.room.retain(|&waits| waits != key);
        let slot = self.slot(key);
        slot.room = None;
        let id = slot.holder.expect("somebody starts");
        self.end(id, end);
        self.next(key);
        self.look_for_room();
    }

    /// First those that were not touched since they came to rest.
    fn longest_idle(&mut self) -> Option<usize> {
        let idle = |key: &usize| self.slots[*key].at == At::Idle;
        let rank = |key: usize| {
            let slot = &self.slots[key];
            (slot.touched > slot.since, slot.since)
        };
        let mut idle: Vec<usize> = (0..KEYS).filter(idle).collect();
        idle.sort_by_key(|&key| rank(key));
        let tie = idle.len() > 1 && rank(idle[0]) == rank(idle[1]);
        self.undecided |= tie;
        idle.first().copied()
    }

    pub(crate) fn start(&mut self, key: usize) {
        match self.slots[key].at {
            At::Renewal(_) => self.set(key, At::Start),
            _ => self.slots[key].at = At::Start,
        }
        self.begin(key, Step::Start, START);
    }

    pub(crate) fn started(&mut self, key: usize) {
        self.tell(key, Event::Started);
        self.slot(key).session = true;
        self.turn(key);
    }

    /// All callers that wait for this start get its error, unless it was cut short.
    pub(crate) fn start_failed(&mut self, key: usize, why: Why) {
        self.tell(key, Event::StartFailed);
        self.leave_seat(key);
        let slot = self.slot(key);
        let (id, is_cut) = (slot.holder.expect("somebody starts"), slot.is_cut);
        self.end(id, End::Failed(why));
        if !is_cut && self.lie != Some(Lie::FailureIsNotShared) {
            for id in std::mem::take(&mut self.slot(key).queue) {
                self.end(id, End::Failed(why));
            }
        }
        self.next(key);
    }

    /// The start under way is cancelled, and has its patience.
    pub(crate) fn cut_start(&mut self, key: usize) {
        let limit = self.now + ABORT;
        let slot = &mut self.slots[key];
        let (begun, act) = slot.start.expect("it is under way");
        slot.is_cut = true;
        let by_itself = act.end().map(|(time, ended)| (begun + time, ended));
        slot.ends = Some(match act {
            Act::Obey => (self.now, Ended::Pass),
            Act::ObeyAndFail => (self.now, Ended::Fail),
            _ => by_itself
                .filter(|(moment, _)| *moment < limit)
                .unwrap_or((limit, Ended::Overran)),
        });
    }
}
