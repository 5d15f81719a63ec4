//! Questions of an agent, answered over HTTP and at the terminal. A script stands in pi's place.

use crate::{
    client::*,
    daemon::Daemon,
    script::{ASKS, Script, borrowed},
};
use serde_json::{Value, json};

async fn start(script: &Script, more: &[&str]) -> Daemon {
    let args = script.args(&[&["--start-timeout", "150"], more].concat());
    Daemon::start(&borrowed(&args)).await
}

/// The question of a session, once it waits.
async fn question(daemon: &Daemon, key: &str) -> Value {
    let asks = |session: &Value| session["questions"][0].is_object();
    daemon.until(key, asks).await["questions"][0].clone()
}

fn path(key: &str, question: &Value) -> String {
    format!("/sessions/{key}/questions/{}", question["id"])
}

#[tokio::test]
async fn a_question_is_answered_over_http() {
    let script = Script::new("answered", ASKS);
    let daemon = start(&script, &[]).await;
    let mut stream = daemon.say("a", "select").events().await;
    assert_eq!(stream.next().await.expect("an event").0, "started");
    let (name, told) = stream.next().await.expect("an event");
    assert_eq!((&*name, &told["kind"]), ("question", &json!("select")));
    let asked = question(&daemon, "a").await;
    assert_eq!(asked, told);
    assert_eq!(asked["title"], "<b>Run \u{1b}[2J?</b>");
    assert_eq!(asked["options"], json!(["Allow", "Deny"]));
    let session = daemon.get("/sessions/a").answer().await.1;
    assert_eq!(session["questions"], json!([asked]));
    assert_eq!(session["note"], "waiting for an answer");

    let path = path("a", &asked);
    for bad in [
        json!({}),
        json!({ "yes": true }),
        json!({ "answer": "Perhaps" }),
        json!({ "answer": "Allow", "yes": true }),
        json!({ "answer": 7 }),
    ] {
        let refusal = daemon.post(&path, &bad).answer().await;
        assert_eq!(refused(&refusal), (400, "bad_input"), "{bad}");
    }
    let allow = json!({ "answer": "Allow" });
    for elsewhere in [
        format!("/sessions/b/questions/{}", asked["id"]),
        "/sessions/a/questions/0".to_owned(),
        "/sessions/a/questions/none".to_owned(),
    ] {
        let refusal = daemon.post(&elsewhere, &allow).answer().await;
        assert_eq!(refused(&refusal), (404, "no_question"), "{elsewhere}");
    }
    let other = daemon.post(&path, &allow);
    let other = other.header("origin", "http://example.org").answer().await;
    assert_eq!(refused(&other), (403, "other_origin"));

    let answered = daemon.post(&path, &allow).answer().await;
    assert_eq!(answered, (200, json!({ "answered": true })));
    assert_eq!(stream.next().await.expect("an event").0, "part");
    let (name, done) = stream.next().await.expect("an event");
    let reply = done["reply"].as_str().unwrap_or_default();
    assert!(name == "done" && reply.contains("value:Allow"), "{done}");
    let again = daemon.post(&path, &allow).answer().await;
    assert_eq!(refused(&again), (404, "no_question"));
    let session = daemon.get("/sessions/a").answer().await.1;
    assert_eq!(session["questions"], json!([]));
}

#[tokio::test]
async fn each_kind_has_its_answer() {
    let script = Script::new("kinds", ASKS);
    let daemon = start(&script, &[]).await;
    let cut = format!("{} … (3800 bytes cut)", "x".repeat(200));
    for (kind, reply, expected) in [
        ("confirm", json!({ "yes": false }), "confirmed:false"),
        ("confirm", json!({ "answer": "yes" }), "confirmed:true"),
        ("input", json!({ "answer": "Bob" }), "value:Bob"),
        ("long", json!({ "answer": cut }), "value:xxx"),
    ] {
        let said = daemon.say("a", kind).later();
        let asked = question(&daemon, "a").await;
        if kind == "long" {
            assert_eq!(asked["options"], json!([cut]));
        } else {
            let kind = if kind == "input" { "text" } else { kind };
            assert_eq!(asked["kind"], kind);
        }
        let answered = daemon.post(&path("a", &asked), &reply).answer().await;
        assert_eq!(answered.0, 200, "{}", answered.1);
        let (status, said) = said.await.expect("an answer");
        let text = said["reply"].as_str().unwrap_or_default();
        assert!(status == 200 && text.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_question_is_answered_at_the_terminal() {
    let script = Script::new("typed", ASKS);
    let mut daemon = start(&script, &[]).await;
    daemon.types("select").await;
    let line = daemon.sees("[main] (question ").await;
    assert!(
        line.ends_with(r": <b>Run \u{1b}[2J?</b> [Allow / Deny])"),
        "{line}"
    );
    let number = line.split(['(', ':', ' ']).nth(3).expect("a number");
    daemon.types("/status").await;
    daemon.sees(&format!("    question {number}: ")).await;
    daemon.types("/answer x Allow").await;
    daemon.sees("/answer needs the number of a question").await;
    daemon.types(&format!("/answer {number} Perhaps")).await;
    daemon.sees("the answer is not one of the options").await;
    daemon.types(&format!("/answer {number} Allow")).await;
    // Both are printed, in either order.
    let lines = [daemon.line().await, daemon.line().await];
    let lines = lines.map(Option::unwrap_or_default).concat();
    assert!(
        lines.contains("answered") && lines.contains("value:Allow"),
        "{lines}"
    );
    daemon.types(&format!("/answer {number} Allow")).await;
    daemon.sees("no such question is open").await;
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_cancelled() {
    for limit in ["0", "0.05"] {
        // A folder for each: the daemon before may not have ended yet, and has its lock.
        let script = Script::new(&format!("nobody-{limit}"), ASKS);
        let daemon = start(&script, &["--question-timeout", limit]).await;
        let (status, said) = daemon.say("a", "confirm").answer().await;
        let text = said["reply"].as_str().unwrap_or_default();
        assert!(status == 200 && text.contains("cancelled:true"), "{said}");
    }
}

#[tokio::test]
async fn an_abort_cancels_the_question() {
    let script = Script::new("cancelled", ASKS);
    let daemon = start(&script, &[]).await;
    let said = daemon.say("a", "confirm").later();
    let asked = question(&daemon, "a").await;
    let abort = daemon.ask("POST", "/sessions/a/abort").answer().await;
    assert_eq!(abort.0, 200);
    let none = |session: &Value| !session["questions"][0].is_object();
    daemon.until("a", none).await;
    let late = daemon.post(&path("a", &asked), &json!({ "yes": true }));
    assert_eq!(refused(&late.answer().await), (404, "no_question"));
    let said = said.await.expect("an answer");
    assert!([200, 409].contains(&said.0), "{said:?}");
}
