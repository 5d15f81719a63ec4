//! C12 at the end of a registry: it is dropped against each thing that outlives it. Each session and each slot is dropped
//! exactly once, though slots refer to their shard and the shard to its slots, and nobody waits forever.
//!
//! `harness` asserts after each execution of every model that no session and no slot's key is left.

use crate::kit::*;
use std::any::Any;

/// `set` makes what outlives the registry, and `act` ends it, while another thread drops the registry.
fn against<T: 'static>(
    bound: &'static Bound,
    expected: &[&str],
    set: fn(&Registry, &Tally) -> T,
    act: fn(T, Tally) -> &'static str,
) {
    check(bound, expected, move || {
        let (registry, tally) = (registry(), Tally::default());
        let outlives = set(&registry, &tally);
        let actor = spawn_with(tally.clone(), move |tally| act(outlives, tally));
        let dropper = spawn(move || drop(registry));
        let outcome = actor.join().expect("actor");
        dropper.join().expect("dropper");
        assert_eq!(tally.alive(), 0, "C12: a session outlives the registry");
        outcome
    });
}

fn turn(registry: &Registry, tally: &Tally) -> Turn {
    rest(registry, &Key(1), tally);
    turn_of(registry, &Key(1))
}

/// A vacancy of key 1, and a session of key 2.
fn start(registry: &Registry, tally: &Tally) -> Vacancy {
    rest(registry, &Key(2), tally);
    let Ok(Entry::Vacant(vacancy)) = registry.try_enter(&Key(1)) else {
        panic!("the key is free");
    };
    vacancy
}

fn seen(registry: &Registry, tally: &Tally) -> Observed {
    rest(registry, &Key(1), tally);
    registry.observe(&Key(1)).expect("there")
}

/// An `Enter` that holds its session.
fn held_enter(registry: &Registry, tally: &Tally) -> Enter {
    rest(registry, &Key(1), tally);
    registry.enter(&Key(1))
}

/// An `Enter` that holds its vacancy.
fn held_start(registry: &Registry, _: &Tally) -> Enter {
    registry.enter(&Key(1))
}

fn before_or_after(before: bool) -> &'static str {
    if before {
        "before the end"
    } else {
        "superseded"
    }
}

models! {
    /// The end of a turn. The session is idle and goes with the registry, or its holder drops it.
    turn_end = against(&bounds::C12_END_TURN, &["gone"], turn, |turn, _| {
        drop(turn);
        "gone"
    });
    /// A release returns the session if the registry was gone before.
    release = against(
        &bounds::C12_END_RELEASE,
        &["released", "dropped with the registry"],
        turn,
        |turn, _| match Turn::release(turn) {
            Some(_) => "released",
            None => "dropped with the registry",
        },
    );
    /// A start that fails.
    start_end = against(&bounds::C12_END_START, &["gone"], start, |vacancy, _| {
        drop(vacancy);
        "gone"
    });
    /// A start that succeeds, and the end of its first turn.
    start_filled = against(
        &bounds::C12_END_FILL,
        &["before the end", "superseded"],
        start,
        |vacancy, tally| {
            let turn = vacancy.fill(tally.session());
            before_or_after(Turn::is_current(&turn))
        },
    );
    /// The end of a close draws the next incarnation's number only if the slot is still in the map.
    closed = against(
        &bounds::C12_END_CLOSED,
        &["number 2", "number 1, out of the map"],
        turn,
        |turn, _| {
            let vacancy = Turn::vacate(turn).closed();
            match vacancy.incarnation().get() {
                2 => "number 2",
                1 => "number 1, out of the map",
                other => panic!("C15: {other}"),
            }
        },
    );
    /// A replacement by what was observed: the new slot leaves the map with the registry, or is not made.
    observed_replace = against(
        &bounds::C12_END_REPLACE,
        &["replaced", "moved"],
        seen,
        |seen, tally| match seen.replace() {
            Ok(Replaced { old, vacancy }) => {
                assert!(matches!(old, Some(Old::Idle(_))), "C12: {old:?}");
                drop(vacancy.fill(tally.session()));
                "replaced"
            }
            Err(ReplaceError::Moved) => "moved",
            Err(other) => panic!("C12: {other}"),
        },
    );
    /// The same while a turn is held: its release is not forgotten.
    observed_replace_held = against(
        &bounds::C12_END_REPLACE_HELD,
        &["replaced", "moved"],
        |registry, tally| {
            let turn = turn(registry, tally);
            (turn, registry.observe(&Key(1)).expect("there"))
        },
        |(turn, seen), _| {
            let old = seen.replace().map(|replaced| replaced.old);
            drop(turn);
            match old {
                Ok(Some(Old::Held(released))) => {
                    released.wait();
                    "replaced"
                }
                Err(ReplaceError::Moved) => "moved",
                other => panic!("C12: {other:?}"),
            }
        },
    );
    observed_remove = against(
        &bounds::C12_END_REMOVE,
        &["removed", "moved"],
        seen,
        |seen, _| match seen.remove() {
            Ok(Some(Old::Idle(_))) => "removed",
            Err(_) => "moved",
            other => panic!("C12: {other:?}"),
        },
    );
    observed_claim = against(
        &bounds::C12_END_CLAIM,
        &["before the end", "superseded", "moved"],
        seen,
        |seen, _| {
            let claim = seen.claim();
            claim.map_or("moved", |turn| {
                turn.work();
                before_or_after(Turn::is_current(&turn))
            })
        },
    );
    /// An `Enter` that holds its session keeps it, and returns it after the end too.
    held_polled = against(
        &bounds::C12_END_HELD,
        &["before the end", "superseded"],
        held_enter,
        |mut enter, _| {
            let Poll::Ready(Ok(Entry::Occupied(turn))) = poll_once(&mut enter) else {
                panic!("C12: the held session is lost");
            };
            turn.work();
            before_or_after(Turn::is_current(&turn))
        },
    );
    held_dropped = against(&bounds::C12_END_HELD_DROPPED, &["gone"], held_enter, |enter, _| {
        drop(enter);
        "gone"
    });
    held_start_polled = against(
        &bounds::C12_END_HELD_START,
        &["before the end", "superseded"],
        held_start,
        |mut enter, tally| {
            let Poll::Ready(Ok(Entry::Vacant(vacancy))) = poll_once(&mut enter) else {
                panic!("C12: the held vacancy is lost");
            };
            let turn = vacancy.fill(tally.session());
            before_or_after(Turn::is_current(&turn))
        },
    );
    held_start_dropped = against(
        &bounds::C12_END_HELD_START_DROPPED,
        &["gone"],
        held_start,
        |enter, _| {
            drop(enter);
            "gone"
        },
    );
    /// An iterator that claims keeps the registry, and the turn that it returned does not.
    claims = against(
        &bounds::C12_END_CLAIMS,
        &["before the end", "superseded"],
        |registry, tally| {
            rest(registry, &Key(1), tally);
            registry.claim_idle(Duration::ZERO)
        },
        |mut claims, _| {
            let turn = claims.next().expect("C12: the iterator keeps the registry");
            drop(claims);
            before_or_after(Turn::is_current(&turn))
        },
    );
    /// A drain keeps the registry, and the closing that it returned does not.
    drained = against(
        &bounds::C12_END_DRAIN,
        &["before the end", "superseded"],
        |registry, tally| {
            rest(registry, &Key(1), tally);
            registry.drain()
        },
        |mut drain, _| {
            let closing = drain.next_blocking().expect("C12: the drain keeps the registry");
            drop(drain);
            before_or_after(closing.closed().is_current())
        },
    );
}

