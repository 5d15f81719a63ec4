//! The model's calls: what each does at once, in every state of its key.

use std::mem;

use turnwise::manager::{Outcome, StopReason};

use super::model::{Model, Stops};
use super::words::*;

/// One call, for as long as the program runs.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) key: usize,
    pub(crate) kind: Kind,
    /// What its message or closure does.
    pub(crate) act: Act,
    /// Its caller has not polled it, and does so only when the program says.
    pub(crate) unpolled: bool,
    /// When it gives up its place in the queue.
    pub(crate) wait: Option<Ms>,
    /// The same for its wait for room.
    pub(crate) until: Option<Ms>,
    pub(crate) no_wait: bool,
    pub(crate) cause: Option<Cause>,
    /// Its caller has gone away.
    pub(crate) left: bool,
    /// The session has received the message.
    pub(crate) delivered: bool,
    pub(crate) end: Option<End>,
    /// What may have come instead. Of a stop whose key has just gone: that the manager is closed.
    pub(crate) also: Option<End>,
}

/// How a call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum How {
    #[default]
    Awaited,
    /// Its future is kept and not polled.
    Unpolled,
    NoWait,
    WaitLimit,
}

impl Model {
    pub(crate) fn call(&mut self, kind: Kind, key: usize, act: Act) -> Id {
        self.calls.push(Call {
            key,
            kind,
            act,
            unpolled: false,
            wait: None,
            until: None,
            no_wait: false,
            cause: None,
            left: false,
            delivered: false,
            end: None,
            also: None,
        });
        self.calls.len() - 1
    }

    /// A message, a turn, a closure or a restart.
    pub(crate) fn enter(&mut self, kind: Kind, key: usize, act: Act, how: How) {
        let id = self.call(kind, key, act);
        if self.ending.closed() {
            return self.end(id, End::Failed(Why::Closed));
        }
        let (now, most) = (self.now, self.set.max_waiting);
        let slot = &mut self.slots[key];
        self.calls[id].unpolled = how == How::Unpolled;
        self.calls[id].no_wait = how == How::NoWait;
        self.calls[id].until = (how == How::WaitLimit).then_some(now + WAIT);
        if matches!(slot.at, At::Absent | At::Idle) {
            slot.holder = Some(id);
            (slot.at, slot.since) = (At::Granted { held: true }, now);
        } else if how == How::NoWait {
            self.end(id, End::Failed(Why::Busy));
        } else if most.is_some_and(|most| slot.waiting() >= most) {
            self.end(id, End::Failed(Why::QueueFull));
        } else {
            slot.queue.push_back(id);
            self.calls[id].wait = self.calls[id].until;
        }
    }

    fn has(&self, key: usize, id: Id) -> bool {
        self.slots[key].holder == Some(id)
    }

    pub(crate) fn stop(&mut self, key: usize) {
        let id = self.call(Kind::Stop, key, Act::Pass);
        let joins = self.lie != Some(Lie::StopsDoNotJoin);
        let (now, closed) = (self.now, self.ending.closed());
        let slot = &mut self.slots[key];
        match slot.at {
            At::Absent => {
                // The shutdown may hold what is left of it.
                self.calls[id].also = (closed && slot.since == now).then_some(End::StopClosed);
                return self.end(id, End::Stopped(false));
            }
            // Only one that was asked for.
            At::GrantedToStop | At::Stopping(StopReason::Requested) if joins => {
                return slot.stopping.push(id);
            }
            _ if closed => self.end(id, End::StopClosed),
            At::Idle => return self.grant_stop(key, vec![id]),
            _ => match slot.stops.back_mut().filter(|_| joins) {
                Some(stops) => {
                    stops.ids.push(id);
                    if stops.held {
                        self.end(id, End::StopHeld);
                    }
                }
                None => slot.stops.push_back(Stops {
                    ids: vec![id],
                    patience: Some(now + 2 * ABORT),
                    held: false,
                }),
            },
        }
        let patient = self.lie == Some(Lie::StopIsPatient);
        if let Some(holder) = self.slots[key].holder.filter(|_| !patient) {
            self.cancel(key, holder, Cause::Stop);
        }
    }

    /// A stop has the key next, when its task runs.
    pub(crate) fn grant_stop(&mut self, key: usize, stops: Vec<Id>) {
        self.set(key, At::GrantedToStop);
        self.slots[key].stopping = stops;
    }

    /// What holds the key now is stopped, if it is a session.
    pub(crate) fn stop_looks(&mut self, key: usize) {
        let stops = mem::take(&mut self.slots[key].stopping);
        if self.slots[key].session {
            return self.stop_session(key, StopReason::Requested, stops);
        }
        for id in stops {
            self.end(id, End::Stopped(false));
        }
        self.next(key);
    }

