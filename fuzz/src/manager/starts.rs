//! The model's starts: the room for one more session, the start, and what becomes of it.

use turnwise::manager::StopReason;

use super::model::Model;
use super::words::*;

impl Model {
    pub(crate) fn make_room(&mut self, key: usize) {
        let most = self.set.max_sessions.unwrap_or(usize::MAX);
        let taken = self.slots.iter().filter(|slot| slot.seat).count();
        if self.slots[key].seat || taken < most {
            self.slots[key].seat = true;
            return self.start(key);
        }
        let victim = self.set.evicts.then(|| self.longest_idle()).flatten();
        let Some(victim) = victim else {
            let id = self.slot(key).holder.expect("somebody starts");
            self.end(id, End::Failed(Why::RegistryFull));
            return self.next(key);
        };
        self.slots[key].at = At::Room;
        self.slots[victim].heir = Some(key);
        self.stop_session(victim, StopReason::Capacity, Vec::new());
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
        let slot = self.slot(key);
        slot.seat = false;
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
