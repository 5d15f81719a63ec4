//! One line for both interfaces; who looks, and who asks another session, does not wait for a turn.

use crate::{client::*, has_said, said, start};
use pi_tests::{World, within};
use serde_json::json;

#[tokio::test]
async fn both_interfaces_stand_in_one_line() {
    let world = World::new().await;
    let mut daemon = start(&world, &[]).await;
    daemon.types("begin").await;
    daemon.until("main", has_said("one two three ")).await;
    let second = daemon.say("main", "from afar").later();
    daemon.until("main", busy(1)).await;
    daemon.types("from here").await;
    daemon.until("main", busy(2)).await;
    let fourth = daemon.say("main", "recall").later();
    let session = daemon.until("main", busy(3)).await;

    let turn = json!({ "turn": session["turn"] });
    let aborted = daemon.post("/sessions/main/abort", &turn).answer().await;
    assert_eq!(aborted.0, 200);
    daemon.sees("[main] (the turn was cancelled)").await;
    assert_eq!(second.await.expect("an answer").1["reply"], "from afar");
    daemon.sees("[main] from here").await;
    let fourth = fourth.await.expect("an answer").1;
    assert_eq!(fourth["reply"], "begin\nfrom afar\nfrom here");
}

#[tokio::test]
async fn nobody_else_waits_for_a_turn_that_hangs() {
    let world = World::new().await;
    let mut daemon = start(&world, &["--session", "other"]).await;
    let hangs = daemon.say("a", "hang").later();
    within(world.stub.hears("hang")).await;

    let (status, session) = daemon.get("/sessions/a").answer().await;
    assert_eq!((status, &session["phase"]), (200, &json!("busy")));
    let (_, all) = daemon.get("/sessions").answer().await;
    assert_eq!(all[0]["turn"], session["turn"]);
    daemon.types("/status").await;
    daemon.sees("a: busy for").await;
    let now = json!({ "message": "now", "wait": false });
    let now = daemon.post("/sessions/a/messages", &now).answer().await;
    assert_eq!(refused(&now), (409, "busy"));
    // Another session answers on both interfaces.
    assert_eq!(said(&daemon, "b", "hello").await, "hello");
    daemon.types("hello there").await;
    daemon.sees("[other] hello there").await;

    let (_, still) = daemon.get("/sessions/a").answer().await;
    assert_eq!(still["turn"], session["turn"], "it hangs on");
    let aborted = daemon.ask("POST", "/sessions/a/abort").answer().await;
    assert_eq!(aborted.0, 200);
    let hangs = hangs.await.expect("an answer");
    assert_eq!(refused(&hangs), (409, "aborted"));
}

#[tokio::test]
async fn an_abort_ends_a_stream_and_not_its_session() {
    let world = World::new().await;
    let daemon = start(&world, &[]).await;
    let mut stream = daemon.say("a", "begin").events().await;
    let (name, started) = stream.next().await.expect("an event");
    assert_eq!(name, "started");
    for text in ["one ", "two ", "three "] {
        let part = stream.next().await.expect("an event");
        assert_eq!(part, ("part".to_owned(), json!({ "text": text })));
    }
    let aborted = daemon.post("/sessions/a/abort", &started).answer().await;
    assert_eq!(aborted.0, 200);
    let (name, failed) = stream.next().await.expect("an event");
    assert_eq!((&*name, &failed["error"]), ("failed", &json!("aborted")));
    assert!(stream.next().await.is_none());

    let before = daemon.get("/sessions/a").answer().await.1;
    assert_eq!(said(&daemon, "a", "next").await, "next");
    let after = daemon.get("/sessions/a").answer().await.1;
    assert_eq!(before["incarnation"], after["incarnation"], "pi is well");
    assert_eq!(said(&daemon, "a", "recall").await, "begin\nnext");
}

/// Who goes away takes the message along.
#[tokio::test]
async fn a_client_that_goes_away_cancels_its_message() {
    let world = World::new().await;
    let daemon = start(&world, &[]).await;
    let hangs = daemon.say("a", "hang").later();
    within(world.stub.hears("hang")).await;
    hangs.abort();
    assert_eq!(said(&daemon, "a", "next").await, "next");
}

/// A question of a real extension, asked before a tool runs.
#[tokio::test]
async fn a_tool_runs_when_it_is_allowed() {
    let world = World::new().await;
    let extension = world.path("work/asks.js");
    let asks = r#"export default (pi) => pi.on("tool_call", async (event, ctx) => {
        const choice = await ctx.ui.select(`Run ${event.input.command}?`, ["Allow", "Deny"]);
        if (choice !== "Allow") return { block: true, reason: `answered ${choice}` };
    });"#;
    std::fs::write(&extension, asks).expect("the folder is there");
    let extension = extension.to_str().expect("it is UTF-8");
    let mut daemon = start(&world, &["--pi-arg=-e", "--pi-arg", extension]).await;

    let tool = daemon.say("a", "tool echo done").later();
    let asks = |session: &serde_json::Value| session["questions"][0].is_object();
    let asked = daemon.until("a", asks).await["questions"][0].clone();
    assert_eq!(asked["title"], "Run echo done?");
    let path = format!("/sessions/a/questions/{}", asked["id"]);
    let allow = json!({ "answer": "Allow" });
    assert_eq!(daemon.post(&path, &allow).answer().await.0, 200);
    let reply = tool.await.expect("an answer").1;
    assert_eq!(reply["reply"].as_str().map(str::trim), Some("done"));

    daemon.types("/use a").await;
    daemon.types("tool echo again").await;
    let line = daemon.sees("[a] (question ").await;
    let number = line.split(['(', ':', ' ']).nth(3).expect("a number");
    daemon.types(&format!("/answer {number} Deny")).await;
    daemon.sees("answered Deny").await;
}
