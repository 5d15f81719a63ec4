//! A11: a session that is discarded is stopped at once, or at the end of its turn. It has no turn that comes after, and no other
//! session is touched.

use crate::backend::{Act, Call, Script, step};
use crate::world::{Scenario, World, join, refusal};
use turnwise::manager::{SessionTurn, StopReason};

const KEY: u8 = 0;

impl World {
    /// A task that discards the first session of the key, and returns when that has been stopped.
    fn discards(&self) -> tokio::task::JoinHandle<u64> {
        let world = self.clone();
        self.spawn("discards", async move {
            step().await;
            let number = world.ledger.discards(KEY);
            world.stopped_as(number, StopReason::Discarded).await;
            number
        })
    }

    /// Nothing else has to happen for it: without it, the scenario has a deadlock.
    async fn stopped_as(&self, number: u64, why: StopReason) {
        let stop = (KEY, number, why);
        self.ledger.until(|book| book.stops.contains(&stop)).await;
    }
}

/// An idle session is discarded, while a message comes. The session is stopped, before the message or after it, and never cancels it.
#[test]
fn a_discard_against_a_message() {
    let ends = &["reply of the first", "reply of the second"];
    Scenario::new("a11_discard::a_discard_against_a_message", "A11", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let discarding = world.discards();
        let reply = world.hear(1, world.send(KEY, 1, Act::Check)).await;
        let first = join(discarding).await;
        let end = if reply == format!("reply of #{first}") {
            "reply of the first"
        } else {
            assert!(
                reply.starts_with("reply"),
                "A11: a discard has cancelled a message: {reply}"
            );
            "reply of the second"
        };
        world.end().await;
        end.to_owned()
    });
}

/// A session is discarded, while its turn ends and the next call waits. The next call polls after the discard, so it gets another
/// session, whether it was granted the first one or not.
#[test]
fn a_discard_against_a_grant() {
    let ends = &["the second"];
    Scenario::new("a11_discard::a_discard_against_a_grant", "A11", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let first = SessionTurn::incarnation(&turn).get();
        let next = world.manager.turn(&KEY);
        let ending = world.spawn("ends", async move { drop(turn) });
        step().await;
        world.ledger.discards(KEY);
        let next = next.await.expect("it starts");
        assert_ne!(
            SessionTurn::incarnation(&next).get(),
            first,
            "A11: a discarded session has a turn"
        );
        drop(next);
        join(ending).await;
        world.stopped_as(first, StopReason::Discarded).await;
        world.end().await;
        "the second".to_owned()
    });
}

/// A session is discarded while it starts, or when it has just started.
#[test]
fn a_discard_against_a_start() {
    let ends = &[
        "unheard, Discarded(\"by the scenario\")",
        "reply of the first",
    ];
    Scenario::new("a11_discard::a_discard_against_a_start", "A11", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Slow));
        let sending = world.send(KEY, 1, Act::Done);
        let discarding = world.spawn("discards", {
            let world = world.clone();
            async move {
                let ledger = &world.ledger;
                ledger.until(|book| !book.controls.is_empty()).await;
                step().await;
                let number = ledger.discards(KEY);
                world.stopped_as(number, StopReason::Discarded).await;
                number
            }
        });
        let reply = world.hear(1, sending).await;
        let first = join(discarding).await;
        let first = format!("reply of #{first}");
        world.end().await;
        if reply == first {
            "reply of the first".to_owned()
        } else {
            reply
        }
    });
}

/// A session is discarded while it is replaced. The next one is left alone.
#[test]
fn a_discard_against_a_restart() {
    let ends = &["Discarded", "Restarted"];
    Scenario::new("a11_discard::a_discard_against_a_restart", "A11", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.ledger.read(|book| book.controls[&KEY].clone());
        let number = first.incarnation().get();
        let discarding = world.spawn("discards", async move {
            step().await;
            first.discard("by the scenario");
        });
        let turn = world.manager.restart(&KEY).await;
        let turn = turn.unwrap_or_else(|error| panic!("{}", refusal(&error)));
        join(discarding).await;
        SessionTurn::done(turn);
        world
            .manager
            .turn(&KEY)
            .await
            .map(SessionTurn::done)
            .expect("it is there");
        let stops = world.ledger.read(|book| book.stops.clone());
        let [(_, stopped, why)] = *stops else {
            panic!("A11: another session is stopped: {stops:?}");
        };
        assert_eq!(stopped, number, "A11: another session is stopped");
        world.end().await;
        format!("{why:?}")
    });
}
