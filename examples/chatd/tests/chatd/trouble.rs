//! Agents that behave badly.

use crate::{client::refused, daemon::Daemon};

#[tokio::test]
async fn an_error_of_the_agent_is_told_and_its_session_goes_on() {
    let daemon = Daemon::start(&[]).await;
    let failed = daemon.say("a", "!fail").answer().await;
    assert_eq!(refused(&failed), (502, "agent_failed"));
    assert_eq!(
        failed.1["message"],
        "the agent returned an error: the echo was asked to fail"
    );
    assert_eq!(
        daemon.say("a", "next").answer().await.1["reply"],
        "(2) next"
    );
}

#[tokio::test]
async fn after_a_panic_the_next_one_starts_afresh() {
    let daemon = Daemon::start(&[]).await;
    assert_eq!(
        refused(&daemon.say("a", "!panic").answer().await),
        (500, "panicked")
    );
    assert_eq!(
        daemon.say("a", "next").answer().await.1["reply"],
        "(1) next"
    );
}

#[tokio::test]
async fn a_turn_that_does_not_hear_an_abort_is_cut_short() {
    let daemon = Daemon::start(&["--abort-timeout", "0.01"]).await;
    let deaf = daemon.say("a", "!deaf").later();
    daemon
        .until("a", |session| session["last"]["asked"] == "!deaf")
        .await;
    assert_eq!(
        daemon.ask("POST", "/sessions/a/abort").answer().await.0,
        200
    );
    assert_eq!(refused(&deaf.await.expect("an answer")), (409, "aborted"));
    assert_eq!(
        daemon.say("a", "next").answer().await.1["reply"],
        "(1) next"
    );
}

#[tokio::test]
async fn a_turn_that_is_silent_is_ended() {
    let daemon = Daemon::start(&["--quiet", "1"]).await;
    let silent = daemon.say("a", "!hold").answer().await;
    assert_eq!(refused(&silent), (504, "silent"));
    assert_eq!(daemon.say("a", "next").answer().await.0, 200);
}

#[tokio::test]
async fn a_session_that_is_too_old_is_replaced() {
    let daemon = Daemon::start(&["--max-age", "0.01"]).await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    daemon.until("a", serde_json::Value::is_null).await;
    assert_eq!(daemon.say("a", "who").answer().await.1["reply"], "(1) who");
}

#[tokio::test]
async fn a_stop_that_does_not_end_is_told_and_its_key_is_free() {
    let daemon = Daemon::start(&["--stop-timeout", "0.01"]).await;
    assert_eq!(daemon.say("a", "!stuck").answer().await.0, 200);
    let stopped = daemon.ask("DELETE", "/sessions/a").answer().await;
    assert_eq!(refused(&stopped), (504, "stop_timed_out"));
    assert_eq!(
        daemon.say("a", "!stuck").answer().await.1["reply"],
        "(1) !stuck"
    );
    assert_eq!(
        daemon.ask("POST", "/sessions/a/new").answer().await.0,
        200,
        "so here"
    );
}

/// The agent is a script that writes down what it was given, and is no pi.
#[cfg(all(unix, feature = "pi"))]
#[tokio::test]
async fn the_token_is_not_given_to_the_agent() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = std::env::temp_dir().join(format!("chatd-token-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (program, given) = (folder.join("agent"), folder.join("given"));
    let script = format!("#!/bin/sh\nenv > '{}'\nexit 1\n", given.display());
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let [program, sessions] = [&program, &folder].map(|path| path.to_str().expect("a path"));
    let args = [
        "--agent",
        "pi",
        "--pi-program",
        program,
        "--pi-session-dir",
        sessions,
    ];
    let mut daemon = Daemon::start_with(&args, &[("CHATD_TOKEN", "secret-of-the-daemon")]).await;
    daemon.types("hello").await;
    daemon.sees("[main] (").await;
    let given = fs::read_to_string(&given).expect("it was started");
    assert!(given.contains("PATH=") && !given.contains("secret-of-the-daemon"));
    fs::remove_dir_all(&folder).expect("it is ours");
}
