//! Starts that fail.

use super::{Folder, SERVE, manager, manager_with, runs, script, send, within};
use std::{fs, time::Duration};
use turnwise::manager::{Timeouts, TurnError};
use turnwise_pi::{PiAgent, PiError, PiReply};

/// Why a start failed.
fn cause(end: Result<PiReply, TurnError<PiError>>) -> String {
    match end {
        Err(TurnError::Start(error)) => {
            let error: &dyn std::error::Error = &*error;
            let cause = error.source().map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        }
        end => panic!("not a failed start: {end:?}"),
    }
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let sessions = manager(PiAgent::builder().program("/nonexistent/pi"));
    let why = cause(within(send(&sessions, "hello")).await);
    assert!(
        why.starts_with("cannot run /nonexistent/pi: No such file"),
        "{why}"
    );
}

#[tokio::test]
async fn a_session_directory_that_cannot_be_made() {
    let folder = Folder::new();
    fs::write(folder.join("file"), "").expect("the folder is there");
    let path = folder.join("file/sessions");
    // It would try for ever, by itself.
    let sessions = manager(script("while :; do :; done").session_dir(&path));
    let why = cause(within(send(&sessions, "hello")).await);
    let expected = format!("cannot create the session directory {}: ", path.display());
    assert!(why.starts_with(&expected), "{why}");
}

#[tokio::test]
async fn a_session_directory_is_made_and_passed_on() {
    let folder = Folder::new();
    let path = folder.join("a/b");
    let writes = ["-c", "echo \"$@\" > \"$OUT\"", "pi", "--no-approve"];
    let pi = PiAgent::builder().program("sh").args(writes);
    let sessions = manager(pi.env("OUT", folder.join("arguments")).session_dir(&path));
    within(send(&sessions, "hello")).await.expect_err("it ends");
    let arguments = folder.words("arguments").join(" ");
    let expected = format!(
        "--no-approve --mode rpc --session-id a --session-dir {}",
        path.display()
    );
    assert_eq!(arguments, expected);
    assert!(path.is_dir());
}

#[tokio::test]
async fn one_that_ends_at_once_says_why() {
    let sessions = manager(script("echo 'Error: no such provider' >&2; exit 1"));
    let why = cause(within(send(&sessions, "hello")).await);
    assert_eq!(
        why,
        "pi failed to start: pi ended: exit status: 1; stderr: Error: no such provider"
    );
    let sessions = manager(script("echo hello; sleep 600"));
    let why = cause(within(send(&sessions, "hello")).await);
    assert!(
        why.contains("expected value at line 1 column 1 in `hello`"),
        "{why}"
    );
}

#[tokio::test]
async fn one_that_never_answers_is_killed() {
    // It heeds nothing: neither the end of its input nor SIGTERM.
    let deaf = "trap '' TERM; echo $$ >&2; while :; do sleep 600; done";
    let sessions = manager(script(deaf).ready_timeout(Duration::from_millis(300)));
    let end = within(send(&sessions, "hello")).await;
    let Err(TurnError::Start(error)) = end else {
        panic!("it started: {end:?}");
    };
    let PiError::NotReady { stderr, .. } = &*error else {
        panic!("in other words: {error}");
    };
    assert!(!runs(stderr), "before its key is free, it is gone");
}

#[tokio::test]
async fn a_start_that_is_cut_short_leaves_nothing() {
    let folder = Folder::new();
    let text = "echo $$ >> \"$OUT\"; trap '' TERM; setsid sleep 600 & echo $! >> \"$OUT\"; wait";
    let pi = script(text).env("OUT", folder.join("pids"));
    let timeouts = Timeouts::default().start(Duration::from_millis(500));
    let sessions = manager_with(pi, timeouts);
    let end = within(send(&sessions, "hello")).await;
    assert!(matches!(end, Err(TurnError::StartTimedOut)), "{end:?}");
    let pids = folder.words("pids");
    assert_eq!(pids.len(), 2, "it ran, and its child: {pids:?}");
    for pid in pids {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn another_session_than_the_one_asked_for_is_refused() {
    let sessions = manager(script(&format!("id=another\n{SERVE}")));
    let why = cause(within(send(&sessions, "hello")).await);
    assert!(
        why.contains("session \"another\" instead of \"a\""),
        "{why}"
    );
}
