//! That the engine sees what it is there to see: canaries, without the library.

use crate::harness::{Outcomes, exhaust};
use engine::{Deadline, Parker, atomic};
use shuttle::thread;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn exhausted(recorded: usize, run: impl Fn() + Send + Sync + 'static) {
    if let Err(failure) = exhaust(recorded, run) {
        panic!("{}", failure.words);
    }
}

/// While one task unwinds through a scheduling point, another asks whether *it* unwinds.
#[test]
fn only_the_task_that_unwinds_is_panicking() {
    let outcomes = Outcomes::default();
    let seen = Arc::clone(&outcomes);
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            assert!(engine::panicking(), "its own task unwinds");
            thread::yield_now();
            assert!(engine::panicking(), "and still does, after others have run");
        }
    }
    exhausted(3, move || {
        let seen = Arc::clone(&seen);
        let innocent = thread::spawn(move || {
            thread::yield_now();
            let answer = (std::thread::panicking(), engine::panicking());
            seen.lock().expect("nothing panics here").insert(answer);
        });
        let caught = engine::unwind(|| {
            let _asks = Asks;
            engine::panic_now()
        });
        assert!(caught.is_err() && !engine::panicking());
        innocent.join().expect("a panic has failed the run already");
    });
    let outcomes = outcomes.lock().expect("nothing panics here").clone();
    assert_eq!(
        outcomes,
        BTreeSet::from([(false, false), (true, false)]),
        "std answers for the thread, the engine for the task"
    );
}

/// Anything but a scripted panic goes on.
#[test]
#[should_panic(expected = "a failing assertion")]
fn a_failing_assertion_is_not_caught() {
    shuttle::check_dfs(
        || drop(engine::unwind(|| panic!("a failing assertion"))),
        None,
    );
}

/// A wake-up before, between and after the looks of a waiter is never lost, and every schedule ends.
#[test]
fn a_wake_up_is_never_lost() {
    exhausted(9, || {
        let parker = Parker::current();
        let waker = parker.waker();
        let done = Arc::new(atomic::AtomicBool::new(false));
        let waking = {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                done.store(true, atomic::Ordering::SeqCst);
                waker.wake();
            })
        };
        while !done.load(atomic::Ordering::SeqCst) {
            parker.park(None);
        }
        waking.join().expect("a panic has failed the run already");
    });
}

/// A waiter that nobody wakes is reported.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_a_deadlock() {
    shuttle::check_dfs(|| Parker::current().park(None), None);
}

/// With a deadline, both come first in some schedule: the wake-up and the deadline.
#[test]
fn a_deadline_passes_at_any_moment() {
    let outcomes = Outcomes::default();
    let seen = Arc::clone(&outcomes);
    exhausted(32, move || {
        let parker = Parker::current();
        let waker = parker.waker();
        let done = Arc::new(atomic::AtomicBool::new(false));
        let waking = {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                done.store(true, atomic::Ordering::SeqCst);
                waker.wake();
            })
        };
        let deadline = Deadline::after(Duration::from_secs(1));
        let outcome = loop {
            if done.load(atomic::Ordering::SeqCst) {
                break "woken";
            }
            if deadline.passed() {
                break "passed";
            }
            parker.park(Some(&deadline));
        };
        seen.lock().expect("nothing panics here").insert(outcome);
        waking.join().expect("a panic has failed the run already");
    });
    let outcomes = outcomes.lock().expect("nothing panics here").clone();
    assert_eq!(outcomes, BTreeSet::from(["passed", "woken"]));
}
