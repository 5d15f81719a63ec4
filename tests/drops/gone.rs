//! The last registry goes in the middle of a call, or somebody acts after it has gone.

use crate::bombs::{Bomb, Log, panics};
use std::{cell::RefCell, sync::Arc, time::Duration};
use turnwise::{Registry, Turn};

thread_local! {
    /// What the next clone of a key does.
    static NEXT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

#[derive(PartialEq, Eq, Hash)]
struct Key(u8);

impl Clone for Key {
    fn clone(&self) -> Self {
        if let Some(act) = NEXT.with(|next| next.borrow_mut().take()) {
            act();
        }
        Self(self.0)
    }
}

#[test]
fn the_clone_of_a_key_drops_the_registry_and_a_session_panics() {
    for remove in [false, true] {
        let log = Log::default();
        let registry: Registry<Key, Bomb> = Registry::builder().shards(1).build();
        for (key, name, armed) in [(1, "seen", false), (2, "other", true)] {
            let entry = registry.enter_blocking(&Key(key)).expect("open");
            drop(entry.or_insert(Bomb::new(&log, name, armed)));
        }
        let seen = registry.observe(&Key(1)).expect("it is there");
        NEXT.with(|next| *next.borrow_mut() = Some(Box::new(move || drop(registry))));
        assert!(panics(|| {
            if remove {
                drop(seen.remove());
            } else {
                drop(seen.replace());
            }
        }));
        drop(seen);
        assert_eq!(log.happened(), 2, "a session is leaked");
    }
}

#[test]
fn a_split_takes_the_handle_when_the_registry_is_gone() {
    let registry: Registry<u8, u8, &str> = Registry::default();
    let turn = registry.enter_blocking(&1).expect("open").or_insert(0);
    Turn::set_handle(&turn, Arc::new("of the first"));
    let seen = registry.observe(&1).expect("it is there");
    drop(registry);
    let (vacancy, _session) = Turn::vacate(turn).split();
    assert_eq!(seen.handle(), None, "the handle outlives its incarnation");
    drop(vacancy.fill(1));
}

#[test]
fn scans_and_drains_keep_the_registry() {
    let log = Log::default();
    let one_at_rest = || {
        let registry: Registry<u8, Bomb> = Registry::new();
        let entry = registry.enter_blocking(&1).expect("open");
        drop(entry.or_insert(Bomb::new(&log, "at rest", false)));
        registry
    };
    let registry = one_at_rest();
    let claims = registry.claim_idle(Duration::ZERO);
    drop(registry);
    assert_eq!(log.happened(), 0);
    drop(claims);
    assert_eq!(log.happened(), 1);

    let registry = one_at_rest();
    let drain = registry.drain();
    drop(registry);
    assert_eq!(log.happened(), 1);
    drop(drain);
    assert_eq!(log.happened(), 2);
}
