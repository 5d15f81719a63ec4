//! The queue of a key: which calls wait, for how long, and what for; calls that go first.

use turnwise::manager::*;

use crate::script::say;
use crate::{Manager, SECOND, plain, settled, stage};

fn noted(m: &Manager, note: &str) -> Manager {
    m.with(TurnOptions::default().note(note))
}

#[tokio::test(start_paused = true)]
async fn a_queued_message_is_taken_back_by_its_number() {
    let (m, stage) = plain();
    assert_eq!(m.queue("a"), []);
    let held = m.turn("a").await.expect("free");
    assert_eq!(m.queue("a"), [], "it does not wait");
    let ann = noted(&m, "of ann").send_message("a", say("one"));
    stage.pass(SECOND).await;
    let bob = noted(&m, "of bob").send_message("a", say("two"));
    let plain_turn = m.turn("a");
    let stop = m.stop("a");
    let queue = m.queue("a");
    let tickets: Vec<_> = queue.iter().map(|call| Some(call.ticket)).collect();
    assert_eq!(
        tickets,
        [ann.ticket(), bob.ticket(), plain_turn.ticket()],
        "no stop"
    );
    let notes: Vec<_> = queue.iter().map(|call| call.note.as_deref()).collect();
    assert_eq!(notes, [Some("of ann"), Some("of bob"), None]);
    let waited: Vec<_> = queue.iter().map(|call| call.waited.as_secs()).collect();
    assert_eq!(waited, [1, 0, 0]);

    // By anyone, and by its number alone.
    assert!(m.abort("a", Some(queue[1].ticket)));
    let error = bob.await.expect_err("it is taken back");
    assert!(matches!(error.error, TurnError::Aborted));
    assert_eq!(error.message.expect("it is returned").text, "two");
    let left: Vec<_> = m.queue("a").iter().map(|call| Some(call.ticket)).collect();
    assert_eq!(left, [ann.ticket(), plain_turn.ticket()]);
    drop(held);
    assert!(stop.await.expect("it stops"));
    ann.await.expect("it has the next turn");
    drop(plain_turn.await.expect("and the last one"));
    assert_eq!(m.queue("a"), []);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_first_and_cancels_nobody() {
    let (m, stage) = stage(|builder| builder.max_waiting(4));
    let first = m.with(TurnOptions::first());
    let held = m.turn("a").await.expect("free");
    let normal = m.send_message("a", say("normal"));
    let one = first.send_message("a", say("first"));
    let two = first.send_message("a", say("second"));
    settled().await;
    assert!(!SessionTurn::is_cancelled(&held), "it cancels nobody");
    let stop = m.stop("a");
    let tickets: Vec<_> = m.queue("a").iter().map(|call| Some(call.ticket)).collect();
    assert_eq!(tickets, [one.ticket(), two.ticket(), normal.ticket()]);
    let lanes: Vec<_> = m.queue("a").iter().map(|call| call.first).collect();
    assert_eq!(lanes, [true, true, false]);
    assert_eq!(
        (one.ahead(), two.ahead(), normal.ahead()),
        (1, 2, 3),
        "the stop is ahead of all"
    );
    // The limit counts it.
    let full = first
        .send_message("a", say("third"))
        .await
        .expect_err("four wait");
    assert!(matches!(full.error, TurnError::QueueFull) && full.message.is_some());
    drop(held);
    assert!(stop.await.expect("it goes before all"));
    for sending in [one, two, normal] {
        sending.await.expect("a reply");
    }
    assert_eq!(stage.script.heard("a"), ["first", "second", "normal"]);

    // It is dismissed like the others.
    let held = m.turn("a").await.expect("free");
    let (one, two) = (first.turn("a"), m.turn("a"));
    settled().await;
    assert_eq!(m.dismiss("a"), 2);
    drop(held);
    assert!(matches!(one.await, Err(TurnError::Dismissed)));
    assert!(matches!(two.await, Err(TurnError::Dismissed)));
    drop(first);
    stage.end(m).await;
}

/// A long queue is listed whole, in its order.
#[tokio::test(start_paused = true)]
async fn a_long_queue_is_listed() {
    let (m, stage) = plain();
    let held = m.turn("a").await.expect("free");
    let waits: Vec<_> = (0..3000).map(|_| m.turn("a")).collect();
    let listed = m.queue("a");
    assert_eq!(listed.len(), waits.len());
    assert!(
        listed
            .iter()
            .zip(&waits)
            .all(|(call, waits)| Some(call.ticket) == waits.ticket())
    );
    drop((held, waits));
    assert_eq!(m.queue("a"), []);
    stage.end(m).await;
}

#[test]
fn a_note_has_its_bound() {
    let options = TurnOptions::default().note("x".repeat(5000));
    let note = options.note.expect("it is set");
    assert!(
        note.len() <= 1024 && note.ends_with(" bytes cut]"),
        "{note}"
    );
}
