//! How many sessions there may be, and a line that is sent away.

use crate::backend::{Act, Script};
use crate::ledger::Book;
use crate::world::{Scenario, World, join};
use turnwise::manager::{SessionTurn, TurnError, TurnOptions, WhenFull};

const KEY: u8 = 0;
const OTHER: u8 = 1;
const LAST: u8 = 2;

/// Two keys, room for one session: one of them is refused, or comes when the other has left.
#[test]
fn refused_when_full() {
    let ends = &[
        "reply of #1; unheard, RegistryFull",
        "reply of #2; unheard, RegistryFull",
        "unheard, RegistryFull; reply of #1",
        "unheard, RegistryFull; reply of #2",
    ];
    Scenario::new("limits::refused_when_full", "-", 2).ends_in(ends, || async {
        let world = World::built(Script::new(), Some(1), |builder| {
            builder.max_sessions(1, WhenFull::Refuse)
        });
        let other = world.sends("other", OTHER, 2, Act::Done);
        let one = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let other = join(other).await;
        world.end().await;
        format!("{one}; {other}")
    });
}

/// The same, and the session of the first one makes room for the other, when it is idle.
#[test]
fn makes_room_when_full() {
    let ends = &[
        "reply of #1; reply of #2; [Capacity, Shutdown]",
        "reply of #2; reply of #1; [Capacity, Shutdown]",
    ];
    Scenario::new("limits::makes_room_when_full", "A12", 2).ends_in(ends, || async {
        let world = World::built(Script::new(), Some(1), |builder| {
            builder.max_sessions(1, WhenFull::EvictIdle)
        });
        let other = world.sends("other", OTHER, 2, Act::Done);
        let one = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let other = join(other).await;
        let ledger = world.end().await;
        format!("{one}; {other}; {:?}", ledger.read(Book::reasons))
    });
}

/// A restart gives its own room to the session that comes next: nobody takes it meanwhile.
#[test]
fn a_restart_keeps_its_room() {
    let ends = &["#2; unheard, RegistryFull", "#3; unheard, RegistryFull"];
    Scenario::new("limits::a_restart_keeps_its_room", "-", 2).ends_in(ends, || async {
        let world = World::built(Script::new(), Some(1), |builder| {
            builder.max_sessions(1, WhenFull::Refuse)
        });
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let other = world.sends("other", OTHER, 2, Act::Done);
        let restarted = match world.manager.restart(&KEY).await {
            Ok(turn) => format!("#{}", SessionTurn::incarnation(&turn)),
            Err(error) => crate::world::refusal(&error),
        };
        let other = join(other).await;
        world.end().await;
        format!("{restarted}; {other}")
    });
}

/// The line is sent away while the turn ends: each of it hears so and has its message back, or has the turn already.
#[test]
fn a_line_is_dismissed() {
    let ends = &[
        "0; reply of #1; reply of #1",
        "1; reply of #1; unheard, Dismissed",
        "2; unheard, Dismissed; unheard, Dismissed",
    ];
    Scenario::new("limits::a_line_is_dismissed", "-", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let waiting = [1, 2].map(|id| world.send(KEY, id, Act::Done));
        let ends = world.spawn("ends", async move { drop(turn) });
        let count = world.manager.dismiss(&KEY);
        let [first, second] = waiting;
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        join(ends).await;
        world.end().await;
        format!("{count}; {first}; {second}")
    });
}

/// A call that does not want to wait has the turn at once, or is refused and leaves no place in the line.
#[test]
fn now_or_never() {
    let ends = &["reply of #1", "unheard, Busy"];
    Scenario::new("limits::now_or_never", "-", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let ends = world.spawn("ends", async move { drop(turn) });
        let sending = world.send_with(KEY, 1, Act::Done, TurnOptions::no_wait());
        let end = world.hear(1, sending).await;
        join(ends).await;
        world.end().await;
        end
    });
}

/// A turn ends while a start looks for a session that could give way, and finds it busy or idle: either way the next start finds it.
#[test]
fn the_end_of_a_turn_makes_room() {
    let ends = &["comes; room", "refused; room"];
    Scenario::new("limits::the_end_of_a_turn_makes_room", "-", 2).ends_in(ends, || async {
        let world = World::built(Script::new(), Some(1), |builder| {
            builder.max_sessions(1, WhenFull::EvictIdle)
        });
        let turn = world.manager.turn(&KEY).await.expect("room");
        let other = world.spawn("other", {
            let now = world.manager.with(TurnOptions::no_wait());
            async move { now.turn(&OTHER).await.is_ok() }
        });
        drop(turn);
        let comes = if join(other).await {
            "comes"
        } else {
            "refused"
        };
        let now = world.manager.with(TurnOptions::no_wait());
        let room = now.turn(&LAST).await.is_ok();
        drop(now);
        world.end().await;
        format!("{comes}; {}", if room { "room" } else { "none" })
    });
}

/// A turn ends, and another one of the same key comes and goes while the first has not listed the session yet. When the other has
/// returned, the session makes room.
#[test]
fn a_turn_that_has_returned_makes_room() {
    let ends = &["at once", "after some tries"];
    Scenario::new("limits::a_turn_that_has_returned_makes_room", "A12", 2).ends_in(
        ends,
        || async {
            let world = World::built(Script::new(), Some(1), |builder| {
                builder.max_sessions(1, WhenFull::EvictIdle)
            });
            let first = world.manager.turn(&KEY).await.expect("room");
            let ends = world.spawn("ends", async move { drop(first) });
            let mut tries = 0;
            let now = world.manager.with(TurnOptions::no_wait());
            while let Err(busy) = now.turn(&KEY).await {
                assert!(matches!(busy, TurnError::Busy), "{busy:?}");
                tries += 1;
                shuttle::future::yield_now().await;
            }
            let room = now.turn(&OTHER).await.is_ok();
            drop(now);
            assert!(room, "A12: an idle session makes no room");
            join(ends).await;
            world.end().await;
            let words = ["at once", "after some tries"];
            words[usize::from(tries > 0)].to_owned()
        },
    );
}
