//! A daemon that is killed or stopped, and its processes, which must not act without it.
#![cfg(target_os = "linux")]

use crate::daemon::Daemon;
use processes::{runs, state};
use std::{fs, path::PathBuf};

/// For what takes no time, on a machine that is busy. In seconds.
const SLACK: f64 = 10.0;

/// In a session of its own: a tool that appends its time to a file again and again. Its parent waits for input.
const ACTS: &str =
    "setsid sh -c 'while :; do cut -d\" \" -f1 /proc/uptime >>\"$0\"; done' WITNESS & echo $!";

fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").expect("it is Linux");
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.expect("it is a number")
}

struct Witness(PathBuf);

impl Witness {
    /// When it acted last.
    fn last(&self) -> f64 {
        let acts = fs::read_to_string(&self.0).unwrap_or_default();
        let last = acts.lines().rev().find_map(|line| line.parse().ok());
        last.expect("it has acted")
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// How long it acted on after this was done to its daemon, whose deadline this is. In seconds.
async fn acts_after(signal: &str, guard: &str) -> f64 {
    let name = format!("chatd-witness-{signal}-{}", std::process::id());
    let witness = Witness(std::env::temp_dir().join(name));
    let shell = [
        "--agent",
        "repl",
        "--repl-command",
        "sh",
        "--repl-end",
        "echo {}",
        "--guard",
        guard,
    ];
    let daemon = Daemon::start(&shell).await;
    let path = witness.0.to_str().expect("it is text");
    let (status, answer) = daemon
        .say("a", &ACTS.replace("WITNESS", path))
        .answer()
        .await;
    assert_eq!(status, 200, "{answer}");
    let pid = answer["reply"].as_str().expect("text").trim().to_owned();
    while fs::metadata(&witness.0).map_or(0, |facts| facts.len()) < 100 {
        tokio::task::yield_now().await;
    }
    assert!(runs(&pid));
    let begun = uptime();
    daemon.signal(signal).await;
    while runs(&pid) {
        tokio::task::yield_now().await;
    }
    if signal == "STOP" {
        // It was not the daemon that ended it.
        assert_eq!(state(daemon.id()), Some('T'));
        daemon.signal("CONT").await;
        let (status, answer) = daemon.say("a", "echo anew").answer().await;
        assert_eq!(status, 200, "{answer}");
    }
    witness.last() - begun
}

#[tokio::test]
async fn of_a_daemon_that_is_killed_nothing_acts() {
    let after = acts_after("KILL", "600").await;
    println!("its last act came {after:.2} s after SIGKILL");
    assert!(
        after < SLACK,
        "{after} s: at once, whatever the deadline is"
    );
}

#[tokio::test]
async fn of_a_daemon_that_is_stopped_nothing_acts_after_the_deadline() {
    let after = acts_after("STOP", "1").await;
    println!("its last act came {after:.2} s after SIGSTOP");
    assert!(after < 1.0 + SLACK, "{after} s: the deadline is 1 s");
}
