//! Starts that wait for room: their order, their limits, and how they are cancelled.

use turnwise::manager::{SessionEvent, Subscription, Timeouts, TurnError, TurnOptions, WhenFull};

use crate::capacity::{is_full, keys, room_for};
use crate::script::{Act, Gate, Step, say, until};
use crate::{SECOND, all_events, seconds, settled, stage};

/// The keys whose sessions have started.
fn started(events: &mut Subscription<SessionEvent<String>>) -> Vec<String> {
    let key = |event| match event {
        SessionEvent::Started { key, .. } => Some(key),
        _ => None,
    };
    all_events(events).into_iter().filter_map(key).collect()
}

/// First in, first out, whoever makes the room; and one session is evicted for each.
#[tokio::test(start_paused = true)]
async fn a_hundred_starts_wait_in_their_order() {
    let (m, stage) = room_for(2, WhenFull::EvictIdle);
    let busy = [m.turn("1").await, m.turn("2").await].map(|turn| turn.expect("room"));
    let mut events = m.subscribe();
    let names: Vec<String> = (0..100).map(|number| format!("waits {number}")).collect();
    let sent: Vec<_> = (names.iter())
        .map(|key| m.send_message(key, say("hello")))
        .collect();
    settled().await;
    assert_eq!(m.stats().starts, 2);
    drop(busy);
    for sending in sent {
        sending.await.expect("its room comes");
    }
    assert_eq!(started(&mut events), names, "they overtake each other");
    assert_eq!((m.stats().stops.capacity, keys(&m).len()), (100, 2));
    stage.end(m).await;
}

/// A start that does not wait still waits for the stop of the session that it evicts. It is refused behind one that waits.
#[tokio::test(start_paused = true)]
async fn no_wait_is_refused_only_if_nothing_can_be_evicted() {
    let (m, stage) = room_for(1, WhenFull::EvictIdle);
    let now = m.with(TurnOptions::no_wait());
    let busy = now.turn("busy").await.expect("room");
    assert!(is_full(&now, "next").await, "nothing is idle");
    drop(busy);
    stage.script.tell("busy", Step::Stop, Act::take(SECOND));
    let (next, took) = seconds(now.turn("next")).await;
    let next = next.expect("it evicts");
    assert_eq!((took, stage.script.stops("busy").len()), (1, 1));
    let waits = m.send_message("waits", say("hello"));
    settled().await;
    assert!(is_full(&now, "now").await, "another one waits");
    drop(next);
    waits.await.expect("room");
    assert_eq!(m.stats().refused.registry_full, 2);
    drop(now);
    stage.end(m).await;

    let (m, stage) = room_for(1, WhenFull::Wait);
    drop(m.turn("idle").await.expect("room"));
    let now = m.with(TurnOptions::no_wait());
    assert!(is_full(&now, "next").await, "nothing is evicted");
    drop(now);
    stage.end(m).await;
}

/// `room` counts from the moment in which the call has the key, and `wait` from the call: one deadline for the queue and for room.
#[tokio::test(start_paused = true)]
async fn a_wait_for_room_has_limits() {
    for (room, wait, after) in [
        (Some(30), None, 30),
        (Some(7), Some(60), 7),
        (None, Some(7), 7),
        (Some(30), Some(7), 7),
        (None, Some(2), 2),
    ] {
        let (m, stage) = stage(|builder| {
            let limits = Timeouts::default().room(room.map(|limit| limit * SECOND));
            builder
                .max_sessions(1, WhenFull::EvictIdle)
                .timeouts(limits)
        });
        let busy = m.turn("busy").await.expect("room");
        let waits = match wait {
            Some(limit) => m.with(TurnOptions::default().wait(limit * SECOND)),
            None => m.clone(),
        };
        let (full, took) = seconds(waits.send_message("next", say("hello"))).await;
        drop(waits);
        let full = full.expect_err("there is none");
        assert!(matches!(full.error, TurnError::RegistryFull));
        assert_eq!((full.message.is_some(), took), (true, after));
        assert_eq!(m.status("next"), None, "it has let its key go");
        drop(busy);
        drop(m.turn("next").await.expect("room"));
        stage.end(m).await;
    }
    let (m, stage) = room_for(1, WhenFull::EvictIdle);
    let busy = m.turn("busy").await.expect("room");
    let wait = |limit: u32| m.with(TurnOptions::default().wait(limit * SECOND));
    let first = wait(3).send_message("next", say("first"));
    let second = wait(5).send_message("next", say("second"));
    let (second, took) = seconds(second).await;
    let error = second
        .expect_err("the first had three of its seconds")
        .error;
    assert!(matches!(error, TurnError::RegistryFull) && took == 5);
    first.await.expect_err("it was before it");
    drop(busy);
    stage.end(m).await;
}

/// A cancelled start leaves its place, and the room that is made for it, to the next: in the queue of its key, and in that for room.
#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_room_can_be_cancelled() {
    for way in 0..4 {
        let (m, stage) = room_for(1, WhenFull::EvictIdle);
        let gate = Gate::new();
        drop(m.turn("old").await.expect("room"));
        stage.script.tell("old", Step::Stop, until(&gate));
        let first = m.send_message("a", say("first"));
        gate.reached().await;
        let ticket = first.ticket();
        let mut first = Some(first);
        let later = m.send_message("b", say("later"));
        let next = m.send_message("a", say("next"));
        settled().await;
        let stop = match way {
            0 => {
                assert!(m.abort("a", ticket));
                None
            }
            1 => Some(m.stop("a")),
            2 => {
                drop(first.take());
                None
            }
            _ => {
                drop(m.with(TurnOptions::first()).turn("a")); // leaves the queue alone
                assert!(m.abort("a", None));
                None
            }
        };
        if let Some(first) = first {
            let (end, took) = seconds(first).await;
            let end = end.expect_err("it is cancelled");
            assert_eq!((end.message.is_some(), took), (true, 0));
            assert!(matches!(end.error, TurnError::Aborted));
        }
        if let Some(stop) = stop {
            assert!(!stop.await.expect("there is none"));
        }
        settled().await;
        let mut events = m.subscribe();
        gate.open();
        later.await.expect("room");
        next.await.expect("room");
        assert_eq!(started(&mut events), ["b", "a"]);
        assert_eq!(m.stats().stops.capacity, 2, "one for each that started");
        stage.end(m).await;
    }
}

/// The caller of a plain turn goes away: it waits for room no longer.
#[tokio::test(start_paused = true)]
async fn a_plain_call_that_goes_away_waits_for_no_room() {
    let (m, stage) = room_for(1, WhenFull::EvictIdle);
    let busy = m.turn("busy").await.expect("room");
    let leaves = tokio::spawn(m.turn("a"));
    settled().await;
    assert!(m.status("a").is_some());
    leaves.abort();
    settled().await;
    assert_eq!(m.status("a"), None);
    drop(busy);
    settled().await;
    assert_eq!(keys(&m), ["busy"], "nothing is evicted for it");
    stage.end(m).await;
}

/// New sessions are refused while a start waits for room.
#[tokio::test(start_paused = true)]
async fn a_start_is_refused_after_its_wait_for_room() {
    let (m, stage) = room_for(1, WhenFull::EvictIdle);
    let busy = m.turn("busy").await.expect("room");
    let waits = tokio::spawn(m.turn("a"));
    settled().await;
    m.accept_new(false);
    drop(busy);
    let refused = waits.await.expect("it does not panic");
    assert!(matches!(refused, Err(TurnError::NotAccepting)));
    m.accept_new(true);
    drop(m.turn("a").await.expect("its seat was given back"));
    stage.end(m).await;
}
