//! Target `jsonl`: what a pi may write, in order or not, and what a turn does meanwhile.
//!
//! The first byte chooses the limit of a line, the size of the pieces in which bytes come, and whether somebody answers
//! questions. Of each pair that follows, the first chooses a step and the second its operand: a turn begins or is cancelled, pi
//! reads, pi writes a record or bytes as they stand in the input. An error ends the input, as it ends the process.
//!
//! After each step: what was written is lines of JSON; pi has one prompt at a time and no abort before there is work; a
//! question is answered once; a turn ends once, with no command unanswered; and nothing grows. At the end pi does what is
//! expected of it, and then the turn has ended.

mod oracle;

use super::Target;
use super::table::Log;
use oracle::Oracle;
use serde_json::{Map, Value, json};
use turnwise_pi::wire::{BytesMut, Decoder, LineDecoder, LineError, Protocol, Report};
use turnwise_pi::{PiAnswer, PiError};

pub(crate) const TARGET: Target = Target {
    name: "jsonl",
    claims: "pi",
    columns: &["turn", "pi"],
    kinds: || STEPS.iter().map(|step| step.name).collect(),
    run: |bytes, log| run(bytes, log, None),
};

const LONGEST: usize = 200;

/// A fault put in, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // The replay's canaries put them in.
pub(crate) enum Fault {
    /// No prompt counts as accepted: then every abort is too early.
    NothingIsAccepted,
    /// The end of the work is not seen.
    SettledIsLost,
}

