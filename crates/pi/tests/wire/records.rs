//! Lines that are no records.

use super::Pi;
use turnwise_pi::{PiEvent, wire::*};

#[test]
fn what_pi_does_not_write_is_an_error() {
    for line in [
        "x",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "{\"type\":1}",
        "\u{FEFF}{}",
        "{\"type\":\"response\"}",
        "{\"type\":\"response\",\"id\":1,\"success\":true}",
        "{\"type\":\"message_end\"}",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\"}}",
        "{\"type\":\"extension_ui_request\",\"method\":\"confirm\"}",
        "{\"type\":\"agent_settled\",\"aborted\":1}",
        // What we wrote did not arrive as it was written.
        "{\"type\":\"response\",\"command\":\"parse\",\"success\":false,\"error\":\"Failed to parse command\"}",
    ] {
        let mut pi = Pi::working();
        let error = pi.0.line(line.as_bytes()).expect_err(line);
        assert!(!error.is_empty() && error.len() < 500, "{error}");
    }
    let mut pi = Pi::working();
    for line in [&b"\xFF\xFE"[..], &[b'['; 100_000], &[0; 1000]] {
        let error = pi.0.line(line).expect_err("it is no record");
        assert!(error.len() < 1000, "bounded: {}", error.len());
    }
    // A newer pi may write more.
    for line in [
        "",
        " \r",
        "{\"type\":\"new\"}",
        "{\"type\":\"message_update\"}\r",
        "{\"type\":\"tool_execution_start\"}",
        "{\"type\":\"auto_retry_start\",\"attempt\":-1}",
        "{\"type\":\"extension_ui_request\",\"id\":\"x\",\"method\":\"new\"}",
        "{\"type\":\"response\",\"id\":\"nobody's\",\"success\":true}",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"stopReason\":\"stop\",\"usage\":7}}",
    ] {
        assert_eq!(pi.0.line(line.as_bytes()), Ok(()), "{line}");
    }
}

/// `JSON.stringify` writes half an emoji as an escape: of a text that was cut there, by a limit, an abort, or between two deltas.
#[test]
fn half_an_emoji_is_read() {
    let end = |content: &str, stop: &str| {
        let message =
            format!("{{\"role\":\"assistant\",\"content\":[{content}],\"stopReason\":\"{stop}\"}}");
        format!("{{\"type\":\"message_end\",\"message\":{message}}}")
    };
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for line in [
        end(r#"{"type":"text","text":"hi \ud83d"}"#, "length"),
        end(
            r#"{"type":"toolCall","arguments":{"content":"\ud83d"}}"#,
            "toolUse",
        ),
        end(
            &format!(r#"{{"type":"toolCall","arguments":{deep}}}"#),
            "toolUse",
        ),
        end(
            r#"{"type":"thinking","thinking":"\udc00 hm"},{"type":"text","text":"hi"}"#,
            "stop",
        ),
        end("", "error").replace("}}", r#","errorMessage":"503 \uD83D"}}"#),
        r#"{"type":"response","id":"9","success":true,"data":{"messages":["\ud83d"]}}"#.to_owned(),
    ] {
        assert_eq!(Pi::working().0.line(line.as_bytes()), Ok(()), "{line}");
    }
    for (written, read) in [
        (r"a\ud83d", "a\u{FFFD}"),
        (r"\ude00b", "\u{FFFD}b"),
        (r"\ud83d\ude00", "\u{1F600}"),
        (r"\ud83d\ud83d\ude00\ude00", "\u{FFFD}\u{1F600}\u{FFFD}"),
        (r"\\ud83d \\\ud83d\n", "\\ud83d \\\u{FFFD}\n"),
    ] {
        let mut pi = Pi::working();
        let update = format!(
            r#"{{"type":"message_update","assistantMessageEvent":{{"type":"text_delta","delta":"{written}"}}}}"#
        );
        assert_eq!(pi.0.line(update.as_bytes()), Ok(()), "{written}");
        let told: Vec<_> = pi.0.told.drain(..).collect();
        assert!(
            matches!(&told[..], [Report::Event(PiEvent::Text(text))] if text == read),
            "{written}: {told:?}"
        );
    }
}
