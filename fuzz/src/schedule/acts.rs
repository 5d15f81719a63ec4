//! What an actor may do next: a table for each thing that it may have. The bytes index these tables.

use std::sync::Arc;

use super::super::op::{idle_for, key, step_of_time};
use super::super::oracle::{FIRST, LINE};
use super::super::world::{Checked, unwind};
use super::futures::{Ending, Sweep};
use super::{Schedule, State, Task, back};

pub(super) struct Act {
    pub(super) name: &'static str,
    pub(super) on_key: bool,
    pub(super) make: fn(&mut Schedule, usize, u8) -> Checked,
}

const fn act(name: &'static str, make: fn(&mut Schedule, usize, u8) -> Checked) -> Act {
    let on_key = false;
    Act { name, on_key, make }
}

const fn on_key(name: &'static str, make: fn(&mut Schedule, usize, u8) -> Checked) -> Act {
    let on_key = true;
    Act { name, on_key, make }
}

/// Of the 32 numbers of an act the first are these, whatever the actor has; the others go round its thing's table.
pub(super) fn choose(state: State, number: u8) -> &'static Act {
    let number = usize::from(number);
    let table = table(state);
    ANY.get(number)
        .unwrap_or_else(|| &table[(number - ANY.len()) % table.len()])
}

/// The byte of an act by name, of this actor: how an input is written by hand.
#[allow(dead_code)] // The replay's canaries are.
pub(crate) fn byte(actor: u8, name: &str) -> u8 {
    let tables = [
        NOTHING, PLACE, VACANCY, TURN, CLOSING, DEPARTURE, DRAIN, START, SWEEP,
    ];
    let at = |table: &[Act]| table.iter().position(|act| act.name == name);
    let of_its_thing = || tables.into_iter().find_map(at).map(|at| ANY.len() + at);
    let number = at(ANY).or_else(of_its_thing);
    let number = number.expect("there is such an act");
    u8::try_from(number).expect("five bits") << 3 | actor
}

pub(super) fn table(state: State) -> &'static [Act] {
    match state {
        State::Nothing => NOTHING,
        State::Place => PLACE,
        State::Vacancy => VACANCY,
        State::Turn => TURN,
        State::Closing => CLOSING,
        State::Released => DEPARTURE,
        State::Drain => DRAIN,
        State::Start => START,
        State::Sweep => SWEEP,
    }
}

pub(super) fn kinds() -> Vec<&'static str> {
    let tables = [
        ANY, NOTHING, PLACE, VACANCY, TURN, CLOSING, DEPARTURE, DRAIN, START, SWEEP,
    ];
    tables.into_iter().flatten().map(|act| act.name).collect()
}

const ANY: &[Act] = &[
    act("the next who is woken goes on", Schedule::run_next),
    act("time passes", |s, _, x| s.world.advance(step_of_time(x))),
    on_key("touch", |s, _, x| s.world.touch(key(x))),
    on_key("dismiss", |s, _, x| s.world.dismiss(key(x))),
    on_key("observe", |s, _, x| s.observe(key(x))),
    act("claim what was seen", |s, _, x| s.world.claim(x)),
    act("replace what was seen", |s, _, x| s.world.replace_seen(x)),
    act("remove what was seen", |s, _, x| s.world.remove_seen(x)),
];

const NOTHING: &[Act] = &[
    on_key("enter", |s, _, x| s.world.enter(key(x), LINE)),
    on_key("enter_first", |s, _, x| s.world.enter(key(x), FIRST)),
    on_key("enter_existing", |s, _, x| s.world.enter_existing(key(x))),
    on_key("try_enter", |s, _, x| s.world.try_enter(key(x))),
    on_key("replace", |s, _, x| s.world.replace(key(x))),
    on_key("remove", |s, _, x| s.world.remove(key(x))),
    act("claim_idle", |s, _, x| s.world.claim_idle(idle_for(x), 1)),
    act("cleanup_idle", |s, _, x| s.world.cleanup_idle(idle_for(x))),
    act("sweep: begin", |s, a, x| {
        s.actors[a] = Task::Sweep(Sweep::new(&s.world, idle_for(x), x >> 2 & 3));
        Ok(())
    }),
    act("drain: begin", |s, _, _| s.world.drain_next()),
    act("close", |s, _, _| s.world.close()),
];

const PLACE: &[Act] = &[
    act("place: poll", |s, a, _| s.poll_place(a, false)),
    act("place: poll with another waker", |s, a, _| {
        s.poll_place(a, true)
    }),
    act("place: wake for nothing", Schedule::wake),
    act("place: time out", Schedule::time_out),
    act("place: cancel", Schedule::cancel),
];

