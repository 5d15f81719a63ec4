//! Real pi processes, driven by the manager. `just pi-tests` gets pi first.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod aborts;
mod crashes;
mod ends;
mod failures;
mod questions;
mod resumes;
mod turns;
mod unasked;

use pi_tests::World;
use std::fs;
use turnwise::{SessionManager, manager::*};
use turnwise_pi::{PiAgent, PiError, PiEvent, PiReply};

/// A message, and what it comes to.
async fn send(
    sessions: &SessionManager<PiAgent>,
    key: &str,
    text: &str,
) -> Result<PiReply, TurnError<PiError>> {
    let sent = pi_tests::within(sessions.send_message(key, text.into())).await;
    sent.map_err(|SendError { error, .. }| error)
}

/// The text of an answer.
async fn said(sessions: &SessionManager<PiAgent>, key: &str, text: &str) -> String {
    let reply = send(sessions, key, text).await;
    reply.expect("it is answered").text
}

/// Waits for an event of a message that is under way.
async fn event(sending: &mut Sending<PiAgent>, is_it: impl Fn(&PiEvent) -> bool) -> PiEvent {
    pi_tests::within(async {
        loop {
            match sending.next_event().await {
                Some(Update::Event(event)) if is_it(&event) => return event,
                Some(_) => {}
                None => panic!("it ended without that"),
            }
        }
    })
    .await
}

/// The number of a session's process.
async fn pid(sessions: &SessionManager<PiAgent>, key: &str) -> u32 {
    let turn = pi_tests::within(sessions.turn(key)).await;
    let turn = turn.expect("it has one");
    let pid = turn.pid();
    SessionTurn::done(turn);
    pid
}

/// A turn in the middle of a tool, and the number of the tool's process.
async fn within_a_tool(
    world: &World,
    sessions: &SessionManager<PiAgent>,
) -> (Sending<PiAgent>, u32) {
    let mut sending =
        sessions.send_message("a", "tool echo $$ > tool; echo told; sleep 600".into());
    event(&mut sending, |event| {
        matches!(event, PiEvent::ToolStarted { .. })
    })
    .await;
    let tool = pi_tests::within(tool(world)).await;
    assert!(pi_tests::runs(tool));
    (sending, tool)
}

/// The number that a tool writes into a file, when it has.
async fn tool(world: &World) -> u32 {
    loop {
        let text = fs::read_to_string(world.path("work/tool")).unwrap_or_default();
        match text.trim().parse() {
            Ok(pid) if text.ends_with('\n') => return pid,
            _ => tokio::task::yield_now().await,
        }
    }
}
