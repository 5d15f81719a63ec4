//! What the crate tells of itself: errors in words, `Debug` of what somebody holds, defaults, the clocks. `Debug` never waits
//! for a turn and never shows a session, which somebody else may hold.
//!
//! Claims: C7, C8, C15.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use turnwise::*;

type Sessions = Registry<&'static str, u32>;

/// What `Debug` says in one line.
fn told(value: &impl Debug) -> String {
    format!("{value:?}")
}

#[test]
fn errors_say_what_went_wrong() {
    let words: [(String, &str); 12] = [
        (EnterError::Closed.to_string(), "the registry is closed"),
        (
            EnterError::QueueFull.to_string(),
            "the queue of this session is full; try again later",
        ),
        (
            EnterError::RegistryFull.to_string(),
            "session limit reached; try again when a session has ended",
        ),
        (
            EnterError::Dismissed.to_string(),
            "the call was dismissed from the queue of its session",
        ),
        (TryEnterError::Busy.to_string(), "the session is busy"),
        (TryEnterError::Closed.to_string(), "the registry is closed"),
        (
            TryEnterError::RegistryFull.to_string(),
            "session limit reached; try again when a session has ended",
        ),
        (
            Moved.to_string(),
            "the session has changed since it was observed; observe it again",
        ),
        (
            ReplaceError::Moved.to_string(),
            "the session has changed since it was observed; observe it again",
        ),
        (ReplaceError::Closed.to_string(), "the registry is closed"),
        (
            WaitError::TimedOut(()).to_string(),
            "the turn did not come before the deadline; the position in the queue is kept",
        ),
        (
            WaitError::<()>::Refused(EnterError::Closed).to_string(),
            "the registry is closed",
        ),
    ];
    for (told, expected) in words {
        assert_eq!(told, expected);
    }
}

#[test]
fn entries_and_guards_tell_their_numbers() {
    let sessions = Sessions::builder().first_incarnation(7).shards(1).build();
    let mut held: Enter<&str, u32> = sessions.enter(&"a");
    assert_eq!(
        told(&held),
        r#"Enter { state: "held", ticket: Ticket(1), .. }"#
    );
    let waiting = sessions.enter(&"a");
    assert_eq!(
        told(&waiting),
        r#"Enter { state: "waiting", ticket: Ticket(2), .. }"#
    );
    let mut context = Context::from_waker(Waker::noop());
    let entry = match Pin::new(&mut held).poll(&mut context) {
        Poll::Ready(Ok(entry)) => entry,
        other => panic!("it was taken in the call: {other:?}"),
    };
    assert_eq!(told(&held), "Enter { done: true, .. }");
    assert_eq!(
        told(&entry),
        "Vacant(Vacancy { incarnation: Incarnation(7), ticket: Ticket(1), .. })"
    );
    let Entry::Vacant(vacancy) = entry else {
        panic!("nobody has started it");
    };
    assert_eq!(vacancy.incarnation().to_string(), "7");
    let turn = vacancy.fill(1);
    assert_eq!(turnwise::Turn::ticket(&turn).to_string(), "1");
    assert_eq!(
        told(&turn),
        "Turn { incarnation: Incarnation(7), ticket: Ticket(1), .. }"
    );
    drop(waiting);
    let entry = Entry::Occupied(turn);
    assert_eq!(
        told(&entry),
        "Occupied(Turn { incarnation: Incarnation(7), ticket: Ticket(1), .. })"
    );
    let closing = turnwise::Turn::vacate(entry.occupied().expect("it is"));
    assert_eq!(
        told(&closing),
        "Closing { incarnation: Incarnation(7), ticket: Ticket(1), .. }"
    );
    sessions.close();
    assert_eq!(told(&sessions.enter(&"a")), "Enter { refused: Closed, .. }");
}

