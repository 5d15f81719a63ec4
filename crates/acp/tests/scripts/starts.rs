//! Starts: what is sent, what fails, and what a session resumes.

use super::{Folder, SERVE, at_first, gone, manager, runs, said, script, send, within};
use std::time::Duration;
use turnwise::manager::{TurnError, Update};
use turnwise_acp::{AcpAgent, AcpError, AcpEvent, AcpReply, FileStore};

/// Why a start failed.
fn cause(end: Result<AcpReply, TurnError<AcpError>>) -> String {
    match end {
        Err(TurnError::Start(error)) => error.to_string(),
        end => panic!("not a failed start: {end:?}"),
    }
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let sessions = manager(AcpAgent::builder("/nonexistent/agent"));
    let why = cause(send(&sessions, "a", "hello").await);
    let expected = "the agent failed to start: cannot run /nonexistent/agent: No such file";
    assert!(why.starts_with(expected), "{why}");
}

#[tokio::test]
async fn an_agent_that_ends_at_once_says_why() {
    let sessions = manager(script("echo 'no licence' >&2; exit 3"));
    let why = cause(send(&sessions, "a", "hello").await);
    let expected = "the agent failed to start: the agent ended: exit status: 3; stderr: no licence";
    assert_eq!(why, expected);
}

#[tokio::test]
async fn an_agent_that_does_not_answer_is_ended() {
    let folder = Folder::new();
    let agent = script("note $$; trap '' TERM; while :; do sleep 600; done").env("OUT", &folder);
    let sessions = manager(agent.ready_timeout(Duration::from_millis(500)));
    let why = cause(send(&sessions, "a", "hello").await);
    assert_eq!(why, "the session was not ready within 500ms");
    assert!(
        !runs(&folder.notes()[0]),
        "it is gone before the start has failed"
    );
}

#[tokio::test]
async fn a_start_that_is_cut_short_leaves_nothing() {
    let folder = Folder::new();
    let agent = script("note $$; trap '' TERM; while :; do sleep 600; done").env("OUT", &folder);
    let sessions = manager(agent.ready_timeout(Duration::from_secs(600)));
    let sending = sessions.send_message("a", "hello".into());
    let pid = folder.noted(1).await.remove(0);
    sending.abort();
    let end = within(sending).await.map_err(|error| error.error);
    assert!(matches!(end, Err(TurnError::Aborted)), "{end:?}");
    gone(pid).await;
    within(sessions.shutdown(Duration::ZERO)).await;
}

#[tokio::test]
async fn another_version_of_the_protocol() {
    let sessions = manager(script(&format!(
        "initialize() {{ respond '{{\"protocolVersion\":2}}'; }}\n{SERVE}"
    )));
    let why = cause(send(&sessions, "a", "hello").await);
    let expected = "the agent failed to start: the agent speaks version 2 of ACP, not 1";
    assert_eq!(why, expected);
}

#[tokio::test]
async fn a_session_that_is_refused() {
    let text = format!("create() {{ fail -32603 'no room'; }}\n{SERVE}");
    let why = cause(send(&manager(script(&text)), "a", "hello").await);
    assert_eq!(why, "the agent refused session/new: no room (-32603)");

    let text = format!(
        "initialize() {{ respond '{{\"protocolVersion\":1,\"authMethods\":[{{\"id\":\"key\"}},{{}}]}}'; }}
        create() {{ fail -32000 'Authentication required'; }}\n{SERVE}"
    );
    let why = cause(send(&manager(script(&text)), "a", "hello").await);
    assert_eq!(
        why,
        "the agent wants an account: Authentication required (key)"
    );
}

/// Logs in before the session, and sets mode and model after it.
#[tokio::test]
async fn what_is_set_is_sent_in_its_order() {
    let folder = Folder::new();
    let text = format!(
        r#"handle() {{
            m=${{line##*\"method\":\"}}; note "${{m%%\"*}}"
            case $line in
                *initialize*) initialize ;;
                *session/new*) respond '{{"sessionId":"s","modes":{{"currentModeId":"ask","availableModes":[{{"id":"ask","name":"Ask"}},{{"id":"code"}}]}},"configOptions":[{{"id":"m","category":"model","currentValue":"small","options":[{{"name":"All","options":[{{"value":"small","name":"Small"}},{{"value":"big","name":"Big"}}]}}]}}]}}' ;;
                *session/prompt*) p=$n; answer ok ;;
                *'"methodId":"key"'* | *'"modeId":"code"'* | *'"configId":"m"'*'"value":"big"'*) respond '{{}}' ;;
                *) fail -32602 "$m" ;;
            esac
        }}
        {SERVE}"#
    );
    let agent = script(&text).env("OUT", &folder).auth_method("key");
    let sessions = manager(agent.mode("code").model("big"));
    assert_eq!(said(&sessions, "a").await, "ok");
    let expected = [
        "initialize",
        "authenticate",
        "session/new",
        "session/set_mode",
        "session/set_config_option",
        "session/prompt",
    ];
    assert_eq!(folder.notes(), expected);
    let turn = within(sessions.turn("a")).await.expect("it has one");
    let names = |choices: Vec<turnwise_acp::AcpChoice>| {
        let names = choices
            .into_iter()
            .map(|it| format!("{}={}", it.id, it.name) + if it.current { "!" } else { "" });
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(turn.modes()), ["ask=Ask!", "code=code"]);
    assert_eq!(names(turn.models()), ["small=Small!", "big=Big"]);
    assert_eq!((turn.id(), turn.resumed()), ("s", false));
}

