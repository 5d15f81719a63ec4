//! C15 of the words of the board. A status is read under the map lock, which each new number is written under too. So a
//! status meets a change of the ticket, and only what a drain has left, which is read without the map lock, that of a number.

use crate::kit::*;

/// One look against a grant: the ticket and the count of the queue are of the same moment.
#[test]
fn a_look_against_a_grant() {
    let outcomes = ["turn 2, 1 waits", "turn 3, 0 wait"];
    check(&bounds::C15_GRANT, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let enter = registry.enter(&Key(1));
        let ender = spawn(move || drop(turn));
        let status = registry.status(&Key(1)).expect("there");
        ender.join().expect("ender");
        drop(enter);
        registry.check_invariants();
        match (status.turn.map(Ticket::get), status.waiting) {
            (Some(2), 1) => "turn 2, 1 waits",
            (Some(3), 0) => "turn 3, 0 wait",
            _ => panic!("C15: a moment that never was: {status:?}"),
        }
    });
}

/// What a drain has left, against the end of a close: the number is of the same moment as the phase.
#[test]
fn a_drain_against_a_new_incarnation() {
    let outcomes = ["closing 1", "starting 2"];
    check(&bounds::C15_DRAIN, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let closing = Turn::vacate(turn);
        let drain = registry.drain();
        let closer = spawn(move || closing.closed());
        let status = match &drain.left()[..] {
            [left] => left.status(),
            _ => panic!("C15: one slot"),
        };
        drop(closer.join().expect("closer"));
        drop(drain);
        registry.check_invariants();
        match (status.phase, status.incarnation.get()) {
            (Phase::Closing, 1) => "closing 1",
            (Phase::Starting, 2) => "starting 2",
            _ => panic!("C15: a moment that never was: {status:?}"),
        }
    });
}
