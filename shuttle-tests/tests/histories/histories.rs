//! Histories of three tasks over two keys, each task doing what chance chooses: tested for C1, C2, C3, C4 (a deadlock fails
//! the run), C6, C11, C12 and C13. One history is small enough to be checked in every schedule.

use crate::harness::{exhausted, sampled};
use crate::ledger::Lives;
use crate::world::{KEYS, World, registry};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use turnwise::{EnterError, Entry, Old};

const OPERATIONS: usize = 4;

/// The outcomes that some schedule led to; plain std, invisible to the scheduler.
type Outcomes<T> = Arc<Mutex<BTreeSet<T>>>;

/// C1, C2, C3, C4, C11, C12 while nobody replaces.
fn plain(shards: usize) {
    let world = World::new(shards, Lives::One);
    world.run(|world| (0..OPERATIONS).for_each(|_| world.plain()));
    world.settle();
}

/// C1, C4, C6, C11, C12 while some replace and remove.
fn superseding(shards: usize) {
    let world = World::new(shards, Lives::Many);
    world.run(|world| {
        for _ in 0..OPERATIONS {
            if thread_rng().gen_range(0..3u8) == 0 {
                world.supersede();
            } else {
                world.plain();
            }
        }
    });
    world.settle();
}

#[test]
fn one_session_of_a_key_in_one_shard() {
    sampled(|| plain(1));
}

#[test]
fn one_session_of_a_key_in_two_shards() {
    sampled(|| plain(2));
}

#[test]
fn replacements_in_one_shard() {
    sampled(|| superseding(1));
}

#[test]
fn replacements_in_two_shards() {
    sampled(|| superseding(2));
}

/// C13: once `close` has returned nobody is granted; the drain ends when everything has ended, and not before.
#[test]
fn a_drain_ends_with_an_empty_registry() {
    sampled(|| {
        let world = World::new(2, Lives::One);
        let newcomers: Vec<_> = KEYS
            .map(|key| {
                let world = world.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        match world.sessions.enter_blocking(&key) {
                            Ok(entry) => world.serve(entry),
                            Err(refused) => assert_eq!(refused, EnterError::Closed),
                        }
                    }
                })
            })
            .into();
        let mut drain = world.sessions.drain();
        for key in KEYS {
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
        world.settle();
    });
}

/// C13, in every schedule: an entry of an absent key against a close. Whether it was granted before or refused in the call,
/// it is not granted once `close` has returned, and no slot is left. Small enough to be exhausted, for there is no turn in
/// it: each transition that posts a status has five steps more.
#[test]
fn close_against_a_grant_in_every_schedule() {
    let outcomes = Outcomes::default();
    let seen = Arc::clone(&outcomes);
    exhausted(51, move || {
        let sessions = registry::<&str>(1);
        let newcomer = {
            let sessions = sessions.clone();
            thread::spawn(move || sessions.enter(&0))
        };
        sessions.close();
        let enter = newcomer.join().expect("a panic has failed the run already");
        let granted = enter.ticket().is_some();
        seen.lock().expect("nothing panics here").insert(granted);
        let refused = enter.wait().expect_err("C13: granted after the close");
        assert_eq!(refused, EnterError::Closed);
        assert!(sessions.is_empty(), "C5: a slot is left");
        sessions.check_invariants();
    });
    let outcomes = outcomes.lock().expect("nothing panics here").clone();
    assert_eq!(
        outcomes,
        [false, true].into(),
        "both came first in some schedule"
    );
}

/// C6, in every schedule: a start is given up while its key is replaced. The replacement survives the end of the old start,
/// whichever came first.
#[test]
fn replace_against_the_end_of_a_start_in_every_schedule() {
    let outcomes = Outcomes::default();
    let seen = Arc::clone(&outcomes);
    exhausted(61, move || {
        let sessions = registry::<&str>(1);
        let Ok(Entry::Vacant(vacancy)) = sessions.try_enter(&0) else {
            panic!("an absent key is vacant");
        };
        let giving_up = thread::spawn(move || drop(vacancy));
        let replaced = sessions.replace(&0).expect("open");
        let superseded = matches!(replaced.old, Some(Old::Held(_)));
        seen.lock().expect("nothing panics here").insert(superseded);
        giving_up
            .join()
            .expect("a panic has failed the run already");
        assert!(
            replaced.vacancy.is_current(),
            "C6: the replacement survives"
        );
        assert_eq!(sessions.len(), 1, "C6: the replacement survives");
        drop(replaced.vacancy.fill("new"));
        sessions.check_invariants();
    });
    let outcomes = outcomes.lock().expect("nothing panics here").clone();
    assert_eq!(
        outcomes,
        [false, true].into(),
        "both came first in some schedule"
    );
}
