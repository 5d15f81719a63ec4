//! What models share: the core's types with their parameters, and the first steps of a model.

pub(crate) use crate::{
    bell::{Bell, block_on, poll_once},
    bounds::{self, Bound},
    harness::{self, check, check_unwinding},
    tracked::{Handle, Key, Plain, Session, Tally},
};
pub(crate) use loom::thread::JoinHandle;
use parking_lot::record::{self, What, record};
use std::{ops::Deref, sync::Arc};
pub(crate) use std::{task::Poll, time::Duration};
pub(crate) use turnwise::{
    EnterError, Old, Phase, ReplaceError, Replaced, Status, Ticket, WaitError,
};

/// The core's registry. Models of its end use it, by `builder().build()`. The others use [`Registry`].
pub(crate) type Core = turnwise::Registry<Key, Session, Handle, Plain>;
pub(crate) type Enter = turnwise::Enter<Key, Session, Handle>;
pub(crate) type Entry = turnwise::Entry<Key, Session, Handle>;
pub(crate) type Observed = turnwise::Observed<Key, Session, Handle>;
pub(crate) type Turn = turnwise::Turn<Key, Session, Handle>;
pub(crate) type Vacancy = turnwise::Vacancy<Key, Session, Handle>;

/// A registry that model threads share by std's `Arc`, which loom does not see. Main keeps one to the end, so no thread's drop
/// is the last. With clones of the registry itself, each drop is a step that races with the others, and two threads that enter
/// have twelve times the executions.
#[derive(Clone, Debug)]
pub(crate) struct Registry(Arc<Core>);

impl Deref for Registry {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.0
    }
}

/// For limits, more shards, or a first number. It has one shard.
pub(crate) fn builder() -> turnwise::Builder<Key, Session, Handle, Plain> {
    turnwise::Registry::builder().hasher(Plain).shards(1)
}

/// Makes a registry that threads can share.
pub(crate) fn share(registry: Core) -> Registry {
    Registry(Arc::new(registry))
}

/// A registry with one shard and a clock that stands still.
pub(crate) fn registry() -> Registry {
    share(builder().build())
}

/// A registry with a clock that the hand moves. Each reading is a step of the model, so it is only for models of time.
pub(crate) fn timed() -> (Registry, turnwise::ClockHand) {
    let (clock, hand) = turnwise::Clock::manual();
    (share(builder().clock(clock).build()), hand)
}

/// Starts a session, which is then idle.
pub(crate) fn rest(registry: &Core, key: &Key, tally: &Tally) {
    let entry = registry.try_enter(key).expect("the key is free");
    drop(entry.or_insert_with(|| tally.session()));
}

/// Takes the turn of an idle session.
pub(crate) fn turn_of(registry: &Core, key: &Key) -> Turn {
    let entry = registry.try_enter(key).expect("the key is free");
    entry.occupied().expect("there is a session")
}

/// A registry with an idle session of key 1.
pub(crate) fn idle(tally: Tally) -> (Registry, Tally) {
    let registry = registry();
    rest(&registry, &Key(1), &tally);
    (registry, tally)
}

/// A registry with a session of key 1, and its turn.
pub(crate) fn held(tally: Tally) -> (Registry, Tally, Turn) {
    let (registry, tally) = idle(tally);
    let turn = turn_of(&registry, &Key(1));
    (registry, tally, turn)
}

/// A registry with a session of key 1, granted out of the queue to an `Enter` that was not polled since.
pub(crate) fn granted(tally: Tally) -> (Registry, Tally, Enter) {
    let (registry, tally, turn) = held(tally);
    let enter = registry.enter(&Key(1));
    drop(turn);
    (registry, tally, enter)
}

/// Spawns a model thread, and counts it. A trace names it by the variable of its handle, or by the function that spawns it.
#[track_caller]
pub(crate) fn spawn<R: 'static>(act: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    harness::spawned();
    let number = record::spawn();
    loom::thread::spawn(move || {
        record::begin_thread(number);
        let end = act();
        record(What::End);
        end
    })
}

/// As [`spawn`], with the thread's own clones of what the model shares.
#[track_caller]
pub(crate) fn spawn_with<S: 'static, R: 'static>(
    shared: S,
    act: impl FnOnce(S) -> R + 'static,
) -> JoinHandle<R> {
    spawn(move || act(shared))
}

/// Models that are one call each: `name = function(..)`.
macro_rules! models {
    ($($(#[$doc:meta])* $model:ident = $call:expr;)*) => { $(
        $(#[$doc])*
        #[test]
        fn $model() {
            $call;
        }
    )* };
}
pub(crate) use models;
