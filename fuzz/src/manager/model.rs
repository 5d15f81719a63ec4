//! The sequential model: what a manager does when its calls come one after the other and time is the program's.
//!
//! Written from the contract, in the words of [`SessionManager`](turnwise::SessionManager), and not from the code. Plain data.
//! `next` is what happens when a key is let go of, `look` is a call that has come to its turn, `due` is the passing of time.

use std::collections::VecDeque;

use turnwise::manager::{Outcome, StopReason};

use super::calls::Call;
use super::words::*;

/// The stops that wait together.
#[derive(Clone, Debug)]
pub(crate) struct Stops {
    pub(crate) ids: Vec<Id>,
    /// When they report a turn that still has the key. `None`: they have looked.
    pub(crate) patience: Option<Ms>,
    /// They have reported it.
    pub(crate) held: bool,
}

/// One key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) at: At,
    /// The call that has the key.
    pub(crate) holder: Option<Id>,
    /// Stops ahead of the queue. Each joins the last that waits.
    pub(crate) stops: VecDeque<Stops>,
    pub(crate) queue: VecDeque<Id>,
    /// What is under way ends so.
    pub(crate) ends: Option<(Ms, Ended)>,
    /// When the turn under way is cancelled, and when it is cut short after that.
    pub(crate) limit: Option<Ms>,
    pub(crate) cut: Option<Ms>,
    pub(crate) session: bool,
    pub(crate) seat: bool,
    /// The start under way: since when, what it does, and whether it is cut short.
    pub(crate) start: Option<(Ms, Act)>,
    pub(crate) is_cut: bool,
    /// When the wait for room is over.
    pub(crate) room: Option<Ms>,
    /// The start that waits has evicted a session.
    pub(crate) evicted: bool,
    /// Who gets the result of the stop under way.
    pub(crate) stopping: Vec<Id>,
    /// Which sweep it is stopped for.
    pub(crate) sweep: Option<usize>,
    pub(crate) since: Ms,
    /// When the session came to rest, should the call that was granted it not look.
    pub(crate) rested: Ms,
    pub(crate) touched: Ms,
    /// What its backend is to do, by step; then it passes.
    pub(crate) script: [VecDeque<Act>; 4],
}

impl Slot {
    /// Stops wait too.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() + self.stops.len()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: Ms,
    pub(crate) set: Settings,
    pub(crate) lie: Option<Lie>,
    pub(crate) slots: [Slot; KEYS],
    /// The keys whose starts wait for room.
    pub(crate) room: VecDeque<usize>,
    pub(crate) calls: Vec<Call>,
    pub(crate) events: [Vec<Event>; KEYS],
    /// The messages that each key's sessions received.
    pub(crate) heard: [Vec<Id>; KEYS],
    /// The contract does not decide what happens next: two things fall into one moment.
    pub(crate) undecided: bool,
    pub(crate) sweeps: Vec<super::ends::Sweep>,
    pub(crate) next_sweep: Option<Ms>,
    pub(crate) ending: super::ends::Ending,
}

/// A call and its turn.
impl Model {
    pub(crate) fn slot(&mut self, key: usize) -> &mut Slot {
        &mut self.slots[key]
    }

    pub(crate) fn set(&mut self, key: usize, at: At) {
        let now = self.now;
        let slot = self.slot(key);
        (slot.at, slot.since) = (at, now);
    }

    /// A call of the backend begins.
    pub(crate) fn begin(&mut self, key: usize, step: Step, limit: Ms) {
        let now = self.now;
        let slot = self.slot(key);
        let act = slot.script[step as usize].pop_front().unwrap_or(Act::Pass);
        let (time, ended) = act.within(limit);
        slot.ends = Some((now + time, ended));
        if step == Step::Start {
            (slot.start, slot.is_cut) = (Some((now, act)), false);
        }
    }

    pub(crate) fn tell(&mut self, key: usize, event: Event) {
        if !self.ending.over() {
            self.events[key].push(event);
        }
    }

    pub(crate) fn end(&mut self, id: Id, end: End) {
        let call = &mut self.calls[id];
        call.wait = None;
        call.end.get_or_insert(end);
    }

