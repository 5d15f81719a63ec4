//! C5: dropping an `Enter` at any point leaves no trace: the grant passes on, counts are exact, no slot stays behind.

use crate::kit::*;

/// Nobody holds or waits for the session, which rests.
fn at_rest(registry: &Registry, tally: &Tally) {
    registry.check_invariants();
    let status = registry.status(&Key(1)).expect("C5: the session is gone");
    assert_eq!(
        (status.phase, status.waiting),
        (Phase::Idle, 0),
        "C5: a trace is left"
    );
    assert_eq!(tally.alive(), 1, "C5: the session is lost");
}

/// Dropped while the turn ends: before the grant, or with it. Polled before, or not.
fn dropped_against_turn_end(bound: &'static Bound, polled: bool) {
    check(bound, &["at rest"], move || {
        let (registry, tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let bell = Bell::new();
        if polled {
            assert!(bell.poll(&mut enter).is_pending());
        }
        let ender = spawn(move || drop(turn));
        let dropper = spawn(move || drop(enter));
        ender.join().expect("ender");
        dropper.join().expect("dropper");
        at_rest(&registry, &tally);
        assert_eq!(bell.wakers(), 0, "C5: a waker is kept");
        "at rest"
    });
}

models! {
    dropped_unpolled = dropped_against_turn_end(&bounds::C5_DROP_UNPOLLED, false);
    dropped_polled = dropped_against_turn_end(&bounds::C5_DROP_POLLED, true);
}

/// An `Enter` that holds its session is dropped while another enters, who gets the session by the drop or finds it idle.
#[test]
fn held_and_dropped() {
    let outcomes = ["waited", "did not wait"];
    check(&bounds::C5_HELD_DROPPED, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let enter = registry.enter(&Key(1));
        let dropper = spawn(move || drop(enter));
        let other = spawn_with(registry.clone(), |registry| {
            let mut enter = registry.enter(&Key(1));
            let first = poll_once(&mut enter);
            let waited = first.is_pending();
            if waited {
                drop(block_on(enter));
            }
            waited
        });
        dropper.join().expect("dropper");
        let waited = other.join().expect("other");
        at_rest(&registry, &tally);
        if waited { "waited" } else { "did not wait" }
    });
}

/// The same with a vacancy: the other starts the session, out of the queue or of a key that is free again.
#[test]
fn held_vacancy_dropped() {
    check(&bounds::C5_HELD_VACANCY_DROPPED, &["incarnation 2"], || {
        let (registry, tally) = (registry(), Tally::default());
        let enter = registry.enter(&Key(1));
        let dropper = spawn(move || drop(enter));
        let other = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let entry = registry.enter_blocking(&Key(1)).expect("open");
            Turn::incarnation(&entry.or_insert_with(|| tally.only_session())).get()
        });
        dropper.join().expect("dropper");
        let number = other.join().expect("other");
        at_rest(&registry, &tally);
        format!("incarnation {number}")
    });
}

/// The only queued caller is dropped while the vacancy is: the slot leaves the map in either order.
#[test]
fn the_last_two_leave() {
    check(&bounds::C5_LAST_TWO, &["the key is free"], || {
        let (registry, _tally) = (registry(), Tally::default());
        let vacancy = registry.try_enter(&Key(1)).expect("free");
        let enter = registry.enter(&Key(1));
        let holder = spawn(move || drop(vacancy));
        let waiter = spawn(move || drop(enter));
        holder.join().expect("holder");
        waiter.join().expect("waiter");
        registry.check_invariants();
        assert!(registry.is_empty(), "C5: a slot stays behind");
        "the key is free"
    });
}

/// A deadline passes while the turn ends: who is granted is granted, else the place is left without a trace.
#[test]
fn deadline_against_turn_end() {
    check(&bounds::C5_DEADLINE, &["granted", "timed out"], || {
        let (registry, tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let waiter = spawn(move || match enter.wait_timeout(Duration::from_secs(1)) {
            Ok(_) => "granted",
            Err(WaitError::TimedOut(_)) => "timed out",
            Err(other) => panic!("C5: {other}"),
        });
        ender.join().expect("ender");
        let outcome = waiter.join().expect("waiter");
        at_rest(&registry, &tally);
        outcome
    });
}

/// A deadline passes, and the place is handed back: it is still the same place, ahead of who came later.
#[test]
fn deadline_and_again() {
    let outcomes = ["granted", "granted the second time"];
    check(&bounds::C5_DEADLINE_AGAIN, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let later = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let waiter = spawn(move || match enter.wait_timeout(Duration::from_secs(1)) {
            Ok(entry) => (entry.occupied().expect("there").work(), "granted"),
            Err(WaitError::TimedOut(enter)) => {
                let entry = enter.wait().expect("open");
                (
                    entry.occupied().expect("there").work(),
                    "granted the second time",
                )
            }
            Err(other) => panic!("C5: {other}"),
        });
        let second = block_on(later)
            .expect("open")
            .occupied()
            .expect("there")
            .work();
        ender.join().expect("ender");
        let (first, outcome) = waiter.join().expect("waiter");
        assert_eq!((first, second), (0, 1), "C5: the place was lost");
        at_rest(&registry, &tally);
        outcome
    });
}

