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

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
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

/// It ends, or the test fails instead of hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    let ended = tokio::time::timeout(limit, future).await;
    ended.expect("it hangs")
}

/// Is there a process of this number that runs? One that is dead and not reaped does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

async fn gone(pid: &str) {
    within(async {
        while runs(pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A folder of its own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnwise-scripts-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The words of a file that a script writes.
    fn words(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.join(name)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in the system's temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}
