//! What is sent to pi, and what comes back.

use serde_json::{Value, json};
use std::time::Duration;

/// A message for pi. Text is one: `"hello".into()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PiMessage {
    /// Its text. One that begins with `/` may be a command of an extension, a prompt template or a skill.
    pub text: String,
    /// Images that go with it.
    pub images: Vec<PiImage>,
}

impl PiMessage {
    /// A text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            images: Vec::new(),
        }
    }

    /// With one more image.
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
    /// In base64.
    pub data: String,
    /// Such as `image/png`.
    pub mime_type: String,
}

impl PiImage {
    /// As pi reads it.
    pub(crate) fn json(&self) -> Value {
        json!({"type": "image", "data": self.data, "mimeType": self.mime_type})
    }
}

/// A part of pi's answer, or what happens meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PiEvent {
    /// The next piece of the answer's text.
    Text(String),
    /// The next piece of what the model thinks.
    Thinking(String),
    /// A tool runs.
    ToolStarted {
        /// Which call.
        id: String,
        /// The tool.
        name: String,
        /// What it is called with.
        arguments: Value,
    },
    /// It has run.
    ToolEnded {
        /// Which call.
        id: String,
        /// The tool.
        name: String,
        /// It told an error, to the model.
        failed: bool,
    },
    /// The model's service failed, and is asked again. What came of its last message counts for nothing.
    Retrying {
        /// The how manieth retry.
        attempt: u32,
        /// How many there are at most.
        of: u32,
        /// How long it waits first.
        after: Duration,
        /// How the service failed.
        error: String,
    },
    /// Retrying has ended.
    RetryEnded {
        /// The service answered.
        recovered: bool,
    },
    /// The conversation is too long, and is summed up.
    Compacting,
    /// That is over.
    Compacted,
    /// An extension asks something. Unless [`PiBuilder::dialogs`](super::PiBuilder::dialogs) says otherwise, it is told that
    /// nobody answers.
    Dialog {
        /// `select`, `confirm`, `input` or `editor`.
        method: String,
        /// What it asks.
        title: String,
    },
    /// An extension says something.
    Notice {
        /// `info`, `warning` or `error`.
        level: String,
        /// What.
        text: String,
    },
    /// An extension failed.
    ExtensionFailed {
        /// Which: its path.
        extension: String,
        /// How.
        error: String,
    },
}

impl PiEvent {
    /// The bytes that it occupies, with its texts.
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
            Self::Dialog { method, title } => method.len() + title.len(),
            Self::Notice { level, text } => level.len() + text.len(),
            Self::ExtensionFailed { extension, error } => extension.len() + error.len(),
            Self::RetryEnded { .. } | Self::Compacting | Self::Compacted => 0,
        };
        size_of_val(self) + more
    }
}

/// What a value occupies, or a little less. It was read from a line, so it is not nested deeper than serde_json reads.
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

/// The end of an answer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PiReply {
    /// The text of the model's last message, whole.
    pub text: String,
    /// Why the model ended there.
    pub stop: PiStop,
    /// What all messages of the turn used.
    pub usage: PiUsage,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PiStop {
    /// The model had said all.
    Stop,
    /// It may say no more at once.
    Length,
    /// With the call of a tool.
    ToolUse,
    /// An extension took the message; the model was not asked.
    Handled,
    /// In pi's own word.
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

/// What an answer used, in tokens, and its cost in US dollars, as pi reckons it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PiUsage {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from the service's cache.
    pub cache_read: u64,
    /// Written to it.
    pub cache_write: u64,
    /// In US dollars.
    pub cost: f64,
}

impl PiUsage {
    /// Numbers that come from outside: they may be anything.
    pub(crate) fn add(&mut self, more: &Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.cost += more.cost;
    }
}
