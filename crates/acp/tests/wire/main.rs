//! The protocol without a process: lines and orders in any order come to an end, and each thing is answered once.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod bounds;
mod opens;
mod probe;
mod turns;
mod updates;

use probe::{Probe, Received};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use turnwise_acp::{AcpAgent, AcpError, AcpPolicy};

/// What happens next. Sessions have the numbers 0 to 2.
#[derive(Clone, Debug)]
enum Step {
    Open(u64, bool),
    Prompt(u64),
    Cancel(u64),
    Close(u64),
    Wait(u64),
    /// A response to one of the last requests: its number from the end, and which.
    Respond(usize, usize),
    /// A request or notification for a session.
    Says(u64, usize),
    /// Any bytes.
    Noise(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3_u64, any::<bool>()).prop_map(|(token, saved)| Step::Open(token, saved)),
        3 => (0..3_u64).prop_map(Step::Prompt),
        2 => (0..3_u64).prop_map(Step::Cancel),
        1 => (0..3_u64).prop_map(Step::Close),
        2 => (0..4000_u64).prop_map(Step::Wait),
        8 => (0..4_usize, 0..12_usize).prop_map(|(back, which)| Step::Respond(back, which)),
        6 => (0..4_u64, 0..12_usize).prop_map(|(token, which)| Step::Says(token, which)),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Step::Noise),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Most of them are as they should be.
fn response(id: &Value, method: &str, which: usize) -> Value {
    let good = match method {
        "initialize" => json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true,
            "sessionCapabilities": if which % 2 == 0 { json!({"close": {}, "resume": {}}) } else { json!(null) }}}),
        "session/new" => json!({"sessionId": format!("s{id}")}),
        "session/prompt" => {
            json!({"stopReason": if which % 2 == 0 { "end_turn" } else { "cancelled" }})
        }
        _ => json!({}),
    };
    match which {
        0 => {
            json!({"id": id, "error": {"code": -32603, "message": "no", "data": {"details": "why"}}})
        }
        1 => json!({"id": id}),
        2 => json!({"id": id, "error": 7}),
        3 => json!({"id": id, "result": []}),
        _ => json!({"jsonrpc": "2.0", "id": id, "result": good}),
    }
}

fn says(session: &Value, which: usize, id: usize) -> Value {
    let update = |update: Value| json!({"method": "session/update", "params": {"sessionId": session, "update": update}});
    let tool = json!({"toolCallId": "t", "kind": "read"});
    let options = json!([{"optionId": "n", "name": "No", "kind": "reject_once"}]);
    let request = |method: &str, params: Value| json!({"id": format!("r{id}"), "method": method, "params": params});
    match which {
        0 => request("fs/read_text_file", json!({})),
        1 => request("session/request_permission", json!({"sessionId": session})),
        2 => request("session/request_permission", json!([])),
        3..=5 => request(
            "session/request_permission",
            json!({"sessionId": session, "toolCall": tool, "options": options}),
        ),
        6 => update(json!({"sessionUpdate": "tool_call"})),
        7 => update(json!({"sessionUpdate": "news", "x": [[[]]]})),
        8 => json!({"method": "news"}),
        9 => json!({"id": 99_999, "result": {}}),
        _ => update(
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "a"}}),
        ),
    }
}

/// What is known of a run.
#[derive(Debug, Default)]
struct Seen {
    /// Requests to the agent, in their order.
    requests: Vec<(Value, String)>,
    /// Requests of the agent, and how often each was answered.
    asked: BTreeMap<String, usize>,
    /// The sessions that were opened, by their token.
    sessions: BTreeMap<u64, Value>,
    /// Turns that have begun and not ended.
    turns: BTreeMap<u64, usize>,
}

impl Seen {
    fn look(&mut self, probe: &mut Probe) {
        for line in probe.sent() {
            assert_eq!(line["jsonrpc"], "2.0", "{line}");
            match (line["method"].as_str(), line.get("id")) {
                (Some(method), Some(id)) => self.requests.push((id.clone(), method.to_owned())),
                (Some(method), None) => assert_eq!(method, "session/cancel"),
                (None, Some(id)) => {
                    let id = id.as_str().expect("the agent's ids are texts");
                    let count = self.asked.get_mut(id);
                    *count.unwrap_or_else(|| panic!("nobody asked {id}")) += 1;
                }
                (None, None) => panic!("{line}"),
            }
        }
        for (token, told) in probe.received() {
            if let Received::End(_) = told {
                let open = self.turns.get_mut(&token).filter(|open| **open > 0);
                *open.unwrap_or_else(|| panic!("{token} has no turn")) -= 1;
            }
        }
    }
}

