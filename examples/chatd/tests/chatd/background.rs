//! A daemon that a shell has put in the background, and the end of its terminal.

use crate::{
    daemon::{Daemon, command},
    pty::{Pty, on_terminal},
};
use std::{path::Path, process::Stdio};
use tokio::process::Command;

/// The shell waits for a line of its own, then brings the daemon to the foreground.
const SHELL: &str = r#"set -m
"$0" "$@" &
read -r line
echo "the shell has read $line"
read -r line
fg"#;

#[tokio::test]
async fn a_daemon_in_the_background_serves() {
    let pty = Pty::open();
    let chatd = command(&["--delay", "0", "--drain", "0"]);
    let chatd = chatd.as_std();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(SHELL).arg(chatd.get_program());
    shell.args(chatd.get_args()).env("CHATD_LOG", "error");
    let mut daemon = pty.start(&shell).await;

    // The line is the shell's. A daemon that reads it, or is stopped because it tried to, answers no more.
    daemon.types("what is typed").await;
    daemon.sees("the shell has read what is typed").await;
    for number in 1..10 {
        let (_, answer) = daemon.say("a", "hello").answer().await;
        assert_eq!(answer["reply"], format!("({number}) hello"));
    }
    // The terminal is its own from here on.
    daemon.types("go on").await;
    daemon.types("hello").await;
    daemon.sees("[main] (1) hello").await;
    daemon.types("/quit").await;
    daemon.sees("chatd: ended in ").await;
    assert_eq!(daemon.ends_unread().await, Some(0));
}

/// By the hang-up, once: the end of its input is not a second one.
#[tokio::test]
async fn a_terminal_that_goes_away_drains() {
    let pty = Pty::open();
    let daemon = on_terminal(&pty, &["--delay", "0.1", "--drain", "600"], &[]).await;
    let mut events = daemon.say("a", "so many words").events().await;
    while events.next().await.expect("an event").0 != "part" {}
    drop(pty);
    let ends = tokio::spawn(daemon.ends_without_terminal());
    let mut last = events.next().await.expect("an event");
    while let Some(event) = events.next().await {
        last = event;
    }
    assert_eq!(last.0, "done", "{}", last.1);
    assert_eq!(ends.await.expect("it ends"), Some(0));
}

/// `nohup`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hangup_that_is_ignored_stays_so() {
    let chatd = command(&["--delay", "0"]);
    let chatd = chatd.as_std();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]);
    shell.arg(chatd.get_program()).args(chatd.get_args());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.kill_on_drop(true);
    let daemon = Daemon::spawn(shell).await;
    let status = Path::new("/proc")
        .join(daemon.id().to_string())
        .join("status");
    let status = std::fs::read_to_string(status).expect("it runs");
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:\t"));
    let ignored = u64::from_str_radix(ignored.expect("a mask"), 16).expect("a number");
    assert_eq!(ignored & 1, 1, "SIGHUP is ignored");
    daemon.signal("HUP").await;
    assert_eq!(daemon.say("a", "hello").answer().await.0, 200);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
}
