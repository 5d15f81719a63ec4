//! What goes wrong from outside: refusals, unknown keys, deadlines. Each leaves the registry usable and its counts right.
//! For user code that panics see `panics`.
//!
//! Claims: C5, C12, C13.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

use std::future::Future;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use turnwise::*;

/// Long enough for any machine: only a failure waits for it.
const GENEROUS: Duration = Duration::from_secs(60);

fn poll<K, V, H>(
    enter: &mut Enter<K, V, H>,
    waker: &Waker,
) -> Poll<Result<Entry<K, V, H>, EnterError>> {
    Pin::new(enter).poll(&mut Context::from_waker(waker))
}

fn refused<K, V, H>(mut enter: Enter<K, V, H>) -> EnterError {
    assert!(enter.ticket().is_none(), "a refused entry draws no ticket");
    match poll(&mut enter, Waker::noop()) {
        Poll::Ready(Err(error)) => error,
        _ => panic!("the entry was not refused"),
    }
}

/// The registry still works: a free key is entered, used, and left as it was; the invariants hold.
fn assert_usable(sessions: &Registry<&str, u32>) {
    sessions.check_invariants();
    let before = sessions.len();
    let mut turn = sessions
        .enter_blocking(&"probe")
        .expect("a free key is entered")
        .or_insert(0);
    *turn += 1;
    assert_eq!(sessions.len(), before + 1);
    drop(Turn::vacate(turn));
    assert_eq!((sessions.len(), sessions.status(&"probe")), (before, None));
    sessions.check_invariants();
}

