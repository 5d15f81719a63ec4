//! What an agent reports: events, and the parts that they are made of.

use crate::words::json_bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A part of the agent's answer, or something that happens in its session. Events outside of turns go to the
/// [listeners](turnwise::SessionManager::listen).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub enum AcpEvent {
    /// The next piece of the answer's text.
    Text(String),
    /// The next piece of the model's thinking.
    Thought(String),
    /// The agent calls a tool.
    ToolCall(AcpToolCall),
    /// A tool call has changed. Only the changed fields are set.
    ToolUpdate(AcpToolCall),
    /// The agent's plan. It replaces the plan before.
    Plan(Vec<AcpPlanEntry>),
    /// The session has this mode now.
    Mode(String),
    /// How full the model's context is.
    Context {
        /// The tokens in it. Some agents do not report them.
        used: Option<u64>,
        /// The tokens that it can hold.
        size: Option<u64>,
        /// The cost of the session so far, in a currency that the agent chooses and this crate does not pass on.
        cost: Option<f64>,
    },
    /// The agent asks for permission. Answer with [`AcpHandle::answer`](crate::AcpHandle::answer).
    Permission(AcpPermission),
    /// A request for permission is closed: it was answered, it timed out, or its turn or its process has ended.
    PermissionClosed(u64),
    /// The agent could not resume the session of this key. A new one has started.
    NotResumed {
        /// The id of the lost session.
        id: String,
        /// Why the agent refused. Empty if it cannot resume sessions at all.
        error: String,
    },
    /// Any other update: commands, options, a title, content that is not text, and updates of newer agents.
    Other {
        /// The word of the protocol, such as `available_commands_update`.
        kind: String,
        /// The whole update, as it came.
        update: Value,
    },
}

/// The call of a tool, or a change of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AcpToolCall {
    /// The id of the call.
    #[serde(rename = "toolCallId")]
    pub id: String,
    /// What it does, for people.
    #[serde(default, deserialize_with = "lenient")]
    pub title: Option<String>,
    /// `read`, `edit`, `delete`, `move`, `search`, `execute`, `think`, `fetch`, `switch_mode` or `other`.
    #[serde(default, deserialize_with = "lenient")]
    pub kind: Option<String>,
    /// `pending`, `in_progress`, `completed` or `failed`.
    #[serde(default, deserialize_with = "lenient")]
    pub status: Option<String>,
    /// The arguments.
    #[serde(default, rename = "rawInput")]
    pub input: Option<Value>,
    /// The result, as the tool gave it.
    #[serde(default, rename = "rawOutput")]
    pub output: Option<Value>,
    /// The content for people: texts, diffs.
    #[serde(default)]
    pub content: Option<Value>,
    /// The files that it is about.
    #[serde(default)]
    pub locations: Option<Value>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AcpPlanEntry {
    /// The step.
    pub content: String,
    /// `high`, `medium` or `low`.
    #[serde(default, deserialize_with = "lenient")]
    pub priority: Option<String>,
    /// `pending`, `in_progress` or `completed`.
    #[serde(default, deserialize_with = "lenient")]
    pub status: Option<String>,
}

/// A request for permission: may the agent call this tool?
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AcpPermission {
    /// The number of the request. No other request of this program has it.
    pub id: u64,
    /// The call of the tool.
    pub tool: AcpToolCall,
    /// The possible answers.
    pub options: Vec<AcpOption>,
}

/// A possible answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AcpOption {
    /// The id of the answer.
    #[serde(rename = "optionId")]
    pub id: String,
    /// Its text.
    #[serde(default)]
    pub name: String,
    /// `allow_once`, `allow_always`, `reject_once` or `reject_always`.
    #[serde(default)]
    pub kind: String,
}

/// What is no text counts as missing.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

impl AcpEvent {
    /// Reads an update. Every update is an event: what is not as expected is [`Other`](Self::Other). `None` if it has no kind.
    pub(crate) fn read(update: Value) -> Option<Self> {
        let kind = update["sessionUpdate"].as_str()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let known = match kind {
            "agent_message_chunk" => text(&update["content"]["text"]).map(Self::Text),
            "agent_thought_chunk" => text(&update["content"]["text"]).map(Self::Thought),
            "tool_call" => AcpToolCall::deserialize(&update).ok().map(Self::ToolCall),
            "tool_call_update" => AcpToolCall::deserialize(&update).ok().map(Self::ToolUpdate),
            "plan" => Vec::deserialize(&update["entries"]).ok().map(Self::Plan),
            "current_mode_update" => text(&update["currentModeId"]).map(Self::Mode),
            "usage_update" => Some(Self::Context {
                used: update["used"].as_u64(),
                size: update["size"].as_u64(),
                cost: update["cost"]["amount"].as_f64(),
            }),
            _ => None,
        };
        let kind = kind.to_owned();
        Some(known.unwrap_or(Self::Other { kind, update }))
    }

    /// Its size in bytes, with what it owns.
    pub(crate) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let more = match self {
            Self::Text(text) | Self::Thought(text) | Self::Mode(text) => text.len(),
            Self::ToolCall(call) | Self::ToolUpdate(call) => call.weight(),
            Self::Plan(entries) => entries
                .iter()
                .map(|it| {
                    size_of_val(it) + it.content.len() + text(&it.priority) + text(&it.status)
                })
                .sum(),
            Self::Permission(asked) => asked.weight(),
            Self::NotResumed { id, error } => id.len() + error.len(),
            Self::Other { kind, update } => kind.len() + json_bytes(update),
            Self::Context { .. } | Self::PermissionClosed(_) => 0,
        };
        size_of_val(self) + more
    }
}

impl AcpPermission {
    pub(crate) fn weight(&self) -> usize {
        let bytes = |it: &AcpOption| size_of_val(it) + it.id.len() + it.name.len() + it.kind.len();
        self.tool.weight() + self.options.iter().map(bytes).sum::<usize>()
    }
}

impl AcpToolCall {
    fn weight(&self) -> usize {
        let texts = [&self.title, &self.kind, &self.status];
        let values = [&self.input, &self.output, &self.content, &self.locations];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let values: usize = values.into_iter().flatten().map(json_bytes).sum();
        self.id.len() + texts + values
    }
}
