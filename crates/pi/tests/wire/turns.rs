//! Turns, commands and the status.

use super::Pi;
use serde_json::{Value, json};
use turnwise_pi::wire::Report;
use turnwise_pi::{PiError, PiEvent, PiImage, PiMessage, PiStop};

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
                Report::Event(event) => Some(event),
                Report::Note(_) | Report::End(_) => None,
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
    pi.handles("1");
    assert_eq!(pi.said(), ["prompt 1", "get_state 2"]);
    pi.streams("2", false);
    let reply = pi.end().expect("nothing follows").expect("well");
    assert_eq!((&*reply.text, reply.stop), ("", PiStop::Handled));

    pi.0.begin("hello".into());
    pi.writes(
        &json!({"type": "response", "id": "3", "success": false, "error": "No API key found"}),
    );
    assert_eq!(pi.end(), failed("pi refused: No API key found"));

    // A second one in it is refused by us: pi would lose it.
    let mut pi = Pi::working();
    pi.0.begin("once more".into());
    assert_eq!(pi.said(), [""; 0]);
    assert!(matches!(
        pi.0.told.back(),
        Some(Report::End(Err(PiError::Refused(_))))
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
    pi.starts();
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

/// It would be the answer to another message, or to none.
#[test]
fn work_that_no_turn_expects_is_a_fault() {
    // Between two turns.
    let mut pi = Pi::working();
    pi.answers("of the turn", "stop");
    pi.settles(false);
    assert_eq!(
        pi.end().expect("it has ended").expect("well").text,
        "of the turn"
    );
    assert_eq!(
        pi.fault("agent_start"),
        "the start of work, and no turn is under way"
    );
    // Before pi has accepted the message.
    let mut pi = Pi::new();
    pi.0.begin("hello".into());
    assert_eq!(
        pi.fault("agent_start"),
        "the start of work, before it accepted the message"
    );
    // A second time.
    let mut pi = Pi::working();
    assert_eq!(
        pi.fault("agent_start"),
        "the start of work, in the middle of other work"
    );
    // While the response to its abort is missing.
    let mut pi = Pi::working();
    pi.0.cancel();
    pi.settles(true);
    assert_eq!(pi.end(), None);
    assert_eq!(
        pi.fault("agent_settled"),
        "the end of work, after the end of the work"
    );
    // pi lets a message join other work if it is asked to, which nobody does.
    let mut pi = Pi::new();
    pi.0.begin("hello".into());
    let queued =
        json!({"type": "response", "id": "1", "success": true, "data": {"disposition": "queued"}});
    let fault = pi.0.line(queued.to_string().as_bytes());
    assert_eq!(
        fault,
        Err("it queued the message behind other work".to_owned())
    );
}

/// `pi.sendMessage` in the handler of a command begins work, which the handler may or may not wait for.
#[test]
fn the_work_of_a_command_belongs_to_its_turn() {
    // Waited for: over before the response.
    let mut pi = Pi::new();
    pi.0.begin("/review".into());
    pi.starts();
    pi.answers("reviewed", "stop");
    pi.settles(false);
    pi.handles("1");
    assert_eq!(pi.end(), None);
    pi.streams("2", false);
    let reply = pi.end().expect("it has ended").expect("well");
    assert_eq!((&*reply.text, reply.stop), ("reviewed", PiStop::Stop));

    // Not waited for: it begins after the response.
    pi.0.begin("/review".into());
    pi.handles("3");
    pi.streams("4", true);
    assert_eq!(pi.end(), None);
    pi.starts();
    pi.answers("reviewed", "stop");
    pi.settles(false);
    assert_eq!(
        pi.end().expect("it has ended").expect("well").text,
        "reviewed"
    );

    // Cancelled: what it began is aborted, and nothing else.
    pi.0.begin("/review".into());
    pi.0.cancel();
    assert_eq!(
        pi.said(),
        [
            "prompt 1",
            "get_state 2",
            "prompt 3",
            "get_state 4",
            "prompt 5"
        ]
    );
    pi.starts();
    assert_eq!(pi.said(), ["clear_queue 6", "abort 7"]);
    pi.handles("5");
    pi.settles(true);
    for id in ["6", "7"] {
        pi.accepts(id);
        assert_eq!(pi.end(), None);
    }
    pi.streams("8", false);
    assert_eq!(pi.end(), Some(Err("the turn was aborted".to_owned())));

    // It is no command: what began was other work.
    pi.0.begin("/etc/passwd?".into());
    pi.starts();
    let accepted =
        json!({"type": "response", "id": "9", "success": true, "data": {"disposition": "started"}});
    let fault = pi.0.line(accepted.to_string().as_bytes());
    assert_eq!(
        fault,
        Err("it worked before it accepted the message".to_owned())
    );
}

#[test]
fn texts_of_pi_are_bounded() {
    let long = "\u{F6}".repeat(1 << 20);
    let mut pi = Pi::new();
    pi.0.begin("hello".into());
    pi.writes(&json!({"type": "response", "id": "1", "success": false, "error": long}));
    let refused = pi
        .end()
        .expect("it was refused")
        .expect_err("it was refused");
    assert!(
        (16 << 10..17 << 10).contains(&refused.len()),
        "{}",
        refused.len()
    );

    let mut pi = Pi::working();
    let message = json!({"role": "assistant", "stopReason": "error", "errorMessage": long});
    pi.writes(&json!({"type": "message_end", "message": message}));
    pi.settles(false);
    let failed = pi.end().expect("it has ended").expect_err("it failed");
    assert!(
        (16 << 10..17 << 10).contains(&failed.len()),
        "{}",
        failed.len()
    );

    let mut pi = Pi::working();
    pi.writes(&json!({"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "delayMs": 1, "errorMessage": long}));
    let error = pi.0.told.iter().find_map(|told| match told {
        Report::Event(PiEvent::Retrying { error, .. }) => Some(error.len()),
        _ => None,
    });
    assert!((16 << 10..17 << 10).contains(&error.expect("it is shown")));
    let note = pi.notes().pop().expect("it is shown");
    assert!((1 << 10..2 << 10).contains(&note.len()), "{}", note.len());
    pi.writes(&json!({"type": "extension_error", "error": long}));
    let error = pi.0.told.iter().find_map(|told| match told {
        Report::Event(PiEvent::ExtensionFailed { error, .. }) => Some(error.len()),
        _ => None,
    });
    assert!((16 << 10..17 << 10).contains(&error.expect("it is shown")));

    let mut pi = Pi::working();
    pi.answers("well", &long);
    pi.settles(false);
    let PiStop::Other(word) = pi.end().expect("it has ended").expect("well").stop else {
        panic!("a word of its own");
    };
    assert!((1 << 10..2 << 10).contains(&word.len()), "{}", word.len());

    // The reader of JSON quotes the text in its error.
    let mut pi = Pi::working();
    let line = json!({"type": "response", "id": "1", "success": long});
    let error = pi.0.line(line.to_string().as_bytes());
    assert!(error.expect_err("it is no record").len() < 1000);
}

#[test]
fn the_status_is_told() {
    let mut pi = Pi::working();
    pi.writes(&json!({"type": "auto_retry_start", "attempt": 2, "maxAttempts": 3, "delayMs": 4000, "errorMessage": "529 overloaded"}));
    assert!(matches!(
        pi.0.told.back(),
        Some(Report::Event(PiEvent::Retrying { attempt: 2, of: 3, after, .. })) if after.as_secs() == 4
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
fn commands_that_wait_for_their_responses() {
    let mut pi = Pi::working();
    let ask = |pi: &mut Pi| {
        let (reply, hears) = tokio::sync::oneshot::channel();
        pi.0.request("get_state", serde_json::Map::new(), reply);
        hears
    };
    let (mut first, gone) = (ask(&mut pi), ask(&mut pi));
    drop(gone);
    let mut second = ask(&mut pi);
    // In another order; to one that has gone; twice.
    for id in ["4", "3", "2", "4"] {
        pi.streams(id, false);
    }
    for hears in [&mut first, &mut second] {
        let response = hears.try_recv().expect("it has come");
        assert_eq!(response.expect("it was accepted")["isStreaming"], false);
    }
    // They take nothing from the turn.
    pi.answers("well", "stop");
    pi.settles(false);
    assert_eq!(pi.end().expect("it has ended").expect("well").text, "well");
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
