//! What models share: the core's types with their parameters, and the first steps of a model.

use crate::harness;
pub(crate) use crate::{
    bell::{Bell, block_on, poll_once},
    tracked::{Handle, Key, Plain, Session, Tally},
};
use loom::thread::JoinHandle;
use parking_lot::record::{self, What, record};
use std::{ops::Deref, sync::Arc};

/// The core's registry. Models of its end use it, by `builder().build()`. The others use [`Registry`].
pub(crate) type Core = turnwise::Registry<Key, Session, Handle, Plain>;
pub(crate) type Enter = turnwise::Enter<Key, Session, Handle>;
pub(crate) type Entry = turnwise::Entry<Key, Session, Handle>;
pub(crate) type Turn = turnwise::Turn<Key, Session, Handle>;

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
