//! A3: a sweep stops what rests, and never a session that is busy, waited for, or touched within the time.

use crate::backend::{Act, Call, Script, step};
use crate::ledger::Book;
use crate::world::{Scenario, World, join};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use turnwise::{
    Clock,
    manager::{StopReason, SweepReport},
};

const KEY: u8 = 0;
const IDLE: Duration = Duration::from_millis(10);

/// What became of the one session that there is.
fn swept(report: &SweepReport<u8>) -> String {
    assert!(report.failed.is_empty() && report.abandoned.is_empty());
    match (&report.stopped[..], &report.skipped[..]) {
        ([KEY], []) => "stopped".to_owned(),
        ([], [(KEY, skip)]) => {
            let words = format!("{skip:?}");
            words.split('(').next().unwrap_or_default().to_owned()
        }
        ([], []) => "absent".to_owned(),
        _ => format!("{report:?}"),
    }
}

/// A sweep while a turn ends and somebody waits: he has the session, whatever the sweep saw.
#[test]
fn a_sweep_against_a_line() {
    let ends = &[
        "reply of #1; Waiting",
        "reply of #1; Busy",
        "reply of #1; stopped",
    ];
    Scenario::new("a3_reaper::a_sweep_against_a_line", "A3", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let sending = world.send(KEY, 1, Act::Done);
        let sweeps = world.spawn("sweeps", world.manager.cleanup_idle(Duration::ZERO));
        drop(turn);
        let reply = world.hear(1, sending).await;
        let report = swept(&join(sweeps).await);
        world.end().await;
        format!("{reply}; {report}")
    });
}

/// A sweep of a session that rests, while a message comes: the message has it, or another one.
#[test]
fn a_sweep_against_a_call() {
    let ends = &[
        "reply of #1; Busy",
        "reply of #1; stopped",
        "reply of #3; stopped",
    ];
    Scenario::new("a3_reaper::a_sweep_against_a_call", "A3", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let sweeps = world.spawn("sweeps", world.manager.cleanup_idle(Duration::ZERO));
        let reply = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let report = swept(&join(sweeps).await);
        world.end().await;
        format!("{reply}; {report}")
    });
}

/// A session that has rested for long enough is touched. A sweep that begins later passes over it; one that has begun may
/// too.
#[test]
fn a_sweep_against_a_touch() {
    let ends = &["touched before: Touched", "Touched", "stopped"];
    Scenario::new("a3_reaper::a_sweep_against_a_touch", "A3", 2).ends_in(ends, || async {
        let (clock, hand) = Clock::manual();
        let world = World::built(Script::new(), None, |builder| builder.clock(clock));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        hand.advance(IDLE);
        let touched = Arc::new(AtomicBool::new(false));
        let touches = world.spawn("touches", {
            let (world, touched) = (world.clone(), Arc::clone(&touched));
            async move {
                let there = world.manager.touch(&KEY);
                touched.store(there, Ordering::SeqCst);
            }
        });
        step().await;
        let sweep = world.manager.cleanup_idle(IDLE);
        let before = touched.load(Ordering::SeqCst);
        let report = swept(&sweep.await);
        join(touches).await;
        world.end().await;
        let before = if before { "touched before: " } else { "" };
        format!("{before}{report}")
    });
}

/// The reaper stops a session once it has rested for long enough; a message that comes meanwhile has it, or another one.
#[test]
fn the_reaper() {
    let ends = &["reply of #1; [Idle]", "reply of #3; [Idle, Idle]"];
    Scenario::new("a3_reaper::the_reaper", "A3", 2).ends_in(ends, || async {
        let (clock, hand) = Clock::manual();
        let world = World::built(Script::new(), None, |builder| {
            builder.clock(clock).stop_idle_after(IDLE)
        });
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let moves = world.spawn("moves", {
            let hand = hand.clone();
            async move { hand.advance(IDLE) }
        });
        let reply = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        join(moves).await;
        hand.advance(IDLE);
        let ends = |book: &Book| book.stops.last().map(|stop| (stop.1, stop.2));
        let heard = world.ledger.read(|book| book.heard[&1]);
        let idle = Some((heard, StopReason::Idle));
        world.ledger.until(|book| ends(book) == idle).await;
        let ledger = world.end().await;
        format!("{reply}; {:?}", ledger.read(Book::reasons))
    });
}

/// Nobody waits for the end of a sweep: it claims no more, and a stop that has begun goes to its end.
#[test]
fn a_sweep_that_is_dropped() {
    let ends = &["[Shutdown]", "[Idle]"];
    Scenario::new("a3_reaper::a_sweep_that_is_dropped", "A3", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Slow));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let sweeps = world.spawn("sweeps", world.manager.cleanup_idle(Duration::ZERO));
        sweeps.abort();
        drop(sweeps);
        let ledger = world.end().await;
        format!("{:?}", ledger.read(Book::reasons))
    });
}
