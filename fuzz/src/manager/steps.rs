//! The steps of a program: the bytes index this table.

use turnwise::manager::{SessionTurn, TurnOptions};

use super::Program;
use super::callers::{Caller, Thing, drained, stopped, swept, why};
use super::calls::How;
use super::check::Checked;
use super::real::ms;
use super::words::*;
use super::worker::Said;

type Make = fn(&mut Program, u8) -> Checked;

pub(crate) const STEPS: &[(&str, Make)] = &[
    ("send_message", |program, byte| {
        program.enter(Kind::Message, byte, How::Awaited)
    }),
    ("send_message, limited wait", |program, byte| {
        program.enter(Kind::Message, byte, How::WaitLimit)
    }),
    ("send_message, no wait", |program, byte| {
        program.enter(Kind::Message, byte, How::NoWait)
    }),
    ("turn", |program, byte| {
        program.enter(Kind::Turn, byte, How::Awaited)
    }),
    ("turn, not polled", |program, byte| {
        program.enter(Kind::Turn, byte, How::Unpolled)
    }),
    ("turn, limited wait", |program, byte| {
        program.enter(Kind::Turn, byte, How::WaitLimit)
    }),
    ("turn, no wait", |program, byte| {
        program.enter(Kind::Turn, byte, How::NoWait)
    }),
    ("with_turn", |program, byte| {
        program.enter(Kind::Closure, byte, How::Awaited)
    }),
    ("restart", |program, byte| {
        program.enter(Kind::Restart, byte, How::Awaited)
    }),
    ("restart, not polled", |program, byte| {
        program.enter(Kind::Restart, byte, How::Unpolled)
    }),
    ("stop", Program::stop),
    ("dismiss", Program::dismiss),
    ("abort", Program::abort),
    ("abort a ticket", Program::abort_ticket),
    ("abort by its sender", Program::abort_sending),
    ("detach", Program::detach),
    ("drop a call", |program, byte| {
        program.leave_call(byte, Caller::waits)
    }),
    ("poll a call", Program::poll),
    ("end a turn", |program, byte| program.end_turn(byte, false)),
    ("discard a turn", |program, byte| {
        program.end_turn(byte, true)
    }),
    ("touch", Program::touch),
    ("cleanup_idle", Program::cleanup),
    ("time passes", |program, byte| {
        program.pass(TIMES[usize::from(byte) % TIMES.len()])
    }),
    ("until something ends", Program::until_something_ends),
    ("the next start", |program, byte| {
        program.script(Step::Start, byte)
    }),
    ("the next start_abandoned", |program, byte| {
        program.script(Step::Abandoned, byte)
    }),
    ("the next health check", |program, byte| {
        program.script(Step::Health, byte)
    }),
    ("the next stop", |program, byte| {
        program.script(Step::Stop, byte)
    }),
    ("shutdown", Program::shutdown),
];

const TIMES: [Ms; 6] = [700, 2_500, 4_500, 8_000, 14_000, 40_000];
const DEADLINES: [Ms; 4] = [5, 3_500, 15_000, 300_000];

pub(crate) fn kinds() -> Vec<&'static str> {
    STEPS.iter().map(|(name, _)| *name).collect()
}

/// The bit of a step that follows at once.
pub(crate) const AT_ONCE: u8 = 1 << 7;

pub(crate) fn of(byte: u8) -> (&'static str, Make) {
    STEPS[usize::from(byte & !AT_ONCE) % STEPS.len()]
}

/// After it comes time, or it has to be alone: what it does when it is polled depends on that.
pub(crate) fn is_alone(name: &str) -> bool {
    let alone = [
        "cleanup_idle",
        "time passes",
        "until something ends",
        "shutdown",
    ];
    alone.contains(&name) || name.starts_with("the next ")
}

/// The two bytes of a step by name, of this key or call: how an input is written by hand.
#[allow(dead_code)] // The replay's are.
pub(crate) fn bytes(name: &str, key: usize, act: usize) -> [u8; 2] {
    let step = STEPS.iter().position(|(step, _)| *step == name);
    let step = step.expect("there is such a step");
    [step, key + KEYS * act].map(|byte| u8::try_from(byte).expect("it fits"))
}

fn key(byte: u8) -> usize {
    usize::from(byte) % KEYS
}

impl Program {
    fn of(key: usize) -> u8 {
        u8::try_from(key).expect("few keys")
    }

