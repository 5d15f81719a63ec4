//! What must be the same after every step, and what must be left at the end: nothing.

use turnwise::testing::Method;
use turnwise::{Phase, manager::SessionStatus};

use super::callers::{Caller, Thing};
use super::model::Slot;
use super::real::{Real, ms};
use super::words::*;
use super::{PAUSE, Program};

/// `Err` says what is wrong.
pub(crate) type Checked = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, real: &T, model: &T) -> Checked {
    match real == model {
        true => Ok(()),
        false => Err(format!("{what}: {real:?}, not {model:?}")),
    }
}

fn phase(at: At) -> Option<Phase> {
    Some(match at {
        At::Absent => return None,
        At::Idle => Phase::Idle,
        At::Health | At::Running => Phase::Busy,
        At::Room | At::Start | At::Abandoned(_) => Phase::Starting,
        At::Renewal(_) | At::Stopping(_) => Phase::Closing,
        At::Granted { .. } | At::GrantedToStop => return None,
    })
}

fn under_way(slot: &Slot, kind: Option<Kind>) -> Option<Method> {
    match slot.at {
        At::Health => Some(Method::IsHealthy),
        At::Start => Some(Method::Start),
        At::Abandoned(_) => Some(Method::StartAbandoned),
        At::Renewal(_) | At::Stopping(_) => Some(Method::Stop),
        At::Running if kind == Some(Kind::Message) => Some(Method::Send),
        _ => None,
    }
}

impl Program {
    pub(crate) fn compare(&self) -> Checked {
        if self.model.undecided {
            return Ok(());
        }
        for key in 0..KEYS {
            self.compare_key(key)?;
        }
        for (id, caller) in self.real.callers.iter().enumerate() {
            self.compare_call(id, caller)?;
        }
        same(
            "A2: what the sessions received",
            &self.real.heard.all(),
            &self.model.heard,
        )?;
        same("what listeners got", self.real.emitted(), &self.model.heard)
    }

    fn compare_key(&self, key: usize) -> Checked {
        let slot = &self.model.slots[key];
        if let Some(manager) = &self.real.manager {
            let of = u8::try_from(key).expect("few keys");
            self.compare_status(key, manager.status(&of))?;
        }
        let holder = slot.holder.map(|id| self.model.calls[id].kind);
        let under_way: Vec<Method> = under_way(slot, holder).into_iter().collect();
        let what = format!("A1: key {key}: calls under way");
        same(&what, &self.real.under_way(key), &under_way)?;
        let events = self.real.events(key).into_iter();
        let events: Vec<Event> = events
            .filter(|event| !self.of_a_ghost(key, event))
            .collect();
        let expected = self.model.events[key]
            .iter()
            .map(|event| self.unnamed(event));
        let expected = expected.filter(|event| !self.of_a_ghost(key, event));
        same(&format!("key {key}: events"), &events, &expected.collect())
    }

    /// The ticket of a closure's turn is not seen: all closures of a key have the same number.
    fn unnamed(&self, event: &Event) -> Event {
        let closure = |id: Id| self.model.calls[id].kind == Kind::Closure;
        match *event {
            Event::Began(id) if closure(id) => Event::Began(Id::MAX),
            Event::Ended(id, outcome) if closure(id) => Event::Ended(Id::MAX, outcome),
            ref other => other.clone(),
        }
    }

    /// A caller that leaves does not cut a start short. Whether a turn begins for nobody after it, the contract does not say.
    fn of_a_ghost(&self, key: usize, event: &Event) -> bool {
        let (Event::Began(id) | Event::Ended(id, _)) = *event else {
            return false;
        };
        let mut calls = self.model.calls.iter().enumerate();
        calls.any(|(ghost, call)| {
            let named = match call.kind {
                Kind::Closure => Id::MAX,
                _ => ghost,
            };
            call.left && !call.delivered && call.key == key && named == id
        })
    }

    fn compare_status(&self, key: usize, status: Option<SessionStatus>) -> Checked {
        let slot = &self.model.slots[key];
        let expected = match slot.at {
            At::Granted { .. } if slot.session => Some(Phase::Busy),
            At::Granted { .. } => Some(Phase::Starting),
            at => phase(at),
        };
        let seen = status.as_ref().map(|status| status.phase);
        same(&format!("key {key}: phase"), &seen, &expected)?;
        let Some(status) = status else {
            return Ok(());
        };
        // The shutdown itself stands in the queue.
        if !self.model.ending.closed() {
            let seen = usize::try_from(status.waiting).expect("few wait");
            same(&format!("key {key}: waiting"), &seen, &slot.waiting())?;
        }
        let age = ms(self.model.now - slot.since);
        same(
            &format!("key {key}: age of {:?}", slot.at),
            &status.elapsed,
            &age,
        )?;
        let holder = slot.holder.map(|id| self.real.callers[id].ticket);
        match (slot.at, holder) {
            (At::Stopping(_), _) | (_, Some(None)) => Ok(()),
            (_, holder) => same(
                &format!("A6: key {key}: turn"),
                &status.turn,
                &holder.flatten(),
            ),
        }
    }

