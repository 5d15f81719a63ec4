//! C2: without `replace` and `remove`, at most one session of a key exists from the beginning of its start to the end of its
//! close, also when guards are dropped early, in a panic or by cancellation.
//!
//! `Tally::only_session` asserts at each start that no other session is alive, and that the start is ordered after the end of
//! the one before.

use crate::kit::*;
use std::future::pending;

/// Enters, starts a session if there is none, and tells which it is.
fn enter(registry: &Registry, tally: &Tally) -> usize {
    let entry = registry.enter_blocking(&Key(1)).expect("open");
    started(entry, tally)
}

/// The same, and whether it had to wait.
fn enter_and_tell(registry: &Registry, tally: &Tally) -> (usize, &'static str) {
    let mut enter = registry.enter(&Key(1));
    match poll_once(&mut enter) {
        Poll::Ready(entry) => (started(entry.expect("open"), tally), "did not wait"),
        Poll::Pending => (started(enter.wait().expect("open"), tally), "waited"),
    }
}

fn started(entry: Entry, tally: &Tally) -> usize {
    let turn = entry.or_insert_with(|| tally.only_session());
    turn.work();
    turn.number
}

fn session(number: usize) -> &'static str {
    match number {
        1 => "the first session",
        2 => "the second session",
        _ => panic!("C2: session {number} of two"),
    }
}

/// A cleanup against somebody who enters: he gets the session before its close, or starts the next one after it.
#[test]
fn cleanup_against_enter() {
    let outcomes = ["the first session", "the second session"];
    check(&bounds::C2_CLEANUP_ENTER, &outcomes, || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let cleanup = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
        });
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter(&registry, &tally)
        });
        cleanup.join().expect("cleanup");
        let number = enterer.join().expect("enter");
        registry.check_invariants();
        session(number)
    });
}

/// Two who enter while a third closes the session: one of them starts the next one, the other gets it.
#[test]
fn close_against_two() {
    check(&bounds::C2_CLOSE_TWO, &["2 2"], || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let closing = Turn::vacate(turn_of(&registry, &Key(1)));
        let thread = |registry: Registry, tally: Tally| spawn(move || enter(&registry, &tally));
        let a = thread(registry.clone(), tally.clone());
        let b = thread(registry.clone(), tally.clone());
        drop(closing);
        format!("{} {}", a.join().expect("a"), b.join().expect("b"))
    });
}

/// What the holder of a closing does with it; each ends with the session dropped before the key is free.
fn leave(turn: Turn, step: &str, tally: &Tally) {
    let closing = Turn::vacate(turn);
    match step {
        "closing dropped" => drop(closing),
        "closed, vacancy dropped" => drop(closing.closed()),
        "split, left early" => {
            // Locals drop in reverse: the session, then the vacancy.
            let (_vacancy, _session) = closing.split();
        }
        "closed, filled" => drop(closing.closed().fill(tally.only_session())),
        other => unreachable!("{other}"),
    }
}

fn early_exit(bound: &'static Bound, step: &'static str) {
    check(bound, &["waited", "did not wait"], move || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let holder = spawn_with(tally.clone(), |tally| leave(turn, step, &tally));
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter_and_tell(&registry, &tally)
        });
        holder.join().expect("holder");
        let (number, waited) = enterer.join().expect("enter");
        registry.check_invariants();
        assert_eq!(tally.alive(), 1, "C2: {step}");
        assert_eq!(
            number, 2,
            "C2: {step}: the session that was closed is handed on"
        );
        waited
    });
}

models! {
    /// The closing is dropped. A queued caller gets the vacancy. A later one finds the key free.
    closing_dropped = early_exit(&bounds::C2_CLOSING_DROPPED, "closing dropped");
    /// Closed, and the vacancy dropped: that burns a number.
    vacancy_dropped = early_exit(&bounds::C2_VACANCY_DROPPED, "closed, vacancy dropped");
    /// The holder splits and leaves early: its locals drop in the right order.
    split_and_left = early_exit(&bounds::C2_SPLIT_LEFT, "split, left early");
    /// The holder starts the next session itself. A queued caller gets that one.
    closed_and_filled = early_exit(&bounds::C2_CLOSED_FILLED, "closed, filled");
}

