//! Models about the checking itself: what it must see of `Arc`, panics, wake-ups and deadlines.
//!
//! A check that cannot fail shows nothing. Each canary asserts what must be seen and what must not; those that must fail
//! run in an executable of their own, because a deadlock ends the process.

use crate::{
    bounds,
    canaries_runs::{fails, refused},
    harness,
    tracked::{Memory, Tally},
};
use engine::{Arc, Deadline, Parker, atomic};
use loom::thread::spawn;
use parking_lot::Mutex;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// The last drop of an `Arc` against an upgrade of its `Weak`: with std's own types loom sees one execution order here.
#[test]
fn last_drop_against_upgrade() {
    let outcomes = ["upgraded", "gone"];
    harness::check(&bounds::LAST_DROP_AGAINST_UPGRADE, &outcomes, || {
        let tally = Tally::default();
        let strong = Arc::new(tally.session());
        let weak = Arc::downgrade(&strong);
        let dropper = spawn(move || drop(strong));
        let upgraded = weak.upgrade().map(|session| session.work());
        dropper.join().expect("it does not panic");
        assert_eq!(
            tally.alive(),
            0,
            "the session is dropped, by one of the two"
        );
        assert!(weak.upgrade().is_none());
        if upgraded.is_some() {
            "upgraded"
        } else {
            "gone"
        }
    });
}

/// Which of two drops is the last is open, and the destructor runs after every use, in that thread.
#[test]
fn destructor_in_the_thread_of_the_last_drop() {
    loom::thread_local!(static NAME: std::cell::Cell<&'static str> = std::cell::Cell::new("main"));
    struct Where(Arc<Mutex<&'static str>>, Memory);
    impl Drop for Where {
        fn drop(&mut self) {
            self.1.write();
            *self.0.lock() = NAME.with(std::cell::Cell::get);
        }
    }
    let bound = &bounds::DESTRUCTOR_IN_THE_THREAD_OF_THE_LAST_DROP;
    harness::check(bound, &["main", "other"], || {
        let name = Arc::new(Mutex::new("nowhere"));
        let value = Arc::new(Where(Arc::clone(&name), Memory::new()));
        let other = Arc::clone(&value);
        let thread = spawn(move || {
            NAME.with(|name| name.set("other"));
            other.1.write();
            drop(other);
        });
        drop(value);
        thread.join().expect("it does not panic");
        *name.lock()
    });
}

/// While one model thread unwinds, the others do not; a lock that an innocent one releases meanwhile stays whole; and a
/// panic that was caught is over.
#[test]
fn panicking_is_per_thread() {
    harness::check_unwinding(
        &bounds::PANICKING_IS_PER_THREAD,
        &["alone", "while the other unwound"],
        || one_unwinds(|unwinding| engine::unwind(unwinding).is_err()),
    );
}

/// Why models that unwind need a harness of their own: std takes the innocent thread for the one that unwinds.
#[test]
fn an_innocent_guard_poisons_its_lock() {
    fails(
        "canaries::an_innocent_guard_poisons_its_lock",
        &["FAILED canary canaries::an_innocent_guard", "PoisonError"],
        || {
            harness::check(
                &bounds::POISON,
                &["alone", "while the other unwound"],
                || one_unwinds(|unwinding| catch_unwind(AssertUnwindSafe(unwinding)).is_err()),
            );
        },
    );
}

/// One thread unwinds, and takes a lock meanwhile that the other may hold.
fn one_unwinds(caught: impl Fn(Box<dyn FnOnce()>) -> bool + 'static) -> &'static str {
    struct Unwinding(Arc<Mutex<u32>>, Arc<atomic::AtomicBool>);
    impl Drop for Unwinding {
        fn drop(&mut self) {
            assert!(engine::panicking());
            self.1.store(true, atomic::Ordering::Relaxed);
            *self.0.lock() += 1;
            self.1.store(false, atomic::Ordering::Relaxed);
        }
    }
    let lock = Arc::new(Mutex::new(0));
    let unwinds = Arc::new(atomic::AtomicBool::new(false));
    let guard = Unwinding(Arc::clone(&lock), Arc::clone(&unwinds));
    let thread = spawn(move || {
        assert!(!engine::panicking());
        assert!(caught(Box::new(move || {
            let _guard = guard;
            // As the core does with wakers: caught, looked at, thrown again.
            let first = engine::catch_unwind(|| engine::panic_now());
            assert!(!engine::panicking());
            engine::resume_unwind(first.expect_err("it panics"));
        })));
    });
    let mut value = lock.lock();
    assert!(!engine::panicking());
    let met = unwinds.load(atomic::Ordering::Relaxed);
    assert!(!engine::panicking());
    *value += 1;
    drop(value);
    thread.join().expect("its panic is caught");
    assert!(!engine::panicking());
    assert_eq!(*lock.lock(), 2);
    if met {
        "while the other unwound"
    } else {
        "alone"
    }
}

/// A failed assertion is nobody's to catch, and unwinding asks for the harness that is made for it.
#[test]
fn unwind_catches_scripted_panics_only() {
    fails(
        "canaries::unwind_catches_scripted_panics_only",
        &[
            "an assertion of the model",
            "FAILED canary canaries::unwind",
        ],
        || {
            harness::check_unwinding(&bounds::UNWIND_CATCHES, &["one"], || {
                let end = engine::unwind(|| panic!("an assertion of the model"));
                assert!(end.is_err());
                "one"
            });
        },
    );
    let outside = refused(|| {
        harness::check(&bounds::UNWIND_CATCHES, &["one"], || {
            assert!(engine::unwind(|| engine::panic_now()).is_err());
            "one"
        });
    });
    assert!(
        outside.contains("is run by `harness::check_unwinding`"),
        "{outside}"
    );
}

/// A wake-up comes before the wait, or after it: neither is lost, in the parker of the core and in that of the models.
#[test]
fn wake_ups_are_not_lost() {
    let outcomes = ["asleep or later", "at the first look"];
    harness::check(&bounds::WAKE_UPS, &outcomes, || {
        let mail = Arc::new(Mutex::new((false, None::<Waker>)));
        let poster = spawn({
            let mail = Arc::clone(&mail);
            move || {
                let mut mail = mail.lock();
                mail.0 = true;
                let waker = mail.1.take();
                drop(mail);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        });
        let parker = Parker::current();
        let mut looks = 0;
        loop {
            looks += 1;
            // Cloned before the lock, as the core must.
            let waker = parker.waker();
            let mut mail = mail.lock();
            let old = mail.1.replace(waker);
            let posted = mail.0;
            drop(mail);
            drop(old);
            if posted {
                break;
            }
            parker.park(None);
        }
        poster.join().expect("it does not panic");
        if looks == 1 {
            "at the first look"
        } else {
            "asleep or later"
        }
    });
}

/// A deadline may pass before anything else happens, and after everything has.
#[test]
fn deadlines_pass_at_any_moment() {
    harness::check(&bounds::DEADLINES, &["late", "in time"], || {
        let done = Arc::new(Mutex::new(false));
        let worker = spawn({
            let done = Arc::clone(&done);
            move || *done.lock() = true
        });
        let parker = Parker::current();
        let deadline = Deadline::after(std::time::Duration::from_secs(1));
        let in_time = loop {
            if *done.lock() {
                break true;
            }
            if deadline.passed() {
                break false;
            }
            parker.park(Some(&deadline));
        };
        worker.join().expect("it does not panic");
        if in_time { "in time" } else { "late" }
    });
}
