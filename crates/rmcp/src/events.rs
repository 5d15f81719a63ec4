//! The identifiers of events, by which clients resume streams.
//!
//! rmcp numbers the streams and the events of a session. A restored session begins at 0 again, so the same number may be that of
//! another call. Here each identifier also names its generation of the session, and the call of its stream.

use rmcp::{
    model::{ErrorData, JsonRpcMessage, RequestId},
    transport::{
        common::server_side_http::session_id, streamable_http_server::session::ServerSseMessage,
    },
};
use std::sync::Arc;

/// Longer names of calls are left out. Each event contains the name.
const LONGEST: usize = 64;

/// One generation of a session. No other one has this name, at no other server.
pub(crate) struct Generation(String);

/// What a client resumes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// A stream of this generation, from the event with this identifier of rmcp on.
    Here(String, Named),
    /// The stream of a call that ended with the generation before.
    Lost(RequestId),
    /// A stream of a call, nobody knows of which.
    Unknown,
}

/// What is added to the identifiers of a stream. Nothing, if a store gives them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named(String);

impl Named {
    pub(crate) fn name(&self, event: &mut ServerSseMessage) {
        if let Some(id) = &mut event.event_id {
            *id += &self.0;
        }
    }
}

impl Generation {
    pub(crate) fn new() -> Self {
        let mut name = session_id().to_string();
        // 48 bits: enough for the generations of one session.
        name.truncate(13);
        Self(name)
    }

    /// For the stream of a call.
    pub(crate) fn call(&self, call: &RequestId) -> Named {
        let name = written(call).filter(|name| name.len() <= LONGEST);
        Named(format!("@{}@{}", self.0, name.unwrap_or_default()))
    }

    /// For the stream of what belongs to no call.
    pub(crate) fn common(&self) -> Named {
        Named(format!("@{}", self.0))
    }

    pub(crate) fn resume(&self, last: &str) -> Resumed {
        let (event, name) = last.split_at(last.find('@').unwrap_or(last.len()));
        let mut parts = name.split('@').skip(1);
        let (generation, call) = (parts.next(), parts.next());
        if generation == Some(&*self.0) {
            let next = next(event).unwrap_or_else(|| event.to_owned());
            return Resumed::Here(next, Named(name.to_owned()));
        }
        if !event.contains('/') {
            // All that this generation has sent is new to the client.
            return Resumed::Here("0".to_owned(), self.common());
        }
        call.and_then(read).map_or(Resumed::Unknown, Resumed::Lost)
    }
}

/// The identifier of the event behind this one. rmcp would send this one again: its own first event of notifications, which has
/// no number, is to it that with the number 0.
fn next(event: &str) -> Option<String> {
    let (number, stream) = event.split_at(event.find('/').unwrap_or(event.len()));
    let next = number.parse::<usize>().ok()?.checked_add(1)?;
    Some(format!("{next}{stream}"))
}

/// The answer to a call that was lost.
pub(crate) fn lost(call: RequestId) -> ServerSseMessage {
    let error = ErrorData::internal_error("the call was lost: its session has been restored", None);
    // Without an identifier: there is nothing after it.
    ServerSseMessage::from_message(JsonRpcMessage::error(error, Some(call)))
}

/// In characters that a header may have.
fn written(call: &RequestId) -> Option<String> {
    match call {
        RequestId::Number(number) => Some(format!("n{number}")),
        RequestId::String(text) if text.len() < LONGEST => {
            let hex = text.bytes().map(|byte| format!("{byte:02x}"));
            Some("s".to_owned() + &hex.collect::<String>())
        }
        RequestId::String(_) => None,
    }
}

fn read(written: &str) -> Option<RequestId> {
    if let Some(number) = written.strip_prefix('n') {
        return number.parse().ok().map(RequestId::Number);
    }
    let hex = written.strip_prefix('s')?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.chunks(2).map(byte).collect();
    let text = String::from_utf8(bytes?).ok()?;
    Some(RequestId::String(Arc::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> RequestId {
        RequestId::String(Arc::from(text))
    }

    #[test]
    fn names_of_calls_are_read_as_they_were_written() {
        for call in [RequestId::Number(i64::MIN), string(""), string("é@/\n")] {
            let name = written(&call).expect("it is short");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            );
            assert_eq!(read(&name), Some(call));
        }
        for strange in ["", "n", "nx", "s0x", "sé", "sff", "x1"] {
            assert_eq!(read(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_stream_is_resumed_in_its_generation_only() {
        let (one, other) = (Generation::new(), Generation::new());
        let call = RequestId::Number(7);
        let resumed = |at: &Generation, event: &str, named: Named| {
            let mut event = ServerSseMessage::priming(event, std::time::Duration::ZERO);
            named.name(&mut event);
            at.resume(&event.event_id.expect("it has one"))
        };
        let here = |event: &str, named| Resumed::Here(event.to_owned(), named);
        assert_eq!(
            resumed(&one, "3/1", one.call(&call)),
            here("4/1", one.call(&call))
        );
        assert_eq!(resumed(&other, "3/1", one.call(&call)), Resumed::Lost(call));
        let nameless = string(&"x".repeat(LONGEST));
        assert_eq!(
            resumed(&other, "3/1", one.call(&nameless)),
            Resumed::Unknown
        );
        assert_eq!(resumed(&one, "3", one.common()), here("4", one.common()));
        assert_eq!(resumed(&one, "x", one.common()), here("x", one.common()));
        assert_eq!(
            resumed(&other, "3", one.common()),
            here("0", other.common())
        );
        // rmcp's own, of its first event.
        assert_eq!(one.resume("0"), here("0", one.common()));
        assert_eq!(one.resume("0/1"), Resumed::Unknown);
    }
}
