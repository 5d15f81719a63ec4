//! A4: when `shutdown` returns nobody is admitted; its report names every key that had a session; after the deadline turns are
//! cancelled; a second one is fine.

use crate::backend::{Act, Call, Script};
use crate::ledger::Book;
use crate::world::{LONG, Scenario, World, join};
use std::time::Duration;
use turnwise::manager::{DrainReport, StopReason, Timeouts};

const KEY: u8 = 0;

/// A shutdown while one session rests and is swept, one is used, one is started and one restarted.
#[test]
fn every_key_is_named() {
    let [swept, used, started, restarted] = [0, 1, 2, 3];
    let ends = &["unheard, Closed; reply", "unheard, Closed; unheard, Closed"];
    Scenario::new("a4_drain::every_key_is_named", "A4", 4).ends_in(ends, move || async move {
        let world = World::new(Script::new());
        for key in [swept, used, restarted] {
            drop(world.manager.turn(&key).await.expect("it starts"));
        }
        let sweeps = world.manager.cleanup_idle(Duration::ZERO);
        let sweeps = world.spawn("sweeps", sweeps);
        let uses = world.send(used, 1, Act::Slow);
        let starts = world.spawn("starts", world.manager.turn(&started));
        let restarts = world.spawn("restarts", world.manager.restart(&restarted));
        let shutdown = world.shut_down(LONG);
        let late = world.hear(2, world.send(used, 2, Act::Done)).await;
        let used = world.hear(1, uses).await;
        let used = if used.starts_with("reply") {
            "reply"
        } else {
            &used
        };
        drop(join(starts).await);
        drop(join(restarts).await);
        join(sweeps).await;
        let report = shutdown.await;
        let all_went_well = report.failed.is_empty() && report.abandoned.is_empty();
        assert!(all_went_well, "A4: nobody was late: {report:?}");
        world.gone_in_the_end().await;
        format!("{late}; {used}")
    });
}

/// The deadline passes while a message begins: it is cancelled, in its turn or before, or not admitted. Else it goes on for
/// ever. The patience may pass too before the session has been stopped, which then is reported.
#[test]
fn the_deadline_against_a_turn() {
    Scenario::new("a4_drain::the_deadline_against_a_turn", "A4", 2)
        .rarely(&["unheard, Aborted; abandoned", "unheard, Closed; abandoned"])
        .ends_in(
            &[
                "reply of #1; stopped",
                "reply of #1; abandoned",
                "unheard, Aborted; stopped",
                "unheard, Closed; stopped",
            ],
            || async {
                let world = World::new(Script::new());
                drop(world.manager.turn(&KEY).await.expect("it starts"));
                overdue(world).await
            },
        );
}

/// The same of a key without a session: what comes within reach is a start.
#[test]
fn the_deadline_against_a_start() {
    Scenario::new("a4_drain::the_deadline_against_a_start", "A4", 2)
        .rarely(&["unheard, Aborted; abandoned", "unheard, Aborted; absent"])
        .ends_in(
            &[
                "reply of #1; stopped",
                "reply of #1; abandoned",
                "unheard, Aborted; stopped",
                "unheard, Closed; absent",
            ],
            || async { overdue(World::new(Script::new())).await },
        );
}

async fn overdue(world: World) -> String {
    let sends = world.sends("sends", KEY, 1, Act::Obey);
    let shuts = world.shuts("shuts", LONG);
    let report = world.end_in_time("shuts", shuts).await;
    let end = join(sends).await;
    world.gone_in_the_end().await;
    format!("{end}; {}", fate(&report))
}

/// What the report says of the one key that there is.
fn fate(report: &DrainReport<u8>) -> &'static str {
    match (
        &report.stopped[..],
        &report.failed[..],
        &report.abandoned[..],
    ) {
        ([KEY], [], []) => "stopped",
        ([], [(KEY, _)], []) => "failed",
        ([], [], [KEY]) => "abandoned",
        ([], [], []) => "absent",
        _ => panic!("{report:?} of one key"),
    }
}

/// A shutdown without a deadline waits for a message; a second one brings a deadline, and gets the same report.
#[test]
fn a_second_shutdown() {
    let ends = &["reply of #1; stopped", "reply of #1; abandoned"];
    Scenario::new("a4_drain::a_second_shutdown", "A4", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let sending = world.send(KEY, 1, Act::Obey);
        world.ledger.until(|book| book.heard.contains_key(&1)).await;
        let first = world.shuts("shuts", Duration::MAX);
        let second = world.shuts("shuts", LONG);
        let second = world.end_in_time("shuts", second).await;
        let first = join(first).await;
        assert_eq!(first, second, "A4: two shutdowns, two reports");
        let end = world.hear(1, sending).await;
        world.gone_in_the_end().await;
        format!("{end}; {}", fate(&first))
    });
}

