//! Target `acp`: what an agent may write, in order or not, and what its sessions do meanwhile.
//!
//! The first byte chooses the limit of a line, the policy of questions, and the size of the pieces in which bytes come. Of each
//! pair that follows, the first chooses a step and the second its operand: a session is opened, prompted, cancelled or closed,
//! time passes, the agent reads, the agent writes a message or bytes as they stand in the input.
//!
//! Each step is made twice, side by side: once the bytes come at once, once in pieces. Both give the same lines and reports.
//! After each step: what was written is JSON-RPC, in an order that the protocol allows; a request of the agent is answered once;
//! a turn ends once; and nothing grows. A fault of the agent is a typed error, and ends the process. At the end nobody answers
//! and nobody ends a turn; then time passes, the process ends, and everything has its end.

mod oracle;
mod side;

use super::Target;
use super::table::Log;
use oracle::Oracle;
use serde_json::{Value, json};
use side::Side;
use std::time::Duration;
use turnwise_acp::{AcpAgent, AcpError, AcpPolicy};

pub(crate) const TARGET: Target = Target {
    name: "acp",
    claims: "acp",
    columns: &["sessions", "agent"],
    kinds: || STEPS.iter().map(|step| step.name).collect(),
    run: |bytes, log| run(bytes, log, None),
};

const LONGEST: usize = 200;
/// The most sessions at a time.
const SLOTS: u8 = 3;
/// How long a question or an abort may take.
const LIMIT: Duration = Duration::from_secs(3);

/// A fault put in, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // The replay's canaries put them in.
pub(crate) enum Fault {
    /// A byte is lost between two pieces.
    CutsLoseBytes,
    /// Refusals of the agent's requests are not seen.
    RefusalsAreLost,
    /// Ends of turns are not seen.
    EndsAreLost,
}

