//! How it ends: every session stopped and accounted for, and the exit code says how that went.

use crate::{client::refused, daemon::Daemon};
use serde_json::json;

const CLEAN: &str = "1 stopped, 0 failed, 0 abandoned\n";

#[tokio::test]
async fn sigterm_ends_it_with_a_report() {
    let daemon = Daemon::start(&[]).await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    assert_eq!(daemon.say("b", "hello").answer().await.0, 200);
    daemon.signal("TERM").await;
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(0));
    assert!(text.starts_with("chatd: ended in "), "{text}");
    assert!(
        text.ends_with(": 2 stopped, 0 failed, 0 abandoned\n"),
        "{text}"
    );
}

#[tokio::test]
async fn so_does_an_interrupt_and_so_does_quit() {
    let daemon = Daemon::start(&[]).await;
    daemon.signal("INT").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    let mut daemon = Daemon::start(&[]).await;
    daemon.types("hello").await;
    daemon.sees("[main] (1) hello").await;
    daemon.types("/quit").await;
    let (code, text) = daemon.ends().await;
    assert!(code == Some(0) && text.ends_with(CLEAN), "{text}");
}

/// Every signal that asks for an end; the turn under way is not cut short.
#[cfg(unix)]
#[tokio::test]
async fn sighup_drains() {
    for signal in ["HUP", "QUIT"] {
        let daemon = Daemon::start(&["--delay", "0.1", "--drain", "600"]).await;
        let mut events = daemon.say("a", "read to the end").events().await;
        while events.next().await.expect("an event").0 != "part" {}
        daemon.signal(signal).await;
        let mut last = events.next().await.expect("an event");
        while let Some(event) = events.next().await {
            last = event;
        }
        assert_eq!(last.0, "done", "SIG{signal}: {}", last.1);
        let (code, text) = daemon.ends().await;
        assert!(code == Some(0) && text.ends_with(CLEAN), "{text}");
    }
}

#[tokio::test]
async fn turns_under_way_end_by_themselves() {
    let mut daemon = Daemon::start(&["--delay", "0.1", "--drain", "600"]).await;
    daemon.types("typed here and read to the end").await;
    let mut events = daemon
        .say("a", "sent from afar and read to the end")
        .events()
        .await;
    while events.next().await.expect("an event").0 != "part" {}
    daemon.signal("TERM").await;
    let mut last = events.next().await.expect("an event");
    while let Some(event) = events.next().await {
        last = event;
    }
    assert_eq!(last.0, "done");
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(0));
    assert!(
        text.contains("[main] (1) typed here and read to the end\n"),
        "{text}"
    );
    assert!(
        text.ends_with("2 stopped, 0 failed, 0 abandoned\n"),
        "{text}"
    );
}

#[tokio::test]
async fn until_then_messages_are_refused_and_a_status_is_told() {
    let mut daemon = Daemon::start(&["--drain", "600"]).await;
    let held = daemon.say("a", "!hold").later();
    daemon
        .until("a", |session| session["note"].is_string())
        .await;
    let mut feed = daemon.feed().await;
    daemon.signal("TERM").await;
    while feed.next().await.expect("the feed goes on").1["closing"] != true {}

    assert_eq!(
        daemon.get("/health").answer().await,
        (503, json!({ "status": "closing" }))
    );
    assert_eq!(
        refused(&daemon.say("a", "late").answer().await),
        (503, "closing")
    );
    assert_eq!(
        refused(&daemon.say("b", "late").answer().await),
        (503, "closing")
    );
    assert_eq!(
        refused(&daemon.ask("POST", "/sessions/b/new").answer().await),
        (503, "closing")
    );
    assert_eq!(daemon.get("/sessions/a").answer().await.1["phase"], "busy");
    daemon.types("late").await;
    daemon
        .sees("[main] (the session manager is shut down)")
        .await;
    daemon.types("/status").await;
    daemon.sees("a: busy for").await;

    // Who asks a second time does not want to wait.
    daemon.signal("TERM").await;
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    while feed.next().await.is_some() {}
    let (code, text) = daemon.ends().await;
    assert!(code == Some(0) && text.ends_with(CLEAN), "{text}");
}

#[tokio::test]
async fn turns_are_cut_short_at_the_deadline() {
    let daemon = Daemon::start(&["--drain", "0", "--abort-timeout", "0.01"]).await;
    let deaf = daemon.say("a", "!deaf").later();
    daemon
        .until("a", |session| session["last"]["asked"] == "!deaf")
        .await;
    daemon.signal("TERM").await;
    assert_eq!(refused(&deaf.await.expect("an answer")), (409, "aborted"));
    let (code, text) = daemon.ends().await;
    assert!(code == Some(0) && text.ends_with(CLEAN), "{text}");
}

#[tokio::test]
async fn a_session_that_is_abandoned_makes_it_fail() {
    let daemon = Daemon::start(&["--stop-timeout", "0.01"]).await;
    assert_eq!(daemon.say("a", "!stuck").answer().await.0, 200);
    assert_eq!(daemon.say("b", "hello").answer().await.0, 200);
    daemon.signal("TERM").await;
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(1));
    assert!(
        text.ends_with("1 stopped, 0 failed, 1 abandoned\n  abandoned: a\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_session_that_rests_for_long_is_stopped() {
    let daemon = Daemon::start(&["--idle", "0.01"]).await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    daemon.until("a", serde_json::Value::is_null).await;
    assert_eq!(
        daemon.say("a", "hello").answer().await.1["reply"],
        "(1) hello"
    );
}
