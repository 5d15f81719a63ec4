//! Histories that are small enough for every schedule, and those that have no shape.

use crate::harness::{History, Outcomes};
use crate::ledger::Lives;
use crate::steps::id;
use crate::world::{Shape, World};
use shuttle::thread;
use std::sync::Arc;
use turnwise::{EnterError, Entry, Old, Replaced};

/// One key, one shard. These histories say themselves what happens.
static SHAPE: Shape = Shape {
    tasks: 1,
    keys: 1,
    shards: 1,
    calls: 0,
    rounds: 1,
    max_sessions: None,
    max_waiting: None,
    lives: Lives::One,
    acts: &[],
};

/// Every schedule of a history of two tasks; what each ended in.
fn exhausted<T: Ord + Send + 'static>(
    name: &'static str,
    claims: &'static str,
    recorded: usize,
    run: fn() -> T,
) -> Vec<T> {
    let outcomes = Outcomes::default();
    let seen = Arc::clone(&outcomes);
    let run = move || {
        let outcome = run();
        seen.lock().expect("nothing panics here").insert(outcome);
    };
    let history = History {
        name,
        claims,
        tasks: 2,
        schedules: recorded,
        run,
    };
    history.exhausted(recorded);
    let mut outcomes = outcomes.lock().expect("nothing panics here");
    std::mem::take(&mut *outcomes).into_iter().collect()
}

/// C13: an entry of an absent key against a close. It came first and holds the vacancy, which `close` leaves to it, or it is
/// refused in the call. No slot is left in either case.
#[test]
fn close_against_an_entry() {
    let outcomes = exhausted("small::close_against_an_entry", "C5 C13", 48, || {
        let (world, _) = World::new(&SHAPE);
        let sessions = world.sessions;
        let newcomer = {
            let sessions = sessions.clone();
            thread::spawn(move || sessions.enter(&0))
        };
        sessions.close();
        let enter = newcomer.join().expect("a panic has failed the run already");
        let holds = enter.ticket().is_some();
        match enter.wait() {
            Ok(entry) => assert!(
                holds && entry.occupied().is_none(),
                "C13: taken after the close"
            ),
            Err(refused) => assert_eq!((holds, refused), (false, EnterError::Closed)),
        }
        assert!(sessions.is_empty(), "C5: a slot is left");
        sessions.check_invariants();
        holds
    });
    assert_eq!(outcomes, [false, true], "both came first in some schedule");
}

/// C6, C14: a start is given up while its key is replaced. The replacement survives the end of the old start, whichever came
/// first.
#[test]
fn replace_against_the_end_of_a_start() {
    let name = "small::replace_against_the_end_of_a_start";
    let outcomes = exhausted(name, "C6 C14", 672, || {
        let (world, _) = World::new(&SHAPE);
        let caller = world.caller(1);
        let Some((first, Entry::Vacant(vacancy))) = caller.try_enter(0) else {
            panic!("an absent key is vacant");
        };
        let giving_up = thread::spawn(move || caller.drop_vacancy(first, vacancy));
        let caller = world.caller(0);
        let Replaced { old, vacancy } = caller.replaced(0, None).expect("open");
        let superseded = matches!(old, Some(Old::Held(_)));
        giving_up
            .join()
            .expect("a panic has failed the run already");
        assert!(vacancy.is_current(), "C6: the replacement survives");
        caller.drop_vacancy(id(0, vacancy.ticket().get()), vacancy);
        drop((old, caller));
        world.settle();
        superseded
    });
    assert_eq!(outcomes, [false, true], "both came first in some schedule");
}

/// C5, C14: the `Enter` of an absent key, which has its vacancy from the call on, is dropped while the key is replaced.
#[test]
fn replace_against_a_cancel() {
    let outcomes = exhausted("small::replace_against_a_cancel", "C5 C14", 1_567, || {
        let (world, _) = World::new(&SHAPE);
        let caller = world.caller(1);
        let place = caller.enter(0, false);
        let cancelling = thread::spawn(move || caller.leave(place));
        let caller = world.caller(0);
        let Replaced { old, vacancy } = caller.replaced(0, None).expect("open");
        let superseded = matches!(old, Some(Old::Held(_)));
        let ticket = vacancy.ticket().get();
        cancelling
            .join()
            .expect("a panic has failed the run already");
        caller.drop_vacancy(id(0, ticket), vacancy);
        drop((old, caller));
        world.settle();
        (superseded, ticket)
    });
    assert_eq!(
        outcomes,
        [(false, 2), (true, 2)],
        "before or after, and between its steps"
    );
}

/// C14, C15: two looks while a start is given up: present and absent, and never present again.
#[test]
fn two_looks_against_the_end_of_a_start() {
    let name = "small::two_looks_against_the_end_of_a_start";
    let outcomes = exhausted(name, "C14 C15", 327, || {
        let (world, _) = World::new(&SHAPE);
        let caller = world.caller(1);
        let Some((first, Entry::Vacant(vacancy))) = caller.try_enter(0) else {
            panic!("an absent key is vacant");
        };
        let giving_up = thread::spawn(move || caller.drop_vacancy(first, vacancy));
        let caller = world.caller(0);
        let looks = [caller.status(0), caller.status(0)].map(|status| status.is_some());
        giving_up
            .join()
            .expect("a panic has failed the run already");
        drop(caller);
        world.settle();
        looks
    });
    assert_eq!(
        outcomes,
        [[false, false], [true, false], [true, true]],
        "absent, and present again: never"
    );
}

/// C13: once `close` has returned nobody is granted; the drain ends when everything has ended, and not before. Not tested
/// for C14: a drain stands in lines at moments that nobody is told of.
#[test]
fn a_drain_ends_with_an_empty_registry() {
    static TWO: Shape = Shape {
        keys: 2,
        shards: 2,
        ..SHAPE
    };
    let run: fn() = || {
        let (world, _) = World::new(&TWO);
        let newcomers: Vec<_> = world
            .keys()
            .map(|key| {
                let caller = world.caller(1 + usize::from(key));
                thread::spawn(move || {
                    for _ in 0..2 {
                        caller.serve(caller.enter_blocking(key));
                    }
                })
            })
            .collect();
        let mut drain = world.sessions.drain();
        for key in world.keys() {
            assert!(
                world.sessions.try_enter(&key).is_err(),
                "C13: granted after the close"
            );
        }
        while let Some(closing) = drain.next_blocking() {
            drop(closing);
        }
        assert!(
            world.sessions.is_empty(),
            "C13: drained, and a slot is left"
        );
        for newcomer in newcomers {
            newcomer.join().expect("a panic has failed the run already");
        }
        drop(drain);
        world.rests();
    };
    let history = History {
        name: "small::a_drain_ends_with_an_empty_registry",
        claims: "C4 C12 C13",
        tasks: 2,
        schedules: 12_000,
        run,
    };
    history.sampled();
}
