//! C13: after `close` returns nobody is granted; drained exactly when there is no slot and no superseded holder left.

use crate::kit::*;

/// Close against the end of a turn that would grant: who had not looked when `close` returned is refused.
#[test]
fn close_against_grant() {
    check(&bounds::C13_GRANT, &["granted before", "closed"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let waiter = spawn(move || match enter.wait() {
            Ok(entry) => {
                drop(entry);
                "granted before"
            }
            Err(error) => {
                assert_eq!(error, EnterError::Closed);
                "closed"
            }
        });
        registry.close();
        // Nobody is granted from here on: what rests, rests.
        let granted_later = registry.enter(&Key(1)).wait();
        assert_eq!(
            granted_later.err(),
            Some(EnterError::Closed),
            "C13: granted after close"
        );
        ender.join().expect("ender");
        let outcome = waiter.join().expect("waiter");
        registry.check_invariants();
        let status = registry.status(&Key(1)).expect("it rests");
        assert_eq!(
            (status.phase, status.waiting),
            (Phase::Idle, 0),
            "C13: somebody is left"
        );
        outcome
    });
}

/// Close returns, and then somebody looks who was polled before: never a grant, also if the turn ends just then.
#[test]
fn no_grant_after_close() {
    check(&bounds::C13_AFTER, &["closed"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let bell = Bell::new();
        assert!(bell.poll(&mut enter).is_pending());
        let ender = spawn(move || drop(turn));
        registry.close();
        assert!(bell.wakes() > 0, "C13: not woken");
        match bell.poll(&mut enter) {
            Poll::Ready(Err(EnterError::Closed)) => {}
            other => panic!("C13: {other:?} after close"),
        }
        ender.join().expect("ender");
        registry.check_invariants();
        "closed"
    });
}

/// Close against a caller that joins the queue of a held key: it is refused, then or later.
#[test]
fn close_against_join() {
    check(&bounds::C13_JOIN, &["closed"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let joiner = spawn_with(registry.clone(), |registry| {
            registry.enter(&Key(1)).wait().err()
        });
        let closer = spawn_with(registry.clone(), |registry| registry.close());
        closer.join().expect("closer");
        assert_eq!(
            joiner.join().expect("joiner"),
            Some(EnterError::Closed),
            "C13"
        );
        drop(turn);
        registry.check_invariants();
        "closed"
    });
}

/// Close against starts of absent keys in two shards: each is there before the sweep, or refused; also in a shard that was
/// empty.
#[test]
fn close_against_start() {
    let outcomes = ["0 started", "1 started", "2 started"];
    check(&bounds::C13_START, &outcomes, || {
        let registry = share(builder().shards(2).build());
        let tally = Tally::default();
        let start = |key: u64| {
            let (registry, tally) = (registry.clone(), tally.clone());
            spawn(move || match registry.try_enter(&Key(key)) {
                Ok(entry) => Some(entry.or_insert_with(|| tally.session())),
                Err(error) => {
                    assert_eq!(error, turnwise::TryEnterError::Closed);
                    None
                }
            })
        };
        let (a, b) = (start(1), start(2));
        registry.close();
        let before = registry.len();
        let turns = [a.join().expect("a"), b.join().expect("b")];
        let started = turns.iter().flatten().count();
        assert_eq!(started, before, "C13: a slot came after close");
        drop(turns);
        registry.check_invariants();
        format!("{started} started")
    });
}

/// Close against a vacancy that is granted out of the queue: its `Enter` has it before, or is refused and the slot goes.
#[test]
fn close_against_granted_start() {
    let outcomes = ["granted before", "closed"];
    check(&bounds::C13_GRANTED_START, &outcomes, || {
        let registry = share(builder().shards(2).build());
        let tally = Tally::default();
        let vacancy = registry.try_enter(&Key(1)).expect("free");
        let enter = registry.enter(&Key(1));
        let starter = spawn_with(tally.clone(), |tally| {
            drop(vacancy);
            match block_on(enter) {
                Ok(entry) => {
                    drop(entry.or_insert_with(|| tally.session()));
                    "granted before"
                }
                Err(error) => {
                    assert_eq!(error, EnterError::Closed);
                    "closed"
                }
            }
        });
        registry.close();
        let outcome = starter.join().expect("starter");
        registry.check_invariants();
        assert_eq!(
            registry.len(),
            tally.alive(),
            "C13: a slot without a session stays"
        );
        outcome
    });
}

/// A drain while a turn ends: its session comes out, and then the registry is drained.
#[test]
fn drain_against_turn_end() {
    check(&bounds::C13_DRAIN, &["drained"], || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let ender = spawn(move || drop(turn));
        let drainer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let mut drain = registry.drain();
            let closing = block_on(drain.next()).expect("C13: a session is left behind");
            drop(closing);
            assert!(block_on(drain.next()).is_none(), "C13: not drained");
            tally.none_alive("C13: drained too early");
        });
        ender.join().expect("ender");
        drainer.join().expect("drainer");
        registry.check_invariants();
        assert!(registry.is_empty());
        "drained"
    });
}

/// A drain waits for a superseded holder too.
#[test]
fn drain_against_superseded() {
    check(&bounds::C13_DRAIN_SUPERSEDED, &["drained"], || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let Some(Old::Held(departure)) = registry.remove(&Key(1)) else {
            panic!("C13: the turn is held");
        };
        drop(departure);
        let ender = spawn(move || drop(turn));
        let drainer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            assert!(registry.drain().next_blocking().is_none());
            tally.none_alive("C13: drained while a superseded holder is out");
        });
        ender.join().expect("ender");
        drainer.join().expect("drainer");
        registry.check_invariants();
        "drained"
    });
}

