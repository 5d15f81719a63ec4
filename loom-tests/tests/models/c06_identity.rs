//! C6: the end of an old incarnation never removes or changes its replacement.
//!
//! In each model one thread replaces the slot, fills the vacancy and keeps the turn; another ends what was there before. At
//! the end the replacement must be there, current and untouched, whoever was first. Each with and without somebody in line,
//! who must get the replacement in his turn.

use crate::{
    bounds::{self, Bound},
    harness::check,
    kit::{
        Enter, Entry, Key, Registry, Tally, Turn, block_on, poll_once, registry, rest, spawn,
        turn_of,
    },
};
use loom::thread::JoinHandle;
use std::{task::Poll, time::Duration};
use turnwise::{Old, Phase};

/// What a replacement found.
fn found(old: Option<&Old<Key, crate::kit::Session, crate::kit::Handle>>) -> &'static str {
    match old {
        None => "nothing there",
        Some(Old::Rested(_)) => "rested",
        Some(Old::Held(_)) => "held",
    }
}

/// Replaces, fills, and keeps the turn; what was found there is dropped.
fn replace(registry: &Registry, tally: &Tally) -> JoinHandle<(Turn, &'static str)> {
    let (registry, tally) = (registry.clone(), tally.clone());
    spawn(move || {
        let replaced = registry.replace(&Key(1)).expect("open");
        let found = found(replaced.old.as_ref());
        (replaced.vacancy.fill(tally.session()), found)
    })
}

/// The replacement is there, untouched; and then, at its turn's end, it goes to who waits, or rests.
fn survives(registry: &Registry, turn: Turn, waiting: Option<Enter>) {
    assert!(Turn::is_current(&turn), "C6: the replacement is gone");
    let status = registry
        .status(&Key(1))
        .expect("C6: the replacement left the map");
    assert_eq!(
        status.incarnation,
        Turn::incarnation(&turn),
        "C6: the replacement was replaced"
    );
    assert_eq!(status.phase, Phase::Busy, "C6: the replacement was changed");
    assert_eq!(
        status.waiting,
        u32::from(waiting.is_some()),
        "C6: the line was changed"
    );
    registry.check_invariants();
    let number = turn.number;
    assert_eq!(turn.work(), 0, "C6: somebody used the replacement");
    drop(turn);
    if let Some(mut enter) = waiting {
        match poll_once(&mut enter) {
            Poll::Ready(Ok(Entry::Occupied(turn))) => {
                assert_eq!(turn.number, number, "C6: another session is handed on");
            }
            other => panic!("C6: the next in line gets {other:?}"),
        }
    }
    let status = registry
        .status(&Key(1))
        .expect("C6: the replacement left the map");
    assert_eq!(
        status.phase,
        Phase::Idle,
        "C6: the replacement does not rest"
    );
    registry.check_invariants();
}

/// What is there before the replacement.
enum Before {
    Turn,
    VacancyToDrop,
    VacancyToFill,
    Closing,
}

/// The end of it, in a thread of its own, against a replacement.
fn replace_against_end(
    bound: &'static Bound,
    before: fn() -> Before,
    line: bool,
    expected: &[&str],
) {
    check(bound, expected, move || {
        let (registry, tally) = (registry(), Tally::default());
        let end: Box<dyn FnOnce() + Send> = match before() {
            Before::Turn => {
                rest(&registry, &Key(1), &tally);
                let turn = turn_of(&registry, &Key(1));
                Box::new(move || drop(turn))
            }
            Before::Closing => {
                rest(&registry, &Key(1), &tally);
                let closing = Turn::vacate(turn_of(&registry, &Key(1)));
                Box::new(move || drop(closing))
            }
            Before::VacancyToDrop => {
                let entry = registry.try_enter(&Key(1)).expect("free");
                Box::new(move || drop(entry))
            }
            Before::VacancyToFill => {
                let entry = registry.try_enter(&Key(1)).expect("free");
                let tally = tally.clone();
                Box::new(move || drop(entry.or_insert_with(|| tally.session())))
            }
        };
        let waiting = line.then(|| registry.enter(&Key(1)));
        let ender = spawn(end);
        let replacer = replace(&registry, &tally);
        ender.join().expect("ender");
        let (turn, found) = replacer.join().expect("replacer");
        survives(&registry, turn, waiting);
        assert_eq!(tally.alive(), 1, "C6: an old session is left");
        found
    });
}

/// Replace against the end of a turn.
#[test]
fn replace_against_turn_end() {
    let before = || Before::Turn;
    replace_against_end(
        &bounds::C6_REPLACE_TURN_END,
        before,
        false,
        &["rested", "held"],
    );
}

/// The same with somebody in line: the turn's end may grant him first, and the replacement takes the grant back.
#[test]
fn replace_against_turn_end_in_line() {
    let before = || Before::Turn;
    replace_against_end(
        &bounds::C6_REPLACE_TURN_END_LINE,
        before,
        true,
        &["rested", "held"],
    );
}

/// Replace against a start that fails.
#[test]
fn replace_against_start_end() {
    let before = || Before::VacancyToDrop;
    replace_against_end(
        &bounds::C6_REPLACE_START_END,
        before,
        false,
        &["nothing there", "held"],
    );
}

/// The same with somebody in line: the vacancy may be granted to him first.
#[test]
fn replace_against_start_end_in_line() {
    let before = || Before::VacancyToDrop;
    replace_against_end(
        &bounds::C6_REPLACE_START_END_LINE,
        before,
        true,
        &["nothing there", "held"],
    );
}

/// Replace against a start that succeeds, and its first turn.
#[test]
fn replace_against_fill() {
    let before = || Before::VacancyToFill;
    replace_against_end(&bounds::C6_REPLACE_FILL, before, false, &["rested", "held"]);
}

