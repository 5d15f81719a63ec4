//! Nodes that end, die, stop and lose etcd.

use crate::{client::*, nodes::*};
use processes::{runs, within};
use serde_json::{Value, json};
use std::time::Instant;

/// Of a node that is dead, others have the sessions after so many seconds.
const TTL: &str = "4";

/// With a lease that never ends in a test: only a release lets others have the session.
#[tokio::test]
async fn a_node_that_ends_hands_its_sessions_over() {
    let mut nodes = Nodes::start(2, "600", &[]).await;
    for key in ["a", "b", "c"] {
        assert_eq!(nodes.said(0, key, "hello").await, "(1) hello");
    }
    let held = nodes[1].say("c", "!hold").later();
    nodes[0].until("c", busy(0)).await;
    let ends = nodes.take(0);
    ends.signal("TERM").await;
    // One is still in a turn. The others do not wait for that.
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    assert_eq!(nodes.said(0, "b", "hello").await, "(1) hello");
    let next = nodes[0].say("c", "hello").later();
    ends.signal("TERM").await;
    let refusal = held.await.expect("an answer");
    assert_eq!(refused(&refusal).0, 409, "{refusal:?}");
    assert_eq!(next.await.expect("an answer").1["reply"], "(1) hello");
    assert_eq!(ends.ends().await.0, Some(0));
    let (_, all) = nodes[0].get("/sessions").answer().await;
    assert_eq!(all["unreachable"], json!([]), "it has left");
    assert_eq!(all["sessions"].as_array().map(Vec::len), Some(3));
}

/// What other nodes do for its clients is under way like its own turns.
#[tokio::test]
async fn a_node_that_ends_has_messages_at_another() {
    let mut nodes = Nodes::start(3, "600", &["--drain", "600"]).await;
    for (key, at) in [("a", 1), ("b", 2)] {
        assert_eq!(nodes.said(0, key, "hello").await, "(1) hello");
        let mut events = nodes[1].say(key, "!hold").events().await;
        assert_eq!(events.next().await.expect("it begins").0, "started");
        let whole = nodes[1].say(key, "waits in its queue").later();
        nodes[0].until(key, busy(1)).await;
        let ends = nodes.take(1);
        ends.signal("TERM").await;
        let closing = async || ends.get("/health").answer().await.1["status"] == "closing";
        within(async { while !closing().await {} }).await;
        let (end, reply) = match at {
            1 => {
                let abort = format!("/sessions/{key}/abort");
                assert_eq!(nodes[0].ask("POST", &abort).answer().await.0, 200);
                ("aborted", 200)
            }
            // Once more: at once.
            _ => {
                ends.signal("TERM").await;
                ("owner_lost", 502)
            }
        };
        let (name, data) = events.next().await.expect("it ends");
        assert_eq!((&*name, &data["error"]), ("failed", &json!(end)));
        assert_eq!(whole.await.expect("an answer").0, reply);
        drop(events);
        assert_eq!(ends.ends().await.0, Some(0));
    }
}

