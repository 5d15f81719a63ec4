//! What the threads of the running execution did: recorded always, told only when somebody asks.
//!
//! A record is a few words in a buffer that all executions of a thread of the system share; it takes no lock and is no step
//! of the model. `tell` makes a [`Trace`](trace::Trace) of it.

use crate::held;
use std::{
    cell::{Cell, RefCell},
    panic::Location,
};

/// What happened, and where in the source.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub(crate) actor: usize,
    pub(crate) what: What,
    pub(crate) place: &'static Location<'static>,
}

/// What a model thread can do. Who takes the lock, the store or the load is in the event's place.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// Another model thread begins.
    Spawn(usize),
    /// This one is done.
    End,
    /// A lock was made.
    Made(Lock),
    /// A lock was taken. The address tells later whose [`What::Dropped`] it is in.
    Locked(Lock, usize),
    /// A lock was released.
    Unlocked(Lock),
    /// A reference to a value of this address and size was dropped.
    Dropped(usize, usize),
    /// Something that others read without a lock was written.
    Stored,
    /// Something that others write without a lock was read.
    Loaded,
    /// Waits for a waker.
    Wait,
    /// The waker was used.
    Woken,
    /// The waker of that model thread is used.
    Wake(usize),
    /// It has what it asked for: the number of the session, or 0 for a vacancy, and the ticket.
    Granted(usize, u64),
    /// Words, and the number of what they are about.
    Note(&'static str, usize),
}

/// Which lock: numbered per kind, in the order in which an execution makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    pub(crate) kind: Kind,
    pub(crate) number: usize,
}

/// What is locked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MapRead,
    MapWrite,
    Slot,
}

/// What one execution did so far.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub(crate) events: Vec<Event>,
    pub(crate) actors: Vec<Actor>,
}

/// A model thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    /// Where it was spawned, if by the kit.
    pub(crate) spawned: Option<&'static Location<'static>>,
    /// An address of its stack.
    pub(crate) stack: usize,
}

impl Events {
    const fn new() -> Self {
        Self {
            events: Vec::new(),
            actors: Vec::new(),
        }
    }
}

std::thread_local! {
    static EVENTS: RefCell<Events> = const { RefCell::new(Events::new()) };
    /// The number of the model thread that begins now.
    static BEGINS: Cell<Option<usize>> = const { Cell::new(None) };
    static MAPS: Cell<usize> = const { Cell::new(0) };
    static SLOTS: Cell<usize> = const { Cell::new(0) };
}

/// An execution begins, in its main thread.
pub(crate) fn begin_execution() {
    EVENTS.with_borrow_mut(|all| {
        all.events.clear();
        all.actors.clear();
    });
    MAPS.set(0);
    SLOTS.set(0);
    let _touched = held::actor();
}

/// What this execution did so far.
#[must_use]
pub fn events() -> Events {
    EVENTS.with_borrow(Clone::clone)
}

/// A model thread is spawned, by this one: its number, for [`begin_thread`].
#[track_caller]
pub fn spawn() -> usize {
    let number = add_actor(Some(Location::caller()), 0);
    record(What::Spawn(number));
    number
}

/// The first act of a model thread that was announced by [`spawn`].
pub fn begin_thread(number: usize) {
    BEGINS.set(Some(number));
    let _touched = held::actor();
}

/// The number of a model thread that was never asked for it.
pub(crate) fn new_actor() -> usize {
    let stack = stack();
    match BEGINS.take() {
        Some(number) => {
            EVENTS.with_borrow_mut(|all| all.actors[number].stack = stack);
            number
        }
        None => add_actor(None, stack),
    }
}

fn add_actor(spawned: Option<&'static Location<'static>>, stack: usize) -> usize {
    EVENTS.with_borrow_mut(|all| {
        all.actors.push(Actor { spawned, stack });
        all.actors.len() - 1
    })
}

/// An address of the stack of this model thread: each has its own.
#[inline(never)]
pub(crate) fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

/// The next lock of its kind.
pub(crate) fn next_number(kind: Kind) -> usize {
    let numbers = match kind {
        Kind::MapRead | Kind::MapWrite => &MAPS,
        Kind::Slot => &SLOTS,
    };
    numbers.set(numbers.get() + 1);
    numbers.get()
}

/// This model thread does this.
#[track_caller]
pub fn record(what: What) {
    if held::in_model() {
        record_of(held::actor(), what, Location::caller());
    }
}

/// As [`record`], of a thread whose number is known already.
pub(crate) fn record_of(actor: usize, what: What, place: &'static Location<'static>) {
    let event = Event { actor, what, place };
    EVENTS.with_borrow_mut(|all| all.events.push(event));
}
