//! C9 and C10: no user code under a lock, and the order of locks.
//!
//! Every model checks both: the shims of the locks count what a thread holds, and sessions, keys, handles, wakers and
//! closers assert that it is nothing. These models add user code that calls the registry again, which would deadlock or turn
//! the order round, and calls over all shards.

use crate::kit::*;
use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// A waker that calls the registry when it is woken, cloned or dropped.
struct Caller {
    registry: Registry,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        parking_lot::assert_unlocked("a wake");
        assert!(self.registry.status(&Key(1)).is_some());
        self.registry.touch(&Key(1));
        drop(self.registry.enter(&Key(2)));
    }
}

/// A waker that enters the registry, against the end of the turn that wakes it.
#[test]
fn a_waker_that_enters() {
    check(&bounds::C9_WAKER, &["granted at the poll", "woken"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let waker = Waker::from(Arc::new(Caller {
            registry: registry.clone(),
        }));
        let ender = spawn(move || drop(turn));
        let first = std::pin::Pin::new(&mut enter).poll(&mut Context::from_waker(&waker));
        ender.join().expect("ender");
        let outcome = match first {
            Poll::Ready(_) => "granted at the poll",
            Poll::Pending => "woken",
        };
        drop(enter);
        registry.check_invariants();
        outcome
    });
}

/// A closer that calls the registry for the key that it closes and for another, against somebody who enters.
#[test]
fn a_closer_that_enters() {
    check(&bounds::C9_CLOSER, &["closed", "not closed"], || {
        let (registry, tally) = idle(Tally::default());
        let cleaner = spawn_with(registry.clone(), |registry| {
            let inner = registry.clone();
            registry
                .cleanup_idle(Duration::ZERO, |key, session, _| {
                    parking_lot::assert_unlocked("a closer");
                    assert!(inner.status(key).is_some());
                    assert!(inner.try_enter(key).is_err(), "its key is held");
                    drop(inner.enter(&Key(2)));
                    drop(session);
                })
                .closed
        });
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            drop(
                registry
                    .enter_blocking(&Key(1))
                    .expect("open")
                    .or_insert_with(|| tally.only_session()),
            );
        });
        let closed = cleaner.join().expect("cleaner");
        enterer.join().expect("enterer");
        registry.check_invariants();
        if closed == 1 { "closed" } else { "not closed" }
    });
}

/// Handles that are set, read and dropped while the turn ends.
#[test]
fn handles() {
    check(&bounds::C9_HANDLE, &["none", "1", "2"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let holder = spawn(move || {
            Turn::set_handle(&turn, engine::Arc::new(Handle(1)));
            Turn::set_handle(&turn, engine::Arc::new(Handle(2)));
            drop(Turn::vacate(turn));
        });
        let handle = registry.handle(&Key(1));
        holder.join().expect("holder");
        assert!(registry.is_empty());
        handle.map_or("none".to_owned(), |handle| handle.0.to_string())
    });
}

/// C10: calls over two shards, one after the other; and the map lock before the slot lock, in each.
#[test]
fn all_shards() {
    check(&bounds::C10_SHARDS, &["0", "1", "2"], || {
        let registry = share(builder().shards(2).build());
        let tally = Tally::default();
        rest(&registry, &Key(1), &tally);
        let scanner = spawn_with(registry.clone(), |registry| {
            drop(registry.snapshot());
            registry
                .cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
                .closed
        });
        let user = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            drop(
                registry
                    .enter_blocking(&Key(2))
                    .expect("open")
                    .or_insert_with(|| tally.session()),
            );
            drop(registry.replace(&Key(1)).expect("open"));
        });
        let closed = scanner.join().expect("scanner");
        user.join().expect("user");
        registry.check_invariants();
        closed.to_string()
    });
}
