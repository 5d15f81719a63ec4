//! Target `manager`: calls and time, each compared with a sequential model of the session manager.
//!
//! The first two bytes are the settings and the end; of each pair that follows, the first chooses a step and the second its key,
//! its call, and what the backend does. Everything runs on one thread, in a runtime whose clock the program moves: after each step,
//! and at each moment in which something ends by itself, all that can go on does, and then the manager must be as the model says:
//! statuses, calls of the backend under way, how each call ended and whether its message came back, what the sessions received, and
//! the events of each key in their order. At the end nothing is left, and every session was stopped once.
//!
//! A step whose byte has its highest bit follows the one before at once: what that one promised must hold although no task has run.
//! The contract does not order two timers of one key that fall into the same moment, two sessions that are idle for equally long, and
//! two calls that look for room in the same moment: the program ends there.

mod callers;
mod calls;
mod check;
mod ends;
mod model;
mod real;
mod starts;
pub(crate) mod steps;
pub(crate) mod words;
mod worker;

use super::Target;
use super::table::Log;
use check::Checked;
use ends::Timer;
use model::Model;
use real::Real;
use words::{IDLE, Lie, Ms, Settings, TURN};

pub(crate) const TARGET: Target = Target {
    name: "manager",
    claims: "A1 A2 A3 A4 A5 A6 A12",
    columns: &["caller", "time"],
    kinds: steps::kinds,
    run: |bytes, log| run(bytes, log, None),
};

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST: usize = 60;

/// `lie`: a fault put into the model, to see that it is found.
pub(crate) fn run(bytes: &[u8], log: &Log, lie: Option<Lie>) -> Checked {
    let (head, steps) = bytes.split_at(bytes.len().min(2));
    let head = [0, 1].map(|index| head.get(index).copied().unwrap_or(0));
    let set = settings(head[0]);
    let mut program = Program {
        model: Model {
            set,
            lie,
            next_sweep: set.reaps.then_some(IDLE / 4),
            ..Model::default()
        },
        real: Real::new(set),
        log: log.clone(),
        in_a_row: false,
    };
    let steps: Vec<&[u8]> = steps.chunks_exact(2).take(LONGEST).collect();
    for (index, step) in steps.iter().enumerate() {
        let goes_on = steps
            .get(index + 1)
            .is_some_and(|next| program.at_once(step[0], next[0]));
        let made = program.step(step[0], step[1], goes_on);
        made.map_err(|what| format!("step {index}: {what}"))?;
        if program.model.undecided {
            return program.leave();
        }
    }
    let ended = match head[1] % 4 {
        0 => program.leave(),
        1 => program.kill(head[1] / 4),
        _ => program.shut_down(),
    };
    ended.map_err(|what| format!("at the end: {what}"))
}

fn settings(byte: u8) -> Settings {
    let (max_sessions, evicts) = match byte & 3 {
        0 => (None, false),
        1 => (Some(1), false),
        2 => (Some(1), true),
        _ => (Some(2), true),
    };
    Settings {
        max_sessions,
        evicts,
        max_waiting: match byte >> 2 & 3 {
            0 => Some(1),
            1 => Some(2),
            _ => None,
        },
        reaps: byte >> 4 & 1 == 1,
        turn: (byte >> 5 & 1 == 1).then_some(TURN),
    }
}

pub(crate) struct Program {
    pub(crate) model: Model,
    pub(crate) real: Real,
    log: Log,
    /// The next step follows the one before at once.
    in_a_row: bool,
}

/// Every step takes so long, so that no two of them fall into one moment.
pub(crate) const PAUSE: Ms = 10;
/// The runtime's timers may be late by less than this.
const NEAR: Ms = 2;

impl Program {
    /// The next step comes before anybody else can go on. Not where one key waits for another.
    fn at_once(&self, step: u8, next: u8) -> bool {
        let alone = |byte| steps::is_alone(steps::of(byte).0);
        let apart = self.model.set.max_sessions.is_none();
        next >= steps::AT_ONCE && apart && !alone(step) && !alone(next)
    }

    fn step(&mut self, step: u8, operand: u8, goes_on: bool) -> Checked {
        if !self.in_a_row {
            self.pass(PAUSE)?;
        }
        if self.model.undecided {
            return Ok(());
        }
        let (name, make) = steps::of(step);
        self.log.note(0, name, Some(operand));
        let runtime = self.real.enters();
        let within = runtime.enter();
        make(self, operand)?;
        drop(within);
        self.in_a_row = goes_on;
        if goes_on {
            self.log.became("at once");
            return Ok(());
        }
        self.settle()
    }

    pub(crate) fn settle(&mut self) -> Checked {
        self.model.settle();
        self.real.settle();
        self.compare()
    }

    /// Time passes, to the end of each thing that ends meanwhile.
    pub(crate) fn pass(&mut self, time: Ms) -> Checked {
        let mut target = self.model.now + time;
        loop {
            let timers = self.model.timers();
            let first = timers.first().map(|(moment, _)| *moment);
            let Some(moment) = first.filter(|moment| *moment <= target + NEAR) else {
                break;
            };
            let near = timers.iter().filter(|timer| timer.0 <= moment + NEAR);
            if !self.may_fall_together(near.map(|(_, timer)| *timer)) {
                self.model.undecided = true;
                return Ok(());
            }
            target = target.max(moment + NEAR + 1);
            self.model.now = moment;
            while let Some(&(due, timer)) = self.model.timers().first() {
                if due > moment {
                    break;
                }
                self.log.note(1, timer.name(), None);
                self.model.fire(timer);
                self.model.settle();
            }
            if self.model.undecided {
                return Ok(());
            }
            self.real.pass_to(moment);
            self.compare()?;
        }
        self.model.now = target;
        self.real.pass_to(target);
        self.compare()
    }

    /// Of keys that have nothing to do with each other.
    fn may_fall_together(&self, timers: impl Iterator<Item = Timer>) -> bool {
        let mut seen = Vec::new();
        for timer in timers {
            let key = match timer {
                Timer::Key(key) | Timer::Room(key) | Timer::Stop(key) => key,
                Timer::Wait(id) => self.model.calls[id].key,
                Timer::Sweep | Timer::Deadline | Timer::Patience => usize::MAX,
            };
            seen.push(key);
        }
        let mut keys = seen.clone();
        keys.sort_unstable();
        keys.dedup();
        let alone = seen.len() == 1;
        let apart = keys.len() == seen.len() && !seen.contains(&usize::MAX);
        alone || apart && self.model.set.max_sessions.is_none()
    }
}
