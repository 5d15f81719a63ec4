//! Target `schedule`: the bytes are the scheduler.
//!
//! Eight actors take turns, as an executor and threads would have them. An actor is at nothing, or it has one thing: a place
//! in a line, a guard, a start, a sweep, a departure or the drain. Of each pair of bytes the first chooses an actor and
//! what it does next, of what can be done with its thing; so every future is polled, woken for nothing, polled with another
//! waker, timed out and cancelled at any point: before its first poll, between polls, granted and not looked at.
//!
//! After each step the whole is compared with the sequential model, invariants are checked, and who was asleep and has
//! something to look at must have been woken. The settings choose how it ends: all is dropped in an order of the bytes, the
//! registry first, or the actors run on as an executor runs them, which polls nobody who is not woken: nobody may be left.

pub(crate) mod acts;
mod end;
mod futures;
mod wakers;

use super::Target;
use super::op;
use super::operations::setup;
use super::oracle::Id;
use super::table::Log;
use super::world::{Checked, Lie, World};
use end::End;
use futures::{Start, Sweep};

pub(crate) const TARGET: Target = Target {
    name: "schedule",
    claims: "C3 C4 C5 C6 C7 C11 C12 C13",
    columns: &["a", "b", "c", "d", "e", "f", "g", "h"],
    kinds: acts::kinds,
    run: |bytes, log| run(bytes, log, None),
};

pub(crate) const ACTORS: usize = 8;
const LONGEST: usize = 200;

/// Two bytes of settings, then two for each step. `lie`: a fault put in, to see that it is found.
pub(crate) fn run(bytes: &[u8], log: &Log, lie: Option<Lie>) -> Checked {
    let (settings, steps) = bytes.split_at(bytes.len().min(2));
    let settings = [0, 1].map(|index| settings.get(index).copied().unwrap_or(0));
    let mut schedule = Schedule {
        world: World::new(setup(settings[0]), lie),
        actors: Default::default(),
        log: log.clone(),
    };
    let steps = steps.chunks_exact(2).take(LONGEST).enumerate();
    for (index, step) in steps {
        let made = schedule.step(step[0], step[1]);
        made.map_err(|what| format!("step {index}: {what}"))?;
    }
    let end = match settings[0] >> 2 & 3 {
        0 => End::RegistryFirst,
        1 => End::Run,
        _ => End::Dropped,
    };
    let ended = schedule.end(end, settings[1]);
    ended.map_err(|what| format!("at the end: {what}"))
}

struct Schedule {
    world: World,
    actors: [Task; ACTORS],
    log: Log,
}

/// What an actor has. Places, guards, departures and the drain are in the world's hands, under the names given here.
#[derive(Default)]
enum Task {
    #[default]
    Nothing,
    /// A place in a line, then the guard that comes of it.
    Ticket(Id),
    /// A wait for this superseded holder.
    Released(Id),
    Drain,
    Start(Start),
    Sweep(Sweep),
}

/// What can be done next depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nothing,
    Place,
    Vacancy,
    Turn,
    Closing,
    Released,
    Drain,
    Start,
    Sweep,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Place => "place",
            Self::Vacancy => "vacancy",
            Self::Turn => "turn",
            Self::Closing => "closing",
            Self::Released => "departure",
            Self::Drain => "drain",
            Self::Start => "start",
            Self::Sweep => "sweep",
        }
    }
}

impl Schedule {
    /// Three bits for the actor, five for what it does.
    fn step(&mut self, act: u8, operand: u8) -> Checked {
        let actor = usize::from(act & 7);
        let act = acts::choose(self.state(actor), act >> 3);
        self.make(actor, act, operand)
    }

    fn make(&mut self, actor: usize, act: &acts::Act, operand: u8) -> Checked {
        let before = self.state(actor);
        let key = act.on_key.then(|| op::key(operand));
        self.log.note(actor, act.name, key);
        (act.make)(self, actor, operand)?;
        self.adopt(actor);
        let after = self.state(actor);
        if after != before {
            self.log.became(after.name());
        }
        self.world.compare()?;
        self.compare_wakers()
    }

    fn state(&self, actor: usize) -> State {
        let id = match &self.actors[actor] {
            Task::Nothing => return State::Nothing,
            Task::Released(_) => return State::Released,
            Task::Drain => return State::Drain,
            Task::Start(_) => return State::Start,
            Task::Sweep(_) => return State::Sweep,
            &Task::Ticket(id) => id,
        };
        match () {
            () if self.world.enters.iter().any(|place| place.id == id) => State::Place,
            () if self.world.vacancies.iter().any(|held| held.0 == id) => State::Vacancy,
            () if self.world.turns.iter().any(|held| held.0 == id) => State::Turn,
            () if self.world.closings.iter().any(|held| held.0 == id) => State::Closing,
            () => State::Nothing,
        }
    }

    /// Whose thing is gone is at nothing; and what has come up in a step (the vacancy of a replacement, a departure, a
    /// closing of the drain) goes to who made the step, or to the next who is at nothing. If there is none it stays in the
    /// world's hands until there is.
    fn adopt(&mut self, actor: usize) {
        for index in 0..ACTORS {
            let gone = match self.actors[index] {
                Task::Ticket(_) => self.state(index) == State::Nothing,
                Task::Released(holder) => {
                    let mut leaving = self.world.leaving.iter();
                    !leaving.any(|leaving| leaving.holder == holder)
                }
                Task::Drain => self.world.drain.is_none(),
                Task::Nothing | Task::Start(_) | Task::Sweep(_) => false,
            };
            if gone {
                self.actors[index] = Task::Nothing;
            }
        }
        let world = &self.world;
        let places = world.enters.iter().map(|place| place.id);
        let vacancies = world.vacancies.iter().map(|held| held.0);
        let turns = world.turns.iter().map(|held| held.0);
        let closings = world.closings.iter().map(|held| held.0);
        let guards = vacancies.chain(turns).chain(closings);
        let tickets = places.chain(guards).map(Task::Ticket);
        let departures = world.leaving.iter().map(|leaving| leaving.holder);
        let drain = world.drain.iter().map(|_| Task::Drain);
        let all: Vec<Task> = tickets
            .chain(departures.map(Task::Released))
            .chain(drain)
            .collect();
        for thing in all {
            if self.actors.iter().any(|task| task.is(&thing)) {
                continue;
            }
            let mut free = (0..ACTORS).map(|index| (actor + index) % ACTORS);
            if let Some(free) = free.find(|&index| matches!(self.actors[index], Task::Nothing)) {
                self.actors[free] = thing;
            }
        }
    }
}

impl Task {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ticket(id), Self::Ticket(other)) => id == other,
            (Self::Released(holder), Self::Released(other)) => holder == other,
            (Self::Drain, Self::Drain) => true,
            _ => false,
        }
    }
}

/// The operand by which the world's steps name the thing of which this is true: they count from the newest.
fn back<T>(things: &[T], is_it: impl FnMut(&T) -> bool) -> u8 {
    let index = things.iter().position(is_it);
    let back = things.len() - 1 - index.expect("the actor has it");
    u8::try_from(back).expect("inputs are short")
}
