//! Crates that lock by key, cache, or pool.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;
use std::thread;

use super::*;

/// lockable: a waiter dropped after its holder leaked a `None` entry, and the next lock with a limit panicked.
#[test]
fn a_waiter_dropped_after_its_holder_leaves_no_entry() {
    let sessions: Sessions = Registry::builder().max_sessions(1).build();
    let holder = sessions.try_enter(&"a").expect("free");
    let waiter = sessions.enter(&"a");
    drop(holder);
    drop(waiter);
    assert!(sessions.is_empty());
    assert!(sessions.try_enter(&"b").is_ok(), "its place counts no more");
}

/// keyed-lock: the same schedule leaked 49 MB over 500,000 keys. (`line_memory.rs` counts the bytes.)
#[test]
fn many_keys_that_came_and_went_leave_no_entry() {
    let sessions = Registry::<u32, ()>::new();
    for key in 0..if cfg!(miri) { 100 } else { 500_000 } {
        let holder = sessions.try_enter(&key);
        let waiter = sessions.enter(&key);
        drop(holder);
        drop(waiter);
    }
    assert_eq!((sessions.len(), sessions.snapshot().len()), (0, 0));
}

/// key-lock's cleaning broke mutual exclusion: 60 and 313 overlaps in two runs of eight seconds.
#[test]
fn cleaning_never_breaks_exclusion() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 5_000 };
    let (sessions, inside) = (Registry::<u8, ()>::new(), AtomicBool::new(false));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let turn = sessions.enter_blocking(&0).expect("open").or_insert(());
                    assert!(!inside.swap(true, Ordering::AcqRel), "two in one turn");
                    assert!(inside.swap(false, Ordering::AcqRel));
                    drop(turn);
                }
                done.fetch_add(1, Ordering::Release);
            });
        }
        while done.load(Ordering::Acquire) < 3 {
            sessions.cleanup_idle(Duration::ZERO, |_, (), _| {
                assert!(!inside.swap(true, Ordering::AcqRel), "closed in a turn");
                assert!(inside.swap(false, Ordering::AcqRel));
            });
            thread::yield_now();
        }
    });
    sessions.check_invariants();
}

/// dashmap: a `Ref` kept across an `.await` deadlocks with the next call on its shard.
#[test]
fn a_turn_is_kept_across_an_await() {
    let (sessions, _hand) = on_one_shard();
    let mut turn_kept = pin!(async {
        let turn = sessions.enter(&"a").await.expect("open").or_insert(1);
        std::future::pending::<()>().await;
        drop(turn);
    });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(turn_kept.as_mut().poll(&mut cx).is_pending());
    drop(Turn::vacate(started(&sessions, "b")));
    assert_eq!(sessions.snapshot().len(), 1);
    assert!(
        poll(&mut sessions.enter(&"a")).is_pending(),
        "it waits, and blocks no thread"
    );
}

/// moka: an evicted `Arc` lives on beside its successor, and listeners know no generation.
#[test]
fn an_evicted_session_is_gone_before_its_successor_starts() {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let start = || {
        assert_eq!(alive.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
        Alive(Arc::clone(&alive))
    };
    let (sessions, _hand) = on_one_shard();
    drop(
        sessions
            .enter_blocking(&"a")
            .expect("free")
            .or_insert_with(start),
    );
    let mut waits = None;
    let mut closed = None;
    sessions.cleanup_idle(Duration::ZERO, |_, session, number| {
        let place = waits.insert(sessions.enter(&"a"));
        assert!(
            poll(place).is_pending(),
            "the key is held until the close ends"
        );
        closed = Some(number);
        drop(session);
    });
    let next = vacancy(waits.expect("one was idle").wait());
    assert!(
        Some(next.incarnation()) > closed,
        "its number tells them apart"
    );
    drop(next.fill(start()));
}

/// tokio's mutex was not first in, first out when the coop budget was spent.
#[test]
fn the_order_of_calls_is_the_order_of_turns_whoever_polls_first() {
    let (sessions, _hand) = on_one_shard();
    let turn = started(&sessions, "a");
    let mut line: Vec<_> = (0..5).map(|_| sessions.enter(&"a")).collect();
    line.reverse();
    assert!(line.iter_mut().all(|place| poll(place).is_pending()));
    drop(turn);
    while let Some(first) = line.pop() {
        assert!(line.iter_mut().all(|place| poll(place).is_pending()));
        drop(first.wait().expect("the first is granted"));
    }
}

/// quick_cache does this well: a placeholder guard that is dropped hands the lead to the next waiter.
#[test]
fn a_start_that_is_given_up_goes_to_the_next_waiter() {
    let (sessions, _hand) = on_one_shard();
    let start = sessions.try_enter(&"a").expect("free");
    let (first, second) = (sessions.enter(&"a"), sessions.enter(&"a"));
    drop(start);
    drop(vacancy(first.wait()));
    drop(vacancy(second.wait()).fill(1));
    assert_eq!(phase(&sessions, "a"), Some(Phase::Idle));
}

/// bb8 lost wake-ups: a waiter was woken, went away, and the next slept on.
#[test]
fn a_waiter_that_was_woken_and_goes_away_wakes_the_next() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (sessions, _hand) = on_one_shard();
    let turn = started(&sessions, "a");
    let mut first = sessions.enter(&"a");
    let mut second = sessions.enter(&"a");
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    assert!(poll(&mut first).is_pending());
    assert!(
        Pin::new(&mut second)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(turn);
    assert!(!woken.0.load(Ordering::Relaxed), "the first is granted");
    drop(first);
    assert!(woken.0.load(Ordering::Relaxed));
    assert!(poll(&mut second).is_ready());
}