    fn compare_call(&self, id: Id, caller: &Caller) -> Checked {
        let call = &self.model.calls[id];
        let what = || format!("call {id}, {:?} of key {}", call.kind, call.key);
        if let Thing::Turn(turn) = &caller.thing {
            let cancelled = turnwise::manager::SessionTurn::is_cancelled(turn);
            let what = format!("{} is cancelled", what());
            same(&what, &cancelled, &call.cause.is_some())?;
        }
        if call.left || !caller.polls && caller.seen.is_none() {
            return Ok(());
        }
        if call.also.is_none() || caller.seen != call.also {
            let seen = caller.seen.as_ref().map(|end| self.busy_or_waiting(end));
            let end = call.end.as_ref().map(|end| self.busy_or_waiting(end));
            same(&what(), &seen, &end)?;
        }
        match caller.back {
            Some(back) => same(
                &format!("{}: message back", what()),
                &back,
                &!call.delivered,
            ),
            None => Ok(()),
        }
    }

    /// The shutdown stands in the queue, and a sweep may see it there.
    fn busy_or_waiting(&self, end: &End) -> End {
        let mut end = end.clone();
        if let End::Report(_, skipped) = &mut end {
            let closed = self.model.ending.closed();
            let waiting = skipped
                .iter_mut()
                .filter(|(_, why)| closed && *why == Skip::Waiting);
            waiting.for_each(|(_, why)| *why = Skip::Busy);
        }
        end
    }

    /// The manager is shut down, and the report and all that is left are compared.
    pub(crate) fn shut_down(mut self) -> Checked {
        for id in 0..self.real.callers.len() {
            let caller = &self.real.callers[id];
            let kept = caller.waits() && !caller.polls;
            if kept || matches!(caller.thing, Thing::Turn(_)) {
                self.pass(PAUSE)?;
                self.drop_call(id, false);
                self.settle()?;
            }
        }
        if self.model.undecided {
            return self.leave();
        }
        let runtime = self.real.enters();
        let within = runtime.enter();
        self.begin_shutdown(4_000);
        drop(within);
        self.settle()?;
        for _ in 0..40 {
            if self.model.ending.over() || self.model.undecided {
                break;
            }
            self.pass(3_001)?;
        }
        if self.model.undecided {
            return self.leave();
        }
        same("A4: there is a report", &self.model.ending.over(), &true)?;
        self.real.manager = None;
        self.real.callers.clear();
        self.real.nothing_is_left()
    }

    /// All is dropped, the manager too, which shuts down by itself: only what hangs without a limit may be left.
    pub(crate) fn leave(mut self) -> Checked {
        self.real.callers.clear();
        self.real.manager = None;
        let hangs = self.model.calls.iter().any(|call| {
            let acts = !matches!(call.act, Act::Pass | Act::Fail | Act::Panic | Act::Take(_));
            call.kind == Kind::Message && acts
        });
        if hangs && self.model.set.turn.is_none() {
            self.real.never_two();
            return Ok(());
        }
        self.real.nothing_is_left()
    }

    /// The runtime is gone: every call ends, and says so.
    pub(crate) fn kill(mut self, key: u8) -> Checked {
        drop(self.real.runtime.take());
        let ids = 0..self.real.callers.len();
        for id in ids.filter(|&id| self.model.calls[id].kind != Kind::Closure) {
            let caller = &mut self.real.callers[id];
            let (call, waits) = (&self.model.calls[id], caller.waits());
            caller.poll();
            let what = format!("the runtime is gone: call {id}, {:?}", call.kind);
            same(&format!("{what}: has ended"), &caller.waits(), &false)?;
            if !waits || call.end.is_some() {
                continue;
            }
            let closed = match call.kind {
                Kind::Stop => End::StopClosed,
                Kind::Sweep | Kind::Shutdown => continue,
                _ => End::Failed(Why::Closed),
            };
            // It may have been cancelled before.
            let cancelled = call.cause.map(|cause| End::Failed(cause.why()));
            if cancelled.is_none() || caller.seen != cancelled {
                same(&what, &caller.seen, &Some(closed))?;
            }
            if let Some(back) = caller.back {
                same(&format!("{what}: message back"), &back, &!call.delivered)?;
            }
        }
        let started = self.real.script.ledger().record().len();
        for kind in [Kind::Turn, Kind::Message, Kind::Restart] {
            let id = self.real.callers.len();
            self.make(
                kind,
                usize::from(key) % KEYS,
                Act::Pass,
                super::calls::How::Awaited,
            );
            let caller = &mut self.real.callers[id];
            caller.poll();
            let what = format!("a {kind:?} after the runtime has gone");
            same(&what, &caller.seen, &Some(End::Failed(Why::Closed)))?;
            if kind == Kind::Message {
                same(&format!("{what}: message back"), &caller.back, &Some(true))?;
            }
        }
        let calls = self.real.script.ledger().record().len() - started;
        same("calls of the backend in a runtime that is gone", &calls, &0)
    }
}

impl Real {
    pub(crate) fn never_two(&self) {
        self.script.ledger().assert_never_two();
    }

    fn nothing_is_left(&mut self) -> Checked {
        self.never_two();
        self.rest();
        let left = std::sync::Arc::strong_count(&self.here) - 1;
        same("A4: managers left", &left, &0)?;
        self.script.ledger().assert_balanced();
        Ok(())
    }
}
