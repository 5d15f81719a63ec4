//! B4: what a node does when its term ends, and when there is none.

use crate::swarm::{ALL, SECOND, Swarm, seeds, settings};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use turnwise::manager::NotOwned;
use turnwise_cluster::{
    Node,
    testing::{Faults, Held, Link, World},
};

/// Runs this on a machine whose link is cut from 5 s on, for 25 s. The term ends at about 13 s.
fn cut<F>(run: impl FnOnce(World, Node<Link>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let world = World::new(1, 1, Faults::default(), 60 * SECOND);
    world.cut(0, 5 * SECOND, 30 * SECOND);
    let node = world.node(0, settings(0)).expect("the settings make sense");
    let ended = Arc::new(AtomicBool::new(false));
    let (end, test) = (Arc::clone(&ended), run(world.clone(), node));
    world.spawn(0, async move {
        test.await;
        end.store(true, Ordering::SeqCst);
    });
    world.run(120 * SECOND);
    assert!(ended.load(Ordering::SeqCst), "B4: it has no end");
    world.end();
}

#[test]
fn a_term_ends_before_its_lease() {
    cut(|world, node| async move {
        let held = Held::acquire(&node, "x").await.expect("it is free");
        assert!(node.has_lease());
        while held.term().holds() {
            assert!(held.term().grace() > SECOND, "the margin is left");
            world.sleep(0, SECOND / 100).await;
        }
        assert!(!node.has_lease(), "its term has ended");
        assert!(world.owner("x").is_some(), "the engine lets nobody in yet");
        let grace = held.term().grace();
        assert!(grace <= SECOND * 6 / 5, "B4: {grace:?}");
        world.sleep(0, grace).await;
        assert_eq!(held.term().grace(), Duration::ZERO);
        while world.owner("x").is_some() {
            world.sleep(0, SECOND / 10).await;
        }
        // It is never revived, and the next term is another.
        let next = loop {
            assert!(!held.term().holds(), "B4: it holds again");
            match Held::acquire(&node, "x").await {
                Ok(next) => break next,
                Err(error) => assert!(matches!(error, NotOwned::Unavailable(_)), "{error:?}"),
            }
        };
        assert!(
            next.term().holds() && !held.term().holds(),
            "B4: it holds again"
        );
        assert!(node.has_lease());
        assert!(next.fence() > held.fence(), "B4: the number rises");
        // The release of a session whose term has ended does not touch the next one.
        held.release();
        world.sleep(0, SECOND).await;
        assert_eq!(world.owner("x").map(|(fence, _)| fence), Some(next.fence()));
    });
}

#[test]
fn without_a_term_a_call_waits_for_a_while() {
    cut(|world, node| async move {
        let held = Held::acquire(&node, "x").await.expect("it is free");
        while held.term().holds() {
            world.sleep(0, SECOND / 10).await;
        }
        let asked = world.clock(0);
        let error = Held::acquire(&node, "y")
            .await
            .expect_err("there is no term");
        let waited = world.clock(0) - asked;
        assert!(matches!(error, NotOwned::Unavailable(_)), "B4: {error:?}");
        assert!((4 * SECOND..6 * SECOND).contains(&waited), "B4: {waited:?}");
        while world.now() < 28 * SECOND {
            world.sleep(0, SECOND / 10).await;
        }
        // One that waits gets the key when there is a term again.
        Held::acquire(&node, "y")
            .await
            .expect("B4: the link is back");
    });
}

#[test]
fn a_node_that_leaves() {
    let world = World::new(1, 2, Faults::default(), SECOND);
    let nodes = [0, 1].map(|machine| world.node(machine, settings(machine)).expect("it can be"));
    let ended = Arc::new(AtomicBool::new(false));
    let (end, of) = (Arc::clone(&ended), world.clone());
    world.spawn(0, async move {
        let [a, b] = nodes;
        let held = Held::acquire(&a, "x").await.expect("it is free");
        let lost = Held::acquire(&a, "y").await.expect("it is free");
        let other = Held::acquire(&b, "x").await.expect_err("a has it");
        assert_eq!(other, NotOwned::Elsewhere("a".into()));
        a.drain();
        let draining = Held::acquire(&a, "z").await.expect_err("it drains");
        assert!(
            matches!(draining, NotOwned::Unavailable(_)),
            "B4: {draining:?}"
        );
        assert!(held.term().holds(), "what is owned stays owned");
        let (of_leave, of_shutdown) = (a.clone(), of.clone());
        a.leave(async move {
            held.release();
            of_shutdown.sleep(0, SECOND).await;
            assert_eq!(
                of_shutdown.owner("x"),
                None,
                "B4: it is released without a wait"
            );
            drop(of_leave);
        })
        .await;
        // A session still runs, so its lease is not revoked.
        assert!(
            !lost.term().holds() && of.owner("y").is_some(),
            "B4: it may still act"
        );
        Held::acquire(&b, "x").await.expect("it is free").release();
        b.leave(async {}).await;
        let asked = of.asked();
        of.sleep(0, 20 * SECOND).await;
        assert_eq!(of.owner("y"), None, "it expires");
        assert_eq!(of.asked(), asked, "nobody asks any more");
        end.store(true, Ordering::SeqCst);
    });
    world.run(120 * SECOND);
    assert!(ended.load(Ordering::SeqCst), "B4: it has no end");
    world.end();
}

/// Like a process that ends in good order: others wait for no lease.
#[test]
fn the_last_clone_goes() {
    let world = World::new(1, 1, Faults::default(), SECOND);
    let node = world.node(0, settings(0)).expect("the settings make sense");
    let of = world.clone();
    world.spawn(0, async move {
        let held = Held::acquire(&node, "x").await.expect("it is free");
        held.release();
        drop(node);
        of.sleep(0, SECOND).await;
        assert_eq!(of.owner("x"), None, "B4: it is free");
    });
    world.run(5 * SECOND);
    world.end();
}

/// Sessions that a guard ends are ended when their term ends, and no others.
#[test]
fn guards() {
    for seed in seeds(60) {
        let swarm = Swarm::guarded(seed, 2, 2, ALL);
        swarm.live();
        swarm.passes(seed);
        swarm.world.end();
        // A lease that goes before its time.
        let swarm = Swarm::guarded(seed, 2, 1, Faults { early: 20, ..ALL });
        swarm.live();
        swarm.world.end();
    }
}

/// While no machine stops, a call gets no term that has ended: an answer that comes too late is none.
#[test]
fn an_answer_under_a_term_that_has_ended() {
    let faults = Faults {
        late: 40,
        ..Faults::default()
    };
    for seed in seeds(40) {
        let swarm = Swarm::new(seed, 2, 1, faults);
        let of = swarm.clone();
        swarm.world.spawn(0, async move {
            while of.world.now() < 50 * SECOND {
                let held = Held::acquire(&of.nodes[0], "x").await;
                let Ok(held) = held else { continue };
                assert!(held.term().holds(), "B4: its term has ended\nseed {seed}");
                held.release();
            }
        });
        swarm.world.run(55 * SECOND);
        swarm.world.end();
    }
}

/// The answer to the last renewal comes at about the deadline: a term that has ended has ended.
#[test]
fn a_renewal_that_comes_too_late() {
    for hundredth in 0..200 {
        let world = World::new(hundredth, 1, Faults::default(), 60 * SECOND);
        world.cut(0, 5 * SECOND, 10 * SECOND + SECOND * hundredth as u32 / 50);
        let node = world.node(0, settings(0)).expect("the settings make sense");
        let of = world.clone();
        world.spawn(0, async move {
            let held = Held::acquire(&node, "x").await.expect("it is free");
            let mut ended = false;
            while of.now() < 25 * SECOND {
                let holds = held.term().holds();
                assert!(!holds || !ended, "B4: it holds again\nseed {hundredth}");
                ended |= !holds;
                of.sleep(0, SECOND / 50).await;
            }
        });
        world.run(25 * SECOND);
        world.end();
    }
}

/// An engine that is away for half the time to live ends no session, whenever that is: then two tries of a renewal may be lost.
#[test]
fn an_outage_of_half_a_term() {
    for tenth in 0..80 {
        let world = World::new(tenth, 1, Faults::default(), 60 * SECOND);
        let from = 5 * SECOND + SECOND * tenth as u32 / 10;
        world.cut(0, from, from + 5 * SECOND);
        let node = world.node(0, settings(0)).expect("the settings make sense");
        let of = world.clone();
        world.spawn(0, async move {
            let held = Held::acquire(&node, "x").await.expect("it is free");
            of.sleep(0, 25 * SECOND).await;
            assert!(held.term().holds(), "B4: lost, seed {tenth}");
        });
        world.run(30 * SECOND);
        world.end();
    }
}
