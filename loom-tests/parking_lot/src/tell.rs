//! Makes a trace of what was recorded.

use crate::{
    record::{Event, Events, Kind, Lock, What, stack},
    section::{section, thread},
};
use std::{collections::HashMap, panic::Location};
use trace::{Action, Step, Trace};

/// Which step failed, and with which words.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `None`: nobody did alone.
    actor: Option<usize>,
    words: String,
}

impl Failure {
    /// This model thread panics. It may be in the middle of one of loom's own steps, so that loom cannot be asked who it
    /// is: its stack says it.
    #[must_use]
    pub fn here(events: &Events, words: &str) -> Self {
        let here = stack();
        let begun = |actor: &usize| events.actors[*actor].stack != 0;
        let nearest = (0..events.actors.len())
            .filter(begun)
            .min_by_key(|actor| events.actors[*actor].stack.abs_diff(here));
        Self {
            // All of them are in it.
            actor: nearest.filter(|_| !words.starts_with("deadlock")),
            words: words.to_owned(),
        }
    }
}

/// The trace of an execution, with its failure if it failed. Reads the source for the names of its functions.
#[must_use]
pub fn tell(title: &str, note: &str, events: &Events, failure: Option<&Failure>) -> Trace {
    let mut teller = Teller::new(events);
    for event in &events.events {
        teller.event(event);
    }
    let trace = Trace {
        title: title.to_owned(),
        note: note.to_owned(),
        actors: names(events),
        steps: teller.steps,
    };
    match failure {
        Some(failure) => trace.failed(failure.actor, &failure.words),
        None => trace,
    }
}

/// "main", and what the others were spawned as; numbered where two have one name.
fn names(events: &Events) -> Vec<String> {
    let name = |(number, actor): (usize, &crate::record::Actor)| match actor.spawned {
        None if number == 0 => "main".to_owned(),
        None => format!("thread {number}"),
        Some(place) => thread(place).unwrap_or_else(|| format!("thread {number}")),
    };
    let names: Vec<String> = events.actors.iter().enumerate().map(name).collect();
    let numbered = |(at, name): (usize, &String)| {
        let same = |other: &&String| *other == name;
        if names.iter().filter(same).count() == 1 {
            return name.clone();
        }
        let before = names[..at].iter().filter(same).count();
        format!("{name} {}", before + 1)
    };
    names.iter().enumerate().map(numbered).collect()
}

struct Teller {
    steps: Vec<Step>,
    /// The addresses of the slot locks, as of now.
    slots: HashMap<usize, usize>,
    /// One map needs no number.
    one_map: bool,
    sections: HashMap<(&'static str, u32, u32), String>,
    /// Each thread's last unlock, if it has done nothing since: what it took out of the map it drops then.
    unlocked: HashMap<usize, Kind>,
}

impl Teller {
    fn new(events: &Events) -> Self {
        let one_map = events.events.iter().all(|event| {
            !matches!(event.what, What::Locked(lock, _) if lock.kind != Kind::Slot && lock.number > 1)
        });
        Self {
            steps: Vec::new(),
            slots: HashMap::new(),
            one_map,
            sections: HashMap::new(),
            unlocked: HashMap::new(),
        }
    }

    fn event(&mut self, event: &Event) {
        let before = self.unlocked.remove(&event.actor);
        let action = match event.what {
            What::Spawn(actor) => Action::Spawn(actor),
            What::End => Action::End,
            What::Made(lock) => {
                let lock = self.lock(lock);
                Action::Of(format!("make {}", lock.name), lock)
            }
            What::Locked(lock, address) => {
                if lock.kind == Kind::Slot {
                    self.slots.insert(address, lock.number);
                }
                Action::Lock(self.lock(lock))
            }
            What::Unlocked(lock) => {
                self.unlocked.insert(event.actor, lock.kind);
                Action::Unlock(self.lock(lock))
            }
            What::Dropped(address, size) => {
                let inside = |(at, _): &(&usize, &usize)| (address..address + size).contains(*at);
                let slot = self.slots.iter().find(inside).map(|(_, slot)| *slot);
                let (Some(number), Some(Kind::MapWrite)) = (slot, before) else {
                    return;
                };
                let kind = Kind::Slot;
                let lock = self.lock(Lock { kind, number });
                Action::Of(format!("drop {}, out of the map", lock.name), lock)
            }
            What::Stored => Action::Publish,
            What::Loaded => Action::Say(format!("look: {}", self.section(event.place))),
            What::Wait => Action::Wait,
            What::Woken => Action::Woken,
            What::Wake(actor) => Action::Wake(actor),
            What::Granted(0, ticket) => Action::Grant(format!("a vacancy, ticket {ticket}")),
            What::Granted(session, ticket) => {
                Action::Grant(format!("session {session}, ticket {ticket}"))
            }
            What::Note(words, 0) => Action::Say(words.to_owned()),
            What::Note(words, number) => Action::Say(format!("{words} {number}")),
        };
        let section = match event.what {
            What::Locked(..) => self.section(event.place),
            What::Stored => match self.section(event.place) {
                // The usual one, at the end of a critical section.
                post if post == "Board::post" => String::new(),
                other => other,
            },
            _ => String::new(),
        };
        self.steps.push(Step {
            actor: event.actor,
            action,
            section,
        });
    }

    fn section(&mut self, place: &'static Location<'static>) -> String {
        let key = (place.file(), place.line(), place.column());
        let name = self.sections.entry(key).or_insert_with(|| section(place));
        name.clone()
    }

    fn lock(&self, lock: Lock) -> trace::Lock {
        let Lock { kind, number } = lock;
        let name = match kind {
            Kind::Slot => format!("slot {number}"),
            Kind::MapRead | Kind::MapWrite if self.one_map => "map".to_owned(),
            Kind::MapRead | Kind::MapWrite => format!("map {number}"),
        };
        let kind = match kind {
            Kind::MapRead => trace::Kind::Read,
            Kind::MapWrite => trace::Kind::Write,
            Kind::Slot => trace::Kind::Slot,
        };
        trace::Lock { kind, name }
    }
}
