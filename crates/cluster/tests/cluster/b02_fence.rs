//! B2: a resource that compares fences refuses each act of an earlier session, and never one of the owner.

use crate::swarm::{ALL, SECOND, Swarm, seeds, settings};
use turnwise_cluster::testing::{Faults, Held, World};

#[test]
fn stopped_between_a_look_and_an_act() {
    refuses(seeds(80), ALL);
}

/// As etcd before 3.4.31 and 3.5.13 does: B1 is lost then, and B2 is not.
#[test]
fn leases_that_are_revoked_early() {
    let faults = Faults { early: 5, ..ALL };
    refuses(seeds(50), faults);
}

/// The term ends before the lease, so the next term may find the record of the last one.
#[test]
fn one_node_again_and_again() {
    let mut found = 0;
    for tenth in 0..40 {
        let world = World::new(tenth, 1, Faults::default(), 60 * SECOND);
        world.cut(0, 5 * SECOND, 11 * SECOND + SECOND * tenth as u32 / 10);
        let node = world.node(0, settings(0)).expect("the settings make sense");
        let of = world.clone();
        world.spawn(0, async move {
            let mut last = 0;
            while of.now() < 30 * SECOND {
                let Ok(held) = Held::acquire(&node, "x").await else {
                    continue;
                };
                assert!(held.fence() > last, "B2: {} after {last}", held.fence());
                last = held.fence();
                while held.term().holds() {
                    of.sleep(0, SECOND / 100).await;
                }
            }
        });
        world.run(12 * SECOND);
        let before = world.owner("x");
        world.run(40 * SECOND);
        found += usize::from(before.is_some());
        world.end();
    }
    assert!(found > 0, "the record of the last term is there");
}

fn refuses(seeds: impl Iterator<Item = u64>, faults: Faults) {
    let mut refused = 0;
    for seed in seeds {
        let (swarm, resource) = Swarm::fenced(seed, 3, faults);
        let resource = resource.lock().expect("nothing panics with it");
        let fault = resource.fault.clone();
        let history = swarm.world.history();
        let rises = match faults.early {
            0 => history.fences(),
            _ => history.fences_since_asked(),
        };
        if let Some(words) = fault.or(rises.err()) {
            panic!("{words}\nseed {seed}");
        }
        refused += resource.refused;
        swarm.world.end();
    }
    println!("{refused} acts refused");
    assert!(refused > 0, "no act came late");
}