fn resting(key: &'static str) -> Registry<&'static str, u32> {
    let sessions = Registry::new();
    drop(
        sessions
            .enter_blocking(&key)
            .expect("the key is free")
            .or_insert(1),
    );
    sessions
}

// Refusals.

#[test]
fn a_full_line_refuses_and_takes_the_next_when_one_leaves() {
    let sessions = Registry::<&str, u32>::builder().max_waiting(1).build();
    let turn = sessions.enter_blocking(&"a").expect("free").or_insert(1);
    let waits = sessions.enter(&"a");
    assert_eq!(refused(sessions.enter(&"a")), EnterError::QueueFull);
    let existing = sessions.enter_existing(&"a").expect("the key is there");
    assert_eq!(refused(existing), EnterError::QueueFull);
    assert_eq!(
        sessions.enter_blocking(&"a").err(),
        Some(EnterError::QueueFull)
    );
    assert_eq!(Turn::waiting(&turn), 1);

    drop(waits);
    let waits = sessions.enter(&"a");
    assert!(waits.ticket().is_some(), "there is room again");
    drop(turn);
    assert_eq!(*waits.wait().expect("the turn ended").or_insert(0), 1);
    assert_usable(&sessions);
}

/// A stop and a restart must come through; but who stands there takes room from those who come later.
#[test]
fn a_full_line_does_not_refuse_who_enters_first() {
    let sessions = Registry::<&str, u32>::builder().max_waiting(1).build();
    let turn = sessions.enter_blocking(&"a").expect("free").or_insert(1);
    let waits = sessions.enter(&"a");
    let [first, second] = [(); 2].map(|()| sessions.enter_first(&"a"));
    assert!(first.ticket().is_some() && second.ticket().is_some());
    assert_eq!((first.ahead(), second.ahead(), waits.ahead()), (0, 1, 2));
    assert_eq!(Turn::waiting(&turn), 3);

    drop((waits, first));
    assert_eq!(refused(sessions.enter(&"a")), EnterError::QueueFull);
    drop(turn);
    assert_eq!(*second.wait().expect("the turn ended").or_insert(0), 1);
    assert_usable(&sessions);

    let none = Registry::<&str, u32>::builder().max_waiting(0).build();
    let turn = none.enter_blocking(&"a").expect("free").or_insert(1);
    assert_eq!(refused(none.enter(&"a")), EnterError::QueueFull);
    let first = none.enter_first(&"a");
    drop(turn);
    assert_eq!(*first.wait().expect("the turn ended").or_insert(0), 1);
}

#[test]
fn a_full_registry_refuses_new_keys_and_serves_the_old() {
    let sessions = Registry::<&str, u32>::builder().max_sessions(1).build();
    drop(sessions.enter_blocking(&"a").expect("free").or_insert(1));
    assert_eq!(refused(sessions.enter(&"b")), EnterError::RegistryFull);
    assert_eq!(
        refused(sessions.enter_first(&"b")),
        EnterError::RegistryFull
    );
    assert_eq!(
        sessions.try_enter(&"b").err(),
        Some(TryEnterError::RegistryFull)
    );
    assert_eq!(sessions.replace(&"b").err(), Some(EnterError::RegistryFull));
    assert_eq!((sessions.len(), sessions.status(&"b")), (1, None));

    drop(
        sessions
            .try_enter(&"a")
            .expect("a known key is no newcomer"),
    );
    let replaced = sessions.replace(&"a").expect("a replacement needs no room");
    assert_eq!(
        sessions.try_enter(&"b").err(),
        Some(TryEnterError::RegistryFull)
    );
    drop(replaced);
    assert_eq!(sessions.len(), 0);
    assert_usable(&sessions);
}

#[test]
fn a_closed_registry_refuses_newcomers_and_sends_the_line_away() {
    let sessions = resting("rests");
    let turn = sessions.enter_blocking(&"busy").expect("free").or_insert(2);
    let waits = sessions.enter(&"busy");
    let held = sessions.enter(&"rests");
    sessions.close();
    assert_eq!(waits.wait().err(), Some(EnterError::Closed));
    let left = sessions.drain().left();
    assert_eq!(left.len(), 2, "the turn, and the entry that is not polled");
    drop(held.wait().expect("a free key was taken in the call"));

    assert_eq!(refused(sessions.enter(&"rests")), EnterError::Closed);
    assert_eq!(refused(sessions.enter_first(&"new")), EnterError::Closed);
    let existing = sessions.enter_existing(&"rests").expect("the key is there");
    assert_eq!(refused(existing), EnterError::Closed);
    assert_eq!(
        sessions.try_enter(&"busy").err(),
        Some(TryEnterError::Closed)
    );
    assert_eq!(sessions.replace(&"rests").err(), Some(EnterError::Closed));
    assert_eq!(
        sessions.status(&"rests").map(|status| status.phase),
        Some(Phase::Idle)
    );

    assert!(sessions.touch(&"rests"));
    drop(turn);
    assert_eq!(
        sessions.cleanup_idle(Duration::ZERO, |_, _, _| {}).closed,
        2
    );
    assert!(sessions.is_empty());
    sessions.check_invariants();
}

#[test]
fn who_does_not_wait_is_told_that_the_session_is_busy() {
    let sessions = resting("a");
    let granted = sessions.enter(&"a");
    assert_eq!(
        sessions.try_enter(&"a").err(),
        Some(TryEnterError::Busy),
        "granted"
    );
    let turn = granted.wait().expect("granted").or_insert(0);
    assert_eq!(
        sessions.try_enter(&"a").err(),
        Some(TryEnterError::Busy),
        "in a turn"
    );
    let closing = Turn::vacate(turn);
    assert_eq!(
        sessions.try_enter(&"a").err(),
        Some(TryEnterError::Busy),
        "closing"
    );
    let vacancy = closing.closed();
    assert_eq!(
        sessions.try_enter(&"a").err(),
        Some(TryEnterError::Busy),
        "starting"
    );
    drop(vacancy.fill(2));
    assert_eq!(*sessions.try_enter(&"a").expect("at rest").or_insert(0), 2);
    assert_usable(&sessions);
}

#[test]
fn a_question_about_an_absent_key_makes_no_slot_and_no_key() {
    struct Unknown;
    impl Hash for Unknown {
        fn hash<S: Hasher>(&self, state: &mut S) {
            "unknown".hash(state);
        }
    }
    impl ToKey<&'static str> for Unknown {
        fn is_key(&self, key: &&'static str) -> bool {
            *key == "unknown"
        }
        fn to_key(&self) -> &'static str {
            panic!("a key was made")
        }
    }
    let sessions = resting("a");
    assert!(sessions.enter_existing(&Unknown).is_none());
    assert!(!sessions.touch(&Unknown));
    assert!(sessions.status(&Unknown).is_none());
    assert!(sessions.observe(&Unknown).is_none());
    assert!(sessions.handle(&Unknown).is_none());
    assert!(sessions.remove(&Unknown).is_none());
    assert_eq!(sessions.dismiss(&Unknown), 0);
    assert_eq!(sessions.len(), 1);
    assert_usable(&sessions);
}

