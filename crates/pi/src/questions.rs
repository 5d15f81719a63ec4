//! Which questions of extensions are open, and who is to answer them.

use crate::{dialog::Answer, record::Question};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// How many questions may be open at once; more are answered by nobody.
const OPEN: usize = 64;
/// How many bytes of answers may wait for pi to read them.
const OWED: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// Somebody answers.
    answered: bool,
    open: Vec<String>,
    /// For who answers.
    asked: VecDeque<Question>,
    /// So many bytes, at most, of what pi has not read are answers.
    owed: usize,
}

impl Questions {
    pub(crate) fn new(answered: bool) -> Self {
        Self {
            answered,
            ..Self::default()
        }
    }

    pub(crate) fn next(&mut self) -> Option<Question> {
        self.asked.pop_front()
    }

    /// A new one. It comes back if nobody answers it.
    pub(crate) fn ask(&mut self, question: Question, wanted: bool) -> Option<Question> {
        if !self.answered || !wanted || self.open.len() >= OPEN {
            return Some(question);
        }
        self.open.push(question.id.clone());
        self.asked.push_back(question);
        None
    }

    /// True if it was open.
    pub(crate) fn close(&mut self, id: &str) -> bool {
        self.asked.retain(|question| question.id != id);
        let open = self.open.iter().position(|open| open == id);
        open.map(|index| self.open.swap_remove(index)).is_some()
    }

    pub(crate) fn close_all(&mut self) -> Vec<String> {
        self.asked.clear();
        std::mem::take(&mut self.open)
    }

    pub(crate) fn none_open(&self) -> bool {
        self.open.is_empty()
    }

    /// An answer of so many bytes is the last of `waiting` bytes that pi has not read.
    pub(crate) fn owe(&mut self, answer: usize, waiting: usize) {
        self.owed = waiting.min(self.owed + answer);
    }

    /// So many bytes wait for pi to read them. Are too many of them answers?
    pub(crate) fn owes_too_much(&self, waiting: usize) -> bool {
        self.owed.min(waiting) > OWED
    }
}

/// An answer, as pi reads it.
pub(crate) fn line(id: &str, answer: Answer) -> Value {
    let (name, value) = match answer {
        Answer::Value(value) => ("value", value.into()),
        Answer::Confirmed(yes) => ("confirmed", yes.into()),
        Answer::Cancelled => ("cancelled", Value::Bool(true)),
    };
    let mut line = json!({"type": "extension_ui_response", "id": id});
    line[name] = value;
    line
}
