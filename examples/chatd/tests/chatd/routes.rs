//! The routes, one by one; and that looking waits for nothing.

use crate::{client::*, daemon::Daemon};
use http_body_util::BodyExt;
use serde_json::{Value, json};

#[tokio::test]
async fn each_route_does_what_it_says() {
    let daemon = Daemon::start(&[]).await;
    assert_eq!(
        daemon.get("/health").answer().await,
        (200, json!({ "status": "ok" }))
    );
    assert_eq!(daemon.get("/sessions").answer().await, (200, json!([])));
    assert_eq!(
        refused(&daemon.get("/sessions/a").answer().await),
        (404, "no_session")
    );

    let (status, answer) = daemon.say("a", "hello world").answer().await;
    assert_eq!((status, &answer["reply"]), (200, &json!("(1) hello world")));
    let turn = answer["turn"].as_u64().expect("a ticket");

    let (status, session) = daemon.get("/sessions/a").answer().await;
    assert_eq!(
        (status, &session["phase"], &session["waiting"]),
        (200, &json!("idle"), &json!(0))
    );
    assert_eq!(session["turn"], Value::Null);
    let last = json!({
        "turn": turn, "asked": "hello world", "said": "(1) hello world", "over": true, "error": null
    });
    assert_eq!(session["last"], last);
    let (status, sessions) = daemon.get("/sessions").answer().await;
    assert_eq!((status, &sessions[0]["key"]), (200, &json!("a")));

    let (status, anew) = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!((status, &anew["last"]), (200, &Value::Null));
    assert!(anew["incarnation"].as_u64() > session["incarnation"].as_u64());
    let (_, answer) = daemon.say("a", "who").answer().await;
    assert_eq!(answer["reply"], "(1) who", "it remembers nothing");

    let deleted = daemon.ask("DELETE", "/sessions/a").answer().await;
    assert_eq!(deleted, (200, json!({ "stopped": true })));
    assert_eq!(
        refused(&daemon.get("/sessions/a").answer().await),
        (404, "no_session")
    );
    assert_eq!(
        refused(&daemon.ask("DELETE", "/sessions/a").answer().await),
        (404, "no_session")
    );
    assert_eq!(
        refused(&daemon.ask("POST", "/sessions/a/abort").answer().await),
        (404, "no_session")
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json_too() {
    let daemon = Daemon::start(&[]).await;
    assert_eq!(
        refused(&daemon.get("/session").answer().await),
        (404, "no_route")
    );
    assert_eq!(
        refused(&daemon.ask("PUT", "/sessions/a").answer().await),
        (405, "no_method")
    );
    assert_eq!(
        refused(&daemon.get("/sessions/a/messages").answer().await),
        (405, "no_method")
    );
}

#[tokio::test]
async fn the_page_loads_nothing_and_is_framed_by_nobody() {
    let daemon = Daemon::start(&[]).await;
    let response = daemon.get("/").response().await;
    assert_eq!(response.status(), 200);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let page = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert!(page.starts_with(b"<!doctype html>"));
}

/// The reason for all this: a turn runs, and everything else is answered.
#[tokio::test]
async fn a_status_does_not_wait_for_the_turn() {
    let daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    let seen = daemon
        .until("a", |session| session["note"].is_string())
        .await;
    assert!(busy(0)(&seen), "{seen}");

    let (status, session) = daemon.get("/sessions/a").answer().await;
    assert_eq!(
        (status, &session["phase"], &session["turn"]),
        (200, &json!("busy"), &seen["turn"])
    );
    assert_eq!(session["last"]["asked"], "!hold");
    assert_eq!(daemon.get("/sessions").answer().await.1[0]["phase"], "busy");
    let other = daemon.say("b", "hello").answer().await;
    assert_eq!(
        other.1["reply"], "(1) hello",
        "other sessions do not notice"
    );
    assert!(!held.is_finished());
}

#[tokio::test]
async fn an_abort_with_a_ticket_is_for_that_turn_only() {
    let daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    let session = daemon
        .until("a", |session| session["note"].is_string())
        .await;
    let turn = session["turn"].as_u64().expect("a ticket");

    let other = daemon
        .post("/sessions/a/abort", &json!({ "turn": turn + 1 }))
        .answer()
        .await;
    assert_eq!(refused(&other), (409, "no_turn"));
    assert!(busy(0)(&daemon.get("/sessions/a").answer().await.1) && !held.is_finished());

    let this = daemon
        .post("/sessions/a/abort", &json!({ "turn": turn }))
        .answer()
        .await;
    assert_eq!(this, (200, json!({ "aborting": true })));
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    let after = daemon.get("/sessions/a").answer().await.1;
    assert_eq!(
        after["incarnation"], session["incarnation"],
        "it ended well: its session is kept"
    );
    assert_eq!(
        daemon.say("a", "next").answer().await.1["reply"],
        "(2) next"
    );
}

#[tokio::test]
async fn an_abort_without_a_ticket_is_for_the_turn_under_way() {
    let daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    daemon
        .until("a", |session| session["note"].is_string())
        .await;
    let next = daemon.say("a", "next").later();
    daemon.until("a", busy(1)).await;

    assert_eq!(
        daemon.ask("POST", "/sessions/a/abort").answer().await.0,
        200
    );
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(
        next.await.expect("an answer").1["reply"],
        "(2) next",
        "the line goes on"
    );
    let idle = daemon.ask("POST", "/sessions/a/abort").answer().await;
    assert_eq!(refused(&idle), (409, "no_turn"));
}

#[tokio::test]
async fn new_ends_the_turn_and_the_line_goes_on_afresh() {
    let daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    let before = daemon
        .until("a", |session| session["note"].is_string())
        .await;
    let next = daemon.say("a", "next").later();
    daemon.until("a", busy(1)).await;

    let (status, anew) = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(status, 200);
    assert!(anew["incarnation"].as_u64() > before["incarnation"].as_u64());
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(next.await.expect("an answer").1["reply"], "(1) next");
}

#[tokio::test]
async fn delete_ends_the_turn_and_the_line() {
    let daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    daemon
        .until("a", |session| session["note"].is_string())
        .await;
    let next = daemon.say("a", "next").later();
    daemon.until("a", busy(1)).await;

    assert_eq!(daemon.ask("DELETE", "/sessions/a").answer().await.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(refused(&next.await.expect("an answer")), (409, "dismissed"));
    assert_eq!(daemon.get("/sessions").answer().await.1, json!([]));
}
