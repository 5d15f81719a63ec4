//! The ledger itself: each thing that must never be done is done once, and it says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use turnwise::manager::StopReason;

use crate::ledger::{Ledger, Live};

fn noticed(what: &str, wrong: impl FnOnce(&Arc<Ledger>)) {
    let ledger = Arc::<Ledger>::default();
    wrong(&ledger);
    let checked = catch_unwind(AssertUnwindSafe(|| ledger.check()));
    let said = checked.expect_err(what).downcast::<String>();
    let said = said.expect("a text");
    assert!(said.contains(what), "{what:?} is not in {said}");
}

fn start(ledger: &Arc<Ledger>, number: u64) -> Live {
    ledger.start("a", number).gives()
}

fn stop(ledger: &Arc<Ledger>, live: Live) {
    ledger.stop(live, StopReason::Idle).ends();
}

#[test]
fn what_is_in_order_is_in_order() {
    let ledger = Arc::<Ledger>::default();
    ledger.start("a", 1).fails();
    drop(ledger.start("a", 2));
    drop(ledger.put_away("a", 2));
    let mut live = start(&ledger, 3);
    for ticket in 1..3 {
        let mut turn = live.hears(ticket, "hello", ticket);
        turn.reads();
    }
    stop(&ledger, live);
    let live = start(&ledger, 4);
    drop(ledger.stop(live, StopReason::Dirty)); // abandoned
    ledger.check();
}

#[test]
fn every_breach_is_noticed() {
    noticed("a start while another session is there", |ledger| {
        let one = start(ledger, 1);
        let two = start(ledger, 2);
        stop(ledger, one);
        stop(ledger, two);
    });
    noticed("a number that is not higher", |ledger| {
        ledger.start("a", 1).fails();
        ledger.start("a", 1).fails();
    });
    noticed("a session was dropped, not stopped", |ledger| {
        drop(start(ledger, 1));
    });
    noticed("a session is left", |ledger| {
        std::mem::forget(start(ledger, 1));
    });
    noticed("started is not stopped", |ledger| {
        std::mem::forget(start(ledger, 1));
    });
    noticed("a start was cut short and not put away", |ledger| {
        drop(ledger.start("a", 1));
    });
    noticed("what is put away is not there", |ledger| {
        drop(ledger.put_away("a", 1));
    });
    noticed("a stop of a session that is not there", |ledger| {
        let live = start(ledger, 1);
        let other = start(ledger, 2);
        stop(ledger, other);
        stop(ledger, live);
    });
    noticed("a message came twice", |ledger| {
        let mut live = start(ledger, 1);
        live.hears(7, "hello", 1).reads();
        live.hears(7, "hello", 2).reads();
        stop(ledger, live);
    });
    noticed("a turn out of order", |ledger| {
        let mut live = start(ledger, 1);
        live.hears(1, "hello", 2).reads();
        live.hears(2, "hello", 1).reads();
        stop(ledger, live);
    });
    noticed("two in one turn", |ledger| {
        let (mut one, mut two) = (start(ledger, 1), start(ledger, 2));
        let first = one.hears(1, "hello", 1);
        drop(two.hears(2, "hello", 2));
        drop(first);
        stop(ledger, one);
        stop(ledger, two);
    });
    noticed("the answer of another turn was read", |ledger| {
        let mut live = start(ledger, 1);
        drop(live.hears(1, "hello", 1));
        live.hears(2, "hello", 2).reads();
        stop(ledger, live);
    });
    noticed("a message to a session that is not there", |ledger| {
        let mut live = start(ledger, 1);
        drop(ledger.put_away("a", 1));
        drop(live.hears(1, "hello", 1));
        stop(ledger, live);
    });
}
