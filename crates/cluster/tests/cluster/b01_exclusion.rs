//! B1: no session acts after a later one of its key has begun.

use crate::swarm::{ALL, Habits, SECOND, Swarm, seeds};
use turnwise::manager::NotOwned;
use turnwise_cluster::testing::{Did, Faults, Held};

#[test]
fn three_nodes_and_one_key() {
    let (mut owned, mut acts) = (0, 0);
    for seed in seeds(200) {
        let (owns, acted) = Swarm::check(seed, 3, 1, ALL);
        owned += owns;
        acts += acted;
    }
    println!("{owned} sessions, {acts} acts");
    assert!(owned > 0 && acts > owned, "sessions begin, and act");
}

#[test]
fn two_nodes_and_two_keys() {
    for seed in seeds(80) {
        Swarm::check(seed, 2, 2, ALL);
    }
}

/// Little but clocks that differ and machines that stop: most is owned most of the time.
#[test]
fn clocks_and_stops() {
    let faults = Faults {
        drift: 5,
        pauses: 6,
        cuts: 6,
        ..Faults::default()
    };
    for seed in seeds(80) {
        Swarm::check(seed, 3, 1, faults);
    }
}

/// Renewals are answered just in time, and then the link is cut.
#[test]
fn clocks_and_late_answers() {
    let faults = Faults {
        drift: 5,
        late: 50,
        cuts: 40,
        ..Faults::default()
    };
    for seed in seeds(400) {
        Swarm::check(seed, 3, 1, faults);
    }
}

/// A term may end, and the next one begin, between two acts of a session.
#[test]
fn sessions_that_rest() {
    for seed in seeds(120) {
        let mut swarm = Swarm::new(seed, 3, 1, ALL);
        swarm.habits = Habits {
            rests: (60, 25.0),
            ..Habits::default()
        };
        swarm.live();
        swarm.passes(seed);
        swarm.world.end();
    }
}

/// A session that is slow to stop, and its successor: the key is released when both have been stopped.
#[test]
fn two_sessions_of_one_node() {
    let swarm = Swarm::new(1, 2, 1, Faults::default());
    let of = swarm.clone();
    swarm.world.spawn(0, async move {
        let [a, b] = &of.nodes[..] else { return };
        let first = Held::acquire(a, "x").await.expect("it is free");
        let second = Held::acquire(a, "x").await.expect("it is its own");
        assert!(second.fence() > first.fence(), "B2: a new number");
        second.release();
        of.world.sleep(0, 2 * SECOND).await;
        let other = Held::acquire(b, "x").await.err();
        assert_eq!(
            other,
            Some(NotOwned::Elsewhere("a".into())),
            "B1: the first still runs"
        );
        first.release();
        of.world.sleep(0, 2 * SECOND).await;
        Held::acquire(b, "x")
            .await
            .expect("B8: it is free")
            .release();
        of.world.history().push("b", "x", Did::Releases(1));
    });
    swarm.world.run(20 * SECOND);
    assert_eq!(
        format!("{:?}", swarm.world.history()).lines().count(),
        1,
        "it has ended"
    );
    swarm.world.end();
}
