//! Ends of sessions: nothing is left, whatever the agent does.

use super::{
    Folder, SERVE, at_first, gone, manager, manager_with, on_prompt, pid, runs, said, script,
    within,
};
use std::time::Duration;
use turnwise::manager::{StopError, Timeouts};
use turnwise_acp::AcpError;

/// Notes its number and that of a child with a session of its own, on a prompt.
const NOTES: &str = "setsid sleep 600 & note $$; note $!; answer ok;";

#[tokio::test]
async fn the_session_is_closed_then_its_input() {
    let folder = Folder::new();
    let text = format!(
        r#"can='"sessionCapabilities":{{"close":{{}}}}'
        handle() {{
            case $line in
                *initialize*) initialize ;;
                *session/new*) create ;;
                *session/prompt*) p=$n; note $$; answer ok ;;
                *session/close*) note closed; respond '{{}}'; while read -r line; do :; done; note input; exit 0 ;;
            esac
        }}
        {SERVE}"#
    );
    let sessions = manager(script(&text).env("OUT", &folder));
    assert_eq!(said(&sessions, "a").await, "ok");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    let notes = folder.notes();
    assert!(!runs(&notes[0]));
    assert_eq!(notes[1..], ["closed", "input"]);
}

#[tokio::test]
async fn a_close_without_answer_is_not_waited_for() {
    let folder = Folder::new();
    let text = format!(
        "can='\"sessionCapabilities\":{{\"close\":{{}}}}'\non() {{ note $$; answer ok; while :; do take; done; }}\n{SERVE}"
    );
    let agent = script(&text)
        .env("OUT", &folder)
        .stop_grace(Duration::from_millis(100));
    let sessions = manager(agent);
    assert_eq!(said(&sessions, "a").await, "ok");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    assert!(!runs(&folder.notes()[0]));
}

#[tokio::test]
async fn the_deaf_is_killed_with_its_children() {
    let folder = Folder::new();
    // Floods both pipes meanwhile, so that only a reader gets so far.
    let text = format!("{NOTES} trap '' TERM; while :; do echo; echo more >&2; done");
    let agent = on_prompt(&text).env("OUT", &folder);
    let sessions = manager(agent.stop_grace(Duration::from_millis(100)));
    assert_eq!(said(&sessions, "a").await, "ok");
    let stopped = within(sessions.stop("a")).await;
    let Err(StopError::Failed(error)) = stopped else {
        panic!("it was killed: {stopped:?}");
    };
    let AcpError::Killed { stderr } = &*error else {
        panic!("it was killed: {error:?}");
    };
    assert!(
        stderr.ends_with("more") && stderr.len() <= 16 << 10,
        "{}",
        stderr.len()
    );
    for pid in folder.notes() {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn a_stop_that_overruns_kills() {
    let folder = Folder::new();
    let text = format!("{NOTES} trap '' TERM; while :; do sleep 600; done");
    let agent = on_prompt(&text).env("OUT", &folder);
    let timeouts = Timeouts::default()
        .start(Duration::from_secs(60))
        .stop(Duration::from_millis(300));
    let sessions = manager_with(agent.stop_grace(Duration::from_secs(600)), timeouts);
    assert_eq!(said(&sessions, "a").await, "ok");
    let stopped = within(sessions.stop("a")).await;
    assert!(matches!(stopped, Err(StopError::Abandoned)), "{stopped:?}");
    for pid in folder.notes() {
        gone(&pid).await;
    }
}

#[test]
fn the_end_of_the_runtime_kills() {
    let folder = Folder::new();
    let text = format!("{NOTES} trap '' TERM; while :; do sleep 600; done");
    let agent = on_prompt(&text).env("OUT", &folder);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let sessions = manager(agent);
        assert_eq!(said(&sessions, "a").await, "ok");
    });
    let pids = folder.notes();
    assert!(pids.iter().all(runs), "{pids:?}");
    drop(runtime);
    for pid in pids {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn a_shutdown_while_turns_run() {
    let folder = Folder::new();
    let agent = on_prompt("note $$; :").env("OUT", &folder);
    let sessions = manager(agent.abort_timeout(Duration::from_millis(100)));
    let sendings: Vec<_> = ["a", "b", "c"]
        .map(|key| sessions.send_message(key, "hello".into()))
        .into();
    let pids = folder.noted(3).await;
    let report = within(sessions.shutdown(Duration::ZERO)).await;
    assert_eq!(
        (
            report.stopped.len(),
            report.failed.len(),
            report.abandoned.len()
        ),
        (3, 0, 0),
        "{report:?}"
    );
    for sending in sendings {
        within(sending).await.expect_err("it did not end by itself");
    }
    for pid in pids {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn an_agent_that_closes_its_output_has_no_further_turn() {
    let folder = Folder::new();
    let sessions = manager(at_first(
        &folder,
        "answer $$; exec >&-; while :; do sleep 1; done",
    ));
    let first: u32 = said(&sessions, "a").await.parse().expect("a number");
    // It still runs when the next turn begins, but it is not used.
    while pid(&sessions, "a").await == first {
        tokio::task::yield_now().await;
    }
    assert_eq!(said(&sessions, "a").await, "well");
}
