//! Messages to an agent, and its replies.

use crate::{AcpError, wire::Capabilities};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message for an agent. A text converts to one: `"hello".into()`.
///
/// ```
/// use turnwise_acp::AcpMessage;
///
/// let message = AcpMessage::new("What does this do?").resource("file:///a.rs", "fn main() {}");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcpMessage(pub(crate) Vec<Value>);

impl AcpMessage {
    /// Returns a message with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![json!({"type": "text", "text": text.into()})])
    }

    /// Adds an image: its bytes in base64, and its type, such as `image/png`.
    pub fn image(self, data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        self.block(json!({"type": "image", "data": data.into(), "mimeType": mime_type.into()}))
    }

    /// Adds the text of a file or another resource.
    pub fn resource(self, uri: impl Into<String>, text: impl Into<String>) -> Self {
        let resource = json!({"uri": uri.into(), "text": text.into()});
        self.block(json!({"type": "resource", "resource": resource}))
    }

    /// Adds a link to a resource, which the agent may read. Every agent accepts links. Not every agent accepts images and resources:
    /// see [`AcpError::Unsupported`](crate::AcpError::Unsupported).
    pub fn link(self, uri: impl Into<String>, name: impl Into<String>) -> Self {
        self.block(json!({"type": "resource_link", "uri": uri.into(), "name": name.into()}))
    }

    fn block(mut self, block: Value) -> Self {
        self.0.push(block);
        self
    }

    /// Checks that the agent accepts all of it.
    pub(crate) fn check(&self, can: &Capabilities) -> Result<(), AcpError> {
        let has = |kind: &str| self.0.iter().any(|block| block["type"] == kind);
        if has("image") && !can.image {
            return Err(AcpError::Unsupported("images"));
        }
        if has("resource") && !can.embedded {
            return Err(AcpError::Unsupported("resources"));
        }
        Ok(())
    }
}

impl<T: Into<String>> From<T> for AcpMessage {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// The final reply to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AcpReply {
    /// The text of the answer: all [`Text`](crate::AcpEvent::Text) events of the turn, up to the
    /// [`line_limit`](crate::AcpBuilder::line_limit). The rest of a longer answer is in the events only.
    pub text: String,
    /// Why the answer ended.
    pub stop: AcpStop,
    /// The tokens of the turn, if the agent counts them.
    pub usage: Option<AcpUsage>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum AcpStop {
    /// The model was done.
    EndTurn,
    /// The answer reached the length limit.
    MaxTokens,
    /// The turn reached the limit of requests to the model.
    MaxTurnRequests,
    /// The agent refused to continue.
    Refusal,
    /// The agent ended the turn by itself, for example after a refused permission.
    Cancelled,
    /// Another reason, as the agent names it.
    Other(String),
}

impl AcpStop {
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "end_turn" => Self::EndTurn,
            "max_tokens" => Self::MaxTokens,
            "max_turn_requests" => Self::MaxTurnRequests,
            "refusal" => Self::Refusal,
            "cancelled" => Self::Cancelled,
            word => Self::Other(word.to_owned()),
        }
    }
}

/// The tokens of a turn, as the agent counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AcpUsage {
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// All tokens.
    pub total_tokens: u64,
}
