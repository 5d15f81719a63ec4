//! C4: if a slot is free nobody waits for it; a grant's waiter is woken if it was ever polled. No lost wake-up, no deadlock.
//!
//! A lost wake-up of a thread that waits is a deadlock, which loom reports; one of a task that is polled by hand is found by
//! its bell.

use crate::kit::*;

/// The end of a turn against a thread that enters.
#[test]
fn turn_end_against_enter() {
    check(&bounds::C4_TURN_END_ENTER, &["a, b", "b, a"], || {
        let (registry, _tally, turn) = held(Tally::default());
        turn.work();
        let thread = |registry: Registry| {
            spawn(move || {
                registry
                    .enter_blocking(&Key(1))
                    .expect("open")
                    .occupied()
                    .expect("there")
                    .work()
            })
        };
        let (a, b) = (thread(registry.clone()), thread(registry.clone()));
        drop(turn);
        match (a.join().expect("a"), b.join().expect("b")) {
            (1, 2) => "a, b",
            (2, 1) => "b, a",
            other => panic!("C4: {other:?}"),
        }
    });
}

/// A task is polled while the turn ends: it gets the turn, or waits and is woken.
#[test]
fn turn_end_against_poll() {
    let outcomes = ["granted at the poll", "woken"];
    check(&bounds::C4_TURN_END_POLL, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let bell = Bell::new();
        let ender = spawn(move || drop(turn));
        let first = bell.poll(&mut enter);
        ender.join().expect("ender");
        match first {
            Poll::Ready(entry) => {
                assert!(entry.is_ok());
                "granted at the poll"
            }
            Poll::Pending => {
                assert_eq!(bell.wakes(), 1, "C4: the grant's waiter is not woken");
                assert!(bell.poll(&mut enter).is_ready(), "C4: woken for nothing");
                "woken"
            }
        }
    });
}

/// The task moves to another executor, with another waker, while the turn ends: the last waker that said "pending" is woken.
#[test]
fn a_change_of_wakers() {
    let outcomes = [
        "granted at the first poll",
        "granted at the second poll",
        "woken",
    ];
    check(&bounds::C4_CHANGED_WAKER, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let (before, after) = (Bell::new(), Bell::new());
        let ender = spawn(move || drop(turn));
        let first = before.poll(&mut enter);
        let second = first.is_pending().then(|| after.poll(&mut enter));
        ender.join().expect("ender");
        let outcome = match &second {
            None => "granted at the first poll",
            Some(Poll::Ready(_)) => "granted at the second poll",
            Some(Poll::Pending) => {
                assert_eq!(after.wakes(), 1, "C4: the last waker is not woken");
                assert!(after.poll(&mut enter).is_ready(), "C4: woken for nothing");
                "woken"
            }
        };
        drop((first, second, enter));
        assert_eq!((before.wakers(), after.wakers()), (0, 0), "a waker is kept");
        outcome
    });
}

/// Two who wait in line, and the holder ends its turn: each wakes the next.
#[test]
fn each_wakes_the_next() {
    check(&bounds::C4_CHAIN, &["12"], || {
        let (registry, _tally, turn) = held(Tally::default());
        turn.work();
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let a = spawn(move || block_on(a).expect("open").occupied().expect("there").work());
        let b = spawn(move || b.wait().expect("open").occupied().expect("there").work());
        drop(turn);
        format!("{}{}", a.join().expect("a"), b.join().expect("b"))
    });
}

/// A waker that panics: the grant stands, and the registry goes on.
#[test]
fn a_waker_that_panics() {
    let outcomes = ["granted at the poll", "woken"];
    check_unwinding(&bounds::C4_PANIC_IN_WAKER, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let mut enter = registry.enter(&Key(1));
        let bell = Bell::that_panics();
        let ender = spawn(move || engine::unwind(|| drop(turn)).is_err());
        let first = bell.poll(&mut enter);
        let panicked = ender.join().expect("ender");
        registry.check_invariants();
        match first {
            Poll::Ready(_) => "granted at the poll",
            Poll::Pending => {
                assert!(panicked, "C4: not woken");
                let Poll::Ready(Ok(Entry::Occupied(turn))) = bell.poll(&mut enter) else {
                    panic!("C4: the grant is lost");
                };
                assert!(Turn::is_current(&turn), "C4: the slot was let go");
                "woken"
            }
        }
    });
}

/// The holder of a superseded slot lets go while somebody waits for its departure.
#[test]
fn departure_against_wait() {
    check(&bounds::C4_DEPARTURE, &["gone"], || {
        let (registry, tally, turn) = held(Tally::one_at_a_time());
        let Some(turnwise::Old::Held(departure)) = registry.remove(&Key(1)) else {
            panic!("C4: the turn is held");
        };
        let ender = spawn(move || drop(Turn::vacate(turn)));
        let waiter = spawn_with(tally.clone(), |tally| {
            block_on(departure);
            tally.none_alive("C4: it has not let go");
        });
        ender.join().expect("ender");
        waiter.join().expect("waiter");
        registry.check_invariants();
        "gone"
    });
}

/// Who waits for a departure moves to another executor, with another waker, while the holder lets go.
#[test]
fn departure_with_another_waker() {
    let outcomes = ["gone at the first poll", "gone at the second poll", "woken"];
    check(&bounds::C4_DEPARTURE_WAKERS, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let Some(turnwise::Old::Held(mut departure)) = registry.remove(&Key(1)) else {
            panic!("C4: the turn is held");
        };
        let (before, after) = (Bell::new(), Bell::new());
        let ender = spawn(move || drop(turn));
        let first = before.poll(&mut departure);
        let second = first.is_pending().then(|| after.poll(&mut departure));
        ender.join().expect("ender");
        let outcome = match second {
            None => "gone at the first poll",
            Some(Poll::Ready(())) => "gone at the second poll",
            Some(Poll::Pending) => {
                assert_eq!(after.wakes(), 1, "C4: the last waker is not woken");
                assert!(
                    after.poll(&mut departure).is_ready(),
                    "C4: woken for nothing"
                );
                "woken"
            }
        };
        drop(departure);
        assert_eq!((before.wakers(), after.wakers()), (0, 0), "a waker is kept");
        outcome
    });
}
