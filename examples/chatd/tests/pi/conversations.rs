//! A conversation ends when somebody asks for a new one, and not by itself.

use crate::{client::refused, daemon::Daemon, has_said, real::others, said, start};
use pi_tests::World;
use serde_json::Value;
use std::process::Command;

/// Begins a conversation that is told from others, with nothing before it.
async fn begin(daemon: &Daemon, message: &str) {
    assert_eq!(said(daemon, "a", message).await, message);
    assert_eq!(said(daemon, "a", "recall").await, message);
}

#[tokio::test]
async fn to_be_stopped_while_idle_ends_none() {
    let world = World::new().await;
    let daemon = start(&world, &["--idle", "0.05"]).await;
    begin(&daemon, "first").await;
    daemon.until("a", Value::is_null).await;
    assert_eq!(said(&daemon, "a", "recall").await, "first\nrecall");
    // A new one also if no session is there.
    daemon.until("a", Value::is_null).await;
    let new = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(new.0, 200, "{}", new.1);
    begin(&daemon, "second").await;
    daemon.until("a", Value::is_null).await;
    let deleted = daemon.ask("DELETE", "/sessions/a").answer().await;
    assert_eq!(refused(&deleted), (404, "no_session"));
    begin(&daemon, "third").await;
}

#[tokio::test]
async fn to_ask_for_a_new_one_does_also_after_a_restart() {
    let world = World::new().await;
    let mut daemon = start(&world, &["--session", "a"]).await;
    begin(&daemon, "first").await;
    daemon.types("/new").await;
    daemon.sees("[a] (restarted)").await;
    begin(&daemon, "second").await;
    let deleted = daemon.ask("DELETE", "/sessions/a").answer().await;
    assert_eq!(deleted.0, 200, "{}", deleted.1);
    begin(&daemon, "third").await;
    // In the middle of a turn.
    let hangs = daemon.say("a", "begin").later();
    daemon.until("a", has_said("one two three ")).await;
    let new = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(new.0, 200, "{}", new.1);
    assert_eq!(refused(&hangs.await.expect("an answer")), (409, "aborted"));
    begin(&daemon, "fourth").await;

    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    let daemon = start(&world, &[]).await;
    assert_eq!(said(&daemon, "a", "recall").await, "fourth\nrecall");
}

#[tokio::test]
async fn a_crash_is_told_and_ends_none() {
    let world = World::new().await;
    let daemon = start(&world, &[]).await;
    begin(&daemon, "first").await;
    let fails = daemon.say("a", "begin").later();
    daemon.until("a", has_said("one two three ")).await;
    let [pi] = others(&world, &[&daemon])[..] else {
        panic!("one pi: {:?}", world.processes());
    };
    let killed = Command::new("kill").args(["-9", &pi.to_string()]).status();
    assert!(killed.expect("`kill` can be run").success());
    let fails = fails.await.expect("an answer");
    assert_eq!(refused(&fails), (502, "agent_failed"));
    let message = fails.1["message"].as_str().expect("a text");
    assert!(message.contains("signal: 9 (SIGKILL)"), "{message}");

    assert_eq!(said(&daemon, "a", "next").await, "next");
    assert_eq!(
        said(&daemon, "a", "recall").await,
        "first\nrecall\nbegin\nnext"
    );
    assert_eq!(world.stub.heard("begin"), 1, "it is not sent twice");
}
