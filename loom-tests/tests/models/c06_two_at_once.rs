//! C6, continued: removals, two at once, and grants that nobody has looked at, against a replacement.

use crate::{
    c06_identity::{cleanup, found, replace, survives},
    kit::*,
};

/// Remove, then enter: the new session against the end of the old turn.
#[test]
fn remove_then_enter_against_turn_end() {
    check(&bounds::C6_REMOVE_ENTER, &["rested", "held"], || {
        let (registry, tally, turn) = held(Tally::default());
        let ender = spawn(move || drop(turn));
        let remover = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let old = registry.remove(&Key(1));
            let found = found(old.as_ref());
            let entry = registry.try_enter(&Key(1)).expect("C6: it was removed");
            assert!(matches!(entry, Entry::Vacant(_)), "C6: it was removed");
            (entry.or_insert_with(|| tally.session()), found)
        });
        ender.join().expect("ender");
        let (turn, found) = remover.join().expect("remover");
        survives(&registry, turn, None);
        found
    });
}

/// The same with somebody in line, who starts the new session before the remover enters.
#[test]
fn remove_then_enter_against_turn_end_in_line() {
    let outcomes = [
        "rested, the waiter had it",
        "held, the waiter had it",
        "rested, new",
        "held, new",
    ];
    check(&bounds::C6_REMOVE_ENTER_LINE, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        let waiting = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let remover = spawn_with(registry.clone(), |registry| {
            found(registry.remove(&Key(1)).as_ref())
        });
        let turn = block_on(waiting)
            .expect("open")
            .or_insert_with(|| tally.session());
        let number = turn.number;
        let had_it = turn.number == 1;
        if had_it {
            // The old session, before the removal.
            drop(turn);
        } else {
            ender.join().expect("ender");
            let found = remover.join().expect("remover");
            survives(&registry, turn, None);
            return format!("{found}, new");
        }
        ender.join().expect("ender");
        let found = remover.join().expect("remover");
        assert_eq!(number, 1);
        registry.check_invariants();
        assert!(registry.is_empty(), "C6: it was removed");
        format!("{found}, the waiter had it")
    });
}

/// Two cleanups: one of them closes the session, and the key is free for the next.
#[test]
fn two_cleanups() {
    check(&bounds::C6_TWO_CLEANUPS, &["1 0", "0 1"], || {
        let (registry, tally) = idle(Tally::default());
        let (a, b) = (cleanup(&registry), cleanup(&registry));
        let closed = (a.join().expect("a"), b.join().expect("b"));
        registry.check_invariants();
        assert!(registry.is_empty(), "C6: a slot stays behind");
        assert_eq!(tally.alive(), 0);
        format!("{} {}", closed.0, closed.1)
    });
}

/// Two cleanups and somebody who enters: the session that he starts after a close is not swept with the old one.
#[test]
fn two_cleanups_and_enter() {
    let outcomes = ["0 closed, session 1", "1 closed, session 2"];
    check(&bounds::C6_TWO_CLEANUPS_ENTER, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let (a, b) = (cleanup(&registry), cleanup(&registry));
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.only_session());
        let closed = a.join().expect("a") + b.join().expect("b");
        let outcome = format!("{closed} closed, session {}", turn.number);
        survives(&registry, turn, None);
        outcome
    });
}

/// Replace twice: one of the two is the key's at the end, and the other knows that it is not.
fn replace_twice_with(bound: &'static Bound, line: bool) {
    check(bound, &["a, then b", "b, then a"], move || {
        let (registry, tally, turn) = held(Tally::default());
        // With a caller in the queue: granted, and not polled.
        let waiting = line.then(|| registry.enter(&Key(1)));
        drop(turn);
        let (a, b) = (replace(&registry, &tally), replace(&registry, &tally));
        let (a, b) = (a.join().expect("a"), b.join().expect("b"));
        let (outcome, last, first) = match (a.1, b.1) {
            ("rested", "held") => ("a, then b", b.0, a.0),
            ("held", "rested") => ("b, then a", a.0, b.0),
            // The second came before the first had filled its vacancy, or after.
            other => panic!("C6: {other:?}"),
        };
        assert!(!Turn::is_current(&first), "C6: two are current");
        assert!(
            Turn::incarnation(&first) < Turn::incarnation(&last),
            "C15: numbers"
        );
        drop(first);
        survives(&registry, last, waiting);
        outcome
    });
}

