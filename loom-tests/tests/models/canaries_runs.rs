//! Models about the checking itself: locks, memory order, and runs that must be refused or must fail.
//!
//! A check that cannot fail shows nothing. Each canary asserts what must be seen and what must not; those that must fail
//! run in an executable of their own, because a deadlock ends the process.

use crate::{
    bell::{Bell, block_on},
    bounds, harness,
    tracked::Tally,
};
use engine::{Arc, Parker, atomic};
use loom::thread::spawn;
use parking_lot::{Mutex, RwLock, assert_no_slot_lock, assert_unlocked};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    // loom does not see it: it adds no steps. Model threads are coroutines of one thread, and need no more.
    rc::Rc as Unseen,
    task::Poll,
};

/// The one order of locks passes; each other is refused at the second lock, before it waits.
#[test]
fn lock_order() {
    harness::check(&bounds::LOCK_ORDER, &["passes"], || {
        let map = RwLock::new(0);
        let slot = Mutex::new(0);
        assert_unlocked("nothing is held yet");
        {
            let mut entries = map.write();
            *entries += 1;
            assert_no_slot_lock("a map lock is allowed");
            *slot.lock() += *entries;
        }
        assert_unlocked("both are released");
        let held = map.read();
        assert_eq!((*held, *slot.lock()), (1, 1));
        "passes"
    });
    let order = [
        refused_in(|| {
            let (a, b) = (Mutex::new(()), Mutex::new(()));
            let _a = a.lock();
            let _b = b.lock();
        }),
        refused_in(|| {
            let (a, b) = (RwLock::new(()), RwLock::new(()));
            let _a = a.read();
            let _b = b.write();
        }),
        refused_in(|| {
            let a = RwLock::new(());
            let _a = a.read();
            let _again = a.read();
        }),
        refused_in(|| {
            let (slot, map) = (Mutex::new(()), RwLock::new(()));
            let _slot = slot.lock();
            let _map = map.read();
        }),
    ];
    for words in order {
        assert!(words.starts_with("C10 lock order: "), "{words}");
    }
    let user_code = [
        refused_in(|| {
            let slot = Mutex::new(Tally::default().session());
            // The old session is dropped while the lock is held.
            *slot.lock() = Tally::default().session();
        }),
        refused_in(|| {
            let bell = Bell::new();
            let waker = bell.waker();
            let map = RwLock::new(());
            let _map = map.write();
            assert!(waker.will_wake(&waker.clone()));
        }),
        refused_in(|| {
            let waker = Parker::current().waker();
            let slot = Mutex::new(());
            let _slot = slot.lock();
            waker.wake_by_ref();
        }),
        refused_in(|| {
            let slot = Mutex::new(());
            let _slot = slot.lock();
            assert_no_slot_lock("a comparison");
        }),
    ];
    for words in user_code {
        assert!(words.starts_with("C9 user code under a lock: "), "{words}");
    }
}

/// What one model thread holds does not count for another, though std's thread is the same.
#[test]
fn locks_are_counted_per_thread() {
    let outcomes = ["between", "before or after"];
    harness::check(&bounds::LOCKS_ARE_COUNTED_PER_THREAD, &outcomes, || {
        let held = Arc::new(atomic::AtomicBool::new(false));
        let slot = Mutex::new(());
        let thread = spawn({
            let held = Arc::clone(&held);
            move || {
                let between = held.load(atomic::Ordering::Relaxed);
                assert_unlocked("this thread holds nothing");
                let map = RwLock::new(());
                drop(map.write());
                between
            }
        });
        let guard = slot.lock();
        held.store(true, atomic::Ordering::Relaxed);
        held.store(false, atomic::Ordering::Relaxed);
        drop(guard);
        if thread.join().expect("it does not panic") {
            "between"
        } else {
            "before or after"
        }
    });
}

