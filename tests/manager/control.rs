//! A6: turns are cancelled by ticket, and sessions are stopped ahead of the line and restarted in it.

use turnwise::{Phase, manager::*};

use crate::script::{Act, Gate, Step, fail, obey, say, until};
use crate::{SECOND, all_events, plain, seconds, settled};

#[tokio::test(start_paused = true)]
async fn an_abort_is_for_one_turn() {
    let (m, stage) = plain();
    let mut first = m.send_message("a", say("first").and(obey()));
    let mut second = m.send_message("a", say("second").and(obey()));
    let tickets = (first.ticket(), second.ticket());
    assert!(tickets.0.is_some() && tickets.0 < tickets.1);
    first.started().await.expect("free");
    assert!(!m.abort("b", None), "nobody is there");
    assert!(m.abort("a", tickets.0));
    let error = first.await.expect_err("it was cancelled").error;
    assert!(matches!(error, TurnError::Aborted));
    second.started().await.expect("its turn comes");
    assert!(!m.abort("a", tickets.0), "that one has ended");
    assert_eq!(m.status("a").and_then(|status| status.turn), tickets.1);
    assert!(m.abort("a", None), "whichever it is");
    second.await.expect_err("it was cancelled");
    assert!(!m.abort("a", None), "it rests");
    assert_eq!(stage.script.stops("a"), []);
    stage.end(m).await;
}

/// In the line, in a start, in a look at health: a message that is cancelled there was never heard, and comes back.
#[tokio::test(start_paused = true)]
async fn an_abort_before_the_turn_begins_gives_the_message_back() {
    let (m, stage) = plain();
    for step in [Step::Start, Step::IsHealthy] {
        let gate = Gate::new();
        stage.script.tell("a", step, until(&gate));
        let early = m.send_message("a", say("early"));
        gate.reached().await;
        assert!(m.abort("a", early.ticket()), "it has the session's key");
        gate.open();
        let error = early.await.expect_err("it was cancelled");
        assert!(matches!(error.error, TurnError::Aborted));
        assert_eq!(error.message.expect("not heard").text, "early");
    }
    let turn = m.turn("a").await.expect("it rests");
    let in_line = m.send_message("a", say("in line"));
    settled().await;
    in_line.abort();
    let error = in_line.await.expect_err("it was cancelled");
    assert!(matches!(error.error, TurnError::Aborted));
    assert_eq!(error.message.expect("not heard").text, "in line");
    drop(m.send_message("a", say("dropped")));
    settled().await;
    assert_eq!(m.status("a").expect("held").waiting, 0);
    drop(turn);
    assert_eq!(stage.script.heard("a"), [""; 0]);
    assert_eq!(stage.script.started("a"), 1);
    stage.end(m).await;
}

