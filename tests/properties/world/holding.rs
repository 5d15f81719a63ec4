//! Steps of one caller: into the line, to a guard, and out again.

use super::*;

impl World {
    pub fn enter(&mut self, key: Key, lane: oracle::Priority) -> Checked {
        let id = self.draw();
        let enter = match lane {
            FIRST => self.registry.enter_first(&key),
            _ => self.registry.enter(&key),
        };
        let lane = if self.lies(Lie::FirstIsNotFirst) {
            LINE
        } else {
            lane
        };
        self.model.enter(key, id, lane);
        self.place(id, key, enter)
    }

    pub fn enter_existing(&mut self, key: Key) -> Checked {
        let id = self.draw();
        let enter = self.registry.enter_existing(&key);
        let exists = self.model.slots.contains_key(&key);
        same("enter_existing gives a place", enter.is_some(), exists)?;
        let Some(enter) = enter else { return Ok(()) };
        self.model.enter(key, id, LINE);
        self.place(id, key, enter)
    }

    /// A place has a ticket if it was not refused.
    fn place(&mut self, id: Id, key: Key, enter: Enter<Key, Session, u32>) -> Checked {
        let refused = self.model.refused.contains_key(&id);
        same("the place has a ticket", enter.ticket().is_some(), !refused)?;
        if let Some(ticket) = enter.ticket() {
            self.names.ticket(key, id, ticket)?;
        }
        let at_once = self.model.settled(id);
        let (wakes, asleep) = (Arc::default(), None);
        self.enters.push(Place {
            at_once,
            id,
            key,
            enter,
            wakes,
            asleep,
        });
        Ok(())
    }

    pub fn try_enter(&mut self, key: Key) -> Checked {
        let id = self.draw();
        let real = self.registry.try_enter(&key);
        match (real, self.model.try_enter(key, id)) {
            (Ok(entry), Poll::Ready(Ok(guard))) => self.receive(id, &guard, entry),
            (Err(real), Poll::Ready(Err(model))) => {
                same("try_enter is refused", at_once(real), model)
            }
            (real, model) => Err(format!("try_enter gave {real:?}, not {model:?}")),
        }
    }

    pub fn dismiss(&mut self, key: Key) -> Checked {
        let real = self.registry.dismiss(&key);
        if self.lies(Lie::DismissSendsNobody) {
            return Ok(());
        }
        same(
            "dismissed",
            real,
            self.model.dismiss(key, Refusal::Dismissed),
        )
    }

    pub fn poll(&mut self, operand: u8, afresh: bool) -> Checked {
        let Some(mut place) = pick(&mut self.enters, operand) else {
            return Ok(());
        };
        if afresh {
            place.wakes = Arc::default();
        }
        let waker = match self.lies(Lie::WakesAreSwallowed) {
            true => Waker::noop().clone(),
            false => Waker::from(Arc::clone(&place.wakes)),
        };
        let real = Pin::new(&mut place.enter).poll(&mut Context::from_waker(&waker));
        match (real, self.model.poll(place.id)) {
            (Poll::Pending, Poll::Pending) => {
                place.asleep = Some(place.wakes.count());
                self.enters.push(place);
                Ok(())
            }
            (Poll::Ready(real), Poll::Ready(model)) => self.answer(place.id, real, model),
            (real, model) => Err(format!("poll gave {real:?}, not {model:?}")),
        }
    }

    /// The same with a thread, which waits only if it need not.
    pub fn wait(&mut self, operand: u8) -> Checked {
        let Some(mut place) = pick(&mut self.enters, operand) else {
            return Ok(());
        };
        let real = match self.model.settled(place.id) {
            true => place.enter.wait().map_err(WaitError::Refused),
            false => place.enter.wait_timeout(Duration::ZERO),
        };
        match (real, self.model.poll(place.id)) {
            (Err(WaitError::TimedOut(enter)), Poll::Pending) => {
                (place.enter, place.asleep) = (enter, None);
                self.enters.push(place);
                Ok(())
            }
            (Ok(entry), Poll::Ready(model)) => self.answer(place.id, Ok(entry), model),
            (Err(WaitError::Refused(real)), Poll::Ready(model)) => {
                self.answer(place.id, Err(real), model)
            }
            (real, model) => Err(format!("wait gave {real:?}, not {model:?}")),
        }
    }

    pub fn cancel(&mut self, operand: u8) -> Checked {
        if let Some(place) = pick(&mut self.enters, operand) {
            drop(place.enter);
            if !self.lies(Lie::CancelLeavesATrace) {
                self.model.end(place.id);
            }
        }
        Ok(())
    }

    pub fn answer(
        &mut self,
        id: Id,
        real: Result<Entry<Key, Session, u32>, EnterError>,
        model: Result<oracle::Guard, Refusal>,
    ) -> Checked {
        match (real, model) {
            (Ok(entry), Ok(guard)) => self.receive(id, &guard, entry),
            // Dismissed, and then the registry was closed before it looked: both are true.
            (Err(EnterError::Closed), Err(Refusal::Dismissed)) if self.model.closed => Ok(()),
            (Err(real), Err(model)) => same("refused", refusal(real), model),
            (real, model) => Err(format!("the answer is {real:?}, not {model:?}")),
        }
    }

    fn receive(
        &mut self,
        id: Id,
        model: &oracle::Guard,
        entry: Entry<Key, Session, u32>,
    ) -> Checked {
        same("key of the entry", *entry.key(), model.key)?;
        match entry {
            Entry::Occupied(turn) => self.hold_turn(id, model, turn),
            Entry::Vacant(vacancy) => self.hold_vacancy(id, model, vacancy),
        }
    }

