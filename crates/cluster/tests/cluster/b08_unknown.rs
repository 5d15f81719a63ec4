//! B8: answers that are lost, late or doubled, and callers that go.

use crate::swarm::{SECOND, Swarm, either, seeds, settings};
use std::{task::Poll, time::Duration};
use turnwise_cluster::testing::{Did, Faults, Held, World};

/// Nothing arrives late, so nothing is left behind: any node can have each key at once.
#[test]
fn lost_answers_leave_nothing() {
    let faults = Faults {
        lost: 25,
        ..Faults::default()
    };
    for seed in seeds(60) {
        let swarm = Swarm::new(seed, 3, 2, faults);
        swarm.live();
        swarm.passes(seed);
        swarm.nobody_is_stuck(seed, true);
        swarm.world.end();
    }
}

/// A node asks once, and releases what it got, while answers are lost: nothing is left.
#[test]
fn a_lost_answer_leaves_nothing() {
    let faults = Faults {
        lost: 40,
        ..Faults::default()
    };
    for seed in seeds(150) {
        let world = World::new(seed, 1, faults, 5 * SECOND);
        let node = world.node(0, settings(0)).expect("the settings make sense");
        let of = world.clone();
        world.spawn(0, async move {
            of.sleep(0, 2 * SECOND).await;
            if let Ok(held) = Held::acquire(&node, "x").await {
                held.release();
            }
            // The node stays.
            of.sleep(0, 60 * SECOND).await;
            drop(node);
        });
        world.run(15 * SECOND);
        assert_eq!(
            world.owner("x"),
            None,
            "B8: nobody can have it\nseed {seed}"
        );
        world.end();
    }
}

#[test]
fn doubled_and_late_messages() {
    let faults = Faults {
        late: 30,
        doubled: 30,
        ..Faults::default()
    };
    for seed in seeds(60) {
        Swarm::check(seed, 3, 1, faults);
    }
}

/// A call that goes leaves nothing, at whichever moment it goes.
#[test]
fn a_call_that_goes() {
    for seed in seeds(150) {
        let swarm = Swarm::new(seed, 2, 1, Faults::default());
        let of = swarm.clone();
        swarm.world.spawn(0, async move {
            let time = of.world.chance(|chance| chance.seconds(0.0, 1.5));
            let limit = of.world.sleep(0, time);
            let held = either(Held::acquire(&of.nodes[0], "x"), limit).await;
            // It stays until it is released.
            if let Some(held) = held {
                held.expect("the engine answers").release();
            }
            of.world.sleep(0, 2 * SECOND).await;
            assert_eq!(of.world.owner("x"), None, "B8: nobody owns it\nseed {seed}");
        });
        swarm.world.run(10 * SECOND);
        swarm.world.end();
    }
}

/// A call that goes when its answer is there, and has not been looked at.
#[test]
fn a_call_that_goes_with_its_answer() {
    let swarm = Swarm::new(1, 1, 1, Faults::default());
    let of = swarm.clone();
    swarm.world.spawn(0, async move {
        let mut asking = Box::pin(Held::acquire(&of.nodes[0], "x"));
        let first = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx).is_pending()));
        assert!(first.await, "nothing is answered at once");
        of.world.sleep(0, 2 * SECOND).await;
        assert!(of.world.owner("x").is_some(), "it is acquired");
        drop(asking);
        of.world.sleep(0, 2 * SECOND).await;
        assert_eq!(of.world.owner("x"), None, "B8: nobody owns it");
        of.world.history().push("a", "x", Did::Releases(1));
    });
    swarm.world.run(10 * SECOND);
    assert_eq!(
        format!("{:?}", swarm.world.history()).lines().count(),
        1,
        "it has ended"
    );
    swarm.world.end();
}

/// A key that is wanted again before its release is sent is taken over in one request.
#[test]
fn an_acquisition_takes_the_place_of_a_release() {
    let swarm = Swarm::new(1, 1, 1, Faults::default());
    let of = swarm.clone();
    swarm.world.spawn(0, async move {
        let first = Held::acquire(&of.nodes[0], "x").await.expect("it is free");
        let (asked, fence) = (of.world.asked(), first.fence());
        first.release();
        let next = Held::acquire(&of.nodes[0], "x").await.expect("it is free");
        assert!(next.fence() > fence, "a new number");
        assert_eq!(of.world.asked(), asked + 1, "one request");
        next.release();
        of.world.history().push("a", "x", Did::Asks(0));
    });
    swarm.world.run(10 * SECOND);
    assert_eq!(swarm.world.owner("x"), None, "released in the end");
    assert!(
        !format!("{:?}", swarm.world.history()).is_empty(),
        "it has run"
    );
    swarm.world.end();
}

/// 10,000 starts at once: batches, two under way, and the lease is kept.
#[test]
fn a_herd() {
    const HERD: usize = 10_000;
    // Nothing takes longer than 0.03 s.
    let world = World::new(1, 1, Faults::default(), Duration::ZERO);
    let node = world.node(0, settings(0)).expect("the settings make sense");
    world.run(SECOND);
    for number in 0..HERD {
        let (of, node) = (world.clone(), node.clone());
        world.spawn(0, async move {
            let key = number.to_string();
            let held = Held::acquire(&node, &key).await;
            let held = held.expect("B8: the engine answers");
            of.sleep(0, 60 * SECOND).await;
            assert!(held.term().holds(), "B8: the lease is kept");
            of.history().push("a", &key, Did::Releases(1));
            held.release();
        });
    }
    world.run(Duration::from_secs(120));
    let released = format!("{:?}", world.history()).lines().count();
    assert_eq!(released, HERD, "each is answered");
    let asked = world.asked();
    assert!(asked <= 2 * HERD / 100 + 10, "{asked} batches");
    world.end();
}
