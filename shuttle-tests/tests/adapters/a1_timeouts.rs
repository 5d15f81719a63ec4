//! A1: nothing waits for longer than its limit, whatever user code does, and what is cut short is gone before the key goes on.

use crate::backend::{Act, Call, Script};
use crate::ledger::Book;
use crate::world::{LONG, Scenario, World, join};
use turnwise::manager::{Timeouts, TurnOptions};

const KEY: u8 = 0;

/// A start hangs. It is dropped when its time is over, and what it left is put away; who waited for it hears the same, or
/// came later and starts afresh.
#[test]
fn a_start_that_hangs() {
    let ends = &[
        "unheard, StartTimedOut; unheard, StartTimedOut",
        "unheard, StartTimedOut; reply of #2",
    ];
    Scenario::new("a1_timeouts::a_start_that_hangs", "A1 A5", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Hang));
        let first = world.send(KEY, 1, Act::Done);
        let second = world.sends("second", KEY, 2, Act::Done);
        world.ledger.until(|book| book.hangs == 1).await;
        world.time_passes();
        let first = world.hear(1, first).await;
        let second = join(second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A start hangs, and so does what is to put it away: by decree the key goes on.
#[test]
fn a_start_that_cannot_be_put_away() {
    let ends = &["unheard, StartTimedOut; reply of #2"];
    let scenario = Scenario::new("a1_timeouts::a_start_that_cannot_be_put_away", "A1 A5", 1);
    scenario.ends_in(ends, || async {
        let hang = |script: Script, call| script.on(KEY, call, Act::Hang);
        let world = World::new(hang(hang(Script::new(), Call::Start), Call::Abandon));
        let first = world.send(KEY, 1, Act::Done);
        for hangs in [1, 2] {
            world.ledger.until(|book| book.hangs == hangs).await;
            world.time_passes();
        }
        let first = world.hear(1, first).await;
        let second = world.hear(2, world.send(KEY, 2, Act::Done)).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A look at a session's health hangs: it counts as a no, in the same turn.
#[test]
fn a_look_that_hangs() {
    let ends = &["reply of #1; reply of #2; [Unhealthy, Shutdown]"];
    Scenario::new("a1_timeouts::a_look_that_hangs", "A1", 1).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Look, Act::Hang));
        let first = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let second = world.send(KEY, 2, Act::Done);
        world.ledger.until(|book| book.hangs == 1).await;
        world.time_passes();
        let second = world.hear(2, second).await;
        let ledger = world.end().await;
        format!("{first}; {second}; {:?}", ledger.read(Book::reasons))
    });
}

/// A stop hangs: it is dropped when its time is over, and reported; the next in line starts afresh.
#[test]
fn a_stop_that_hangs() {
    let ends = &["reply of #1; Abandoned; reply of #3"];
    Scenario::new("a1_timeouts::a_stop_that_hangs", "A1", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Hang));
        let first = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let stopping = world.manager.stop(&KEY);
        let second = world.send(KEY, 2, Act::Done);
        world.ledger.until(|book| book.hangs == 1).await;
        world.time_passes();
        let stopped = world.stopped(stopping).await;
        let second = world.hear(2, second).await;
        world.end().await;
        format!("{first}; {stopped}; {second}")
    });
}

/// The time to wait passes while the turn before ends: the turn, or a refusal, and no place is left in the line.
#[test]
fn a_wait() {
    let ends = &["unheard, WaitTimedOut", "reply of #1"];
    Scenario::new("a1_timeouts::a_wait", "A1", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let sender = world.clone();
        let waits = world.spawn("waits", async move {
            let options = TurnOptions::default().wait(LONG);
            let sending = sender.send_with(KEY, 1, Act::Done, options);
            sender.hear(1, sending).await
        });
        let ends = world.spawn("ends", async move { drop(turn) });
        world.time_passes_for("waits");
        join(ends).await;
        let waited = join(waits).await;
        let status = world.manager.status(&KEY).expect("it rests");
        assert_eq!(status.waiting, 0, "A1: a place is left in the line");
        world.end().await;
        waited
    });
}

/// A message takes too long. It is told, and ends well: its reply counts, and the session goes on. Or it does not end in time,
/// is cut short, and its session is stopped.
#[test]
fn a_turn_that_obeys() {
    Scenario::new("a1_timeouts::a_turn_that_obeys", "A1 A2", 2).ends_in(
        &[
            "reply of #1; reply of #1",
            "heard, TurnTimedOut; reply of #3",
        ],
        || too_long(Act::Obey),
    );
}

/// A message takes too long, and does not end when it is told.
#[test]
fn a_turn_that_does_not_end() {
    Scenario::new("a1_timeouts::a_turn_that_does_not_end", "A1 A2", 2)
        .ends_in(&["heard, TurnTimedOut; reply of #3"], || {
            too_long(Act::Hang)
        });
}

/// A message is silent for too long.
#[test]
fn a_turn_that_is_silent() {
    Scenario::new("a1_timeouts::a_turn_that_is_silent", "A1 A2", 2).ends_in(
        &["reply of #1; reply of #1", "heard, Silent; reply of #3"],
        || limited(Act::Obey, Timeouts::default().quiet(LONG)),
    );
}

async fn too_long(act: Act) -> String {
    limited(act, Timeouts::default().turn(LONG)).await
}

async fn limited(act: Act, limits: Timeouts) -> String {
    let world = World::built(Script::new(), None, |builder| builder.timeouts(limits));
    drop(world.manager.turn(&KEY).await.expect("it starts"));
    let first = world.sends("first", KEY, 1, act);
    world.ledger.until(|book| book.heard.contains_key(&1)).await;
    let second = world.send(KEY, 2, Act::Done);
    let first = world.end_in_time("first", first).await;
    let second = world.hear(2, second).await;
    world.end().await;
    format!("{first}; {second}")
}
