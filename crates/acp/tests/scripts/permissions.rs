//! Questions for permission, and who answers them.

use super::{Folder, agents, at_first, event, manager, on_prompt, said, send, within};
use std::time::Duration;
use turnwise::manager::*;
use turnwise_acp::{AcpError, AcpEvent, AcpPermission, AcpPolicy};

/// Asks, and answers with the option that was chosen.
const ASKS: &str = r#"ask 1 $kind "$offer"; IFS= read -r line
    case $line in
        *'"id":"q1"'*'"optionId":"'*'"outcome":"selected"'*) o=${line##*\"optionId\":\"}; answer "${o%%\"*}" ;;
        *'"id":"q1"'*'"outcome":"cancelled"'*) answer cancelled ;;
        *) answer "$line" ;;
    esac"#;

async fn asked(sending: &mut Sending<turnwise_acp::AcpAgent>) -> AcpPermission {
    match event(sending, |event| matches!(event, AcpEvent::Permission(_))).await {
        AcpEvent::Permission(asked) => asked,
        _ => unreachable!("it is one"),
    }
}

#[tokio::test]
async fn by_policy() {
    let always = r#"[{"optionId":"ever","name":"","kind":"allow_always"},{"optionId":"never","name":"","kind":"reject_always"}]"#;
    let cases = [
        (AcpPolicy::Deny, "execute", "", "no"),
        (AcpPolicy::Deny, "read", "", "no"),
        (AcpPolicy::Deny, "read", "[]", "cancelled"),
        (AcpPolicy::AllowReads, "read", "", "yes"),
        (AcpPolicy::AllowReads, "search", "", "yes"),
        (AcpPolicy::AllowReads, "execute", "", "no"),
        (AcpPolicy::AllowReads, "fetch", "", "no"),
        // A single call is no reason to allow all.
        (AcpPolicy::AllowReads, "read", always, "never"),
    ];
    for (policy, kind, offer, expected) in cases {
        let agent = on_prompt(ASKS).env("kind", kind).env("offer", offer);
        let sessions = manager(agent.permissions(policy));
        assert_eq!(
            said(&sessions, "a").await,
            expected,
            "{policy:?} {kind} {offer}"
        );
    }
}

#[tokio::test]
async fn by_the_handle() {
    let sessions = manager(
        on_prompt(ASKS)
            .env("kind", "execute")
            .env("offer", "")
            .permissions(AcpPolicy::Ask),
    );
    for choice in ["yes", "no"] {
        let mut sending = sessions.send_message("a", "hello".into());
        let asked = asked(&mut sending).await;
        assert_eq!(
            (asked.tool.title.as_deref(), asked.options.len()),
            (Some("rm"), 2)
        );
        let status = sessions.status("a").expect("it is there");
        assert_eq!(status.note.as_deref(), Some("asks for permission: rm"));
        let handle = sessions.handle("a").expect("it is there");
        assert_eq!(handle.permissions(), std::slice::from_ref(&asked));
        assert!(!handle.answer(asked.id, "maybe") && !handle.answer(asked.id + 1, "yes"));
        assert!(handle.answer(asked.id, choice));
        assert!(!handle.answer(asked.id, choice), "it is answered once");
        let closed = event(&mut sending, |event| {
            matches!(event, AcpEvent::PermissionClosed(_))
        })
        .await;
        assert_eq!(closed, AcpEvent::PermissionClosed(asked.id));
        assert_eq!(within(sending).await.expect("it goes on").text, choice);
        assert_eq!(handle.permissions(), []);
    }
}

#[tokio::test]
async fn by_nobody() {
    let agent = on_prompt(ASKS)
        .env("kind", "read")
        .env("offer", "")
        .permissions(AcpPolicy::Ask);
    let sessions = manager(agent.permission_timeout(Duration::from_millis(100)));
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = asked(&mut sending).await;
    let closed = event(&mut sending, |event| {
        matches!(event, AcpEvent::PermissionClosed(_))
    })
    .await;
    assert_eq!(closed, AcpEvent::PermissionClosed(asked.id));
    assert_eq!(within(sending).await.expect("it goes on").text, "no");
    let handle = sessions.handle("a").expect("it is there");
    assert!(!handle.answer(asked.id, "yes"), "it is too late");
}

