//! A look at everything after each step: what can be seen from outside, the wakes, the sessions, the invariants.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::*;
use turnwise::{Phase, Status};

#[allow(clippy::needless_pass_by_value)] // Most of what is compared is made for it.
pub fn same<T: PartialEq + Debug>(what: &str, real: T, model: T) -> Checked {
    if real == model {
        return Ok(());
    }
    Err(format!("{what}: {real:?}, not {model:?}"))
}

/// Which number and which ticket of the registry stands for which of the model.
pub struct Names {
    exact: bool,
    start: Tick,
    numbers: BTreeMap<u64, u64>,
    last_number: BTreeMap<Key, u64>,
    tickets: BTreeMap<Id, Ticket>,
    last_ticket: BTreeMap<Key, Ticket>,
}

impl Names {
    pub fn new(exact: bool, start: Tick) -> Self {
        Self {
            exact,
            start,
            numbers: BTreeMap::new(),
            last_number: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last_ticket: BTreeMap::new(),
        }
    }

    /// With one shard the numbers are known; with several each key's increase, and none is used twice.
    pub fn number(&mut self, key: Key, model: u64, real: Incarnation) -> Checked {
        if self.exact {
            return same("incarnation", real.get(), model);
        }
        if let Some(&known) = self.numbers.get(&model) {
            return same("incarnation", real.get(), known);
        }
        let used = self.numbers.values().any(|&known| known == real.get());
        same("incarnation used twice", used, false)?;
        self.numbers.insert(model, real.get());
        let last = self.last_number.insert(key, real.get());
        same("incarnation increases", last < Some(real.get()), true)
    }

    /// A ticket is one holder's, and increases for each key.
    pub fn ticket(&mut self, key: Key, id: Id, real: Ticket) -> Checked {
        if let Some(&known) = self.tickets.get(&id) {
            return same("ticket", real, known);
        }
        self.tickets.insert(id, real);
        let last = self.last_ticket.insert(key, real);
        same("ticket increases", last < Some(real), true)
    }

    pub fn status(&mut self, key: Key, real: &Status, model: &Slot) -> Checked {
        same("phase", phase(real.phase), model.phase)?;
        same(
            "since",
            real.since.since(self.start),
            Duration::from_millis(model.since),
        )?;
        same("waiting", real.waiting as usize, model.waiting())?;
        same(
            "held by a ticket",
            real.turn.is_some(),
            model.holder.is_some(),
        )?;
        if let (Some(ticket), Some(id)) = (real.turn, model.holder) {
            self.ticket(key, id, ticket)?;
        }
        self.number(key, model.number, real.incarnation)
    }
}

impl World {
    pub fn compare(&mut self) -> Checked {
        self.registry.check_invariants();
        self.compare_keys()?;
        self.compare_guards()?;
        self.compare_waits()?;
        same("sessions alive", self.tally.alive(), self.model.sessions())
    }

    fn compare_keys(&mut self) -> Checked {
        same("len", self.registry.len(), self.model.slots.len())?;
        same(
            "is_empty",
            self.registry.is_empty(),
            self.model.slots.is_empty(),
        )?;
        let elapsed = Duration::from_millis(self.model.now());
        same("now", self.registry.now().since(self.names.start), elapsed)?;
        let snapshot = self.registry.snapshot();
        same(
            "slots in the snapshot",
            snapshot.len(),
            self.model.slots.len(),
        )?;
        for observed in &snapshot {
            let key = *observed.key();
            let slot = self
                .model
                .slots
                .get(&key)
                .ok_or("a slot that should not be")?;
            self.names.status(key, &observed.status(), slot)?;
        }
        for key in 0..KEYS {
            let slot = self.model.slots.get(&key);
            let status = self.registry.status(&key);
            same("present", status.is_some(), slot.is_some())?;
            let handle = self.registry.handle(&key).map(|handle| *handle);
            same("handle", handle, slot.and_then(|slot| slot.handle))?;
            if let (Some(status), Some(slot)) = (status, slot) {
                self.names.status(key, &status, slot)?;
            }
        }
        Ok(())
    }

    fn compare_guards(&mut self) -> Checked {
        for (id, turn) in &self.turns {
            let guard = &self.model.guards[id];
            same(
                "turn is current",
                Turn::is_current(turn),
                self.model.is_current(*id),
            )?;
            self.names
                .number(guard.key, guard.number, Turn::incarnation(turn))?;
            if self.model.is_current(*id) {
                let waiting = self.model.slots[&guard.key].waiting();
                same("waiting for the turn", Turn::waiting(turn), waiting)?;
            }
        }
        for (id, vacancy) in &self.vacancies {
            let guard = &self.model.guards[id];
            same(
                "vacancy is current",
                vacancy.is_current(),
                self.model.is_current(*id),
            )?;
            self.names
                .number(guard.key, guard.number, vacancy.incarnation())?;
        }
        for (id, closing) in &self.closings {
            let guard = &self.model.guards[id];
            self.names
                .number(guard.key, guard.number, closing.incarnation())?;
        }
        Ok(())
    }

    /// Who was pending and would now be ready has been woken.
    fn compare_waits(&self) -> Checked {
        for place in &self.enters {
            let settled = self.model.settled(place.id);
            woken("place", place.asleep, &place.wakes, settled)?;
            let ahead = self
                .model
                .slots
                .get(&place.key)
                .and_then(|slot| slot.ahead(place.id));
            same("ahead", place.enter.ahead(), ahead.unwrap_or(0))?;
        }
        for leaving in &self.leaving {
            let gone = !self.model.guards.contains_key(&leaving.holder);
            woken("departure", leaving.asleep, &leaving.wakes, gone)?;
        }
        if let Some(draining) = &self.drain {
            let (asleep, wakes) = (draining.asleep, &draining.wakes);
            woken("drain", asleep, wakes, self.drain_is_ready())?;
        }
        Ok(())
    }
}

fn woken(who: &str, asleep: Option<usize>, wakes: &Wakes, ready: bool) -> Checked {
    match asleep {
        Some(before) if ready && wakes.count() == before => {
            Err(format!("a {who} is ready and was not woken"))
        }
        _ => Ok(()),
    }
}

pub fn phase(real: Phase) -> oracle::Phase {
    match real {
        Phase::Starting => oracle::Phase::Starting,
        Phase::Busy => oracle::Phase::Busy,
        Phase::Idle => oracle::Phase::Idle,
        Phase::Closing => oracle::Phase::Closing,
        other => panic!("a phase that the model does not know: {other:?}"),
    }
}

pub fn refusal(real: EnterError) -> Refusal {
    match real {
        EnterError::Closed => Refusal::Closed,
        EnterError::QueueFull => Refusal::QueueFull,
        EnterError::RegistryFull => Refusal::RegistryFull,
        EnterError::Dismissed => Refusal::Dismissed,
        other => panic!("a refusal that the model does not know: {other:?}"),
    }
}

pub fn at_once(real: TryEnterError) -> Refusal {
    match real {
        TryEnterError::Closed => Refusal::Closed,
        TryEnterError::Busy => Refusal::Busy,
        TryEnterError::RegistryFull => Refusal::RegistryFull,
        other => panic!("a refusal that the model does not know: {other:?}"),
    }
}
