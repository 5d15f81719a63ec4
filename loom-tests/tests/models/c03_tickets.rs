//! C3, continued: no ticket of a key is drawn twice, whatever its slot keeps and frees meanwhile.

use crate::kit::*;

/// A call of high priority overtakes one with a lower ticket, which has the last turn. The next ticket is above both.
#[test]
fn a_ticket_that_was_overtaken() {
    let outcomes = ["waited", "did not wait"];
    check(&bounds::C3_OVERTAKEN, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let (normal, high) = (registry.enter(&Key(1)), registry.enter_first(&Key(1)));
        let last = high.ticket().expect("open");
        drop(turn);
        drop(high.wait().expect("open"));
        let ender = spawn(move || drop(normal.wait().expect("open")));
        let mut next = registry.enter(&Key(1));
        assert!(next.ticket() > Some(last), "C3: a ticket is drawn twice");
        let waited = poll_once(&mut next).is_pending();
        ender.join().expect("ender");
        drop(next);
        registry.check_invariants();
        if waited { "waited" } else { "did not wait" }
    });
}

/// A session with a handle: the next ticket is above that of the last turn.
#[test]
fn a_ticket_beside_a_handle() {
    let outcomes = ["waited", "did not wait"];
    check(&bounds::C3_BESIDE_A_HANDLE, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let last = Turn::ticket(&turn);
        let ender = spawn(move || {
            Turn::set_handle(&turn, engine::Arc::new(Handle(1)));
            drop(turn);
        });
        let mut next = registry.enter(&Key(1));
        assert!(next.ticket() > Some(last), "C3: a ticket is drawn twice");
        let waited = poll_once(&mut next).is_pending();
        ender.join().expect("ender");
        drop(next);
        registry.check_invariants();
        if waited { "waited" } else { "did not wait" }
    });
}
