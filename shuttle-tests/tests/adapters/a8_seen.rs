//! A8: a call that names a session, or wants one that exists, starts none and touches no other.

use crate::backend::{Act, Call, Script};
use crate::world::{Scenario, World, join, refusal};
use turnwise::manager::{SessionTurn, StopReason, TurnOptions};

const KEY: u8 = 0;

/// A watcher has seen the first session, and stops that, while another call replaces it. The replacement is never stopped, and its
/// turn is never cancelled.
#[test]
fn a_stop_against_a_restart() {
    let ends = &[
        "stopped; its turn",
        "stopped; Aborted",
        "nothing; its turn",
        "nothing; Aborted",
    ];
    Scenario::new("a8_seen::a_stop_against_a_restart", "A8", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let seen = SessionTurn::incarnation(&turn);
        drop(turn);
        let restarting = world.spawn("restarts", {
            let world = world.clone();
            async move {
                // The stop may find it while it holds the first session.
                let turn = match world.manager.restart(&KEY).await {
                    Ok(turn) => turn,
                    Err(error) => return refusal(&error),
                };
                crate::backend::step().await;
                assert!(
                    !SessionTurn::is_cancelled(&turn),
                    "A8: the turn of a session that nobody has seen is cancelled"
                );
                "its turn".to_owned()
            }
        });
        let watcher = world.manager.with(TurnOptions::default().only(seen));
        let stopped = world.stopped(watcher.stop(&KEY)).await;
        let restarted = join(restarting).await;
        let requested = world.ledger.read(|book| book.stops.clone());
        let wrong = |(_, number, reason): &(_, u64, StopReason)| {
            *reason == StopReason::Requested && *number != seen.get()
        };
        assert!(
            !requested.iter().any(wrong),
            "A8: a session is stopped that nobody has seen"
        );
        drop(watcher);
        world.end().await;
        format!("{stopped}; {restarted}")
    });
}

/// A watcher aborts what the first session does, while that is replaced: a message of the next one is not aborted.
#[test]
fn an_abort_against_the_next_session() {
    let ends = &["false; reply of #3", "true; reply of #3"];
    Scenario::new("a8_seen::an_abort_against_the_next_session", "A8", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let seen = SessionTurn::incarnation(&turn);
        // It fails if it is cancelled.
        let next = world.send(KEY, 1, Act::Check);
        let ends = world.spawn("ends", async move { SessionTurn::discard(turn) });
        let watching = world.spawn("watches", {
            let watcher = world.manager.with(TurnOptions::default().only(seen));
            async move { watcher.abort(&KEY, None).to_string() }
        });
        let reply = world.hear(1, next).await;
        let aborted = join(watching).await;
        join(ends).await;
        world.end().await;
        format!("{aborted}; {reply}")
    });
}

/// A call wants an existing session while that is stopped: it has that session, or none. The only start is the first one.
#[test]
fn an_existing_session_against_a_stop() {
    let ends = &[
        "its turn, 1 starts",
        "NotFound, 1 starts",
        "Aborted, 1 starts",
    ];
    Scenario::new("a8_seen::an_existing_session_against_a_stop", "A8", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Stop, Act::Slow));
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let existing = world.manager.with(TurnOptions::existing());
        let wants = world.spawn("wants", async move {
            match existing.turn(&KEY).await {
                Ok(turn) => {
                    drop(turn);
                    "its turn".to_owned()
                }
                Err(error) => refusal(&error),
            }
        });
        let stopped = world.stopped(world.manager.stop(&KEY)).await;
        assert_eq!(stopped, "stopped");
        let end = join(wants).await;
        let starts = world.ledger.read(|book| book.starts);
        world.end().await;
        format!("{end}, {starts} starts")
    });
}

/// A message for the first session waits while that is discarded: the next session does not receive it.
#[test]
fn a_message_for_the_session_before() {
    let ends = &["unheard, NotFound; reply of #3"];
    Scenario::new("a8_seen::a_message_for_the_session_before", "A8", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let only = TurnOptions::default().only(SessionTurn::incarnation(&turn));
        let any = world.send(KEY, 1, Act::Done);
        let late = world.send_with(KEY, 2, Act::Done, only);
        let ends = world.spawn("ends", async move { SessionTurn::discard(turn) });
        let any = world.hear(1, any).await;
        let late = world.hear(2, late).await;
        join(ends).await;
        world.end().await;
        format!("{late}; {any}")
    });
}

/// New sessions are refused while calls come: what is refused has started nothing, and a session that is there goes on.
#[test]
fn a_lame_manager() {
    let ends = &[
        "reply of #1; reply of #2",
        "reply of #1; unheard, NotAccepting",
    ];
    Scenario::new("a8_seen::a_lame_manager", "A8", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let refusing = world.spawn("refuses", {
            let manager = world.manager.clone();
            async move { manager.accept_new(false) }
        });
        let [here, new] =
            [(KEY, 1), (KEY + 1, 2)].map(|(key, id)| world.sends("sends", key, id, Act::Done));
        let (here, new) = (join(here).await, join(new).await);
        join(refusing).await;
        let starts = world.ledger.read(|book| book.starts);
        assert_eq!(
            starts == 2,
            new.starts_with("reply"),
            "A8: a refused call has started a session"
        );
        world.end().await;
        format!("{here}; {new}")
    });
}
