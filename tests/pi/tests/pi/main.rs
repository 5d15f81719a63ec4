//! Real pi processes, driven by the manager. `just pi-tests` gets pi first.

mod aborts;
mod crashes;
mod dialogs;
mod ends;
mod failures;
mod resumes;
mod turns;

use turnwise::pi::{PiAgent, PiError, PiEvent, PiReply};
use turnwise::{Missable, SendError, Sending, SessionManager, TurnError};

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
                Some(Missable::Event(event)) if is_it(&event) => return event,
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
    turn.expect("it has one").pid().expect("it runs")
}