/// A queued `Enter` keeps the registry until it is granted, and may be the last that does.
#[test]
fn queued() {
    let outcomes = ["before the end", "superseded"];
    check(&bounds::C12_END_QUEUED, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let dropper = spawn(move || drop(registry));
        let entry = enter.wait().expect("C12: a queued call keeps the registry");
        let turn = entry.occupied().expect("C12: the session is lost");
        turn.work();
        let outcome = before_or_after(Turn::is_current(&turn));
        drop(turn);
        ender.join().expect("ender");
        dropper.join().expect("dropper");
        assert_eq!(tally.alive(), 0, "C12: a session outlives the registry");
        outcome
    });
}

/// One that is dropped, in the queue or granted, may be the last too.
#[test]
fn queued_dropped() {
    check(&bounds::C12_END_QUEUED_DROPPED, &["gone"], || {
        let (registry, tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let dropper = spawn(move || drop(registry));
        drop(enter);
        ender.join().expect("ender");
        dropper.join().expect("dropper");
        assert_eq!(tally.alive(), 0, "C12: a session outlives the registry");
        "gone"
    });
}

/// A superseded holder lets go while the registry is dropped: the caller that waits for it is woken.
fn released(bound: &'static Bound, set: fn(&Registry, &Tally) -> Box<dyn Any>) {
    check(bound, &["released"], move || {
        let (registry, tally) = (registry(), Tally::default());
        let holder = set(&registry, &tally);
        let Some(Old::Held(departure)) = registry.remove(&Key(1)) else {
            panic!("C12: the key is held");
        };
        let ender = spawn(move || drop(holder));
        let dropper = spawn(move || drop(registry));
        departure.wait();
        ender.join().expect("ender");
        dropper.join().expect("dropper");
        assert_eq!(tally.alive(), 0, "C12: a session outlives the registry");
        "released"
    });
}

models! {
    released_turn = released(&bounds::C12_END_RELEASED, |registry, tally| {
        Box::new(turn(registry, tally))
    });
    released_start = released(&bounds::C12_END_RELEASED_START, |registry, tally| {
        Box::new(start(registry, tally))
    });
    /// By an `Enter` that was not polled.
    released_held = released(&bounds::C12_END_RELEASED_HELD, |registry, tally| {
        Box::new(held_enter(registry, tally))
    });
}

/// The slot of a held vacancy is removed, and the registry dropped, while the `Enter` gives it up.
#[test]
fn removed_and_given_up() {
    let outcomes = ["it departed", "nobody was there"];
    check(&bounds::C12_END_GIVEN_UP, &outcomes, || {
        let registry = registry();
        let enter = registry.enter(&Key(1));
        let giver = spawn(move || drop(enter));
        let old = registry.remove(&Key(1));
        drop(registry);
        let outcome = match old {
            Some(Old::Held(departure)) => {
                departure.wait();
                "it departed"
            }
            Some(Old::Idle(_)) => panic!("C12: a session that was never started"),
            None => "nobody was there",
        };
        giver.join().expect("giver");
        outcome
    });
}
