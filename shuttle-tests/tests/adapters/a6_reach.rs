//! A6: a call is reached in every state: in the queue, granted and not polled, in its start, in its turn. What takes it back has done
//! so when it returns.

use crate::backend::{Act, Call, Script};
use crate::world::{LONG, Scenario, World, join};
use shuttle::rand::{Rng, thread_rng};
use turnwise::manager::{SessionTurn, TurnError};

const KEY: u8 = 0;

/// A message that ends only if it is cancelled, and then well, behind a turn that ends at that moment. An abort by its ticket always finds it:
/// one that missed it would never end.
#[test]
fn an_abort_reaches_every_state() {
    let ends = &["unheard, Aborted", "reply of #1"];
    Scenario::new("a6_reach::an_abort_reaches_every_state", "A6 C16", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let sending = world.send(KEY, 1, Act::Obey);
        let ticket = sending.ticket();
        let ends = world.spawn("ends", async move { drop(turn) });
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move {
                assert!(
                    world.manager.abort(&KEY, ticket),
                    "A6: a call is not reached by its ticket"
                );
            }
        });
        let end = world.hear(1, sending).await;
        join(ends).await;
        join(aborting).await;
        world.end().await;
        end
    });
}

/// The same without a session: the call is reached in its start, and in the one that is handed on to it.
#[test]
fn an_abort_reaches_a_start() {
    let ends = &[
        "unheard, Start of #1; unheard, Start of #1",
        "unheard, Start of #1; unheard, Aborted",
        "unheard, Start of #1; reply of #2",
    ];
    Scenario::new("a6_reach::an_abort_reaches_a_start", "A6 C16", 2).ends_in(ends, || async {
        let script = Script::new().on(KEY, Call::Start, Act::Fail);
        let world = World::new(script);
        let first = world.send(KEY, 1, Act::Done);
        let second = world.spawn("second", {
            let world = world.clone();
            async move {
                let sending = world.send(KEY, 2, Act::Obey);
                let ticket = sending.ticket();
                shuttle::future::yield_now().await;
                // False only if the failure of the start has reached it before.
                let reached = world.manager.abort(&KEY, ticket);
                let end = world.hear(2, sending).await;
                let failed = end.starts_with("unheard, Start");
                assert!(reached || failed, "A6: a call is not reached by its ticket");
                end
            }
        });
        let first = world.hear(1, first).await;
        let second = join(second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A message is dropped while the turn before it ends: nobody waits when the drop returns.
#[test]
fn a_drop_leaves_at_once() {
    Scenario::new("a6_reach::a_drop_leaves_at_once", "A6", 2).ends_in(&["it is gone"], || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let sending = world.send(KEY, 1, Act::Done);
        let last = world.send(KEY, 2, Act::Done);
        let ends = world.spawn("ends", async move { drop(turn) });
        drop(sending);
        let waiting = world
            .manager
            .status(&KEY)
            .map_or(0, |status| status.waiting);
        assert!(waiting <= 1, "A6: a message that was dropped waits");
        world.hear(2, last).await;
        join(ends).await;
        world.end().await;
        "it is gone".to_owned()
    });
}

/// Every call, drawn by chance, against every step of a message from the queue to the end of its turn.
#[test]
fn every_call_against_every_step() {
    let ends = &[
        "abort: true; reply of #1",
        "abort: true; unheard, Aborted",
        "abort by ticket: true; reply of #1",
        "abort by ticket: true; unheard, Aborted",
        "dismiss: 0; reply of #1",
        "dismiss: 0; unheard, Aborted",
        "dismiss: 1; unheard, Dismissed",
        "listen; reply of #1",
        "listen; unheard, Aborted",
        "restart; reply of #1",
        "restart; unheard, Aborted",
        "shutdown; reply of #1",
        "shutdown; unheard, Closed",
        "status; reply of #1",
        "status; unheard, Aborted",
        "stop: stopped; reply of #1",
        "stop: stopped; reply of #3",
        "stop: stopped; unheard, Aborted",
    ];
    let scenario = Scenario::new("a6_reach::every_call_against_every_step", "A6 C16", 3);
    let scenario = scenario.rarely(&["shutdown; unheard, Aborted"]);
    scenario.ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let mut sending = world.send(KEY, 1, Act::Obey);
        let ticket = sending.ticket();
        let ends = world.spawn("ends", async move { drop(turn) });
        let other = world.spawn("other", other(world.clone(), ticket));
        let ender = world.spawn("ender", {
            let world = world.clone();
            async move {
                let said = join(other).await;
                // Whatever has happened: it ends now. It may have ended before.
                world.manager.abort(&KEY, ticket);
                said
            }
        });
        let end = world.hear(1, &mut sending).await;
        drop(sending);
        let said = join(ender).await;
        join(ends).await;
        world.gone_in_the_end().await;
        format!("{said}; {end}")
    });
}

/// What the other caller does, and what it is answered.
async fn other(world: World, ticket: Option<turnwise::Ticket>) -> String {
    let manager = &world.manager;
    match thread_rng().gen_range(0..8u32) {
        0 => format!("abort: {}", manager.abort(&KEY, None)),
        1 => format!("abort by ticket: {}", manager.abort(&KEY, ticket)),
        2 => format!("dismiss: {}", manager.dismiss(&KEY)),
        3 => {
            let stopping = manager.stop(&KEY);
            // Its turn may come after the stop, and go on for ever.
            format!("stop: {}", world.stopped(stopping).await)
        }
        4 => {
            drop(manager.restart(&KEY));
            "restart".to_owned()
        }
        5 => {
            drop(manager.shutdown(LONG));
            "shutdown".to_owned()
        }
        6 => {
            drop(manager.listen(&KEY));
            "listen".to_owned()
        }
        _ => {
            let status = manager.status(&KEY).expect("a session is there");
            if status.turn == ticket {
                let reached = manager.abort(&KEY, ticket);
                assert!(reached, "A6: the call that the status names is not reached");
            }
            "status".to_owned()
        }
    }
}

/// The handle of a session stands for its plain turns. An abort that names one of them races with its end and with the next: it
/// cancels the turn that it names, or none.
#[test]
fn an_abort_against_the_next_plain_turn() {
    let ends = &["found, cancelled", "found, over", "missed, over"];
    let name = "a6_reach::an_abort_against_the_next_plain_turn";
    Scenario::new(name, "A6 C16", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.manager.turn(&KEY).await.expect("it is idle");
        let ticket = SessionTurn::ticket(&first);
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move { world.manager.abort(&KEY, Some(ticket)) }
        });
        let cancelled = SessionTurn::is_cancelled(&first);
        drop(first);
        let next = world.manager.turn(&KEY).await;
        let next = next.expect("A6: the next turn is cancelled");
        shuttle::future::yield_now().await;
        assert!(
            !SessionTurn::is_cancelled(&next),
            "A6: the next turn is cancelled"
        );
        let found = join(aborting).await;
        assert!(
            !SessionTurn::is_cancelled(&next),
            "A6: the next turn is cancelled"
        );
        drop(next);
        world.end().await;
        let found = if found { "found" } else { "missed" };
        let cancelled = if cancelled { "cancelled" } else { "over" };
        format!("{found}, {cancelled}")
    });
}

/// A plain call finds its session unhealthy, which is stopped and started anew, and goes with its handle. An abort by its ticket
/// reaches it all the while: before its turn, or in it.
#[test]
fn an_abort_reaches_a_plain_call_whose_session_is_replaced() {
    let name = "a6_reach::an_abort_reaches_a_plain_call_whose_session_is_replaced";
    Scenario::new(name, "A6 C16", 2).ends_in(&["Aborted", "cancelled"], || async {
        let script = Script::new().on(KEY, Call::Look, Act::Fail);
        let world = World::new(script);
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let entering = world.manager.turn(&KEY);
        let ticket = entering.ticket().expect("it is idle");
        let aborting = world.spawn("aborting", {
            let world = world.clone();
            async move {
                let found = world.manager.abort(&KEY, Some(ticket));
                assert!(found, "A6: a call is not reached by its ticket");
            }
        });
        let turn = entering.await;
        join(aborting).await;
        let end = match turn {
            Ok(turn) if SessionTurn::is_cancelled(&turn) => "cancelled",
            Err(TurnError::Aborted) => "Aborted",
            _ => panic!("A6: the call goes on"),
        };
        world.end().await;
        end.to_owned()
    });
}