const VACANCY: &[Act] = &[
    act("vacancy: fill", |s, a, _| s.world.fill(s.back(a))),
    act("vacancy: drop", Schedule::cancel),
    act("vacancy: unwind", |s, a, _| {
        s.world.drop_vacancy(s.back(a), unwind)
    }),
    act("vacancy: set_handle", |s, a, _| {
        s.world.name_vacancy(s.back(a))
    }),
    act("vacancy: start", |s, a, x| s.start(a, x & 3, Ending::Ok)),
    act("vacancy: start that fails", |s, a, x| {
        s.start(a, x & 3, Ending::Fails)
    }),
    act("vacancy: start that panics", |s, a, x| {
        s.start(a, x & 3, Ending::Panics)
    }),
];

const TURN: &[Act] = &[
    act("turn: drop", Schedule::cancel),
    act("turn: release", |s, a, _| s.world.release(s.back(a))),
    act("turn: vacate", |s, a, _| s.world.vacate(s.back(a))),
    act("turn: unwind", |s, a, _| s.world.unwind_turn(s.back(a))),
    act("turn: set_handle", |s, a, _| s.world.name_turn(s.back(a))),
    act("turn: start that is not needed", |s, a, x| {
        s.start(a, x & 3, Ending::Ok)
    }),
];

const CLOSING: &[Act] = &[
    act("closing: drop", Schedule::cancel),
    act("closing: closed", |s, a, _| s.world.closed(s.back(a))),
    act("closing: split", |s, a, _| s.world.split(s.back(a))),
    act("closing: unwind", |s, a, _| {
        s.world.drop_closing(s.back(a), unwind)
    }),
];

const DEPARTURE: &[Act] = &[
    act("departure: poll", |s, a, _| s.poll_departure(a, false)),
    act("departure: poll with another waker", |s, a, _| {
        s.poll_departure(a, true)
    }),
    act("departure: wake for nothing", Schedule::wake),
    act("departure: cancel", Schedule::cancel),
];

const DRAIN: &[Act] = &[
    act("drain: poll", |s, _, _| s.poll_drain(false)),
    act("drain: poll with another waker", |s, _, _| {
        s.poll_drain(true)
    }),
    act("drain: wake for nothing", Schedule::wake),
    act("drain: cancel", Schedule::cancel),
];

const START: &[Act] = &[
    act("start: poll", Schedule::poll_start),
    act("start: cancel", Schedule::cancel),
];

const SWEEP: &[Act] = &[
    act("sweep: poll", Schedule::poll_sweep),
    act("sweep: cancel", Schedule::cancel),
];

impl Schedule {
    /// The operand by which the world's steps name what this actor has.
    pub(super) fn back(&self, actor: usize) -> u8 {
        let Task::Ticket(id) = self.actors[actor] else {
            unreachable!("the state says that it has a ticket")
        };
        match self.state(actor) {
            State::Place => back(&self.world.enters, |place| place.id == id),
            State::Vacancy => back(&self.world.vacancies, |held| held.0 == id),
            State::Turn => back(&self.world.turns, |held| held.0 == id),
            State::Closing => back(&self.world.closings, |held| held.0 == id),
            other => unreachable!("not in the world's hands: {other:?}"),
        }
    }

    /// The thing is dropped, whatever it is and however far it has come.
    pub(super) fn cancel(&mut self, actor: usize, _: u8) -> Checked {
        match self.state(actor) {
            State::Nothing => Ok(()),
            State::Place => {
                let waker = Arc::downgrade(&self.place(actor).wakes);
                self.world.cancel(self.back(actor))?;
                self.let_go_of(&waker)
            }
            State::Vacancy => self.world.drop_vacancy(self.back(actor), drop),
            State::Turn => self.world.drop_turn(self.back(actor)),
            State::Closing => self.world.drop_closing(self.back(actor), drop),
            State::Released => self.leave_departure(actor),
            State::Drain => self.leave_drain(),
            State::Start => self.leave_start(actor),
            State::Sweep => self.leave_sweep(actor),
        }
    }

    /// A few are kept; who sees more forgets the oldest.
    fn observe(&mut self, key: u8) -> Checked {
        const KEPT: u8 = 4;
        if self.world.seen.len() == usize::from(KEPT) {
            self.world.forget(KEPT - 1)?;
        }
        self.world.observe(key)
    }
}