    /// No two calls take equally long.
    fn act(&self, byte: u8) -> Act {
        let apart = 7 * self.model.calls.len() as Ms;
        match usize::from(byte) / KEYS % 9 {
            0 => Act::Pass,
            1 => Act::Fail,
            2 => Act::Panic,
            3 => Act::Hang,
            4 => Act::Obey,
            5 => Act::ObeyAndFail,
            6 => Act::Take(2_000 + apart),
            7 => Act::Take(7_000 + apart),
            _ => Act::Take(30_000 + apart),
        }
    }

    fn enter(&mut self, kind: Kind, byte: u8, how: How) -> Checked {
        let act = self.act(byte);
        let act = match (kind, act) {
            (Kind::Closure, Act::Fail) => Act::Pass,
            (Kind::Closure, Act::Obey | Act::ObeyAndFail) => Act::Hang,
            _ => act,
        };
        self.model.enter(kind, key(byte), act, how);
        self.make(kind, key(byte), act, how);
        Ok(())
    }

    /// The real call.
    pub(crate) fn make(&mut self, kind: Kind, key: usize, act: Act, how: How) {
        let id = self.real.callers.len();
        let of = Self::of(key);
        let manager = self.real.manager.as_ref().expect("it is there");
        let options = match how {
            How::NoWait => TurnOptions::no_wait(),
            How::WaitLimit => TurnOptions::default().wait(ms(WAIT)),
            How::Awaited | How::Unpolled => TurnOptions::default(),
        };
        let (thing, ticket) = match kind {
            Kind::Message => {
                let sending = manager.with(options).send_message(&of, Said { id, act });
                let ticket = sending.ticket();
                (Thing::Sending(sending), ticket)
            }
            Kind::Closure => {
                let turn = manager.with_turn(&of, async move |_| {
                    let _ = act.scripted().play(std::future::pending()).await;
                });
                let turn = async move {
                    match turn.await {
                        Ok(()) => End::Done,
                        Err(error) => End::Failed(why(&error)),
                    }
                };
                // Its ticket is seen in the status only.
                let turn = Thing::Other(Box::pin(turn));
                (turn, None)
            }
            _ => {
                let entering = match kind {
                    Kind::Restart => manager.restart(&of),
                    _ => manager.with(options).turn(&of),
                };
                let ticket = entering.ticket();
                (Thing::Entering(entering), ticket)
            }
        };
        let polls = how != How::Unpolled;
        self.real
            .callers
            .push(Caller::new(key, thing, ticket, polls));
    }

    fn other(&mut self, key: usize, future: impl Future<Output = End> + 'static) {
        let thing = Thing::Other(Box::pin(future));
        self.real.callers.push(Caller::new(key, thing, None, true));
    }

    fn stop(&mut self, byte: u8) -> Checked {
        let manager = self.real.manager.as_ref().expect("it is there");
        let stop = manager.stop(&Self::of(key(byte)));
        self.model.stop(key(byte));
        self.other(key(byte), async move { stopped(&stop.await) });
        Ok(())
    }

    fn cleanup(&mut self, byte: u8) -> Checked {
        let idle_for = TIMES[usize::from(byte) % TIMES.len()] + 3;
        let manager = self.real.manager.as_ref().expect("it is there");
        let sweep = manager.cleanup_idle(ms(idle_for));
        let id = self.model.call(Kind::Sweep, 0, Act::Pass);
        self.model.sweep(Some(id), idle_for);
        self.other(0, async move { swept(sweep.await) });
        Ok(())
    }

    fn shutdown(&mut self, byte: u8) -> Checked {
        self.begin_shutdown(DEADLINES[usize::from(byte) % DEADLINES.len()]);
        Ok(())
    }

    pub(crate) fn begin_shutdown(&mut self, deadline: Ms) {
        let manager = self.real.manager.as_ref().expect("it is there");
        let report = manager.shutdown(ms(deadline));
        self.model.shutdown(deadline);
        self.other(0, async move { drained(report.await) });
    }

    fn returned<T: PartialEq + std::fmt::Debug>(real: &T, model: &T) -> Checked {
        match real == model {
            true => Ok(()),
            false => Err(format!("it returned {real:?}, not {model:?}")),
        }
    }

    fn dismiss(&mut self, byte: u8) -> Checked {
        let manager = self.real.manager.as_ref().expect("it is there");
        let dismissed = manager.dismiss(&Self::of(key(byte)));
        Self::returned(&dismissed, &self.model.dismiss(key(byte)))
    }

