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
mod real;
mod turns;

use daemon::Daemon;
use pi_tests::World;
use serde_json::Value;

/// A daemon in this world.
async fn start(world: &World, args: &[&str]) -> Daemon {
    let (pi, environment) = (real::arguments(world), real::environment(world));
    let pi: Vec<&str> = pi.iter().map(String::as_str).collect();
    let environment = environment.iter().map(|(name, value)| (*name, &**value));
    let environment: Vec<_> = environment.collect();
    Daemon::start_with(&[&pi, args].concat(), &environment).await
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

/// The command that writes the number of its process into a file.
const TOOL: &str = "tool echo $$ > tool; echo told; sleep 600";
