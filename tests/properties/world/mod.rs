//! The real registry and the model side by side: every step is made on both, and every answer compared.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::*;

use crate::counted::{Session, Tally, Wakes};
use crate::op::{self, Op};
use crate::oracle::{self, FIRST, Id, Key, LINE, Oracle, Refusal, Slot};

mod compare;
mod draining;
mod ending;
mod finish;
mod hashing;
mod holding;
use compare::{Names, at_once, refusal, same};
use draining::Draining;
use hashing::Hashing;

/// `Err` says what differed.
pub type Checked = Result<(), String>;

pub const KEYS: u8 = 3;

#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub shards: usize,
    pub max_sessions: Option<usize>,
    pub max_waiting: Option<usize>,
    pub first_incarnation: u64,
}

/// What is dropped first when the steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    InOrder,
    RegistryFirst,
}

/// A fault put into the model, to see that the comparison finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    FirstIsNotFirst,
    UnwoundTurnRests,
    TouchDoesNothing,
    TimeStandsStill,
    CancelLeavesATrace,
    DismissSendsNobody,
    ClosedDrawsNoNumber,
    VacatedStaysBusy,
    RemoveKeepsTheSlot,
    CleanupForgetsToLook,
    WakesAreSwallowed,
}

/// An `Enter` in somebody's hand.
pub struct Place {
    pub id: Id,
    pub key: Key,
    pub enter: Enter<Key, Session, u32>,
    /// It found the key free, or was refused, in the call. Else it stood in the queue.
    pub at_once: bool,
    pub wakes: Arc<Wakes>,
    /// It was pending, and its waker had been woken so often.
    pub asleep: Option<usize>,
}

pub struct Leaving {
    pub holder: Id,
    pub departure: Released<Key, Session, u32>,
    pub wakes: Arc<Wakes>,
    pub asleep: Option<usize>,
}

pub struct World {
    pub registry: Registry<Key, Session, u32, Hashing>,
    pub model: Oracle,
    pub names: Names,
    pub tally: Tally,
    pub enters: Vec<Place>,
    pub vacancies: Vec<(Id, Vacancy<Key, Session, u32>)>,
    pub turns: Vec<(Id, Turn<Key, Session, u32>)>,
    pub closings: Vec<(Id, Closing<Key, Session, u32>)>,
    pub seen: Vec<(Observed<Key, Session, u32>, Key, Slot)>,
    pub kept: Vec<(KeepAlive<Key, Session, u32>, Key, u64)>,
    pub leaving: Vec<Leaving>,
    pub drain: Option<Draining>,
    hand: ClockHand,
    next_id: Id,
    lie: Option<Lie>,
}

impl World {
    pub fn new(setup: Setup, lie: Option<Lie>) -> Self {
        let (clock, hand) = turnwise::Clock::manual();
        // Where there is one shard with limits, keys also hash alike.
        let alike = setup.shards == 1 && setup.max_sessions.is_some();
        let mut builder = Registry::builder()
            .hasher(Hashing { alike })
            .clock(clock)
            .shards(setup.shards)
            .first_incarnation(setup.first_incarnation);
        if let Some(n) = setup.max_sessions {
            builder = builder.max_sessions(n);
        }
        if let Some(n) = setup.max_waiting {
            builder = builder.max_waiting(n);
        }
        let registry: Registry<Key, Session, u32, Hashing> = builder.build();
        let start = registry.now();
        Self {
            registry,
            model: Oracle {
                max_sessions: setup.max_sessions.unwrap_or(usize::MAX),
                max_waiting: setup.max_waiting.unwrap_or(usize::MAX),
                next_number: setup.first_incarnation,
                ..Oracle::default()
            },
            names: Names::new(setup.shards == 1, start),
            tally: Tally::default(),
            enters: Vec::new(),
            vacancies: Vec::new(),
            turns: Vec::new(),
            closings: Vec::new(),
            seen: Vec::new(),
            kept: Vec::new(),
            leaving: Vec::new(),
            drain: None,
            hand,
            next_id: 0,
            lie,
        }
    }

