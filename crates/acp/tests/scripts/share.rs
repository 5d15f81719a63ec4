//! Sessions that share a process.

use super::{
    Folder, SERVE, agents, event, gone, kill, manager, pid, runs, said, script, send, within,
};
use std::time::Duration;
use turnwise::manager::*;
use turnwise_acp::{AcpBuilder, AcpEvent};

/// One process for the keys with the same first letter. Its answers are the ids of the sessions.
fn shared(text: &str) -> AcpBuilder {
    let text = format!(
        "note $$; on() {{ case $line in *hang*) hung=$p; text hangs ;; *) answer \"$sid\" ;; esac; }}\n{text}\n{SERVE}"
    );
    script(&text).share(|key| key[..1].to_owned())
}

#[tokio::test]
async fn keys_of_a_class_share_a_process_and_nothing_else() {
    let folder = Folder::new();
    let sessions = manager(shared("").env("OUT", &folder));
    // At once: the second one waits for the process of the first.
    let (first, second) = tokio::join!(said(&sessions, "a1"), said(&sessions, "a2"));
    assert_ne!(first, second);
    assert_eq!(pid(&sessions, "a1").await, pid(&sessions, "a2").await);
    assert_ne!(pid(&sessions, "a1").await, pid(&sessions, "b1").await);
    assert_eq!(folder.notes().len(), 2);

    // Each hears its own, also while the other has a turn.
    let mut hangs = sessions.send_message("a1", "hang".into());
    event(&mut hangs, |event| matches!(event, AcpEvent::Text(_))).await;
    let mut heard = sessions.listen("a2");
    for _ in 0..3 {
        assert_eq!(said(&sessions, "a2").await, second);
        match within(heard.next()).await {
            Some(Update::Event(AcpEvent::Text(text))) => assert_eq!(text, second),
            other => panic!("{other:?}"),
        }
    }
    within(sessions.shutdown(Duration::ZERO)).await;
    for pid in folder.notes() {
        assert!(!runs(&pid), "{pid} is left");
    }
}

#[tokio::test]
async fn a_process_ends_with_its_last_session() {
    let folder = Folder::new();
    let sessions = manager(shared("").env("OUT", &folder));
    said(&sessions, "a1").await;
    said(&sessions, "a2").await;
    let shared = pid(&sessions, "a1").await;
    assert!(within(sessions.stop("a1")).await.expect("in good order"));
    assert!(runs(shared));
    said(&sessions, "a3").await;
    assert_eq!(pid(&sessions, "a3").await, shared);
    assert!(within(sessions.stop("a2")).await.expect("in good order"));
    assert!(within(sessions.stop("a3")).await.expect("in good order"));
    assert!(!runs(shared));
    said(&sessions, "a1").await;
    assert_ne!(pid(&sessions, "a1").await, shared);
}

#[tokio::test]
async fn a_crash_ends_all_its_sessions_at_once() {
    let folder = Folder::new();
    let sessions = manager(shared("").env("OUT", &folder));
    let mut events = sessions.subscribe();
    for key in ["a1", "a2", "a3", "b1"] {
        said(&sessions, key).await;
    }
    let mut hangs = sessions.send_message("a1", "hang".into());
    event(&mut hangs, |event| matches!(event, AcpEvent::Text(_))).await;
    let shared = pid(&sessions, "a2").await;
    kill(shared);
    let error = agents(within(hangs).await.map_err(|error| error.error));
    assert!(
        error.to_string().starts_with("the agent ended: signal: 9"),
        "{error}"
    );
    let mut discarded = Vec::new();
    while discarded.len() < 3 {
        match within(events.next()).await {
            Some(Update::Event(SessionEvent::Discarded { key, .. })) => discarded.push(key),
            Some(_) => {}
            None => panic!("it goes on"),
        }
    }
    discarded.sort();
    assert_eq!(discarded, ["a1", "a2", "a3"]);
    for key in ["a1", "a2", "a3"] {
        said(&sessions, key).await;
    }
    assert_eq!(folder.notes().len(), 3, "one new process for all");
}