    pub fn hold_turn(
        &mut self,
        id: Id,
        model: &oracle::Guard,
        turn: Turn<Key, Session, u32>,
    ) -> Checked {
        same("key of the turn", *Turn::key(&turn), model.key)?;
        same("session of the turn", Some(turn.id()), model.session)?;
        self.names.ticket(model.key, id, Turn::ticket(&turn))?;
        self.names
            .number(model.key, model.number, Turn::incarnation(&turn))?;
        self.turns.push((id, turn));
        Ok(())
    }

    pub fn hold_vacancy(
        &mut self,
        id: Id,
        model: &oracle::Guard,
        vacancy: Vacancy<Key, Session, u32>,
    ) -> Checked {
        same("key of the vacancy", *vacancy.key(), model.key)?;
        same("session of the vacancy", None, model.session)?;
        self.names.ticket(model.key, id, vacancy.ticket())?;
        self.names
            .number(model.key, model.number, vacancy.incarnation())?;
        self.vacancies.push((id, vacancy));
        Ok(())
    }

    pub fn fill(&mut self, operand: u8) -> Checked {
        let Some((id, vacancy)) = pick(&mut self.vacancies, operand) else {
            return Ok(());
        };
        let session = self.tally.start();
        self.model.fill(id, session.id());
        let turn = vacancy.fill(session);
        let guard = self.model.guards[&id].clone();
        self.hold_turn(id, &guard, turn)
    }

    pub fn drop_vacancy(&mut self, operand: u8, way: fn(Vacancy<Key, Session, u32>)) -> Checked {
        if let Some((id, vacancy)) = pick(&mut self.vacancies, operand) {
            way(vacancy);
            self.model.end(id);
        }
        Ok(())
    }

    pub fn name_vacancy(&mut self, operand: u8) -> Checked {
        if let Some((id, vacancy)) = pick(&mut self.vacancies, operand) {
            vacancy.set_handle(Arc::new(id));
            self.set_handle(id);
            self.vacancies.push((id, vacancy));
        }
        Ok(())
    }

    pub fn name_turn(&mut self, operand: u8) -> Checked {
        if let Some((id, turn)) = pick(&mut self.turns, operand) {
            Turn::set_handle(&turn, Arc::new(id));
            self.set_handle(id);
            self.turns.push((id, turn));
        }
        Ok(())
    }

    fn set_handle(&mut self, id: Id) {
        if let Some((_, slot)) = self.model.held_by(id) {
            slot.handle = Some(id);
        }
    }

    pub fn drop_turn(&mut self, operand: u8) -> Checked {
        if let Some((id, turn)) = pick(&mut self.turns, operand) {
            drop(turn);
            self.model.release(id);
        }
        Ok(())
    }

    pub fn unwind_turn(&mut self, operand: u8) -> Checked {
        if let Some((id, turn)) = pick(&mut self.turns, operand) {
            unwind(turn);
            match self.lies(Lie::UnwoundTurnRests) {
                true => self.model.release(id),
                false => self.model.end(id),
            };
        }
        Ok(())
    }

    pub fn release(&mut self, operand: u8) -> Checked {
        let Some((id, turn)) = pick(&mut self.turns, operand) else {
            return Ok(());
        };
        let back = Turn::release(turn).map(|session| session.id());
        same("released", back, self.model.release(id))
    }

    pub fn vacate(&mut self, operand: u8) -> Checked {
        let Some((id, turn)) = pick(&mut self.turns, operand) else {
            return Ok(());
        };
        let closing = Turn::vacate(turn);
        if !self.lies(Lie::VacatedStaysBusy) {
            self.model.vacate(id);
        }
        let guard = self.model.guards[&id].clone();
        self.hold_closing(id, &guard, closing)
    }

    pub fn hold_closing(
        &mut self,
        id: Id,
        model: &oracle::Guard,
        mut closing: Closing<Key, Session, u32>,
    ) -> Checked {
        same("key of the closing", *closing.key(), model.key)?;
        same(
            "session of the closing",
            Some(closing.session_mut().id()),
            model.session,
        )?;
        self.names
            .number(model.key, model.number, closing.incarnation())?;
        self.closings.push((id, closing));
        Ok(())
    }

    pub fn closed(&mut self, operand: u8) -> Checked {
        let Some((id, closing)) = pick(&mut self.closings, operand) else {
            return Ok(());
        };
        let vacancy = closing.closed();
        if self.lies(Lie::ClosedDrawsNoNumber) {
            self.model.next_number -= 1;
        }
        self.model.closed(id);
        let guard = self.model.guards[&id].clone();
        self.hold_vacancy(id, &guard, vacancy)
    }

    pub fn split(&mut self, operand: u8) -> Checked {
        let Some((id, closing)) = pick(&mut self.closings, operand) else {
            return Ok(());
        };
        let (vacancy, session) = closing.split();
        same("split off", Some(session.id()), self.model.closed(id))?;
        let guard = self.model.guards[&id].clone();
        self.hold_vacancy(id, &guard, vacancy)
    }

    pub fn drop_closing(&mut self, operand: u8, way: fn(Closing<Key, Session, u32>)) -> Checked {
        if let Some((id, closing)) = pick(&mut self.closings, operand) {
            way(closing);
            self.model.end(id);
        }
        Ok(())
    }
}