/// A removal while a drain waits for the holder: the drain finds him among the superseded.
#[test]
fn drain_against_remove() {
    let outcomes = ["given by the drain", "rested for the remover", "superseded"];
    check(&bounds::C13_DRAIN_REMOVE, &outcomes, || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let ender = spawn(move || drop(turn));
        let remover = spawn_with(registry.clone(), |registry| {
            match registry.remove(&Key(1)) {
                None => "given by the drain",
                Some(Old::Idle(_)) => "rested for the remover",
                Some(Old::Held(_)) => "superseded",
            }
        });
        let mut drain = registry.drain();
        if drain.next_blocking().is_some() {
            assert!(drain.next_blocking().is_none(), "C13: not drained");
        }
        ender.join().expect("ender");
        let outcome = remover.join().expect("remover");
        registry.check_invariants();
        assert!(registry.is_empty());
        tally.none_alive("C13: a session is left");
        outcome
    });
}

/// An `Enter` that came before the close holds its vacancy after it. One that came later is refused, also in a shard that was
/// empty when the close began.
#[test]
fn look_after_close() {
    let outcomes = ["came before, has the vacancy", "came after, refused"];
    check(&bounds::C13_LOOK_AFTER, &outcomes, || {
        let registry = share(builder().shards(2).build());
        let comer = spawn_with(registry.clone(), |registry| registry.enter(&Key(1)));
        registry.close();
        let mut enter = comer.join().expect("comer");
        let before = enter.ticket().is_some();
        assert_eq!(
            registry.len(),
            usize::from(before),
            "C13: a slot came after close"
        );
        let outcome = match (before, poll_once(&mut enter)) {
            (true, Poll::Ready(Ok(Entry::Vacant(_)))) => "came before, has the vacancy",
            (false, Poll::Ready(Err(EnterError::Closed))) => "came after, refused",
            (_, other) => panic!("C13: {other:?}"),
        };
        registry.check_invariants();
        assert!(registry.is_empty(), "C13: a slot stays behind");
        outcome
    });
}

/// A drain that was handed the vacancy of a removed key looks again, and finds its holder among the superseded.
#[test]
fn drain_looks_again() {
    check(&bounds::C13_LOOKS_AGAIN, &["drained"], || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let mut drain = registry.drain();
        {
            let mut next = std::pin::pin!(drain.next());
            assert!(poll_once(&mut next).is_pending(), "the turn is held");
        }
        // The line, with the drain in it, stands behind the removed slot's vacancy.
        let Some(Old::Held(_)) = registry.remove(&Key(1)) else {
            panic!("C13: the turn is held");
        };
        let ender = spawn(move || drop(turn));
        assert!(drain.next_blocking().is_none(), "C13: nothing rests");
        tally.none_alive("C13: drained while a superseded holder is out");
        ender.join().expect("ender");
        registry.check_invariants();
        "drained"
    });
}

/// A drain against a start that fails and one that succeeds: one session comes out, and no slot stays.
#[test]
fn drain_against_starts() {
    check(&bounds::C13_DRAIN_STARTS, &["drained"], || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let start = |key| registry.try_enter(&Key(key)).expect("free");
        let (fails, succeeds) = (start(1), start(2));
        let starter = spawn_with(tally.clone(), |tally| {
            drop(fails);
            drop(succeeds.or_insert_with(|| tally.session()));
        });
        let mut drain = registry.drain();
        drop(
            drain
                .next_blocking()
                .expect("C13: a session is left behind"),
        );
        assert!(drain.next_blocking().is_none(), "C13: not drained");
        assert_eq!(tally.made(), 1);
        tally.none_alive("C13: drained too early");
        starter.join().expect("starter");
        registry.check_invariants();
        assert!(registry.is_empty(), "C13: a slot stays behind");
        "drained"
    });
}

/// Close against a replacement: it comes before, or is refused and changes nothing.
#[test]
fn close_against_replace() {
    let outcomes = ["replaced before", "refused"];
    check(&bounds::C13_REPLACE, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let replacer = spawn_with(registry.clone(), |registry| registry.replace(&Key(1)));
        registry.close();
        let after = registry.replace(&Key(1)).err();
        assert_eq!(after, Some(EnterError::Closed), "C13: replaced after close");
        let outcome = match replacer.join().expect("replacer") {
            Ok(replaced) => {
                assert!(matches!(replaced.old, Some(Old::Idle(_))));
                "replaced before"
            }
            Err(error) => {
                assert_eq!(error, EnterError::Closed);
                assert_eq!(tally.alive(), 1, "C13: a refusal takes the session");
                "refused"
            }
        };
        registry.check_invariants();
        outcome
    });
}

/// A drain looks while a key is removed under its holder: it finds the holder in the map or among the superseded.
#[test]
fn drain_look_against_remove() {
    check(&bounds::C13_LOOK_REMOVE, &["drained"], || {
        let (registry, _tally, turn) = held(Tally::one_at_a_time());
        let mut drain = registry.drain();
        let remover = spawn_with(registry.clone(), |registry| {
            assert!(matches!(registry.remove(&Key(1)), Some(Old::Held(_))));
        });
        let mut drains = || poll_once(&mut std::pin::pin!(drain.next())).is_ready();
        assert!(!drains(), "C13: drained while a superseded holder is out");
        remover.join().expect("remover");
        assert!(!drains(), "C13: drained while a superseded holder is out");
        drop(turn);
        assert!(drain.next_blocking().is_none(), "C13: nothing rests");
        registry.check_invariants();
        "drained"
    });
}