/// The turn hangs, and does not heed its abort. Its process gets no new sessions; those that it has go on.
#[tokio::test]
async fn a_dirty_session_retires_the_process_for_newcomers() {
    let folder = Folder::new();
    let agent = shared("cancel() { :; }").env("OUT", &folder);
    let sessions = manager(agent.abort_timeout(Duration::from_millis(100)));
    let second = said(&sessions, "a2").await;
    let old = pid(&sessions, "a2").await;
    let mut hangs = sessions.send_message("a1", "hang".into());
    event(&mut hangs, |event| matches!(event, AcpEvent::Text(_))).await;
    hangs.abort();
    within(hangs).await.expect_err("it was aborted");
    said(&sessions, "a1").await;
    said(&sessions, "a3").await;
    let new = pid(&sessions, "a1").await;
    assert_ne!(new, old);
    assert_eq!(pid(&sessions, "a3").await, new);
    assert_eq!(
        (said(&sessions, "a2").await, pid(&sessions, "a2").await),
        (second, old)
    );
    assert!(within(sessions.stop("a2")).await.expect("in good order"));
    gone(old).await;
    assert!(runs(new));
}

/// A turn that is dropped leaves its session dirty too.
#[tokio::test]
async fn so_does_a_turn_that_is_dropped() {
    let folder = Folder::new();
    let sessions = manager(shared("").env("OUT", &folder));
    said(&sessions, "a1").await;
    said(&sessions, "a2").await;
    let old = pid(&sessions, "a2").await;
    let mut events = sessions.subscribe();
    {
        let (begun, begins) = tokio::sync::oneshot::channel();
        let turn = sessions.with_turn("a1", async |_| {
            begun.send(()).expect("the test waits");
            std::future::pending::<()>().await;
        });
        tokio::select! {
            end = turn => panic!("it never ends: {end:?}"),
            begun = within(begins) => begun.expect("it begins"),
        }
    }
    within(async {
        loop {
            match events.next().await {
                Some(Update::Event(SessionEvent::Stopped { reason, .. })) => {
                    return assert_eq!(reason, StopReason::Dirty);
                }
                Some(_) => {}
                None => panic!("it goes on"),
            }
        }
    })
    .await;
    let new = pid(&sessions, "a1").await;
    assert!(new != old && runs(old) && runs(new));
    assert_eq!(pid(&sessions, "a3").await, new);
    assert_eq!(pid(&sessions, "a2").await, old);
}

#[tokio::test]
async fn a_process_that_cannot_start_fails_all_that_wait_for_it() {
    let folder = Folder::new();
    let agent = shared("sleep 0.2; echo 'no licence' >&2; exit 1").env("OUT", &folder);
    let sessions = manager(agent);
    let (first, second) = tokio::join!(
        send(&sessions, "a1", "hello"),
        send(&sessions, "a2", "hello")
    );
    for end in [first, second] {
        match end {
            Err(TurnError::Start(error)) => {
                assert!(error.to_string().ends_with("stderr: no licence"), "{error}");
            }
            end => panic!("{end:?}"),
        }
    }
    assert_eq!(folder.notes().len(), 1);
}

/// The start of one session is cut short; the process is that of others.
#[tokio::test]
async fn a_start_that_is_cut_short_leaves_the_others_alone() {
    let folder = Folder::new();
    let text = "create() { case $line in *slow*) note slow ;; *) count=$((count + 1)); sid=s$$-$count; respond \"{\\\"sessionId\\\":\\\"$sid\\\"}\" ;; esac; }";
    let agent = shared(text).env("OUT", &folder);
    let agent = agent.session_dir(|key| {
        if key == "a2" {
            "/slow".into()
        } else {
            "/".into()
        }
    });
    let sessions = manager(agent);
    let first = said(&sessions, "a1").await;
    let slow = sessions.send_message("a2", "hello".into());
    assert_eq!(folder.noted(2).await[1], "slow");
    slow.abort();
    within(slow).await.expect_err("it was aborted");
    assert_eq!(said(&sessions, "a1").await, first);
    assert!(within(sessions.stop("a1")).await.expect("in good order"));
    gone(&folder.notes()[0]).await;
}
