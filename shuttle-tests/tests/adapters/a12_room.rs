//! A12: a start without room waits, first in, first out. It evicts at most one session, misses none that becomes idle, and whatever ends
//! its wait, no seat is lost.

use crate::backend::{Act, Call, Script};
use crate::ledger::{Book, Key};
use crate::world::{LONG, Scenario, World, join};
use shuttle::rand::{Rng, thread_rng};
use std::task::{Context, Waker};
use std::{future::Future, pin::Pin};
use turnwise::manager::{Entering, TurnOptions, WhenFull};

const KEY: Key = 0;

/// Room for so many sessions.
fn room_for(most: usize, full: WhenFull, script: Script) -> World {
    World::built(script, Some(most), |builder| {
        builder.max_sessions(most, full)
    })
}

/// Polled once, so it waits for room when this returns.
fn waits(world: &World, key: Key) -> Entering<crate::backend::Scripted> {
    let mut turn = world.manager.turn(&key);
    let polled = Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "A12: there was no room");
    turn
}

/// An end without the number of its session, which depends on who came first.
fn unnumbered(end: String) -> String {
    match end.starts_with("reply") {
        true => "reply".to_owned(),
        false => end,
    }
}

/// A start looks for a session to evict while the turn of the only one ends: it finds that, or is woken.
#[test]
fn the_end_of_a_turn() {
    let ends = &["reply of #2; [Capacity, Shutdown]"];
    Scenario::new("a12_room::the_end_of_a_turn", "A12", 2).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let ends = world.spawn("ends", async move { drop(turn) });
        let reply = world.hear(1, world.send(1, 1, Act::Done)).await;
        join(ends).await;
        let ledger = world.end().await;
        format!("{reply}; {:?}", ledger.read(Book::reasons))
    });
}

/// Two starts look while the turn of the only session ends. The second one gets the session of the first, when that is idle.
#[test]
fn against_another_start() {
    let ends = &["reply; reply; [Capacity, Capacity, Shutdown]"];
    Scenario::new("a12_room::against_another_start", "A12", 3).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let ends = world.spawn("ends", async move { drop(turn) });
        let other = world.sends("other", 2, 2, Act::Done);
        let one = world.hear(1, world.send(1, 1, Act::Done)).await;
        let replies = [one, join(other).await].map(unnumbered).join("; ");
        join(ends).await;
        let ledger = world.end().await;
        format!("{replies}; {:?}", ledger.read(Book::reasons))
    });
}

/// Two sessions are idle: each of two starts evicts one of them. They are stopped at the same time, and one of the stops is slow.
#[test]
fn one_for_one() {
    let ends = &["reply; reply; [Capacity, Capacity, Shutdown, Shutdown]"];
    Scenario::new("a12_room::one_for_one", "A12", 2).ends_in(ends, || async {
        let world = room_for(
            2,
            WhenFull::EvictIdle,
            Script::new().on(KEY, Call::Stop, Act::Slow),
        );
        for key in [KEY, 1] {
            drop(world.manager.turn(&key).await.expect("it starts"));
        }
        let other = world.sends("other", 3, 2, Act::Done);
        let one = world.hear(1, world.send(2, 1, Act::Done)).await;
        let replies = [one, join(other).await].map(unnumbered).join("; ");
        let ledger = world.end().await;
        format!("{replies}; {:?}", ledger.read(Book::reasons))
    });
}

/// Two starts wait. The first one's session is stopped at once, and a third start comes: it does not overtake the second one.
#[test]
fn in_their_order() {
    let ends = &["0, 1, 2, 3"];
    Scenario::new("a12_room::in_their_order", "A12", 2).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let first = waits(&world, 1);
        let second = waits(&world, 2);
        let second = world.spawn("second", async move { drop(second.await.expect("room")) });
        drop(turn);
        drop(first.await.expect("room"));
        world.stopped(world.manager.stop(&1)).await;
        drop(world.manager.turn(&3).await.expect("room"));
        join(second).await;
        let ledger = world.end().await;
        let order = ledger.read(|book| book.stops.clone());
        let order: Vec<_> = order.iter().map(|stop| stop.0.to_string()).collect();
        order.join(", ")
    });
}

