//! C7: cleanup never takes a session that is busy, granted, waited for, or was active within `idle_for`.

use crate::kit::*;

/// A cleanup against somebody who enters, uses the session and ends his turn: his session is closed before he comes, or is
/// his. He holds the turn until the cleanup has ended, so what he has must not be taken.
#[test]
fn cleanup_against_turn() {
    let outcomes = ["closed before", "not closed"];
    check(&bounds::C7_CLEANUP_TURN, &outcomes, || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let cleaner = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            registry.cleanup_idle(Duration::ZERO, |_, session, _| {
                assert_eq!(tally.alive(), 1, "C7: the session of a turn was taken");
                drop(session);
            })
        });
        let user = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let entry = registry.enter_blocking(&Key(1)).expect("open");
            let turn = entry.or_insert_with(|| tally.only_session());
            turn.work();
            turn
        });
        let sweep = cleaner.join().expect("cleaner");
        let turn = user.join().expect("user");
        assert!(
            Turn::is_current(&turn),
            "C7: the session of a turn was taken"
        );
        drop(turn);
        registry.check_invariants();
        assert_eq!(
            registry.status(&Key(1)).map(|status| status.phase),
            Some(Phase::Idle)
        );
        if sweep.closed == 1 {
            "closed before"
        } else {
            "not closed"
        }
    });
}

/// The turn ends while the cleanup looks: activity counts from its end, so the session is young.
#[test]
fn cleanup_against_turn_end() {
    check(&bounds::C7_CLEANUP_TURN_END, &["busy", "young"], || {
        let (registry, hand) = timed();
        let tally = Tally::one_at_a_time();
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        hand.advance(Duration::from_secs(60));
        let ender = spawn(move || drop(turn));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::from_secs(60), |_, _, _| {
                panic!("C7: a session was taken that was active just now");
            })
        });
        ender.join().expect("ender");
        let sweep = cleaner.join().expect("cleaner");
        registry.check_invariants();
        match (sweep.busy, sweep.young) {
            (1, 0) => "busy",
            (0, 1) => "young",
            _ => panic!("C7: {sweep:?}"),
        }
    });
}

/// Somebody says that the session is active while the cleanup looks: before the claim, and it is young; or too late.
#[test]
fn cleanup_against_touch() {
    check(&bounds::C7_CLEANUP_TOUCH, &["young", "closed"], || {
        let (registry, hand) = timed();
        let tally = Tally::one_at_a_time();
        rest(&registry, &Key(1), &tally);
        hand.advance(Duration::from_secs(60));
        let toucher = spawn_with(registry.clone(), |registry| registry.touch(&Key(1)));
        let cleaner = spawn_with((registry.clone(), hand.clone()), |(registry, hand)| {
            let mut closed = 0;
            let sweep = registry.cleanup_idle(Duration::from_secs(60), |_, session, _| {
                closed += 1;
                drop(session);
            });
            drop(hand);
            assert_eq!(closed, sweep.closed);
            sweep
        });
        let touched = toucher.join().expect("toucher");
        let sweep = cleaner.join().expect("cleaner");
        registry.check_invariants();
        match (touched, sweep.closed, sweep.young) {
            (true, 0, 1) => "young",
            // Touched when it was being closed, or gone.
            (_, 1, 0) => "closed",
            other => panic!("C7: {other:?}"),
        }
    });
}

