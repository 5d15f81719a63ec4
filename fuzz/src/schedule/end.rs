//! How a schedule ends: dropped in an order of the bytes, registry first, or run until nobody can go on.

use super::super::world::Checked;
use super::{ACTORS, Schedule, State, acts};

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Dropped,
    RegistryFirst,
    Run,
}

impl Schedule {
    pub(super) fn end(mut self, end: End, order: u8) -> Checked {
        match end {
            End::Dropped => self.drop_all(order)?,
            End::Run => self.run_all(order)?,
            End::RegistryFirst => {
                for actor in 0..ACTORS {
                    if let State::Start | State::Sweep = self.state(actor) {
                        self.cancel(actor, 0)?;
                    }
                }
                return self.world.finish_registry_first();
            }
        }
        self.world.finish_in_order()
    }

    /// One of 32 orders: who goes first, and by which stride the others follow.
    fn order(order: u8) -> impl Iterator<Item = usize> {
        let (first, stride) = (usize::from(order & 7), usize::from(order >> 3 & 3) * 2 + 1);
        (0..ACTORS).map(move |index| (first + index * stride) % ACTORS)
    }

    /// Each drops what it has.
    fn drop_all(&mut self, order: u8) -> Checked {
        for actor in Self::order(order) {
            while self.state(actor) != State::Nothing {
                self.log.note(actor, "drops what it has", None);
                self.cancel(actor, 0)?;
                self.adopt(actor);
                self.world.compare()?;
                self.compare_wakers()?;
            }
        }
        Ok(())
    }

    /// Everybody goes on as on an executor: who waits is polled when it is woken, or was never polled. Guards are let go. When
    /// nothing is left to do, nobody may be left.
    fn run_all(&mut self, order: u8) -> Checked {
        loop {
            let mut went_on = false;
            for actor in Self::order(order) {
                went_on |= self.go_on(actor)?;
            }
            if !went_on {
                break;
            }
        }
        for actor in 0..ACTORS {
            if self.state(actor) != State::Nothing {
                return Err(format!(
                    "C4: {} sleeps for ever, and every guard was let go",
                    super::TARGET.columns[actor]
                ));
            }
        }
        Ok(())
    }

    /// The step of an actor who can make one. False if there is none.
    fn go_on(&mut self, actor: usize) -> Result<bool, String> {
        let state = self.state(actor);
        if state == State::Nothing || self.sleeps(actor) {
            return Ok(false);
        }
        // The first of each table: a poll, a fill, the end of a turn or of a closing.
        self.make(actor, &acts::table(state)[0], 0)?;
        Ok(true)
    }

    /// Of those who can go on, the first from the actor that the operand names; as an executor does, which knows nobody.
    pub(super) fn run_next(&mut self, _: usize, operand: u8) -> Checked {
        for index in 0..ACTORS {
            let actor = (usize::from(operand) + index) % ACTORS;
            let waits = matches!(
                self.state(actor),
                State::Place | State::Released | State::Drain | State::Start | State::Sweep
            );
            if waits && self.go_on(actor)? {
                break;
            }
        }
        Ok(())
    }
}
