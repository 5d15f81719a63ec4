//! Ends of sessions: nothing is left, whatever pi does.

use super::{Folder, gone, manager, manager_with, on_prompt, runs, send, within};
use std::time::Duration;
use turnwise::manager::{SessionEvent, StopError, StopReason, Timeouts, Update};
use turnwise_pi::PiError;

/// Tells its number and that of a child with a session of its own, on a prompt.
const TELLS: &str = "setsid sleep 600 & echo $$ $! > \"$OUT\"; answer ok;";

#[tokio::test]
async fn the_end_of_its_input_is_enough() {
    let folder = Folder::new();
    let text = "echo $$ > \"$OUT\"; answer ok";
    let sessions = manager(on_prompt(text).env("OUT", folder.join("pids")));
    within(send(&sessions, "hello")).await.expect("it answers");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    assert!(!runs(&folder.words("pids")[0]));
}

#[tokio::test]
async fn sigterm_is_next() {
    let folder = Folder::new();
    let text = "echo $$ > \"$OUT\"; answer ok; trap 'exit 143' TERM; while :; do sleep 0.01; done";
    let pi = on_prompt(text).env("OUT", folder.join("pids"));
    let sessions = manager(pi.stop_grace(Duration::from_secs(1)));
    within(send(&sessions, "hello")).await.expect("it answers");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    assert!(!runs(&folder.words("pids")[0]));
}

#[tokio::test]
async fn what_it_writes_at_its_end_is_read() {
    // More than a pipe holds, to both: it ends when that is read, and at nothing else.
    let flood = "flood() { head -c 1000000 /dev/zero | tr '\\0' x; }; trap '' TERM; trap 'flood; flood >&2' EXIT";
    let sessions = manager(on_prompt(&format!("{flood}; answer ok")));
    within(send(&sessions, "hello")).await.expect("it answers");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
}

#[tokio::test]
async fn the_deaf_is_killed_with_its_children() {
    let folder = Folder::new();
    // Floods both pipes meanwhile, so that only one that reads gets so far. A line without an end breaks no protocol.
    let text = format!("{TELLS} trap '' TERM; while :; do printf more; echo more >&2; done");
    let pi = on_prompt(&text).env("OUT", folder.join("pids"));
    let sessions = manager(pi.stop_grace(Duration::from_millis(100)));
    within(send(&sessions, "hello")).await.expect("it answers");
    let stopped = within(sessions.stop("a")).await;
    let Err(StopError::Failed(error)) = stopped else {
        panic!("it was killed: {stopped:?}");
    };
    let PiError::Killed { stderr } = &*error else {
        panic!("it was killed: {error:?}");
    };
    assert!(
        stderr.ends_with("more") && stderr.len() <= 16 << 10,
        "{}",
        stderr.len()
    );
    let pids = folder.words("pids");
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn a_stop_that_overruns_kills() {
    let folder = Folder::new();
    let text = format!("{TELLS} trap '' TERM; while :; do sleep 600; done");
    let pi = on_prompt(&text).env("OUT", folder.join("pids"));
    let timeouts = Timeouts::default()
        .start(Duration::from_secs(60))
        .stop(Duration::from_millis(300));
    let sessions = manager_with(pi.stop_grace(Duration::from_secs(600)), timeouts);
    within(send(&sessions, "hello")).await.expect("it answers");
    let stopped = within(sessions.stop("a")).await;
    assert!(matches!(stopped, Err(StopError::Abandoned)), "{stopped:?}");
    for pid in folder.words("pids") {
        gone(&pid).await;
    }
}

#[test]
fn the_end_of_the_runtime_kills() {
    let folder = Folder::new();
    let text = format!("{TELLS} trap '' TERM; while :; do sleep 600; done");
    let pi = on_prompt(&text).env("OUT", folder.join("pids"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let sessions = manager(pi);
        within(send(&sessions, "hello")).await.expect("it answers");
    });
    let pids = folder.words("pids");
    assert!(pids.iter().all(runs), "{pids:?}");
    drop(runtime);
    for pid in pids {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn a_crash_takes_the_children_along() {
    let folder = Folder::new();
    let text = format!("{TELLS} exit 1");
    let sessions = manager(on_prompt(&text).env("OUT", folder.join("pids")));
    within(send(&sessions, "hello"))
        .await
        .expect("it had answered");
    for pid in folder.words("pids") {
        gone(&pid).await;
    }
}

/// What it left running on purpose, it may.
#[tokio::test]
async fn an_end_in_good_order_does_not() {
    let folder = Folder::new();
    let sessions = manager(on_prompt(TELLS).env("OUT", folder.join("pids")));
    within(send(&sessions, "hello")).await.expect("it answers");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    let pids = folder.words("pids");
    assert!(!runs(&pids[0]) && runs(&pids[1]), "{pids:?}");
    let killed = std::process::Command::new("kill")
        .args(["-9", &pids[1]])
        .status();
    assert!(killed.expect("`kill` can be run").success());
}

/// Nobody need send a message to find out.
#[tokio::test]
async fn a_pi_that_dies_at_rest_is_gone() {
    let sessions = manager(on_prompt("answer $$"));
    let mut events = sessions.subscribe();
    let first = within(send(&sessions, "hello")).await.expect("it answers");
    let killed = std::process::Command::new("kill")
        .args(["-9", &first.text])
        .status();
    assert!(killed.expect("`kill` can be run").success());
    within(async {
        loop {
            let event = events.next().await.expect("the manager is there");
            if let Update::Event(SessionEvent::Stopped { reason, error, .. }) = event {
                assert_eq!((reason, error), (StopReason::Discarded, None));
                break;
            }
        }
    })
    .await;
    let second = within(send(&sessions, "hello")).await.expect("it answers");
    assert_ne!(first.text, second.text, "another process");
}