models! {
    replace_twice = replace_twice_with(&bounds::C6_REPLACE_TWICE, false);
    replace_twice_in_line = replace_twice_with(&bounds::C6_REPLACE_TWICE_LINE, true);
}

/// Replace against a grant that nobody has looked at: its `Enter` has the old session, or waits for the new one.
#[test]
fn replace_against_unlooked_grant() {
    let outcomes = [
        "rested, waited",
        "held, had the old session",
        "rested, had the old session",
    ];
    check(&bounds::C6_REPLACE_GRANT, &outcomes, || {
        let (registry, tally, mut granted) = granted(Tally::default());
        let looker = spawn(move || match poll_once(&mut granted) {
            Poll::Ready(Ok(Entry::Occupied(turn))) => {
                assert_eq!(turn.number, 1);
                (None, "had the old session")
            }
            Poll::Pending => (Some(granted), "waited"),
            other => panic!("C6: {other:?}"),
        });
        let replacer = replace(&registry, &tally);
        let (waiting, looked) = looker.join().expect("looker");
        let (turn, found) = replacer.join().expect("replacer");
        survives(&registry, turn, waiting);
        format!("{found}, {looked}")
    });
}

/// The same with somebody in line behind the grant: he gets the replacement after its `Enter`, or alone.
#[test]
fn replace_against_unlooked_grant_in_line() {
    let outcomes = [
        "rested, waited",
        "held, had the old session",
        "rested, had the old session",
    ];
    check(&bounds::C6_REPLACE_GRANT_LINE, &outcomes, || {
        let (registry, tally, mut granted) = granted(Tally::default());
        let mut behind = registry.enter(&Key(1));
        let looker = spawn(move || match poll_once(&mut granted) {
            Poll::Ready(_) => (None, "had the old session"),
            Poll::Pending => (Some(granted), "waited"),
        });
        let replacer = replace(&registry, &tally);
        let (waiting, looked) = looker.join().expect("looker");
        let (turn, found) = replacer.join().expect("replacer");
        assert!(
            poll_once(&mut behind).is_pending(),
            "C6: granted before the replacement"
        );
        match waiting {
            None => survives(&registry, turn, Some(behind)),
            Some(mut granted) => {
                drop(turn);
                assert!(poll_once(&mut granted).is_ready(), "C6: the grant is lost");
                assert!(poll_once(&mut behind).is_ready(), "C6: the line is lost");
                registry.check_invariants();
            }
        }
        format!("{found}, {looked}")
    });
}

/// Replaced and removed through what was observed: only the incarnation that was seen, never its replacement.
#[test]
fn observed_against_replace() {
    let outcomes = ["moved", "the seen one was removed"];
    check(&bounds::C6_OBSERVED, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let seen = registry.observe(&Key(1)).expect("there");
        let remover = spawn(move || match seen.remove() {
            Ok(Some(Old::Idle(session))) => {
                assert_eq!(session.number, 1, "C6: another than the seen one");
                "the seen one was removed"
            }
            Err(_) => "moved",
            other => panic!("C6: {other:?}"),
        });
        let replacer = replace(&registry, &tally);
        let outcome = remover.join().expect("remover");
        let (turn, _) = replacer.join().expect("replacer");
        survives(&registry, turn, None);
        outcome
    });
}

/// Two replace what both have seen: one of them does, and there is one slot.
#[test]
fn seen_twice() {
    check(&bounds::C6_SEEN_TWICE, &["a", "b"], || {
        let (registry, _tally) = idle(Tally::default());
        let seen = || registry.observe(&Key(1)).expect("there");
        let (a, b) = (seen(), seen());
        let a = spawn(move || a.replace().ok());
        let b = spawn(move || b.replace().ok());
        let (a, b) = (a.join().expect("a"), b.join().expect("b"));
        assert_eq!(registry.len(), 1, "C6: a second slot of the same key");
        registry.check_invariants();
        match (&a, &b) {
            (Some(_), None) => "a",
            (None, Some(_)) => "b",
            _ => panic!("C6: both or neither replaced what they saw"),
        }
    });
}

