//! Any node answers for any session.

use crate::{client::*, nodes::*};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

#[tokio::test]
async fn each_route_goes_to_the_owner() {
    let nodes = Nodes::start(3, "60", &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    assert_eq!(nodes.said(1, "a", "again").await, "(2) again");
    let detached = json!({ "message": "later", "detach": true });
    let (status, taken) = nodes[2]
        .post("/sessions/a/messages", &detached)
        .answer()
        .await;
    assert_eq!((status, &taken["key"]), (202, &json!("a")));
    assert!(taken["turn"].is_u64(), "{taken}");
    assert_eq!(nodes.said(2, "a", "third").await, "(4) third");
    // The same with a session that begins by it.
    let (status, taken) = nodes[2]
        .post("/sessions/b/messages", &detached)
        .answer()
        .await;
    assert_eq!((status, &taken["key"]), (202, &json!("b")));
    assert_eq!(nodes.said(0, "b", "second").await, "(2) second");

    let look = async |at: usize, path| nodes[at].get(path).answer().await;
    for at in 0..3 {
        let (status, session) = look(at, "/sessions/a").await;
        assert_eq!((status, nodes.holder(&session)), (200, 0));
        let (_, all) = look(at, "/sessions").await;
        assert_eq!(all["unreachable"], json!([]));
        let all = all["sessions"].as_array().expect("a list");
        let held: Vec<_> = all
            .iter()
            .map(|session| (session["key"].as_str(), nodes.holder(session)))
            .collect();
        assert_eq!(held, [(Some("a"), 0), (Some("b"), 2)]);
        // On the feed too.

        let shown = nodes[at].until("b", |session| !session.is_null()).await;
        assert_eq!(nodes.holder(&shown), 2);
    }
    assert_eq!(
        refused(&look(1, "/sessions/none").await),
        (404, "no_session")
    );
    assert_eq!(look(1, "/sessions/none/queue").await, (200, json!([])));

    let held = nodes[1].say("a", "!hold").later();
    nodes[0].until("a", busy(0)).await;
    let back = nodes[2].say("a", "taken back").later();
    nodes[0].until("a", busy(1)).await;
    let existing = json!({ "message": "of an existing one", "existing": true });
    let existing = nodes[1].post("/sessions/a/messages", &existing).later();
    nodes[0].until("a", busy(2)).await;
    let (_, queue) = look(2, "/sessions/a/queue").await;
    assert_eq!(queue[0]["message"], "taken back");
    let turn = json!({ "turn": queue[0]["turn"] });
    let taken = nodes[1].post("/sessions/a/abort", &turn).answer().await;
    assert_eq!(taken, (200, json!({ "aborting": true })));
    assert_eq!(refused(&back.await.expect("an answer")), (409, "aborted"));
    let aborted = nodes[2].ask("POST", "/sessions/a/abort").answer().await;
    assert_eq!(aborted.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(
        existing.await.expect("an answer").1["reply"],
        "(6) of an existing one"
    );

    let (status, anew) = nodes[1].ask("POST", "/sessions/a/new").answer().await;
    assert_eq!((status, nodes.holder(&anew)), (200, 0));
    assert_eq!(nodes.said(2, "a", "who").await, "(1) who");
    let question = nodes[1].post("/sessions/a/questions/7", &json!({ "yes": true }));
    assert_eq!(refused(&question.answer().await), (404, "no_question"));
    let deleted = nodes[1].ask("DELETE", "/sessions/a").answer().await;
    assert_eq!(deleted, (200, json!({ "stopped": true })));
    assert_eq!(refused(&look(0, "/sessions/a").await), (404, "no_session"));
    // Whoever is asked next has it.
    assert_eq!(nodes.said(1, "a", "anew").await, "(1) anew");
    let (_, session) = look(2, "/sessions/a").await;
    assert_eq!(nodes.holder(&session), 1);
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let nodes = Nodes::start(3, "60", &["--delay", "0.01"]).await;
    assert_eq!(nodes.said(0, "a", "begin").await, "(1) begin");
    let mut listener = nodes[2].get("/sessions/a/events").events().await;
    let mut events = nodes[1].say("a", "one two").events().await;
    let mut names = Vec::new();
    while let Some((name, data)) = events.next().await {
        names.push((name, data["text"].as_str().unwrap_or_default().to_owned()));
    }
    let names: Vec<_> = names
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let parts = [("part", "(2) "), ("part", "one "), ("part", "two")];
    assert_eq!(
        names,
        [&[("started", "")], &parts[..], &[("done", "")]].concat()
    );
    for (_, text) in parts {
        let (name, data) = listener.next().await.expect("it goes on");
        assert_eq!((&*name, data["text"].as_str()), ("part", Some(text)));
    }
    // After the last of these, by its number.
    let last = listener.id.clone().expect("it is numbered");
    assert_eq!(nodes.said(1, "a", "three").await, "(3) three");
    let again = nodes[1]
        .get("/sessions/a/events")
        .header("last-event-id", &last);
    let (_, data) = again.events().await.next().await.expect("it is kept");
    assert_eq!(data["text"], "(3) ");

    // It has begun while its turn has no end.
    let mut events = nodes[1].say("a", "!hold").events().await;
    let (name, started) = events.next().await.expect("it begins");
    assert_eq!(name, "started");
    let turn = json!({ "turn": started["turn"] });
    nodes[2].post("/sessions/a/abort", &turn).answer().await;
    let (name, data) = events.next().await.expect("it ends");
    assert_eq!((&*name, &data["error"]), ("failed", &json!("aborted")));

    // A client that goes away cancels its message.
    let held = nodes[1].say("a", "!hold").later();
    nodes[0].until("a", busy(0)).await;
    held.abort();
    let idle = |session: &Value| session["phase"] == "idle";
    nodes[0].until("a", idle).await;
}

/// Sessions are shells. Each message appends a line to a file.
#[tokio::test]
async fn a_message_is_delivered_once() {
    const EACH: usize = 40;
    let mut nodes = Nodes::start(3, "60", &[&SHELL[..], &["--max-waiting", "500"]].concat()).await;
    let file = nodes.folder.join("heard");
    let append = |number: usize| format!("echo {number} >> {}; echo $$", file.display());
    // All at once, of a key that nobody has.
    let mut sent: Vec<_> = (0..EACH)
        .map(|number| nodes[number % 3].say("a", &append(number)).later())
        .collect();
    let mut shells = BTreeSet::new();
    for sent in sent.drain(..) {
        shells.insert(shell(sent.await.expect("an answer")));
    }
    assert_eq!(shells.len(), 1);
    // And then while its owner hands it over.
    let (_, session) = nodes[1].get("/sessions/a").answer().await;
    let owner = nodes.take(nodes.holder(&session));
    owner.signal("TERM").await;
    let mut next = EACH;
    while shells.len() == 1 {
        for at in [0, 1, 0, 1] {
            sent.push(nodes[at].say("a", &append(next)).later());
            next += 1;
        }
        for sent in sent.drain(..) {
            shells.insert(shell(sent.await.expect("an answer")));
        }
    }
    assert_eq!(shells.len(), 2);
    let delivered = fs::read_to_string(&file).expect("it was written");
    let numbers = delivered
        .lines()
        .map(|line| line.parse().expect("a number"));
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..next).collect::<Vec<_>>());
    assert_eq!(owner.ends().await.0, Some(0));
}