/// Three in line; the first is dropped while the turn ends, the others get it in order.
#[test]
fn the_first_of_three_leaves() {
    check(&bounds::C5_THREE, &["01"], || {
        let (registry, tally, turn) = held(Tally::default());
        let [a, b, c]: [Enter; 3] = std::array::from_fn(|_| registry.enter(&Key(1)));
        let work = |entry: Entry| entry.occupied().expect("there").work();
        let ender = spawn(move || drop(turn));
        let waiter = spawn(move || work(c.wait().expect("open")));
        drop(a);
        let first = work(block_on(b).expect("open"));
        ender.join().expect("ender");
        let second = waiter.join().expect("waiter");
        at_rest(&registry, &tally);
        format!("{first}{second}")
    });
}

/// A grant and a place behind it, dropped while a replacement moves the queue: each leaves the new queue, or the old one.
#[test]
fn dropped_against_replace() {
    check(&bounds::C5_DROP_REPLACE, &["the key is free"], || {
        let (registry, tally, granted) = granted(Tally::default());
        let waiting = registry.enter(&Key(1));
        let dropper = spawn(move || drop((granted, waiting)));
        let replacer = spawn_with(registry.clone(), |registry| {
            drop(registry.replace(&Key(1)).expect("open"));
        });
        dropper.join().expect("dropper");
        replacer.join().expect("replacer");
        registry.check_invariants();
        assert!(registry.is_empty(), "C5: a slot stays behind");
        assert_eq!(tally.alive(), 0);
        "the key is free"
    });
}

/// A granted `Enter` is polled while a replacement takes the grant back: it has the turn, or waits.
#[test]
fn looked_against_replace() {
    let outcomes = ["had the turn", "waited"];
    check(&bounds::C5_LOOK_REPLACE, &outcomes, || {
        let (registry, tally, mut granted) = granted(Tally::default());
        let looker = spawn(move || match poll_once(&mut granted) {
            Poll::Ready(_) => "had the turn",
            Poll::Pending => {
                assert!(matches!(block_on(granted), Ok(Entry::Vacant(_))));
                "waited"
            }
        });
        let replacer = spawn_with(registry.clone(), |registry| {
            drop(registry.replace(&Key(1)).expect("open"));
        });
        let outcome = looker.join().expect("looker");
        replacer.join().expect("replacer");
        registry.check_invariants();
        assert!(registry.is_empty(), "C5: a slot stays behind");
        assert_eq!(tally.alive(), 0);
        outcome
    });
}

/// An unpolled `Enter` that is dropped leaves the idle time of its session as it was. A cleanup closes the session all the
/// same.
#[test]
fn a_drop_leaves_the_idle_time() {
    let outcomes = ["closed", "held meanwhile"];
    check(&bounds::C5_IDLE_TIME, &outcomes, || {
        let (registry, hand) = timed();
        let tally = Tally::default();
        rest(&registry, &Key(1), &tally);
        let rested = registry.status(&Key(1)).expect("there").since;
        hand.advance(Duration::from_secs(60));
        let enter = registry.enter(&Key(1));
        let dropper = spawn(move || drop(enter));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::from_secs(60), |_, session, _| drop(session))
        });
        dropper.join().expect("dropper");
        let sweep = cleaner.join().expect("cleaner");
        registry.check_invariants();
        if let Some(status) = registry.status(&Key(1)) {
            assert_eq!(status.since, rested, "C5: it is idle since the drop");
        }
        match (sweep.closed, sweep.busy, tally.alive()) {
            (1, 0, 0) => "closed",
            (0, 1, 1) => "held meanwhile",
            other => panic!("C5: {other:?}"),
        }
    });
}

/// Two leave the line of a turn that goes on: the count is exact while it does.
#[test]
fn the_count_of_those_who_left() {
    check(&bounds::C5_COUNT, &["2", "1", "0"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let a = spawn(move || drop(a));
        let b = spawn(move || drop(b));
        let between = Turn::waiting(&turn);
        a.join().expect("a");
        b.join().expect("b");
        assert_eq!(Turn::waiting(&turn), 0, "C5: the count of those who wait");
        registry.check_invariants();
        between.to_string()
    });
}

/// A deadline passes while a replacement moves the line: the place is granted in the new line, or left there without a trace.
#[test]
fn deadline_against_replace() {
    let outcomes = ["granted", "timed out"];
    check(&bounds::C5_DEADLINE_REPLACE, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let replacer = spawn_with(registry.clone(), |registry| {
            drop(registry.replace(&Key(1)).expect("open"));
        });
        let waiter = spawn(move || match enter.wait_timeout(Duration::from_secs(1)) {
            Ok(Entry::Vacant(_)) => "granted",
            Err(WaitError::TimedOut(_)) => "timed out",
            other => panic!("C5: {other:?}"),
        });
        replacer.join().expect("replacer");
        let outcome = waiter.join().expect("waiter");
        drop(turn);
        registry.check_invariants();
        assert!(registry.is_empty(), "C5: a slot stays behind");
        assert_eq!(tally.alive(), 0);
        outcome
    });
}