#[tokio::test]
async fn by_an_abort() {
    let folder = Folder::new();
    // Asks three times, and once more after the cancel. Each must be answered.
    let text = "ask 1; ask 2; ask 3; c=0
        while [ $c -lt 4 ]; do
            IFS= read -r line
            case $line in
                *session/cancel*) ask 4 ;;
                *'\"outcome\":\"cancelled\"'*) c=$((c + 1)) ;;
            esac
        done
        ended cancelled";
    let sessions = manager(
        at_first(&folder, text)
            .permissions(AcpPolicy::Ask)
            .abort_timeout(Duration::from_secs(40)),
    );
    let mut sending = sessions.send_message("a", "hello".into());
    let first = asked(&mut sending).await;
    asked(&mut sending).await;
    asked(&mut sending).await;
    sending.abort();
    let end = within(sending).await.map_err(|error| error.error);
    assert!(matches!(end, Err(TurnError::Aborted)), "{end:?}");
    let handle = sessions.handle("a").expect("it is there");
    assert_eq!(handle.permissions(), []);
    assert!(!handle.answer(first.id, "yes"));
    assert_eq!(said(&sessions, "a").await, "well");
}

/// The agent gives up waiting, and ends its turn.
#[tokio::test]
async fn by_the_end_of_the_turn() {
    let folder = Folder::new();
    let sessions = manager(at_first(&folder, "ask 1; answer over").permissions(AcpPolicy::Ask));
    assert_eq!(said(&sessions, "a").await, "over");
    assert_eq!(sessions.handle("a").expect("it is there").permissions(), []);
    // The answer of before is read as a line that is no request.
    assert_eq!(said(&sessions, "a").await, "well");
}

/// More questions than may be open are refused, and nobody has to answer them.
#[tokio::test]
async fn a_flood_is_bounded() {
    let folder = Folder::new();
    let text = "i=0; while [ $i -lt 66 ]; do ask $i; i=$((i + 1)); done
        c=0; while [ $c -lt 2 ]; do IFS= read -r line; case $line in *'\"optionId\":\"no\"'*) c=$((c + 1)) ;; esac; done
        note refused; while :; do next; done";
    let sessions = manager(at_first(&folder, text).permissions(AcpPolicy::Ask));
    let mut sending = sessions.send_message("a", "hello".into());
    for _ in 0..64 {
        asked(&mut sending).await;
    }
    folder.noted(1).await;
    assert_eq!(
        sessions
            .handle("a")
            .expect("it is there")
            .permissions()
            .len(),
        64
    );
    sending.abort();
    within(sending).await.expect_err("it was aborted");
    assert_eq!(said(&sessions, "a").await, "well");
}

#[tokio::test]
async fn answers_that_are_not_read_do_not_grow() {
    let folder = Folder::new();
    let text = "while :; do ask 1; done";
    let sessions = manager(at_first(&folder, text).stop_grace(Duration::from_millis(100)));
    match agents(send(&sessions, "a", "hello").await) {
        AcpError::Protocol { what, .. } => {
            assert_eq!(what, "it asks, and does not read the answers");
        }
        error => panic!("{error:?}"),
    }
    assert_eq!(said(&sessions, "a").await, "well");
}

/// Questions are kept until somebody answers, so they are bounded in bytes too.
#[tokio::test]
async fn one_that_is_too_long_is_refused() {
    let long = format!("kind=$(head -c 2000000 /dev/zero | tr '\\0' x); {ASKS}");
    let sessions = manager(on_prompt(&long).permissions(AcpPolicy::Ask));
    assert_eq!(said(&sessions, "a").await, "no");
}

/// A handle that is kept lists no question of a process that is gone.
#[tokio::test]
async fn closed_with_its_process() {
    let folder = Folder::new();
    let agent = on_prompt("ask 1; while ! [ -e \"$OUT/go\" ]; do sleep 0.01; done; exit 3");
    let agent = agent.env("OUT", &folder).permissions(AcpPolicy::Ask);
    let sessions = manager(agent);
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = asked(&mut sending).await;
    let handle = sessions.handle("a").expect("it is there");
    std::fs::write(folder.0.join("go"), "").expect("a file can be written");
    let is_closed = |event: &AcpEvent| matches!(event, AcpEvent::PermissionClosed(_));
    let closed = event(&mut sending, is_closed).await;
    assert_eq!(closed, AcpEvent::PermissionClosed(asked.id));
    assert!(within(sending).await.is_err(), "its process has ended");
    assert_eq!(handle.permissions(), []);
    assert!(!handle.answer(asked.id, "yes"));
}
