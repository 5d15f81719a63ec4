//! C16: a call that left a handle is found by its ticket from the moment that it has its place to the end of its turn. A call that
//! was withdrawn never has the turn, and leaves no trace.

use crate::kit::*;

/// A call with a handle, and its ticket.
fn queued(registry: &Registry, number: u64) -> (Enter, Ticket) {
    let enter = registry.enter_with(&Key(1), engine::Arc::new(Handle(number)));
    let ticket = enter.ticket().expect("open");
    (enter, ticket)
}

/// What the handle of this call says.
fn found(registry: &Registry, ticket: Ticket) -> Option<u64> {
    let (found, handle) = registry.caller(&Key(1), Some(ticket))?;
    assert_eq!(found, ticket, "C16: another call is found");
    Some(handle.0)
}

/// Nobody holds or waits for the session, which rests; no handle is left.
fn at_rest(registry: &Registry, tally: &Tally) {
    registry.check_invariants();
    let status = registry.status(&Key(1)).expect("C16: the session is gone");
    assert_eq!(
        (status.phase, status.waiting),
        (Phase::Idle, 0),
        "C16: a trace is left"
    );
    assert!(
        registry.caller(&Key(1), None).is_none(),
        "C16: the handle of a call outlives it"
    );
    assert_eq!(tally.alive(), 1, "C16: the session is lost");
}

/// In the queue, granted, and in its turn, while the turn before it ends and it takes its own.
#[test]
fn a_call_is_found_until_its_turn_ends() {
    check(&bounds::C16_FOUND, &["found"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (enter, ticket) = queued(&registry, 7);
        let ender = spawn(move || drop(turn));
        let taker = spawn(move || block_on(enter));
        assert_eq!(found(&registry, ticket), Some(7), "C16: a call is missed");
        let named = registry.status(&Key(1)).expect("there").turn == Some(ticket);
        if named {
            assert_eq!(
                registry.caller(&Key(1), None).map(|(found, _)| found),
                Some(ticket),
                "C16: the call that the status names is missed"
            );
        }
        ender.join().expect("ender");
        let entry = taker.join().expect("taker");
        assert_eq!(found(&registry, ticket), Some(7), "C16: a turn is missed");
        drop(entry);
        assert_eq!(
            found(&registry, ticket),
            None,
            "C16: an ended call is found"
        );
        at_rest(&registry, &tally);
        "found"
    });
}

/// The same behind a start that fails: the vacancy goes on, and the call with it, into another incarnation.
#[test]
fn a_call_is_found_behind_a_start() {
    check(&bounds::C16_FOUND_START, &["found"], || {
        let registry = registry();
        let vacancy = registry.try_enter(&Key(1)).expect("the key is free");
        let (enter, ticket) = queued(&registry, 7);
        let starter = spawn(move || drop(vacancy));
        let taker = spawn(move || block_on(enter));
        assert_eq!(found(&registry, ticket), Some(7), "C16: a call is missed");
        starter.join().expect("starter");
        let entry = taker.join().expect("taker");
        assert_eq!(found(&registry, ticket), Some(7), "C16: a start is missed");
        drop(entry);
        assert!(registry.is_empty(), "C16: a trace is left");
        registry.check_invariants();
        "found"
    });
}

/// Nobody looks: in the queue or granted, the place is taken away, and the session rests when the turn before it has ended.
#[test]
fn withdrawn_against_the_grant() {
    check(&bounds::C16_GRANT, &["withdrawn"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (mut enter, ticket) = queued(&registry, 7);
        let bell = Bell::new();
        assert!(bell.poll(&mut enter).is_pending());
        let ender = spawn(move || drop(turn));
        assert!(
            registry.withdraw(&Key(1), ticket),
            "C16: a call that has no turn is not withdrawn"
        );
        assert_eq!(
            found(&registry, ticket),
            None,
            "C16: a withdrawn call is found"
        );
        ender.join().expect("ender");
        assert_eq!(bell.wakes(), 1, "C16: a withdrawn call is not woken once");
        let Poll::Ready(Err(EnterError::Dismissed)) = bell.poll(&mut enter) else {
            panic!("C16: a withdrawn call is not refused");
        };
        drop(enter);
        at_rest(&registry, &tally);
        "withdrawn"
    });
}

/// The next in line has what the withdrawn one gave up.
#[test]
fn withdrawn_and_the_next_is_granted() {
    check(&bounds::C16_NEXT, &["the next has it"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (enter, ticket) = queued(&registry, 7);
        let (next, next_ticket) = queued(&registry, 8);
        let ender = spawn(move || drop(turn));
        let taker = spawn(move || block_on(next));
        assert!(
            registry.withdraw(&Key(1), ticket),
            "C16: a call that has no turn is not withdrawn"
        );
        assert_eq!(
            found(&registry, next_ticket),
            Some(8),
            "C16: a call is missed"
        );
        ender.join().expect("ender");
        let entry = taker.join().expect("taker").expect("open");
        drop((enter, entry));
        at_rest(&registry, &tally);
        "the next has it"
    });
}

