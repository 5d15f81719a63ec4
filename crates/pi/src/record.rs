//! What pi writes, as far as it is needed: one record a line.
//!
//! What decides (a response, the end of a message, the end of the work, a question) is read strictly; what is only shown is
//! passed over if a newer pi should write it in another way.

use crate::{
    message::{PiEvent, PiUsage},
    words::{ERROR, SHORT, bounded},
};
use serde::Deserialize;
use serde_json::{Error, Value, from_slice};
use std::{borrow::Cow, time::Duration};

/// A line, read.
#[derive(Debug)]
pub(crate) enum Record {
    /// To a command.
    Response(Response),
    /// A run has begun.
    Started,
    /// A run has ended. Another one may follow.
    Ended,
    /// The work has ended, with nothing to follow.
    Settled { aborted: bool },
    /// The model's message is complete.
    Said(Said),
    /// A question of an extension, which waits for its answer.
    Dialog(Asked),
    /// Something to show.
    Event(PiEvent),
    /// Something else.
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    /// Missing if pi could not read the command.
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) data: Value,
}

/// A message of the model.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) stop: String,
    pub(crate) error: Option<String>,
    pub(crate) usage: PiUsage,
}

#[derive(Debug)]
pub(crate) struct Asked {
    /// pi's own name for it.
    pub(crate) id: String,
    pub(crate) method: String,
    /// Empty if it asks in a way that is not known: it can be told that nobody answers all the same.
    pub(crate) asks: Asks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asks {
    pub(crate) title: String,
    pub(crate) message: Option<String>,
    pub(crate) options: Vec<String>,
    pub(crate) placeholder: Option<String>,
    pub(crate) prefill: Option<String>,
}

/// Reads a line. Twice: first its type alone, for records of types that nobody needs can be large.
///
/// # Errors
///
/// What is wrong, and where.
pub(crate) fn read(line: &[u8]) -> Result<Record, String> {
    typed(&without_halves(line)).map_err(|error| {
        // It may quote a text of the line, whole.
        let error = bounded(error.to_string(), ENOUGH);
        format!("{error} in {}", begin_of(line))
    })
}

/// The line with U+FFFD in the place of each half of a surrogate pair that stands alone. Strings of JavaScript may have one, where
/// a text was cut in the middle of an emoji, and it writes them as escapes; strings of Rust have none.
fn without_halves(line: &[u8]) -> Cow<'_, [u8]> {
    let unit = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended = Cow::Borrowed(line);
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        at += match (byte, unit(at), unit(at + 6)) {
            (b'\\', Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (b'\\', Some(0xD800..=0xDFFF), _) => {
                mended.to_mut()[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            // Another escape: what follows the backslash may be one itself.
            (b'\\', ..) => 2,
            _ => 1,
        };
    }
    mended
}

/// Enough of a line to know it by, in bytes.
const ENOUGH: usize = 120;

fn begin_of(line: &[u8]) -> String {
    let begin = String::from_utf8_lossy(&line[..line.len().min(ENOUGH)]);
    let more = if line.len() > ENOUGH { " ..." } else { "" };
    format!("`{begin}`{more}")
}

fn typed(line: &[u8]) -> Result<Record, Error> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let Typed { kind } = from_slice(line)?;
    Ok(match &*kind {
        "response" => {
            let mut response: Response = from_slice(line)?;
            response.error = response.error.map(|error| bounded(error, ERROR));
            Record::Response(response)
        }
        "agent_start" => Record::Started,
        "agent_end" => Record::Ended,
        "agent_settled" => {
            let Settled { aborted } = from_slice(line)?;
            Record::Settled { aborted }
        }
        "message_end" => message_end(line)?,
        "extension_ui_request" => question(line)?,
        kind => shown(kind, line).map_or(Record::Other, Record::Event),
    })
}

#[derive(Deserialize)]
struct Settled {
    #[serde(default)]
    aborted: bool,
}

/// Of the user's messages and the tools' nothing is needed, and nothing but their role is read.
fn message_end(line: &[u8]) -> Result<Record, Error> {
    #[derive(Deserialize)]
    struct Line<M> {
        message: M,
    }
    #[derive(Deserialize)]
    struct Role<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        #[serde(default, borrow)]
        content: Vec<Block<'a>>,
        stop_reason: String,
        error_message: Option<String>,
        #[serde(default)]
        usage: Value,
    }
    /// Of other kinds nothing is read: thoughts, and what tools are called with, however deep.
    #[derive(Deserialize)]
    struct Block<'a> {
        #[serde(default, rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(default)]
        text: Value,
    }

    let Line { message } = from_slice::<Line<Role<'_>>>(line)?;
    if message.role != "assistant" {
        return Ok(Record::Other);
    }
    let Line { message } = from_slice::<Line<Message<'_>>>(line)?;
    let text = message.content.into_iter().filter_map(|block| match block {
        Block {
            kind,
            text: Value::String(text),
        } if kind == "text" => Some(text),
        _ => None,
    });
    Ok(Record::Said(Said {
        text: text.collect(),
        stop: bounded(message.stop_reason, SHORT),
        error: message.error_message.map(|error| bounded(error, ERROR)),
        // Only shown.
        usage: Usage::deserialize(message.usage).map_or_else(|_| PiUsage::default(), PiUsage::from),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Usage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cost: Cost,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cost {
    total: f64,
}

impl From<Usage> for PiUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            cost: usage.cost.total,
        }
    }
}

