//! The sessions that are shown: those of this node, and of the others.

use crate::desk::View;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::Instant;

/// What the other nodes show, by their addresses. `None`: one does not answer.
pub(crate) type Others = BTreeMap<String, Option<Shown>>;

#[derive(Clone, Debug)]
pub(crate) struct Shown {
    sessions: Arc<[Value]>,
    at: Instant,
}

impl Shown {
    #[cfg(all(feature = "cluster", unix))]
    pub(crate) fn new(sessions: Vec<Value>) -> Self {
        Self {
            sessions: sessions.into(),
            at: Instant::now(),
        }
    }

    /// As they are now.
    fn sessions(&self) -> impl Iterator<Item = Value> {
        let age = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.sessions.iter().cloned().map(move |mut session| {
            if let Some(elapsed) = session["elapsed_ms"].as_u64() {
                session["elapsed_ms"] = elapsed.saturating_add(age).into();
            }
            session
        })
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Here(&'a View),
    There(Value),
}

impl Row<'_> {
    fn key(&self) -> &str {
        match self {
            Self::Here(view) => &view.key,
            Self::There(view) => view["key"].as_str().unwrap_or_default(),
        }
    }
}

/// All sessions by name, and the nodes that do not answer.
pub(super) fn all(here: &[View], others: Option<&Others>) -> Value {
    let Some(others) = others else {
        return json!({ "sessions": here });
    };
    let shown = others.values().flatten().flat_map(Shown::sessions);
    let here = here.iter().map(Row::Here);
    let mut rows: Vec<Row<'_>> = here.chain(shown.map(Row::There)).collect();
    rows.sort_by(|a, b| a.key().cmp(b.key()));
    let silent = others.iter().filter(|(_, shown)| shown.is_none());
    let silent: Vec<&String> = silent.map(|(node, _)| node).collect();
    json!({ "sessions": rows, "unreachable": silent })
}