    /// The whole of a test: each step, and a look at everything after it; then the end.
    pub fn run(setup: Setup, ops: &[Op], end: End, lie: Option<Lie>) -> Checked {
        let mut world = Self::new(setup, lie);
        for (i, &op) in ops.iter().enumerate() {
            let step = |what: String| format!("step {i}, {op:?}: {what}");
            let made = world.step(op).and_then(|()| world.compare());
            made.map_err(step)?;
        }
        match end {
            End::InOrder => world.finish_in_order(),
            End::RegistryFirst => world.finish_registry_first(),
        }
    }

    fn step(&mut self, op: Op) -> Checked {
        match op {
            Op::Enter(x) => self.enter(op::key(x), LINE),
            Op::EnterFirst(x) => self.enter(op::key(x), FIRST),
            Op::EnterExisting(x) => self.enter_existing(op::key(x)),
            Op::TryEnter(x) => self.try_enter(op::key(x)),
            Op::Dismiss(x) => self.dismiss(op::key(x)),
            Op::Touch(x) => self.touch(op::key(x)),
            Op::Observe(x) => self.observe(op::key(x)),
            Op::Keep(x) => self.keep(op::key(x)),
            Op::Replace(x) => self.replace(op::key(x)),
            Op::Remove(x) => self.remove(op::key(x)),
            Op::Poll(x) => self.poll(x, false),
            Op::PollAfresh(x) => self.poll(x, true),
            Op::Wait(x) => self.wait(x),
            Op::Cancel(x) => self.cancel(x),
            Op::Fill(x) => self.fill(x),
            Op::DropVacancy(x) => self.drop_vacancy(x, drop),
            Op::UnwindVacancy(x) => self.drop_vacancy(x, unwind),
            Op::NameVacancy(x) => self.name_vacancy(x),
            Op::DropTurn(x) => self.drop_turn(x),
            Op::UnwindTurn(x) => self.unwind_turn(x),
            Op::NameTurn(x) => self.name_turn(x),
            Op::Release(x) => self.release(x),
            Op::Vacate(x) => self.vacate(x),
            Op::Closed(x) => self.closed(x),
            Op::Split(x) => self.split(x),
            Op::DropClosing(x) => self.drop_closing(x, drop),
            Op::UnwindClosing(x) => self.drop_closing(x, unwind),
            Op::Claim(x) => self.claim(x),
            Op::Unkeep(x) => self.unkeep(x),
            Op::ReplaceSeen(x) => self.replace_seen(x),
            Op::RemoveSeen(x) => self.remove_seen(x),
            Op::Forget(x) => self.forget(x),
            Op::Departed(x) => self.departed(x),
            Op::ClaimIdle(x) => self.claim_idle(op::idle_for(x), usize::from(x / 4 % 4)),
            Op::CleanupIdle(x) => self.cleanup_idle(op::idle_for(x)),
            Op::Advance(x) => self.advance(op::step_of_time(x)),
            Op::Close(_) => self.close(),
            Op::Drain(_) => self.drain_next(),
            Op::LeaveDrain(_) => self.leave_drain(),
        }
    }
}

impl World {
    pub fn draw(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    fn lies(&self, lie: Lie) -> bool {
        self.lie == Some(lie)
    }
}

/// 0 is the newest.
fn pick<T>(from: &mut Vec<T>, operand: u8) -> Option<T> {
    let back = usize::from(operand).checked_rem(from.len())?;
    Some(from.remove(from.len() - 1 - back))
}

/// Drops what is held while a panic that began under it passes by. The hook is not called: the output stays readable.
pub fn unwind<T>(held: T) {
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = held;
        resume_unwind(Box::new("a panic under the guard"));
    }));
    drop(unwound);
}
