//! What an agent writes, where people read it.

use crate::{daemon::Daemon, script::*};
use std::{fs, process::Stdio};

/// The title of the window, a line of a log, and a letter that turns what follows around.
const FORGES: &str = r"printf '\033]0;owned\007\n2026-11-28T00:00:00Z  INFO chatd: forged\r\342\200\256desrever' >&2
exit 1";

/// No line begins with what an agent made up, and nothing moves the cursor.
fn is_harmless(text: &str) {
    let bad = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
    assert!(!text.contains(bad), "{text:?}");
    assert!(
        !text
            .lines()
            .any(|line| line.starts_with("2026-11-28T00:00:00Z")),
        "{text:?}"
    );
    let escaped =
        r"\u{1b}]0;owned\u{7}\n2026-11-28T00:00:00Z  INFO chatd: forged\r\u{202e}desrever";
    assert!(text.contains(escaped), "{text:?}");
}

#[tokio::test]
async fn what_an_agent_writes_is_escaped() {
    let script = Script::new("forges", FORGES);
    let args = script.args(&[]);
    let mut command = crate::daemon::command(&borrowed(&args));
    let log = fs::File::create(script.path("log")).expect("a file");
    command.env("CHATD_LOG", "debug").stderr(Stdio::from(log));
    let mut daemon = Daemon::spawn(command).await;
    daemon.types("hello").await;
    let line = daemon.sees("[main] (").await;
    is_harmless(&line);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    is_harmless(&fs::read_to_string(script.path("log")).expect("a log"));
}

#[tokio::test]
async fn what_an_agent_says_is_text() {
    let mut daemon = Daemon::start(&[]).await;
    daemon
        .types("a\tb \u{1b}]0;owned\u{7} \u{202e}c \u{1f468}\u{200d}\u{1f469}")
        .await;
    let line = daemon.line().await.expect("a line");
    let text = "(1) a\tb \\u{1b}]0;owned\\u{7} \\u{202e}c \u{1f468}\u{200d}\u{1f469}";
    assert_eq!(line, format!("[main] {text}"));
}
