//! A17: the key of a session that processes share is acquired before its start, and released once, after its end. When its term has
//! ended, nothing of it goes on, and every call has its answer.

use crate::backend::{Act, Call, Script, step};
use crate::ledger::{Book, Key};
use crate::owner::Owner;
use crate::world::{LONG, Scenario, World, join};
use std::sync::Arc;
use tokio::task::JoinHandle;
use turnwise::manager::{ManagerBuilder, SessionTurn, WhenFull};

const KEY: Key = 0;

/// A world whose keys are shared.
fn shared(script: Script, owner: &Arc<Owner>) -> World {
    with(script, owner, |builder| builder)
}

fn with(
    script: Script,
    owner: &Arc<Owner>,
    build: impl FnOnce(
        ManagerBuilder<crate::backend::Scripted>,
    ) -> ManagerBuilder<crate::backend::Scripted>,
) -> World {
    let ownership = Arc::clone(owner);
    let world = World::built(script, None, |builder| build(builder.ownership(ownership)));
    owner.watches(&world.ledger);
    world
}

impl World {
    /// A task in which the term ends, with notice.
    fn loses(&self, owner: &Arc<Owner>) -> JoinHandle<()> {
        let owner = Arc::clone(owner);
        self.spawn("loses", async move {
            step().await;
            owner.loses();
        })
    }

    /// Everything has ended, and was released.
    async fn released(self, owner: &Owner) -> String {
        let ledger = self.end().await;
        owner.owns_nothing();
        format!("{:?}", ledger.read(Book::reasons))
    }
}

/// A message is aborted, or its sender goes away, while the answer comes. The next one asks for itself, or has the session.
#[test]
fn a_cancel_against_the_answer() {
    let ends = &[
        "unheard, Aborted; reply of #10",
        "heard, Aborted; reply of #10",
        "reply of #10; reply of #10",
    ];
    Scenario::new("a17_owned::a_cancel_against_the_answer", "A17 A7", 2)
        .rarely(&["heard, Aborted; reply of #20"])
        .ends_in(ends, || async {
            let owner = Owner::new();
            let world = shared(Script::new(), &owner);
            let first = world.send(KEY, 1, Act::Check);
            let ticket = first.ticket();
            let second = world.sends("second", KEY, 2, Act::Done);
            let aborting = world.spawn("aborting", {
                let manager = world.manager.clone();
                async move {
                    step().await;
                    manager.abort(&KEY, ticket);
                }
            });
            let first = world.hear(1, first).await;
            let second = join(second).await;
            join(aborting).await;
            world.released(&owner).await;
            format!("{first}; {second}")
        });
}

/// A stop against the next message: the key is released before it is acquired anew.
#[test]
fn a_stop_against_the_next() {
    let ends = &[
        "reply of #10",
        "reply of #20",
        "unheard, Aborted",
        "heard, Aborted",
    ];
    Scenario::new("a17_owned::a_stop_against_the_next", "A17", 2).ends_in(ends, || async {
        let owner = Owner::new();
        let world = shared(Script::new(), &owner);
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let next = world.sends("next", KEY, 1, Act::Check);
        world.stopped(world.manager.stop(&KEY)).await;
        let next = join(next).await;
        world.released(&owner).await;
        next
    });
}

/// Another process owns the key. All calls that waited for this answer get it, and no session is evicted. A later call asks again.
#[test]
fn elsewhere_against_those_that_wait() {
    let ends = &["unheard, Elsewhere(\"other\"); unheard, Elsewhere(\"other\"); Some(Idle)"];
    Scenario::new("a17_owned::elsewhere_against_those_that_wait", "A17", 2).ends_in(
        ends,
        || async {
            let owner = Owner::new();
            let world = with(Script::new(), &owner, |builder| {
                builder.max_sessions(1, WhenFull::EvictIdle)
            });
            drop(world.manager.turn(&KEY).await.expect("it starts"));
            owner.is_elsewhere(2);
            let other = world.sends("other", 1, 2, Act::Done);
            let one = world.hear(1, world.send(1, 1, Act::Done)).await;
            let other = join(other).await;
            let status = world.manager.status(&KEY).map(|status| status.phase);
            world.released(&owner).await;
            format!("{one}; {other}; {status:?}")
        },
    );
}

/// A shutdown begins while the answer comes.
#[test]
fn a_shutdown_against_the_answer() {
    let ends = &["unheard, Closed", "reply of #10"];
    Scenario::new("a17_owned::a_shutdown_against_the_answer", "A17 A4", 2).ends_in(
        ends,
        || async {
            let owner = Owner::new();
            let world = shared(Script::new(), &owner);
            let sending = world.send(KEY, 1, Act::Done);
            let report = world.spawn("shuts", {
                let world = world.clone();
                async move {
                    step().await;
                    world.shut_down(LONG).await
                }
            });
            let end = world.hear(1, sending).await;
            join(report).await;
            world.gone_in_the_end().await;
            owner.owns_nothing();
            end
        },
    );
}

