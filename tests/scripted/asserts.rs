//! The assertions, where they must fail. Most of these calls no manager would make.

use crate::{Plain, world};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use turnwise::testing::{
    Act, End, Gate, Ledger, Method, Script, Scripted, ScriptedSession, context,
};
use turnwise::{Backend, Incarnation, SessionManager, manager::*};

type Done = Result<(), Box<dyn std::error::Error>>;

/// What an assertion says where it fails.
fn said(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it must fail");
    *panic.downcast::<String>().expect("a text")
}

/// A backend without a manager.
struct Alone {
    scripted: Scripted<Plain>,
    script: Script<Plain>,
    ledger: Ledger<String>,
    /// 1, 2 and 3.
    numbers: [Incarnation; 3],
    key: String,
}

impl Alone {
    async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let manager = SessionManager::builder(Plain::default())
            .shards(1)
            .build()?;
        let mut numbers = Vec::new();
        for _ in 0..3 {
            numbers.push(SessionTurn::incarnation(&manager.restart("a").await?));
        }
        let (scripted, script) = Scripted::around(Plain::default());
        Ok(Self {
            scripted,
            ledger: script.ledger().clone(),
            script,
            numbers: numbers.try_into().expect("three"),
            key: "a".to_owned(),
        })
    }

    async fn start(&self, number: usize) -> ScriptedSession<Plain> {
        let cx = context(self.numbers[number]);
        let started = self.scripted.start(&self.key, &cx).await;
        started.expect("nothing fails").0
    }

    async fn stop(&self, session: ScriptedSession<Plain>) {
        let stopped = self.scripted.stop(&self.key, session, StopReason::Idle);
        stopped.await.expect("nothing fails");
    }

    /// The call is dropped after its first poll.
    async fn cut_short<F: Future>(&self, method: Method, call: impl FnOnce() -> F) {
        self.script.on(method, Act::hang());
        let cut = tokio::time::timeout(Duration::ZERO, call()).await;
        assert!(cut.is_err(), "it hangs");
    }

    /// Both assertions fail, and say what is wrong.
    #[track_caller]
    fn is_two(&self, what: &str) {
        says(what, &said(|| self.ledger.assert_never_two()));
        says(what, &said(|| self.ledger.assert_balanced()));
    }

    /// The stricter one alone fails.
    #[track_caller]
    fn is_left(&self, what: &str) {
        self.ledger.assert_never_two();
        says(what, &said(|| self.ledger.assert_balanced()));
    }
}

#[track_caller]
fn says(what: &str, said: &str) {
    assert!(said.contains(what), "{what:?} is not in {said}");
}

