//! C5 and C7 of an `Enter` that was granted out of the queue, and was not polled since.

use crate::kit::*;

/// Its drop leaves the idle time of the session as it was when the turn before it ended. A cleanup closes the session all the
/// same.
#[test]
fn a_drop_leaves_the_idle_time() {
    let outcomes = ["closed", "granted meanwhile"];
    check(&bounds::C5_GRANTED_IDLE_TIME, &outcomes, || {
        let (registry, hand) = timed();
        let tally = Tally::default();
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        let enter = registry.enter(&Key(1));
        let ended = registry.now();
        drop(turn);
        hand.advance(Duration::from_secs(60));
        let dropper = spawn(move || drop(enter));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::from_secs(60), |_, session, _| drop(session))
        });
        dropper.join().expect("dropper");
        let sweep = cleaner.join().expect("cleaner");
        registry.check_invariants();
        if let Some(status) = registry.status(&Key(1)) {
            assert_eq!(status.since, ended, "C5: it is idle since the drop");
        }
        match (sweep.closed, sweep.busy, tally.alive()) {
            (1, 0, 0) => "closed",
            (0, 1, 1) => "granted meanwhile",
            other => panic!("C5: {other:?}"),
        }
    });
}

/// The drop of a granted vacancy hands it on or frees the key, for another that enters.
#[test]
fn a_vacancy_is_dropped() {
    check(&bounds::C5_GRANTED_VACANCY, &["incarnation 3"], || {
        let (registry, tally) = (registry(), Tally::default());
        let vacancy = registry.try_enter(&Key(1)).expect("free");
        let enter = registry.enter(&Key(1));
        drop(vacancy);
        let dropper = spawn(move || drop(enter));
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.only_session());
        let number = Turn::incarnation(&turn);
        drop(turn);
        dropper.join().expect("dropper");
        registry.check_invariants();
        format!("incarnation {number}")
    });
}

/// A session that a cleanup has found idle is used before the claim, and granted to the next caller: it is not taken.
#[test]
fn a_cleanup_that_has_found_it_idle() {
    let outcomes = ["closed before", "not taken"];
    check(&bounds::C7_GRANTED_LATE, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry
                .cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
                .closed
        });
        let (first, mut second) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        drop(first);
        let closed = cleaner.join().expect("cleaner");
        let outcome = match (poll_once(&mut second), closed) {
            (Poll::Ready(Ok(Entry::Occupied(_))), 0) => "not taken",
            // Of a key that was free again, or out of the queue of the close.
            (Poll::Ready(Ok(Entry::Vacant(vacancy))), 1) if vacancy.incarnation().get() > 1 => {
                "closed before"
            }
            _ => panic!("C7: the granted session was taken"),
        };
        registry.check_invariants();
        outcome
    });
}
