//! One task: what it may call, and every way out of what it is given. Each call is recorded.

mod guards;
mod lines;
mod outside;

use crate::ledger::step;
use crate::steps::{Given, Id, Key, Refusal, Step, id};
use crate::world::World;
use shuttle::rand::{Rng, thread_rng};
use std::fmt::Debug;
use turnwise::{EnterError, Entry};

/// A task. It holds at most one guard, and waits for nothing while it holds one: so a history that waits for ever is a fault
/// of the library.
pub(crate) struct Caller {
    pub(crate) world: World,
    task: usize,
}

/// What a task may do next. What follows from it (waiting, a start, a turn, its end) is chance's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Enter,
    EnterFirst,
    EnterExisting,
    EnterBlocking,
    TryEnter,
    Cancel,
    Dismiss,
    Look,
    Claim,
    ClaimIdle,
    Cleanup,
    Supersede,
    Close,
}

impl Caller {
    pub(crate) fn new(world: World, task: usize) -> Self {
        Self { world, task }
    }

    /// One of the acts of this history.
    pub(crate) fn act(&self) {
        let acts = self.world.shape.acts;
        let key = self.key();
        match acts[below(acts.len())] {
            Act::Enter => self.go(self.enter(key, false)),
            Act::EnterFirst => self.go(self.enter(key, true)),
            Act::EnterExisting => {
                if let Some(place) = self.enter_existing(key) {
                    self.go(place);
                }
            }
            Act::EnterBlocking => self.serve(self.enter_blocking(key)),
            Act::TryEnter => self.serve(self.try_enter(key)),
            Act::Cancel => {
                let place = self.enter(key, below(2) == 0);
                self.aside();
                self.leave(place);
            }
            Act::Dismiss => self.dismiss(key),
            Act::Look => self.look(key),
            Act::Claim => self.claim(key),
            Act::ClaimIdle => self.claim_idle(),
            Act::Cleanup => self.cleanup(),
            Act::Supersede => self.supersede(key),
            Act::Close => self.close(),
        }
    }

    fn key(&self) -> Key {
        Key::try_from(below(usize::from(self.world.shape.keys))).expect("keys are few")
    }

    /// Something that waits for nobody, while something is held: half the time.
    fn aside(&self) {
        match below(4) {
            0 => self.look(self.key()),
            1 => step(),
            _ => {}
        }
    }

    pub(crate) fn serve(&self, entry: Option<(Id, Entry<Key, crate::ledger::Session, u32>)>) {
        match entry {
            Some((id, Entry::Occupied(turn))) => self.work(id, turn),
            Some((id, Entry::Vacant(vacancy))) => self.start(id, vacancy),
            None => {}
        }
    }
}

/// How calls are recorded.
impl Caller {
    /// Something that was done, and has no answer.
    pub(crate) fn done(&self, text: &str, step: Step) {
        let call = self.called(text);
        self.returned(call, "done", vec![vec![step]]);
    }

    /// A call that is one step.
    fn one<R>(
        &self,
        text: String,
        run: impl FnOnce() -> R,
        read: impl FnOnce(&R) -> (String, Step),
    ) -> R {
        self.chain(text, run, |result| {
            let (answer, step) = read(result);
            (answer, vec![step])
        })
    }

    /// A call that is some steps, in this order.
    fn chain<R>(
        &self,
        text: String,
        run: impl FnOnce() -> R,
        read: impl FnOnce(&R) -> (String, Vec<Step>),
    ) -> R {
        let call = self.called(text);
        let result = run();
        let (answer, steps) = read(&result);
        self.returned(call, answer, vec![steps]);
        result
    }

    fn called(&self, text: impl Into<String>) -> usize {
        self.world.recorder.call(self.task, text.into())
    }

    fn returned(&self, call: usize, answer: impl Into<String>, chains: Vec<Vec<Step>>) {
        self.world.recorder.returned(call, answer.into(), chains);
    }
}

/// What came of an entry, as the model and as people read it.
fn given(entry: &Entry<Key, crate::ledger::Session, u32>) -> (Id, Given, String) {
    let (ticket, number, session) = match entry {
        Entry::Occupied(turn) => (
            turnwise::Turn::ticket(turn),
            turnwise::Turn::incarnation(turn),
            Some(turn.id()),
        ),
        Entry::Vacant(vacancy) => (vacancy.ticket(), vacancy.incarnation(), None),
    };
    let answer = match session {
        Some(session) => format!("turn of s{session} (i{number}, #{ticket})"),
        None => format!("vacancy (i{number}, #{ticket})"),
    };
    let given = Given {
        number: number.get(),
        session,
    };
    (id(*entry.key(), ticket.get()), given, answer)
}

fn refusal(error: EnterError) -> Refusal {
    match error {
        EnterError::Closed => Refusal::Closed,
        EnterError::QueueFull => Refusal::QueueFull,
        EnterError::RegistryFull => Refusal::RegistryFull,
        EnterError::Dismissed => Refusal::Dismissed,
        other => panic!("a refusal that the model does not know: {other:?}"),
    }
}

/// As answers are shown.
fn shown(answer: &impl Debug) -> String {
    format!("{answer:?}")
}

/// A number that chance chooses.
pub(crate) fn below(end: usize) -> usize {
    thread_rng().gen_range(0..end)
}