fn run(policy: AcpPolicy, steps: &[Step]) {
    let agent = AcpAgent::builder("agent").permissions(policy);
    let mut probe = Probe::new(agent.permission_timeout(Duration::from_secs(2)));
    let mut seen = Seen::default();
    let mut fault = None;
    seen.look(&mut probe);
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Open(token, saved) if !seen.sessions.contains_key(token) => {
                probe.open(*token, saved.then(|| format!("old{token}")));
                seen.sessions.insert(*token, format!("old{token}").into());
            }
            Step::Prompt(token) if seen.turns.get(token).is_none_or(|open| *open == 0) => {
                seen.turns.insert(*token, 1);
                probe.prompt(*token);
            }
            Step::Cancel(token) => probe.cancel(*token),
            Step::Close(token) => {
                probe.close(*token);
                seen.sessions.remove(token);
                // The manager drops the turn of a session that it stops.
                seen.look(&mut probe);
                seen.turns.remove(token);
            }
            Step::Wait(time) => probe.wait(Duration::from_millis(*time)),
            Step::Respond(back, which) => {
                let Some((id, method)) = seen.requests.iter().rev().nth(*back).cloned() else {
                    continue;
                };
                let line = response(&id, &method, *which);
                if method == "session/new" {
                    for session in seen.sessions.values_mut() {
                        *session = line["result"]["sessionId"].clone();
                    }
                }
                fault = probe.line(line.to_string().as_bytes()).err();
            }
            Step::Says(token, which) => {
                let session = seen.sessions.get(token).cloned().unwrap_or_default();
                let line = says(&session, *which, index);
                if line["method"].is_string() && line.get("id").is_some() {
                    seen.asked.insert(format!("r{index}"), 0);
                }
                fault = probe.line(line.to_string().as_bytes()).err();
            }
            Step::Noise(bytes) => fault = probe.line(bytes).err(),
            Step::Open(..) | Step::Prompt(..) => {}
        }
        seen.look(&mut probe);
        if fault.is_some() {
            break;
        }
    }
    match fault {
        Some(error) => probe.end(&error),
        None => {
            // Nobody answers, and nobody ends a turn: all of it is due at some time.
            for token in 0..3 {
                probe.cancel(token);
            }
            for _ in 0..100 {
                probe.wait(Duration::from_millis(100));
            }
            assert!(probe.waits().is_none(), "something waits for ever");
            seen.look(&mut probe);
            let ended = seen.turns.values().all(|open| *open == 0);
            assert!(ended, "a turn goes on after its abort: {seen:?}");
            for (request, count) in &seen.asked {
                assert_eq!(*count, 1, "answers to {request}");
            }
            probe.end(&AcpError::Aborted);
        }
    }
    seen.look(&mut probe);
    assert!(
        seen.turns.values().all(|open| *open == 0),
        "a turn has no end: {seen:?}"
    );
    assert!(
        seen.asked.values().all(|count| *count <= 1),
        "answered twice: {seen:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn each_turn_ends_once_and_each_question_is_answered_once(
        policy in prop_oneof![Just(AcpPolicy::Deny), Just(AcpPolicy::AllowReads), Just(AcpPolicy::Ask)],
        steps in steps(),
    ) {
        run(policy, &steps);
    }
}

/// The steps reach what they are about.
#[test]
fn the_steps_reach_turns_and_questions() {
    let steps = [
        Step::Open(0, false),
        Step::Respond(0, 10),
        Step::Respond(0, 10),
        Step::Prompt(0),
        Step::Says(0, 3),
        Step::Says(0, 11),
        Step::Respond(0, 10),
    ];
    let mut probe = Probe::new(AcpAgent::builder("agent").permissions(AcpPolicy::Ask));
    let mut told = Vec::new();
    for step in steps {
        match step {
            Step::Open(token, _) => probe.open(token, None),
            Step::Prompt(token) => probe.prompt(token),
            Step::Respond(..) => {
                let sent = probe.sent();
                let last = sent
                    .iter()
                    .rev()
                    .find(|line| line["method"].is_string() && line.get("id").is_some());
                let last = last.expect("it asks").clone();
                let line = response(&last["id"], last["method"].as_str().expect("a method"), 10);
                probe.line(line.to_string().as_bytes()).expect("it is well");
            }
            Step::Says(_, which) => {
                probe
                    .line(says(&"s2".into(), which, 0).to_string().as_bytes())
                    .expect("it is well");
            }
            _ => {}
        }
        told.extend(probe.received());
    }
    let expected = [
        Received::Opened(true),
        Received::Event,
        Received::Event,
        Received::Event,
        Received::Event,
        Received::End(true),
    ];
    assert_eq!(told, expected.map(|told| (0, told)));
}

/// A line of any kind is read, or it is a fault.
#[test]
fn hostile_lines() {
    let deep = "[".repeat(10_000);
    let lines = [
        "",
        " ",
        "7",
        "\"\"",
        "null",
        "[]",
        "{}",
        "{",
        &deep,
        "{\"id\":1}",
        "{\"id\":{},\"method\":\"m\"}",
        "{\"method\":null}",
        "{\"id\":1,\"error\":{}}",
        "{\"id\":1.5,\"result\":1}",
        "{\"id\":-1,\"result\":1}",
        "{\"method\":\"session/update\",\"params\":7}",
        "{\"method\":\"session/update\",\"params\":{\"update\":7}}",
        "{\"id\":1,\"method\":\"session/request_permission\",\"params\":\"x\"}",
        "{\"id\":1,\"result\":{\"protocolVersion\":1,\"authMethods\":{},\"agentCapabilities\":7}}",
        "{\"id\":1,\"result\":{\"protocolVersion\":\"1\"}}",
        "{\"id\":1,\"id\":2,\"result\":{}}",
        "\u{feff}{}",
        "{\"id\":18446744073709551616,\"result\":1}",
    ];
    for line in lines {
        let mut probe = Probe::new(AcpAgent::builder("agent"));
        probe.open(0, Some("s".to_owned()));
        let end = probe.line(line.as_bytes());
        let _ = probe.line(b"{\"id\":2,\"result\":{}}");
        if let Err(error) = &end {
            assert!(
                error.to_string().len() < 20 << 10,
                "{}",
                error.to_string().len()
            );
        }
        probe.end(&AcpError::Aborted);
        assert_eq!(
            probe
                .received()
                .iter()
                .filter(|(_, told)| matches!(told, Received::Opened(_)))
                .count(),
            1,
            "{line}"
        );
    }
}
