//! The work of a turn, and which records of pi belong to it: the rule, as one table.
//!
//! pi works in runs, from `agent_start` to `agent_end`. A turn has one run or several, and ends with `agent_settled`. The
//! response to its prompt comes before its first run; only the command of an extension may begin runs before its response.
//!
//! Work that no turn expects is never part of an answer. Nobody can separate it from the work of the next message for certain,
//! so it is a fault, and the process is ended. pi may begin such work if an extension starts it between two messages.
//!
//! | record | belongs to the turn | fault | ignored |
//! |---|---|---|---|
//! | `agent_start` | after the prompt was accepted, once; again after `agent_end`; in a command | otherwise | |
//! | text, thoughts, a message of the model, `agent_end` | in a run | otherwise | |
//! | a tool starts or ends | in a run, or after one until `agent_settled` | otherwise | |
//! | `agent_settled` | in a run or after one; without a run, once the prompt was accepted | otherwise | |
//! | retries, summing up, notices, failures of extensions | in a turn: they hold no words of an answer | | between turns |
//! | questions of extensions | always answered | more than pi reads the answers of | |
//! | a response | to a command without one | without an id | to any other id: it is part of no answer |
//! | any other | | what is no record | always: a newer pi may write more |

use crate::{
    PiError,
    message::{PiEvent, PiReply, PiStop, PiUsage},
    record::{Record, Said},
};

/// How far a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no turn.
    Idle,
    /// The prompt has no response yet. It cannot be a command.
    Asked,
    /// The same, of a message that may be the command of an extension.
    AskedCommand,
    /// An extension handled the message. Whether it left work behind is not known yet.
    Handled,
    /// The prompt was accepted, or the command left work behind.
    Works,
}

/// How far the work of a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// None has begun.
    Before,
    /// One is under way.
    On,
    /// One has ended; another one or the end of the work follows.
    Between,
    /// The work has ended.
    Over,
}

/// A record that is part of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Start,
    Words,
    Tool,
    End,
    Settled,
}

impl Act {
    pub(crate) fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Started => Some(Self::Start),
            Record::Ended => Some(Self::End),
            Record::Settled { .. } => Some(Self::Settled),
            Record::Said(_) => Some(Self::Words),
            Record::Event(PiEvent::Text(_) | PiEvent::Thinking(_)) => Some(Self::Words),
            Record::Event(PiEvent::ToolStarted { .. } | PiEvent::ToolEnded { .. }) => {
                Some(Self::Tool)
            }
            Record::Event(_) | Record::Response(_) | Record::Dialog(_) | Record::Other => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Start => "the start of work",
            Self::Words => "words of the model",
            Self::Tool => "the call of a tool",
            Self::End => "the end of a run",
            Self::Settled => "the end of work",
        }
    }
}

/// One message, and what it has come to.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) stage: Stage,
    pub(crate) run: Run,
    pub(crate) cancelled: bool,
    /// The `abort` is sent.
    pub(crate) aborting: bool,
    /// An extension handled the message.
    pub(crate) handled: bool,
    /// pi reported that the work was aborted.
    pub(crate) aborted: bool,
    /// The model's last message.
    pub(crate) last: Option<Said>,
    pub(crate) usage: PiUsage,
}

impl Turn {
    /// Whose prompt is sent. `command`: an extension may handle it as its command.
    pub(crate) fn new(command: bool) -> Self {
        Self {
            stage: if command {
                Stage::AskedCommand
            } else {
                Stage::Asked
            },
            run: Run::Before,
            cancelled: false,
            aborting: false,
            handled: false,
            aborted: false,
            last: None,
            usage: PiUsage::default(),
        }
    }

    /// An `abort` has an effect.
    pub(crate) fn works(&self) -> bool {
        match self.run {
            Run::Before => self.stage == Stage::Works,
            Run::On | Run::Between => true,
            Run::Over => false,
        }
    }

    /// Nothing of it follows.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Works && self.run == Run::Over
    }

    /// What it has come to, now that its work has ended.
    pub(crate) fn end(self) -> Result<PiReply, PiError> {
        match self.last {
            _ if self.aborted => Err(PiError::Aborted),
            Some(said) if said.stop == "aborted" => Err(PiError::Aborted),
            Some(said) if said.stop == "error" => Err(PiError::Model(
                said.error
                    .unwrap_or_else(|| "failed without words".to_owned()),
            )),
            Some(said) => Ok(PiReply {
                text: said.text,
                stop: PiStop::of(said.stop),
                usage: self.usage,
            }),
            None if self.handled => Ok(PiReply {
                text: String::new(),
                stop: PiStop::Handled,
                usage: self.usage,
            }),
            None => Err(PiError::Model("there was no answer".to_owned())),
        }
    }
}

/// Counts a record of work to the turn.
///
/// # Errors
///
/// The turn does not expect it: why.
pub(crate) fn count(turn: Option<&mut Turn>, act: Act) -> Result<(), String> {
    match turn {
        Some(turn) => turn.run = next(turn.stage, turn.run, act)?,
        None => {
            next(Stage::Idle, Run::Before, act)?;
        }
    }
    Ok(())
}

/// How far the work is after a record of it.
///
/// # Errors
///
/// No turn expects the record: why.
fn next(stage: Stage, run: Run, act: Act) -> Result<Run, String> {
    let fault = match (stage, run, act) {
        (Stage::Idle, _, _) => "and no turn is under way",
        (Stage::Asked, _, _) => "before it accepted the message",
        (_, Run::Before | Run::Between, Act::Start) => return Ok(Run::On),
        // A command may begin work again and again.
        (Stage::AskedCommand | Stage::Handled, Run::Over, Act::Start) => return Ok(Run::On),
        (_, Run::On, Act::Words | Act::Tool) => return Ok(Run::On),
        (_, Run::Between, Act::Tool) => return Ok(Run::Between),
        (_, Run::On, Act::End) => return Ok(Run::Between),
        (_, Run::On | Run::Between, Act::Settled) => return Ok(Run::Over),
        // It failed before its run began.
        (Stage::Works, Run::Before, Act::Settled) => return Ok(Run::Over),
        (_, Run::On, Act::Start) => "in the middle of other work",
        (_, Run::Before, Act::Words | Act::Tool | Act::End | Act::Settled) => "before any work",
        (_, Run::Between, Act::Words | Act::End) => "between two runs",
        (Stage::Works, Run::Over, Act::Start)
        | (_, Run::Over, Act::Words | Act::Tool | Act::End | Act::Settled) => {
            "after the end of the work"
        }
    };
    Err(format!("{}, {fault}", act.name()))
}
