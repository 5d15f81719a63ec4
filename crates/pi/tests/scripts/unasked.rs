//! What pi does without having been asked: its end, and its work.

use super::{Folder, manager, on_prompt, runs, script, send, within};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use turnwise::manager::{SessionEvent, StopReason, TurnError, Update};
use turnwise_pi::{PiBuilder, PiError};

/// Starts children that hold no pipe of pi: one in its group, one in a session of its own. Writes their numbers and its own.
const LEAVES: &str = "sleep 600 >/dev/null 2>&1 & a=$!; setsid sleep 600 >/dev/null 2>&1 & b=$!
    env -i sleep 600 >/dev/null 2>&1 & echo $$ $a $b $! >> \"$OUT/pids\";";

/// At each start, no process of the sessions before runs.
fn checked(folder: &Folder, pi: PiBuilder) -> PiBuilder {
    let path = folder.0.clone();
    pi.env("OUT", &folder.0).configure(move |_, _| {
        let left: Vec<String> = pids(&path).into_iter().filter(|pid| runs(pid)).collect();
        assert!(left.is_empty(), "left at the next start: {left:?}");
    })
}

fn pids(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Nobody is left by so many sessions.
fn none_left(folder: &Folder, sessions: usize) {
    let pids = folder.words("pids");
    assert_eq!(pids.len(), 4 * sessions, "{pids:?}");
    let left: Vec<_> = pids.iter().filter(|pid| runs(pid)).collect();
    assert!(left.is_empty(), "left: {left:?} of {pids:?}");
}

#[tokio::test]
async fn a_pi_that_ends_by_itself_leaves_nothing() {
    for status in [
        "exit 0",
        "exit 3",
        "exit 143",
        "kill -TERM $$",
        "exec >&-; exit 0",
    ] {
        // In its start.
        let folder = Folder::new();
        let sessions = manager(checked(&folder, script(&format!("{LEAVES} {status}"))));
        for started in 1..=2 {
            let end = within(send(&sessions, "hello")).await;
            assert!(matches!(end, Err(TurnError::Start(_))), "{status}: {end:?}");
            none_left(&folder, started);
        }

        // In a turn that it does not answer.
        let folder = Folder::new();
        let text = format!("{LEAVES} accept; {status}");
        let sessions = manager(checked(&folder, on_prompt(&text)));
        for started in 1..=2 {
            let end = within(send(&sessions, "hello")).await;
            assert!(
                matches!(end, Err(TurnError::Agent(PiError::Exited { .. }))),
                "{status}: {end:?}"
            );
            none_left(&folder, started);
        }

        // After its answer, while it is idle.
        let folder = Folder::new();
        let text = format!("{LEAVES} answer well; {status}");
        let sessions = manager(checked(&folder, on_prompt(&text)));
        for _ in 1..=3 {
            let end = within(send(&sessions, "hello")).await;
            assert_eq!(end.expect("it answers").text, "well", "{status}");
        }
        // Nothing else runs meanwhile: its end is found by the stop.
        let last = folder.words("pids")[8].clone();
        let begin = Instant::now();
        while runs(&last) {
            assert!(begin.elapsed() < Duration::from_secs(60), "it runs on");
            std::thread::yield_now();
        }
        within(sessions.stop("a")).await.expect("it is gone");
        none_left(&folder, 3);
    }
}

/// What belongs to the end of its start.
#[tokio::test]
async fn a_start_that_is_cut_short_frees_its_key_when_its_pi_is_gone() {
    let folder = Folder::new();
    let text = format!("{LEAVES} trap '' TERM; while :; do sleep 600; done");
    let pi = checked(&folder, script(&text));
    let timeouts = turnwise::manager::Timeouts::default().start(Duration::from_millis(500));
    let sessions = super::manager_with(pi, timeouts);
    for started in 1..=3 {
        let end = within(send(&sessions, "hello")).await;
        assert!(matches!(end, Err(TurnError::StartTimedOut)), "{end:?}");
        none_left(&folder, started);
    }
}

#[tokio::test]
async fn a_start_that_fails_frees_its_key_when_its_pi_is_gone() {
    let folder = Folder::new();
    let text = format!("{LEAVES} id=another; {}", super::SERVE);
    let sessions = manager(checked(&folder, script(&text)));
    for started in 1..=3 {
        let end = within(send(&sessions, "hello")).await;
        assert!(matches!(end, Err(TurnError::Start(_))), "{end:?}");
        none_left(&folder, started);
    }
}

#[tokio::test]
async fn words_after_the_end_belong_to_no_answer() {
    let words = "say message_update ',\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":\"LATE\"}'; said LATE";
    let run = format!("say agent_start; {words}; say agent_settled");
    for late in [
        // At once.
        run.clone(),
        format!("{words}; say agent_settled"),
        "say agent_settled".to_owned(),
        "said LATE".to_owned(),
        // When the next command is there: the look at its health.
        format!("take; {run}; handle"),
        // When the next prompt is there, before and after its response.
        format!("next; take; {run}; handle"),
        format!("next; take; accept; {run}"),
        // What never ends keeps nobody waiting.
        "say agent_start".to_owned(),
    ] {
        let text =
            "text=${line##*\\\"message\\\":\\\"}; text=${text%%\\\"*}; answer \"$text\"".to_owned();
        let sessions = manager(on_prompt(&format!("{text}; {late}")));
        let mut answered = 0;
        for round in 0..8 {
            let text = format!("message {round}");
            match within(send(&sessions, &text)).await {
                Ok(reply) => {
                    assert_eq!(reply.text, text, "words after an end, by {late}");
                    answered += 1;
                }
                // They came when this message was on its way.
                Err(TurnError::Agent(PiError::Protocol { what, .. })) => {
                    let why = ["before it accepted", "in the middle of other work"];
                    assert!(why.iter().any(|why| what.contains(why)), "{what}");
                }
                Err(error) => panic!("{late}: {error:?}"),
            }
        }
        assert!(answered > 0, "{late}");
    }
}

#[tokio::test]
async fn a_fault_between_turns_is_reported_with_the_stop() {
    // The look at its health comes after it.
    let sessions = manager(on_prompt("answer $$; take; say agent_start; handle"));
    let mut events = sessions.subscribe();
    let first = within(send(&sessions, "hello")).await.expect("it answers");
    let second = within(send(&sessions, "hello")).await.expect("it answers");
    assert_ne!(first.text, second.text, "another process");
    let error = within(async {
        loop {
            match events.next().await {
                Some(Update::Event(SessionEvent::Stopped { reason, error, .. })) => {
                    // Whichever comes first: the look at its health, or the discard.
                    let reasons = [StopReason::Unhealthy, StopReason::Discarded];
                    assert!(reasons.contains(&reason), "{reason:?}");
                    return error;
                }
                Some(_) => {}
                None => panic!("the manager is there"),
            }
        }
    })
    .await;
    assert_eq!(
        error.as_deref(),
        Some("unexpected output from pi: the start of work, and no turn is under way")
    );
}