/// Why the bytes end before they are over.
#[derive(Debug)]
enum Stop {
    /// The process is to be ended, as it should be.
    Error(AcpError),
    /// A claim does not hold.
    Wrong(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

/// One process, twice.
struct Wire {
    /// Receives bytes at once.
    whole: Side,
    /// Receives the same in pieces.
    cut: Side,
    /// The sessions, by their tokens.
    slots: [Option<u64>; SLOTS as usize],
    count: u64,
    oracle: Oracle,
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
    step("open", 0, |wire, operand, _| {
        let slot = usize::from(operand % SLOTS);
        if wire.slots[slot].is_none() {
            wire.count += 1;
            wire.slots[slot] = Some(wire.count);
            let saved = (operand & 4 != 0).then(|| format!("s{}", operand >> 5));
            wire.oracle.opens(wire.count);
            wire.both(|side, token| side.open(token, saved.clone()), wire.count);
        }
        Ok(())
    }),
    step("prompt", 0, |wire, operand, _| {
        // The manager has one turn at a time.
        if let Some(token) = wire.token(operand).filter(|it| wire.oracle.prompts(*it)) {
            wire.both(|side, token| side.protocol.prompt(token, &[]), token);
        }
        Ok(())
    }),
    step("cancel", 0, |wire, operand, _| {
        if let Some(token) = wire.token(operand) {
            wire.oracle.cancels(token);
            wire.both(Side::cancel, token);
        }
        Ok(())
    }),
    step("close", 0, |wire, operand, _| {
        if let Some(token) = wire.slots[usize::from(operand % SLOTS)].take() {
            wire.oracle.closes(token);
            wire.both(Side::close, token);
        }
        Ok(())
    }),
    step("request", 0, |wire, operand, _| {
        if let Some(token) = wire.token(operand) {
            wire.both(|side, token| side.request(token, operand & 4 == 0), token);
        }
        Ok(())
    }),
    step("choose", 0, |wire, operand, _| {
        if let Some(token) = wire.token(operand) {
            wire.both(|side, token| side.choose(token, operand >> 5), token);
        }
        Ok(())
    }),
    step("answer", 0, |wire, _, _| {
        wire.both(|side, _| side.answer(), 0);
        Ok(())
    }),
    step("wait", 0, |wire, operand, _| {
        let time = Duration::from_millis(u64::from(operand) * 10);
        wire.both(|side, _| side.wait(time), 0);
        Ok(())
    }),
    step("read", 1, |wire, operand, _| {
        wire.reads(usize::from(operand) * 8);
        Ok(())
    }),
    step("respond", 1, |wire, operand, _| {
        let (id, method) = wire.oracle.unanswered(operand);
        let sessions = if operand & 128 == 0 {
            json!({"close": {}, "resume": {}})
        } else {
            json!(null)
        };
        let result = match method.as_str() {
            "initialize" => json!({"protocolVersion": 1, "agentCapabilities":
                {"loadSession": true, "sessionCapabilities": sessions}}),
            "session/new" => json!({"sessionId": format!("s{id}")}),
            "session/prompt" if operand & 128 == 0 => json!({"stopReason": "end_turn"}),
            "session/prompt" => json!({"stopReason": "cancelled", "usage": {"inputTokens": -1}}),
            _ => json!({}),
        };
        wire.writes(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }),
    step("refuse", 1, |wire, operand, _| {
        let (id, _) = wire.oracle.unanswered(operand);
        let data = [json!("why"), json!({"details": "why"}), json!(7)];
        let error = json!({"code": -32000 - i32::from(operand & 128), "message": "no",
            "data": data[usize::from(operand) % data.len()]});
        wire.writes(&json!({"id": id, "error": error}))
    }),
    step("misrespond", 1, |wire, operand, _| {
        let (id, _) = wire.oracle.unanswered(operand);
        let wrong = [
            json!({"id": id}),
            json!({"id": id, "result": []}),
            json!({"id": id, "result": {"sessionId": "s2", "protocolVersion": 2}}),
            json!({"id": id, "error": 7}),
            json!({"id": null, "error": {"message": "what?"}}),
            json!({"id": u64::MAX, "result": {}}),
        ];
        wire.writes(&wrong[usize::from(operand >> 3) % wrong.len()])
    }),
    step("ask", 1, |wire, operand, _| {
        let id = json!(operand >> 5);
        wire.asks(&id, operand)
    }),
    step("ask much", 1, |wire, operand, _| {
        // So long that there is room for some hundreds.
        let id = json!("8".repeat(2000));
        (0..8).try_for_each(|_| wire.asks(&id, operand))
    }),
    step("call", 1, |wire, operand, _| {
        let method = ["fs/read_text_file", "session/request_permission", "new"];
        let method = method[usize::from(operand) % method.len()];
        let id = [json!(1), json!("1"), json!(null), json!([-1.5e300])];
        let id = &id[usize::from(operand >> 6)];
        wire.writes(&json!({"id": id, "method": method, "params": [operand]}))
    }),
    step("update", 1, |wire, operand, _| {
        let updates = [
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "hello"}}),
            json!({"sessionUpdate": "agent_thought_chunk", "content": {"text": "e\u{301}".repeat(100)}}),
            json!({"sessionUpdate": "agent_message_chunk", "content": {"text": "\u{1F980}".repeat(100)}}),
            json!({"sessionUpdate": "tool_call", "toolCallId": "1", "kind": 7, "rawInput": [[]]}),
            json!({"sessionUpdate": "tool_call_update"}),
            json!({"sessionUpdate": "plan", "entries": [{"content": "all"}]}),
            json!({"sessionUpdate": "current_mode_update", "currentModeId": "ask"}),
            json!({"sessionUpdate": "usage_update", "used": -1, "cost": {"amount": 1e300}}),
            json!({"sessionUpdate": "new", "x": {"y": [[[null]]]}}),
            json!({"sessionUpdate": null}),
        ];
        let session = wire.session(operand);
        let update = &updates[usize::from(operand >> 2) % updates.len()];
        let params = json!({"sessionId": session, "update": update});
        wire.writes(&json!({"method": "session/update", "params": params}))
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
    wire.look()?;
    for index in 0..LONGEST {
        let [choice, operand, rest @ ..] = steps else {
            break;
        };
        steps = rest;
        let step = &STEPS[usize::from(*choice) % STEPS.len()];
        log.note(step.column, step.name, Some(*operand));
        let made = (step.make)(&mut wire, *operand, &mut steps).and_then(|()| Ok(wire.look()?));
        match made {
            Ok(()) => {}
            Err(Stop::Error(error)) => {
                let ended = wire.ended(&error);
                return ended.map_err(|why| format!("after the fault of step {index}: {why}"));
            }
            Err(Stop::Wrong(why)) => return Err(format!("step {index}: {why}")),
        }
    }
    wire.end().map_err(|why| format!("at the end: {why}"))
}

impl Wire {
    fn new(settings: u8, fault: Option<Fault>) -> Self {
        let limit = [1 << 20, 4096, 600, 16][usize::from(settings & 3)];
        let policies = [AcpPolicy::Ask, AcpPolicy::Deny, AcpPolicy::AllowReads];
        let policy = policies[usize::from(settings >> 2 & 3) % 3];
        let piece = [1, 3, 64, 1000][usize::from(settings >> 4 & 3)];
        let agent = AcpAgent::builder("agent").permissions(policy);
        let agent = agent.line_limit(limit).abort_timeout(LIMIT);
        let agent = agent.permission_timeout(LIMIT);
        let loses = fault == Some(Fault::CutsLoseBytes);
        Self {
            whole: Side::new(agent.clone(), limit, usize::MAX, false),
            cut: Side::new(agent, limit, piece, loses),
            slots: [None; SLOTS as usize],
            count: 0,
            oracle: Oracle::new(limit, fault),
        }
    }

    fn both(&mut self, make: impl Fn(&mut Side, u64), token: u64) {
        make(&mut self.whole, token);
        make(&mut self.cut, token);
    }

    fn token(&self, operand: u8) -> Option<u64> {
        self.slots[usize::from(operand % SLOTS)]
    }

    /// The id of a session, or of none.
    fn session(&self, operand: u8) -> Value {
        let token = self.slots.get(usize::from(operand & 3)).copied().flatten();
        let id = token.and_then(|token| self.whole.id(token));
        id.map_or_else(|| "s0".into(), Value::from)
    }

    /// A question for permission.
    fn asks(&mut self, id: &Value, operand: u8) -> Result<(), Stop> {
        let kinds = ["read", "edit", "search"];
        let kind = kinds[usize::from(operand >> 3) % kinds.len()];
        let options = json!([{"optionId": "y", "kind": "allow_once"}, {"optionId": "n", "kind": "reject_once"}]);
        let params = json!({"sessionId": self.session(operand), "options": options,
            "toolCall": {"toolCallId": "1", "kind": kind}});
        self.writes(&json!({"id": id, "method": "session/request_permission", "params": params}))
    }

    /// The agent reads so many bytes.
    fn reads(&mut self, bytes: usize) {
        let bytes = bytes.min(self.whole.protocol.out.len());
        self.both(|side, _| drop(side.protocol.out.split_to(bytes)), 0);
        self.oracle.read(bytes);
    }

    /// A message in a line of its own.
    fn writes(&mut self, message: &Value) -> Result<(), Stop> {
        if !self.whole.read.is_empty() {
            self.comes(b"\n")?;
        }
        self.comes(format!("{message}\n").as_bytes())
    }

    /// Bytes of the agent.
    fn comes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let (whole, cut) = (self.whole.comes(bytes)?, self.cut.comes(bytes)?);
        let words = |end: &Option<AcpError>| end.as_ref().map(ToString::to_string);
        if words(&whole) != words(&cut) {
            return Err(Stop::Wrong(format!("at once {whole:?}, in pieces {cut:?}")));
        }
        for line in self.whole.lines.drain(..) {
            self.oracle.hears(&line);
        }
        whole.map_or(Ok(()), |error| Err(Stop::Error(error)))
    }

    /// What was sent and reported since the last look.
    fn look(&mut self) -> Result<(), String> {
        let reports = self.whole.take();
        let other = self.cut.take();
        if reports != other {
            return Err(format!("reported at once {reports:?}, in pieces {other:?}"));
        }
        if self.whole.protocol.out != self.cut.protocol.out {
            return Err("something else is sent when bytes come in pieces".to_owned());
        }
        reports?
            .iter()
            .try_for_each(|(token, report)| self.oracle.reported(*token, report))?;
        self.oracle.looks_at(&self.whole.protocol.out)
    }

    /// Nobody answers, and nobody ends a turn. Then the process ends.
    fn end(&mut self) -> Result<(), String> {
        for token in self.slots.into_iter().flatten() {
            self.oracle.cancels(token);
            self.both(Side::cancel, token);
        }
        self.both(|side, _| side.answer(), 0);
        // More than there may be repetitions of a cancel.
        for _ in 0..40 {
            self.both(|side, _| side.wait(LIMIT / 20), 0);
        }
        self.look()?;
        if self.whole.protocol.deadline().is_some() {
            return Err("something is due for ever".to_owned());
        }
        self.oracle.all_answered()?;
        self.oracle.turns_ended()?;
        self.ended(&AcpError::Aborted)
    }

    fn ended(&mut self, error: &AcpError) -> Result<(), String> {
        self.whole.bounded(error)?;
        self.both(|side, _| side.end(error), 0);
        self.look()?;
        self.oracle.all_ended()?;
        match self.whole.waits() + self.cut.waits() {
            0 => Ok(()),
            waiting => Err(format!("{waiting} callers still wait")),
        }
    }
}