/// Two uses of a session without a lock between them are found; with a lock they are not a fault.
#[test]
fn unordered_uses_are_found() {
    fn two_uses(lock: bool) -> &'static str {
        let session = Unseen::new(Tally::default().session());
        let slot = Unseen::new(Mutex::new(()));
        let other = spawn({
            let (session, slot) = (Unseen::clone(&session), Unseen::clone(&slot));
            move || {
                let _guard = lock.then(|| slot.lock());
                session.work()
            }
        });
        let before = {
            let _guard = lock.then(|| slot.lock());
            session.work()
        };
        other.join().expect("it does not panic");
        if before == 0 { "first" } else { "second" }
    }
    let expected = &["first", "second"];
    harness::check(&bounds::ORDERED_USES, expected, || two_uses(true));
    let words = refused(|| harness::check(&bounds::ORDERED_USES, expected, || two_uses(false)));
    assert!(words.contains("Causality violation"), "{words}");
}

/// Relaxed is weaker than release: a value that is published without order is found by the cell behind it.
#[test]
fn memory_order_is_explored() {
    fn publish(order: atomic::Ordering) -> &'static str {
        let session = Unseen::new(Tally::default().session());
        let ready = Unseen::new(atomic::AtomicBool::new(false));
        let other = spawn({
            let (session, ready) = (Unseen::clone(&session), Unseen::clone(&ready));
            move || {
                session.work();
                ready.store(true, order);
            }
        });
        let seen = ready.load(atomic::Ordering::Acquire);
        if seen {
            session.work();
        }
        other.join().expect("it does not panic");
        if seen { "published" } else { "too soon" }
    }
    let expected = &["published", "too soon"];
    harness::check(&bounds::MEMORY_ORDER, expected, || {
        publish(atomic::Ordering::Release)
    });
    let words = refused(|| {
        harness::check(&bounds::MEMORY_ORDER, expected, || {
            publish(atomic::Ordering::Relaxed)
        });
    });
    assert!(words.contains("Causality violation"), "{words}");
}

/// Fewer executions than recorded, an outcome too many, an outcome too few: all three are refused.
#[test]
fn a_thinner_run_is_refused() {
    fn race() -> &'static str {
        let flag = Arc::new(atomic::AtomicBool::new(false));
        let setter = spawn({
            let flag = Arc::clone(&flag);
            move || flag.store(true, atomic::Ordering::Relaxed)
        });
        let seen = flag.load(atomic::Ordering::Relaxed);
        setter.join().expect("it does not panic");
        if seen { "seen" } else { "unseen" }
    }
    let both: &[&str] = &["seen", "unseen"];
    harness::check(&bounds::RACE, both, race);
    let thin = refused(|| harness::check(&bounds::RACE_THAT_WAS_LARGER, both, race));
    assert!(
        thin.contains("less was explored than the bound says"),
        "{thin}"
    );
    let missing = refused(|| harness::check(&bounds::RACE, &["seen", "unseen", "torn"], race));
    assert!(missing.contains("expected, never seen: torn"), "{missing}");
    let extra = refused(|| harness::check(&bounds::RACE, &["unseen", "torn"], race));
    assert!(extra.contains("not expected, seen"), "{extra}");
    let single = refused(|| harness::check(&bounds::RACE, &["seen"], race));
    assert!(single.contains("tells no race"), "{single}");
    for words in [thin, missing, extra, single] {
        assert!(
            words.starts_with("canary canaries_runs::a_thinner_run"),
            "{words}"
        );
    }
}

/// A preemption bound is part of what was explored: with none allowed the race above has one outcome, and is refused.
#[test]
fn a_bound_can_hide_an_outcome() {
    let words = refused(|| {
        harness::check(&bounds::NO_PREEMPTION, &["between", "apart"], || {
            let flag = Arc::new(atomic::AtomicUsize::new(0));
            let other = spawn({
                let flag = Arc::clone(&flag);
                move || {
                    flag.fetch_add(1, atomic::Ordering::Relaxed);
                    flag.fetch_add(1, atomic::Ordering::Relaxed);
                }
            });
            let seen = flag.fetch_add(10, atomic::Ordering::Relaxed);
            other.join().expect("it does not panic");
            if seen == 1 { "between" } else { "apart" }
        });
    });
    assert!(words.contains("expected, never seen: between"), "{words}");
}