/// The term ends in a message that would take for ever, while another one is queued: that has the next session.
#[test]
fn a_loss_against_a_message() {
    let ends = &["heard, Lost; reply of #20; [Lost, Shutdown]"];
    Scenario::new("a17_owned::a_loss_against_a_message", "A17", 2).ends_in(ends, || async {
        let owner = Owner::new();
        let world = shared(Script::new(), &owner);
        let first = world.send(KEY, 1, Act::Hang);
        let second = world.sends("second", KEY, 2, Act::Done);
        world.ledger.until(|book| book.hangs > 0).await;
        owner.loses();
        let first = world.hear(1, first).await;
        let second = join(second).await;
        format!("{first}; {second}; {}", world.released(&owner).await)
    });
}

/// The same in a turn that was stopped before, and does not end.
#[test]
fn a_loss_against_a_stopped_message() {
    let ends = &["heard, Aborted; stopped; [Lost]"];
    Scenario::new("a17_owned::a_loss_against_a_stopped_message", "A17", 2).ends_in(
        ends,
        || async {
            let owner = Owner::new();
            let world = shared(Script::new(), &owner);
            let first = world.send(KEY, 1, Act::Hang);
            world.ledger.until(|book| book.hangs > 0).await;
            let stopping = world.manager.stop(&KEY);
            let loses = world.loses(&owner);
            let first = world.hear(1, first).await;
            let stopped = world.stopped(stopping).await;
            join(loses).await;
            let reasons = world.released(&owner).await;
            let reasons = reasons
                .replace("Requested", "Lost")
                .replace("Dirty", "Lost");
            let stopped = stopped.replace("nothing", "stopped");
            format!("{first}; {stopped}; {reasons}")
        },
    );
}

/// The term ends in a start that would take for ever.
#[test]
fn a_loss_against_a_start() {
    let ends = &["unheard, Lost; reply of #20"];
    Scenario::new("a17_owned::a_loss_against_a_start", "A17 A5", 2)
        .rarely(&["unheard, Lost; reply of #30"])
        .ends_in(ends, || async {
            let owner = Owner::new();
            let world = shared(Script::new().on(KEY, Call::Start, Act::Hang), &owner);
            let first = world.send(KEY, 1, Act::Done);
            let second = world.sends("second", KEY, 2, Act::Done);
            world.ledger.until(|book| book.hangs > 0).await;
            let loses = world.loses(&owner);
            let first = world.hear(1, first).await;
            let second = join(second).await;
            join(loses).await;
            world.released(&owner).await;
            format!("{first}; {second}")
        });
}

/// The term ends while a start ends: a session that has just started is stopped, and has no turn that begins later.
#[test]
fn a_loss_against_the_end_of_a_start() {
    let ends = &["unheard, Lost", "heard, Lost", "reply of #10"];
    Scenario::new("a17_owned::a_loss_against_the_end_of_a_start", "A17", 2).ends_in(
        ends,
        || async {
            let owner = Owner::new();
            let world = shared(Script::new(), &owner);
            let sending = world.send(KEY, 1, Act::Slow);
            let loses = world.loses(&owner);
            let end = world.hear(1, sending).await;
            join(loses).await;
            world.released(&owner).await;
            end
        },
    );
}

/// The term ends while a plain turn ends, and the next call is granted: that has another session.
#[test]
fn a_loss_against_a_grant() {
    let ends = &["the next"];
    Scenario::new("a17_owned::a_loss_against_a_grant", "A17", 2).ends_in(ends, || async {
        let owner = Owner::new();
        let world = shared(Script::new(), &owner);
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let next = world.manager.turn(&KEY);
        let ending = world.spawn("ends", async move { SessionTurn::done(turn) });
        step().await;
        owner.ends();
        let next = next.await.expect("it starts");
        let number = SessionTurn::incarnation(&next).get();
        assert_eq!(number, 20, "A17: a session that is lost has a turn");
        SessionTurn::done(next);
        join(ending).await;
        owner.loses();
        world.released(&owner).await;
        "the next".to_owned()
    });
}

/// The term ends in a stop that would take for ever. It has no grace here.
#[test]
fn a_loss_against_a_stop() {
    let ends = &["Abandoned; reply of #20"];
    Scenario::new("a17_owned::a_loss_against_a_stop", "A17", 2).ends_in(ends, || async {
        let owner = Owner::new();
        let world = shared(Script::new().on(KEY, Call::Stop, Act::Hang), &owner);
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let stopping = world.manager.stop(&KEY);
        world.ledger.until(|book| book.hangs > 0).await;
        owner.is_graceless();
        let loses = world.loses(&owner);
        let stopped = world.stopped(stopping).await;
        join(loses).await;
        let reply = world.hear(1, world.send(KEY, 1, Act::Done)).await;
        world.released(&owner).await;
        format!("{stopped}; {reply}")
    });
}