/// A session that an unpolled `Enter` holds is not taken, however old it is.
#[test]
fn cleanup_against_held_enter() {
    let outcomes = ["held, not taken", "closed before"];
    check(&bounds::C7_CLEANUP_HELD, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let enterer = spawn_with(registry.clone(), |registry| registry.enter(&Key(1)));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry
                .cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
                .closed
        });
        let closed = cleaner.join().expect("cleaner");
        let mut enter = enterer.join().expect("enterer");
        let entry = match poll_once(&mut enter) {
            Poll::Ready(entry) => entry.expect("open"),
            Poll::Pending => panic!("C7: the held session was taken"),
        };
        if let Entry::Vacant(vacancy) = &entry {
            // Of a key that was free again, or out of the queue of a close: not of the first session.
            let number = vacancy.incarnation().get();
            assert!(number > 1, "C7: the held session was taken");
        }
        let session = entry.occupied().is_some();
        registry.check_invariants();
        match (session, closed) {
            (true, 0) => "held, not taken",
            (false, 1) => "closed before",
            other => panic!("C7: {other:?}"),
        }
    });
}

/// A session that was granted out of the queue is not taken, whether its `Enter` was polled or not.
#[test]
fn cleanup_against_grant() {
    let outcomes = ["a caller in the queue", "granted"];
    check(&bounds::C7_CLEANUP_GRANT, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::one_at_a_time());
        let mut enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::ZERO, |_, _, _| {
                panic!("C7: the granted session was taken");
            })
        });
        ender.join().expect("ender");
        let sweep = cleaner.join().expect("cleaner");
        let Poll::Ready(Ok(Entry::Occupied(_))) = poll_once(&mut enter) else {
            panic!("C7: the granted session was taken");
        };
        match (sweep.waiting, sweep.busy) {
            (1, 0) => "a caller in the queue",
            (0, 1) => "granted",
            _ => panic!("C7: {sweep:?}"),
        }
    });
}

/// The claim by what was observed: only if nothing has happened since.
#[test]
fn observed_claim_against_touch() {
    check(&bounds::C7_OBSERVED, &["claimed", "moved"], || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let seen = registry.observe(&Key(1)).expect("there");
        let toucher = spawn_with(registry.clone(), |registry| registry.touch(&Key(1)));
        let claimer = spawn(move || seen.claim().map(|turn| turn.work()));
        assert!(toucher.join().expect("toucher"));
        let claim = claimer.join().expect("claimer");
        registry.check_invariants();
        if claim.is_ok() { "claimed" } else { "moved" }
    });
}

/// Three act: a cleanup, a turn, and a touch. What the turn has is not taken.
#[test]
fn cleanup_turn_and_touch() {
    check(&bounds::C7_THREE, &["closed before", "not closed"], || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry
                .cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
                .closed
        });
        let toucher = spawn_with(registry.clone(), |registry| registry.touch(&Key(1)));
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.only_session());
        turn.work();
        let closed = cleaner.join().expect("cleaner");
        toucher.join().expect("toucher");
        assert!(
            Turn::is_current(&turn),
            "C7: the session of a turn was taken"
        );
        assert_eq!(tally.alive(), 1, "C7: the session of a turn was closed");
        drop(turn);
        registry.check_invariants();
        if closed == 1 {
            "closed before"
        } else {
            "not closed"
        }
    });
}

/// Two say that the session is active, one at 0 or 60 seconds, the other at 60: the later time counts, whoever comes to the
/// lock first.
#[test]
fn two_touches() {
    check(&bounds::C7_TWO_TOUCHES, &["young"], || {
        let (registry, hand) = timed();
        let tally = Tally::one_at_a_time();
        rest(&registry, &Key(1), &tally);
        let touch = |registry: Registry| move || assert!(registry.touch(&Key(1)));
        let early = spawn(touch(registry.clone()));
        let late = spawn({
            let (touch, hand) = (touch(registry.clone()), hand.clone());
            move || {
                hand.advance(Duration::from_secs(60));
                touch();
            }
        });
        early.join().expect("early");
        late.join().expect("late");
        hand.advance(Duration::from_secs(59));
        let sweep = registry.cleanup_idle(Duration::from_secs(60), |_, _, _| {
            panic!("C7: a session was taken that was active 59 seconds ago");
        });
        assert_eq!(sweep.young, 1);
        registry.check_invariants();
        "young"
    });
}
