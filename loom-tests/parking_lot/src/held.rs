//! What each model thread holds, and whether a model runs at all.

use crate::record::{self, Kind, Lock, What};
use std::{cell::Cell, panic::Location};

/// The locks that one model thread holds at this moment, and its number.
#[derive(Clone, Copy, Debug)]
struct Held {
    maps: usize,
    slots: usize,
    actor: usize,
}

// All model threads are coroutines of one thread of the system: in std's thread-locals they would count for each other.
loom::thread_local! {
    static HELD: Cell<Held> = Cell::new(Held {
        maps: 0,
        slots: 0,
        actor: record::new_actor(),
    });
}

// These are meant for all of them, and for the code before and after them.
std::thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Outside) };
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Whether loom's objects may be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no execution.
    Outside,
    Exploring,
    /// An execution has failed: what its unwinding drops is not watched any more, or a second panic would hide the first.
    Failed,
}

/// More than any model needs in one execution.
const MAX_STEPS: usize = 5_000;

/// Runs models: `run` is a call of loom's `Builder::check`. Inside, loom's objects may be touched.
///
/// loom has no question "is there an execution?" but a panic, and what a model leaves behind is dropped when there is none.
pub fn model<R>(run: impl FnOnce() -> R) -> R {
    struct Leave(State);
    impl Drop for Leave {
        fn drop(&mut self) {
            STATE.set(self.0);
        }
    }
    let _leave = Leave(STATE.replace(State::Exploring));
    run()
}

/// Is there an execution whose objects may be touched and are watched?
#[must_use]
pub fn in_model() -> bool {
    STATE.get() == State::Exploring
}

/// A model failed: from here on nothing is watched. False if there is none, or if it had failed before.
pub fn fail() -> bool {
    let first = in_model();
    if first {
        STATE.set(State::Failed);
    }
    first
}

/// One execution of a model begins.
pub fn begin_execution() {
    STEPS.set(0);
    record::begin_execution();
}

/// The number of this model thread: the main one is 0.
#[must_use]
pub fn actor() -> usize {
    if in_model() {
        HELD.with(Cell::get).actor
    } else {
        0
    }
}

/// A step of the execution: an execution that has too many of them does not end.
///
/// loom has such a limit too, but does not look at it while anything unwinds.
///
/// # Panics
///
/// When the steps of this execution are too many.
pub fn step() {
    let steps = STEPS.get() + 1;
    STEPS.set(steps);
    assert!(
        steps < MAX_STEPS,
        "an execution of more than {MAX_STEPS} steps: does it end?"
    );
}

/// Panics if this model thread holds any lock: user code is about to run, and must not run under one (claim C9).
///
/// # Panics
///
/// With words that begin "C9 user code under a lock".
pub fn assert_unlocked(what: &str) {
    if in_model() {
        let held = HELD.with(Cell::get);
        assert!(
            held.maps == 0 && held.slots == 0,
            "C9 user code under a lock: {what}, with {} map and {} slot locks held",
            held.maps,
            held.slots
        );
    }
}

/// Panics if this model thread holds a slot lock: the comparison of keys is about to run, the one piece of user code that may
/// run under a map lock.
///
/// # Panics
///
/// With words that begin "C9 user code under a lock".
pub fn assert_no_slot_lock(what: &str) {
    if in_model() {
        let slots = HELD.with(Cell::get).slots;
        assert!(
            slots == 0,
            "C9 user code under a lock: {what}, with {slots} slot locks held"
        );
    }
}

/// Asserts the order of claim C10, before the lock is waited for: a wait in the wrong order is a deadlock already.
pub(crate) fn may_lock(kind: Kind) {
    match STATE.get() {
        State::Outside => panic!("a lock is taken outside of a model: run models by the harness"),
        State::Exploring => step(),
        State::Failed => return,
    }
    let held = HELD.with(Cell::get);
    match kind {
        // Reads count as writes do: parking_lot's read may wait behind a waiting writer, loom's never does.
        Kind::MapRead | Kind::MapWrite => assert!(
            held.maps == 0 && held.slots == 0,
            "C10 lock order: a map lock is taken while {} map and {} slot locks are held",
            held.maps,
            held.slots
        ),
        Kind::Slot => assert!(
            held.slots == 0,
            "C10 lock order: a slot lock is taken while a slot lock is held"
        ),
    }
}

/// One lock that this model thread holds; counted until it is dropped, also by unwinding.
#[derive(Debug)]
pub(crate) struct Count {
    lock: Lock,
    place: &'static Location<'static>,
}

impl Count {
    /// `address` is where the lock is, `place` who takes it.
    pub(crate) fn new(lock: Lock, address: usize, place: &'static Location<'static>) -> Self {
        let actor = change(lock.kind, |held| held + 1);
        if in_model() {
            record::record_of(actor, What::Locked(lock, address), place);
        }
        Self { lock, place }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let actor = change(self.lock.kind, |held| held - 1);
        if in_model() {
            record::record_of(actor, What::Unlocked(self.lock), self.place);
        }
    }
}

/// The number of this model thread.
fn change(kind: Kind, by: impl FnOnce(usize) -> usize) -> usize {
    HELD.with(|cell| {
        let mut held = cell.get();
        match kind {
            Kind::MapRead | Kind::MapWrite => held.maps = by(held.maps),
            Kind::Slot => held.slots = by(held.slots),
        }
        cell.set(held);
        held.actor
    })
}
