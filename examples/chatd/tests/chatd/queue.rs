//! The queue of a session: listed, and a message taken back by its number. Messages that start nothing, and that go first.

use crate::{client::*, daemon::Daemon};
use serde_json::json;

#[tokio::test]
async fn a_queue_is_listed_and_a_message_taken_back() {
    let daemon = Daemon::start(&[]).await;
    let empty = daemon.get("/sessions/a/queue").answer().await;
    assert_eq!(empty, (200, json!([])));
    let held = daemon.say("a", "!hold").later();
    daemon.until("a", busy(0)).await;
    let one = daemon.say("a", "one").later();
    daemon.until("a", busy(1)).await;
    let two = daemon.say("a", "two").later();
    daemon.until("a", busy(2)).await;
    let urgent = json!({ "message": "urgent", "first": true });
    let urgent = daemon.post("/sessions/a/messages", &urgent).later();
    daemon.until("a", busy(3)).await;
    let queue = async || daemon.get("/sessions/a/queue").answer().await.1;
    let waits = queue().await;
    let waits = waits.as_array().expect("a list");
    let messages: Vec<_> = waits.iter().map(|call| call["message"].as_str()).collect();
    assert_eq!(messages, [Some("urgent"), Some("one"), Some("two")]);
    assert_eq!(waits[0]["first"], true);
    assert!(waits[1]["waited_ms"].is_u64());

    // Any client can take it back by its number.
    let taken = json!({ "turn": waits[1]["turn"] });
    let back = daemon.post("/sessions/a/abort", &taken).answer().await;
    assert_eq!(back, (200, json!({ "aborting": true })));
    assert_eq!(refused(&one.await.expect("an answer")), (409, "aborted"));
    let again = daemon.post("/sessions/a/abort", &taken).answer().await;
    assert_eq!(refused(&again), (409, "no_turn"));
    assert_eq!(queue().await.as_array().map(Vec::len), Some(2));

    let all = daemon.ask("POST", "/sessions/a/abort").answer().await;
    assert_eq!(all.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(urgent.await.expect("an answer").1["reply"], "(2) urgent");
    assert_eq!(two.await.expect("an answer").1["reply"], "(3) two");
}

#[tokio::test]
async fn the_terminal_lists_the_queue_and_takes_a_message_back() {
    let mut daemon = Daemon::start(&[]).await;
    daemon.types("/queue").await;
    daemon.sees("no messages wait").await;
    daemon.types("!hold").await;
    daemon.until("main", busy(0)).await;
    let afar = daemon.say("main", "from\u{1b} afar").later();
    daemon.until("main", busy(1)).await;
    let urgent = json!({ "message": "urgent", "first": true });
    let urgent = daemon.post("/sessions/main/messages", &urgent).later();
    daemon.until("main", busy(2)).await;
    daemon.types("/queue").await;
    let first = daemon.sees(" s, first: urgent").await;
    let second = daemon.sees(r": from\u{1b} afar").await;
    let number = |line: &str| line.split(' ').next().expect("a number").to_owned();
    assert_ne!(number(&first), number(&second));

    daemon.types(&format!("/back {}", number(&second))).await;
    daemon.sees("taken back").await;
    assert_eq!(refused(&afar.await.expect("an answer")), (409, "aborted"));
    daemon.types(&format!("/back {}", number(&second))).await;
    daemon.sees("no such message").await;
    for bad in ["/back", "/back 0", "/back x"] {
        daemon.types(bad).await;
        daemon.sees("/back needs the number").await;
    }
    let abort = daemon.ask("POST", "/sessions/main/abort").answer().await;
    assert_eq!(abort.0, 200);
    assert_eq!(urgent.await.expect("an answer").1["reply"], "(2) urgent");
}

#[tokio::test]
async fn a_message_may_start_nothing() {
    let daemon = Daemon::start(&[]).await;
    let existing = json!({ "message": "hello", "existing": true });
    let absent = daemon
        .post("/sessions/a/messages", &existing)
        .answer()
        .await;
    assert_eq!(refused(&absent), (404, "no_session"));
    let look = daemon.get("/sessions/a").answer().await;
    assert_eq!(refused(&look), (404, "no_session"));
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    let here = daemon
        .post("/sessions/a/messages", &existing)
        .answer()
        .await;
    assert_eq!(here.1["reply"], "(2) hello");
}

/// A number that no turn can have is no number.
#[tokio::test]
async fn a_number_that_cannot_be() {
    let daemon = Daemon::start(&[]).await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    for number in [json!(0), json!(-1), json!(1.5), json!("1")] {
        let abort = json!({ "turn": number });
        let answer = daemon.post("/sessions/a/abort", &abort).answer().await;
        assert_eq!(refused(&answer), (400, "bad_input"), "{number}");
    }
}
