//! Real agents, driven by the manager. `just acp-tests` gets them first. Every case runs with every agent that can do it.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod aborts;
mod crashes;
mod ends;
mod permissions;
mod resumes;
mod turns;

use acp_tests::{Make, World, within};
use turnwise::{SessionManager, manager::*};
use turnwise_acp::{AcpAgent, AcpError, AcpEvent, AcpPermission, AcpReply};

/// A test of each case for each make.
macro_rules! makes {
    ($($make:ident $name:ident: $($module:ident[$($case:ident)+])+;)+) => {
        $(mod $name {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    crate::$module::$case(acp_tests::Make::$make).await;
                })+
            })+
        })+
    };
}

makes! {
    Claude claude: turns[an_answer two_keys a_model_and_a_mode a_shared_process]
        permissions[granted refused unanswered]
        aborts[before_the_first_byte in_an_answer in_a_question in_a_tool at_once]
        crashes[in_an_answer idle in_a_tool] resumes[after_a_stop_and_a_restart] ends[a_shutdown];
    Codex codex: turns[an_answer two_keys a_model_and_a_mode a_shared_process]
        permissions[granted refused unanswered]
        aborts[before_the_first_byte in_an_answer in_a_question in_a_tool at_once]
        crashes[in_an_answer idle in_a_tool] resumes[after_a_stop_and_a_restart] ends[a_shutdown];
    OpenCode opencode: turns[an_answer two_keys a_model_and_a_mode a_shared_process]
        permissions[granted refused unanswered]
        aborts[before_the_first_byte in_an_answer in_a_question in_a_tool at_once]
        crashes[in_an_answer idle in_a_tool] resumes[after_a_stop_and_a_restart] ends[a_shutdown];
    // pi has no permissions. pi-acp closes the process of every other session when a new one is created.
    Pi pi: turns[an_answer two_keys a_model_and_a_mode]
        aborts[before_the_first_byte in_an_answer in_a_tool at_once]
        crashes[in_an_answer idle in_a_tool] resumes[after_a_stop_and_a_restart] ends[a_shutdown];
    Qwen qwen: turns[an_answer two_keys a_model_and_a_mode a_shared_process]
        permissions[granted refused unanswered]
        aborts[before_the_first_byte in_an_answer in_a_question in_a_tool at_once]
        crashes[in_an_answer idle in_a_tool] resumes[after_a_stop_and_a_restart] ends[a_shutdown];
}

/// What a message comes to.
async fn send(
    sessions: &SessionManager<AcpAgent>,
    key: &str,
    text: &str,
) -> Result<AcpReply, TurnError<AcpError>> {
    let sent = within(sessions.send_message(key, text.into())).await;
    sent.map_err(|SendError { error, .. }| error)
}

/// The text of an answer.
async fn said(sessions: &SessionManager<AcpAgent>, key: &str, text: &str) -> String {
    let reply = send(sessions, key, text).await;
    reply.expect("it is answered").text.trim().to_owned()
}

/// Waits for an event of a message that is under way.
async fn event(sending: &mut Sending<AcpAgent>, is_it: impl Fn(&AcpEvent) -> bool) -> AcpEvent {
    within(async {
        let mut seen = Vec::new();
        loop {
            match sending.next_event().await {
                Some(Update::Event(event)) if is_it(&event) => return event,
                Some(event) => {
                    seen.push(format!("{event:?}").chars().take(300).collect::<String>());
                }
                None => panic!("it ended without that: {seen:?}"),
            }
        }
    })
    .await
}

/// Waits for a word of the answer.
async fn text(sending: &mut Sending<AcpAgent>) {
    event(
        sending,
        |event| matches!(event, AcpEvent::Text(text) if text.contains("one")),
    )
    .await;
}

/// Waits for a question.
async fn asked(sending: &mut Sending<AcpAgent>) -> AcpPermission {
    match event(sending, |event| matches!(event, AcpEvent::Permission(_))).await {
        AcpEvent::Permission(asked) => asked,
        _ => unreachable!("it is one"),
    }
}

/// Answers a question with the first option of this kind.
fn answer(sessions: &SessionManager<AcpAgent>, asked: &AcpPermission, kind: &str) {
    let option = asked.options.iter().find(|option| option.kind == kind);
    let option = option.unwrap_or_else(|| panic!("no {kind} in {:?}", asked.options));
    let handle = sessions.handle("a").expect("it is there");
    assert!(handle.answer(asked.id, &option.id));
}

async fn pid(sessions: &SessionManager<AcpAgent>, key: &str) -> u32 {
    let turn = within(sessions.turn(key)).await.expect("it has one");
    let pid = turn.pid().expect("it runs");
    SessionTurn::done(turn);
    pid
}

/// A turn in the middle of a tool, and the number of the tool's process.
async fn within_a_tool(
    make: Make,
    world: &World,
    sessions: &SessionManager<AcpAgent>,
) -> (Sending<AcpAgent>, u32) {
    let mut sending = sessions.send_message("a", "tool echo $$ > tool; sleep 600".into());
    if make != Make::Pi {
        let asked = asked(&mut sending).await;
        answer(sessions, &asked, "allow_once");
    }
    let tool = within(async {
        loop {
            let text = std::fs::read_to_string(world.path("work/tool")).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) if text.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(acp_tests::runs(tool));
    (sending, tool)
}

/// The turn was aborted, or had ended before that.
fn aborted(end: Result<AcpReply, SendError<turnwise_acp::AcpMessage, AcpError>>) {
    match end.map_err(|error| error.error) {
        Ok(_) | Err(TurnError::Aborted) => {}
        Err(error) => panic!("{error:?}"),
    }
}