/// A session whose drop panics: the next one starts after that drop all the same.
#[test]
fn a_drop_that_panics() {
    let outcomes = ["waited", "did not wait"];
    check_unwinding(&bounds::C2_PANIC_IN_DROP, &outcomes, || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let entry = registry.try_enter(&Key(1)).expect("free");
        let turn = entry.or_insert(tally.session_whose_drop_panics());
        let holder = spawn(move || engine::unwind(|| drop(Turn::vacate(turn))).is_err());
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter_and_tell(&registry, &tally)
        });
        assert!(holder.join().expect("holder"), "the drop panics");
        let (number, waited) = enterer.join().expect("enter");
        assert_eq!(number, 2);
        registry.check_invariants();
        waited
    });
}

/// A panic during a turn ends its incarnation: the half-changed session is handed to nobody.
#[test]
fn a_turn_that_panics() {
    check_unwinding(&bounds::C2_PANIC_IN_TURN, &["the second session"], || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let holder = spawn(move || {
            engine::unwind(|| {
                turn.work();
                let _turn = turn;
                engine::panic_now();
            })
        });
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter(&registry, &tally)
        });
        let _panicked = holder.join().expect("holder");
        let number = enterer.join().expect("enter");
        registry.check_invariants();
        session(number)
    });
}

/// A closer that panics in the cleanup: the key is freed after the session is gone.
#[test]
fn a_closer_that_panics() {
    let outcomes = ["the first session", "the second session"];
    check_unwinding(&bounds::C2_PANIC_IN_CLOSER, &outcomes, || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let cleanup = spawn_with(registry.clone(), |registry| {
            engine::unwind(|| {
                registry.cleanup_idle(Duration::ZERO, |_, _session, _| engine::panic_now())
            })
            .is_err()
        });
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            enter(&registry, &tally)
        });
        let _claimed = cleanup.join().expect("cleanup");
        let number = enterer.join().expect("enter");
        registry.check_invariants();
        session(number)
    });
}

/// A start that is cancelled half-way: what it had made is gone before the next one starts.
#[test]
fn a_cancelled_start() {
    check(&bounds::C2_CANCELLED_START, &["the second session"], || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let entry = registry.try_enter(&Key(1)).expect("free");
        let start = {
            let tally = tally.clone();
            entry.or_start(async move |_: &_| {
                let _half = tally.only_session();
                pending::<Result<_, ()>>().await
            })
        };
        let mut start = Box::pin(start);
        assert!(matches!(poll_once(&mut start), Poll::Pending));
        let holder = spawn(move || drop(start));
        let enterer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            started(block_on(registry.enter(&Key(1))).expect("open"), &tally)
        });
        holder.join().expect("holder");
        let number = enterer.join().expect("enter");
        registry.check_invariants();
        session(number)
    });
}

/// A turn that begins while its thread unwinds already, in a drop: it was whole, so its session goes on.
#[test]
fn a_turn_while_the_thread_unwinds() {
    /// Enters in its drop.
    struct Enters(Registry);
    impl Drop for Enters {
        fn drop(&mut self) {
            let entry = self.0.enter_blocking(&Key(1)).expect("open");
            entry.occupied().expect("there").work();
        }
    }
    let outcomes = ["in this order: 01", "in this order: 10"];
    check_unwinding(&bounds::C2_UNWINDING, &outcomes, || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let unwinder = spawn_with(registry.clone(), |registry| {
            engine::unwind(|| {
                let _enters = Enters(registry);
                engine::panic_now();
            })
            .is_err()
        });
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry
            .occupied()
            .expect("C2: a turn that was whole ended its session");
        let uses = turn.work();
        drop(turn);
        assert!(unwinder.join().expect("unwinder"), "it panics");
        registry.check_invariants();
        assert_eq!(
            tally.dropped(),
            0,
            "C2: a turn that was whole ended its session"
        );
        format!("in this order: {}{}", 1 - uses, uses)
    });
}