/// A plain turn outlives the deadline and all patience: it is reported, and its session is stopped when it is given back.
#[test]
fn a_turn_that_is_not_given_back() {
    let ends = &["abandoned; [Shutdown]"];
    Scenario::new("a4_drain::a_turn_that_is_not_given_back", "A4", 1).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let shuts = world.shuts("shuts", LONG);
        let report = world.end_in_time("shuts", shuts).await;
        assert_eq!(report.abandoned, [KEY]);
        drop(turn);
        let ledger = world.gone_in_the_end().await;
        let reasons = ledger.read(Book::reasons);
        format!("abandoned; {reasons:?}")
    });
}

/// Limits that no clock can express never pass, and a shutdown ends all the same.
#[test]
fn limits_without_an_end() {
    let ends = &["reply of #1; stopped"];
    Scenario::new("a4_drain::limits_without_an_end", "A4", 2).ends_in(ends, || async {
        let limits = Timeouts::default()
            .start(Duration::MAX)
            .abort(Duration::MAX)
            .stop(Duration::MAX);
        let world = World::built(Script::new(), None, |builder| builder.timeouts(limits));
        let sending = world.send(KEY, 1, Act::Obey);
        world.ledger.until(|book| book.heard.contains_key(&1)).await;
        let shuts = world.shuts("shuts", LONG);
        let report = world.end_in_time("shuts", shuts).await;
        let end = world.hear(1, sending).await;
        world.gone_in_the_end().await;
        format!("{end}; {}", fate(&report))
    });
}

/// With the last handle the manager ends: after the message that is on its way.
#[test]
fn the_last_handle() {
    let ends = &["reply of #1; [Shutdown]"];
    Scenario::new("a4_drain::the_last_handle", "A4", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let sending = world.send(KEY, 1, Act::Slow);
        let answers = world.spawn("answers", sending);
        let ledger = world.gone_in_the_end().await;
        let reply = join(answers).await.expect("it is answered");
        let reasons = ledger.read(Book::reasons);
        format!("reply of #{}; {reasons:?}", reply.incarnation)
    });
}

/// A stop waits for a turn while the manager shuts down: whoever stops the session, it is stopped once.
#[test]
fn a_stop_while_it_shuts_down() {
    let ends = &[
        "reply of #1; Closed, by the end; stopped",
        "reply of #1; stopped, by itself; stopped",
        "reply of #1; stopped, by itself; absent",
    ];
    Scenario::new("a4_drain::a_stop_while_it_shuts_down", "A4 A6", 3).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Slow));
        let sending = world.send(KEY, 1, Act::Obey);
        world.ledger.until(|book| book.heard.contains_key(&1)).await;
        let stops = world.spawn("stops", {
            let world = world.clone();
            async move { world.stopped(world.manager.stop(&KEY)).await }
        });
        let shuts = world.shuts("shuts", LONG);
        let end = world.hear(1, sending).await;
        let stop = join(stops).await;
        let report = join(shuts).await;
        let ledger = world.gone_in_the_end().await;
        let reasons = ledger.read(Book::reasons);
        let by = match reasons[..] {
            [StopReason::Requested] => "by itself",
            [StopReason::Shutdown] => "by the end",
            _ => "by nobody, or twice",
        };
        format!("{end}; {stop}, {by}; {}", fate(&report))
    });
}

/// Stops that fail, panic or hang: each key is named with its end, and free.
#[test]
fn stops_that_fail() {
    let [fails, panics, hangs] = [0, 1, 2];
    let ends = &["failed [0, 1], abandoned [2]"];
    Scenario::new("a4_drain::stops_that_fail", "A1 A4", 1).ends_in(ends, move || async move {
        let script = Script::new()
            .on(fails, Call::Stop, Act::Fail)
            .on(panics, Call::Stop, Act::Panic)
            .on(hangs, Call::Stop, Act::Hang);
        let world = World::new(script);
        for key in [fails, panics, hangs] {
            drop(world.manager.turn(&key).await.expect("it starts"));
        }
        let shuts = world.shuts("shuts", Duration::MAX);
        world.ledger.until(|book| book.hangs == 1).await;
        world.time_passes();
        let report = join(shuts).await;
        assert!(report.stopped.is_empty());
        let mut failed: Vec<u8> = report.failed.iter().map(|(key, _)| *key).collect();
        failed.sort_unstable();
        world.gone_in_the_end().await;
        format!("failed {failed:?}, abandoned {:?}", report.abandoned)
    });
}