#[tokio::test(start_paused = true)]
async fn what_is_never_played_is_told() -> Done {
    let world = world()?;
    world.script.assert_played();
    world.script.on(Method::Start, Act::pass());
    world.script.on(Method::Stop, Act::hang());
    world.script.on(Method::Stop, Act::panic());
    drop(world.manager.turn("a").await?);
    let said = said(|| world.script.assert_played());
    assert_eq!(said, "queued and never played: [(Stop, 2)]");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_in_order_is_in_order() -> Done {
    let alone = Alone::new().await?;
    let cx = context(alone.numbers[0]);
    let start = || alone.scripted.start(&alone.key, &cx);
    alone.cut_short(Method::Start, start).await;
    let away = alone.scripted.start_abandoned(&alone.key, alone.numbers[0]);
    away.await;
    let mut session = alone.start(1).await;
    assert_eq!(alone.ledger.sessions().len(), 1);
    drop(session.in_turn());
    assert!(alone.scripted.is_healthy(&mut session).await);
    alone.stop(session).await;
    let session = alone.start(2).await;
    let stop = || alone.scripted.stop(&alone.key, session, StopReason::Dirty);
    alone.cut_short(Method::Stop, stop).await;
    alone.ledger.assert_balanced();
    assert_eq!(alone.ledger.sessions(), []);
    assert_eq!(alone.ledger.count(Method::Start, End::Passed), 2);
    assert_eq!(alone.ledger.count(Method::Stop, End::CutShort), 1);
    assert_eq!(alone.ledger.count(Method::Stop, End::Failed), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_start_is_told() -> Done {
    let alone = Alone::new().await?;
    let first = alone.start(0).await;
    let other = "b".to_owned();
    let cx = context(alone.numbers[0]);
    drop(alone.scripted.start(&other, &cx).await?);
    alone.ledger.assert_never_two(); // of another key
    let second = alone.start(1).await;
    alone.is_two("Start of #2 begins while #1 is neither stopped nor dropped");
    drop((first, second));
    Ok(())
}

/// What was dropped is gone, and the next may start. A manager drops no session.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_dropped_is_told() -> Done {
    let alone = Alone::new().await?;
    drop(alone.start(0).await);
    let second = alone.start(1).await;
    alone.stop(second).await;
    alone.is_left("#1 was dropped without a stop");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_left_is_told() -> Done {
    let alone = Alone::new().await?;
    let left = alone.start(0).await;
    alone.is_left("a session is left after Start of #1: Passed");
    let turn = left.in_turn();
    alone.is_left("a session is left after Turn of #1: runs");
    drop(turn);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_not_higher_is_told() -> Done {
    let alone = Alone::new().await?;
    for _ in 0..2 {
        let session = alone.start(1).await;
        alone.stop(session).await;
    }
    alone.is_two("has no higher number than the start before it");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_start_left_behind_is_told() -> Done {
    let alone = Alone::new().await?;
    let cx = context(alone.numbers[0]);
    let start = || alone.scripted.start(&alone.key, &cx);
    alone.cut_short(Method::Start, start).await;
    alone.is_left("a session is left after Start of #1: CutShort");
    let next = alone.start(1).await;
    alone.is_two("Start of #2 begins before #1 is cleaned up");
    drop(next);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_abandoned_for_nothing_is_told() -> Done {
    let alone = Alone::new().await?;
    let away = alone.scripted.start_abandoned(&alone.key, alone.numbers[0]);
    away.await;
    alone.is_two("StartAbandoned of #1 follows no start that was cut short");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_are_told() -> Done {
    let alone = Alone::new().await?;
    let gate = Gate::new();
    let session = alone.start(0).await;
    alone.script.on(Method::Stop, Act::pass().after(&gate));
    let stop = alone.stop(session);
    let start = async {
        gate.reached().await;
        drop(alone.start(1).await);
        gate.open();
    };
    tokio::join!(stop, start);
    alone.is_two("Start of #2 begins during Stop of #1 as Idle");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_call_during_a_plain_turn_is_told() -> Done {
    let alone = Alone::new().await?;
    let mut session = alone.start(0).await;
    let turn = session.in_turn();
    assert!(alone.scripted.is_healthy(&mut session).await);
    drop(turn);
    alone.is_two("IsHealthy of #1 begins during Turn of #1");
    Ok(())
}

/// A session that was superseded while it was in somebody's hands.
#[tokio::test(start_paused = true)]
async fn a_call_of_a_session_that_has_ended_is_told() -> Done {
    let alone = Alone::new().await?;
    let mut old = alone.start(0).await;
    let next = alone.start(1).await;
    alone.stop(next).await;
    assert!(alone.scripted.is_healthy(&mut old).await);
    alone.is_two("IsHealthy of #1 is of a session that has ended");
    alone.stop(old).await;
    alone.is_two("Stop of #1 as Idle is of a session that has ended");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_turn_out_of_order_is_told() -> Done {
    use turnwise::Agent;
    let world = world()?;
    world.manager.send_message("a", "one").await?;
    world.manager.send_message("a", "two").await?;
    let contexts = world
        .counts
        .contexts
        .lock()
        .expect("nothing panics")
        .split_off(0);
    let alone = Alone::new().await?;
    let mut session = alone.start(0).await;
    for context in [1, 0] {
        let sent = alone
            .scripted
            .send(&mut session, "late", &contexts[context]);
        sent.await?;
    }
    alone.is_two("Send of #1 comes after a later turn");
    Ok(())
}

/// What is not kept is checked and counted all the same.
#[tokio::test(start_paused = true)]
async fn calls_that_are_forgotten_are_checked() -> Done {
    let alone = Alone::new().await?;
    let session = alone.start(0).await;
    let seen = Arc::<AtomicUsize>::default();
    let sees = Arc::clone(&seen);
    alone.ledger.watch(move |_| {
        sees.fetch_add(1, Ordering::SeqCst);
    });
    let turn = session.in_turn();
    alone.ledger.forget_calls();
    drop(turn);
    let second = alone.start(1).await;
    assert_eq!(alone.ledger.record(), []);
    assert_eq!(alone.ledger.count(Method::Start, End::Passed), 2);
    assert_eq!(seen.load(Ordering::SeqCst), 4, "two beginnings, two ends");
    alone.is_two("neither stopped nor dropped");
    drop((session, second));
    Ok(())
}

/// A record that is waited for: it comes with the call, not before.
#[tokio::test(start_paused = true)]
async fn a_record_is_waited_for() -> Done {
    let (scripted, script) = Scripted::around(Plain::default());
    let manager = SessionManager::builder(scripted).build()?;
    let two = script.ledger().until(|calls| calls.len() == 2);
    let mut two = std::pin::pin!(two);
    drop(manager.turn("a").await?);
    assert!(
        tokio::time::timeout(Duration::ZERO, two.as_mut())
            .await
            .is_err()
    );
    let (turn, ()) = tokio::join!(manager.turn("b"), two);
    let keys: Vec<_> = script
        .ledger()
        .record()
        .into_iter()
        .map(|call| call.key)
        .collect();
    assert_eq!(keys, ["a", "b"]);
    drop(turn?);
    Ok(())
}
