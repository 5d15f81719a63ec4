//! Messages: whole answers and answers in parts, those who will not wait, and those who go away.

use crate::{client::*, daemon::Daemon};
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_comes_in_parts() {
    let daemon = Daemon::start(&[]).await;
    let mut events = daemon.say("a", "one two three").events().await;
    let (name, started) = events.next().await.expect("an event");
    assert!(name == "started" && started["turn"].is_u64());
    let mut said = String::new();
    loop {
        let (name, data) = events.next().await.expect("an event");
        if name == "part" {
            said += data["text"].as_str().expect("text");
            continue;
        }
        assert_eq!(
            (name.as_str(), data),
            ("done", json!({ "reply": "(1) one two three" }))
        );
        break;
    }
    assert_eq!(said, "(1) one two three");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn an_answer_in_parts_may_end_badly() {
    let daemon = Daemon::start(&[]).await;
    let mut events = daemon.say("a", "!fail").events().await;
    assert_eq!(events.next().await.expect("an event").0, "started");
    let (name, data) = events.next().await.expect("an event");
    assert_eq!(
        (name.as_str(), data["error"].as_str()),
        ("failed", Some("agent_failed"))
    );
    assert_eq!(events.next().await, None);
}

/// Also of a client that wants parts: nothing has begun.
#[tokio::test]
async fn who_will_not_wait_is_told_that_it_is_busy() {
    let daemon = Daemon::start(&[]).await;
    let mut held = daemon.say("a", "!hold").events().await;
    assert_eq!(held.next().await.expect("an event").0, "started");
    let now = json!({ "message": "now", "wait": false });
    for accept in ["application/json", "text/event-stream"] {
        let ask = daemon
            .post("/sessions/a/messages", &now)
            .header("accept", accept);
        assert_eq!(refused(&ask.answer().await), (409, "busy"));
    }
    let free = daemon.post("/sessions/b/messages", &now).answer().await;
    assert_eq!(free.1["reply"], "(1) now");
}

#[tokio::test]
async fn a_line_may_be_full() {
    let daemon = Daemon::start(&["--max-waiting", "1"]).await;
    let mut held = daemon.say("a", "!hold").events().await;
    assert_eq!(held.next().await.expect("an event").0, "started");
    let waits = daemon.say("a", "waits").later();
    daemon.until("a", busy(1)).await;
    assert_eq!(
        refused(&daemon.say("a", "too many").answer().await),
        (429, "queue_full")
    );
    let detached = json!({ "message": "too many", "detach": true });
    let detached = daemon
        .post("/sessions/a/messages", &detached)
        .answer()
        .await;
    assert_eq!(
        refused(&detached),
        (429, "queue_full"),
        "also of who does not wait for the answer"
    );
    drop(held);
    assert_eq!(waits.await.expect("an answer").1["reply"], "(2) waits");
}

#[tokio::test]
async fn time_may_be_up() {
    let daemon = Daemon::start(&[]).await;
    let body = json!({ "message": "!hold", "turn_seconds": 0.01 });
    let turn = daemon.post("/sessions/a/messages", &body).answer().await;
    assert_eq!(refused(&turn), (504, "turn_timed_out"));

    let mut held = daemon.say("a", "!hold").events().await;
    assert_eq!(held.next().await.expect("an event").0, "started");
    let body = json!({ "message": "soon", "wait_seconds": 0.01 });
    let wait = daemon.post("/sessions/a/messages", &body).answer().await;
    assert_eq!(refused(&wait), (504, "wait_timed_out"));
}

#[tokio::test]
async fn sessions_make_room_for_each_other_when_they_rest() {
    let daemon = Daemon::start(&["--max-sessions", "1"]).await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    let mut held = daemon.say("b", "!hold").events().await;
    assert_eq!(held.next().await.expect("an event").0, "started");
    assert_eq!(
        refused(&daemon.get("/sessions/a").answer().await),
        (404, "no_session")
    );
    let body = json!({ "message": "soon", "wait_seconds": 0.01 });
    let full = daemon.post("/sessions/c/messages", &body).answer().await;
    assert_eq!(refused(&full), (503, "full"));
    let waits = daemon.say("c", "hello").later();
    drop(held);
    assert_eq!(waits.await.expect("it does not panic").0, 200);
}

#[tokio::test]
async fn who_goes_away_cancels_the_message() {
    let daemon = Daemon::start(&[]).await;
    let mut feed = daemon.feed().await;
    let gone = |session: &Value| {
        session["last"]["error"] == "the client went away before the answer was complete"
    };

    let mut parts = daemon.say("a", "!hold").events().await;
    assert_eq!(parts.next().await.expect("an event").0, "started");
    let whole = daemon.say("a", "!hold").later();
    feed.until("a", busy(1)).await;
    drop(parts);
    // The next in the queue, which waits for a whole answer.
    feed.until("a", |session| {
        session["last"]["error"].is_null() && session["note"].is_string()
    })
    .await;
    whole.abort();
    let after = feed
        .until("a", |session| gone(session) && session["phase"] == "idle")
        .await;
    assert_eq!(
        daemon.say("a", "next").answer().await.1["reply"],
        "(3) next"
    );
    assert_eq!(after["waiting"], 0);
}

#[tokio::test]
async fn who_detaches_a_message_need_not_stay() {
    let daemon = Daemon::start(&[]).await;
    let body = json!({ "message": "hello there", "detach": true });
    let (status, accepted) = daemon.post("/sessions/a/messages", &body).answer().await;
    assert_eq!(status, 202);
    let session = daemon
        .until("a", |session| session["last"]["over"] == true)
        .await;
    assert_eq!(session["last"]["said"], "(1) hello there");
    assert_eq!(session["last"]["turn"], accepted["turn"]);
}

/// A client of a session's events whose connection breaks, and which comes back after the end of the turn.
#[tokio::test]
async fn who_comes_back_has_missed_nothing() {
    let daemon = Daemon::start(&[]).await;
    let mut events = daemon.get("/sessions/a/events").events().await;
    let part = |text: &str| Some(("part".to_owned(), json!({ "text": text })));
    assert_eq!(daemon.say("a", "one two").answer().await.0, 200);
    assert_eq!(events.next().await, part("(1) "));
    let id = events.id.clone().expect("each part has an id");
    drop(events);
    assert_eq!(daemon.say("a", "three").answer().await.0, 200);
    let back = |id: &str| daemon.get("/sessions/a/events").header("last-event-id", id);
    let mut events = back(&id).events().await;
    for text in ["one ", "two", "(2) ", "three"] {
        assert_eq!(events.next().await, part(text));
    }
    // For an event of another session, `lagged` comes first.
    let anew = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(anew.0, 200);
    let mut late = back(&id).events().await;
    let lagged = Some(("lagged".to_owned(), json!({ "parts": 1 })));
    assert_eq!(late.next().await, lagged);
    assert_eq!(daemon.say("a", "four").answer().await.0, 200);
    assert_eq!(events.next().await, part("(1) "));
    assert_eq!(late.next().await, part("(1) "));
    assert_eq!(refused(&back("four").answer().await), (400, "bad_input"));
}
