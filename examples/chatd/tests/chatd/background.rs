//! A daemon that a shell has put in the background, and the end of its terminal.

use crate::{daemon::*, pty::*};
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::Command,
    time::timeout,
};

/// The shell has the daemon in the background. It waits for a line of its own, then brings the daemon to the foreground.
const THEN: &str = r#"
read -r line
echo "the shell has read $line"
read -r line
fg"#;

fn shell(begin: &str, chatd: &Command) -> Command {
    let chatd = chatd.as_std();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("set -m\n{begin}{THEN}"));
    shell.arg(chatd.get_program()).args(chatd.get_args());
    shell.env("CHATD_LOG", "error").env_remove("CHATD_TOKEN");
    shell
}

/// The line is the shell's. A daemon that reads it, or is stopped because it tried to, answers no more.
async fn serves_and_comes_back(mut daemon: Daemon) {
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

#[tokio::test]
async fn a_daemon_in_the_background_serves() {
    let pty = Pty::open();
    let chatd = command(&["--delay", "0", "--drain", "0"]);
    let daemon = pty.start(&shell(r#""$0" "$@" &"#, &chatd)).await;
    serves_and_comes_back(daemon).await;
}

/// Ctrl-Z and `bg`, while it waits for a line.
#[tokio::test]
async fn a_daemon_that_is_sent_to_the_background_serves() {
    let pty = Pty::open();
    let chatd = command(&["--delay", "0", "--drain", "0"]);
    let begin = "\"$0\" \"$@\"\necho it is stopped\nbg";
    let mut daemon = pty.start(&shell(begin, &chatd)).await;
    daemon.presses("\x1a").await;
    daemon.sees("it is stopped").await;
    serves_and_comes_back(daemon).await;
}

/// `stty tostop`: what it prints is for later.
#[tokio::test]
async fn a_daemon_that_may_not_write_in_the_background_serves() {
    let folder = std::env::temp_dir().join(format!("chatd-tostop-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("chatd");
    let pty = Pty::open();
    let name = path.to_str().expect("it is UTF-8");
    let chatd = command(&["--delay", "0", "--drain", "0", "--listen-unix", name]);
    let child = pty.spawn(&shell("stty tostop\n\"$0\" \"$@\" &", &chatd));
    for _ in 0..10 {
        let mut stream = timeout(PATIENCE, listening(&path))
            .await
            .expect("it listens");
        let ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).await.expect("it reads");
        let mut answer = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        read.expect("an answer comes").expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut typed = pty.side();
    typed
        .write_all(b"mine\ngo on\n")
        .await
        .expect("it is typed");
    typed.flush().await.expect("it is typed");
    // Now it says where it listens.
    let mut daemon = Daemon::ready(child, typed, pty.side()).await;
    daemon.types("/quit").await;
    daemon.sees("chatd: ended in ").await;
    assert_eq!(daemon.ends_unread().await, Some(0));
    std::fs::remove_dir_all(folder).expect("it is ours");
}

async fn listening(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return stream,
            Err(_) => tokio::task::yield_now().await,
        }
    }
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
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]);
    shell.args([
        env!("CARGO_BIN_EXE_chatd"),
        "--listen",
        "127.0.0.1:0",
        "--delay",
        "0",
    ]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.env("CHATD_LOG", "error").env_remove("CHATD_TOKEN");
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