/// A plain turn is told, and its holder decides.
#[tokio::test(start_paused = true)]
async fn a_plain_turn_is_told_of_an_abort() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    assert!(!SessionTurn::is_cancelled(&turn));
    assert!(m.abort("a", Some(SessionTurn::ticket(&turn))));
    SessionTurn::cancelled(&turn).await;
    assert!(SessionTurn::is_cancelled(&turn));
    drop(turn);
    let turn = m.turn("a").await.expect("it rests");
    assert!(!SessionTurn::is_cancelled(&turn), "the next is not");
    drop(turn);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_cancels_the_turn_and_goes_ahead_of_the_line() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    for (act, reason, stopped) in [
        (obey(), StopReason::Requested, true),
        // Cut short after its time, it is stopped as dirty: for the stop nothing is left to do.
        (Act::hang(), StopReason::Dirty, false),
    ] {
        let long = m.send_message("a", say("long").and(act));
        let line = [m.send_message("a", say("1")), m.send_message("a", say("2"))];
        settled().await;
        let number = m.status("a").expect("busy").incarnation.get();
        let stop = m.stop("a").await.expect("it stops");
        assert_eq!(stop, stopped);
        let error = long.await.expect_err("it was cancelled").error;
        assert!(matches!(error, TurnError::Aborted));
        for waits in line {
            let reply = waits.await.expect("the line goes on");
            assert!(reply.number > number, "with the next incarnation");
        }
        assert_eq!(stage.script.stops("a").pop(), Some(reason));
    }
    let outcomes: Vec<_> = all_events(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::TurnEnded { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    let (aborted, done) = (Outcome::Aborted, Outcome::Done);
    assert_eq!(outcomes, [aborted, done, done, aborted, done, done]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_plain_turn_and_cuts_a_start_short() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let stop = m.stop("a");
    SessionTurn::cancelled(&turn).await;
    stage.pass(9 * SECOND).await;
    assert_eq!(stage.script.stops("a"), [], "it is its holder's");
    drop(turn);
    assert!(stop.await.expect("it stops"));

    stage.script.tell("a", Step::Start, Act::hang());
    let starts = m.send_message("a", say("hello"));
    settled().await;
    let stop = m.stop("a");
    let (error, took) = seconds(starts).await;
    assert_eq!(took, 0, "the call ends at once");
    let error = error.expect_err("cancelled in its start");
    let (stopped, took) = seconds(stop).await;
    assert!(!stopped.expect("it was no session yet") && took == 5);
    assert!(matches!(error.error, TurnError::Aborted));
    assert!(error.message.is_some());
    assert_eq!(m.status("a"), None);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_nothing_stops_nothing() {
    let (m, stage) = plain();
    assert!(!m.stop("a").await.expect("there is none"));
    assert_eq!(m.status("a"), None, "and none was made");
    drop(m.turn("a").await.expect("free"));
    let stops = [m.stop("a"), m.stop("a"), m.stop("a")];
    let mut told = Vec::new();
    for stop in stops {
        told.push(stop.await.expect("it stops"));
    }
    assert_eq!(told, [true, true, true], "they share one stop");
    assert_eq!(stage.script.stops("a"), [StopReason::Requested]);
    stage.end(m).await;
}

/// The stop continues without its caller, and reports its end to the callers that wait.
#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_when_nobody_waits_for_it() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("free"));
    drop(m.stop("a"));
    settled().await;
    assert_eq!(m.status("a"), None);
    for (fails, act) in [
        (true, fail()),
        (false, Act::panic()),
        (false, Act::panic_at_once()),
    ] {
        drop(m.turn("a").await.expect("free"));
        stage.script.tell("a", Step::Stop, act);
        let error = m.stop("a").await.expect_err("it goes wrong");
        match error {
            StopError::Failed(_) => assert!(fails),
            StopError::Panicked => assert!(!fails),
            error => panic!("{error:?}"),
        }
        assert_eq!(m.status("a"), None);
    }
    stage.end(m).await;
}

/// `dismiss` is for those who wait for a turn: a stop that waits for one to end goes on.
#[tokio::test(start_paused = true)]
async fn a_dismissal_sends_the_line_away_and_leaves_turn_and_stop() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let sent = m.send_message("a", say("waits"));
    let entering = m.turn("a");
    let stop = m.stop("a");
    settled().await;
    assert_eq!(m.dismiss("a"), 2);
    let error = sent.await.expect_err("it was sent away");
    assert!(matches!(error.error, TurnError::Dismissed));
    assert_eq!(error.message.expect("not heard").text, "waits");
    assert!(matches!(entering.await, Err(TurnError::Dismissed)));
    assert_eq!((m.dismiss("a"), m.dismiss("b")), (0, 0));
    assert_eq!(m.status("a").map(|status| status.phase), Some(Phase::Busy));
    drop(turn);
    assert!(stop.await.expect("it was not dismissed"));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_stands_in_line() {
    let (m, stage) = plain();
    let first = m.turn("a").await.expect("free");
    let number = SessionTurn::handle(&first);
    let before = m.send_message("a", say("before"));
    let restart = m.restart("a");
    let after = m.send_message("a", say("after"));
    assert_eq!(restart.ticket().map(|ticket| ticket.get()), Some(3));
    drop(first);
    assert_eq!(before.await.expect("its turn").number, number);
    let turn = restart.await.expect("it starts anew");
    assert!(SessionTurn::handle(&turn) > number);
    assert_eq!(stage.script.stops("a"), [StopReason::Restarted]);
    let number = SessionTurn::handle(&turn);
    drop(turn);
    assert_eq!(after.await.expect("its turn").number, number);
    // Of a key without a session it is a start; one whose stop goes wrong goes on.
    drop(m.restart("b").await.expect("free"));
    stage.script.tell("b", Step::Stop, Act::panic());
    drop(m.restart("b").await.expect("it starts anew"));
    assert_eq!(stage.script.started("b"), 2);
    stage.end(m).await;
}

/// Dropped half-way, a restart runs on; a stop that comes meanwhile cancels it and goes first.
#[tokio::test(start_paused = true)]
async fn a_restart_is_not_cut_short_and_gives_way_to_a_stop() {
    let (m, stage) = plain();
    for step in [Step::Stop, Step::Start] {
        drop(m.turn("a").await.expect("free"));
        let gate = Gate::new();
        stage.script.tell("a", step, until(&gate));
        let mut restart = m.restart("a");
        tokio::select! {
            biased;
            _ = &mut restart => unreachable!("the gate is shut"),
            () = gate.reached() => {}
        }
        let stop = m.stop("a");
        gate.open();
        let (restarted, stopped) = tokio::join!(restart, stop);
        assert!(matches!(restarted, Err(TurnError::Aborted)));
        // Stopped already by the restart, or started and then stopped.
        assert_eq!(stopped.expect("it stops"), step == Step::Start);
        assert_eq!(m.status("a"), None);
    }
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_healthy_is_started_anew_in_the_same_turn() {
    let (m, stage) = plain();
    let mut number = m
        .send_message("a", say("hello"))
        .await
        .expect("free")
        .number;
    let acts = [fail(), Act::panic(), Act::panic_at_once(), Act::hang()];
    for (times, act) in acts.into_iter().enumerate() {
        let hangs = times == 3;
        stage.script.tell("a", Step::IsHealthy, act);
        let sending = m.send_message("a", say("hello"));
        let ticket = sending.ticket();
        let (sent, took) = seconds(sending).await;
        let reply = sent.expect("a new session answers");
        assert!(reply.number > number);
        assert_eq!(took, if hangs { 30 } else { 0 });
        assert_eq!(ticket.map(|ticket| ticket.get()), Some(times as u64 + 2));
        number = reply.number;
        assert_eq!(
            stage.script.stops("a"),
            vec![StopReason::Unhealthy; times + 1]
        );
    }
    // One that takes its time, and is well.
    stage
        .script
        .tell("a", Step::IsHealthy, Act::take(29 * SECOND));
    let reply = m.send_message("a", say("hello")).await.expect("it is well");
    assert_eq!(reply.number, number);
    stage.end(m).await;
}