// Deadlines, and futures that are over.

#[test]
fn a_deadline_that_passes_hands_the_place_back() {
    let sessions = resting("a");
    let turn = sessions.try_enter(&"a").expect("at rest");
    let place = sessions.enter(&"a");
    let behind = sessions.enter(&"a");
    let Err(WaitError::TimedOut(place)) = place.wait_timeout(Duration::from_millis(1)) else {
        panic!("the turn had not ended")
    };
    assert_eq!(place.ahead(), 0, "the place is still the first");
    drop(turn);
    let turn = place
        .wait_timeout(GENEROUS)
        .expect("the turn came")
        .or_insert(0);
    let Err(WaitError::TimedOut(behind)) = behind.wait_timeout(Duration::ZERO) else {
        panic!("the turn was the first one's")
    };
    drop(behind);
    assert_eq!(
        Turn::waiting(&turn),
        0,
        "a place that was dropped leaves no trace"
    );
    drop(turn);
    assert_eq!(
        sessions.status(&"a").map(|status| status.phase),
        Some(Phase::Idle)
    );
    assert_usable(&sessions);
}

#[test]
fn a_thread_that_waits_gets_its_turn() {
    let sessions = resting("a");
    let turn = sessions.try_enter(&"a").expect("at rest");
    let place = sessions.enter(&"a");
    let (tell, told) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let turn = place
            .wait_timeout(GENEROUS)
            .expect("the turn came")
            .or_insert(0);
        tell.send(*turn).expect("somebody listens");
    });
    drop(turn);
    assert_eq!(told.recv_timeout(GENEROUS), Ok(1));
    waiter.join().expect("the waiter is well");
    assert_usable(&sessions);
}

#[test]
fn a_future_that_is_over_panics_when_polled_again_as_documented() {
    let sessions = resting("a");
    let mut enter = sessions.enter(&"a");
    assert!(poll(&mut enter, Waker::noop()).is_ready());
    let again = catch_unwind(AssertUnwindSafe(|| poll(&mut enter, Waker::noop())));
    assert!(again.is_err());
    drop(enter);
    let status = sessions.status(&"a");
    assert_eq!(status.map(|status| status.phase), Some(Phase::Idle));
    assert_usable(&sessions);
}

#[test]
fn what_was_observed_in_a_registry_that_is_gone_has_moved() {
    let sessions = resting("a");
    let seen = sessions.observe(&"a").expect("it rests");
    drop(sessions);
    assert_eq!(seen.claim().err(), Some(Moved));
    assert_eq!(seen.replace().err(), Some(ReplaceError::Moved));
    assert_eq!(seen.remove().err(), Some(Moved));
    assert_eq!((seen.handle(), seen.status().phase), (None, Phase::Idle));
}

/// A key that hashes in two ways, against the contract of its lookup: at a replacement its line is found all the same.
#[test]
fn a_hash_that_changes_between_two_calls() {
    /// Its hash is the second.
    struct Changes(u8, u64);
    impl Hash for Changes {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u64(self.1);
        }
    }
    impl ToKey<u8> for Changes {
        fn is_key(&self, key: &u8) -> bool {
            *key == self.0
        }
        fn to_key(&self) -> u8 {
            self.0
        }
    }
    #[derive(Default)]
    struct Plain(u64);
    impl Hasher for Plain {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, _: &[u8]) {
            unreachable!("a key writes one number");
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let hasher = BuildHasherDefault::<Plain>::default();
    let builder = Registry::<u8, u8>::builder().shards(1);
    let registry = builder.hasher(hasher).build();
    let turn = registry.enter_blocking(&Changes(1, 1)).expect("open");
    let turn = turn.or_insert(0);
    let mut waits = registry.enter(&Changes(1, 1));
    // The same bucket while the table is small, and another when it has grown.
    let replaced = registry.replace(&Changes(1, 33)).expect("open");
    drop(turn);
    for key in 100..200 {
        let entry = registry.enter_blocking(&Changes(key, key.into()));
        drop(entry.expect("open").or_insert(0));
    }
    assert!(
        poll(&mut waits, Waker::noop()).is_pending(),
        "it lost its place"
    );
    drop(replaced.vacancy.fill(1));
    assert!(poll(&mut waits, Waker::noop()).is_ready());
}
