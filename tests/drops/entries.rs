//! Values that are not needed, handles, and sessions.

use crate::bombs::{Bomb, Key, Log, Lookup, panics, poll};
use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Waker,
};
use turnwise::{Entry, Registry, ToKey, Turn};

/// A key with a session at rest, entered again.
fn occupied(registry: &Registry<u8, u8>) -> Entry<u8, u8> {
    drop(registry.enter_blocking(&1).expect("open").or_insert(1));
    registry.enter_blocking(&1).expect("open")
}

fn is_free(registry: &Registry<u8, u8>) {
    registry.check_invariants();
    assert!(registry.try_enter(&1).is_ok(), "the key is stuck");
}

/// Uses the whole bomb, so that a closure takes it whole.
fn length(bomb: &Bomb) -> u8 {
    bomb.name.len() as u8
}

#[test]
fn a_start_that_is_not_needed_panics_in_its_drop() {
    let (registry, log) = (Registry::new(), Log::default());
    let entry = occupied(&registry);
    let bomb = Bomb::new(&log, "capture", true);
    assert!(panics(|| drop(entry.or_insert_with(move || length(&bomb)))));
    is_free(&registry);

    let entry = occupied(&registry);
    let bomb = Bomb::new(&log, "capture", true);
    let start = move |_: &_| Ok::<u8, ()>(length(&bomb));
    assert!(panics(|| drop(entry.or_try_insert_with(start))));
    is_free(&registry);

    let entry = occupied(&registry);
    let bomb = Bomb::new(&log, "capture", true);
    let start = async move |_: &_| Ok::<u8, ()>(length(&bomb));
    assert!(panics(|| {
        let mut started = Box::pin(entry.or_start(start));
        let _ = poll(&mut started, Waker::noop());
    }));
    is_free(&registry);
}

#[test]
fn a_session_that_is_not_needed_panics_in_its_drop() {
    let log = Log::default();
    let registry: Registry<u8, Bomb> = Registry::new();
    let entry = registry.enter_blocking(&1).expect("open");
    drop(entry.or_insert(Bomb::new(&log, "first", false)));
    let entry = registry.enter_blocking(&1).expect("open");
    assert!(panics(|| drop(
        entry.or_insert(Bomb::new(&log, "second", true))
    )));
    registry.check_invariants();
    assert!(registry.try_enter(&1).is_ok(), "the key is stuck");
}

/// A session at rest, whose handle panics in its drop.
fn with_a_fragile_handle(log: &Log) -> Registry<u8, Bomb, Bomb> {
    let registry: Registry<u8, Bomb, Bomb> = Registry::default();
    let entry = registry.enter_blocking(&1).expect("open");
    let turn = entry.or_insert(Bomb::new(log, "session", false));
    Turn::set_handle(&turn, Arc::new(Bomb::new(log, "handle", true)));
    drop(turn);
    registry
}

#[test]
fn a_handle_panics_in_a_replacement_and_the_session_is_dropped_all_the_same() {
    let log = Log::default();
    let registry = with_a_fragile_handle(&log);
    assert!(panics(|| drop(registry.replace(&1))));
    assert!(log.position("session").is_some(), "the session is lost");
    assert!(registry.is_empty());

    let log = Log::default();
    let registry = with_a_fragile_handle(&log);
    assert!(panics(|| drop(registry.remove(&1))));
    assert!(log.position("session").is_some(), "the session is lost");
    assert!(registry.is_empty());
}

#[test]
fn a_handle_panics_in_a_split_and_the_session_goes_before_the_key() {
    let log = Log::default();
    let registry = with_a_fragile_handle(&log);
    let entry = registry.enter_blocking(&1).expect("open");
    let turn = entry.occupied().expect("it rests");
    let mut next = registry.enter(&1);
    assert!(poll(&mut next, &log.waker("granted")).is_pending());
    let closing = Turn::vacate(turn);
    assert!(panics(|| drop(closing.split())));
    let dropped = log.position("session");
    assert!(
        dropped.is_some() && dropped < log.position("granted"),
        "two sessions at once"
    );
}

#[test]
fn what_was_granted_in_a_registry_that_is_gone_goes_with_its_enter() {
    let log = Log::default();
    let registry = with_a_fragile_handle(&log);
    let enter = registry.enter(&1);
    let seen = registry.observe(&1).expect("there");
    drop(registry);
    assert!(panics(|| drop(enter)), "the handle's drop");
    assert!(
        log.position("session").is_some(),
        "the session lives on, out of reach"
    );
    assert!(
        seen.handle().is_none(),
        "the handle of a session that is gone"
    );
}

#[test]
fn a_session_at_rest_and_its_handle_go_with_the_registry() {
    let log = Log::default();
    let registry: Registry<u8, Bomb, Bomb> = Registry::default();
    let entry = registry.enter_blocking(&1).expect("open");
    let turn = entry.or_insert(Bomb::new(&log, "session", false));
    Turn::set_handle(&turn, Arc::new(Bomb::new(&log, "handle", false)));
    drop(turn);
    let seen = registry.observe(&1).expect("there");
    drop(registry);
    assert!(log.position("session").is_some(), "the session is lost");
    assert!(log.position("handle").is_some(), "the handle outlives it");
    assert!(
        seen.handle().is_none(),
        "the handle of a session that is gone"
    );
}

/// A query whose key comes while it is made: another call starts the session in between. The unused key then panics in its drop.
struct Late<'a>(&'a Registry<Key, u8>, Arc<AtomicBool>);

impl Hash for Late<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        1_u8.hash(state);
    }
}

impl ToKey<Key> for Late<'_> {
    fn is_key(&self, key: &Key) -> bool {
        key.0 == 1
    }
    fn to_key(&self) -> Key {
        let entry = self
            .0
            .enter_blocking(&Lookup(1, Arc::default()))
            .expect("open");
        drop(entry.or_insert(7));
        self.1.store(true, SeqCst);
        Key(1, Arc::clone(&self.1))
    }
}

/// The session that the call has found instead is not lost with the panic, and its key is free.
#[test]
fn an_unused_key_panics_when_the_session_has_come() {
    for call in 0..4 {
        let registry: Registry<Key, u8> = Registry::new();
        let late = Late(&registry, Arc::default());
        assert!(panics(|| match call {
            0 => drop(registry.try_enter(&late)),
            1 => drop(registry.enter_blocking(&late)),
            2 => drop(registry.enter(&late)),
            _ => drop(registry.enter_with(&late, Arc::new(()))),
        }));
        let next = registry.try_enter(&Lookup(1, Arc::default()));
        assert!(next.is_ok(), "the key is stuck: call {call}");
    }
}
