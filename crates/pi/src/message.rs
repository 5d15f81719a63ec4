//! Messages to pi, events, questions and replies.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// A message for pi. A text converts to one: `"hello".into()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PiMessage {
    /// The text. If it begins with `/`, it may be a command of an extension, a prompt template or a skill.
    pub text: String,
    /// The images.
    pub images: Vec<PiImage>,
}

impl PiMessage {
    /// Returns a message without images.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            images: Vec::new(),
        }
    }

    /// Adds an image.
    pub fn image(mut self, image: PiImage) -> Self {
        self.images.push(image);
        self
    }
}

impl<T: Into<String>> From<T> for PiMessage {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// An image of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiImage {
    /// The bytes, in base64.
    pub data: String,
    /// The type, such as `image/png`.
    pub mime_type: String,
}

impl PiImage {
    /// The JSON that pi reads.
    pub(crate) fn json(&self) -> Value {
        json!({"type": "image", "data": self.data, "mimeType": self.mime_type})
    }
}

/// A part of pi's answer, or something that happens in the turn.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum PiEvent {
    /// The next piece of the answer's text.
    Text(String),
    /// The next piece of the model's thinking.
    Thinking(String),
    /// A tool call has started.
    ToolStarted {
        /// The id of the call.
        id: String,
        /// The name of the tool.
        name: String,
        /// The arguments.
        arguments: Value,
    },
    /// A tool call has ended.
    ToolEnded {
        /// The id of the call.
        id: String,
        /// The name of the tool.
        name: String,
        /// Whether the model received an error.
        failed: bool,
    },
    /// The model's service failed, and pi retries. Discard the pieces of the last message.
    Retrying {
        /// The number of this retry.
        attempt: u32,
        /// The most retries.
        of: u32,
        /// The pause before this retry.
        after: Duration,
        /// The error of the service.
        error: String,
    },
    /// The retries have ended.
    RetryEnded {
        /// Whether the service answered.
        recovered: bool,
    },
    /// The conversation is too long, and pi summarizes it.
    Compacting,
    /// The summary has ended.
    Compacted,
    /// An extension asks a question. [`PiHandle::answer`](super::PiHandle::answer) answers it, if
    /// [`PiBuilder::question_timeout`](super::PiBuilder::question_timeout) is set. Otherwise it is cancelled already.
    Question(Arc<PiQuestion>),
    /// An extension shows a notice.
    Notice {
        /// `info`, `warning` or `error`.
        level: String,
        /// The text.
        text: String,
    },
    /// An extension failed.
    ExtensionFailed {
        /// The path of the extension.
        extension: String,
        /// The error.
        error: String,
    },
}

impl PiEvent {
    /// Its size in bytes, with its texts.
    pub(crate) fn weight(&self) -> usize {
        let more = match self {
            Self::Text(text) | Self::Thinking(text) => text.len(),
            Self::ToolStarted {
                id,
                name,
                arguments,
            } => id.len() + name.len() + json_bytes(arguments),
            Self::ToolEnded { id, name, .. } => id.len() + name.len(),
            Self::Retrying { error, .. } => error.len(),
            Self::Question(question) => question.weight(),
            Self::Notice { level, text } => level.len() + text.len(),
            Self::ExtensionFailed { extension, error } => extension.len() + error.len(),
            Self::RetryEnded { .. } | Self::Compacting | Self::Compacted => 0,
        };
        size_of_val(self) + more
    }
}

/// A question of an extension.
///
/// It is cancelled when it times out, and at the end or the abort of the turn.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PiQuestion {
    /// Its number. No other question in this program has it.
    pub id: u64,
    /// `select`, `confirm`, `input` or `editor`.
    pub method: String,
    /// The question.
    pub title: String,
    /// An explanation.
    pub message: Option<String>,
    /// The options of a `select`.
    pub options: Vec<String>,
    /// The placeholder of an empty input field.
    pub placeholder: Option<String>,
    /// The initial text.
    pub prefill: Option<String>,
}

impl PiQuestion {
    /// Its size in bytes, with its texts.
    pub(crate) fn weight(&self) -> usize {
        let texts = [&self.message, &self.placeholder, &self.prefill];
        let texts = texts
            .into_iter()
            .flatten()
            .chain([&self.method, &self.title]);
        let options = self.options.iter();
        let options: usize = options
            .map(|option| size_of_val(option) + option.len())
            .sum();
        size_of_val(self) + texts.map(String::len).sum::<usize>() + options
    }
}

/// The answer to a [`PiQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PiAnswer {
    /// The selected option, or a text.
    Value(String),
    /// Yes or no, to a `confirm`.
    Confirmed(bool),
    /// No answer. The extension receives `undefined`, or no.
    Cancelled,
}

/// The size of a value, or a little less. It was read from a line, so its nesting is limited by serde_json.
fn json_bytes(value: &Value) -> usize {
    let more = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(json_bytes).sum(),
        Value::Object(fields) => {
            let bytes = |(name, value): (&String, &Value)| {
                size_of::<String>() + name.len() + json_bytes(value)
            };
            fields.iter().map(bytes).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of_val(value) + more
}

/// The final reply to a message.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct PiReply {
    /// The full text of the model's last message.
    pub text: String,
    /// Why the answer ended.
    pub stop: PiStop,
    /// The usage of the whole turn.
    pub usage: PiUsage,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub enum PiStop {
    /// The model was done.
    Stop,
    /// The answer reached the length limit.
    Length,
    /// The answer ended with a tool call.
    ToolUse,
    /// An extension handled the message, without the model.
    Handled,
    /// Another reason, in pi's own word.
    Other(String),
}

impl PiStop {
    pub(crate) fn of(word: String) -> Self {
        match &*word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "toolUse" => Self::ToolUse,
            _ => Self::Other(word),
        }
    }
}

/// The tokens and the cost of an answer, as pi counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct PiUsage {
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the service's cache.
    pub cache_read: u64,
    /// Tokens written to the service's cache.
    pub cache_write: u64,
    /// The cost in US dollars.
    pub cost: f64,
}

impl PiUsage {
    /// Saturates, because the numbers come from outside.
    pub(crate) fn add(&mut self, more: &Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.cost += more.cost;
    }
}
