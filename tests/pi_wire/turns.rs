//! Turns, commands and the status.

use super::Pi;
use serde_json::{Value, json};
use turnwise::pi::wire::Told;
use turnwise::pi::{PiError, PiEvent, PiImage, PiMessage, PiStop};

#[test]
fn a_turn() {
    let mut pi = Pi::working();
    let delta = |kind: &str, text: &str| json!({"type": "message_update", "assistantMessageEvent": {"type": kind, "contentIndex": 0, "delta": text}});
    pi.writes(&delta("thinking_delta", "hm"));
    pi.writes(&delta("text_delta", "hel"));
    pi.writes(&delta("text_delta", "lo"));
    pi.answers("hello", "toolUse");
    pi.writes(&json!({"type": "tool_execution_start", "toolCallId": "c", "toolName": "bash", "args": {"command": "ls"}}));
    pi.writes(&json!({"type": "tool_execution_end", "toolCallId": "c", "toolName": "bash", "isError": true}));
    pi.answers("a\u{2028}b", "stop");
    pi.writes(
        &json!({"type": "message_end", "message": {"role": "user", "content": "not the answer"}}),
    );
    pi.writes(&json!({"type": "agent_end", "messages": []}));
    let events: Vec<PiEvent> =
        pi.0.told
            .drain(..)
            .filter_map(|told| match told {
                Told::Event(event) => Some(event),
                Told::Note(_) | Told::End(_) => None,
            })
            .collect();
    assert_eq!(events.len(), 5, "{events:?}");
    assert_eq!(events[0], PiEvent::Thinking("hm".to_owned()));
    assert_eq!(events[2], PiEvent::Text("lo".to_owned()));
    assert!(
        matches!(&events[3], PiEvent::ToolStarted { name, arguments, .. } if name == "bash" && arguments["command"] == "ls")
    );
    assert!(matches!(
        &events[4],
        PiEvent::ToolEnded { failed: true, .. }
    ));
    assert_eq!(pi.end(), None, "the work has not ended");
    pi.settles(false);
    let reply = pi.end().expect("it has ended").expect("well");
    assert_eq!(
        (&*reply.text, reply.stop),
        ("a\u{2028}b", PiStop::Stop),
        "of the last message"
    );
    assert_eq!((reply.usage.input, reply.usage.output), (14, 4), "of both");
    assert_eq!(pi.said(), [""; 0]);
}

#[test]
fn how_a_turn_ends() {
    let failed = |words: &str| Some(Err(words.to_owned()));
    let mut pi = Pi::working();
    pi.answers("half", "error");
    pi.settles(false);
    assert_eq!(pi.end(), failed("the model failed: no luck"));

    let mut pi = Pi::working();
    pi.answers("half", "aborted");
    pi.settles(false);
    assert_eq!(pi.end(), failed("the turn was aborted"));

    // Of an abort while it waits to retry, the last message is the error before.
    let mut pi = Pi::working();
    pi.answers("half", "error");
    pi.settles(true);
    assert_eq!(pi.end(), failed("the turn was aborted"));

    let mut pi = Pi::working();
    pi.settles(false);
    assert_eq!(pi.end(), failed("the model failed: there was no answer"));

    let mut pi = Pi::working();
    pi.answers("as far as it may", "length");
    pi.settles(false);
    let reply = pi.end().expect("it has ended").expect("well");
    assert_eq!(reply.stop, PiStop::Length);

    let mut pi = Pi::new();
    pi.0.begin("/command".into());
    pi.writes(&json!({"type": "response", "id": "1", "success": true, "data": {"disposition": "handled"}}));
    let reply = pi.end().expect("nothing follows").expect("well");
    assert_eq!((&*reply.text, reply.stop), ("", PiStop::Handled));

    pi.0.begin("hello".into());
    pi.writes(
        &json!({"type": "response", "id": "2", "success": false, "error": "No API key found"}),
    );
    assert_eq!(pi.end(), failed("pi refused: No API key found"));

    // A second one in it is refused by us: pi would lose it.
    let mut pi = Pi::working();
    pi.0.begin("once more".into());
    assert_eq!(pi.said(), [""; 0]);
    assert!(matches!(
        pi.0.told.back(),
        Some(Told::End(Err(PiError::Refused(_))))
    ));
}

#[test]
fn an_abort_waits_for_the_response_to_its_prompt() {
    let mut pi = Pi::new();
    pi.0.begin("hello".into());
    assert_eq!(pi.said(), ["prompt 1"]);
    pi.0.cancel();
    pi.0.cancel();
    assert_eq!(pi.said(), [""; 0], "it would have no effect");
    pi.accepts("1");
    assert_eq!(pi.said(), ["clear_queue 2", "abort 3"]);
    pi.0.cancel();
    assert_eq!(pi.said(), [""; 0], "once");
    pi.accepts("2");
    pi.answers("half", "aborted");
    pi.settles(true);
    assert_eq!(pi.end(), None, "the abort could meet the next turn");
    pi.accepts("3");
    assert_eq!(pi.end(), Some(Err("the turn was aborted".to_owned())));
    pi.0.begin("next".into());
    assert_eq!(pi.said(), ["prompt 4"]);
}