/// The number of the shell that has answered.
fn shell((status, answer): Answer) -> String {
    assert_eq!(status, 200, "{answer}");
    answer["reply"].as_str().expect("it is text").to_owned()
}

#[tokio::test]
async fn nodes_answer_nobody_but_each_other() {
    let nodes = Nodes::start(2, "60", &[]).await;
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    let door = |at: usize| nodes.name(at).parse().expect("an address");
    let ask = |at, token: Option<&str>| {
        let ask = nodes[at].say("a", "hello").at(door(at));
        match token {
            Some(token) => ask.header("authorization", &format!("Bearer {token}")),
            None => ask,
        }
    };
    assert_eq!(refused(&ask(0, None).answer().await), (401, "no_token"));
    assert_eq!(
        refused(&ask(0, Some("another")).answer().await),
        (401, "no_token")
    );
    let (status, answer) = ask(0, Some(TOKEN)).answer().await;
    assert_eq!((status, &answer["reply"]), (200, &json!("(2) hello")));
    // It is not passed on a second time.
    let response = ask(1, Some(TOKEN)).response().await;
    assert_eq!(response.status(), 421);
    assert_eq!(response.headers()["turnwise-owner"], nodes.name(0));
    // Of the daemon's users nobody needs that token.
    assert_eq!(nodes.said(1, "a", "hello").await, "(3) hello");
}

