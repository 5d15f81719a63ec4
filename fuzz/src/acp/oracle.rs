//! What may be sent to an agent and reported to its sessions, by what the agent has written: from the lines alone.

use super::{Fault, side::Received};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Answers that are owed, and answers of open questions: each session may have as many.
const OWED: usize = 1 << 20;
/// Our own requests and notifications that wait, by far.
const OURS: usize = 1 << 18;

/// See the module.
#[derive(Debug)]
pub(super) struct Oracle {
    fault: Option<Fault>,
    /// How many bytes may wait for the agent.
    most: usize,
    sessions: BTreeMap<u64, Session>,
    /// Requests to the agent without a response: id and method.
    requests: Vec<(u64, String)>,
    last_id: u64,
    /// Requests of the agent that are not answered, by their id: how many.
    asked: HashMap<String, usize>,
    initialized: bool,
    /// So many bytes of what waits for the agent have been looked at.
    seen: usize,
}

#[derive(Debug, Default)]
struct Session {
    opened: bool,
    in_turn: bool,
    cancelled: bool,
    over: bool,
}

impl Oracle {
    pub(super) fn new(limit: usize, fault: Option<Fault>) -> Self {
        Self {
            fault,
            // The id of a request may be as long as a line, and its numbers grow when they are written.
            most: 4 * OWED + OURS + 8 * limit,
            sessions: BTreeMap::new(),
            requests: Vec::new(),
            last_id: 0,
            asked: HashMap::new(),
            initialized: false,
            seen: 0,
        }
    }

    pub(super) fn opens(&mut self, token: u64) {
        self.sessions.insert(token, Session::default());
    }

    /// Whether a turn may begin.
    pub(super) fn prompts(&mut self, token: u64) -> bool {
        let session = self.sessions.entry(token).or_default();
        let may = !session.in_turn && !session.over;
        if may {
            session.in_turn = true;
            session.cancelled = false;
        }
        may
    }

    pub(super) fn cancels(&mut self, token: u64) {
        self.sessions.entry(token).or_default().cancelled = true;
    }

    /// Nobody listens to it any more.
    pub(super) fn closes(&mut self, token: u64) {
        self.sessions.remove(&token);
    }

    /// The id and the method of a request without response, or of none.
    pub(super) fn unanswered(&self, operand: u8) -> (u64, String) {
        let index = usize::from(operand & 7) % self.requests.len().max(1);
        let request = self.requests.iter().rev().nth(index).cloned();
        request.unwrap_or_default()
    }

    pub(super) fn read(&mut self, bytes: usize) {
        self.seen -= bytes;
    }

    /// A line of the agent that the protocol has taken.
    pub(super) fn hears(&mut self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Value>(line) else {
            return; // blanks
        };
        if line["method"].is_string() {
            if let Some(id) = line.get("id") {
                *self.asked.entry(id.to_string()).or_default() += 1;
            }
        } else if let Some(id) = line["id"].as_u64() {
            let index = self.requests.iter().position(|(known, _)| *known == id);
            if let Some(index) = index {
                let (_, method) = self.requests.remove(index);
                self.initialized |= method == "initialize";
            }
        }
    }

    /// All that waits for the agent to read it.
    pub(super) fn looks_at(&mut self, out: &[u8]) -> Result<(), String> {
        if out.len() > self.most {
            return Err(format!("{} bytes wait for the agent", out.len()));
        }
        let new = &out[self.seen..];
        self.seen = out.len();
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            if !line.ends_with(b"\n") {
                return Err(format!("half a line is sent: {text}"));
            }
            let line: Value =
                serde_json::from_slice(line).map_err(|error| format!("{error} in {text}"))?;
            self.sent(&line)?;
        }
        Ok(())
    }

    fn sent(&mut self, line: &Value) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if line["jsonrpc"] != "2.0" {
            return wrong("not JSON-RPC");
        }
        let Some(method) = line["method"].as_str() else {
            if self.fault == Some(Fault::RefusalsAreLost) && line.get("error").is_some() {
                return Ok(());
            }
            let answers = [line.get("result"), line.get("error")];
            let asked = self.asked.get_mut(&line["id"].to_string());
            return match (answers.iter().flatten().count(), asked) {
                (1, Some(open @ 1..)) => {
                    *open -= 1;
                    Ok(())
                }
                _ => wrong("an answer that nobody waits for"),
            };
        };
        let Some(id) = line.get("id") else {
            return match method {
                "session/cancel" => Ok(()),
                _ => wrong("a notification of no use"),
            };
        };
        let id = id.as_u64().unwrap_or_default();
        if id <= self.last_id {
            return wrong("no new id");
        }
        self.last_id = id;
        let known = match method {
            "initialize" => id == 1,
            "session/new" | "session/load" | "session/resume" => self.initialized,
            "session/prompt" => line["params"]["prompt"] == json!([]) && self.initialized,
            "session/close" | "session/set_mode" => self.initialized,
            _ => false,
        };
        self.requests.push((id, method.to_owned()));
        if known { Ok(()) } else { wrong("too early") }
    }

    /// What a session has received.
    pub(super) fn reported(&mut self, token: u64, received: &Received) -> Result<(), String> {
        let Some(session) = self.sessions.get_mut(&token) else {
            return match received {
                // The driver drops it.
                Received::Event(false, _) => Ok(()),
                _ => Err(format!("{received:?} for a session that is closed")),
            };
        };
        match received {
            Received::Opened(_) if session.opened => {
                return Err("a session is opened twice".to_owned());
            }
            Received::Opened(opened) => {
                session.opened = true;
                session.over = !opened;
            }
            Received::Event(true, _) | Received::Note(_) if !session.in_turn => {
                return Err(format!("{received:?} outside of turns"));
            }
            Received::Event(false, _) if session.in_turn => {
                return Err(format!("{received:?} in a turn"));
            }
            Received::Event(..) | Received::Note(_) => {}
            Received::End(_) if self.fault == Some(Fault::EndsAreLost) => {}
            Received::End(_) if !session.in_turn => return Err("a turn ends twice".to_owned()),
            Received::End(_) => session.in_turn = false,
            Received::Over(_) if session.in_turn => return Err("a turn is lost".to_owned()),
            Received::Over(_) => session.over = true,
        }
        Ok(())
    }

    /// Nobody answers any more.
    pub(super) fn all_answered(&self) -> Result<(), String> {
        match self.asked.iter().find(|(_, open)| **open > 0) {
            Some((id, open)) => Err(format!("{open} requests {id} are not answered")),
            None => Ok(()),
        }
    }

    /// The process has ended.
    pub(super) fn all_ended(&self) -> Result<(), String> {
        self.turns_ended()?;
        match self.sessions.iter().find(|(_, session)| !session.over) {
            Some((token, _)) => Err(format!("session {token} is never over")),
            None => Ok(()),
        }
    }

    /// Each turn was cancelled, and its time has passed.
    pub(super) fn turns_ended(&self) -> Result<(), String> {
        match self.sessions.iter().find(|(_, session)| session.in_turn) {
            Some((token, _)) => Err(format!("the turn of session {token} never ends")),
            None => Ok(()),
        }
    }
}
