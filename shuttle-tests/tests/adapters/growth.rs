//! What calls cost as there are more keys, in locks taken and atomics read: shuttle counts each as a step. The root's
//! `tests/growth` counts what users see.

use crate::backend::Script;
use crate::record::Recorder;
use crate::world::{LONG, World};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, MaxSteps, Runner};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use turnwise::manager::{SessionTurn, TurnError, TurnOptions, WhenFull};

const FEW: u8 = 60;
const MANY: u8 = 240;

/// Steps of one schedule of this case.
fn steps<F: Future<Output = usize> + 'static>(keys: u8, case: fn(u8) -> F) -> usize {
    let mut config = Config::new();
    config.max_steps = MaxSteps::None;
    let counted = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&counted);
    Runner::new(RandomScheduler::new_from_seed(1, 1), config).run(move || {
        Recorder::begin();
        count.store(shuttle::future::block_on(case(keys)), Ordering::Relaxed);
    });
    counted.load(Ordering::Relaxed)
}

/// As many calls as there are keys: four times as many take n log n steps at most.
fn grows_as_n_log_n<F: Future<Output = usize> + 'static>(case: fn(u8) -> F) {
    let each = |keys: u8| steps(keys, case) as f64 / (f64::from(keys) * f64::from(keys).log2());
    let (few, many) = (each(FEW), each(MANY));
    assert!(
        many <= 1.5 * few,
        "a call costs O(all keys): steps / (n log n) are {few:.1} of {FEW} keys and {many:.1} of {MANY}"
    );
}

fn now() -> usize {
    shuttle::current::context_switches()
}

async fn turns(world: &World, keys: u8) -> Vec<SessionTurn<crate::backend::Scripted>> {
    let mut turns = Vec::new();
    for key in 0..keys {
        turns.push(world.manager.turn(&key).await.expect("room"));
    }
    turns
}

async fn listens(keys: u8) -> usize {
    let world = World::new(Script::new());
    let before = now();
    let listeners: Vec<_> = (0..keys).map(|key| world.manager.listen(&key)).collect();
    let subscribers: Vec<_> = (0..keys).map(|_| world.manager.subscribe()).collect();
    drop((listeners, subscribers));
    let steps = now() - before;
    world.end().await;
    steps
}

#[test]
fn to_listen() {
    grows_as_n_log_n(listens);
}

async fn is_refused(keys: u8) -> usize {
    let full = |builder: turnwise::manager::ManagerBuilder<_>| {
        builder.max_sessions(keys.into(), WhenFull::EvictIdle)
    };
    let world = World::built(Script::new(), None, full);
    let turns = turns(&world, keys).await;
    let before = now();
    let manager = world.manager.with(TurnOptions::no_wait());
    for _ in 0..keys {
        let refused = manager.turn(&keys).await;
        assert!(matches!(refused, Err(TurnError::RegistryFull)));
    }
    let steps = now() - before;
    drop((turns, manager));
    world.end().await;
    steps
}

#[test]
fn a_start_that_is_refused() {
    grows_as_n_log_n(is_refused);
}

async fn ends_busy(keys: u8) -> usize {
    let world = World::new(Script::new());
    let turns = turns(&world, keys).await;
    let before = now();
    let report = world.shut_down(LONG);
    let ends = async move {
        for turn in turns {
            drop(turn);
            // Whoever can go on may do so.
            for _ in 0..8 {
                shuttle::future::yield_now().await;
            }
        }
    };
    ends.await;
    report.await;
    let steps = now() - before;
    world.gone_in_the_end().await;
    steps
}

#[test]
fn a_shutdown_of_busy_sessions() {
    grows_as_n_log_n(ends_busy);
}