    /// The call that has the key is to end.
    pub(crate) fn cancel(&mut self, key: usize, id: Id, cause: Cause) {
        let now = self.now;
        let call = &mut self.calls[id];
        call.cause.get_or_insert(cause);
        let (kind, act) = (call.kind, call.act);
        let slot = &mut self.slots[key];
        match slot.at {
            At::Granted { held: false } => self.pass_on(key, End::Failed(Why::Aborted)),
            At::Running if slot.cut.is_none() && !matches!(kind, Kind::Turn | Kind::Restart) => {
                slot.limit = None;
                let obeys = match act {
                    Act::Obey => Some(Ended::Pass),
                    Act::ObeyAndFail => Some(Ended::Fail),
                    _ => None,
                };
                match obeys.filter(|_| kind == Kind::Message) {
                    Some(ended) => slot.ends = Some((now, ended)),
                    None => slot.cut = Some(now + ABORT),
                }
            }
            At::Room => self.leave_room(key, End::Failed(cause.why())),
            At::Health | At::Renewal(_) | At::Start | At::Abandoned(_) => {
                let (at, waits, is_cut) = (slot.at, slot.waiting() > 0, slot.is_cut);
                let closed = self.ending.closed();
                self.end(id, End::Failed(cause.why()));
                let cuts = match cause {
                    Cause::Abort => closed || !waits,
                    Cause::Stop | Cause::Shutdown => true,
                    Cause::Left | Cause::Limit => false,
                };
                if cuts && at == At::Start && !is_cut {
                    self.cut_start(key);
                }
            }
            _ => {}
        }
    }

    /// A grant that nobody has looked at goes on, and leaves no trace.
    pub(crate) fn pass_on(&mut self, key: usize, end: End) {
        let slot = &mut self.slots[key];
        let id = slot.holder.expect("it was granted");
        let rested = match slot.at {
            At::Granted { held: false } => slot.rested,
            _ => self.now,
        };
        self.end(id, end);
        self.next_since(key, rested);
    }

    fn leave_queue(&mut self, key: usize, id: Id, end: End) -> bool {
        let queue = &mut self.slots[key].queue;
        let Some(place) = queue.iter().position(|&waits| waits == id) else {
            return false;
        };
        queue.remove(place);
        self.end(id, end);
        true
    }

    /// `abort` with a ticket, and the call's own abort.
    pub(crate) fn abort_call(&mut self, id: Id) -> bool {
        self.cancel_call(id, Cause::Abort)
    }

    fn cancel_call(&mut self, id: Id, cause: Cause) -> bool {
        let key = self.calls[id].key;
        if self.leave_queue(key, id, End::Failed(Why::Aborted)) {
            return true;
        }
        let has = self.has(key, id);
        if has {
            self.cancel(key, id, cause);
        }
        has
    }

    /// `abort` without one.
    pub(crate) fn abort(&mut self, key: usize) -> bool {
        let holder = self.slots[key].holder;
        holder.is_some_and(|id| self.abort_call(id))
    }

    pub(crate) fn dismiss(&mut self, key: usize) -> usize {
        let queue = mem::take(&mut self.slots[key].queue);
        let dismissed = End::Failed(Why::Dismissed);
        for &id in &queue {
            self.end(id, dismissed.clone());
        }
        let granted = self.slots[key].at == At::Granted { held: false };
        if granted && self.lie == Some(Lie::DismissTakesTheGranted) {
            self.pass_on(key, dismissed);
        }
        queue.len()
    }

    pub(crate) fn touch(&mut self, key: usize) -> bool {
        let slot = &mut self.slots[key];
        slot.touched = self.now;
        slot.at != At::Absent
    }

    /// Its caller drops the future, or the turn.
    pub(crate) fn dropped(&mut self, id: Id, discard: bool) {
        let call = &mut self.calls[id];
        let (key, kind) = (call.key, call.kind);
        let turn = call.end == Some(End::Turn);
        call.left = true;
        if turn {
            if self.has(key, id) {
                let outcome = match discard {
                    true => Outcome::Dropped,
                    false => Outcome::Done,
                };
                self.turn_ended(key, outcome, End::Turn, discard);
            }
            return;
        }
        if self.calls[id].end.is_some() {
            return;
        }
        let gone = End::Failed(Why::Aborted);
        if kind == Kind::Message {
            self.cancel_call(id, Cause::Left);
        } else if !self.leave_queue(key, id, gone.clone()) && self.has(key, id) {
            match self.slots[key].at {
                At::Granted { .. } => self.pass_on(key, gone),
                At::Room => self.leave_room(key, gone),
                At::Running => self.turn_ended(key, Outcome::Dropped, gone, true),
                _ => {}
            }
        }
    }
}
