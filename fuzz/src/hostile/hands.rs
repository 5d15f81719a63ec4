//! What the caller has in its hands. User code that is called back has the same hands.

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::BuildHasherDefault;
use std::pin::Pin;
use std::sync::Arc;

use turnwise::{Closing, Drain, Enter, Observed, Registry, Released, Ticket, Turn, Vacancy};

use super::script::with;
use super::values::{Handle, Key, Session};

/// One hasher for all runs, so that an input replays.
type FixedHasher = BuildHasherDefault<DefaultHasher>;
pub(super) type Sessions = Registry<Key, Session, Handle, FixedHasher>;
type Started = Pin<Box<dyn Future<Output = Result<Turn<Key, Session, Handle>, ()>>>>;

pub(super) const KEYS: u8 = 3;

pub(super) enum Held {
    Place {
        key: u8,
        enter: Enter<Key, Session, Handle>,
        wait: Wait,
    },
    Vacancy(Vacancy<Key, Session, Handle>),
    Turn(Turn<Key, Session, Handle>),
    Closing(Closing<Key, Session, Handle>),
    Start {
        key: u8,
        ticket: Ticket,
        start: Started,
    },
    Released(Released<Key, Session, Handle>, Wait),
    Drain(Drain<Key, Session, Handle>, Wait),
    Seen(Observed<Key, Session, Handle>),
    #[allow(dead_code)] // It is only dropped.
    Session(Session),
    #[allow(dead_code)] // The same.
    Handle(Arc<Handle>),
}

/// How something waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) waker: usize,
    /// It was pending, and its waker had been woken so often.
    pub(super) asleep: Option<usize>,
    /// A poll panicked: it is only to be dropped.
    pub(super) spoiled: bool,
}

pub(super) struct Hands {
    pub(super) registry: Option<Sessions>,
    pub(super) held: Vec<Held>,
    next_waker: usize,
}

impl Hands {
    pub(super) fn new(settings: u8) -> Self {
        let mut builder = Registry::builder()
            .hasher(FixedHasher::default())
            .shards(if settings & 1 == 0 { 1 } else { 4 });
        if settings & 2 != 0 {
            builder = builder.max_sessions(2).max_waiting(2);
        }
        Self {
            registry: Some(builder.build()),
            held: Vec::new(),
            next_waker: 0,
        }
    }

    pub(super) fn new_wait(&mut self) -> Wait {
        self.next_waker += 1;
        Wait {
            waker: self.next_waker,
            asleep: None,
            spoiled: false,
        }
    }
}

/// The registry, if it is not gone.
pub(super) fn registry() -> Option<Sessions> {
    with(|stage| stage.hands.registry.clone())
}

pub(super) fn hold(held: Option<Held>) {
    with(|stage| stage.hands.held.extend(held));
}

/// One of those that are wanted, out of the hands: 0 is the newest.
pub(super) fn pick(operand: u8, wanted: impl Fn(&Held) -> bool) -> Option<Held> {
    with(|stage| {
        let held = &mut stage.hands.held;
        let all: Vec<usize> = (0..held.len())
            .filter(|&index| wanted(&held[index]))
            .collect();
        let back = usize::from(operand).checked_rem(all.len())?;
        Some(held.remove(all[all.len() - 1 - back]))
    })
}

impl Held {
    /// The key that it may hold, and the ticket that holds it then.
    pub(super) fn holds(&self) -> Option<(u8, Ticket)> {
        match self {
            Self::Place { key, enter, .. } => Some((*key, enter.ticket()?)),
            Self::Vacancy(vacancy) => Some((vacancy.key().0, vacancy.ticket())),
            Self::Turn(turn) => Some((Turn::key(turn).0, Turn::ticket(turn))),
            Self::Closing(closing) => Some((closing.key().0, closing.ticket())),
            Self::Start { key, ticket, .. } => Some((*key, *ticket)),
            _ => None,
        }
    }
}
