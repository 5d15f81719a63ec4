//! Outputs that are held, or that nobody reads: they hold neither the sessions nor the end.

use crate::{client::refused, daemon::*, pty::*};
use std::{
    io::{ErrorKind, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
};

/// One worker, so that one thread that is held is all of them; what every start logs.
const ALONE: [(&str, &str); 2] = [("TOKIO_WORKER_THREADS", "1"), ("CHATD_LOG", "debug")];

/// Panics and logs on the way; then SIGTERM.
async fn ends_all_the_same(daemon: Daemon) {
    for _ in 0..4 {
        let panicked = daemon.say("a", "!panic").answer().await;
        assert_eq!(refused(&panicked), (500, "panicked"));
    }
    assert_eq!(daemon.get("/health").answer().await.0, 200);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends_unread().await, Some(0));
}

#[tokio::test]
async fn a_daemon_whose_output_is_held_ends() {
    let pty = Pty::open();
    let mut daemon = on_terminal(&pty, &["--delay", "0"], &ALONE).await;
    daemon.presses("\x13").await;
    pty.until_held(true).await;
    daemon.types("hello").await;
    daemon.types("/status").await;
    ends_all_the_same(daemon).await;
}

#[tokio::test]
async fn a_daemon_whose_log_nobody_reads_ends() {
    let (log, _unread) = full();
    let mut command = command(&["--delay", "0"]);
    command.envs(ALONE).stderr(Stdio::from(log));
    let daemon = Daemon::spawn(command).await;
    ends_all_the_same(daemon).await;
}

/// A pipe that takes nothing more, and its other side.
fn full() -> (OwnedFd, UnixStream) {
    let (mut log, unread) = UnixStream::pair().expect("two sockets");
    log.set_nonblocking(true).expect("it is ours");
    let held = loop {
        match log.write_all(&[b'x'; 4096]) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(held.kind(), ErrorKind::WouldBlock);
    log.set_nonblocking(false).expect("it is ours");
    (log.into(), unread)
}

/// More than the pipe and the daemon take.
#[tokio::test]
async fn what_was_lost_is_counted() {
    let mut daemon = Daemon::start(&["--max-waiting", "100"]).await;
    let long = "x".repeat(65_000);
    for _ in 0..32 {
        daemon.types(&long).await;
    }
    daemon.types("/use b").await;
    daemon.types("last").await;
    for key in ["b", "main"] {
        let over = |session: &serde_json::Value| {
            session["phase"] == "idle" && session["last"]["over"] == true
        };
        daemon.until(key, over).await;
    }
    daemon.sees("pieces of output were lost").await;
    daemon.signal("TERM").await;
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(0));
    let (_, report) = text.split_once("chatd: ended in ").expect("a report");
    assert!(
        report.contains("\n  lost: ") && report.contains(" pieces of output"),
        "{report}"
    );
}
