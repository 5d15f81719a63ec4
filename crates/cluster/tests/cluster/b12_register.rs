//! B12: the checker of histories refuses lies. The histories of all other tests pass it.

use crate::swarm::{Habits, Swarm, seeds};
use turnwise_cluster::testing::{
    Did::{self, Acts, Asks, Elsewhere, Expired, Fails, Loses, Owns, Releases},
    Faults, History,
};

fn history(events: &[(&str, Did)]) -> History {
    let history = History::default();
    for (node, did) in events {
        history.push(node, "x", did.clone());
    }
    history
}

fn elsewhere(ask: usize, node: &str) -> Did {
    Elsewhere(ask, node.to_owned())
}

#[test]
fn what_may_happen() {
    let right: &[&[(&str, Did)]] = &[
        // A release and an expiry free the key.
        &[
            ("a", Asks(0)),
            ("a", Owns(0, 3)),
            ("b", Asks(1)),
            ("a", Releases(3)),
            ("b", Owns(1, 4)),
        ],
        &[
            ("a", Asks(0)),
            ("a", Owns(0, 3)),
            ("a", Expired(3)),
            ("b", Asks(1)),
            ("b", Owns(1, 4)),
        ],
        // A node takes its own record anew.
        &[
            ("a", Asks(0)),
            ("a", Owns(0, 3)),
            ("a", Loses(3)),
            ("a", Asks(1)),
            ("a", Owns(1, 4)),
            ("a", Acts(4)),
        ],
        // An answer comes before its question has ended, from either side.
        &[
            ("b", Asks(1)),
            ("a", Asks(0)),
            ("a", Owns(0, 3)),
            ("b", elsewhere(1, "a")),
        ],
        &[
            ("a", Asks(0)),
            ("b", Asks(1)),
            ("b", elsewhere(1, "a")),
            ("a", Owns(0, 3)),
        ],
        // A call that failed may have acquired the key.
        &[
            ("a", Asks(0)),
            ("a", Fails(0)),
            ("b", Asks(1)),
            ("b", elsewhere(1, "a")),
        ],
    ];
    for events in right {
        assert_eq!(history(events).check(), Ok(()), "{events:?}");
    }
}

#[test]
fn lies_are_refused() {
    let lies: &[(&str, &[(&str, Did)])] = &[
        (
            "B1",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("a", Loses(3)),
                ("b", Asks(1)),
                ("b", Owns(1, 4)),
                ("a", Acts(3)),
            ],
        ),
        (
            "B2",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("a", Releases(3)),
                ("a", Asks(1)),
                ("a", Owns(1, 3)),
            ],
        ),
        (
            "B2",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("a", Releases(3)),
                ("b", Asks(1)),
                ("b", Owns(1, 2)),
            ],
        ),
        // Two owners, although nobody acts.
        (
            "B12",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("b", Asks(1)),
                ("b", Owns(1, 4)),
            ],
        ),
        (
            "B12",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("b", Asks(1)),
                ("b", Owns(1, 4)),
                ("a", Releases(3)),
            ],
        ),
        // The name of a node that owned nothing then.
        ("B12", &[("a", Asks(0)), ("a", elsewhere(0, "b"))]),
        (
            "B12",
            &[
                ("a", Asks(0)),
                ("a", elsewhere(0, "b")),
                ("b", Asks(1)),
                ("b", Owns(1, 3)),
            ],
        ),
        (
            "B12",
            &[
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
                ("a", Expired(3)),
                ("b", Asks(1)),
                ("b", elsewhere(1, "a")),
            ],
        ),
        // Acquired before it was asked for.
        (
            "B12",
            &[
                ("b", Asks(1)),
                ("b", Owns(1, 4)),
                ("b", Releases(4)),
                ("a", Asks(0)),
                ("a", Owns(0, 3)),
            ],
        ),
    ];
    for (claim, events) in lies {
        let history = history(events);
        let all = [
            history.exclusive(),
            history.fences(),
            history.linearizable(),
        ];
        let told = all
            .iter()
            .any(|end| end.as_ref().is_err_and(|words| words.starts_with(claim)));
        assert!(told, "{claim}: {events:?}");
    }
}

/// All that a failure shows.
#[test]
fn a_history_can_be_read() {
    let history = history(&[("a", Asks(0)), ("a", Owns(0, 3)), ("a", Acts(3))]);
    assert_eq!(history.counts(), (1, 1));
    assert_eq!(format!("{history:?}").lines().count(), 3);
}

/// Calls that follow each other closely, on keys that change their owner often.
#[test]
fn calls_that_go_and_come() {
    let faults = Faults {
        late: 40,
        ..Faults::default()
    };
    for seed in seeds(150) {
        let mut swarm = Swarm::new(seed, 3, 1, faults);
        swarm.habits = Habits {
            rests: (0, 1.0),
            goes: 50,
            only_first: true,
            pause: 0.4,
            life: 0.5,
        };
        swarm.live();
        if let Err(words) = swarm.world.history().linearizable() {
            panic!("{words}\nseed {seed}");
        }
        swarm.world.end();
    }
}
