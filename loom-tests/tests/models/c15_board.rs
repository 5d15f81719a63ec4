//! C15 of the words of the board. A status is read under the map lock, which each drawn number is written under too. So a
//! status meets a change of the ticket, and that of a number in two cases: what a drain has left is read without the map lock, and
//! the holder of a vacancy numbers it without that lock.

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

/// A look against a holder that numbers its vacancy: without a number until then, and never with one of another moment.
#[test]
fn a_look_against_a_number_from_outside() {
    let outcomes = ["busy 5", "closing 5", "no number", "starting 7", "busy 7"];
    check(&bounds::C15_RENUMBER, &outcomes, || {
        let registry = share(builder().unnumbered().build());
        let tally = Tally::default();
        let entry = registry.try_enter(&Key(1)).expect("the key is free");
        let turnwise::Entry::Vacant(mut vacancy) = entry else {
            panic!("there is no session");
        };
        assert!(vacancy.renumber(number(5)), "C15: the first is refused");
        let turn = vacancy.fill(tally.session());
        let holder = spawn(move || {
            let mut vacancy = Turn::vacate(turn).closed();
            let last = number(5);
            assert!(!vacancy.renumber(last), "C15: a number comes twice");
            assert!(vacancy.renumber(number(7)), "C15: a new one is refused");
            assert!(!vacancy.renumber(number(6)), "C15: numbers go back");
            vacancy.fill(tally.session())
        });
        let status = registry.status(&Key(1)).expect("there");
        drop(holder.join().expect("holder"));
        registry.check_invariants();
        match (status.phase, status.incarnation.get()) {
            (Phase::Busy, 5) => "busy 5",
            (Phase::Closing, 5) => "closing 5",
            (Phase::Starting, pending) if pending == 1 << 63 | 5 => "no number",
            (Phase::Starting, 7) => "starting 7",
            (Phase::Busy, 7) => "busy 7",
            _ => panic!("C15: a moment that never was: {status:?}"),
        }
    });
}

fn number(fence: u64) -> turnwise::Incarnation {
    fence.try_into().expect("it is a number")
}
