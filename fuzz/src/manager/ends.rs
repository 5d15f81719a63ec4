//! The model's time: timers, sweeps, and the end of all.

use super::model::{Model, Stops};
use super::words::*;

/// A cleanup, by a caller or by the reaper.
#[derive(Debug)]
pub(crate) struct Sweep {
    call: Option<Id>,
    pending: usize,
    ends: [Vec<usize>; 3],
    skipped: Vec<(usize, Skip)>,
}

#[derive(Debug, Default)]
pub(crate) struct Ending {
    begun: bool,
    pub(crate) deadline: Option<Ms>,
    overdue: bool,
    patience: Option<Ms>,
    /// The worst end of each key's sessions since then, as an index of the report.
    fates: [Option<usize>; KEYS],
    calls: Vec<Id>,
    report: Option<End>,
}

impl Ending {
    pub(crate) fn closed(&self) -> bool {
        self.begun
    }

    pub(crate) fn over(&self) -> bool {
        self.report.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    Key(usize),
    Wait(Id),
    Room(usize),
    /// Stops look whether a turn still has the key.
    Stop(usize),
    Sweep,
    Deadline,
    Patience,
}

impl Timer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key(0) => "0 goes on",
            Self::Key(1) => "1 goes on",
            Self::Key(_) => "2 goes on",
            Self::Wait(_) | Self::Room(_) | Self::Stop(_) => "a wait is over",
            Self::Sweep => "the reaper sweeps",
            Self::Deadline => "the deadline",
            Self::Patience => "the end of patience",
        }
    }
}

fn fate(ended: Ended) -> usize {
    match ended {
        Ended::Pass => 0,
        Ended::Fail | Ended::Panic => 1,
        Ended::Overran => 2,
    }
}

impl Model {
    /// All that will happen by itself.
    pub(crate) fn timers(&self) -> Vec<(Ms, Timer)> {
        let mut timers = Vec::new();
        for (key, slot) in self.slots.iter().enumerate() {
            let ends = slot.ends.map(|(moment, _)| moment);
            let moments = [ends, slot.limit, slot.cut].into_iter().flatten();
            timers.extend(moments.map(|moment| (moment, Timer::Key(key))));
            timers.extend(slot.room.map(|moment| (moment, Timer::Room(key))));
            let patience = slot.stops.iter().filter_map(|stops| stops.patience);
            timers.extend(patience.map(|moment| (moment, Timer::Stop(key))));
        }
        let waits = self.calls.iter().enumerate();
        timers.extend(waits.filter_map(|(id, call)| Some((call.wait?, Timer::Wait(id)))));
        timers.extend(self.next_sweep.map(|moment| (moment, Timer::Sweep)));
        let deadline = self.ending.deadline.filter(|_| !self.ending.overdue);
        timers.extend(deadline.map(|moment| (moment, Timer::Deadline)));
        timers.extend(self.ending.patience.map(|moment| (moment, Timer::Patience)));
        timers.sort_by_key(|(moment, _)| *moment);
        timers
    }

