//! The daemon over real pi processes, as its users see it; pi asks a stub of the model's service. `just pi-tests` gets pi
//! first.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[path = "../chatd/client.rs"]
#[allow(dead_code)] // the other tests use more of it
mod client;
#[path = "../chatd/daemon.rs"]
#[allow(dead_code)]
mod daemon;

mod conversations;
mod ends;
mod turns;

use daemon::Daemon;
use pi_tests::{World, within};
use serde_json::Value;

/// A daemon in this world, whose limits are those of a busy machine.
async fn start(world: &World, args: &[&str]) -> Daemon {
    let [node, program] = World::program();
    let environment = world.environment();
    let text = |path: &'_ std::path::Path| path.to_str().expect("it is UTF-8").to_owned();
    let (node, program) = (text(&node), text(&program));
    let (sessions, work) = (text(&world.path("sessions")), text(&world.path("work")));
    let pi = [
        ["--agent", "pi"],
        ["--pi-program", &node],
        ["--pi-arg", &program],
        ["--pi-arg", "--no-approve"],
        ["--pi-session-dir", &sessions],
        ["--pi-cwd", &work],
        ["--start-timeout", "150"],
        ["--abort-timeout", "30"],
        ["--stop-timeout", "30"],
    ];
    let environment = environment.map(|(name, value)| (name, text(&value)));
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, &**value));
    Daemon::start_with(&[pi.as_flattened(), args].concat(), &environment).await
}

/// The reply to a message.
async fn said(daemon: &Daemon, key: &str, message: &str) -> String {
    let (status, body) = daemon.say(key, message).answer().await;
    assert_eq!(status, 200, "{body}");
    body["reply"].as_str().expect("a text").to_owned()
}

/// A session whose answer has come so far.
fn has_said(text: &str) -> impl Fn(&Value) -> bool {
    move |session| session["last"]["said"] == text
}

/// The processes of a world but the daemon and its guards: pi, and what its tools run.
fn others(world: &World, daemon: &Daemon) -> Vec<u32> {
    let all = world.processes().into_iter();
    let others = all.filter(|(_, line)| !line.starts_with("turnwise-guard"));
    let others = others.map(|(pid, _)| pid);
    others.filter(|pid| *pid != daemon.id()).collect()
}

/// Waits for the number that a tool writes into a file.
async fn tool(world: &World) -> u32 {
    within(async {
        loop {
            let text = std::fs::read_to_string(world.path("work/tool")).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) if text.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// The command for it.
const TOOL: &str = "tool echo $$ > tool; echo told; sleep 600";
