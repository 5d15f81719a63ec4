//! C7: cleanup never takes a session that a guard keeps alive.

use crate::kit::*;

/// A cleanup against a keep-alive: the guard comes first and the session stays, or the session is closed and there is no guard.
#[test]
fn cleanup_against_keep() {
    let outcomes = ["kept", "closed before"];
    check(&bounds::C7_CLEANUP_KEEP, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let keeper = spawn_with(registry.clone(), |registry| registry.keep_alive(&Key(1)));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
        });
        let sweep = cleaner.join().expect("cleaner");
        let kept = keeper.join().expect("keeper");
        let there = registry.status(&Key(1)).is_some();
        assert_eq!(
            kept.is_some(),
            there,
            "C7: a session was taken that is kept alive"
        );
        drop(kept);
        registry.check_invariants();
        match (there, sweep.closed, sweep.kept) {
            (true, 0, 1) => "kept",
            (false, 1, 0) => "closed before",
            // The guard came after the session was scanned as idle, or before.
            other => panic!("C7: {other:?}"),
        }
    });
}

/// The last guards go while the cleanup looks. The session is kept until then, and young after that: its idle time begins with the
/// last drop.
#[test]
fn cleanup_against_the_last_drop() {
    check(&bounds::C7_CLEANUP_LAST, &["kept", "young"], || {
        let (registry, hand) = timed();
        let tally = Tally::one_at_a_time();
        rest(&registry, &Key(1), &tally);
        let guards = [(); 2].map(|()| registry.keep_alive(&Key(1)).expect("it is idle"));
        hand.advance(Duration::from_secs(60));
        let [first, last] = guards;
        let ender = spawn(move || drop(first));
        let cleaner = spawn_with(registry.clone(), |registry| {
            registry.cleanup_idle(Duration::from_secs(60), |_, _, _| {
                panic!("C7: a session was taken that was kept alive just now");
            })
        });
        drop(last);
        ender.join().expect("ender");
        let sweep = cleaner.join().expect("cleaner");
        registry.check_invariants();
        match (sweep.kept, sweep.young) {
            (1, 0) => "kept",
            (0, 1) => "young",
            _ => panic!("C7: {sweep:?}"),
        }
    });
}

/// The claim by what was observed leaves a kept session alone, although a guard is no change that it could see.
#[test]
fn observed_claim_against_keep() {
    let outcomes = ["claimed", "moved"];
    check(&bounds::C7_OBSERVED_KEPT, &outcomes, || {
        let (registry, _tally) = idle(Tally::one_at_a_time());
        let seen = registry.observe(&Key(1)).expect("there");
        let keeper = spawn_with(registry.clone(), |registry| registry.keep_alive(&Key(1)));
        let claimed = seen.claim().map(Turn::vacate);
        let kept = keeper.join().expect("keeper");
        let outcome = match (&claimed, &kept) {
            (Err(_), Some(_)) => "moved",
            // The guard came after the claim, which is a turn, or after its end.
            (Ok(_), _) => "claimed",
            (Err(_), None) => panic!("C7: neither claimed nor kept"),
        };
        drop(claimed);
        drop(kept);
        registry.check_invariants();
        outcome
    });
}

/// A guard of one incarnation does not keep the next one, and its drop does not touch that.
#[test]
fn a_guard_of_the_session_before() {
    let outcomes = ["of the first", "of the second", "none"];
    check(&bounds::C7_BEFORE, &outcomes, || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let first = Turn::incarnation(&turn);
        let keeper = spawn_with(registry.clone(), |registry| registry.keep_alive(&Key(1)));
        let vacancy = Turn::vacate(turn).closed();
        drop(vacancy.fill(tally.session()));
        let kept = keeper.join().expect("keeper");
        let number = kept.as_ref().map(|kept| kept.incarnation());
        let sweep = registry.cleanup_idle(Duration::ZERO, |_, session, _| drop(session));
        let keeps = number.is_some_and(|number| number != first);
        assert_eq!(
            (sweep.kept, sweep.closed),
            (usize::from(keeps), usize::from(!keeps)),
            "C7: a guard keeps another session than its own"
        );
        drop(kept);
        registry.check_invariants();
        match number {
            Some(number) if number == first => "of the first",
            Some(_) => "of the second",
            None => "none",
        }
    });
}