    pub(crate) fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Key(_) => {}
            Timer::Wait(id) => {
                let key = self.calls[id].key;
                self.slots[key].queue.retain(|&waits| waits != id);
                self.end(id, End::Failed(Why::WaitTimedOut));
            }
            Timer::Stop(key) => self.stops_look(key),
            Timer::Room(key) => self.leave_room(key, End::Failed(Why::RegistryFull)),
            Timer::Sweep => {
                self.next_sweep = None;
                self.sweep(None, IDLE);
            }
            Timer::Deadline => {
                self.ending.overdue = true;
                self.ending.patience = Some(self.now + ABORT + START + 2 * STOP);
                for key in 0..KEYS {
                    if let Some(id) = self.slots[key].holder {
                        self.cancel(key, id, Cause::Shutdown);
                    }
                }
            }
            Timer::Patience => {
                for key in 0..KEYS {
                    if self.slots[key].at != At::Absent {
                        self.ending.fates[key] = Some(2);
                    }
                }
                self.report();
            }
        }
    }

    fn stops_look(&mut self, key: usize) {
        let now = self.now;
        let slot = &mut self.slots[key];
        // A call that has not been polled has the turn too, if there is a session.
        let busy = match slot.at {
            At::Granted { .. } => slot.session,
            at => matches!(at, At::Running | At::Health),
        };
        let due = |stops: &&mut Stops| stops.patience.is_some_and(|moment| moment <= now);
        let mut held = Vec::new();
        for stops in slot.stops.iter_mut().filter(due) {
            stops.patience = None;
            stops.held = busy;
            if busy {
                held.extend(stops.ids.iter().copied());
            }
        }
        for id in held {
            self.end(id, End::StopHeld);
        }
    }

    pub(crate) fn sweep(&mut self, call: Option<Id>, idle_for: Ms) {
        let index = self.sweeps.len();
        self.sweeps.push(Sweep {
            call,
            pending: 1,
            ends: Default::default(),
            skipped: Vec::new(),
        });
        for key in 0..KEYS {
            let slot = &mut self.slots[key];
            let young = |moment: Ms| self.now - moment < idle_for;
            let waits = slot.waiting() > 0;
            let skip = match slot.at {
                At::Absent => continue,
                At::Idle if young(slot.since) => Skip::Young,
                At::Idle if young(slot.touched) => Skip::Touched,
                At::Idle => {
                    slot.sweep = Some(index);
                    self.sweeps[index].pending += 1;
                    self.stop_session(key, turnwise::manager::StopReason::Idle, Vec::new());
                    continue;
                }
                _ if waits => Skip::Waiting,
                _ => Skip::Busy,
            };
            self.sweeps[index].skipped.push((key, skip));
        }
        self.sweep_goes_on(index);
    }

    pub(crate) fn swept(&mut self, index: usize, key: usize, ended: Ended) {
        self.sweeps[index].ends[fate(ended)].push(key);
        self.sweep_goes_on(index);
    }

    fn sweep_goes_on(&mut self, index: usize) {
        let sweep = &mut self.sweeps[index];
        sweep.pending -= 1;
        if sweep.pending > 0 {
            return;
        }
        sweep.ends.iter_mut().for_each(|keys| keys.sort_unstable());
        sweep.skipped.sort_unstable();
        let report = End::Report(sweep.ends.clone(), sweep.skipped.clone());
        match sweep.call {
            Some(call) => self.end(call, report),
            None if self.ending.begun => {}
            None => self.next_sweep = Some(self.now + IDLE / 4),
        }
    }

    pub(crate) fn shutdown(&mut self, deadline: Ms) {
        let id = self.call(Kind::Shutdown, 0, Act::Pass);
        if let Some(report) = self.ending.report.clone() {
            return self.end(id, report);
        }
        self.ending.calls.push(id);
        let deadline = self.now + deadline;
        let before = self.ending.deadline.filter(|before| *before <= deadline);
        if !self.ending.overdue {
            self.ending.deadline = Some(before.unwrap_or(deadline));
        }
        if std::mem::replace(&mut self.ending.begun, true) {
            return;
        }
        self.next_sweep = None;
        for key in 0..KEYS {
            let slot = &mut self.slots[key];
            let stops = std::mem::take(&mut slot.stops);
            let queue = std::mem::take(&mut slot.queue);
            stops
                .into_iter()
                .flat_map(|stops| stops.ids)
                .for_each(|id| self.end(id, End::StopClosed));
            for id in queue {
                self.end(id, End::Failed(Why::Closed));
            }
            match self.slots[key].at {
                At::Idle => self.next(key),
                At::Granted { held: false } => self.pass_on(key, End::Failed(Why::Closed)),
                At::Room => self.leave_room(key, End::Failed(Why::Closed)),
                _ => {}
            }
        }
        self.check_end();
    }

    /// A session has ended.
    pub(crate) fn record(&mut self, key: usize, ended: Ended) {
        if self.ending.begun {
            let worst = self.ending.fates[key].max(Some(fate(ended)));
            self.ending.fates[key] = worst;
        }
    }

    /// The report comes when no key has a session, a start or a stop any more.
    pub(crate) fn check_end(&mut self) {
        let gone = self.slots.iter().all(|slot| slot.at == At::Absent);
        if gone && self.ending.begun && !self.ending.over() {
            self.report();
        }
    }

    fn report(&mut self) {
        let mut ends: [Vec<usize>; 3] = Default::default();
        for (key, fate) in self.ending.fates.iter().enumerate() {
            if let Some(fate) = fate {
                ends[*fate].push(key);
            }
        }
        let report = End::Report(ends, Vec::new());
        (self.ending.deadline, self.ending.patience) = (None, None);
        self.ending.report = Some(report.clone());
        for id in std::mem::take(&mut self.ending.calls) {
            self.end(id, report.clone());
        }
    }
}
