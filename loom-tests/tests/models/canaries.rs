//! Models about the checking itself: what it must see of `Arc`, posted words, panics, wake-ups and deadlines.
//!
//! A check that cannot fail shows nothing. Each canary asserts what must be seen and what must not; those that must fail
//! run in an executable of their own, because a deadlock ends the process.

use crate::{
    bounds,
    canaries_runs::{fails, refused},
    harness,
    tracked::Memory,
};
use engine::{Arc, Deadline, Parker, Posted, atomic};
use loom::thread::spawn;
use parking_lot::Mutex;
use std::{
    cell::Cell,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    // loom does not see it: it adds no steps. Model threads are coroutines of one thread, and need no more.
    rc::Rc as Unseen,
    task::Waker,
};

loom::thread_local!(static NAME: Cell<&'static str> = Cell::new("main"));

/// Notes the thread of its destructor, and writes there.
struct Where(Unseen<Cell<&'static str>>, Memory);

impl Drop for Where {
    fn drop(&mut self) {
        self.1.write();
        self.0.set(NAME.with(Cell::get));
    }
}

/// The thread of the last of two drops.
fn last_drop<R>(share: fn(Where) -> R) -> &'static str
where
    R: Clone + Deref<Target = Where> + 'static,
{
    let name = Unseen::new(Cell::new("nowhere"));
    let value = share(Where(Unseen::clone(&name), Memory::new()));
    let other = value.clone();
    let thread = spawn(move || {
        NAME.with(|name| name.set("other"));
        other.1.write();
        drop(other);
    });
    drop(value);
    thread.join().expect("it does not panic");
    name.get()
}

/// Which of two drops is the last is open, and the destructor runs after every use, in that thread. Of std's own `Arc` loom
/// sees one order.
#[test]
fn destructor_in_the_thread_of_the_last_drop() {
    let bound = &bounds::DESTRUCTOR_IN_THE_THREAD_OF_THE_LAST_DROP;
    let both = &["main", "other"];
    harness::check(bound, both, || last_drop(Arc::new));
    let words = refused(|| harness::check(bound, both, || last_drop(std::sync::Arc::new)));
    assert!(words.contains("expected, never seen: main"), "{words}");
}

/// As [`Posted`], but its writer reads it back through loom.
struct Loaded(atomic::AtomicU64);

/// Two words that a writer counts up, and what a reader without a lock sees of them.
fn counted<W: 'static>(
    new: fn(u64) -> W,
    count_up: fn(&W),
    load: fn(&W, atomic::Ordering) -> u64,
) -> String {
    let words = Unseen::new([new(0), new(0)]);
    let writer = spawn({
        let words = Unseen::clone(&words);
        move || words.iter().for_each(count_up)
    });
    let seen = [&words[0], &words[1]].map(|word| load(word, atomic::Ordering::Acquire));
    writer.join().expect("it does not panic");
    format!("{} {}", seen[0], seen[1])
}

/// A word that its writer reads back from the copy is seen before and after each write. Without the copy loom takes the
/// writer's load for the last access, and misses that its store races with the reader's load.
#[test]
fn the_copy_of_a_posted_word_shows_the_race() {
    let torn = &["0 0", "0 1", "1 0", "1 1"];
    let bound = &bounds::POSTED;
    harness::check(bound, torn, || {
        let count_up = |word: &Posted| word.store(word.read_back() + 1, atomic::Ordering::Release);
        counted(Posted::new, count_up, Posted::load)
    });
    let words = refused(|| {
        harness::check(bound, torn, || {
            let count_up = |word: &Loaded| {
                let before = word.0.load(atomic::Ordering::Relaxed);
                word.0.store(before + 1, atomic::Ordering::Release);
            };
            let new = |value| Loaded(atomic::AtomicU64::new(value));
            counted(new, count_up, |word, order| word.0.load(order))
        });
    });
    for seen in ["0 1", "1 0", "1 1"] {
        let missed = format!("expected, never seen: {seen}");
        assert!(words.contains(&missed), "{words}");
    }
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
