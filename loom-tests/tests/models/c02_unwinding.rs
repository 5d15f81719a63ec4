//! C2, continued: turns that begin while their thread unwinds, in a drop, and the turns after them.

use crate::kit::*;

/// Acts in its drop.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `act` while this thread unwinds.
fn while_unwinding(act: impl FnMut()) {
    let end = engine::unwind(|| {
        let _acts = OnDrop(act);
        engine::panic_now();
    });
    assert!(end.is_err(), "it panics");
}

/// A start at that moment: its session was whole, so it stays.
#[test]
fn a_start_while_the_thread_unwinds() {
    let outcomes = ["started meanwhile", "started before"];
    check_unwinding(&bounds::C2_UNWINDING_START, &outcomes, || {
        let (registry, tally) = (registry(), Tally::one_at_a_time());
        let starter = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            while_unwinding(|| {
                let entry = registry.enter_blocking(&Key(1)).expect("open");
                entry.or_insert_with(|| tally.only_session()).work();
            });
        });
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.only_session());
        let uses = turn.work();
        drop(turn);
        starter.join().expect("starter");
        registry.check_invariants();
        assert_eq!(
            tally.dropped(),
            0,
            "C2: a turn that was whole ended its session"
        );
        if uses == 0 {
            "started before"
        } else {
            "started meanwhile"
        }
    });
}

/// A turn that began like this is over. The next one of the same session panics, which ends the session.
#[test]
fn a_turn_that_panics_after_one_that_did_not() {
    let outcomes = ["session 1", "session 2"];
    check_unwinding(&bounds::C2_UNWINDING_AGAIN, &outcomes, || {
        let (registry, tally) = idle(Tally::one_at_a_time());
        while_unwinding(|| drop(turn_of(&registry, &Key(1))));
        let holder = spawn_with(registry.clone(), |registry| {
            engine::unwind(|| {
                let entry = registry.enter_blocking(&Key(1)).expect("open");
                let _turn = entry.occupied().expect("there");
                engine::panic_now();
            })
        });
        let entry = registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| tally.only_session());
        let number = turn.number;
        drop(turn);
        let _panicked = holder.join().expect("holder");
        registry.check_invariants();
        assert_eq!(
            tally.dropped(),
            1,
            "C2: a half-changed session is passed on"
        );
        format!("session {number}")
    });
}