/// A start is aborted while its room comes, or its limit passes, or its sender goes away. Whoever waits behind it for the key gets the
/// room, and no seat is lost.
#[test]
fn cancelled_while_room_comes() {
    let ends = &[
        "abort: unheard, Aborted; reply, reply",
        "abort: reply; reply, reply",
        "limit: unheard, RegistryFull; reply, reply",
        "limit: reply; reply, reply",
        "drop: reply, reply",
    ];
    Scenario::new("a12_room::cancelled_while_room_comes", "A12", 2).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let first = world.send(1, 1, Act::Done);
        let ticket = first.ticket();
        let second = world.send(1, 2, Act::Done);
        let ends = world.spawn("ends", async move { drop(turn) });
        let way = ["abort", "limit", "drop"][thread_rng().gen_range(0..3)];
        let first = match way {
            "drop" => {
                drop(first);
                String::new()
            }
            way => {
                if way == "abort" {
                    world.manager.abort(&1, ticket);
                } else {
                    world.time_passes();
                }
                format!("{}; ", unnumbered(world.hear(1, first).await))
            }
        };
        let second = unnumbered(world.hear(2, second).await);
        join(ends).await;
        let third = unnumbered(world.hear(3, world.send(2, 3, Act::Done)).await);
        world.end().await;
        format!("{way}: {first}{second}, {third}")
    });
}

/// A start is aborted before there is room. Its key is free at once, and nothing is started for nobody.
#[test]
fn an_abort_lets_the_key_go() {
    let ends = &["unheard, Aborted; nothing; 1 starts"];
    Scenario::new("a12_room::an_abort_lets_the_key_go", "A12 A7", 2).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let waits = world.send(1, 1, Act::Done);
        let ticket = waits.ticket();
        let aborting = world.spawn("aborting", {
            let manager = world.manager.clone();
            async move { assert!(manager.abort(&1, ticket), "A12: it is not reached") }
        });
        let end = world.hear(1, waits).await;
        let stopped = world.stopped(world.manager.stop(&1)).await;
        join(aborting).await;
        drop(turn);
        let ledger = world.end().await;
        format!(
            "{end}; {stopped}; {} starts",
            ledger.read(|book| book.starts)
        )
    });
}

/// A shutdown begins while a start waits. The start has its end before anybody makes room.
#[test]
fn a_shutdown_begins() {
    let ends = &["unheard, Closed"];
    Scenario::new("a12_room::a_shutdown_begins", "A12 A4", 2).ends_in(ends, || async {
        let world = room_for(1, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let waits = world.send(1, 1, Act::Done);
        let report = world.shuts("shuts", LONG);
        let end = world.hear(1, waits).await;
        drop(turn);
        let report = join(report).await;
        assert_eq!(report.stopped, [KEY]);
        world.gone_in_the_end().await;
        end
    });
}

/// A start that waits, and one that does not wait, while the turn of one of two sessions ends, and the other session is idle.
#[test]
fn no_wait_against_a_start() {
    let ends = &["reply; reply", "reply; unheard, RegistryFull"];
    Scenario::new("a12_room::no_wait_against_a_start", "A12", 3).ends_in(ends, || async {
        let world = room_for(2, WhenFull::EvictIdle, Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        drop(world.manager.turn(&1).await.expect("it starts"));
        let ending = world.spawn("ends", async move { drop(turn) });
        let waits = world.sends("waits", 2, 1, Act::Done);
        let now = world.send_with(3, 2, Act::Done, TurnOptions::no_wait());
        let now = world.hear(2, now).await;
        let ends = [join(waits).await, now];
        join(ending).await;
        world.end().await;
        ends.map(unnumbered).join("; ")
    });
}
