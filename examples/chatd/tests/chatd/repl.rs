//! `--agent repl`: a shell in Python's place, of which each line arrives.

use crate::{client::refused, daemon::Daemon};

const SHELL: [&str; 6] = [
    "--agent",
    "repl",
    "--repl-command",
    "sh 2>&1",
    "--repl-end",
    "echo {}",
];

#[tokio::test]
async fn each_line_arrives() {
    let daemon = Daemon::start(&SHELL).await;
    let mut events = daemon.say("a", "seq 20000").events().await;
    assert_eq!(events.next().await.expect("an event").0, "started");
    for line in 1..=20_000 {
        let (name, data) = events.next().await.expect("an event");
        assert_eq!(
            (name.as_str(), data["text"].as_str()),
            ("part", Some(&*format!("{line}\n")))
        );
    }
    let (name, data) = events.next().await.expect("an event");
    let reply = data["reply"].as_str().expect("text");
    // The end of the output, as much as a request may have.
    assert!(name == "done" && reply.ends_with("\n19999\n20000\n") && reply.len() <= 64 << 10);
}

#[tokio::test]
async fn a_session_is_a_process() {
    let daemon = Daemon::start(&SHELL).await;
    let reply = async |key, message| {
        let (status, answer) = daemon.say(key, message).answer().await;
        assert_eq!(status, 200, "{answer}");
        answer["reply"].as_str().map(str::to_owned)
    };
    assert_eq!(reply("a", "x=1; echo $x").await.as_deref(), Some("1\n"));
    // A line that is not ended, and a long one.
    assert_eq!(reply("a", "printf abc$x").await.as_deref(), Some("abc1"));
    let long = reply("a", "head -c 300000 /dev/zero | tr '\\0' E").await;
    assert!(
        long.is_some_and(|long| long.len() == 64 << 10 && long.bytes().all(|byte| byte == b'E'))
    );
    assert_eq!(reply("b", "echo [$x]").await.as_deref(), Some("[]\n"));
    // It ends itself, and the next message has a new one.
    let ended = daemon.say("a", "exit").answer().await;
    assert_eq!(refused(&ended), (502, "agent_failed"));
    assert_eq!(reply("a", "echo [$x]").await.as_deref(), Some("[]\n"));
}