/// Either the call is withdrawn or it has the turn, and both sides agree.
#[test]
fn withdrawn_against_its_look() {
    check(&bounds::C16_LOOK, &["withdrawn", "it has the turn"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (enter, ticket) = queued(&registry, 7);
        let ender = spawn(move || drop(turn));
        let taker = spawn(move || block_on(enter).map(drop));
        let withdrawn = registry.withdraw(&Key(1), ticket);
        ender.join().expect("ender");
        let outcome = match (withdrawn, taker.join().expect("taker")) {
            (true, Err(EnterError::Dismissed)) => "withdrawn",
            (false, Ok(())) => "it has the turn",
            other => panic!("C16: {other:?}"),
        };
        at_rest(&registry, &tally);
        outcome
    });
}

/// The call leaves by itself at that moment: one of the two takes the place, and the grant passes on once.
#[test]
fn withdrawn_against_its_drop() {
    check(&bounds::C16_DROP, &["withdrawn", "left"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (enter, ticket) = queued(&registry, 7);
        let ender = spawn(move || drop(turn));
        let dropper = spawn(move || drop(enter));
        let withdrawn = registry.withdraw(&Key(1), ticket);
        ender.join().expect("ender");
        dropper.join().expect("dropper");
        at_rest(&registry, &tally);
        if withdrawn { "withdrawn" } else { "left" }
    });
}

/// A vacancy that was granted is handed on, or its key freed, by whoever withdraws it.
#[test]
fn a_granted_vacancy_is_withdrawn() {
    check(&bounds::C16_VACANCY, &["free"], || {
        let registry = registry();
        let vacancy = registry.try_enter(&Key(1)).expect("the key is free");
        let (mut enter, ticket) = queued(&registry, 7);
        let starter = spawn(move || drop(vacancy));
        assert!(
            registry.withdraw(&Key(1), ticket),
            "C16: a call that has no turn is not withdrawn"
        );
        starter.join().expect("starter");
        assert!(registry.is_empty(), "C16: a key is stuck");
        assert!(matches!(
            poll_once(&mut enter),
            Poll::Ready(Err(EnterError::Dismissed))
        ));
        registry.check_invariants();
        "free"
    });
}

/// The queue moves to another slot at that moment, with a grant that was not polled: the call is found in either.
#[test]
fn withdrawn_against_replace() {
    check(&bounds::C16_REPLACE, &["withdrawn"], || {
        let (registry, _tally, turn) = held(Tally::default());
        let (mut enter, ticket) = queued(&registry, 7);
        drop(turn);
        let replacer = spawn_with(registry.clone(), |registry| {
            registry.replace(&Key(1)).expect("open").vacancy
        });
        assert_eq!(found(&registry, ticket), Some(7), "C16: a call is missed");
        assert!(
            registry.withdraw(&Key(1), ticket),
            "C16: a call that has no turn is not withdrawn"
        );
        drop(replacer.join().expect("replacer"));
        assert!(matches!(
            poll_once(&mut enter),
            Poll::Ready(Err(EnterError::Dismissed))
        ));
        drop(enter);
        registry.check_invariants();
        assert!(registry.is_empty(), "C16: a trace is left");
        "withdrawn"
    });
}

/// The registry closes at that moment, and one of the two sends the call away.
#[test]
fn withdrawn_against_close() {
    check(&bounds::C16_CLOSE, &["withdrawn", "closed"], || {
        let (registry, tally, turn) = held(Tally::default());
        let (mut enter, ticket) = queued(&registry, 7);
        drop(turn);
        let closer = spawn_with(registry.clone(), |registry| registry.close());
        let withdrawn = registry.withdraw(&Key(1), ticket);
        closer.join().expect("closer");
        assert!(matches!(
            poll_once(&mut enter),
            Poll::Ready(Err(EnterError::Closed))
        ));
        drop(enter);
        at_rest(&registry, &tally);
        if withdrawn { "withdrawn" } else { "closed" }
    });
}

/// An `Enter` that holds its key is found until its slot is superseded, and is never withdrawn: it has the turn.
#[test]
fn a_held_enter_is_not_withdrawn() {
    let outcomes = ["found", "superseded before"];
    check(&bounds::C16_HELD, &outcomes, || {
        let (registry, _tally) = idle(Tally::default());
        let (mut enter, ticket) = queued(&registry, 7);
        let replacer = spawn_with(registry.clone(), |registry| {
            registry.replace(&Key(1)).expect("open").vacancy
        });
        let found = found(&registry, ticket);
        assert!(
            !registry.withdraw(&Key(1), ticket),
            "C16: a call that has the turn is withdrawn"
        );
        let vacancy = replacer.join().expect("replacer");
        let Poll::Ready(Ok(Entry::Occupied(turn))) = poll_once(&mut enter) else {
            panic!("C16: a held turn is lost");
        };
        assert!(!Turn::is_current(&turn), "C16: it was superseded");
        drop((turn, vacancy));
        registry.check_invariants();
        assert!(registry.is_empty(), "C16: a trace is left");
        match found {
            Some(7) => "found",
            None => "superseded before",
            other => panic!("C16: {other:?}"),
        }
    });
}
