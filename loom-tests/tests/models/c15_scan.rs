//! C15: a scan in steps sees each session that stays once, whatever comes, goes, or moves to another bucket between them.

use crate::kit::*;
use turnwise::Turn;

/// As many as the smallest table holds. In its four buckets the last is the first; in the eight of the next table it is not.
const HERE: [u64; 3] = [1, 2, 4];
/// Makes the table grow.
const NEW: u64 = 7;

fn full(tally: &Tally) -> Registry {
    let registry = registry();
    let here = HERE.iter().rev();
    here.for_each(|key| rest(&registry, &Key(*key), tally));
    registry
}

fn keys(registry: &Core) -> Vec<u64> {
    let mut keys: Vec<_> = registry
        .snapshot()
        .iter()
        .map(|seen| seen.key().number())
        .collect();
    keys.sort_unstable();
    keys
}

/// A snapshot against a newcomer, for whom the table grows: those who were there are seen once, whatever bucket they had.
#[test]
fn snapshot_against_growth() {
    let outcomes = ["without the newcomer", "with the newcomer"];
    check(&bounds::C15_SCAN_GROWTH, &outcomes, || {
        let tally = Tally::default();
        let registry = full(&tally);
        let newcomer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            rest(&registry, &Key(NEW), &tally);
        });
        let seen = keys(&registry);
        newcomer.join().expect("newcomer");
        let new = seen.last() == Some(&NEW);
        let stay = &seen[..seen.len() - usize::from(new)];
        assert_eq!(stay, HERE, "C15: who stays is seen once");
        if new {
            "with the newcomer"
        } else {
            "without the newcomer"
        }
    });
}

/// A snapshot against a session that ends and another that is replaced: who stays is seen, and nobody twice.
#[test]
fn snapshot_against_an_end() {
    let outcomes = ["before the end", "after the end"];
    check(&bounds::C15_SCAN_END, &outcomes, || {
        let tally = Tally::default();
        let registry = full(&tally);
        let ending = spawn_with(registry.clone(), |registry| {
            drop(Turn::vacate(turn_of(&registry, &Key(4))));
        });
        let seen = keys(&registry);
        ending.join().expect("ending");
        match seen[..] {
            [1, 2, 4] => "before the end",
            [1, 2] => "after the end",
            _ => panic!("C15: {seen:?}"),
        }
    });
}

/// A snapshot against a session that ends and comes back in another bucket: it may be seen twice, as two incarnations.
#[test]
fn snapshot_against_one_that_comes_back() {
    let outcomes = ["not seen", "seen once", "seen twice"];
    check(&bounds::C15_SCAN_BACK, &outcomes, || {
        let (registry, tally) = (registry(), Tally::default());
        // All of these have the same first bucket.
        rest(&registry, &Key(4), &tally);
        let returning = spawn_with(registry.clone(), move |registry| {
            drop(Turn::vacate(turn_of(&registry, &Key(4))));
            for key in [8, 12, 4] {
                rest(&registry, &Key(key), &tally);
            }
        });
        let all = registry.snapshot();
        returning.join().expect("returning");
        let seen = all.iter().filter(|seen| seen.key().number() == 4);
        let numbers: Vec<_> = seen.map(|seen| seen.status().incarnation).collect();
        match numbers[..] {
            [] => "not seen",
            [_] => "seen once",
            [one, two] => {
                assert!(one < two, "C15: one incarnation is seen twice");
                "seen twice"
            }
            _ => panic!("C15: {numbers:?}"),
        }
    });
}

/// A cleanup against a newcomer for whom the table grows: each that was idle is closed, once.
#[test]
fn cleanup_against_growth() {
    let outcomes = [
        "without the newcomer",
        "with the newcomer",
        "the newcomer is busy",
    ];
    check(&bounds::C15_CLEANUP_GROWTH, &outcomes, || {
        let tally = Tally::default();
        let registry = full(&tally);
        let newcomer = spawn_with((registry.clone(), tally.clone()), |(registry, tally)| {
            rest(&registry, &Key(NEW), &tally);
        });
        let mut closed = Vec::new();
        let sweep = registry.cleanup_idle(Duration::ZERO, |key, _, _| closed.push(key.number()));
        newcomer.join().expect("newcomer");
        closed.sort_unstable();
        assert_eq!(closed[..3], HERE, "C15: who stays is closed once");
        assert_eq!(sweep.closed, closed.len());
        match (&closed[3..], sweep.busy) {
            ([], 0) => "without the newcomer",
            ([NEW], 0) => "with the newcomer",
            ([], 1) => "the newcomer is busy",
            _ => panic!("C15: {closed:?}, {sweep:?}"),
        }
    });
}
