//! C8: status, snapshot and the scan of cleanup finish while a turn, start or close is held, whatever it does.
//!
//! The guard is held until those who ask have answered: if one of them waited for it, loom would report a deadlock.

use crate::kit::*;
use std::any::Any;

/// What is held.
#[derive(Clone, Copy)]
enum Held {
    Turn,
    Start,
    Close,
}

impl Held {
    fn hold(self, registry: &Registry, tally: &Tally) -> Box<dyn Any + Send> {
        if let Self::Start = self {
            return Box::new(registry.try_enter(&Key(1)).expect("free"));
        }
        rest(registry, &Key(1), tally);
        let turn = turn_of(registry, &Key(1));
        match self {
            Self::Close => Box::new(Turn::vacate(turn)),
            _ => Box::new(turn),
        }
    }

    fn phase(self) -> Phase {
        match self {
            Self::Turn => Phase::Busy,
            Self::Start => Phase::Starting,
            Self::Close => Phase::Closing,
        }
    }
}

/// `ask` answers how many wait, while the guard is held and another comes into the line and leaves it.
fn asked_while(bound: &'static Bound, held: Held, ask: fn(&Registry, Phase) -> usize) {
    check(bound, &["nobody waits", "one waits"], move || {
        let (registry, tally) = (registry(), Tally::default());
        let guard = held.hold(&registry, &tally);
        let asker = spawn_with(registry.clone(), move |registry| {
            ask(&registry, held.phase())
        });
        let comer = spawn_with(registry.clone(), |registry| drop(registry.enter(&Key(1))));
        let waiting = asker.join().expect("asker");
        comer.join().expect("comer");
        drop(guard);
        registry.check_invariants();
        if waiting == 0 {
            "nobody waits"
        } else {
            "one waits"
        }
    });
}

fn status(registry: &Registry, phase: Phase) -> usize {
    let status = registry.status(&Key(1)).expect("C8: it is held");
    assert_eq!(status.phase, phase, "C8: the phase of a held slot");
    status.waiting as usize
}

fn snapshot(registry: &Registry, phase: Phase) -> usize {
    let [seen] = &registry.snapshot()[..] else {
        panic!("C8: it is held");
    };
    assert_eq!(seen.status().phase, phase, "C8: the phase of a held slot");
    assert!(seen.claim().is_err(), "C8: a held session is claimed");
    seen.status().waiting as usize
}

fn cleanup(registry: &Registry, _: Phase) -> usize {
    let sweep = registry.cleanup_idle(Duration::ZERO, |_, _, _| panic!("C8: closed while held"));
    assert_eq!(sweep.busy + sweep.waiting, 1, "C8: {sweep:?}");
    sweep.waiting
}

models! {
    status_of_a_turn = asked_while(&bounds::C8_STATUS_TURN, Held::Turn, status);
    status_of_a_start = asked_while(&bounds::C8_STATUS_START, Held::Start, status);
    status_of_a_close = asked_while(&bounds::C8_STATUS_CLOSE, Held::Close, status);
    snapshot_of_a_turn = asked_while(&bounds::C8_SNAPSHOT_TURN, Held::Turn, snapshot);
    snapshot_of_a_start = asked_while(&bounds::C8_SNAPSHOT_START, Held::Start, snapshot);
    snapshot_of_a_close = asked_while(&bounds::C8_SNAPSHOT_CLOSE, Held::Close, snapshot);
    cleanup_of_a_turn = asked_while(&bounds::C8_CLEANUP_TURN, Held::Turn, cleanup);
    cleanup_of_a_start = asked_while(&bounds::C8_CLEANUP_START, Held::Start, cleanup);
    cleanup_of_a_close = asked_while(&bounds::C8_CLEANUP_CLOSE, Held::Close, cleanup);
}

/// Another key's turn is not waited for: a whole turn on one key while another is held.
#[test]
fn another_key() {
    check(&bounds::C8_OTHER_KEY, &["a turn of key 2"], || {
        let (registry, tally, turn) = held(Tally::default());
        let other = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            let entry = block_on(registry.enter(&Key(2))).expect("open");
            entry.or_insert_with(|| tally.session()).work()
        });
        assert_eq!(other.join().expect("other"), 0);
        drop(turn);
        registry.check_invariants();
        assert_eq!(tally.alive(), 2);
        "a turn of key 2"
    });
}