    fn abort(&mut self, byte: u8) -> Checked {
        let manager = self.real.manager.as_ref().expect("it is there");
        let aborted = manager.abort(&Self::of(key(byte)), None);
        Self::returned(&aborted, &self.model.abort(key(byte)))
    }

    fn touch(&mut self, byte: u8) -> Checked {
        let manager = self.real.manager.as_ref().expect("it is there");
        let touched = manager.touch(&Self::of(key(byte)));
        let there = self.model.touch(key(byte));
        // A shutdown stands in the queue of a key that is let go of.
        match self.model.ending.closed() {
            true => Ok(()),
            false => Self::returned(&touched, &there),
        }
    }

    /// One of those of which it is true, from the newest.
    fn pick(&self, byte: u8, is_it: impl Fn(&Caller) -> bool) -> Option<Id> {
        let callers = self.real.callers.iter().enumerate().rev();
        let all: Vec<Id> = callers
            .filter(|(_, caller)| is_it(caller))
            .map(|(id, _)| id)
            .collect();
        let index = usize::from(byte).checked_rem(all.len())?;
        Some(all[index])
    }

    /// Also of calls that are over.
    fn abort_ticket(&mut self, byte: u8) -> Checked {
        let Some(id) = self.pick(byte, |caller| caller.ticket.is_some()) else {
            return Ok(());
        };
        let caller = &self.real.callers[id];
        let manager = self.real.manager.as_ref().expect("it is there");
        let aborted = manager.abort(&Self::of(caller.key), caller.ticket);
        Self::returned(&aborted, &self.model.abort_call(id))
    }

    fn abort_sending(&mut self, byte: u8) -> Checked {
        let sends = |caller: &Caller| matches!(caller.thing, Thing::Sending(_));
        let Some(id) = self.pick(byte, sends) else {
            return Ok(());
        };
        if let Thing::Sending(sending) = &self.real.callers[id].thing {
            sending.abort();
        }
        self.model.abort_call(id);
        Ok(())
    }

    fn detach(&mut self, byte: u8) -> Checked {
        let sends = |caller: &Caller| matches!(caller.thing, Thing::Sending(_));
        let Some(id) = self.pick(byte, sends) else {
            return Ok(());
        };
        let thing = std::mem::replace(&mut self.real.callers[id].thing, Thing::Nothing);
        if let Thing::Sending(sending) = thing {
            sending.detach();
        }
        self.real.callers[id].polls = false;
        Ok(())
    }

    fn leave_call(&mut self, byte: u8, is_it: impl Fn(&Caller) -> bool) -> Checked {
        if let Some(id) = self.pick(byte, is_it) {
            self.drop_call(id, false);
        }
        Ok(())
    }

    fn end_turn(&mut self, byte: u8, discard: bool) -> Checked {
        let has = |caller: &Caller| matches!(caller.thing, Thing::Turn(_));
        if let Some(id) = self.pick(byte, has) {
            self.drop_call(id, discard);
        }
        Ok(())
    }

    pub(crate) fn drop_call(&mut self, id: Id, discard: bool) {
        let thing = std::mem::replace(&mut self.real.callers[id].thing, Thing::Nothing);
        match thing {
            Thing::Turn(turn) if discard => SessionTurn::discard(turn),
            thing => drop(thing),
        }
        self.model.dropped(id, discard);
    }

    fn poll(&mut self, byte: u8) -> Checked {
        let unpolled = |caller: &Caller| caller.waits() && !caller.polls;
        if let Some(id) = self.pick(byte, unpolled) {
            self.real.callers[id].polls = true;
            self.model.calls[id].unpolled = false;
        }
        Ok(())
    }

    fn until_something_ends(&mut self, _: u8) -> Checked {
        match self.model.timers().first() {
            Some((moment, _)) => self.pass(moment - self.model.now),
            None => Ok(()),
        }
    }

    fn script(&mut self, step: Step, byte: u8) -> Checked {
        let act = match (step, self.act(byte)) {
            // It cannot fail.
            (Step::Abandoned, Act::Fail) => Act::Pass,
            (_, act) => act,
        };
        self.model.slots[key(byte)].script[step as usize].push_back(act);
        let script = self.real.script.for_key(&Self::of(key(byte)));
        script.on(step.method(), act.scripted());
        Ok(())
    }
}