#[test]
fn an_abort_that_comes_too_late_changes_nothing() {
    let mut pi = Pi::working();
    pi.answers("all", "stop");
    pi.0.cancel();
    assert_eq!(pi.said(), ["clear_queue 2", "abort 3"]);
    pi.settles(false);
    assert_eq!(pi.end(), None);
    // Refused or not: what counts is the end of the work.
    pi.writes(
        &json!({"type": "response", "id": "2", "success": false, "error": "nothing is queued"}),
    );
    pi.accepts("3");
    let reply = pi.end().expect("it has ended").expect("well");
    assert_eq!(reply.text, "all");
    pi.0.cancel();
    assert_eq!(pi.said(), [""; 0], "of no turn there is no abort");
}

#[test]
fn work_that_has_ended_before_the_response_is_seen() {
    let mut pi = Pi::new();
    pi.0.begin("hello".into());
    pi.writes(&json!({"type": "agent_start"}));
    pi.answers("quick", "stop");
    pi.settles(false);
    assert_eq!(pi.end(), None);
    pi.accepts("1");
    assert_eq!(pi.end().expect("it has ended").expect("well").text, "quick");
}

#[test]
fn what_pi_does_by_itself_is_waited_for() {
    let mut pi = Pi::new();
    pi.writes(&json!({"type": "agent_start"}));
    pi.answers("of an extension", "stop");
    pi.0.begin("hello".into());
    assert_eq!(pi.said(), [""; 0], "it would be refused");
    assert_eq!(pi.notes(), ["pi works by itself"]);
    pi.answers("of an extension, too", "stop");
    pi.settles(false);
    assert_eq!(pi.said(), ["prompt 1"]);
    pi.accepts("1");
    pi.settles(false);
    assert_eq!(
        pi.end(),
        Some(Err("the model failed: there was no answer".to_owned())),
        "not the extension's"
    );

    pi.writes(&json!({"type": "agent_start"}));
    pi.0.begin("hello".into());
    pi.0.cancel();
    assert_eq!(pi.end(), Some(Err("the turn was aborted".to_owned())));
    pi.settles(false);
    assert_eq!(pi.said(), [""; 0], "pi never sees it");
}

#[test]
fn the_status_is_told() {
    let mut pi = Pi::working();
    pi.writes(&json!({"type": "auto_retry_start", "attempt": 2, "maxAttempts": 3, "delayMs": 4000, "errorMessage": "529 overloaded"}));
    assert!(matches!(
        pi.0.told.back(),
        Some(Told::Event(PiEvent::Retrying { attempt: 2, of: 3, after, .. })) if after.as_secs() == 4
    ));
    assert_eq!(pi.notes(), ["retrying 2 of 3: 529 overloaded"]);
    pi.writes(&json!({"type": "auto_retry_end", "success": true, "attempt": 2}));
    pi.writes(&json!({"type": "compaction_start", "reason": "threshold"}));
    pi.writes(&json!({"type": "compaction_end"}));
    assert_eq!(pi.notes(), ["running", "summing up", "running"]);
}

#[test]
fn a_command_of_the_user() {
    let mut pi = Pi::new();
    let (reply, mut hears) = tokio::sync::oneshot::channel();
    let arguments = json!({"level": "high", "type": "prompt", "id": "mine"});
    let Value::Object(arguments) = arguments else {
        unreachable!()
    };
    pi.0.request("set_thinking_level", arguments, reply);
    assert_eq!(
        pi.said(),
        ["set_thinking_level 1"],
        "not what the arguments say"
    );
    pi.writes(&json!({"type": "response", "id": "1", "success": true, "data": {"a": 1}}));
    let heard = hears.try_recv().expect("it has come");
    assert_eq!(heard.expect("it was accepted"), json!({"a": 1}));
}

#[test]
fn images_go_with_a_message() {
    let mut pi = Pi::new();
    let image = PiImage {
        data: "AAAA".to_owned(),
        mime_type: "image/png".to_owned(),
    };
    pi.0.begin(PiMessage::new("look\n").image(image));
    let line: Value = serde_json::from_slice(&pi.0.out).expect("it is JSON");
    assert_eq!(line["message"], "look\n");
    assert_eq!(
        line["images"],
        json!([{"type": "image", "data": "AAAA", "mimeType": "image/png"}])
    );
}
