//! C1: at most one turn, vacancy or closing is held per slot, and what one turn wrote the next one reads.
//!
//! Each use of a session writes a memory cell that loom watches: two uses that are not ordered fail the model, whichever
//! value they see. So each of these models is about memory order too.

use crate::kit::*;

/// A thread that enters the session and uses it once.
fn use_it(registry: Registry) -> impl FnOnce() -> u64 {
    move || {
        let turn = registry.enter_blocking(&Key(1)).expect("open").occupied();
        turn.expect("C1: the session is there").work()
    }
}

/// Two threads enter a session at rest. Each uses it once; the second reads what the first wrote.
#[test]
fn enter_against_enter() {
    check(&bounds::C1_ENTER_ENTER, &["a first", "b first"], || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let a = spawn(use_it(registry.clone()));
        let b = spawn(use_it(registry.clone()));
        let uses = (a.join().expect("a"), b.join().expect("b"));
        registry.check_invariants();
        match uses {
            (0, 1) => "a first",
            (1, 0) => "b first",
            _ => panic!("C1: one use did not see the other: {uses:?}"),
        }
    });
}

/// A thread that blocks and a task that is polled stand in the same line.
#[test]
fn blocking_against_async() {
    let outcomes = ["thread first", "task first"];
    check(&bounds::C1_BLOCKING_ASYNC, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let thread = spawn_with(registry.clone(), |registry| {
            registry
                .enter(&Key(1))
                .wait()
                .expect("open")
                .occupied()
                .expect("C1: the session is there")
                .work()
        });
        let task = spawn_with(registry.clone(), |registry| {
            block_on(registry.enter(&Key(1)))
                .expect("open")
                .occupied()
                .expect("C1: the session is there")
                .work()
        });
        let uses = (thread.join().expect("thread"), task.join().expect("task"));
        match uses {
            (0, 1) => "thread first",
            (1, 0) => "task first",
            _ => panic!("C1: one use did not see the other: {uses:?}"),
        }
    });
}

/// The claim of a cleanup is a turn like any other: who enters meanwhile waits, or comes first.
#[test]
fn enter_against_claim() {
    let outcomes = ["claimed first", "entered first", "entered, and not claimed"];
    check(&bounds::C1_ENTER_CLAIM, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let claim = spawn_with(registry.clone(), |registry| {
            registry
                .claim_idle(Duration::ZERO)
                .next()
                .map(|turn| turn.work())
        });
        let enter = spawn_with(registry.clone(), |registry| {
            registry
                .enter_blocking(&Key(1))
                .expect("open")
                .occupied()
                .expect("C1: the session is there")
                .work()
        });
        let uses = (claim.join().expect("claim"), enter.join().expect("enter"));
        match uses {
            (Some(0), 1) => "claimed first",
            (Some(1), 0) => "entered first",
            (None, 0) => "entered, and not claimed",
            _ => panic!("C1: one use did not see the other: {uses:?}"),
        }
    });
}

/// A vacancy is exclusive too: of two who enter an absent key, one starts the session and the other gets it.
#[test]
fn start_against_start() {
    check(&bounds::C1_START_START, &["a starts", "b starts"], || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let start = |registry: Registry, tally: Tally| {
            move || {
                let entry = registry.enter_blocking(&Key(1)).expect("open");
                entry.or_insert_with(|| tally.only_session()).work()
            }
        };
        let a = spawn(start(registry.clone(), tally.clone()));
        let b = spawn(start(registry.clone(), tally.clone()));
        let uses = (a.join().expect("a"), b.join().expect("b"));
        assert_eq!(tally.made(), 1, "C1: both held the vacancy");
        match uses {
            (0, 1) => "a starts",
            (1, 0) => "b starts",
            _ => panic!("C1: one use did not see the other: {uses:?}"),
        }
    });
}

/// Three who enter; the session counts to three.
#[test]
fn three_enter() {
    let outcomes = ["012", "021", "102", "120", "201", "210"];
    check(&bounds::C1_THREE_ENTER, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let a = spawn(use_it(registry.clone()));
        let b = spawn(use_it(registry.clone()));
        let c = use_it(registry.clone())();
        format!("{}{}{c}", a.join().expect("a"), b.join().expect("b"))
    });
}