/// An agent with a memory: its sessions are files.
fn remembers(folder: &Folder, can: &str) -> turnwise_acp::AcpBuilder {
    let text = format!(
        r#"can='{can}'
        handle() {{
            case $line in
                *initialize*) initialize ;;
                *session/new*) note new; create; echo > "$OUT/$sid" ;;
                *session/load* | *session/resume*)
                    m=${{line#*\"method\":\"}}; note "${{m%%\"*}}"
                    text 'an old text'
                    if [ -e "$OUT/$sid" ]; then respond '{{}}'; else fail -32002 "not found"; fi ;;
                *session/prompt*) p=$n; answer "$(cat "$OUT/$sid")$sid"; echo told > "$OUT/$sid" ;;
            esac
        }}
        {SERVE}"#
    );
    script(&text).env("OUT", folder)
}

#[tokio::test]
async fn a_conversation_is_resumed() {
    let resume = r#""loadSession":true,"sessionCapabilities":{"resume":{}}"#;
    for (can, method) in [
        (resume, "session/resume"),
        (r#""loadSession":true"#, "session/load"),
    ] {
        let folder = Folder::new();
        let store = || FileStore::open(folder.0.join("ids")).expect("it can be read");
        let sessions = manager(remembers(&folder, can).store(store()));
        let first = said(&sessions, "a").await;
        assert!(within(sessions.stop("a")).await.expect("in good order"));
        let mut heard = sessions.listen("a");
        let sending = sessions.send_message("a", "hello".into());
        let reply = within(sending).await.expect("it is answered");
        assert_eq!(reply.text, format!("told{first}"), "{method}");
        match within(heard.next()).await {
            Some(Update::Event(AcpEvent::Text(text))) => {
                assert_eq!(text, reply.text, "the replay is no event");
            }
            other => panic!("{other:?}"),
        }
        within(sessions.shutdown(Duration::from_secs(30))).await;

        // So it does by another program.
        let sessions = manager(remembers(&folder, can).store(store()));
        assert_eq!(said(&sessions, "a").await, format!("told{first}"));
        let other = said(&sessions, "b").await;
        assert!(!other.contains("told"), "another key: {other}");
        assert_eq!(folder.notes(), ["new", method, method, "new"]);
    }
}

#[tokio::test]
async fn a_conversation_that_is_lost_is_reported() {
    for can in [r#""loadSession":true"#, r#""loadSession":false"#] {
        let folder = Folder::new();
        let sessions = manager(remembers(&folder, can));
        let first = said(&sessions, "a").await;
        assert!(within(sessions.stop("a")).await.expect("in good order"));
        std::fs::remove_file(folder.0.join(&first)).expect("it was written");
        let mut heard = sessions.listen("a");
        let second = said(&sessions, "a").await;
        assert_ne!(second, first);
        match within(heard.next()).await {
            Some(Update::Event(AcpEvent::NotResumed { id, error })) => {
                let expected = if can.contains("true") {
                    "not found"
                } else {
                    ""
                };
                assert_eq!((id, &*error), (first, expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_store_that_fails() {
    let folder = Folder::new();
    let store = FileStore::open(folder.0.join("ids")).expect("it is not there");
    let path = folder.0.clone();
    let agent = at_first(&folder, "answer first").store(store);
    drop(folder); // the script only writes there
    assert!(!path.exists());
    let sessions = manager(agent);
    let why = cause(send(&sessions, "a", "hello").await);
    assert!(
        why.starts_with("the store of sessions failed: No such file"),
        "{why}"
    );
    assert!(FileStore::open("/proc/self/mem").is_err());
}

#[tokio::test]
async fn two_hundred_events_right_after_the_start() {
    // The agent reports without being asked, before anybody can have a turn.
    let text = format!(
        "create() {{ sid=s; respond '{{\"sessionId\":\"s\"}}'; i=0; while [ $i -lt 200 ]; do text $i; i=$((i + 1)); done; }}
        on() {{ answer ok; }}\n{SERVE}"
    );
    let sessions = manager(script(&text));
    let mut heard = sessions.listen("a");
    assert!(said(&sessions, "a").await.ends_with("ok"));
    let mut texts = Vec::new();
    while texts.last().map(String::as_str) != Some("ok") {
        match within(heard.next()).await {
            Some(Update::Event(AcpEvent::Text(text))) => texts.push(text),
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<String> = (0..200)
        .map(|it| it.to_string())
        .chain(["ok".to_owned()])
        .collect();
    assert_eq!(texts, expected, "all, once, in their order");
}

#[tokio::test]
async fn a_folder_for_each_key() {
    let folder = Folder::new();
    let text = format!(
        "create() {{ case $line in */keys/a*) sid=s; respond '{{\"sessionId\":\"s\"}}' ;; *) fail 1 elsewhere ;; esac; }}\non() {{ answer ok; }}\n{SERVE}"
    );
    let agent = script(&text).env("OUT", &folder);
    let sessions = manager(agent.session_dir(|key| format!("/keys/{key}").into()));
    assert_eq!(said(&sessions, "a").await, "ok");
    let why = cause(send(&sessions, "b", "hello").await);
    assert!(why.contains("refused session/new"), "{why}");
}