#[tokio::test]
async fn an_owner_that_is_killed_while_it_answers() {
    let mut nodes = Nodes::start(3, TTL, &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    let mut events = nodes[1].say("a", "!hold").events().await;
    assert_eq!(events.next().await.expect("it begins").0, "started");
    let whole = nodes[2].say("a", "waits in its queue").later();
    nodes[0].until("a", busy(1)).await;
    let owner = nodes.take(0);
    let begin = Instant::now();
    owner.signal("KILL").await;
    let (name, data) = events.next().await.expect("it ends");
    assert_eq!((&*name, &data["error"]), ("failed", &json!("owner_lost")));
    assert_eq!(events.next().await, None);
    let heard = begin.elapsed();
    // It may have been delivered.
    assert_eq!(
        refused(&whole.await.expect("an answer")),
        (502, "owner_lost")
    );
    assert_eq!(nodes.said(1, "a", "next").await, "(1) next");
    let answered = begin.elapsed();
    println!(
        "TTL {TTL} s: owner_lost {heard:?} after SIGKILL, the next message answered {answered:?} after it"
    );
}

/// Its connections stay open.
#[tokio::test]
async fn an_owner_that_is_stopped_while_it_answers() {
    let nodes = Nodes::start(3, TTL, &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    let mut events = nodes[1].say("a", "!hold").events().await;
    assert_eq!(events.next().await.expect("it begins").0, "started");
    let mut listener = nodes[2].get("/sessions/a/events").events().await;
    let whole = nodes[2].say("a", "waits in its queue").later();
    nodes[0].until("a", busy(1)).await;
    let begin = Instant::now();
    nodes.stop(0).await;
    // It has a record, until its lease ends.
    let (_, all) = nodes[1].get("/sessions").answer().await;
    assert_eq!(all["unreachable"], json!([nodes.name(0)]));
    let (name, data) = events.next().await.expect("it ends");
    assert_eq!((&*name, &data["error"]), ("failed", &json!("owner_lost")));
    println!(
        "TTL {TTL} s: owner_lost {:?} after SIGSTOP",
        begin.elapsed()
    );
    assert_eq!(
        refused(&whole.await.expect("an answer")),
        (502, "owner_lost")
    );
    assert_eq!(
        listener.next().await,
        None,
        "it may come back, and listen where the session is"
    );
    assert_eq!(nodes.said(1, "a", "next").await, "(1) next");
    nodes[0].signal("CONT").await;
    // It has noticed, and asks the others.
    assert_eq!(nodes.said(0, "a", "and on").await, "(2) and on");
    let of_another = |session: &Value| session["node"] == nodes.name(1);
    nodes[0].until("a", of_another).await;
}

/// Its connections stay open here, too. It is named before its term is over, with the term that nodes have by default.
#[tokio::test]
async fn a_node_that_is_stopped_is_named_on_the_feed() {
    let nodes = Nodes::start(2, "10", &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    let mut feed = nodes[1].feed().await;
    feed.until("a", |session| !session.is_null()).await;
    let begin = Instant::now();
    nodes.stop(0).await;
    loop {
        let (_, shown) = feed.next().await.expect("it goes on");
        if shown["unreachable"] == json!([nodes.name(0)]) {
            break assert_eq!(shown["sessions"], json!([]));
        }
    }
    println!("on the feed {:?} after SIGSTOP", begin.elapsed());
}

/// Sessions that are processes end with the term of their node, before another node starts them.
#[tokio::test]
async fn the_processes_of_a_stopped_owner_are_gone() {
    let nodes = Nodes::start(2, TTL, &SHELL).await;
    let first = nodes.said(0, "a", "echo $$").await.trim().to_owned();
    assert!(runs(&first));
    nodes.stop(0).await;
    // One that is dead may wait to be reaped.
    let ask = format!("grep -sq 'State:.[^ZX]' /proc/{first}/status && echo runs; echo $$");
    let second = nodes.said(1, "a", &ask).await.trim().to_owned();
    assert!(second.parse::<u32>().is_ok(), "{second}");
    assert!(second != first && !runs(&first));
    nodes[0].signal("CONT").await;
    assert_eq!(nodes.said(0, "a", "echo $$").await.trim(), second);
}

#[tokio::test]
async fn etcd_is_away_for_a_while() {
    let mut nodes = Nodes::start(2, TTL, &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    assert_eq!(nodes.metric(0, "chatd_cluster_lease").await, 1);
    nodes.etcd.kill(0);
    // What is here needs no etcd.
    assert_eq!(nodes.said(0, "a", "hello").await, "(2) hello");
    let health = nodes[0].get("/health").answer().await;
    assert_eq!(health, (200, json!({ "status": "ok" })));
    let impatient = json!({ "message": "x", "wait": false });
    let impatient = || nodes[0].post("/sessions/new/messages", &impatient);
    assert_eq!(refused(&impatient().answer().await), (503, "unavailable"));
    let again = impatient().response().await;
    assert!(again.headers().contains_key("retry-after"));
    let refusal = nodes[1].get("/sessions/a").answer().await;
    assert_eq!(refused(&refusal), (503, "unavailable"));
    // Until the term is over.
    nodes[0].until("a", |session| session.is_null()).await;
    // It refuses every message, so a load balancer has to leave it out.
    let (status, health) = nodes[0].get("/health").answer().await;
    assert_eq!((status, &health["status"]), (503, &json!("no_lease")));
    assert!(health["trouble"].is_string(), "{health}");
    assert_eq!(nodes.metric(0, "chatd_cluster_lease").await, 0);
    assert_eq!(refused(&impatient().answer().await), (503, "unavailable"));
    // Nobody knows which other nodes there are.
    let mut feed = nodes[0].feed().await;
    while feed.next().await.expect("it goes on").1["unreachable"] != json!(["etcd"]) {}
    drop(feed);
    nodes.etcd.restart(0);
    nodes.etcd.answer().await;
    within(async {
        loop {
            let (status, answer) = nodes[1].say("a", "anew").answer().await;
            match status {
                200 => break assert_eq!(answer["reply"], "(1) anew"),
                _ => assert_eq!((status, &answer["error"]), (503, &json!("unavailable"))),
            }
        }
    })
    .await;
    assert_eq!(nodes.said(0, "a", "and on").await, "(2) and on");
    let well = async || nodes[0].get("/health").answer().await == (200, json!({ "status": "ok" }));
    within(async { while !well().await {} }).await;
    assert_eq!(nodes.metric(0, "chatd_cluster_lease").await, 1);
}
