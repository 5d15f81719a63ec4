//! Each update of the agent is an event.

use super::*;
use turnwise::Backend;
use turnwise_acp::{AcpEvent, probe::Report};

/// A probe with an open session `s` of the token 0.
pub(crate) fn opened(agent: turnwise_acp::AcpBuilder) -> Probe {
    let mut probe = Probe::new(agent);
    probe.open(0, None);
    let can = json!({"sessionCapabilities": {"close": {}}});
    respond(
        &mut probe,
        &json!({"protocolVersion": 1, "agentCapabilities": can}),
    );
    respond(&mut probe, &json!({"sessionId": "s"}));
    assert_eq!(probe.received(), [(0, Received::Opened(true))]);
    probe
}

/// Answers the last request.
pub(crate) fn respond(probe: &mut Probe, result: &Value) -> Value {
    let sent = probe.sent();
    let request = sent
        .iter()
        .rev()
        .find(|line| line["id"].is_u64() && line["method"].is_string());
    let request = request.expect("it has asked").clone();
    let line = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    probe.line(line.to_string().as_bytes()).expect("it is well");
    request
}

pub(crate) fn line(probe: &mut Probe, line: &Value) {
    probe.line(line.to_string().as_bytes()).expect("it is well");
}

pub(crate) fn update(probe: &mut Probe, update: &Value) {
    let params = json!({"sessionId": "s", "update": update});
    line(
        probe,
        &json!({"method": "session/update", "params": params}),
    );
}

/// A call of a tool, with what is not set.
fn tool(fields: &Value) -> Value {
    let mut call = json!({"toolCallId": "1", "title": null, "kind": null, "status": null,
        "rawInput": null, "rawOutput": null, "content": null, "locations": null});
    for (name, value) in fields.as_object().expect("fields") {
        call[name] = value.clone();
    }
    call
}

#[test]
fn each_is_an_event() {
    let text =
        |kind: &str| json!({"sessionUpdate": kind, "content": {"type": "text", "text": "a"}});
    let input = json!({"command": ["ls"]});
    let plan = json!([{"content": "go", "priority": "high", "status": 7}]);
    let known = [
        (text("agent_message_chunk"), json!({"Text": "a"})),
        (text("agent_thought_chunk"), json!({"Thought": "a"})),
        (
            json!({"sessionUpdate": "tool_call", "toolCallId": "1", "kind": "read", "rawInput": input}),
            json!({"ToolCall": tool(&json!({"kind": "read", "rawInput": input}))}),
        ),
        (
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "title": [], "status": "failed"}),
            json!({"ToolUpdate": tool(&json!({"status": "failed"}))}),
        ),
        (
            json!({"sessionUpdate": "plan", "entries": plan}),
            json!({"Plan": [{"content": "go", "priority": "high", "status": null}]}),
        ),
        (
            json!({"sessionUpdate": "current_mode_update", "currentModeId": "ask"}),
            json!({"Mode": "ask"}),
        ),
        (
            json!({"sessionUpdate": "usage_update", "used": 1, "size": 2.5, "cost": {"amount": 0.5}}),
            json!({"Context": {"used": 1, "size": null, "cost": 0.5}}),
        ),
    ];
    let mut probe = opened(AcpAgent::builder("agent"));
    for (it, event) in known {
        update(&mut probe, &it);
        assert_eq!(probe.reports(), [json!({"unasked": event})]);
    }
    let others = [
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "image"}}),
        json!({"sessionUpdate": "tool_call"}),
        json!({"sessionUpdate": "plan", "entries": {}}),
        json!({"sessionUpdate": "current_mode_update"}),
        json!({"sessionUpdate": "news", "x": 1}),
    ];
    for it in others {
        update(&mut probe, &it);
        let other = json!({"Other": {"kind": it["sessionUpdate"], "update": it}});
        assert_eq!(probe.reports(), [json!({"unasked": other})]);
    }
}

/// The weight of an event is at least what its texts and values have.
#[test]
fn events_weigh_what_they_own() {
    let mut probe = opened(AcpAgent::builder("agent"));
    let mut weight = |it: &Value| {
        update(&mut probe, it);
        match probe.raw().pop() {
            Some(Report::Unasked(event)) => AcpAgent::weight(&event),
            other => panic!("{other:?}"),
        }
    };
    let none = weight(&json!({"sessionUpdate": "usage_update"}));
    let t = "t".repeat(1000);
    let values = json!([t, {"a": t}, [null, 7]]);
    let step = json!({"content": t, "priority": t, "status": t});
    let entry = 3 * size_of::<String>();
    let value = size_of::<Value>();
    let options = 2000 + 1 + 7 * value + size_of::<String>();
    let heavy = [
        (
            json!({"sessionUpdate": "agent_message_chunk", "content": {"text": t}}),
            1000,
        ),
        (
            json!({"sessionUpdate": "agent_thought_chunk", "content": {"text": t}}),
            1000,
        ),
        (
            json!({"sessionUpdate": "current_mode_update", "currentModeId": t}),
            1000,
        ),
        (
            json!({"sessionUpdate": "plan", "entries": [step, step]}),
            6000 + 2 * entry,
        ),
        (
            json!({"sessionUpdate": "tool_call", "toolCallId": t, "title": t, "kind": t, "status": t}),
            4000,
        ),
        (
            json!({"sessionUpdate": "tool_call", "toolCallId": "", "rawInput": values}),
            options,
        ),
        (
            json!({"sessionUpdate": "tool_call", "toolCallId": "", "rawInput": values, "rawOutput": values,
                "content": values, "locations": values}),
            4 * options,
        ),
        (
            json!({"sessionUpdate": "news", "x": t}),
            // Both names and values, and the kind once more.
            1000 + 13 + 1 + 4 + 4 + 3 * value + 2 * size_of::<String>(),
        ),
    ];
    for (it, bytes) in heavy {
        assert_eq!(weight(&it) - none, bytes, "{it}");
    }
    let (id, error) = ("i".repeat(100), "e".repeat(1000));
    let lost = AcpEvent::NotResumed { id, error };
    assert_eq!(AcpAgent::weight(&lost) - none, 1100);

    let mut probe = opened(AcpAgent::builder("agent").permissions(AcpPolicy::Ask));
    let option =
        json!({"optionId": "i".repeat(10), "name": "n".repeat(100), "kind": "k".repeat(1000)});
    let params =
        json!({"sessionId": "s", "toolCall": {"toolCallId": t}, "options": [option, option]});
    line(
        &mut probe,
        &json!({"id": 1, "method": "session/request_permission", "params": params}),
    );
    match &*probe.raw() {
        [Report::Unasked(asked @ AcpEvent::Permission(_))] => {
            let options = 2 * (1110 + 3 * size_of::<String>());
            assert_eq!(AcpAgent::weight(asked) - none, 1000 + options);
        }
        other => panic!("{other:?}"),
    }
}