/// Nobody has the session when a client begins to listen.
#[tokio::test]
async fn a_listener_comes_back_where_the_session_is() {
    let nodes = Nodes::start(2, "4", &[]).await;
    let listen = || nodes[1].get("/sessions/a/events").events();
    let mut listener = listen().await;
    assert_eq!(nodes.said(0, "a", "one").await, "(1) one");
    assert_eq!(listener.next().await, None);
    let mut listener = listen().await;
    assert_eq!(nodes.said(0, "a", "two").await, "(2) two");
    let (_, data) = listener.next().await.expect("it goes on");
    assert_eq!(data["text"], "(2) ");
}

/// A name, as an address has it, and bodies that are none.
#[tokio::test]
async fn each_name_and_body_is_passed_on_as_it_is() {
    let nodes = Nodes::start(2, "60", &[]).await;
    let longest = "x".repeat(128);
    let names = [
        "a%2Fb",
        "a%25b",
        "%C3%A9%F0%9F%98%80",
        "a+%20b",
        "%5B%22%5D",
        "a;b=c",
        "a%3Fb",
        "%23",
        &longest,
    ];
    for key in names {
        assert_eq!(nodes.said(0, key, "hello").await, "(1) hello");
        assert_eq!(nodes.said(1, key, "hello").await, "(2) hello", "{key}");
        let path = format!("/sessions/{key}");
        let (status, session) = nodes[1].get(&format!("{path}?x=1")).answer().await;
        assert_eq!((status, nodes.holder(&session)), (200, 0));
        assert_eq!(nodes[1].ask("HEAD", &path).response().await.status(), 200);
        let refusal = nodes[1].ask("PUT", &path).answer().await;
        assert_eq!(refused(&refusal), (405, "no_method"));
    }
    let long = "x".repeat(70_000);
    for body in [
        "",
        "[]",
        "{",
        r#"{"message":5}"#,
        r#"{"message":"x","wait_seconds":0}"#,
        &long,
    ] {
        let post = |at: usize| {
            let post = nodes[at].ask("POST", "/sessions/%23/messages");
            post.header("content-type", "application/json")
                .body(body.to_owned())
                .answer()
        };
        assert_eq!(post(0).await, post(1).await, "{body}");
    }
}

/// Until its node owns the session, a detached message may come back. Then it does not wait for its turn.
#[tokio::test]
async fn a_detached_message_waits_for_no_turn() {
    let nodes = Nodes::start(1, "20", &[]).await;
    nodes.etcd.process(0).pause();
    let held = nodes[0].say("a", "!hold").later();
    nodes[0]
        .until("a", |session| session["phase"] == "starting")
        .await;
    let waiting = |more: u64| move |session: &Value| session["waiting"].as_u64() >= Some(more);
    let detached = json!({ "message": "later", "detach": true });
    let detached = nodes[0].post("/sessions/a/messages", &detached).later();
    nodes[0].until("a", waiting(1)).await;
    nodes.etcd.process(0).resume();
    assert_eq!(detached.await.expect("an answer").0, 202);
    nodes[0].until("a", busy(1)).await;
    held.abort();
}
