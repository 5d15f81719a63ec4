//! Polls and wakers: who is woken, and that no waker is kept by a line that its owner has left.
//!
//! Each thing that waits has a waker of its own, which counts. The world remembers how often it had been woken when the last
//! poll was pending, and compares after each step: who could be ready now has been woken since. Here is the other half: a
//! line holds no waker of who left it, was granted, or came with another.

use std::sync::{Arc, Weak};
use std::task::Waker;

use super::super::counted::Wakes;
use super::super::world::{Checked, Leaving, Place};
use super::{Schedule, State, Task};

impl Schedule {
    pub(super) fn place(&self, actor: usize) -> &Place {
        let back = usize::from(self.back(actor));
        &self.world.enters[self.world.enters.len() - 1 - back]
    }

    fn place_mut(&mut self, actor: usize) -> &mut Place {
        let back = usize::from(self.back(actor));
        let index = self.world.enters.len() - 1 - back;
        &mut self.world.enters[index]
    }

    fn leaving(&mut self, actor: usize) -> (usize, &mut Leaving) {
        let Task::Released(waits_for) = self.actors[actor] else {
            unreachable!("the state says that it waits for a departure")
        };
        let mut leaving = self.world.leaving.iter_mut().enumerate();
        let found = leaving.find(|(_, leaving)| leaving.holder == waits_for);
        found.expect("the actor has it")
    }

    pub(super) fn poll_place(&mut self, actor: usize, afresh: bool) -> Checked {
        let before = Arc::downgrade(&self.place(actor).wakes);
        let back = self.back(actor);
        self.world.poll(back, afresh)?;
        if afresh || self.state(actor) != State::Place {
            self.let_go_of(&before)?;
        }
        Ok(())
    }

    /// A wait with a deadline that has passed. The place comes back, with the waker of this thread in the line.
    pub(super) fn time_out(&mut self, actor: usize, _: u8) -> Checked {
        let before = Arc::downgrade(&self.place(actor).wakes);
        self.world.wait(self.back(actor))?;
        if self.state(actor) != State::Place {
            return self.let_go_of(&before);
        }
        self.place_mut(actor).wakes = Arc::default();
        self.let_go_of(&before)
    }

    pub(super) fn poll_departure(&mut self, actor: usize, afresh: bool) -> Checked {
        let (index, leaving) = self.leaving(actor);
        let before = Arc::downgrade(&leaving.wakes);
        if afresh {
            leaving.wakes = Arc::default();
        }
        let back = self.world.leaving.len() - 1 - index;
        let back = u8::try_from(back).expect("inputs are short");
        self.world.departed(back)?;
        if afresh {
            self.let_go_of(&before)?;
        }
        Ok(())
    }

    pub(super) fn leave_departure(&mut self, actor: usize) -> Checked {
        let (index, leaving) = self.leaving(actor);
        let waker = Arc::downgrade(&leaving.wakes);
        drop(self.world.leaving.remove(index));
        self.let_go_of(&waker)
    }

    pub(super) fn poll_drain(&mut self, afresh: bool) -> Checked {
        let before = self.drain_waker();
        if let Some(drain) = self.world.drain.as_mut().filter(|_| afresh) {
            drain.wakes = Arc::default();
        }
        self.world.drain_next()?;
        // When it was given something, it has not looked at all places with the new one.
        let looked = self
            .world
            .drain
            .as_ref()
            .is_none_or(|drain| drain.asleep.is_some());
        match looked && afresh {
            true => self.let_go_of(&before),
            false => Ok(()),
        }
    }

    pub(super) fn leave_drain(&mut self) -> Checked {
        let waker = self.drain_waker();
        self.world.leave_drain()?;
        self.let_go_of(&waker)
    }

    fn drain_waker(&self) -> Weak<Wakes> {
        let drain = self.world.drain.as_ref();
        drain.map_or_else(Weak::new, |drain| Arc::downgrade(&drain.wakes))
    }

    /// A wake-up that nobody owes, as an executor may send. It is not taken for the registry's.
    pub(super) fn wake(&mut self, actor: usize, _: u8) -> Checked {
        let (wakes, asleep) = match self.state(actor) {
            State::Place => {
                let place = self.place_mut(actor);
                (&place.wakes, &mut place.asleep)
            }
            State::Released => {
                let (_, leaving) = self.leaving(actor);
                (&leaving.wakes, &mut leaving.asleep)
            }
            State::Drain => {
                let drain = self.world.drain.as_mut().expect("the actor has it");
                (&drain.wakes, &mut drain.asleep)
            }
            other => unreachable!("nothing that waits: {other:?}"),
        };
        Waker::from(Arc::clone(wakes)).wake();
        *asleep = asleep.map(|count| count + 1);
        Ok(())
    }

    /// It waits, and was not woken since it was last polled.
    pub(super) fn sleeps(&self, actor: usize) -> bool {
        let (wakes, asleep) = match (&self.actors[actor], self.state(actor)) {
            (_, State::Place) => {
                let place = self.place(actor);
                (&place.wakes, place.asleep)
            }
            (Task::Released(holder), _) => {
                let mut leaving = self.world.leaving.iter();
                let leaving = leaving.find(|leaving| leaving.holder == *holder);
                let leaving = leaving.expect("the actor has it");
                (&leaving.wakes, leaving.asleep)
            }
            (Task::Drain, _) => {
                let drain = self.world.drain.as_ref().expect("the actor has it");
                (&drain.wakes, drain.asleep)
            }
            _ => return false,
        };
        asleep == Some(wakes.count())
    }

    /// Nobody holds a waker of who has left, or came with another.
    pub(super) fn let_go_of(&self, waker: &Weak<Wakes>) -> Checked {
        match waker.strong_count() {
            0 => Ok(()),
            kept => Err(format!(
                "C5: {kept} clones are kept of the waker of who has left or came with another"
            )),
        }
    }

    /// In a line there is one clone of each waker at most, and none of who was granted or sent away: it was woken.
    pub(super) fn compare_wakers(&self) -> Checked {
        for place in &self.world.enters {
            let kept = Arc::strong_count(&place.wakes) - 1;
            let most = usize::from(!self.world.model.settled(place.id));
            if kept > most {
                return Err(format!(
                    "C4: {kept} clones of the waker of {} are kept, not {most}",
                    place.id
                ));
            }
        }
        Ok(())
    }
}
