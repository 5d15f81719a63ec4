//! How a `send` that waits ends, and what is sent when nobody is there.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::{Backend, Incarnation, SessionManager, manager::*};

use super::{Line, Runs, is_pending, line, manager, of_two, rest, runs};
use crate::{HOUR, MINUTE, SECOND, seconds, settled};

/// Each end of the turn wakes it at once, and the agent can still say something.
#[tokio::test(start_paused = true)]
async fn a_cancellation_wakes_it_at_once() {
    for end in [
        "abort",
        "abort by ticket",
        "stop",
        "shutdown",
        "drop",
        "turn",
    ] {
        let m = manager(|builder| {
            let timeouts = Timeouts::default().turn(MINUTE);
            builder.unread_events(2).timeouts(timeouts)
        });
        let (woken, wakes) = oneshot::channel();
        let sending = m.send_message(
            &"a",
            runs(async move |cx| {
                for number in 0..3 {
                    cx.send(line(number)).await;
                }
                let _ = woken.send(cx.is_cancelled());
                // From now on it never waits.
                for number in 3..10 {
                    cx.send(line(number)).await;
                }
            }),
        );
        settled().await;
        let mut sending = Some(sending);
        let (cancelled, took) = seconds(async {
            match end {
                "abort" => sending.as_ref().expect("it is there").abort(),
                "stop" => drop(m.stop(&"a")),
                "shutdown" => drop(m.shutdown(Duration::ZERO)),
                "drop" => drop(sending.take()),
                "turn" => {}
                _ => {
                    let ticket = sending.as_ref().and_then(Sending::ticket);
                    assert!(m.abort(&"a", ticket));
                }
            }
            wakes.await
        })
        .await;
        assert_eq!(cancelled, Ok(true), "{end}");
        assert_eq!(took, if end == "turn" { 60 } else { 0 }, "{end}");
        if let Some(mut sending) = sending {
            assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Err(8)], "{end}");
            sending.await.expect("a reply, in time");
        }
        m.shutdown(HOUR).await;
    }
}

/// A `send` that is dropped before it is ready has not sent, and the next one has its place.
#[tokio::test(start_paused = true)]
async fn a_dropped_send_has_not_sent() {
    let m = of_two();
    let mut sending = m.send_message(
        &"a",
        runs(async |cx| {
            drop(cx.send(line(100))); // never polled
            for number in 0..2 {
                cx.send(line(number)).await;
            }
            let late = tokio::time::timeout(SECOND, cx.send(line(100))).await;
            late.expect_err("nobody reads");
            // Three wait, and the first two go away.
            let (mut first, mut second) =
                (Box::pin(cx.send(line(100))), Box::pin(cx.send(line(101))));
            let mut third = pin!(cx.send(line(2)));
            assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
            let last = async {
                tokio::time::sleep(SECOND).await;
                drop(first);
                tokio::time::sleep(SECOND).await;
                drop(second);
            };
            tokio::join!(third.as_mut(), last);
        }),
    );
    tokio::time::sleep(MINUTE).await;
    assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Ok(2)]);
    m.shutdown(HOUR).await;
}

/// Those that wait at the same time are served in order, also if a later one would fit before.
#[tokio::test(start_paused = true)]
async fn they_are_served_in_order() {
    let m = manager(|builder| builder.unread_bytes(10));
    let mut sending = m.send_message(
        &"a",
        runs(async |cx| {
            cx.send(Line(0, 8, Arc::new(()))).await;
            let big = cx.send(Line(1, 9, Arc::new(())));
            tokio::join!(big, cx.send(line(2)), cx.send(line(3)));
        }),
    );
    settled().await;
    assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Ok(2), Ok(3)]);
    m.shutdown(HOUR).await;
}

/// Listeners are lossy, and nobody waits for them. A start has no other readers. After the turn nothing is heard.
#[tokio::test(start_paused = true)]
async fn listeners_and_the_end_of_the_turn() {
    let m = of_two();
    let mut listener = m.listen(&"a");
    let (keep, kept) = oneshot::channel();
    let mut sending = m.send_message(
        &"a",
        runs(async move |cx| {
            for number in 3..9 {
                cx.send(line(number)).await;
            }
            let _ = keep.send(cx);
        }),
    );
    let read: Vec<_> = (3..9).map(Ok).collect();
    assert_eq!(rest(&mut sending).await, read);
    let cx = kept.await.expect("it is handed out");
    sending.await.expect("a reply");
    for number in 20..30 {
        cx.send(line(number)).await;
    }
    m.shutdown(HOUR).await;
    let mut heard = Vec::new();
    while let Some(update) = listener.next().await {
        heard.push(match update {
            Update::Event(Line(number, ..)) => Ok(number),
            Update::Lagged(count) => Err(count),
        });
    }
    // Three of the start, six of the turn.
    assert_eq!(heard, [Err(7), Ok(7), Ok(8)]);
}

/// A `send` that waits when its turn ends is woken, and sends nothing.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_turn_wakes_it() {
    let m = of_two();
    let (woken, wakes) = oneshot::channel();
    let mut sending = m.send_message(
        &"a",
        runs(async move |cx| {
            for number in 0..2 {
                cx.send(line(number)).await;
            }
            tokio::spawn(async move {
                cx.send(line(2)).await;
                let _ = woken.send(());
            });
            settled().await;
        }),
    );
    wakes.await.expect("it goes on");
    assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1)]);
    sending.await.expect("a reply");
    m.shutdown(HOUR).await;
}

/// A backend that a test calls itself.
#[tokio::test]
async fn without_a_manager() {
    let cx = turnwise::testing::context(Incarnation::try_from(7).expect("a number"));
    Runs.start(&"a", &cx).await.expect("it starts");
}

#[tokio::test]
async fn no_room_for_events_makes_no_sense() {
    let built = SessionManager::builder(Runs).unread_events(0).build();
    assert_eq!(built.err(), Some(BuildError::ZeroLimit));
}