/// Why the bytes end before they are over.
#[derive(Debug)]
enum Stop {
    /// The process would be ended: as it should be.
    Error,
    /// A claim does not hold.
    Wrong(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

/// One process and its turns.
struct Wire {
    protocol: Protocol,
    lines: LineDecoder,
    read: BytesMut,
    limit: usize,
    piece: usize,
    /// Bytes without their LF yet.
    open: bool,
    oracle: Oracle,
    fault: Option<Fault>,
}

struct Step {
    name: &'static str,
    column: usize,
    make: fn(&mut Wire, u8, &mut &[u8]) -> Result<(), Stop>,
}

const fn step(
    name: &'static str,
    column: usize,
    make: fn(&mut Wire, u8, &mut &[u8]) -> Result<(), Stop>,
) -> Step {
    Step { name, column, make }
}

/// In the order of the bytes that choose them.
const STEPS: &[Step] = &[
    step("begin", 0, |wire, operand, _| {
        if !wire.protocol.in_turn() {
            let text = if operand & 1 == 1 { "/hello" } else { "hello" };
            wire.oracle.begins();
            wire.protocol.begin(text.into());
        }
        Ok(())
    }),
    step("cancel", 0, |wire, _, _| {
        wire.oracle.cancels();
        wire.protocol.cancel();
        Ok(())
    }),
    step("request", 0, |wire, _, _| {
        // Who waits for its response has gone: it must be forgotten some time.
        let (reply, _) = tokio::sync::oneshot::channel::<Result<Value, PiError>>();
        wire.protocol.request("get_state", Map::new(), reply);
        Ok(())
    }),
    step("answer", 0, |wire, operand, _| {
        let answer = match operand & 3 {
            0 => PiAnswer::Cancelled,
            1 => PiAnswer::Confirmed(true),
            _ => PiAnswer::Value("yes\n".to_owned()),
        };
        let handle = wire.protocol.handle();
        let open = handle.questions();
        let asked = open.get(usize::from(operand >> 5)).map(|asked| asked.id);
        let taken = asked.is_none_or(|id| handle.answer(id, answer.clone()));
        if !taken || asked.is_some_and(|id| handle.answer(id, answer)) {
            return Err(Stop::Wrong("not one answer is taken".to_owned()));
        }
        // Else it waits for what is next.
        if operand & 4 == 0 {
            wire.protocol.answer();
        }
        Ok(())
    }),
    step("read", 1, |wire, operand, _| {
        wire.reads(usize::from(operand) * 8);
        Ok(())
    }),
    step("accept", 1, |wire, operand, _| {
        wire.responds(
            operand,
            &json!({"success": true, "data": {"disposition": "started"}}),
        )
    }),
    step("handle", 1, |wire, operand, _| {
        wire.responds(
            operand,
            &json!({"success": true, "data": {"disposition": "handled"}}),
        )
    }),
    step("refuse", 1, |wire, operand, _| {
        wire.responds(operand, &json!({"success": false, "error": "no"}))
    }),
    step("start", 1, |wire, operand, _| {
        let kind = if operand & 3 == 3 {
            "agent_end"
        } else {
            "agent_start"
        };
        wire.writes(&json!({"type": kind}))
    }),
    step("settle", 1, |wire, operand, _| {
        wire.writes(&json!({"type": "agent_settled", "aborted": operand & 1 == 1}))
    }),
    step("say", 1, |wire, operand, _| {
        let stops = ["stop", "length", "toolUse", "error", "aborted", "new"];
        let stop = stops[usize::from(operand) % stops.len()];
        let content = json!([{"type": "text", "text": "hello"}, {"type": "image"}]);
        let message = json!({"role": "assistant", "content": content, "stopReason": stop,
            "usage": {"input": u64::MAX, "cost": {"total": -1e300}}});
        wire.writes(&json!({"type": "message_end", "message": message}))
    }),
    step("ask", 1, |wire, operand, _| {
        wire.writes(&json!({"type": "extension_ui_request", "id": (operand >> 5).to_string(), "method": "confirm"}))
    }),
    step("ask much", 1, |wire, _, _| {
        // So long that there is room for some hundreds.
        let question =
            json!({"type": "extension_ui_request", "id": "8".repeat(2000), "method": "select"});
        for _ in 0..8 {
            wire.writes(&question)?;
        }
        Ok(())
    }),
    step("show", 1, |wire, operand, _| {
        let shown = [
            json!({"type": "message_update", "assistantMessageEvent": {"type": "text_delta", "delta": "a"}}),
            json!({"type": "tool_execution_start", "toolCallId": "1", "toolName": "bash", "args": {}}),
            json!({"type": "auto_retry_start", "attempt": 1, "maxAttempts": 3, "delayMs": u64::MAX}),
            json!({"type": "auto_retry_end", "success": false}),
            json!({"type": "compaction_start"}),
            json!({"type": "compaction_end"}),
            json!({"type": "extension_ui_request", "id": "1", "method": "notify", "message": "hm"}),
            json!({"type": "new", "x": [[[[[[]]]]]]}),
        ];
        wire.writes(&shown[usize::from(operand) % shown.len()])
    }),
    step("bytes", 1, |wire, operand, rest| {
        let (bytes, more) = rest.split_at(rest.len().min(usize::from(operand)));
        *rest = more;
        wire.comes(bytes)
    }),
    step("same byte", 1, |wire, operand, rest| {
        let (byte, more) = rest.split_first().unwrap_or((&b'[', &[]));
        *rest = more;
        wire.comes(&vec![*byte; usize::from(operand) * 32])
    }),
    step("line end", 1, |wire, _, _| wire.comes(b"\n")),
];

/// The byte that chooses a step.
#[allow(dead_code)] // The replay's canaries write inputs.
pub(crate) fn byte(name: &str) -> u8 {
    let index = STEPS.iter().position(|step| step.name == name);
    u8::try_from(index.expect("there is such a step")).expect("there are few")
}

pub(crate) fn run(bytes: &[u8], log: &Log, fault: Option<Fault>) -> Result<(), String> {
    let (&settings, mut steps) = bytes.split_first().unwrap_or((&0, &[]));
    let mut wire = Wire::new(settings, fault);
    for index in 0..LONGEST {
        let [choice, operand, rest @ ..] = steps else {
            break;
        };
        steps = rest;
        let step = &STEPS[usize::from(*choice) % STEPS.len()];
        log.note(step.column, step.name, Some(*operand));
        let made = (step.make)(&mut wire, *operand, &mut steps).and_then(|()| wire.look());
        match made {
            Ok(()) => {}
            Err(Stop::Error) => return Ok(()),
            Err(Stop::Wrong(why)) => return Err(format!("step {index}: {why}")),
        }
    }
    match wire.end() {
        Ok(()) | Err(Stop::Error) => Ok(()),
        Err(Stop::Wrong(why)) => Err(format!("at the end: {why}")),
    }
}

impl Wire {
    fn new(settings: u8, fault: Option<Fault>) -> Self {
        let limit = [1 << 20, 4096, 256, 16][usize::from(settings & 3)];
        Self {
            protocol: Protocol::new(settings & 4 != 0),
            lines: LineDecoder::new(limit),
            read: BytesMut::new(),
            limit,
            piece: [1 << 20, 1, 3, 64][usize::from(settings >> 3 & 3)],
            open: false,
            oracle: Oracle::default(),
            fault,
        }
    }

    /// A record in a line of its own.
    fn writes(&mut self, record: &Value) -> Result<(), Stop> {
        if self.open {
            self.comes(b"\n")?;
        }
        self.comes(format!("{record}\n").as_bytes())
    }

    /// A response to one of the commands that have none yet, or to nobody.
    fn responds(&mut self, operand: u8, response: &Value) -> Result<(), Stop> {
        let mut response = response.clone();
        response["type"] = "response".into();
        response["id"] = self.oracle.unanswered(operand).into();
        self.writes(&response)
    }

    /// pi reads so many bytes.
    fn reads(&mut self, bytes: usize) {
        let bytes = bytes.min(self.protocol.out.len());
        drop(self.protocol.out.split_to(bytes));
        self.oracle.read(bytes);
    }

    /// Bytes of pi, in pieces.
    fn comes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        // Not too many of them: the fuzzer has seconds.
        for piece in bytes.chunks(self.piece.max(bytes.len() / 64)) {
            self.read.extend_from_slice(piece);
            loop {
                let line = match self.lines.decode(&mut self.read) {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(LineError::TooLong(limit)) if limit == self.limit => {
                        return Err(Stop::Error);
                    }
                    Err(error) => return Err(Stop::Wrong(format!("not what it read: {error}"))),
                };
                if line.len() > self.limit || line.contains(&b'\n') {
                    return Err(Stop::Wrong(format!("it is no line: {line:?}")));
                }
                self.line(&line)?;
            }
            if self.read.len() > self.limit {
                return Err(Stop::Wrong(format!("{} bytes are kept", self.read.len())));
            }
        }
        self.open = !self.read.is_empty();
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Stop> {
        if self.fault == Some(Fault::SettledIsLost) && line.starts_with(b"{\"aborted") {
            return Ok(());
        }
        if let Err(error) = self.protocol.line(line) {
            return match error.len() {
                1..1000 => Err(Stop::Error),
                length => Err(Stop::Wrong(format!("an error of {length} bytes"))),
            };
        }
        if self.fault != Some(Fault::NothingIsAccepted) {
            self.oracle.hears(line);
        }
        self.look()
    }

    /// What the protocol has said to pi and to the turn since the last look.
    fn look(&mut self) -> Result<(), Stop> {
        self.oracle.looks_at(&self.protocol.out)?;
        let told = self.protocol.told.len();
        if told > 4 {
            return Err(Stop::Wrong(format!("{told} things told at once")));
        }
        for told in self.protocol.told.drain(..) {
            if let Report::End(_) = told {
                self.oracle.ended()?;
            }
        }
        Ok(self.oracle.agrees(self.protocol.in_turn())?)
    }

    /// pi does what is expected of it; then it ends.
    fn end(&mut self) -> Result<(), Stop> {
        /// The prompt; the work that a command left behind; its abort.
        const ROUNDS: usize = 4;
        for _ in 0..ROUNDS {
            while self.oracle.waits() {
                self.responds(
                    0,
                    &json!({"success": true, "data": {"disposition": "started"}}),
                )?;
            }
            if self.protocol.in_turn() {
                self.writes(&json!({"aborted": true, "type": "agent_settled"}))?;
            }
        }
        if self.protocol.in_turn() {
            return Err(Stop::Wrong("the turn never ends".to_owned()));
        }
        match self.lines.decode_eof(&mut self.read) {
            Ok(None) if self.read.is_empty() => Ok(()),
            end => Err(Stop::Wrong(format!("nothing was left, but {end:?}"))),
        }
    }
}
