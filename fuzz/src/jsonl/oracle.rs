//! What may be said to pi, by what pi has said: from the lines alone.

use serde_json::Value;

/// How many bytes may wait for pi: answers, and a little more for commands.
const MOST: usize = (1 << 20) + (1 << 16);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    phase: Phase,
    cancelled: bool,
    /// Commands without a response: type and id.
    commands: Vec<(String, String)>,
    last_id: u64,
    /// Ids of questions that were asked, and not answered.
    asked: Vec<String>,
    /// So many bytes of what waits for pi have been looked at.
    seen: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Rests,
    Begun,
    Asked,
    /// The prompt was accepted, or its command has begun work.
    Accepted,
    Aborting,
}

impl Oracle {
    pub(super) fn begins(&mut self) {
        self.phase = Phase::Begun;
        self.cancelled = false;
    }

    pub(super) fn cancels(&mut self) {
        self.cancelled = true;
    }

    /// The id of a command without response; the last but so many. `0`: of none.
    pub(super) fn unanswered(&self, operand: u8) -> String {
        let index = usize::from(operand) % (self.commands.len().max(1));
        let id = self
            .commands
            .iter()
            .rev()
            .nth(index)
            .map(|(_, id)| id.clone());
        id.unwrap_or_else(|| "0".to_owned())
    }

    /// Somebody waits for a response.
    pub(super) fn waits(&self) -> bool {
        !self.commands.is_empty()
    }

    pub(super) fn read(&mut self, bytes: usize) {
        self.seen -= bytes;
    }

    /// A line of pi, which the protocol has taken.
    pub(super) fn hears(&mut self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Value>(line) else {
            return; // blanks
        };
        match line["type"].as_str() {
            Some("response") => {
                let id = line["id"].as_str().unwrap_or_default();
                let index = self.commands.iter().position(|(_, known)| known == id);
                let command = index.map(|index| self.commands.remove(index).0);
                let started = line["success"] == true && line["data"]["disposition"] != "handled";
                if command.as_deref() == Some("prompt") && started {
                    self.phase = Phase::Accepted;
                }
            }
            Some("agent_start") if self.phase == Phase::Asked => self.phase = Phase::Accepted,
            Some("extension_ui_request") => {
                let waits = ["select", "confirm", "input", "editor"];
                if waits.iter().any(|method| line["method"] == *method) {
                    self.asked
                        .push(line["id"].as_str().unwrap_or_default().to_owned());
                }
            }
            _ => {}
        }
    }

    /// All that waits for pi to read it.
    pub(super) fn looks_at(&mut self, out: &[u8]) -> Result<(), String> {
        if out.len() > MOST {
            return Err(format!("{} bytes wait for pi", out.len()));
        }
        let new = &out[self.seen..];
        self.seen = out.len();
        for line in new.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            if !line.ends_with(b"\n") {
                return Err(format!("half a line is said: {text}"));
            }
            let line: Value =
                serde_json::from_slice(line).map_err(|error| format!("{error} in {text}"))?;
            self.said(&line)?;
        }
        Ok(())
    }

    fn said(&mut self, line: &Value) -> Result<(), String> {
        let id = line["id"].as_str().unwrap_or_default().to_owned();
        let kind = line["type"].as_str().unwrap_or_default();
        match (kind, &self.phase) {
            ("extension_ui_response", _) => {
                let asked = self.asked.iter().position(|asked| *asked == id);
                let asked = asked.ok_or_else(|| format!("an answer to nobody: {line}"))?;
                self.asked.swap_remove(asked);
                return Ok(());
            }
            ("prompt", Phase::Begun) => self.phase = Phase::Asked,
            ("clear_queue", Phase::Accepted) if self.cancelled => {}
            ("abort", Phase::Accepted) if self.cancelled => self.phase = Phase::Aborting,
            ("get_state", _) => {}
            (_, phase) => {
                return Err(format!(
                    "{kind} is said while {phase:?}, cancelled: {}",
                    self.cancelled
                ));
            }
        }
        let number = id.parse().unwrap_or(0);
        if number <= self.last_id {
            return Err(format!("{line} has not a new id"));
        }
        self.last_id = number;
        self.commands.push((kind.to_owned(), id));
        Ok(())
    }

    pub(super) fn ended(&mut self) -> Result<(), String> {
        if self.phase == Phase::Rests {
            return Err("a turn ends twice".to_owned());
        }
        self.phase = Phase::Rests;
        match self.commands.iter().find(|(kind, _)| kind != "get_state") {
            Some(command) => Err(format!("a turn has ended, and {command:?} is not answered")),
            None => Ok(()),
        }
    }

    pub(super) fn agrees(&self, in_turn: bool) -> Result<(), String> {
        let here = self.phase != Phase::Rests;
        if here == in_turn {
            return Ok(());
        }
        Err(format!(
            "a turn is under way: {in_turn}, but {:?}",
            self.phase
        ))
    }
}
