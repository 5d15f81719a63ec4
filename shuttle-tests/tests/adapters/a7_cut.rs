//! A7: a call that is cancelled while it waits ends at once. What it waited for goes on for the next caller. A start is cut short by a
//! stop, by a shutdown's deadline, and by an abort that finds nobody waiting; it is no failure that others share.

use crate::backend::{Act, Call, Script};
use crate::world::{Scenario, World, join};

const KEY: u8 = 0;

/// A start that only a cancellation ends, and a call that comes as soon as the aborted one has its answer.
#[test]
fn an_abort_cuts_a_start_short() {
    let ends = &["unheard, Aborted; reply of #2"];
    Scenario::new("a7_cut::an_abort_cuts_a_start_short", "A7", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Obey));
        let first = world.send(KEY, 1, Act::Done);
        let ticket = first.ticket();
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move {
                world.ledger.until(|book| book.starts > 0).await;
                assert!(world.manager.abort(&KEY, ticket), "A7: it is not reached");
            }
        });
        let first = world.hear(1, first).await;
        let second = world.hear(2, world.send(KEY, 2, Act::Done)).await;
        join(aborting).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A call waits behind the aborted one, from before the abort on: it gets the session of that start.
#[test]
fn an_abort_leaves_the_start_to_the_queue() {
    let ends = &["unheard, Aborted; reply of #1", "reply of #1; reply of #1"];
    let scenario = Scenario::new("a7_cut::an_abort_leaves_the_start_to_the_queue", "A7", 2);
    scenario.ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Check));
        let first = world.send(KEY, 1, Act::Done);
        let second = world.send(KEY, 2, Act::Done);
        let ticket = first.ticket();
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move {
                world.ledger.until(|book| book.starts > 0).await;
                world.manager.abort(&KEY, ticket)
            }
        });
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        join(aborting).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A sender goes away, and nobody waits: the start goes on.
#[test]
fn a_sender_that_goes_away_cuts_nothing() {
    let ends = &["reply of #1, 1 starts", "reply of #2, 1 starts"];
    let scenario = Scenario::new("a7_cut::a_sender_that_goes_away_cuts_nothing", "A7", 2);
    scenario.ends_in(ends, || async {
        // It fails if it is cancelled. What is dropped before its start has begun has none.
        let script = Script::new().on(KEY, Call::Start, Act::Check);
        let world = World::new(script.on(KEY, Call::Start, Act::Check));
        let leaves = world.send(KEY, 1, Act::Done);
        let leaving = world.spawn("leaves", async move { drop(leaves) });
        join(leaving).await;
        let reply = world.hear(2, world.send(KEY, 2, Act::Done)).await;
        let starts = world.ledger.read(|book| book.starts);
        world.end().await;
        format!("{reply}, {starts} starts")
    });
}

/// A stop comes during a start that only a cancellation ends. The call that waits gets a start of its own.
#[test]
fn a_stop_cuts_a_start_short() {
    let ends = &["unheard, Aborted; nothing; reply of #3"];
    Scenario::new("a7_cut::a_stop_cuts_a_start_short", "A7", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Obey));
        let first = world.send(KEY, 1, Act::Done);
        let second = world.send(KEY, 2, Act::Done);
        let stopping = world.spawn("stopping", {
            let world = world.clone();
            async move {
                world.ledger.until(|book| book.starts > 0).await;
                world.stopped(world.manager.stop(&KEY)).await
            }
        });
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        let stopped = join(stopping).await;
        world.end().await;
        format!("{first}; {stopped}; {second}")
    });
}

/// A health check hangs. The aborted call does not wait for its limit, and the next call gets a session when that has passed.
#[test]
fn an_abort_leaves_a_check_behind() {
    let ends = &["unheard, Aborted; reply of #3"];
    Scenario::new("a7_cut::an_abort_leaves_a_check_behind", "A7", 1).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Look, Act::Hang));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.send(KEY, 1, Act::Done);
        let ticket = first.ticket();
        world.ledger.until(|book| book.hangs > 0).await;
        assert!(world.manager.abort(&KEY, ticket), "A7: it is not reached");
        let first = world.hear(1, first).await;
        let second = world.sends("second", KEY, 2, Act::Done);
        world.time_passes();
        let second = join(second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}
