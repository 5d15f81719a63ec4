//! C5, C6 and C13 of an `Enter` that holds its key, unpolled: against a replacement, a removal, and a drain.
//!
//! Before, its call took the turn of the idle session, or the vacancy of the absent key. The slot is `Busy` or `Starting`,
//! held by the `Enter`. Its poll changes nothing in the slot, and its drop ends the turn or the vacancy.

use crate::{c06_identity::survives, kit::*};

/// A registry with an `Enter` that holds key 1: its session, or its vacancy.
fn held_enter(vacancy: bool, tally: Tally) -> (Registry, Tally, Enter) {
    let registry = registry();
    if !vacancy {
        rest(&registry, &Key(1), &tally);
    }
    let enter = registry.enter(&Key(1));
    (registry, tally, enter)
}

/// What becomes of the `Enter`.
#[derive(Clone, Copy)]
enum End {
    /// Its turn is used, or its vacancy filled.
    Polled,
    Dropped,
}

impl End {
    fn end(self, mut enter: Enter, tally: &Tally) {
        if let Self::Dropped = self {
            return drop(enter);
        }
        let Poll::Ready(Ok(entry)) = poll_once(&mut enter) else {
            panic!("C5: what was held is lost");
        };
        entry.or_insert_with(|| tally.session()).work();
    }
}

/// Waits for what was there to let go. Returns its state.
fn wait_for(old: Option<Old<Key, Session, Handle>>) -> &'static str {
    match old {
        None => "absent",
        Some(Old::Idle(_)) => "idle",
        Some(Old::Held(released)) => {
            released.wait();
            "held"
        }
    }
}

/// A replacement finds the slot held by the `Enter`, or later. Its own session survives, and the old one is dropped once.
fn against_replace(bound: &'static Bound, vacancy: bool, end: End, expected: &[&str]) {
    check(bound, expected, move || {
        let (registry, tally, enter) = held_enter(vacancy, Tally::default());
        let ender = spawn_with(tally.clone(), move |tally| end.end(enter, &tally));
        let replacer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let Replaced { old, vacancy } = registry.replace(&Key(1)).expect("open");
            let found = wait_for(old);
            (vacancy.fill(tally.session()), found)
        });
        ender.join().expect("ender");
        let (turn, found) = replacer.join().expect("replacer");
        survives(&registry, turn, None);
        assert_eq!(tally.alive(), 1, "C6: an old session is left");
        found
    });
}

/// A removal, likewise. When the old holder has let go, its session is gone.
fn against_remove(bound: &'static Bound, vacancy: bool, end: End, expected: &[&str]) {
    check(bound, expected, move || {
        let (registry, tally, enter) = held_enter(vacancy, Tally::one_at_a_time());
        let ender = spawn_with(tally.clone(), move |tally| end.end(enter, &tally));
        let remover = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let found = wait_for(registry.remove(&Key(1)));
            tally.none_alive("C6: the old holder has not let go");
            found
        });
        ender.join().expect("ender");
        let found = remover.join().expect("remover");
        registry.check_invariants();
        assert!(registry.is_empty(), "C6: it was removed");
        found
    });
}

/// A drain names the slot while the `Enter` holds it, and ends only after the `Enter` and its session.
fn against_drain(bound: &'static Bound, vacancy: bool, end: End, expected: &[&str]) {
    check(bound, expected, move || {
        let (registry, tally, enter) = held_enter(vacancy, Tally::one_at_a_time());
        let ender = spawn_with(tally.clone(), move |tally| end.end(enter, &tally));
        let drainer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let mut drain = registry.drain();
            let left = match &drain.left()[..] {
                [] => "absent",
                [seen] => match seen.status().phase {
                    Phase::Starting => "starting",
                    Phase::Busy => "busy",
                    Phase::Idle => "idle",
                    other => panic!("C13: {other:?}"),
                },
                _ => panic!("C13: two slots of one key"),
            };
            let drained = std::iter::from_fn(|| drain.next_blocking()).count();
            assert_eq!(drained, tally.made(), "C13: a session is left behind");
            tally.none_alive("C13: drained too early");
            assert!(registry.is_empty(), "C13: drained too early");
            left
        });
        ender.join().expect("ender");
        let left = drainer.join().expect("drainer");
        registry.check_invariants();
        left
    });
}

models! {
    polled_against_replace =
        against_replace(&bounds::C6_HELD_REPLACE, false, End::Polled, &["held", "idle"]);
    dropped_against_replace =
        against_replace(&bounds::C5_HELD_REPLACE, false, End::Dropped, &["held", "idle"]);
    start_polled_against_replace =
        against_replace(&bounds::C6_HELD_START_REPLACE, true, End::Polled, &["held", "idle"]);
    start_dropped_against_replace =
        against_replace(&bounds::C5_HELD_START_REPLACE, true, End::Dropped, &["held", "absent"]);
    polled_against_remove =
        against_remove(&bounds::C6_HELD_REMOVE, false, End::Polled, &["held", "idle"]);
    dropped_against_remove =
        against_remove(&bounds::C5_HELD_REMOVE, false, End::Dropped, &["held", "idle"]);
    start_polled_against_remove =
        against_remove(&bounds::C6_HELD_START_REMOVE, true, End::Polled, &["held", "idle"]);
    start_dropped_against_remove =
        against_remove(&bounds::C5_HELD_START_REMOVE, true, End::Dropped, &["held", "absent"]);
    polled_against_drain =
        against_drain(&bounds::C13_HELD, false, End::Polled, &["busy", "idle"]);
    dropped_against_drain =
        against_drain(&bounds::C13_HELD_DROPPED, false, End::Dropped, &["busy", "idle"]);
    start_polled_against_drain =
        against_drain(&bounds::C13_HELD_START, true, End::Polled, &["starting", "busy", "idle"]);
    start_dropped_against_drain =
        against_drain(&bounds::C13_HELD_START_DROPPED, true, End::Dropped, &["starting", "absent"]);
}

/// It is dropped while another enters and a third replaces the slot: the newcomer has the old session, or starts one.
#[test]
fn dropped_against_a_newcomer_and_replace() {
    let outcomes = ["session 1 of 1", "session 2 of 3"];
    check(&bounds::C5_HELD_THREE, &outcomes, || {
        let (registry, tally, enter) = held_enter(false, Tally::default());
        let dropper = spawn(move || drop(enter));
        let replacer = spawn_with(registry.clone(), |registry| {
            drop(registry.replace(&Key(1)).expect("open"));
        });
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.session());
        turn.work();
        let outcome = format!("session {} of {}", turn.number, Turn::incarnation(&turn));
        drop(turn);
        dropper.join().expect("dropper");
        replacer.join().expect("replacer");
        registry.check_invariants();
        outcome
    });
}