/// The same with somebody in line.
#[test]
fn replace_against_fill_in_line() {
    let before = || Before::VacancyToFill;
    replace_against_end(
        &bounds::C6_REPLACE_FILL_LINE,
        before,
        true,
        &["rested", "held"],
    );
}

/// Replace against the end of a close.
#[test]
fn replace_against_close_end() {
    let before = || Before::Closing;
    replace_against_end(
        &bounds::C6_REPLACE_CLOSE_END,
        before,
        false,
        &["nothing there", "held"],
    );
}

/// The same with somebody in line.
#[test]
fn replace_against_close_end_in_line() {
    let before = || Before::Closing;
    replace_against_end(
        &bounds::C6_REPLACE_CLOSE_END_LINE,
        before,
        true,
        &["nothing there", "held"],
    );
}

fn cleanup(registry: &Registry) -> JoinHandle<usize> {
    let registry = registry.clone();
    spawn(move || {
        registry
            .cleanup_idle(Duration::ZERO, |_, session, _| drop(session))
            .closed
    })
}

/// Replace against a cleanup: the race that this crate is about. The cleanup has claimed the old session, closes it, and
/// removes its slot; meanwhile another has the key.
#[test]
fn replace_against_cleanup() {
    let outcomes = [
        "rested, 0 closed",
        "held, 1 closed",
        "nothing there, 1 closed",
    ];
    check(&bounds::C6_REPLACE_CLEANUP, &outcomes, || {
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let cleaner = cleanup(&registry);
        let replacer = replace(&registry, &tally);
        let closed = cleaner.join().expect("cleaner");
        let (turn, found) = replacer.join().expect("replacer");
        survives(&registry, turn, None);
        format!("{found}, {closed} closed")
    });
}

/// The same with somebody who comes into the line.
#[test]
fn replace_against_cleanup_and_enter() {
    let outcomes = [
        "rested, 0 closed",
        "held, 0 closed",
        "held, 1 closed",
        "nothing there, 1 closed",
    ];
    check(&bounds::C6_REPLACE_CLEANUP_ENTER, &outcomes, || {
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let cleaner = cleanup(&registry);
        let replacer = replace(&registry, &tally);
        // He gets the old session, a vacancy of the old slot, or stands behind the replacement.
        let mut enter = registry.enter(&Key(1));
        let first = poll_once(&mut enter);
        let waits = first.is_pending();
        drop(first);
        let closed = cleaner.join().expect("cleaner");
        let (turn, found) = replacer.join().expect("replacer");
        assert!(Turn::is_current(&turn), "C6: the replacement is gone");
        let waiting = if waits { Some(enter) } else { None };
        survives(&registry, turn, waiting);
        format!("{found}, {closed} closed")
    });
}

/// Remove, then enter: the new session against the end of the old turn.
#[test]
fn remove_then_enter_against_turn_end() {
    check(&bounds::C6_REMOVE_ENTER, &["rested", "held"], || {
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        let ender = spawn(move || drop(turn));
        let remover = spawn({
            let (registry, tally) = (registry.clone(), tally.clone());
            move || {
                let old = registry.remove(&Key(1));
                let found = found(old.as_ref());
                let entry = registry.try_enter(&Key(1)).expect("C6: it was removed");
                assert!(matches!(entry, Entry::Vacant(_)), "C6: it was removed");
                (entry.or_insert_with(|| tally.session()), found)
            }
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
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        let waiting = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let remover = spawn({
            let registry = registry.clone();
            move || found(registry.remove(&Key(1)).as_ref())
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
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
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
    check(
        &bounds::C6_TWO_CLEANUPS_ENTER,
        &["0 closed, session 1", "1 closed, session 2"],
        || {
            let (registry, tally) = (registry(), Tally::default());
            rest(&registry, &Key(1), &tally);
            let (a, b) = (cleanup(&registry), cleanup(&registry));
            let entry = registry.enter_blocking(&Key(1)).expect("open");
            let turn = entry.or_insert_with(|| tally.only_session());
            let closed = a.join().expect("a") + b.join().expect("b");
            let outcome = format!("{closed} closed, session {}", turn.number);
            survives(&registry, turn, None);
            outcome
        },
    );
}

/// Replace twice: one of the two is the key's at the end, and the other knows that it is not.
fn replace_twice_with(bound: &'static Bound, line: bool) {
    check(bound, &["a, then b", "b, then a"], move || {
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        // With somebody in line: granted, and not looked at.
        let waiting = line.then(|| registry.enter(&Key(1)));
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

/// See there.
#[test]
fn replace_twice() {
    replace_twice_with(&bounds::C6_REPLACE_TWICE, false);
}

/// See there.
#[test]
fn replace_twice_in_line() {
    replace_twice_with(&bounds::C6_REPLACE_TWICE_LINE, true);
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
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let mut granted = registry.enter(&Key(1));
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
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
        let mut granted = registry.enter(&Key(1));
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
    check(
        &bounds::C6_OBSERVED,
        &["moved", "the seen one was removed"],
        || {
            let (registry, tally) = (registry(), Tally::default());
            rest(&registry, &Key(1), &tally);
            let seen = registry.observe(&Key(1)).expect("there");
            let remover = spawn(move || match seen.remove() {
                Ok(Some(Old::Rested(session))) => {
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
        },
    );
}

/// Two replace what both have seen: one of them does, and there is one slot.
#[test]
fn seen_twice() {
    check(&bounds::C6_SEEN_TWICE, &["a", "b"], || {
        let (registry, tally) = (registry(), Tally::default());
        rest(&registry, &Key(1), &tally);
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
