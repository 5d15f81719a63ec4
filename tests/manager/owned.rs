//! Sessions whose keys several processes share: each is acquired before its start, and released after its end.

use std::sync::Arc;

use turnwise::{Phase, SessionManager, manager::*};

use crate::discard::{Processes, opened};
use crate::owner::{Answer, Owner};
use crate::script::{Act, Failure, Gate, Step, fail, say};
use crate::{MINUTE, Manager, SECOND, Stage, all_events, seconds, settled, stage};

/// A manager whose keys are shared.
pub(crate) fn shared(
    set: impl FnOnce(ManagerBuilder<crate::Actor>) -> ManagerBuilder<crate::Actor>,
) -> (Manager, Stage, Owner) {
    let owner = Owner::default();
    let ownership = Arc::new(owner.clone());
    let (m, stage) = stage(|builder| set(builder.ownership(ownership)));
    (m, stage, owner)
}

/// Everything has ended, and nothing is owned.
pub(crate) async fn end(m: Manager, stage: Stage, owner: &Owner) {
    stage.end(m).await;
    owner.owns_nothing();
}

fn elsewhere() -> Answer {
    Answer::Not(NotOwned::Elsewhere("node-b".into()))
}

fn is_elsewhere<M>(sent: Result<crate::script::Reply, SendError<M, Failure>>) -> bool {
    let Err(SendError { error, message, .. }) = sent else {
        return false;
    };
    matches!(error, TurnError::Elsewhere(owner) if &*owner == "node-b") && message.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_session_has_the_number_of_its_acquisition() {
    let (m, stage, owner) = shared(|builder| builder);
    let gate = Gate::new();
    owner.next_at(&gate, Answer::Owned);
    let sending = m.send_message("a", say("one"));
    settled().await;
    let status = m.status("a").expect("it is being acquired");
    assert_eq!(
        (status.phase, status.incarnation.get()),
        (Phase::Starting, 0)
    );
    gate.open();
    assert_eq!(sending.await.expect("it is ours").number, 100);
    assert_eq!(m.status("a").expect("idle").incarnation.get(), 100);
    assert!(m.stop("a").await.expect("it stops"));
    let gate = Gate::new();
    owner.next_at(&gate, Answer::Owned);
    let sending = m.send_message("a", say("two"));
    settled().await;
    assert_eq!(m.status("a").expect("acquired").incarnation.get(), 0);
    gate.open();
    assert_eq!(sending.await.expect("it is ours").number, 200);
    let turn = m.turn("a").await.expect("idle");
    assert_eq!(SessionTurn::incarnation(&turn).get(), 200);
    assert!(SessionTurn::is_owned(&turn));
    SessionTurn::done(turn);
    assert_eq!(owner.record(), ["+a 100", "-a 100", "+a 200"]);
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_process_evicts_nobody() {
    let (m, stage, owner) = shared(|builder| builder.max_sessions(1, WhenFull::EvictIdle));
    m.send_message("mine", say("one"))
        .await
        .expect("it is ours");
    let mut events = m.subscribe();
    owner.next(elsewhere());
    assert!(is_elsewhere(m.send_message("theirs", say("two")).await));
    assert_eq!(m.status("mine").expect("it stays").phase, Phase::Idle);
    assert_eq!(m.status("theirs"), None);
    assert_eq!(all_events(&mut events), []);
    let stats = m.stats();
    assert_eq!((stats.refused.elsewhere, stats.failed_starts), (1, 0));
    assert_eq!(owner.record(), ["+mine 100"]);
    // It is asked again for each session.
    m.send_message("theirs", say("three"))
        .await
        .expect("now ours");
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn all_that_wait_learn_who_owns_the_key() {
    let (m, stage, owner) = shared(|builder| builder);
    let gate = Gate::new();
    owner.next_at(&gate, elsewhere());
    let sent: Vec<_> = ["one", "two", "three"]
        .map(|text| m.send_message("a", say(text)))
        .into();
    let turn = m.turn("a");
    settled().await;
    gate.open();
    for sending in sent {
        assert!(is_elsewhere(sending.await));
    }
    assert!(matches!(turn.await, Err(TurnError::Elsewhere(_))));
    assert_eq!((m.status("a"), m.stats().refused.elsewhere), (None, 4));
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_owner_is_told_with_its_reason() {
    let (m, stage, owner) = shared(|builder| builder.timeouts(Timeouts::default().start(MINUTE)));
    let why = |sent: Result<_, SendError<_, Failure>>| match sent {
        Err(SendError {
            error: TurnError::Unavailable(why),
            message: Some(_),
            ..
        }) => why.to_string(),
        other => panic!("{other:?}"),
    };
    owner.next(Answer::Not(NotOwned::Unavailable("no leader".into())));
    assert_eq!(why(m.send_message("a", say("one")).await), "no leader");
    owner.next(Answer::Panics);
    assert!(why(m.send_message("a", say("two")).await).contains("panicked"));
    owner.next_at(&Gate::new(), Answer::Owned);
    let (sent, took) = seconds(m.send_message("a", say("three"))).await;
    assert!(why(sent).contains("timeout"));
    assert_eq!((took, m.stats().refused.unavailable), (60, 3));
    // One that has forgotten.
    m.send_message("a", say("four")).await.expect("it is ours");
    let turn = m.turn("a").await.expect("idle");
    owner.next(Answer::Numbered(100));
    let next = m.send_message("a", say("five"));
    SessionTurn::discard(turn);
    assert!(why(next.await).contains("not higher"));
    assert_eq!(owner.record(), ["+a 100", "-a 100", "+a 100", "-a 100"]);
    assert_eq!(m.status("a"), None);
    end(m, stage, &owner).await;
}

/// Each way in which a session or a start ends: its key is released once, after that, and before it is acquired anew.
#[tokio::test(start_paused = true)]
async fn a_key_is_released_when_its_session_has_ended() {
    let timeouts = Timeouts::default().start(MINUTE).stop(MINUTE);
    let (m, stage, owner) = shared(|builder| {
        let builder = builder.max_sessions(1, WhenFull::EvictIdle);
        builder.timeouts(timeouts.room(SECOND))
    });
    let script = &stage.script;
    let start = async |key: &str| {
        m.send_message(key, say("hi")).await.expect("it starts");
    };
    let recorded = |expected: &[&str]| {
        let ends: Vec<_> = owner.record();
        let ends: Vec<_> = ends.iter().map(|end| &end[..2]).collect();
        assert_eq!(ends, expected);
    };
    start("a").await;
    stage.pass(MINUTE).await;
    m.cleanup_idle(SECOND).await;
    recorded(&["+a", "-a"]);
    start("a").await;
    start("b").await;
    recorded(&["+a", "+b", "-a"]);
    for end in [fail(), Act::hang(), Act::panic()] {
        script.tell("b", Step::Stop, end);
        m.stop("b").await.expect_err("it is not clean");
        recorded(&["-b"]);
        start("b").await;
        recorded(&["+b"]);
    }
    SessionTurn::done(m.restart("b").await.expect("it restarts"));
    recorded(&["-b", "+b"]);
    script.tell("b", Step::IsHealthy, fail());
    start("b").await;
    recorded(&["-b", "+b"]);
    let turn = m.turn("b").await.expect("idle");
    let next = m.send_message("b", say("waits"));
    SessionTurn::discard(turn);
    next.await.expect("a new one");
    recorded(&["-b", "+b"]);
    m.stop("b").await.expect("it stops");
    recorded(&["-b"]);
    for end in [fail(), Act::hang(), Act::panic()] {
        script.tell("c", Step::Start, end);
        m.send_message("c", say("no")).await.expect_err("it fails");
        recorded(&["+c", "-c"]);
    }
    // There is no room.
    start("b").await;
    let turn = m.turn("b").await.expect("idle");
    let full = m.send_message("c", say("no")).await;
    assert!(matches!(
        full.expect_err("there is no room").error,
        TurnError::RegistryFull
    ));
    recorded(&["+b", "+c", "-c"]);
    SessionTurn::done(turn);
    stage.end(m).await;
    recorded(&["-b"]);
    owner.owns_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_forced_stop_takes_a_new_number() {
    let owner = Owner::default();
    let m = SessionManager::builder(Processes::default()).ownership(Arc::new(owner.clone()));
    let m = m.build().expect("the settings make sense");
    let old = m.turn(&"a").await.expect("it starts");
    assert!(m.force_stop(&"a").await.expect("it is taken"));
    let new = m.send_message(&"a", opened()).await.expect("a new one");
    assert_eq!((SessionTurn::incarnation(&old).get(), new), (100, 200));
    assert_eq!(owner.record(), ["+a 100", "+a 200"]);
    SessionTurn::done(old);
    settled().await;
    assert_eq!(owner.record(), ["-a 100"], "by its own number");
    m.shutdown(SECOND).await;
    owner.owns_nothing();
}

/// A call that is cancelled, or goes away, does not wait for the answer, and gets its message back. The next call asks anew.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_key_is_cancelled_at_once() {
    let (m, stage, owner) = shared(|builder| builder);
    let sent = || {
        owner.next_at(&Gate::new(), Answer::Owned);
        m.send_message("a", say("one"))
    };
    for cancel in [0, 1, 2] {
        let sending = sent();
        settled().await;
        match cancel {
            0 => assert!(m.abort("a", None)),
            1 => assert!(!m.stop("a").await.expect("nothing to stop")),
            _ => sending.abort(),
        }
        let (ended, took) = seconds(sending).await;
        let SendError { error, message, .. } = ended.expect_err("it was cancelled");
        assert!(matches!(error, TurnError::Aborted), "{error:?}");
        assert!(message.is_some());
        assert_eq!((took, m.status("a")), (0, None));
    }
    let sending = sent();
    let next = m.send_message("a", say("two"));
    settled().await;
    drop(sending);
    assert_eq!(next.await.expect("it asks for itself").number, 100);
    m.stop("a").await.expect("it stops");
    owner.next_at(&Gate::new(), Answer::Owned);
    let turn = tokio::time::timeout(SECOND, m.turn("a")).await;
    assert!(turn.is_err());
    settled().await;
    assert_eq!(m.status("a"), None, "a plain call has left");
    let sending = sent();
    settled().await;
    drop(m.shutdown(SECOND));
    let SendError { error, message, .. } = sending.await.expect_err("it is shut down");
    assert!(matches!(error, TurnError::Closed), "{error:?}");
    assert!(message.is_some());
    end(m, stage, &owner).await;
}

/// Nothing is left behind when the runtime ends.
#[test]
fn the_end_of_the_runtime_releases_all() {
    let owner = Owner::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("it can be built");
    let m = runtime.block_on(async {
        let (actor, _, _) = crate::actor();
        let builder = Manager::builder(actor).ownership(Arc::new(owner.clone()));
        let m = builder.build().expect("the settings make sense");
        m.send_message("a", say("one")).await.expect("it starts");
        let gate = Gate::new();
        m.send_message("b", say("two").until(&gate)).detach();
        settled().await;
        m
    });
    drop(runtime);
    drop(m);
    assert_eq!(owner.record()[..2], ["+a 100", "+b 200"]);
    owner.owns_nothing();
}
