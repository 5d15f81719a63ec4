//! What happens outside of turns.

use super::{Folder, SERVE, event, gone, kill, manager, on_prompt, pid, said, script, within};
use turnwise::manager::*;
use turnwise_acp::{AcpEvent, AcpPolicy};

/// Waits until a session was discarded: why.
pub(crate) async fn discarded(
    events: &mut Subscription<SessionEvent<String>>,
    key: &str,
) -> String {
    within(async {
        loop {
            match events.next().await {
                Some(Update::Event(SessionEvent::Discarded {
                    key: of, reason, ..
                })) if of == key => {
                    return reason.to_string();
                }
                Some(_) => {}
                None => panic!("it goes on"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_crash_ends_an_idle_session_at_once() {
    let sessions = manager(on_prompt("answer ok"));
    let mut events = sessions.subscribe();
    for _ in 0..3 {
        assert_eq!(said(&sessions, "a").await, "ok");
        let first = pid(&sessions, "a").await;
        kill(first);
        let reason = discarded(&mut events, "a").await;
        assert_eq!(reason, "the agent ended: signal: 9 (SIGKILL)");
        gone(first).await;
    }
}

#[tokio::test]
async fn a_fault_ends_an_idle_session_at_once() {
    let sessions = manager(on_prompt("answer ok; echo noise"));
    let mut events = sessions.subscribe();
    assert_eq!(said(&sessions, "a").await, "ok");
    let reason = discarded(&mut events, "a").await;
    assert!(
        reason.starts_with("unexpected output from the agent: expected "),
        "{reason}"
    );
}

#[tokio::test]
async fn a_crash_takes_the_children_along() {
    let folder = Folder::new();
    let sessions =
        manager(on_prompt("setsid sleep 600 & note $!; answer ok; exit 1").env("OUT", &folder));
    assert_eq!(said(&sessions, "a").await, "ok");
    gone(&folder.notes()[0]).await;
}

#[tokio::test]
async fn updates_and_questions_go_to_listeners() {
    let folder = Folder::new();
    // After its answer the agent goes on by itself: it reports, and asks.
    let text = r#"answer ok; update '"current_mode_update","currentModeId":"code"'; ask 1; IFS= read -r line
        case $line in *'"optionId":"yes"'*) note yes ;; *) note "$line" ;; esac"#;
    let sessions = manager(
        on_prompt(text)
            .env("OUT", &folder)
            .permissions(AcpPolicy::Ask),
    );
    let mut heard = sessions.listen("a");
    assert_eq!(said(&sessions, "a").await, "ok");
    let mut next = async || match within(heard.next()).await {
        Some(Update::Event(event)) => event,
        other => panic!("{other:?}"),
    };
    assert_eq!(next().await, AcpEvent::Text("ok".to_owned()));
    assert_eq!(next().await, AcpEvent::Mode("code".to_owned()));
    let AcpEvent::Permission(asked) = next().await else {
        panic!("it asks");
    };
    let handle = sessions.handle("a").expect("it is there");
    assert!(handle.answer(asked.id, "yes"));
    assert_eq!(folder.noted(1).await, ["yes"]);
    assert_eq!(next().await, AcpEvent::PermissionClosed(asked.id));
    assert_eq!(said(&sessions, "a").await, "ok");
}

#[tokio::test]
async fn a_handle_of_a_session_that_is_gone_does_nothing() {
    let text = format!("on() {{ ask 1; answer ok; ask 2; }}\n{SERVE}");
    let sessions = manager(script(&text).permissions(AcpPolicy::Ask));
    let mut heard = sessions.listen("a");
    assert_eq!(said(&sessions, "a").await, "ok");
    let handle = sessions.handle("a").expect("it is there");
    within(async {
        while handle.permissions().is_empty() {
            heard.next().await.expect("it goes on");
        }
    })
    .await;
    let open = handle.permissions().remove(0);
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    assert!(!handle.answer(open.id, "yes"));
    let mut sending = sessions.send_message("a", "hello".into());
    event(&mut sending, |event| matches!(event, AcpEvent::Text(_))).await;
    assert_ne!(
        sessions.handle("a").expect("a new one").session_id(),
        handle.session_id()
    );
}
