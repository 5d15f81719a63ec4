//! The wire to pi, without a process: lines that are no records, what is said to pi when, and what a turn hears.
#![cfg(unix)]

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

mod oracle;
mod orders;
mod questions;
mod records;
mod turns;

use serde_json::{Value, json};
use turnwise_pi::wire::{Protocol, Report};
use turnwise_pi::{PiAnswer, PiReply};

/// A protocol, with short words for what goes in and comes out.
struct Pi(Protocol);

impl Pi {
    fn new() -> Self {
        Self(Protocol::new(false))
    }

    /// With a turn whose prompt is accepted.
    fn working() -> Self {
        let mut pi = Self::new();
        pi.0.begin("hello".into());
        assert_eq!(pi.said(), ["prompt 1"]);
        pi.accepts("1");
        pi.starts();
        pi
    }

    fn writes(&mut self, line: &Value) {
        let line = line.to_string();
        assert_eq!(self.0.line(line.as_bytes()), Ok(()), "{line}");
    }

    fn accepts(&mut self, id: &str) {
        let data = json!({"disposition": "started"});
        self.writes(&json!({"type": "response", "id": id, "success": true, "data": data}));
    }

    fn handles(&mut self, id: &str) {
        let data = json!({"disposition": "handled"});
        self.writes(&json!({"type": "response", "id": id, "success": true, "data": data}));
    }

    /// The response to `get_state`.
    fn streams(&mut self, id: &str, streams: bool) {
        let data = json!({"sessionId": "a", "isStreaming": streams});
        self.writes(&json!({"type": "response", "id": id, "success": true, "data": data}));
    }

    fn starts(&mut self) {
        self.writes(&json!({"type": "agent_start"}));
    }

    /// What is wrong with a record of this type.
    fn fault(&mut self, kind: &str) -> String {
        let line = json!({"type": kind}).to_string();
        self.0.line(line.as_bytes()).expect_err(&line)
    }

    fn answers(&mut self, text: &str, stop: &str) {
        let content =
            json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}]);
        let message = json!({"role": "assistant", "content": content, "stopReason": stop, "errorMessage": "no luck",
            "usage": {"input": 7, "output": 2, "cacheRead": 1, "cacheWrite": 0, "cost": {"total": 0.5}}});
        self.writes(&json!({"type": "message_end", "message": message}));
    }

    fn settles(&mut self, aborted: bool) {
        self.writes(&json!({"type": "agent_settled", "aborted": aborted}));
    }

    fn asks(&mut self, id: &str) {
        self.writes(
            &json!({"type": "extension_ui_request", "id": id, "method": "confirm", "title": id}),
        );
    }

    /// The answer of a handle to the first open question of this title.
    fn answers_question(&mut self, title: &str, answer: PiAnswer) -> bool {
        let handle = self.0.handle();
        let open = handle.questions();
        let asked = open.iter().find(|question| question.title == title);
        let answered = asked.is_some_and(|question| handle.answer(question.id, answer));
        self.0.answer();
        answered
    }

    /// The commands that were written: type and id, and for answers what they are.
    fn said(&mut self) -> Vec<String> {
        let bytes = self.0.out.split();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                assert_eq!(line.last(), Some(&b'\n'), "a whole line");
                let line: Value = serde_json::from_slice(line).expect("it is JSON");
                let text = |name: &str| line[name].as_str().map(str::to_owned).unwrap_or_default();
                match line["type"].as_str() {
                    Some("extension_ui_response") => {
                        let (cancelled, yes) = (&line["cancelled"], &line["confirmed"]);
                        format!("answer {} {cancelled} {yes} {}", text("id"), line["value"])
                    }
                    _ => format!("{} {}", text("type"), text("id")),
                }
            })
            .collect()
    }

    /// How the turn ended: with a reply, or with these words.
    fn end(&mut self) -> Option<Result<PiReply, String>> {
        let mut ends = self.0.told.drain(..).filter_map(|told| match told {
            Report::End(end) => Some(end.map_err(|error| error.to_string())),
            Report::Event(_) | Report::Note(_) => None,
        });
        let end = ends.next();
        assert!(ends.next().is_none(), "a turn ends once");
        drop(ends);
        assert_eq!(end.is_some(), !self.0.in_turn());
        end
    }

    fn notes(&mut self) -> Vec<String> {
        let notes = self.0.told.drain(..).filter_map(|told| match told {
            Report::Note(note) => Some(note.to_string()),
            Report::Event(_) | Report::End(_) => None,
        });
        notes.collect()
    }
}
