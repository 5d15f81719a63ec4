//! Futures of the user that hold guards while they are pending: a start, and a sweep whose closers take their time. They are
//! cancelled at any of their pauses.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::{Entry, Incarnation, Turn, Vacancy};

use super::super::counted::Session;
use super::super::oracle::{Id, Key};
use super::super::world::{Checked, World};
use super::{Schedule, Task};

/// `or_start`, in the hands of an actor.
pub(super) struct Start {
    id: Id,
    future: Pin<Box<dyn Future<Output = Started>>>,
}

type Started = Result<Turn<Key, Session, u32>, ()>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    Fails,
    Panics,
}

/// Ready at the next poll; the actor is polled when the bytes say so, so nobody needs to be woken.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| match std::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

async fn pauses(count: u8) {
    for _ in 0..count {
        pause().await;
    }
}

impl Schedule {
    /// The vacancy, or the turn, is entered into an `or_start` that pauses so often before it ends.
    pub(super) fn start(&mut self, actor: usize, count: u8, ending: Ending) -> Checked {
        let Task::Ticket(id) = self.actors[actor] else {
            unreachable!("the state says that it has a ticket")
        };
        let world = &mut self.world;
        let entry = match world.turns.iter().position(|held| held.0 == id) {
            Some(index) => Entry::Occupied(world.turns.remove(index).1),
            None => {
                let index = world.vacancies.iter().position(|held| held.0 == id);
                let (_, vacancy) = world.vacancies.remove(index.expect("it is a vacancy"));
                Entry::Vacant(vacancy)
            }
        };
        let tally = world.tally.clone();
        let start = async move |_: &Vacancy<Key, Session, u32>| {
            pauses(count).await;
            match ending {
                Ending::Ok => Ok(tally.start()),
                Ending::Fails => Err(()),
                Ending::Panics => resume_unwind(Box::new("a start panics")),
            }
        };
        let future = Box::pin(entry.or_start(start));
        self.actors[actor] = Task::Start(Start { id, future });
        Ok(())
    }

    pub(super) fn poll_start(&mut self, actor: usize, _: u8) -> Checked {
        let Task::Start(Start { id, mut future }) = std::mem::take(&mut self.actors[actor]) else {
            unreachable!("the state says that it starts")
        };
        let mut cx = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
            Ok(Poll::Pending) => self.actors[actor] = Task::Start(Start { id, future }),
            Ok(Poll::Ready(Ok(turn))) => {
                if self.world.model.guards[&id].session.is_none() {
                    self.world.model.fill(id, turn.id());
                }
                let guard = self.world.model.guards[&id].clone();
                self.world.hold_turn(id, &guard, turn)?;
            }
            // It failed, or it panicked: what the future still has is gone before the next look.
            Ok(Poll::Ready(Err(()))) | Err(_) => {
                self.world.model.end(id);
            }
        }
        Ok(())
    }

    pub(super) fn leave_start(&mut self, actor: usize) -> Checked {
        let Task::Start(Start { id, future }) = std::mem::take(&mut self.actors[actor]) else {
            unreachable!("the state says that it starts")
        };
        drop(future);
        // With a session it was a turn, which ends in order.
        self.world.model.release(id);
        Ok(())
    }
}

/// A cleanup whose closers take their time: claim, vacate, pauses, the end of the closing, the next.
pub(super) struct Sweep {
    future: Pin<Box<dyn Future<Output = ()>>>,
    told: Told,
    /// In the model's hands.
    closing: Option<Id>,
    idle_for: Duration,
}

/// What a sweep did in a poll, in order: it is then done on the model.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<VecDeque<Event>>>);

enum Event {
    Claimed(Key, u32, Incarnation),
    Ended,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweep {
    pub(super) fn new(world: &World, idle_for: Duration, count: u8) -> Self {
        let told = Told::default();
        let (claims, tell) = (world.registry.claim_idle(idle_for), told.clone());
        let future = Box::pin(async move {
            for turn in claims {
                let mut closing = Turn::vacate(turn);
                let session = closing.session_mut().id();
                let claimed = Event::Claimed(*closing.key(), session, closing.incarnation());
                tell.lock().push_back(claimed);
                pauses(count).await;
                drop(closing);
                tell.lock().push_back(Event::Ended);
            }
        });
        Self {
            future,
            told,
            closing: None,
            idle_for,
        }
    }
}

impl Schedule {
    pub(super) fn poll_sweep(&mut self, actor: usize, _: u8) -> Checked {
        let Task::Sweep(mut sweep) = std::mem::take(&mut self.actors[actor]) else {
            unreachable!("the state says that it sweeps")
        };
        let mut cx = Context::from_waker(Waker::noop());
        let polled = sweep.future.as_mut().poll(&mut cx);
        for event in std::mem::take(&mut *sweep.told.lock()) {
            self.swept(&mut sweep.closing, sweep.idle_for, &event)?;
        }
        if polled.is_pending() {
            self.actors[actor] = Task::Sweep(sweep);
        }
        Ok(())
    }

    fn swept(&mut self, closing: &mut Option<Id>, idle_for: Duration, event: &Event) -> Checked {
        let world = &mut self.world;
        match *event {
            Event::Claimed(key, session, number) => {
                if !world.model.claimable(idle_for).contains(&key) {
                    return Err(format!(
                        "C7: the session of {key} is claimed, and may not be"
                    ));
                }
                let id = world.draw();
                let guard = world.model.take(key, id);
                world.model.vacate(id);
                *closing = Some(id);
                if guard.session != Some(session) {
                    return Err(format!("C1: {session} is claimed, not {:?}", guard.session));
                }
                world.names.number(key, guard.number, number)
            }
            Event::Ended => {
                world.model.end(closing.take().expect("it was claimed"));
                Ok(())
            }
        }
    }

    pub(super) fn leave_sweep(&mut self, actor: usize) -> Checked {
        let Task::Sweep(Sweep {
            future, closing, ..
        }) = std::mem::take(&mut self.actors[actor])
        else {
            unreachable!("the state says that it sweeps")
        };
        drop(future);
        if let Some(id) = closing {
            self.world.model.end(id);
        }
        Ok(())
    }
}