    /// Until nobody can go on without time or a caller.
    pub(crate) fn settle(&mut self) {
        let can = |model: &Self, key: usize| {
            let slot = &model.slots[key];
            let ends = slot.ends.map(|(moment, _)| moment);
            let moments = [ends, slot.limit, slot.cut].into_iter().flatten().min();
            let polled = |id: Id| !model.calls[id].unpolled;
            let granted = matches!(slot.at, At::Granted { .. });
            slot.at == At::GrantedToStop
                || granted && slot.holder.is_some_and(polled)
                || moments.is_some_and(|moment| moment <= model.now)
        };
        while let Some(key) = (0..KEYS).find(|&key| can(self, key)) {
            match self.slots[key].at {
                At::Granted { .. } => self.look(key),
                At::GrantedToStop => self.stop_looks(key),
                _ => self.due(key),
            }
        }
    }

    /// The holder has let go of the key.
    pub(crate) fn next(&mut self, key: usize) {
        self.next_since(key, self.now);
    }

    /// If nobody waits, the session is idle since then.
    pub(crate) fn next_since(&mut self, key: usize, rested: Ms) {
        let lie = self.lie;
        let closed = self.ending.closed();
        let slot = self.slot(key);
        slot.holder = None;
        (slot.ends, slot.limit, slot.cut) = (None, None, None);
        if let Some(stops) = slot.stops.pop_front() {
            return self.grant_stop(key, stops.ids);
        }
        let next = match lie {
            Some(Lie::LastGoesFirst) => slot.queue.pop_back(),
            _ => slot.queue.pop_front(),
        };
        if let Some(id) = next {
            slot.holder = Some(id);
            slot.rested = rested;
            self.calls[id].wait = None;
            self.set(key, At::Granted { held: false });
        } else if !slot.session {
            slot.touched = 0;
            self.set(key, At::Absent);
            self.check_end();
        } else if closed {
            self.stop_session(key, StopReason::Shutdown, Vec::new());
        } else {
            self.set(key, At::Idle);
            self.slots[key].since = rested;
            self.look_for_room();
        }
    }

    /// The holder has come to its turn: a session that was there is checked, else one is started.
    fn look(&mut self, key: usize) {
        let id = self.slot(key).holder.expect("somebody has come");
        let call = &self.calls[id];
        if call.cause.is_some() {
            return self.give_up(key);
        }
        if !self.slots[key].session {
            return self.make_room(key);
        }
        if call.kind == Kind::Restart {
            return self.renew(key, StopReason::Restarted);
        }
        self.slots[key].at = At::Health;
        self.begin(key, Step::Health, START);
    }

    fn renew(&mut self, key: usize, reason: StopReason) {
        self.set(key, At::Renewal(reason));
        self.begin(key, Step::Stop, STOP);
    }

    /// The holder was cancelled before its turn began: the next one has what it leaves.
    pub(crate) fn give_up(&mut self, key: usize) {
        let slot = self.slot(key);
        let id = slot.holder.expect("somebody gives up");
        if !slot.session {
            self.leave_seat(key);
        }
        let cause = self.calls[id].cause.expect("it was cancelled");
        self.end(id, End::Failed(cause.why()));
        self.next(key);
    }

    /// The session is there and healthy.
    pub(crate) fn turn(&mut self, key: usize) {
        let now = self.now;
        let id = self.slot(key).holder.expect("somebody has the turn");
        if self.calls[id].cause.is_some() {
            return self.give_up(key);
        }
        if self.calls[id].left {
            return self.next(key);
        }
        match self.slots[key].at {
            At::Health => self.slots[key].at = At::Running,
            _ => self.set(key, At::Running),
        }
        self.tell(key, Event::Began(id));
        let call = &mut self.calls[id];
        call.delivered = true;
        match call.kind {
            Kind::Message => self.heard[key].push(id),
            Kind::Closure => {}
            _ => return self.end(id, End::Turn),
        }
        let call = &self.calls[id];
        let slot = &mut self.slots[key];
        slot.ends = call.act.end().map(|(time, ended)| (now + time, ended));
        slot.limit = self.set.turn.map(|limit| now + limit);
    }

