//! Questions for permission: which are open, and who answers them.

use crate::{
    event::{AcpOption, AcpPermission, AcpToolCall},
    words::json_bytes,
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;

/// The most questions that may be open in a session, and their most bytes. More are refused.
const OPEN: usize = 64;
const OPEN_BYTES: usize = 1 << 20;

/// What happens when the agent asks for permission to call a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcpPolicy {
    /// Refuses each request. The default.
    #[default]
    Deny,
    /// Allows a call of the kind `read` or `search` once, if the agent offers the option `allow_once`. Refuses any other. The agent itself
    /// states the kind, so this does not protect you from the agent.
    AllowReads,
    /// Emits [`AcpEvent::Permission`](crate::AcpEvent::Permission). Answer with
    /// [`AcpHandle::answer`](crate::AcpHandle::answer). The request is refused after
    /// [`permission_timeout`](crate::AcpBuilder::permission_timeout), when its turn ends or is aborted, and if 64
    /// requests or 1 MiB of them are open already.
    Ask,
}

/// A question that waits.
#[derive(Debug)]
pub struct Asked {
    pub(crate) permission: AcpPermission,
    /// The id of its request.
    pub(crate) request: Value,
    pub(crate) until: Instant,
}

impl Asked {
    fn bytes(&self) -> usize {
        self.permission.weight() + json_bytes(&self.request)
    }
}

/// The open questions of a session. A question that is taken out is answered by the caller that took it, so each is answered once.
#[derive(Clone, Debug, Default)]
pub struct Questions(Arc<Mutex<Vec<Asked>>>);

/// What becomes of a question.
pub(crate) enum Verdict {
    Answer(Option<String>),
    Ask(Box<AcpPermission>),
}

impl Questions {
    /// Decides about a question, and opens it if somebody is to be asked. `None` if it is malformed.
    pub(crate) fn ask(
        &self,
        policy: AcpPolicy,
        request: &Value,
        params: &Value,
        until: Instant,
    ) -> Option<Verdict> {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let tool = AcpToolCall::deserialize(&params["toolCall"]).ok()?;
        let options = Vec::deserialize(&params["options"]).ok()?;
        let reads = matches!(tool.kind.as_deref(), Some("read" | "search"));
        let asked = Asked {
            permission: AcpPermission {
                id: COUNT.fetch_add(1, Ordering::Relaxed),
                tool,
                options,
            },
            request: request.clone(),
            until,
        };
        if policy == AcpPolicy::Ask {
            let mut open = self.0.lock();
            let bytes: usize = open.iter().chain([&asked]).map(Asked::bytes).sum();
            if open.len() < OPEN && bytes <= OPEN_BYTES {
                let permission = asked.permission.clone();
                open.push(asked);
                return Some(Verdict::Ask(Box::new(permission)));
            }
        }
        let options = &asked.permission.options;
        let allowed = policy == AcpPolicy::AllowReads && reads;
        let allow = || option(options, "allow_once");
        let answer = if allowed { allow() } else { None };
        Some(Verdict::Answer(answer.or_else(|| refusal(options))))
    }

    /// Takes out the questions of which this is true.
    pub fn take(&self, is_it: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        let mut open = self.0.lock();
        let (taken, left) = open.drain(..).partition(is_it);
        *open = left;
        taken
    }

    /// When the first of them is refused.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.0.lock().iter().map(|asked| asked.until).min()
    }

    pub(crate) fn open(&self) -> Vec<AcpPermission> {
        let open = self.0.lock();
        open.iter().map(|asked| asked.permission.clone()).collect()
    }
}

/// The answer that refuses, if the agent offers one: only this call, rather than all like it.
pub(crate) fn refusal(options: &[AcpOption]) -> Option<String> {
    option(options, "reject_once").or_else(|| option(options, "reject_always"))
}

fn option(options: &[AcpOption], kind: &str) -> Option<String> {
    let found = options.iter().find(|option| option.kind == kind);
    found.map(|option| option.id.clone())
}
