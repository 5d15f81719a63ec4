//! A15: a listener that comes late has each event that is kept, and each later one, once. What it has missed is counted.

use crate::backend::{Act, Script, step};
use crate::world::{Scenario, World, join};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use turnwise::manager::{EventId, SessionTurn, Subscription, Update};

const KEY: u8 = 0;

/// A session that was started, and what stands before its first event.
async fn world() -> (World, EventId) {
    let world = World::built(Script::new(), None, |builder| builder.keep_events(1000));
    let turn = world.manager.turn(&KEY).await.expect("it starts");
    let incarnation = SessionTurn::incarnation(&turn);
    drop(turn);
    (
        world,
        EventId {
            incarnation,
            number: 0,
        },
    )
}

/// What is there to be read: the events by number, and the gaps.
fn unread(listener: &mut Subscription<u32>) -> String {
    let mut all = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(next)) = pin!(listener.next()).poll(&mut cx) {
        all.push(match next {
            Update::Event(event) => event.to_string(),
            Update::Lagged(count) => format!("-{count}"),
        });
    }
    all.join(" ")
}

/// Two messages emit a number each, while a listener comes.
#[test]
fn a_listener_against_an_emitter() {
    let ends = &["1 2"];
    let scenario = Scenario::new("a15_catch_up::a_listener_against_an_emitter", "A15", 2);
    scenario.ends_in(ends, || async {
        let (world, before) = world().await;
        let speaks = world.spawn("speaks", {
            let world = world.clone();
            async move {
                for message in [1, 2] {
                    let sending = world.send(KEY, message, Act::Done);
                    world.hear(message, sending).await;
                }
            }
        });
        step().await;
        let mut late = world.manager.listen_from(&KEY, before);
        join(speaks).await;
        let heard = unread(&mut late);
        drop(late);
        world.end().await;
        heard
    });
}

/// A session that has emitted a number is replaced by one that emits another, while a listener comes that has read neither. Without the
/// first session, `Lagged` comes first.
#[test]
fn a_listener_against_a_restart() {
    let ends = &["1 2", "-1 2"];
    let scenario = Scenario::new("a15_catch_up::a_listener_against_a_restart", "A15", 2);
    scenario.ends_in(ends, || async {
        let (world, before) = world().await;
        world.hear(1, world.send(KEY, 1, Act::Done)).await;
        let restarts = world.spawn("restarts", {
            let world = world.clone();
            async move {
                drop(world.manager.restart(&KEY).await.expect("it starts"));
                let sending = world.send(KEY, 2, Act::Done);
                world.hear(2, sending).await;
            }
        });
        step().await;
        let mut late = world.manager.listen_from(&KEY, before);
        join(restarts).await;
        let heard = unread(&mut late);
        drop(late);
        world.end().await;
        heard
    });
}