/// Four methods wait for an answer; the others only show something.
fn question(line: &[u8]) -> Result<Record, Error> {
    #[derive(Deserialize)]
    struct Method {
        id: String,
        method: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Notice {
        message: String,
        notify_type: Option<String>,
    }

    let Method { id, method } = from_slice(line)?;
    Ok(match &*method {
        "select" | "confirm" | "input" | "editor" => Record::Dialog(Asked {
            id,
            method,
            asks: from_slice(line).unwrap_or_default(),
        }),
        "notify" => from_slice(line).map_or(Record::Other, |notice: Notice| {
            Record::Event(PiEvent::Notice {
                level: notice.notify_type.unwrap_or_else(|| "info".to_owned()),
                text: notice.message,
            })
        }),
        _ => Record::Other,
    })
}

/// What is worth to be shown.
fn shown(kind: &str, line: &[u8]) -> Option<PiEvent> {
    match kind {
        "message_update" => update(line),
        "tool_execution_start" => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Start {
                tool_call_id: String,
                tool_name: String,
                #[serde(default)]
                args: Value,
            }
            let start: Start = from_slice(line).ok()?;
            Some(PiEvent::ToolStarted {
                id: start.tool_call_id,
                name: start.tool_name,
                arguments: start.args,
            })
        }
        "tool_execution_end" => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct End {
                tool_call_id: String,
                tool_name: String,
                is_error: bool,
            }
            let end: End = from_slice(line).ok()?;
            Some(PiEvent::ToolEnded {
                id: end.tool_call_id,
                name: end.tool_name,
                failed: end.is_error,
            })
        }
        "auto_retry_start" => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Retry {
                attempt: u32,
                max_attempts: u32,
                delay_ms: u64,
                #[serde(default)]
                error_message: String,
            }
            let retry: Retry = from_slice(line).ok()?;
            Some(PiEvent::Retrying {
                attempt: retry.attempt,
                of: retry.max_attempts,
                after: Duration::from_millis(retry.delay_ms),
                error: bounded(retry.error_message, ERROR),
            })
        }
        "auto_retry_end" => {
            #[derive(Deserialize)]
            struct End {
                success: bool,
            }
            let end: End = from_slice(line).ok()?;
            Some(PiEvent::RetryEnded {
                recovered: end.success,
            })
        }
        "compaction_start" => Some(PiEvent::Compacting),
        "compaction_end" => Some(PiEvent::Compacted),
        "extension_error" => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Failed {
                #[serde(default)]
                extension_path: String,
                error: String,
            }
            let failed: Failed = from_slice(line).ok()?;
            Some(PiEvent::ExtensionFailed {
                extension: failed.extension_path,
                error: bounded(failed.error, ERROR),
            })
        }
        _ => None,
    }
}

fn update(line: &[u8]) -> Option<PiEvent> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Update {
        assistant_message_event: Change,
    }
    #[derive(Deserialize)]
    struct Change {
        r#type: String,
        delta: Option<String>,
    }
    let Update {
        assistant_message_event: change,
    } = from_slice(line).ok()?;
    match &*change.r#type {
        "text_delta" => change.delta.map(PiEvent::Text),
        "thinking_delta" => change.delta.map(PiEvent::Thinking),
        _ => None,
    }
}