/// Nothing wakes the waiter. The process ends, and prints why.
#[test]
fn a_deadlock_is_found() {
    fails(
        "canaries_runs::a_deadlock_is_found",
        &["deadlock; threads ="],
        || {
            harness::check(&bounds::DEADLOCK, &["one"], || {
                block_on(poll_fn(|_| Poll::<()>::Pending));
                "one"
            });
        },
    );
}

/// Two locks in two orders. The order is refused as such, so the deadlock is of loom's own locks.
#[test]
fn a_deadlock_of_two_locks_is_found() {
    fails(
        "canaries_runs::a_deadlock_of_two_locks_is_found",
        &["deadlock; threads ="],
        || {
            harness::check(&bounds::DEADLOCK_OF_TWO, &["one"], || {
                let locks = Unseen::new([(); 2].map(loom::sync::Mutex::new));
                let other = spawn({
                    let locks = Unseen::clone(&locks);
                    move || {
                        let _second = locks[1].lock();
                        let _first = locks[0].lock();
                    }
                });
                {
                    let _first = locks[0].lock();
                    let _second = locks[1].lock();
                }
                other.join().expect("it does not panic");
                "one"
            });
        },
    );
}

/// An execution that does not end is cut, also where loom does not look.
#[test]
fn an_endless_execution_is_found() {
    fn endless() -> &'static str {
        let slot = Mutex::new(());
        loop {
            drop(slot.lock());
        }
    }
    fails(
        "canaries_runs::an_endless_execution_is_found",
        &["does it end?"],
        || {
            harness::check_unwinding(&bounds::ENDLESS, &["one"], endless);
        },
    );
    let words = refused(|| harness::check(&bounds::ENDLESS, &["one"], endless));
    assert!(
        words.contains("exceeded maximum number of branches"),
        "{words}"
    );
}

/// What outlives a model is dropped without an execution: nothing of loom is touched then.
#[test]
fn leftovers_drop_outside() {
    let left = std::sync::Arc::new(std::sync::Mutex::new(None));
    harness::check(&bounds::LEFTOVERS, &["left"], {
        let left = std::sync::Arc::clone(&left);
        move || {
            let tally = Tally::default();
            let shared = Arc::new((Mutex::new(tally.session()), RwLock::new(())));
            let waker = Parker::current().waker();
            let both = (Arc::clone(&shared), shared);
            *left.lock().expect("nobody panics with it") = Some((tally, both, waker));
            "left"
        }
    });
    let (tally, (first, last), waker) = left
        .lock()
        .expect("nobody panics with it")
        .take()
        .expect("the model has run");
    assert!(!engine::panicking());
    assert_unlocked("there is nobody who could hold one");
    drop(first);
    assert_eq!(tally.alive(), 1);
    drop(last);
    assert_eq!(tally.alive(), 0);
    drop(waker);
}

/// The words of the panic with which `check` refuses.
pub(crate) fn refused(check: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(check)).expect_err("it must be refused");
    payload
        .downcast::<String>()
        .map(|words| *words)
        .or_else(|payload| {
            payload
                .downcast::<&'static str>()
                .map(|words| (*words).to_owned())
        })
        .expect("a panic has words")
}

/// As [`refused`], for a model of one thread.
fn refused_in(model: impl Fn() + Send + Sync + 'static) -> String {
    refused(|| {
        harness::check(&bounds::REFUSED, &["allowed"], move || {
            model();
            "allowed"
        });
    })
}

/// `body` must end its process badly, with these words. The process is this executable, run for this one test.
pub(crate) fn fails(test: &str, words: &[&str], body: impl FnOnce()) {
    const CHILD: &str = "TURNWISE_CANARY";
    if std::env::var(CHILD).is_ok_and(|of| of == test) {
        return body();
    }
    let executable = std::env::current_exe().expect("a test knows its executable");
    let output = Command::new(executable)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .expect("this executable can be run again");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("running 1 test"),
        "no test is named {test}: {said}"
    );
    assert!(!output.status.success(), "{test} must fail:\n{said}");
    for word in words {
        assert!(
            said.contains(word),
            "{test} failed without the words {word:?}:\n{said}"
        );
    }
}