    /// The turn under way ends.
    pub(crate) fn turn_ended(&mut self, key: usize, outcome: Outcome, end: End, dirty: bool) {
        let id = self.slot(key).holder.expect("somebody has the turn");
        self.end(id, end);
        self.tell(key, Event::Ended(id, outcome));
        if dirty && self.lie != Some(Lie::DirtyGoesOn) {
            self.slot(key).holder = None;
            self.stop_session(key, StopReason::Dirty, Vec::new());
        } else {
            self.next(key);
        }
    }

    pub(crate) fn stop_session(&mut self, key: usize, reason: StopReason, stops: Vec<Id>) {
        self.set(key, At::Stopping(reason));
        let slot = self.slot(key);
        (slot.limit, slot.cut) = (None, None);
        slot.stopping = stops;
        self.begin(key, Step::Stop, STOP);
    }

    fn stopped(&mut self, key: usize, reason: StopReason, ended: Ended) {
        self.tell(key, Event::Stopped(reason, ended == Ended::Pass));
        self.record(key, ended);
        let slot = self.slot(key);
        slot.session = false;
        let stops = std::mem::take(&mut slot.stopping);
        let sweep = slot.sweep.take();
        for id in stops {
            self.end(
                id,
                match ended {
                    Ended::Pass => End::Stopped(true),
                    other => End::StopFailed(other),
                },
            );
        }
        self.leave_seat(key);
        self.next(key);
        if let Some(sweep) = sweep {
            self.swept(sweep, key, ended);
        }
    }

    /// What is under way ends, or is due to be cut short.
    fn due(&mut self, key: usize) {
        let now = self.now;
        let slot = self.slot(key);
        if slot.at == At::Running {
            return self.turn_due(key);
        }
        let Some((_, ended)) = slot.ends.take_if(|(moment, _)| *moment <= now) else {
            return;
        };
        match (slot.at, ended) {
            (At::Health, Ended::Pass) => self.turn(key),
            (At::Health, _) => self.renew(key, StopReason::Unhealthy),
            (At::Start, Ended::Pass) => self.started(key),
            (At::Start, Ended::Fail) => self.start_failed(key, Why::Start),
            (At::Start, _) => {
                let why = match ended {
                    Ended::Panic => Why::StartPanicked,
                    _ => Why::StartTimedOut,
                };
                self.slots[key].at = At::Abandoned(why);
                self.begin(key, Step::Abandoned, STOP);
            }
            (At::Abandoned(why), _) => self.start_failed(key, why),
            (At::Stopping(reason), _) => self.stopped(key, reason, ended),
            (At::Renewal(reason), _) => {
                self.tell(key, Event::Stopped(reason, ended == Ended::Pass));
                self.record(key, ended);
                self.slot(key).session = false;
                let id = self.slot(key).holder.expect("it renews");
                match self.calls[id].cause {
                    Some(_) => self.give_up(key),
                    None => self.start(key),
                }
            }
            other => unreachable!("{other:?} was not under way"),
        }
    }

    fn turn_due(&mut self, key: usize) {
        let now = self.now;
        let passed = |moment: Option<Ms>| moment.is_some_and(|moment| moment <= now);
        let slot = &self.slots[key];
        let id = slot.holder.expect("somebody has the turn");
        let call = &self.calls[id];
        if let Some((_, ended)) = slot.ends.filter(|(moment, _)| *moment <= now) {
            let (outcome, end, dirty) = match (ended, call.cause) {
                (Ended::Pass, _) => (Outcome::Done, End::Done, false),
                (Ended::Fail, None) => (Outcome::Failed, End::Failed(Why::Agent), false),
                (Ended::Fail, Some(cause)) => (cause.outcome(), End::Failed(cause.why()), false),
                _ => (Outcome::Panicked, End::Failed(Why::Panicked), true),
            };
            self.turn_ended(key, outcome, end, dirty);
        } else if passed(slot.cut) {
            let cause = call.cause.expect("it was cancelled before it is cut short");
            self.turn_ended(key, cause.outcome(), End::Failed(cause.why()), true);
        } else if passed(slot.limit) {
            self.cancel(key, id, Cause::Limit);
        }
    }
}