/// Removed through what was observed, while the slot goes on to its next incarnation: that one stays.
#[test]
fn observed_against_the_next_incarnation() {
    let outcomes = ["moved", "the seen one was held"];
    check(&bounds::C6_OBSERVED_NEXT, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let closing = Turn::vacate(turn_of(&registry, &Key(1)));
        let seen = registry.observe(&Key(1)).expect("there");
        let number = seen.status().incarnation;
        let holder = spawn_with(tally.clone(), |tally| {
            closing.closed().fill(tally.session())
        });
        let remover = spawn(move || seen.remove().map(|_| ()));
        let turn = holder.join().expect("holder");
        let removed = remover.join().expect("remover");
        assert_eq!(
            Turn::is_current(&turn),
            removed.is_err(),
            "C6: another than the seen one was removed"
        );
        let outcome = if removed.is_ok() {
            // A superseded holder keeps the number that he had.
            let kept = Turn::incarnation(&turn);
            assert_eq!(kept, number, "C6: another than the seen one was removed");
            "the seen one was held"
        } else {
            "moved"
        };
        drop(turn);
        registry.check_invariants();
        assert_eq!(registry.is_empty(), removed.is_ok());
        outcome
    });
}

/// A handle is that of its incarnation: it goes with it, and what was seen never gives the handle of the next one.
#[test]
fn handle_against_the_next_incarnation() {
    let outcomes = ["1 1", "none 1", "none none", "none 2"];
    check(&bounds::C6_HANDLE_NEXT, &outcomes, || {
        let (registry, tally, turn) = held(Tally::default());
        Turn::set_handle(&turn, engine::Arc::new(Handle(1)));
        let seen = registry.observe(&Key(1)).expect("there");
        let holder = spawn_with(tally.clone(), |tally| {
            let vacancy = Turn::vacate(turn).closed();
            vacancy.set_handle(engine::Arc::new(Handle(2)));
            vacancy.fill(tally.session())
        });
        let number = |handle: Option<engine::Arc<Handle>>| handle.map(|handle| handle.0);
        let now = number(registry.handle(&Key(1)));
        let of_seen = number(seen.handle());
        drop(holder.join().expect("holder"));
        assert_ne!(of_seen, Some(2), "C6: a handle of another incarnation");
        let told =
            |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
        format!("{} {}", told(of_seen), told(now))
    });
}

/// Two superseded holders of one key let go: each takes itself out of the list of those who have not, and nobody else.
#[test]
fn two_departures() {
    let outcomes = ["both held", "the second rested"];
    check(&bounds::C6_TWO_DEPARTURES, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let first = turn_of(&registry, &Key(1));
        let replaced = registry.replace(&Key(1)).expect("open");
        let second = replaced.vacancy.fill(tally.session());
        let ender = spawn(move || drop(second));
        let old = registry.remove(&Key(1));
        let outcome = match &old {
            Some(Old::Held(_)) => "both held",
            Some(Old::Idle(_)) => "the second rested",
            None => panic!("C6: the replacement is gone"),
        };
        let other = spawn(move || drop(first));
        ender.join().expect("ender");
        registry.check_invariants();
        other.join().expect("other");
        registry.check_invariants();
        drop((old, replaced.old));
        assert_eq!(tally.alive(), 0, "C6: an old session is left");
        outcome
    });
}

/// A holder who leaves a handle while he is superseded: it does not reach the replacement.
#[test]
fn handle_against_replace() {
    check(&bounds::C6_HANDLE_REPLACE, &["before", "after"], || {
        let (registry, tally, turn) = held(Tally::default());
        let holder = spawn(move || {
            let before = Turn::is_current(&turn);
            Turn::set_handle(&turn, engine::Arc::new(Handle(1)));
            (turn, before)
        });
        let replacer = replace(&registry, &tally);
        let (old, before) = holder.join().expect("holder");
        let (new, _) = replacer.join().expect("replacer");
        assert!(
            registry.handle(&Key(1)).is_none(),
            "C6: a handle of another incarnation"
        );
        drop(old);
        survives(&registry, new, None);
        if before { "before" } else { "after" }
    });
}
