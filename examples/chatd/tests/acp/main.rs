//! The daemon over real agents that speak ACP, as its users see it. They ask stubs of their models' services. `just acp-tests` gets the
//! agents first.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod agent;
#[path = "../chatd/client.rs"]
#[allow(dead_code)] // the other tests use more of it
mod client;
#[path = "../chatd/daemon.rs"]
#[allow(dead_code)]
mod daemon;

use acp_tests::{Make, World};
use agent::start;
use daemon::Daemon;
use serde_json::{Value, json};

/// What chatd calls it.
fn preset(make: Make) -> &'static str {
    match make {
        Make::Claude => "claude",
        Make::Codex => "codex",
        Make::OpenCode => "opencode",
        Make::Pi => "pi-acp",
        Make::Qwen => "qwen",
    }
}

async fn said(daemon: &Daemon, message: &str) -> String {
    let (status, body) = daemon.say("a", message).answer().await;
    assert_eq!(status, 200, "{body}");
    body["reply"].as_str().expect("a text").trim().to_owned()
}

/// A message, a tool that asks for permission, a restart that resumes the conversation, and a new one.
async fn a_conversation(make: Make) {
    let world = World::new(make).await;
    let mut daemon = start(&world, &[preset(make)]).await;
    assert_eq!(said(&daemon, "hello").await, "hello");

    let tool = daemon.say("a", "tool echo told > out; cat out").answer();
    let permits = async {
        let asks = |session: &Value| session["questions"][0].is_object();
        let asked = daemon.until("a", asks).await["questions"][0].clone();
        assert!(!world.path("work/out").exists());
        let path = format!("/sessions/a/questions/{}", asked["id"]);
        let answered = daemon.post(&path, &json!({"yes": true})).answer().await;
        assert_eq!(answered.0, 200, "{}", answered.1);
    };
    let ((status, body), ()) = tokio::join!(tool, permits);
    assert_eq!(status, 200, "{body}");
    assert!(
        body["reply"]
            .as_str()
            .is_some_and(|reply| reply.contains("told")),
        "{body}"
    );

    daemon.types("/quit").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    world.is_empty();
    let mut daemon = start(&world, &[preset(make)]).await;
    assert!(said(&daemon, "recall").await.contains("hello"));
    daemon.types("/quit").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    world.is_empty();
}

#[tokio::test]
async fn with_opencode() {
    a_conversation(Make::OpenCode).await;
}

#[tokio::test]
async fn with_codex() {
    a_conversation(Make::Codex).await;
}

/// An answer, from those that the other tests leave out. A preset is nothing but the command that it stands for.
async fn an_answer(agent: &[&str], make: Make) {
    let world = World::new(make).await;
    let mut daemon = start(&world, agent).await;
    assert_eq!(said(&daemon, "hello").await, "hello");
    daemon.types("/quit").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    world.is_empty();
}

#[tokio::test]
async fn from_the_other_presets() {
    for make in [Make::Claude, Make::Pi, Make::Qwen] {
        an_answer(&[preset(make)], make).await;
    }
}

#[tokio::test]
async fn from_a_program() {
    let opencode = ["acp", "--acp-program", "opencode", "--acp-arg=acp"];
    an_answer(&opencode, Make::OpenCode).await;
}