#[test]
fn the_rest_tells_its_settings_and_counts() {
    let builder = Sessions::builder()
        .max_sessions(3)
        .max_waiting(4)
        .first_incarnation(5)
        .shards(2);
    for words in [
        "Builder {",
        "shards: Some(2)",
        "Some(3)",
        "waiting: 4",
        "first_incarnation: 5",
    ] {
        let told = told(&builder);
        assert!(told.contains(words), "{told}");
    }
    let sessions = builder.build();
    assert_eq!(told(&sessions), "Registry { len: 0, closed: false, .. }");
    drop(sessions.try_enter(&"a").expect("free").or_insert(1));
    assert_eq!(told(&sessions), "Registry { len: 1, closed: false, .. }");
    let seen = sessions.observe(&"a").expect("it rests");
    let words = told(&seen);
    assert!(
        words.starts_with("Observed { status: Status { phase: Idle"),
        "{words}"
    );
    assert_eq!(
        told(&sessions.claim_idle(Duration::from_millis(3))),
        "ClaimIdle { idle_for: 3ms, .. }"
    );
    let replaced = sessions.replace(&"a").expect("open");
    let words = told(&replaced);
    assert!(
        words.starts_with("Replaced { old: Some(Idle(..)), vacancy: Vacancy {"),
        "{words}"
    );
    let again = sessions.replace(&"a").expect("open");
    let Some(Old::Held(departure)) = &again.old else {
        panic!("the vacancy is held");
    };
    assert_eq!(told(departure), "Released { .. }");
    assert!(told(&again).starts_with("Replaced { old: Some(Held(Released { .. })), vacancy:"));
    drop((replaced, again));
    let turn = sessions.try_enter(&"b").expect("free").or_insert(2);
    assert!(!sessions.is_closed());
    let mut drain = sessions.drain();
    assert!(sessions.is_closed());
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(drain.next()).poll(&mut context).is_pending());
    assert_eq!(told(&drain), "Drain { waits_for: 1, .. }");
    drop(turn);
}

/// Each shard numbers its own incarnations, every so many: two of one key in a row tell how many shards there are, and the
/// first of many keys whether these are spread.
#[test]
fn keys_are_spread_over_the_shards() {
    let number = |sessions: &Registry<u32, u32>, key| match sessions.try_enter(&key) {
        Ok(Entry::Vacant(vacancy)) => vacancy.incarnation().get(),
        other => panic!("nobody has started it: {other:?}"),
    };
    let sessions = Registry::new();
    let shards = number(&sessions, 0).abs_diff(number(&sessions, 0));
    assert!(shards >= 16 && shards.is_power_of_two(), "{shards} shards");

    let sessions = Registry::builder().shards(4).build();
    let used: BTreeSet<u64> = (0..100).map(|key| number(&sessions, key) % 4).collect();
    assert!(used.len() > 1, "all keys are in one of four shards");
}

/// If two hashers of one program agree, a stranger can find keys that collide.
#[test]
fn each_default_hasher_has_a_seed_of_its_own() {
    let (one, other) = (DefaultHasher::new(), DefaultHasher::default());
    assert_eq!(one.hash_one("a"), one.hash_one("a"));
    assert_ne!(
        one.hash_one("a"),
        other.hash_one("a"),
        "C8: the seed is known"
    );
}

/// How long a phase has lasted, and since when, by the registry's own clock.
#[test]
fn a_status_tells_its_age() {
    let (clock, hand) = Clock::manual();
    let sessions = Sessions::builder().clock(clock.clone()).build();
    let begin = clock.now();
    hand.advance(Duration::from_secs(5));
    let turn = sessions.try_enter(&"a").expect("free").or_insert(1);
    hand.advance(Duration::from_secs(2));
    let status = sessions.status(&"a").expect("it is there");
    assert_eq!(status.age(clock.now()), Duration::from_secs(2));
    assert_eq!(status.since.since(begin), Duration::from_secs(5));
    drop(turn);
}

