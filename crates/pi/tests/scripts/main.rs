//! What becomes of a pi that misbehaves: shell scripts in its place, so that it can be had on demand, and without npm.
//!
//! Each script speaks as much of the protocol as it needs. What the real pi does is tested by `just pi-tests`.
#![cfg(target_os = "linux")]

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod ends;
mod questions;
mod starts;
mod turns;
mod unasked;

use processes::{Folder, gone, runs, within};
use std::time::Duration;
use turnwise::{SessionManager, manager::*};
use turnwise_pi::{PiAgent, PiBuilder, PiError, PiReply};

/// Answers the look whether it is there, and then does what `on` says about a prompt; `$n` is the number of the command.
///
/// In a script, `say KIND REST` writes a record, `accept` the response to a prompt, and `answer TEXT` all that follows it. `next`
/// takes a command and handles it.
const PRELUDE: &str = r#"
while [ $# -gt 0 ]; do [ "$1" = --session-id ] && id=$2; shift; done
say() { printf '{"type":"%s"%s}\n' "$1" "$2"; }
respond() { say response ",\"id\":\"$n\",\"success\":true,\"data\":$1"; }
accept() { respond '{"disposition":"started"}'; say agent_start; }
said() { say message_end ",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"$1\"}],\"stopReason\":\"${2:-stop}\"}"; }
answer() { accept; said "$1" "$2"; say agent_settled; }
next() { take; handle; }
take() { IFS= read -r line || exit 0; n=${line##*\"id\":\"}; n=${n%%\"*}; }
handle() {
    case $line in
        *'"type":"get_state"'*) respond "{\"sessionId\":\"$id\"}" ;;
        *'"type":"prompt"'*) on ;;
        *) respond null ;;
    esac
}
"#;

/// Serves until its input ends.
const SERVE: &str = "while :; do next; done";

/// An agent whose pi is this script; it begins with the words above.
fn script(text: &str) -> PiBuilder {
    let text = format!("{PRELUDE}\n{text}");
    PiAgent::builder().program("sh").args(["-c", &text, "pi"])
}

/// One that serves, and does this on a prompt.
fn on_prompt(text: &str) -> PiBuilder {
    script(&format!("on() {{ {text}\n}}\n{SERVE}"))
}

fn manager(pi: PiBuilder) -> SessionManager<PiAgent> {
    manager_with(pi, Timeouts::default().start(Duration::from_secs(60)))
}

fn manager_with(pi: PiBuilder, timeouts: Timeouts) -> SessionManager<PiAgent> {
    let builder = SessionManager::builder(pi.build()).timeouts(timeouts);
    builder.build().expect("a runtime is there")
}

/// What a message comes to.
async fn send(
    sessions: &SessionManager<PiAgent>,
    text: &str,
) -> Result<PiReply, TurnError<PiError>> {
    let sent = sessions.send_message("a", text.into()).await;
    sent.map_err(|SendError { error, .. }| error)
}
