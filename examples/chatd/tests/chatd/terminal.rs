//! The terminal; and both interfaces in one line.

use crate::{client::*, daemon::Daemon};
use serde_json::json;

#[tokio::test]
async fn a_line_is_a_message() {
    let mut daemon = Daemon::start(&["--session", "first"]).await;
    daemon.types("/status").await;
    assert_eq!(daemon.line().await.as_deref(), Some("no sessions"));
    daemon.types("hello world").await;
    assert_eq!(
        daemon.line().await.as_deref(),
        Some("[first] (1) hello world")
    );
    daemon.types("/use second one").await;
    assert_eq!(daemon.line().await.as_deref(), Some("using second one"));
    daemon.types("//hello").await;
    assert_eq!(
        daemon.line().await.as_deref(),
        Some("[second one] (1) /hello")
    );
    daemon.types("").await;
    daemon.types("!fail").await;
    let failed = "[second one] (the agent returned an error: the echo was asked to fail)";
    assert_eq!(daemon.line().await.as_deref(), Some(failed));
    daemon.types("/status").await;
    assert!(
        daemon
            .sees("  first: idle for")
            .await
            .contains("incarnation")
    );
    daemon.sees("* second one: idle for").await;
}

#[tokio::test]
async fn commands_answer_while_a_turn_runs() {
    let mut daemon = Daemon::start(&[]).await;
    daemon.types("/stop").await;
    assert_eq!(daemon.line().await.as_deref(), Some("nothing to stop"));
    daemon.types("!hold").await;
    daemon
        .until("main", |session| session["note"].is_string())
        .await;
    daemon.types("waits").await;
    daemon.types("/status").await;
    let status = daemon.sees("* main: busy for").await;
    assert!(
        status.contains("1 waiting") && status.ends_with("holding until it is stopped"),
        "{status}"
    );
    daemon.types("/stop").await;
    daemon.sees("stopping the turn; 1 dismissed").await;
    // Both end, in either order.
    let ends = [
        daemon.sees("[main] (the ").await,
        daemon.sees("[main] (the ").await,
    ]
    .concat();
    assert!(
        ends.contains("the turn was cancelled") && ends.contains("dismissed"),
        "{ends}"
    );
    daemon.types("/new").await;
    daemon.sees("[main] (restarted)").await;
    daemon.types("hello").await;
    daemon.sees("[main] (1) hello").await;
}

#[tokio::test]
async fn what_is_no_command_is_told() {
    let mut daemon = Daemon::start(&[]).await;
    for line in ["/what", "/status all", "/", "/quit now"] {
        daemon.types(line).await;
        daemon.sees(&format!("unknown command {line}; /help")).await;
    }
    daemon.types("/use").await;
    daemon.sees("the name of a session is empty").await;
    daemon.types(&format!("/use {}", "x".repeat(129))).await;
    daemon.sees("more than 128 bytes").await;
    daemon.types("/help").await;
    for command in [
        "/status",
        "/stop",
        "/queue",
        "/back N",
        "/answer N TEXT",
        "/new",
        "/use NAME",
        "/drain",
        "/accept",
        "/quit",
    ] {
        daemon.sees(command).await;
    }
    daemon.types(&"x".repeat(70_000)).await;
    daemon.sees("the line has more than 65536 bytes").await;
    assert_eq!(
        daemon.get("/sessions").answer().await.1,
        json!([]),
        "nothing was begun"
    );
}

#[tokio::test]
async fn both_interfaces_stand_in_one_line() {
    let mut daemon = Daemon::start(&[]).await;
    daemon.types("!hold").await;
    daemon
        .until("main", |session| session["note"].is_string())
        .await;
    let second = daemon.say("main", "from afar").later();
    daemon.until("main", busy(1)).await;
    daemon.types("from here").await;
    daemon.until("main", busy(2)).await;
    let fourth = daemon.say("main", "from afar again").later();
    let session = daemon.until("main", busy(3)).await;

    let turn = json!({ "turn": session["turn"] });
    assert_eq!(
        daemon.post("/sessions/main/abort", &turn).answer().await.0,
        200
    );
    daemon.sees("[main] (the turn was cancelled)").await;
    assert_eq!(second.await.expect("an answer").1["reply"], "(2) from afar");
    daemon.sees("[main] (3) from here").await;
    assert_eq!(
        fourth.await.expect("an answer").1["reply"],
        "(4) from afar again"
    );
}

#[tokio::test]
async fn one_interface_stops_what_the_other_began() {
    let mut daemon = Daemon::start(&[]).await;
    let held = daemon.say("a", "!hold").later();
    daemon
        .until("a", |session| session["note"].is_string())
        .await;
    daemon.types("/use a").await;
    daemon.types("/stop").await;
    daemon.sees("stopping the turn").await;
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
}

/// As under a supervisor, which gives no input.
#[tokio::test]
async fn without_input_it_serves_on() {
    let mut daemon = Daemon::start(&[]).await;
    daemon.types("last words").await;
    daemon.hang_up();
    daemon.sees("[main] (1) last words").await;
    assert_eq!(
        daemon.say("main", "hello").answer().await.1["reply"],
        "(2) hello"
    );
}

/// Nobody reads what it prints; so much of it does not fit into a pipe.
async fn hold(daemon: &mut Daemon) {
    let long = "x".repeat(65_000);
    for _ in 0..4 {
        daemon.types(&long).await;
    }
    daemon
        .until("main", |session| session["phase"] == "idle")
        .await;
}

/// As when a person holds the output (Ctrl-S), on a machine with one core.
#[tokio::test]
async fn a_terminal_that_is_held_holds_nothing_else() {
    let mut daemon = Daemon::start_with(&[], &[("TOKIO_WORKER_THREADS", "1")]).await;
    hold(&mut daemon).await;
    for number in 1..10 {
        let (_, answer) = daemon.say("b", "hello").answer().await;
        assert_eq!(answer["reply"], format!("({number}) hello"));
    }
    assert_eq!(daemon.get("/sessions/main").answer().await.0, 200);
    daemon.types("/quit").await;
    assert_eq!(daemon.ends().await.0, Some(0));
}

#[tokio::test]
async fn an_output_that_nobody_reads_does_not_hold_the_end() {
    let mut daemon = Daemon::start(&[]).await;
    hold(&mut daemon).await;
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends_unread().await, Some(0));
}