/// Every manual reading is in whole milliseconds; smaller steps add up, and the clock ends at its last moment.
#[test]
fn a_manual_clock_goes_as_it_is_moved() {
    let (clock, hand) = Clock::manual();
    let begin = clock.now();
    hand.advance(Duration::from_micros(600));
    assert_eq!(clock.now(), begin);
    hand.advance(Duration::from_micros(600));
    assert_eq!(clock.now().since(begin), Duration::from_millis(1));
    assert_eq!(begin.since(clock.now()), Duration::ZERO);
    hand.advance(Duration::MAX);
    let last = Duration::from_millis((1 << 42) - 1);
    assert_eq!(clock.now().since(begin), last);
    hand.advance(Duration::from_secs(1));
    assert_eq!(clock.now().since(begin), last);
}

/// The platform's coarse clock against its fine one: within the few milliseconds of its steps, in the same unit.
#[test]
fn the_coarse_clock_goes_with_time() {
    let clock = Clock::new();
    // A machine that is busy may pause between any two readings, so the coarse ones stand between fine ones.
    let (outer, coarse, inner) = (Instant::now(), clock.now(), Instant::now());
    while inner.elapsed() < Duration::from_millis(300) {
        thread::yield_now();
    }
    let least = inner.elapsed();
    let between = clock.now().since(coarse);
    let most = outer.elapsed();
    let step = Duration::from_millis(100);
    assert!(
        between + step >= least && between <= most + step,
        "{between:?} of {least:?} to {most:?}"
    );
}

/// A wait with a deadline ends by itself, not before, in real time.
#[test]
fn a_deadline_is_in_real_time() {
    let sessions = Sessions::new();
    let turn = sessions.try_enter(&"a").expect("free").or_insert(1);
    let begin = Instant::now();
    let limit = Duration::from_millis(50);
    let Err(WaitError::TimedOut(place)) = sessions.enter(&"a").wait_timeout(limit) else {
        panic!("the turn is held");
    };
    assert!(begin.elapsed() >= limit);
    drop(turn);
    // Granted by now: the grant wins over a deadline that has passed.
    let entry = place.wait_timeout(Duration::ZERO);
    drop(entry.expect("it was granted before"));
}

/// A status counts up to 2^20 - 1: a longer line changes nothing else in it.
#[test]
fn a_status_of_more_who_wait_than_it_can_count() {
    const MOST: usize = (1 << 20) - 1;
    let (clock, hand) = Clock::manual();
    let sessions: Sessions = Registry::builder().clock(clock).build();
    hand.advance(Duration::from_secs(7));
    let turn = sessions.try_enter(&"a").expect("free").or_insert(1);
    let status = || sessions.status(&"a").expect("it is held");
    let alone = status();
    hand.advance(Duration::from_secs(60));
    let mut line = Vec::with_capacity(MOST + 3);
    for (count, told) in [
        (MOST, MOST),
        (MOST + 1, MOST),
        (MOST + 3, MOST),
        (MOST, MOST),
        (MOST - 1, MOST - 1),
    ] {
        line.truncate(count);
        while line.len() < count {
            line.push(sessions.enter(&"a"));
        }
        let mut expected = alone;
        expected.waiting = u32::try_from(told).expect("20 bits");
        assert_eq!(status(), expected, "C15: a million wait, here {count}");
    }
    drop((line, turn));
}

/// A slot keeps times in fewer bits than a tick has.
#[test]
fn a_touch_counts_after_two_months() {
    let (clock, hand) = Clock::manual();
    let sessions: Sessions = Registry::builder().clock(clock).build();
    drop(sessions.enter_blocking(&"a").expect("open").or_insert(1));
    let day = Duration::from_secs(24 * 3600);
    hand.advance(61 * day);
    assert!(sessions.touch(&"a"));
    let claimed = sessions.claim_idle(day).count();
    assert_eq!(claimed, 0, "C7: touched at this very moment");
    hand.advance(day);
    assert_eq!(sessions.claim_idle(day).count(), 1);
}
