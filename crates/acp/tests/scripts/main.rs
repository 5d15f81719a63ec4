//! What becomes of an agent that misbehaves: shell scripts in its place, so that it can be had on demand, and without npm.
//!
//! Each script speaks as much of the protocol as it needs. What real agents do is tested by `just acp-tests`.
#![cfg(target_os = "linux")]

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod ends;
mod permissions;
mod share;
mod starts;
mod stores;
mod turns;
mod unasked;

use processes::{Folder, gone, kill, runs, within};
use std::time::Duration;
use turnwise::{SessionManager, manager::*};
use turnwise_acp::{AcpAgent, AcpBuilder, AcpError, AcpEvent, AcpReply};

/// The words of the scripts. `take` reads a line; `n` is the id of its request, `sid` the id of its session. `handle` answers it, and does
/// what `on` says about a prompt, whose id is `p`. `note` writes a word into the file of the test.
const PRELUDE: &str = r#"
can='"loadSession":false'; count=0
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
respond() { say "\"id\":$n,\"result\":$1"; }
fail() { say "\"id\":$n,\"error\":{\"code\":$1,\"message\":\"$2\"}"; }
update() { say "\"method\":\"session/update\",\"params\":{\"sessionId\":\"$sid\",\"update\":{\"sessionUpdate\":$1}}"; }
text() { update "\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$1\"}"; }
ended() { n=$p; respond "{\"stopReason\":\"${1:-end_turn}\"}"; }
answer() { text "$1"; ended "$2"; }
options='[{"optionId":"yes","name":"Yes","kind":"allow_once"},{"optionId":"no","name":"No","kind":"reject_once"}]'
ask() { say "\"id\":\"q$1\",\"method\":\"session/request_permission\",\"params\":{\"sessionId\":\"$sid\",\"toolCall\":{\"toolCallId\":\"t\",\"title\":\"rm\",\"kind\":\"${2:-execute}\"},\"options\":${3:-$options}}"; }
note() { echo "$1" >> "$OUT/notes"; }
initialize() { respond "{\"protocolVersion\":1,\"agentCapabilities\":{$can}}"; }
create() { count=$((count + 1)); sid=s$$-$count; respond "{\"sessionId\":\"$sid\"}"; }
take() {
    IFS= read -r line || exit 0
    n=${line#*\"id\":}; n=${n%%,*}
    case $line in *'"sessionId":"'*) sid=${line##*\"sessionId\":\"}; sid=${sid%%\"*} ;; esac
}
handle() {
    case $line in
        *'"method":"initialize"'*) initialize ;;
        *'"method":"session/new"'*) create ;;
        *'"method":"session/prompt"'*) p=$n; on ;;
        *'"method":"session/cancel"'*) cancel ;;
        *'"id":'*'"method":'*) respond '{}' ;;
    esac
}
next() { take; handle; }
cancel() { ended cancelled; }
"#;

/// Serves until its input ends.
const SERVE: &str = "while :; do next; done";

/// An agent that is this script; it begins with the words above.
fn script(text: &str) -> AcpBuilder {
    let text = format!("{PRELUDE}\n{text}");
    AcpAgent::builder("sh").args(["-c", &text, "agent"])
}

/// One that serves, and does this on a prompt.
fn on_prompt(text: &str) -> AcpBuilder {
    script(&format!("on() {{ {text}\n}}\n{SERVE}"))
}

/// Does this on the first prompt of all, and answers the others.
fn at_first(folder: &Folder, text: &str) -> AcpBuilder {
    let once = format!("if mkdir \"$OUT/once\" 2>/dev/null; then {text}; else answer well; fi");
    on_prompt(&once).env("OUT", folder)
}

fn manager(agent: AcpBuilder) -> SessionManager<AcpAgent> {
    manager_with(agent, Timeouts::default().start(Duration::from_secs(60)))
}

fn manager_with(agent: AcpBuilder, timeouts: Timeouts) -> SessionManager<AcpAgent> {
    let builder = SessionManager::builder(agent.build()).timeouts(timeouts);
    builder.build().expect("a runtime is there")
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
async fn said(sessions: &SessionManager<AcpAgent>, key: &str) -> String {
    let reply = send(sessions, key, "hello").await;
    reply.expect("it is answered").text
}

/// The agent's error of a turn.
fn agents<T: std::fmt::Debug>(end: Result<T, TurnError<AcpError>>) -> AcpError {
    match end {
        Err(TurnError::Agent(error)) => error,
        end => panic!("not the agent's error: {end:?}"),
    }
}

/// Waits for an event of a message that is under way.
async fn event(sending: &mut Sending<AcpAgent>, is_it: impl Fn(&AcpEvent) -> bool) -> AcpEvent {
    within(async {
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

async fn pid(sessions: &SessionManager<AcpAgent>, key: &str) -> u32 {
    let turn = within(sessions.turn(key)).await.expect("it has one");
    let pid = turn.pid().expect("it runs");
    SessionTurn::done(turn);
    pid
}
