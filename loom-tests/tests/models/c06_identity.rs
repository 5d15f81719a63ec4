//! C6: the end of an old incarnation never removes or changes its replacement.
//!
//! In each model one thread replaces the slot, fills the vacancy and keeps the turn; another ends what was there before. At
//! the end the replacement must be there, current and untouched, whoever was first. Each with and without somebody in line,
//! who must get the replacement in his turn.

use crate::kit::*;

/// What a replacement found.
pub(crate) fn found(old: Option<&Old<Key, Session, Handle>>) -> &'static str {
    match old {
        None => "nothing there",
        Some(Old::Idle(_)) => "rested",
        Some(Old::Held(_)) => "held",
    }
}

/// Replaces, fills, and keeps the turn; what was found there is dropped.
pub(crate) fn replace(registry: &Registry, tally: &Tally) -> JoinHandle<(Turn, &'static str)> {
    let (registry, tally) = (registry.clone(), tally.clone());
    spawn(move || {
        let replaced = registry.replace(&Key(1)).expect("open");
        let found = found(replaced.old.as_ref());
        (replaced.vacancy.fill(tally.session()), found)
    })
}

/// The replacement is there, untouched. At the end of its turn it goes to the next caller, or is idle.
pub(crate) fn survives(registry: &Registry, turn: Turn, waiting: Option<Enter>) {
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
        "C6: the queue was changed"
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
            other => panic!("C6: the next in the queue gets {other:?}"),
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
#[derive(Clone, Copy)]
enum Before {
    Turn,
    VacancyToDrop,
    VacancyToFill,
    Closing,
}

/// The end of it, in a thread of its own, against a replacement.
fn replace_against_end(bound: &'static Bound, before: Before, line: bool, expected: &[&str]) {
    check(bound, expected, move || {
        let (registry, tally) = (registry(), Tally::default());
        let end: Box<dyn FnOnce() + Send> = match before {
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

models! {
    /// Replace against the end of a turn.
    replace_against_turn_end =
        replace_against_end(&bounds::C6_REPLACE_TURN_END, Before::Turn, false, &["rested", "held"]);
    /// The same with somebody in line: the turn's end may grant him first, and the replacement takes the grant back.
    replace_against_turn_end_in_line =
        replace_against_end(&bounds::C6_REPLACE_TURN_END_LINE, Before::Turn, true, &["rested", "held"]);
    /// Replace against a start that fails.
    replace_against_start_end =
        replace_against_end(&bounds::C6_REPLACE_START_END, Before::VacancyToDrop, false, &["nothing there", "held"]);
    /// The same with somebody in line: the vacancy may be granted to him first.
    replace_against_start_end_in_line =
        replace_against_end(&bounds::C6_REPLACE_START_END_LINE, Before::VacancyToDrop, true, &["nothing there", "held"]);
    /// Replace against a start that succeeds, and its first turn.
    replace_against_fill =
        replace_against_end(&bounds::C6_REPLACE_FILL, Before::VacancyToFill, false, &["rested", "held"]);
    /// The same with somebody in line.
    replace_against_fill_in_line =
        replace_against_end(&bounds::C6_REPLACE_FILL_LINE, Before::VacancyToFill, true, &["rested", "held"]);
    /// Replace against the end of a close.
    replace_against_close_end =
        replace_against_end(&bounds::C6_REPLACE_CLOSE_END, Before::Closing, false, &["nothing there", "held"]);
    /// The same with somebody in line.
    replace_against_close_end_in_line =
        replace_against_end(&bounds::C6_REPLACE_CLOSE_END_LINE, Before::Closing, true, &["nothing there", "held"]);
}

pub(crate) fn cleanup(registry: &Registry) -> JoinHandle<usize> {
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
        let (registry, tally) = idle(Tally::default());
        let cleaner = cleanup(&registry);
        let replacer = replace(&registry, &tally);
        let closed = cleaner.join().expect("cleaner");
        let (turn, found) = replacer.join().expect("replacer");
        survives(&registry, turn, None);
        format!("{found}, {closed} closed")
    });
}

/// The same with a caller that joins the queue.
#[test]
fn replace_against_cleanup_and_enter() {
    let outcomes = [
        "rested, 0 closed",
        "held, 0 closed",
        "held, 1 closed",
        "nothing there, 1 closed",
    ];
    check(&bounds::C6_REPLACE_CLEANUP_ENTER, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
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
