//! What is shown of a session.

use crate::{board::Exchange, question::Question};
use serde::Serialize;
use std::sync::Arc;

/// A session at one moment, for people and programs outside.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    pub(crate) key: String,
    pub(crate) phase: &'static str,
    /// For how long, in milliseconds.
    pub(crate) elapsed_ms: u64,
    pub(crate) waiting: u32,
    pub(crate) incarnation: u64,
    /// The ticket of the turn under way.
    pub(crate) turn: Option<u64>,
    pub(crate) note: Option<Arc<str>>,
    /// Those that wait for an answer.
    pub(crate) questions: Vec<Question>,
    pub(crate) last: Option<Exchange>,
    /// Why its conversation may be another one after a restart.
    pub(crate) trouble: Option<String>,
    /// Of a cluster, the node that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Arc<str>>,
}

impl View {
    /// The same but for the time that has passed.
    pub(crate) fn is_still(&self, before: &Self) -> bool {
        let facts = |view: &Self| (view.phase, view.waiting, view.incarnation, view.turn);
        facts(self) == facts(before)
            && self.elapsed_ms >= before.elapsed_ms
            && (&self.key, &self.note, &self.last) == (&before.key, &before.note, &before.last)
            && (&self.questions, &self.trouble) == (&before.questions, &before.trouble)
    }
}
