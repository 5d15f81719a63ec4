//! What an agent asks in the middle of a turn, as people and programs outside see it; and how they answer.

use serde::Serialize;
use std::fmt;

/// A question. Its agent bounds its texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Question {
    /// No other question of the daemon has it.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) message: Option<String>,
    /// What there is to select.
    pub(crate) options: Vec<String>,
    /// For an empty field.
    pub(crate) placeholder: Option<String>,
    /// The text to begin with.
    pub(crate) prefill: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Select,
    Confirm,
    Text,
}

impl Question {
    /// The size of its texts in bytes.
    pub(crate) fn weight(&self) -> usize {
        let more = [&self.message, &self.placeholder, &self.prefill];
        let texts = more.into_iter().flatten().chain(&self.options);
        self.title.len() + texts.map(String::len).sum::<usize>()
    }
}

/// For people.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "question {}: {}", self.id, self.title)?;
        if let Some(message) = self.message.as_ref().filter(|message| !message.is_empty()) {
            write!(f, ": {message}")?;
        }
        match self.kind {
            Kind::Select => write!(f, " [{}]", self.options.join(" / ")),
            Kind::Confirm => f.write_str(" [yes / no]"),
            Kind::Text => Ok(()),
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An option, yes or no, or a text.
    Text(String),
    Yes(bool),
}

/// Why a reply is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unanswered {
    /// It was answered, or its time or its turn is over.
    NotOpen,
    /// Another reply would answer it.
    Unfit(&'static str),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "no such question is open",
            Self::Unfit(why) => why,
        })
    }
}
