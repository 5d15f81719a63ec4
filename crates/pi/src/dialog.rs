//! Questions of extensions.

use crate::record::Question;
use std::fmt;
use tokio::sync::mpsc;
use turnwise::Incarnation;

/// A question of an extension, which waits for the answer; see [`PiBuilder::dialogs`](super::PiBuilder::dialogs).
///
/// If this is dropped, or the turn is cancelled, the question is cancelled. An answer after that has no effect.
#[derive(Debug)]
#[non_exhaustive]
pub struct PiDialog {
    /// The key of the session.
    pub key: String,
    /// The generation number of the session.
    pub incarnation: Incarnation,
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

    /// Answers with the selected option, or with a text.
    pub fn answer(mut self, value: impl Into<String>) {
        self.reply.answer = Answer::Value(value.into());
    }

    /// Answers a `confirm` with yes or no.
    pub fn confirm(mut self, yes: bool) {
        self.reply.answer = Answer::Confirmed(yes);
    }
}

/// The answer to an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An option or a text.
    Value(String),
    /// Yes or no.
    Confirmed(bool),
    /// No answer.
    Cancelled,
}

/// Sends the answer when it is dropped.
struct Reply {
    id: String,
    answer: Answer,
    answers: mpsc::UnboundedSender<(String, Answer)>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        let id = std::mem::take(&mut self.id);
        let answer = std::mem::replace(&mut self.answer, Answer::Cancelled);
        // If this fails, the process is gone, and the question with it.
        drop(self.answers.send((id, answer)));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.id).finish()
    }
}
