//! A10: while a keep-alive is held, its session is not stopped by policy.

use crate::backend::{Act, Call, Script, step};
use crate::world::{Scenario, World, join};
use std::time::Duration;
use turnwise::manager::{KeepAlive, SessionTurn};

const KEY: u8 = 0;

/// A sweep against a caller that keeps the idle session: it is kept, or it was being stopped before and there is no guard.
#[test]
fn a_sweep_against_a_keep_alive() {
    let ends = &["kept", "stopped"];
    Scenario::new("a10_kept::a_sweep_against_a_keep_alive", "A10", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Slow));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let keeping = world.spawn("keeps", {
            let world = world.clone();
            async move {
                let kept = world.manager.keep_alive(&KEY)?;
                step().await;
                let stops = world.ledger.read(|book| book.stops.len());
                assert_eq!(stops, 0, "A10: a session is stopped that is kept alive");
                Some(kept)
            }
        });
        let report = world.manager.cleanup_idle(Duration::ZERO).await;
        let kept = join(keeping).await;
        assert_eq!(
            kept.is_some(),
            report.stopped.is_empty(),
            "A10: a session is stopped that is kept alive"
        );
        let end = if kept.is_some() { "kept" } else { "stopped" };
        drop(kept);
        world.end().await;
        end.to_owned()
    });
}

/// A guard of the first session is dropped while the key is restarted. The guards of the next one stay counted.
#[test]
fn a_drop_against_a_restart() {
    let ends = &["kept"];
    Scenario::new("a10_kept::a_drop_against_a_restart", "A10", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let kept = world.manager.keep_alive(&KEY).expect("it is idle");
        let dropping = world.spawn("drops", async move {
            step().await;
            drop(kept);
        });
        let turn = world.manager.restart(&KEY).await.expect("it starts");
        let next = world.manager.keep_alive(&KEY).expect("it is there");
        SessionTurn::done(turn);
        let report = world.manager.cleanup_idle(Duration::ZERO).await;
        assert!(
            report.stopped.is_empty(),
            "A10: a session is stopped that is kept alive"
        );
        join(dropping).await;
        let report = world.manager.cleanup_idle(Duration::ZERO).await;
        assert!(
            report.stopped.is_empty(),
            "A10: a session is stopped that is kept alive"
        );
        drop(next);
        world.end().await;
        "kept".to_owned()
    });
}

/// Each session is too old at once, and a call is about to replace it, or a sweep to stop it. A guard that comes in time prevents both,
/// and one that comes too late is none.
#[test]
fn a_keep_alive_against_age() {
    let ends = &["kept", "kept the next one", "none"];
    Scenario::new("a10_kept::a_keep_alive_against_age", "A10", 2).ends_in(ends, || async {
        let world = World::built(Script::new(), None, |builder| {
            builder.max_age(Duration::from_nanos(10))
        });
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let first = SessionTurn::incarnation(&turn);
        SessionTurn::done(turn);
        let keeping = world.spawn("keeps", {
            let world = world.clone();
            async move {
                step().await;
                world.manager.keep_alive(&KEY)
            }
        });
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        SessionTurn::done(turn);
        let kept = join(keeping).await;
        let number = kept.as_ref().map(KeepAlive::incarnation);
        for _ in 0..3 {
            step().await;
        }
        let stops = world.ledger.read(|book| book.stops.clone());
        let stopped =
            |&(_, stopped, _): &(_, u64, _)| number.is_some_and(|number| number.get() == stopped);
        assert!(
            !stops.iter().any(stopped),
            "A10: a session is stopped that is kept alive"
        );
        drop(kept);
        world.end().await;
        match number {
            Some(number) if number == first => "kept",
            Some(_) => "kept the next one",
            None => "none",
        }
        .to_owned()
    });
}
