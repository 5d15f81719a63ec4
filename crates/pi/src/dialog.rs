//! Questions of extensions, for users who want to answer them.

use crate::record::Question;
use std::fmt;
use tokio::sync::mpsc;
use turnwise::Incarnation;

/// A question of an extension, which waits for its answer; see [`PiBuilder::dialogs`](super::PiBuilder::dialogs).
///
/// Dropped, the extension is told that nobody answers. That it is told too when the turn is cancelled; what is answered
/// then, or later, goes nowhere.
#[derive(Debug)]
#[non_exhaustive]
pub struct PiDialog {
    /// Whose session asks.
    pub key: String,
    /// Which session.
    pub incarnation: Incarnation,
    /// `select`, `confirm`, `input` or `editor`.
    pub method: String,
    /// What is asked.
    pub title: String,
    /// More of it.
    pub message: Option<String>,
    /// What can be selected.
    pub options: Vec<String>,
    /// Shown where there is no text yet.
    pub placeholder: Option<String>,
    /// The text to begin with.
    pub prefill: Option<String>,
    reply: Reply,
}

impl PiDialog {
    pub(crate) fn new(
        question: Question,
        key: String,
        incarnation: Incarnation,
        answers: mpsc::UnboundedSender<(String, Answer)>,
    ) -> Self {
        Self {
            key,
            incarnation,
            method: question.method,
            title: question.asks.title,
            message: question.asks.message,
            options: question.asks.options,
            placeholder: question.asks.placeholder,
            prefill: question.asks.prefill,
            reply: Reply {
                id: question.id,
                answer: Answer::Cancelled,
                answers,
            },
        }
    }

    /// An option that was selected, or a text.
    pub fn answer(mut self, value: impl Into<String>) {
        self.reply.answer = Answer::Value(value.into());
    }

    /// Yes or no, to a `confirm`.
    pub fn confirm(mut self, yes: bool) {
        self.reply.answer = Answer::Confirmed(yes);
    }
}

/// What an extension is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An option, or a text.
    Value(String),
    /// Yes or no.
    Confirmed(bool),
    /// Nobody answers.
    Cancelled,
}

/// Told with its drop.
struct Reply {
    id: String,
    answer: Answer,
    answers: mpsc::UnboundedSender<(String, Answer)>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        let id = std::mem::take(&mut self.id);
        let answer = std::mem::replace(&mut self.answer, Answer::Cancelled);
        // A process that is gone has no question.
        drop(self.answers.send((id, answer)));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.id).finish()
    }
}
