//! A6: an abort by ticket ends that turn and no other; a stop goes ahead of the line, and finds the turn that is under way,
//! also one that comes within reach just then.

use crate::backend::{Act, Call, Script};
use crate::ledger::Book;
use crate::world::{Scenario, World, join};
use turnwise::manager::SessionTurn;

const KEY: u8 = 0;

/// A message is aborted by its ticket while it ends, and the next begins: the next is never cancelled.
#[test]
fn by_its_ticket() {
    let ends = &[
        "found; heard, Aborted; reply of #1",
        "found; reply of #1; reply of #1",
        "found; unheard, Aborted; reply of #1",
        "missed; reply of #1; reply of #1",
    ];
    Scenario::new("a6_abort::by_its_ticket", "A6", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.send(KEY, 1, Act::Check);
        let second = world.send(KEY, 2, Act::Check);
        let ticket = first.ticket().expect("open");
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move { world.manager.abort(&KEY, Some(ticket)) }
        });
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        let found = if join(aborting).await {
            "found"
        } else {
            "missed"
        };
        world.end().await;
        format!("{found}; {first}; {second}")
    });
}

/// A turn ends, the next one has been granted and has not looked, and a stop comes: it goes first, or it finds that turn.
/// Else that message goes on for ever, and the stop waits as long.
#[test]
fn a_stop_against_a_grant() {
    let ends = &[
        "stopped; reply of #1",
        "stopped; reply of #3",
        "stopped; unheard, Aborted",
    ];
    Scenario::new("a6_abort::a_stop_against_a_grant", "A6", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let mut sending = world.send(KEY, 1, Act::Obey);
        let ends = world.spawn("ends", async move { drop(turn) });
        let stopped = world.stopped(world.manager.stop(&KEY)).await;
        join(ends).await;
        sending.abort();
        let end = world.hear(1, &mut sending).await;
        drop(sending);
        world.end().await;
        format!("{stopped}; {end}")
    });
}

/// The same of a key without a session: the stop finds nothing, or the start, or what comes of it.
#[test]
fn a_stop_against_a_start() {
    let ends = &[
        "nothing; reply of #1",
        "nothing; unheard, Aborted",
        "stopped; reply of #1",
        "stopped; unheard, Aborted",
    ];
    Scenario::new("a6_abort::a_stop_against_a_start", "A6", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let sends = world.spawn("sends", {
            let world = world.clone();
            // Sent by that task, heard by this one.
            #[allow(clippy::async_yields_async)]
            async move {
                world.send(KEY, 1, Act::Obey)
            }
        });
        let stopped = world.stopped(world.manager.stop(&KEY)).await;
        let mut sending = join(sends).await;
        if stopped == "nothing" {
            sending.abort();
        }
        let end = world.hear(1, &mut sending).await;
        drop(sending);
        world.end().await;
        format!("{stopped}; {end}")
    });
}

/// A stop goes ahead of those who wait; they have the next session, in their order.
#[test]
fn a_stop_goes_first() {
    let ends = &["stopped; reply of #3; reply of #3"];
    Scenario::new("a6_abort::a_stop_goes_first", "A6", 3).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let waiting = [1, 2].map(|id| world.send(KEY, id, Act::Done));
        let stopping = world.manager.stop(&KEY);
        SessionTurn::cancelled(&turn).await;
        let ends = world.spawn("ends", async move { drop(turn) });
        let stopped = world.stopped(stopping).await;
        let [first, second] = waiting;
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        join(ends).await;
        world.end().await;
        format!("{stopped}; {first}; {second}")
    });
}

/// A queue with a stop in it is dismissed. The stop does not wait for a turn, and stops the session nevertheless.
#[test]
fn a_stop_in_a_line_that_is_dismissed() {
    let ends = &["stopped"];
    let scenario = Scenario::new("a6_abort::a_stop_in_a_line_that_is_dismissed", "A6", 2);
    scenario.ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let dismisses = world.spawn("dismisses", {
            let world = world.clone();
            async move { world.manager.dismiss(&KEY) }
        });
        let stopping = world.manager.stop(&KEY);
        join(dismisses).await;
        drop(turn);
        let stopped = world.stopped(stopping).await;
        world.end().await;
        stopped
    });
}

/// Nobody waits for the end of a stop: it ends all the same.
#[test]
fn a_stop_that_nobody_awaits() {
    let ends = &[
        "reply of #1; [Requested]",
        "unheard, Aborted; [Requested]",
        "reply of #3; [Requested, Shutdown]",
    ];
    Scenario::new("a6_abort::a_stop_that_nobody_awaits", "A6", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Slow));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let sends = world.sends("sends", KEY, 1, Act::Done);
        drop(world.manager.stop(&KEY));
        let end = join(sends).await;
        world.ledger.until(|book| !book.stops.is_empty()).await;
        let ledger = world.end().await;
        format!("{end}; {:?}", ledger.read(Book::reasons))
    });
}
