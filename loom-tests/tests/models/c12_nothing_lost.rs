//! C12: every session is returned or dropped exactly once; at rest the map holds exactly the slots of DESIGN's section 3.

use crate::kit::*;

/// A release against a replacement: the session is given to exactly one of the two.
#[test]
fn release_against_replace() {
    let outcomes = ["released to the holder", "rested for the replacer"];
    check(&bounds::C12_RELEASE, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let holder = spawn(move || Turn::release(turn));
        let replacer = spawn_with(registry.clone(), |registry| {
            match registry.remove(&Key(1)) {
                Some(Old::Idle(session)) => Some(session),
                Some(Old::Held(departure)) => {
                    departure.wait();
                    None
                }
                None => panic!("C12: the session is lost"),
            }
        });
        let released = holder.join().expect("holder");
        let rested = replacer.join().expect("replacer");
        assert_eq!(
            tally.dropped(),
            0,
            "C12: a session that was to be returned is dropped"
        );
        let outcome = match (released.is_some(), rested.is_some()) {
            (true, false) => "released to the holder",
            (false, true) => "rested for the replacer",
            other => panic!("C12: {other:?}"),
        };
        drop((released, rested));
        assert_eq!(tally.dropped(), 1, "C12: once");
        registry.check_invariants();
        assert!(registry.is_empty(), "C12: a slot stays behind");
        outcome
    });
}

/// Two keys, room for one: who is refused leaves no count behind.
#[test]
fn max_sessions() {
    let outcomes = ["a refused", "b refused", "both had room"];
    check(&bounds::C12_MAX_SESSIONS, &outcomes, || {
        let registry = share(builder().max_sessions(1).build());
        let tally = Tally::default();
        let start = |key: u64| {
            let (registry, tally) = (registry.clone(), tally.clone());
            spawn(move || match registry.enter_blocking(&Key(key)) {
                Ok(entry) => {
                    drop(Turn::vacate(entry.or_insert_with(|| tally.session())));
                    true
                }
                Err(error) => {
                    assert_eq!(error, EnterError::RegistryFull);
                    false
                }
            })
        };
        let (a, b) = (start(1), start(2));
        let entered = (a.join().expect("a"), b.join().expect("b"));
        registry.check_invariants();
        assert!(registry.is_empty(), "C12: a slot stays behind");
        assert!(
            registry.try_enter(&Key(3)).is_ok(),
            "C12: the count is wrong"
        );
        match entered {
            (true, true) => "both had room",
            (true, false) => "b refused",
            (false, true) => "a refused",
            (false, false) => panic!("C12: both refused"),
        }
    });
}

/// Two who start the same key, room for two: one slot comes, and is counted once.
#[test]
fn max_sessions_of_one_key() {
    check(&bounds::C12_MAX_ONE_KEY, &["a starts", "b starts"], || {
        let registry = share(builder().max_sessions(2).build());
        let tally = Tally::default();
        let start = || {
            let (registry, tally) = (registry.clone(), tally.clone());
            spawn(move || {
                let entry = registry.enter_blocking(&Key(1)).expect("room for two");
                entry.or_insert_with(|| tally.only_session()).work()
            })
        };
        let (a, b) = (start(), start());
        let uses = (a.join().expect("a"), b.join().expect("b"));
        registry.check_invariants();
        assert!(
            registry.try_enter(&Key(2)).is_ok(),
            "C12: the count is wrong"
        );
        if uses.0 == 0 { "a starts" } else { "b starts" }
    });
}

/// A registry that is full: a replacement needs no room, whatever ends meanwhile, and the count is right after it.
#[test]
fn max_sessions_against_replace() {
    let outcomes = ["replaced", "the key had come free"];
    check(&bounds::C12_MAX_REPLACE, &outcomes, || {
        let registry = share(builder().max_sessions(1).build());
        let tally = Tally::default();
        rest(&registry, &Key(1), &tally);
        let closing = Turn::vacate(turn_of(&registry, &Key(1)));
        let ender = spawn(move || drop(closing));
        let replaced = registry.replace(&Key(1));
        let replaced = replaced.expect("C12: a replacement needs no room");
        let outcome = match &replaced.old {
            Some(_) => "replaced",
            None => "the key had come free",
        };
        ender.join().expect("ender");
        registry.check_invariants();
        assert_eq!(
            registry.try_enter(&Key(2)).err(),
            Some(turnwise::TryEnterError::RegistryFull),
            "C12: the count is wrong"
        );
        drop(replaced);
        registry.check_invariants();
        assert!(
            registry.try_enter(&Key(2)).is_ok(),
            "C12: the count is wrong"
        );
        outcome
    });
}

/// One may wait: of two who come into a held line one is refused, unless the other has left it.
#[test]
fn max_waiting() {
    let outcomes = ["1 refused", "0 refused"];
    check(&bounds::C12_MAX_WAITING, &outcomes, || {
        let registry = share(builder().max_waiting(1).build());
        let tally = Tally::default();
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        let come = |leave: bool| {
            let registry = registry.clone();
            spawn(move || {
                let mut enter = registry.enter(&Key(1));
                match poll_once(&mut enter) {
                    Poll::Pending => (true, (!leave).then_some(enter)),
                    Poll::Ready(refused) => {
                        assert_eq!(refused.err(), Some(EnterError::QueueFull), "C12");
                        (false, None)
                    }
                }
            })
        };
        let (a, b) = (come(true), come(false));
        let ((a, _), (b, waits)) = (a.join().expect("a"), b.join().expect("b"));
        assert!(a || b, "C12: one place is there");
        assert_eq!(
            Turn::waiting(&turn),
            usize::from(waits.is_some()),
            "C12: one place"
        );
        let (third, fourth) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        assert_eq!(Turn::waiting(&turn), 1, "C12: one place");
        drop((third, fourth, waits, turn));
        registry.check_invariants();
        format!("{} refused", usize::from(!a) + usize::from(!b))
    });
}

/// A question about a key that is leaving: it finds the session's place, which becomes its own, or makes none.
#[test]
fn a_question_about_a_key_that_leaves() {
    let outcomes = [
        "absent",
        "in line for the vacancy",
        "the vacancy is handed on",
    ];
    check(&bounds::C12_QUESTION, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let ender = spawn(move || drop(Turn::vacate(turn)));
        let existing = registry.enter_existing(&Key(1));
        let outcome = match existing {
            None => {
                assert!(registry.is_empty(), "C12: a slot for a question");
                "absent"
            }
            Some(mut enter) => match poll_once(&mut enter) {
                Poll::Pending => "in line for the vacancy",
                Poll::Ready(Ok(crate::kit::Entry::Vacant(_))) => "the vacancy is handed on",
                other => panic!("C12: {other:?}"),
            },
        };
        ender.join().expect("ender");
        registry.check_invariants();
        assert!(registry.is_empty(), "C12: a slot stays behind");
        assert_eq!(tally.alive(), 0);
        outcome
    });
}
