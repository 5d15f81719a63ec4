//! What an agent writes is bounded where it is kept.

use super::*;
use crate::updates::{line, opened, respond, update};

fn question(id: &Value, title: &str) -> Value {
    let params =
        json!({"sessionId": "s", "options": [], "toolCall": {"toolCallId": "1", "title": title}});
    json!({"id": id, "method": "session/request_permission", "params": params})
}

#[test]
fn open_questions() {
    let asks = || opened(AcpAgent::builder("agent").permissions(AcpPolicy::Ask));
    let mut probe = asks();
    for id in 0..64 {
        line(&mut probe, &question(&id.into(), ""));
    }
    assert!(probe.sent().is_empty());
    line(&mut probe, &question(&64.into(), ""));
    assert_eq!(probe.sent()[0]["id"], 64);
    assert_eq!(probe.answer(0, 99, "y"), 64);

    // In bytes: of titles, and of ids.
    let half = "h".repeat((1 << 19) - 200);
    for (id, title) in [(json!(7), &half), (json!(half), &String::new())] {
        let mut probe = asks();
        line(&mut probe, &question(&id, title));
        line(&mut probe, &question(&id, title));
        assert!(probe.sent().is_empty());
        line(&mut probe, &question(&id, title));
        assert_eq!(probe.sent().len(), 1);
        line(&mut probe, &question(&0.into(), ""));
        assert!(probe.sent().is_empty(), "a small one has room");
    }
}

#[test]
fn answers_that_the_agent_does_not_read() {
    let mut probe = opened(AcpAgent::builder("agent"));
    let id = "i".repeat(1 << 19);
    let line = json!({"id": id, "method": "m"}).to_string();
    for _ in 0..2 {
        probe.line(line.as_bytes()).expect("it has room");
    }
    // A call of ours does not count.
    probe.prompt(0);
    let error = probe.line(line.as_bytes()).expect_err("too much");
    let words = "unexpected output from the agent: it asks, and does not read the answers";
    assert_eq!(error.to_string(), words);
    // It reads.
    assert_eq!(probe.sent().len(), 3);
    for _ in 0..2 {
        probe.line(line.as_bytes()).expect("it has room again");
    }
}

#[test]
fn texts() {
    let agent = AcpAgent::builder("agent")
        .permissions(AcpPolicy::Ask)
        .line_limit(5);
    let mut probe = opened(agent);
    probe.prompt(0);
    for _ in 0..3 {
        update(
            &mut probe,
            &json!({"sessionUpdate": "agent_message_chunk", "content": {"text": "aé"}}),
        );
    }
    assert_eq!(probe.reports().len(), 3);
    line(&mut probe, &question(&0.into(), &"é".repeat(1000)));
    let note = format!("asks for permission: {}", "é".repeat(1000));
    let cut = format!("{} ...", &note[..1023]);
    assert_eq!(probe.reports()[0], json!({"note": cut}));
    let stop = "s".repeat(1025);
    line(
        &mut probe,
        &json!({"id": 3, "result": {"stopReason": stop}}),
    );
    let reply = &probe.reports().pop().expect("an end")["reply"];
    assert_eq!(
        reply["text"], "aéa",
        "no half a letter, and nothing after it"
    );
    assert_eq!(
        reply["stop"],
        json!({"Other": format!("{} ...", &stop[..1024])})
    );

    let long = "m".repeat(17 << 10);
    let cut = format!("{} ...", &long[..16 << 10]);
    probe.prompt(0);
    line(
        &mut probe,
        &json!({"id": 4, "error": {"code": 1, "message": long}}),
    );
    let error = format!("the agent refused session/prompt: {cut} (1)");
    assert_eq!(probe.reports(), [json!({"error": error})]);
    probe.sent();
    line(&mut probe, &json!({"id": 7, "method": long}));
    let message = format!("this client does not offer {} ...", &long[..1024]);
    assert_eq!(probe.sent()[0]["error"]["message"], message);
    let fault = probe.line(long.as_bytes()).expect_err("no JSON");
    assert!((1024..1200).contains(&fault.to_string().len()), "{fault}");
}

#[test]
fn what_an_agent_can() {
    let mut probe = Probe::new(AcpAgent::builder("agent"));
    probe.open(0, None);
    let methods: Vec<Value> = (0..20)
        .map(|id| json!({"id": format!("{id}{}", "i".repeat(1024))}))
        .collect();
    respond(
        &mut probe,
        &json!({"protocolVersion": 1, "authMethods": methods}),
    );
    probe.open(1, None);
    line(
        &mut probe,
        &json!({"id": 2, "error": {"code": -32000, "message": ""}}),
    );
    let error = probe.refused(0).to_string();
    assert!(
        (16 << 10..18 << 10).contains(&error.len()),
        "{}",
        error.len()
    );

    let version = "v".repeat(2000);
    let mut probe = Probe::new(AcpAgent::builder("agent"));
    let line = json!({"id": 1, "result": {"protocolVersion": version}}).to_string();
    let error = probe.line(line.as_bytes()).expect_err("no such version");
    assert!(error.to_string().len() < 1100, "{error}");
}
