//! The end of a run: nothing may be left, in whatever order things are dropped.

use std::mem;

use super::*;

impl World {
    /// All that is held is dropped, and only sessions at rest are left; the registry drops these.
    pub fn finish_in_order(mut self) -> Checked {
        self.leave_drain()?;
        for place in mem::take(&mut self.enters) {
            drop(place.enter);
            self.model.end(place.id);
        }
        for (id, vacancy) in mem::take(&mut self.vacancies) {
            drop(vacancy);
            self.model.end(id);
        }
        for (id, closing) in mem::take(&mut self.closings) {
            drop(closing);
            self.model.end(id);
        }
        for (id, turn) in mem::take(&mut self.turns) {
            drop(turn);
            self.model.release(id);
        }
        let all_dropped = |what: String| format!("all dropped: {what}");
        self.compare().map_err(all_dropped)?;
        self.all_departed()?;
        let mut slots = self.model.slots.values();
        same("all at rest", true, slots.all(|slot| slot.holder.is_none()))?;
        self.seen.clear();
        self.kept.clear();
        self.drop_registry();
        self.model.slots.clear();
        self.compare_sessions("the registry is gone")
    }

    /// The last registry drops the idle sessions. A queued `Enter` counts as a registry. A session
    /// that an `Enter` got in its first call is superseded, like all that are held.
    pub fn finish_registry_first(mut self) -> Checked {
        self.leave_drain()?;
        self.seen.clear();
        self.kept.clear();
        self.drop_registry();
        let places = mem::take(&mut self.enters).into_iter();
        let (settled, waiting): (Vec<_>, Vec<_>) = places.partition(|place| place.at_once);
        if !waiting.is_empty() {
            self.compare_sessions("somebody waits")?;
        }
        for place in waiting {
            drop(place.enter);
            self.model.end(place.id);
        }
        let mut answers = Vec::new();
        for place in settled {
            answers.push((place.id, self.model.poll(place.id), place.enter));
        }
        self.model.slots.clear();
        self.model.closed = true; // Who was dismissed may find this instead.
        self.compare_sessions("nobody waits")?;
        for (id, model, enter) in answers {
            match model {
                Poll::Ready(model) => self.answer(id, enter.wait(), model)?,
                Poll::Pending => return Err(format!("{id} lost its grant")),
            }
        }
        self.superseded_by_nothing()
    }

    /// Every guard outlives the registry.
    fn superseded_by_nothing(mut self) -> Checked {
        for (id, turn) in mem::take(&mut self.turns) {
            same("turn is current", false, Turn::is_current(&turn))?;
            let back = Turn::release(turn).map(|session| session.id());
            same("released", back, self.model.release(id))?;
        }
        for (id, closing) in mem::take(&mut self.closings) {
            let number = closing.incarnation();
            let vacancy = closing.closed();
            same("number of a vacancy", vacancy.incarnation(), number)?;
            self.model.closed(id);
            self.vacancies.push((id, vacancy));
        }
        for (id, vacancy) in mem::take(&mut self.vacancies) {
            same("vacancy is current", false, vacancy.is_current())?;
            drop(vacancy.fill(self.tally.start()));
            self.model.end(id);
        }
        self.all_departed()?;
        self.compare_sessions("all is gone")
    }

    fn drop_registry(&mut self) {
        let (clock, _) = turnwise::Clock::manual();
        let other = Registry::builder().hasher(Hashing::default()).clock(clock);
        drop(mem::replace(&mut self.registry, other.build()));
    }

    fn all_departed(&mut self) -> Checked {
        for leaving in &mut self.leaving {
            let mut cx = Context::from_waker(Waker::noop());
            let done = Pin::new(&mut leaving.departure).poll(&mut cx);
            same("departed at the end", done.is_ready(), true)?;
        }
        Ok(())
    }

    fn compare_sessions(&self, when: &str) -> Checked {
        let (alive, model) = (self.tally.alive(), self.model.sessions());
        same("sessions alive", alive, model).map_err(|what| format!("{when}: {what}"))
    }
}
