//! C11: a start that fails, panics or is cancelled hands the vacancy on or frees the key.

use crate::kit::*;
use std::future::pending;

/// Enters and starts; the number of the session tells how many starts were burned before.
fn enter(registry: &Registry, tally: &Tally) -> u64 {
    let entry = registry.enter_blocking(&Key(1)).expect("open");
    let turn = entry.or_insert_with(|| tally.only_session());
    Turn::incarnation(&turn).get()
}

/// Afterwards the key is free for anyone.
fn key_is_free(registry: &Registry, tally: &Tally) {
    registry.check_invariants();
    let entry = registry.try_enter(&Key(1)).expect("C11: the key is stuck");
    drop(Turn::vacate(entry.or_insert_with(|| tally.session())));
    assert!(registry.is_empty(), "C11: a slot stays behind");
    assert_eq!(tally.alive(), 0);
}

/// A start that fails while two wait: the first of them starts the session, the second gets it.
fn failed_start(bound: &'static Bound, fail: fn(&Registry), unwinds: bool) {
    let model = move || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let starter = spawn_with(registry.clone(), move |registry| fail(&registry));
        let waiter = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter(&registry, &tally)
        });
        starter.join().expect("starter");
        let number = waiter.join().expect("waiter");
        key_is_free(&registry, &tally);
        match number {
            1 => "the waiter was first",
            2 => "the failed start was first",
            other => panic!("C11: number {other}"),
        }
    };
    let outcomes = ["the waiter was first", "the failed start was first"];
    if unwinds {
        check_unwinding(bound, &outcomes, model);
    } else {
        check(bound, &outcomes, model);
    }
}

/// The start returns an error.
#[test]
fn a_start_that_fails() {
    let fail = |registry: &Registry| {
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let _ = entry.or_try_insert_with(|_| Err(()));
    };
    failed_start(&bounds::C11_FAILS, fail, false);
}

/// The start panics.
#[test]
fn a_start_that_panics() {
    let fail = |registry: &Registry| {
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        // Without a vacancy there is nothing to start, and no panic.
        let _ = engine::unwind(|| drop(entry.or_insert_with(|| engine::panic_now())));
    };
    failed_start(&bounds::C11_PANICS, fail, true);
}

/// The future of the start is dropped half-way.
#[test]
fn a_start_that_is_cancelled() {
    let fail = |registry: &Registry| {
        let entry = block_on(registry.enter(&Key(1))).expect("open");
        let mut start = Box::pin(entry.or_start(async |_: &_| pending::<Result<_, ()>>().await));
        let _ = poll_once(&mut start);
    };
    failed_start(&bounds::C11_CANCELLED, fail, false);
}

/// A vacancy dropped while two are in line: the first gets it as a new incarnation, the second the session.
#[test]
fn a_vacancy_dropped_with_two_in_line() {
    check(&bounds::C11_TWO_WAIT, &["2 2"], || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let vacancy = registry.try_enter(&Key(1)).expect("free");
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let dropper = spawn(move || drop(vacancy));
        let second = spawn_with(tally.clone(), |tally| {
            let turn = b
                .wait()
                .expect("open")
                .or_insert_with(|| tally.only_session());
            Turn::incarnation(&turn).get()
        });
        let turn = block_on(a)
            .expect("open")
            .or_insert_with(|| tally.only_session());
        let first = Turn::incarnation(&turn).get();
        drop(turn);
        dropper.join().expect("dropper");
        let second = second.join().expect("second");
        key_is_free(&registry, &tally);
        format!("{first} {second}")
    });
}

/// A start fails while a replacement comes and somebody waits: nobody is left behind.
#[test]
fn a_start_that_fails_against_replace() {
    let outcomes = [
        "the waiter starts 2",
        "the waiter starts 3",
        "the waiter starts 4",
    ];
    check(&bounds::C11_REPLACE, &outcomes, || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let vacancy = registry.try_enter(&Key(1)).expect("free");
        let mut waiting = registry.enter(&Key(1));
        let dropper = spawn(move || drop(vacancy));
        let replacer = spawn_with(registry.clone(), |registry| {
            drop(registry.replace(&Key(1)).expect("open"));
        });
        let number = match poll_once(&mut waiting) {
            Poll::Ready(entry) => enter_number(entry.expect("open"), &tally),
            Poll::Pending => enter_number(block_on(waiting).expect("open"), &tally),
        };
        dropper.join().expect("dropper");
        replacer.join().expect("replacer");
        assert!(tally.made() == 1);
        registry.check_invariants();
        format!("the waiter starts {number}")
    });
}

fn enter_number(entry: crate::kit::Entry, tally: &Tally) -> u64 {
    let turn = entry.or_insert_with(|| tally.session());
    Turn::incarnation(&turn).get()
}
