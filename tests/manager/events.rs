//! What is told: events of sessions, the partial output of turns, notes.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use turnwise::manager::*;

use crate::script::{Act, Gate, Step, fail, obey, say, until};
use crate::{HOUR, SECOND, all_events, plain, settled, stage};

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

fn outcomes(told: Vec<SessionEvent<String>>) -> Vec<Outcome> {
    let outcome = |event| match event {
        SessionEvent::TurnEnded { outcome, .. } => Some(outcome),
        _ => None,
    };
    told.into_iter().filter_map(outcome).collect()
}

/// Each event of a session's life, in its order, with its numbers and times.
#[tokio::test(start_paused = true)]
async fn the_life_of_a_session_is_told() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    stage.script.tell("a", Step::Start, Act::take(2 * SECOND));
    let first = m.send_message("a", say("first").takes(3 * SECOND));
    let second = m.send_message("a", say("second"));
    let tickets = [first.ticket(), second.ticket()].map(|ticket| ticket.expect("a place"));
    let number = first.await.expect("free").number;
    second.await.expect("its turn comes");
    stage.script.tell("a", Step::Stop, Act::take(4 * SECOND));
    assert!(m.stop("a").await.expect("it stops"));
    stage.script.tell("a", Step::Start, fail());
    drop(m.turn("a").await.expect_err("it fails"));

    let told = all_events(&mut events);
    let [
        started,
        began,
        ended,
        began_next,
        ended_next,
        stopped,
        failed,
    ] = &told[..]
    else {
        panic!("seven, not {told:#?}")
    };
    let is = |key: &str, incarnation: turnwise::Incarnation| {
        assert_eq!((key, incarnation.get()), ("a", number));
    };
    // A timer of tokio's may be late by its smallest step.
    let seconds = |time: &std::time::Duration| (*time + SECOND / 10).as_secs();
    let SessionEvent::Started {
        key,
        incarnation,
        took,
    } = started
    else {
        panic!("a start, not {started:?}")
    };
    is(key, *incarnation);
    assert_eq!(seconds(took), 2);
    for ((began, ended), (ticket, (waited, lasted))) in [(began, ended), (began_next, ended_next)]
        .into_iter()
        .zip(tickets.into_iter().zip([(2, 3), (5, 0)]))
    {
        let SessionEvent::TurnBegan {
            key,
            incarnation,
            turn,
            waited: line_and_start,
        } = began
        else {
            panic!("the beginning of a turn, not {began:?}")
        };
        is(key, *incarnation);
        assert_eq!((*turn, seconds(line_and_start)), (ticket, waited));
        let SessionEvent::TurnEnded {
            key,
            incarnation,
            turn,
            took,
            outcome,
        } = ended
        else {
            panic!("the end of a turn, not {ended:?}")
        };
        is(key, *incarnation);
        assert_eq!((*turn, seconds(took)), (ticket, lasted));
        assert_eq!(*outcome, Outcome::Done);
    }
    let SessionEvent::Stopped {
        key,
        incarnation,
        reason: StopReason::Requested,
        took,
        error: None,
    } = stopped
    else {
        panic!("a stop, not {stopped:?}")
    };
    is(key, *incarnation);
    assert_eq!(seconds(took), 4);
    let SessionEvent::StartFailed {
        incarnation, error, ..
    } = failed
    else {
        panic!("a start that failed, not {failed:?}")
    };
    assert!(incarnation.get() > number);
    let whole = "the session failed to start: it fails as scripted: because the script says so";
    assert_eq!(&**error, whole);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn every_outcome_of_a_turn_is_told() {
    let timeouts = Timeouts::default().turn(SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    let mut events = m.subscribe();
    let mut expected = Vec::new();
    for (act, outcome) in [
        (Act::pass(), Outcome::Done),
        (fail(), Outcome::Failed),
        (Act::panic(), Outcome::Panicked),
        (obey(), Outcome::TimedOut),
        (Act::hang(), Outcome::TimedOut),
    ] {
        let _ = m.send_message("a", say("hello").and(act)).await;
        expected.push(outcome);
    }
    for act in [obey(), Act::hang()] {
        let mut sending = m.send_message("a", say("hello").and(act));
        sending.started().await.expect("it starts");
        sending.abort();
        let error = sending.await.expect_err("it was cancelled").error;
        assert!(matches!(error, TurnError::Aborted));
        expected.push(Outcome::Aborted);
    }
    drop(m.turn("a").await.expect("free"));
    SessionTurn::discard(m.turn("a").await.expect("free"));
    m.with_turn("a", async |_| ()).await.expect("free");
    let mut closure = Box::pin(m.with_turn("a", async |_| std::future::pending::<()>().await));
    tokio::select! {
        biased;
        _ = &mut closure => unreachable!("it never ends"),
        () = settled() => drop(closure),
    }
    expected.extend([
        Outcome::Done,
        Outcome::Dropped,
        Outcome::Done,
        Outcome::Dropped,
    ]);
    assert_eq!(outcomes(all_events(&mut events)), expected);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn the_sender_reads_the_parts_and_then_the_reply() {
    let (m, stage) = plain();
    let mut sending = m.send_message("a", say("hello").in_parts(3));
    for part in 0..3 {
        let event = sending.next_event().await;
        assert_eq!(event, Some(Update::Event(("hello", part))));
    }
    assert_eq!(sending.next_event().await, None);
    assert_eq!((&mut sending).await.expect("it ends").text, "hello");
    drop(sending);

    let mut stream = m.send_message("a", say("hello").in_parts(2)).into_stream();
    for expected in 0..2 {
        let Some(Update::Event((_, part))) = next(&mut stream).await else {
            panic!("a part")
        };
        assert_eq!(part, expected);
    }
    let Some(Update::Done(Ok(reply))) = next(&mut stream).await else {
        panic!("the reply")
    };
    assert_eq!(reply.text, "hello");
    assert!(next(&mut stream).await.is_none() && next(&mut stream).await.is_none());

    // What is refused has no parts, and its error is the last.
    stage.script.tell("b", Step::Start, fail());
    let mut stream = m.send_message("b", say("hello").in_parts(2)).into_stream();
    let Some(Update::Done(Err(error))) = next(&mut stream).await else {
        panic!("its error")
    };
    assert!(matches!(error.error, TurnError::Start(_)));
    assert!(next(&mut stream).await.is_none());
    // Dropped half-way, it cancels as the message does.
    let mut stream = m
        .send_message("a", say("hello").in_parts(1).and(obey()))
        .into_stream();
    assert!(matches!(next(&mut stream).await, Some(Update::Event(_))));
    drop(stream);
    m.send_message("a", say("next")).await.expect("it ended");
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn who_listens_hears_a_key_whoever_sent() {
    let (m, stage) = plain();
    let mut early = [m.listen("a"), m.listen("a")];
    let mut other = m.listen("b");
    m.send_message("a", say("1").in_parts(2))
        .await
        .expect("free");
    m.send_message("a", say("2").in_parts(1)).detach();
    settled().await;
    assert!(m.stop("a").await.expect("it rests"));
    let mut late = m.listen("a");
    let sending = m.send_message("a", say("3").in_parts(1));
    sending.await.expect("another session");
    for listener in &mut early {
        let told = all_events(listener);
        assert_eq!(told, [("1", 0), ("1", 1), ("2", 0), ("3", 0)]);
    }
    assert_eq!(all_events(&mut late), [("3", 0)]);
    assert_eq!(all_events(&mut other), []);
    let [one, two] = early;
    drop(one);
    let mut two = two;
    m.send_message("a", say("4").in_parts(1))
        .await
        .expect("rests");
    assert_eq!(all_events(&mut two), [("4", 0)], "the other went away");
    stage.end(m).await;
}

/// Who reads slowly misses the oldest, is told how many, and slows nobody.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_misses_and_is_told_how_many() {
    const KEPT: usize = 1024;
    const ALL: usize = KEPT + 976;
    let (m, stage) = plain();
    let mut listener = m.listen("a");
    let mut events = m.subscribe();
    let mut sending = m.send_message("a", say("hello").in_parts(ALL));
    settled().await;
    let missed = (ALL - KEPT) as u64;
    assert_eq!(listener.next().await, Some(Update::Lagged(missed)));
    let kept: Vec<_> = (ALL - KEPT..ALL).map(|part| ("hello", part)).collect();
    assert_eq!(all_events(&mut listener), kept);
    assert_eq!(sending.next_event().await, Some(Update::Lagged(missed)));
    for part in kept {
        assert_eq!(sending.next_event().await, Some(Update::Event(part)));
    }
    assert_eq!(sending.next_event().await, None);
    sending.await.expect("nobody slowed it");
    let mut stream = m
        .send_message("a", say("hello").in_parts(ALL))
        .into_stream();
    settled().await;
    let first = next(&mut stream).await;
    assert!(matches!(first, Some(Update::Lagged(count)) if count == missed));
    drop(stream);

    assert_eq!(
        next(&mut events)
            .await
            .map(|event| matches!(event, Update::Lagged(_))),
        Some(false)
    );
    for _ in 0..KEPT {
        drop(m.turn("a").await.expect("free"));
    }
    let before = 2 * 2 + 2 * KEPT as u64; // begin and end of each turn; of the start one was read
    assert_eq!(
        next(&mut events).await,
        Some(Update::Lagged(before - KEPT as u64))
    );
    assert_eq!(all_events(&mut events).len(), KEPT);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_says_when_it_has_started_and_how_many_are_ahead() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let mut first = m.send_message("a", say("first").and(obey()));
    let mut line: Vec<_> = (0..3).map(|_| m.send_message("a", say("next"))).collect();
    gate.reached().await;
    let ahead: Vec<_> = line.iter().map(|sending| sending.ahead()).collect();
    assert_eq!((first.ahead(), ahead), (0, vec![0, 1, 2]));
    tokio::select! {
        biased;
        _ = first.started() => unreachable!("it is not started"),
        () = settled() => {}
    }
    gate.open();
    for _ in 0..2 {
        first.started().await.expect("asked twice, answered twice");
    }
    drop(line.remove(1));
    settled().await;
    let ahead: Vec<_> = line.iter().map(|sending| sending.ahead()).collect();
    assert_eq!(ahead, [0, 1]);
    first.abort();
    for mut sending in line {
        sending.started().await.expect("its turn comes");
        assert_eq!(sending.ahead(), 0);
        sending.await.expect("its turn came");
    }
    first.await.expect_err("it was cancelled");
    stage.end(m).await;
}

/// A note stands in the status until its turn says another or ends.
#[tokio::test(start_paused = true)]
async fn a_note_stands_in_the_status_for_as_long_as_its_turn() {
    let (m, stage) = plain();
    let note = || m.status("a").and_then(|status| status.note);
    let (first, second) = (Gate::new(), Gate::new());
    let sending = m.send_message("a", say("first").with_note("retrying 2 of 3").until(&first));
    let next = m.send_message("a", say("second").until(&second));
    first.reached().await;
    assert_eq!(note().as_deref(), Some("retrying 2 of 3"));
    let all = m.snapshot();
    assert_eq!(all[0].1.note.as_deref(), Some("retrying 2 of 3"));
    first.open();
    sending.await.expect("it ends");
    second.reached().await;
    assert_eq!(note(), None, "the next turn has its own");
    second.open();
    next.await.expect("it ends");
    assert_eq!(note(), None);
    stage.end(m).await;
}

/// With the shutdown all that is told comes to an end, after all that there was to tell.
#[tokio::test(start_paused = true)]
async fn what_is_told_ends_with_the_shutdown() {
    let (m, stage) = plain();
    let (mut events, mut heard) = (m.subscribe(), m.listen("a"));
    m.send_message("a", say("hello").in_parts(1))
        .await
        .expect("free");
    let waits = tokio::spawn({
        let mut events = m.subscribe();
        async move { while events.next().await.is_some() {} }
    });
    m.shutdown(HOUR).await;
    waits.await.expect("it ends");
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    let Some(Update::Event(SessionEvent::Stopped { reason, .. })) = last else {
        panic!("the stop is the last, not {last:?}")
    };
    assert_eq!(reason, StopReason::Shutdown);
    assert_eq!(heard.next().await, Some(Update::Event(("hello", 0))));
    assert_eq!(heard.next().await, None);
    assert_eq!(m.subscribe().next().await, None, "after the end");
    assert_eq!(m.listen("a").next().await, None);
    assert_eq!(m.listen("never heard of").next().await, None);
    stage.end(m).await;
}

/// A context that was kept for longer than its turn tells nobody anything.
#[tokio::test(start_paused = true)]
async fn what_is_emitted_after_the_turn_is_not_told() {
    let (m, stage) = plain();
    let mut heard = m.listen("a");
    let (keep, kept) = tokio::sync::oneshot::channel();
    let mut sending = m.send_message("a", say("first").keep_context(keep));
    let cx = kept.await.expect("it is handed out");
    assert_eq!(sending.next_event().await, None);
    let turn = m.turn("a").await.expect("it rests");
    cx.emit(("late", 0));
    cx.note("late");
    assert!(!cx.is_cancelled());
    assert_eq!(sending.next_event().await, None);
    assert_eq!(all_events(&mut heard), []);
    assert_eq!(m.status("a").and_then(|status| status.note), None);
    drop(turn);
    sending.await.expect("it has ended");
    stage.end(m).await;
}
