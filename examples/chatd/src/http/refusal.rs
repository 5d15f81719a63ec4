//! What goes wrong, as status and JSON: `{"error": "busy", "message": "the session is busy"}`.

use crate::{
    agent::Unkept,
    limits,
    question::Unanswered,
    words::{begin_of, told},
};
use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::error::Error;
use turnwise::manager::{StopError, TurnError};

/// The header of a refusal that names the owner of the session.
pub(crate) const OWNER: HeaderName = HeaderName::from_static("turnwise-owner");

/// Why a request is not granted.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// For programs.
    error: &'static str,
    /// For people.
    message: String,
    /// Of a deadlock: the key whose turn would wait, and the key that it would wait for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    /// The owner of the session, or the seconds after which it may be granted.
    #[serde(skip)]
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        // What a parser or an agent complains of may quote all that it was given.
        let message = begin_of(&message.into(), 2 * limits::ERROR);
        Self {
            status,
            error,
            message,
            keys: Vec::new(),
            header: None,
        }
    }

    /// The owner of the session cannot be reached, or is not known. The session has not received the request.
    pub(crate) fn unavailable(message: impl Into<String>, retry_after: u64) -> Self {
        Self {
            header: Some(Box::new((header::RETRY_AFTER, retry_after.into()))),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        }
    }

    /// A turn was cut off. Its message is not sent again.
    #[cfg(all(feature = "cluster", unix))]
    pub(crate) fn owner_lost() -> Self {
        let words = "the node of the session was lost meanwhile; the session may have received the message: send it again only if that does no harm";
        Self::new(StatusCode::BAD_GATEWAY, "owner_lost", words)
    }

    pub(super) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_input", message)
    }

    pub(super) fn no_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "no_token",
            "send the token as `Authorization: Bearer TOKEN`",
        )
    }

    pub(super) fn other_origin() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "other_origin",
            "requests from other origins may not change anything",
        )
    }

    pub(super) fn other_host() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "other_host",
            "this daemon accepts only a loopback host",
        )
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_route", "no such route")
    }

    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_session", "no such session")
    }

    pub(super) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "no_method",
            "this route does not allow that method",
        )
    }

    pub(super) fn slow_body() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow_body",
            "timed out reading the body",
        )
    }

    pub(super) fn no_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "no_json",
            "the body must be `Content-Type: application/json`",
        )
    }

    pub(super) fn no_turn() -> Self {
        Self::new(StatusCode::CONFLICT, "no_turn", "that turn is not running")
    }

    pub(super) fn unanswered(why: Unanswered) -> Self {
        match why {
            Unanswered::NotOpen => Self::new(StatusCode::NOT_FOUND, "no_question", why.to_string()),
            Unanswered::Unfit(why) => Self::bad_input(why),
        }
    }

    /// Too long, or broken off.
    pub(super) fn body(rejected: &BytesRejection) -> Self {
        match rejected.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body is larger than {} bytes", limits::BODY),
            ),
            _ => Self::bad_input(rejected.body_text()),
        }
    }

    /// A turn that was not to be had, or went wrong. There is no status for what was cancelled by somebody else: 409, as for
    /// what somebody else is in the way of.
    pub(super) fn turn<E: Error + 'static>(error: &TurnError<E>) -> Self {
        let (status, code) = match error {
            // The other keys of the circle may be other people's.
            TurnError::Deadlock(keys) => {
                let words = "the turn would wait for a turn that waits for it";
                let keys = keys.iter().take(2).map(ToString::to_string).collect();
                let refusal = Self::new(StatusCode::CONFLICT, "deadlock", words);
                return Self { keys, ..refusal };
            }
            TurnError::Elsewhere(owner) => {
                let status = StatusCode::MISDIRECTED_REQUEST;
                let owner = HeaderValue::from_str(owner).ok();
                return Self {
                    header: owner.map(|owner| Box::new((OWNER, owner))),
                    ..Self::new(status, "elsewhere", told(error))
                };
            }
            // The engine may answer again at any moment.
            TurnError::Unavailable(_) => return Self::unavailable(told(error), 1),
            TurnError::Lost => (StatusCode::BAD_GATEWAY, "owner_lost"),
            TurnError::NotFound => (StatusCode::NOT_FOUND, "no_session"),
            TurnError::NotAccepting => (StatusCode::SERVICE_UNAVAILABLE, "not_accepting"),
            TurnError::Busy => (StatusCode::CONFLICT, "busy"),
            TurnError::Aborted => (StatusCode::CONFLICT, "aborted"),
            TurnError::Dismissed => (StatusCode::CONFLICT, "dismissed"),
            TurnError::QueueFull => (StatusCode::TOO_MANY_REQUESTS, "queue_full"),
            TurnError::RegistryFull => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            TurnError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
            TurnError::WaitTimedOut => (StatusCode::GATEWAY_TIMEOUT, "wait_timed_out"),
            TurnError::StartTimedOut => (StatusCode::GATEWAY_TIMEOUT, "start_timed_out"),
            TurnError::TurnTimedOut => (StatusCode::GATEWAY_TIMEOUT, "turn_timed_out"),
            TurnError::Silent => (StatusCode::GATEWAY_TIMEOUT, "silent"),
            TurnError::Start(_) => (StatusCode::BAD_GATEWAY, "start_failed"),
            TurnError::Agent(_) => (StatusCode::BAD_GATEWAY, "agent_failed"),
            TurnError::StartPanicked | TurnError::Panicked => {
                (StatusCode::INTERNAL_SERVER_ERROR, "panicked")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self::new(status, code, told(error))
    }

    /// What was asked is done, but would not outlast the daemon.
    pub(super) fn unkept(unkept: &Unkept) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_kept",
            unkept.to_string(),
        )
    }

    /// A stop that went wrong. The session is gone all the same, but for `closing`.
    pub(super) fn stop<E: Error + 'static>(error: &StopError<E>) -> Self {
        let (status, code) = match error {
            StopError::Failed(_) => (StatusCode::BAD_GATEWAY, "stop_failed"),
            StopError::Abandoned | StopError::Held => {
                (StatusCode::GATEWAY_TIMEOUT, "stop_timed_out")
            }
            StopError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "panicked"),
        };
        Self::new(status, code, told(error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some((name, value)) = self.header.map(|header| *header) {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io, sync::Arc};

    #[test]
    fn each_error_has_its_status() {
        let io = || io::Error::other("it is gone");
        let of = |error: TurnError<io::Error>| {
            let refusal = Refusal::turn(&error);
            (refusal.status.as_u16(), refusal.error)
        };
        assert_eq!(of(TurnError::NotFound), (404, "no_session"));
        assert_eq!(of(TurnError::NotAccepting), (503, "not_accepting"));
        assert_eq!(of(TurnError::Silent), (504, "silent"));
        assert_eq!(of(TurnError::Busy), (409, "busy"));
        assert_eq!(of(TurnError::Elsewhere("b".into())), (421, "elsewhere"));
        assert_eq!(of(TurnError::Unavailable("x".into())), (503, "unavailable"));
        assert_eq!(of(TurnError::Lost), (502, "owner_lost"));
        assert_eq!(of(TurnError::Aborted), (409, "aborted"));
        assert_eq!(of(TurnError::Dismissed), (409, "dismissed"));
        assert_eq!(of(TurnError::QueueFull), (429, "queue_full"));
        assert_eq!(of(TurnError::RegistryFull), (503, "full"));
        assert_eq!(of(TurnError::Closed), (503, "closing"));
        assert_eq!(of(TurnError::WaitTimedOut), (504, "wait_timed_out"));
        assert_eq!(of(TurnError::StartTimedOut), (504, "start_timed_out"));
        assert_eq!(of(TurnError::TurnTimedOut), (504, "turn_timed_out"));
        assert_eq!(of(TurnError::Start(Arc::new(io()))), (502, "start_failed"));
        assert_eq!(of(TurnError::Agent(io())), (502, "agent_failed"));
        assert_eq!(of(TurnError::StartPanicked), (500, "panicked"));
        assert_eq!(of(TurnError::Panicked), (500, "panicked"));
        let circle = ["a", "b", "c"].map(Arc::from);
        let circle = Refusal::turn::<io::Error>(&TurnError::Deadlock(Arc::new(circle)));
        assert_eq!((circle.status.as_u16(), circle.error), (409, "deadlock"));
        let json = serde_json::to_string(&circle).expect("it is plain");
        assert!(json.contains(r#""keys":["a","b"]"#), "{json}");
        let refusal = Refusal::turn(&TurnError::Agent(io()));
        assert_eq!(refusal.message, "the agent returned an error: it is gone");
    }

    #[test]
    fn each_end_has_its_status() {
        let of = |error: StopError<io::Error>| Refusal::stop(&error).status.as_u16();
        let failed = Arc::new(io::Error::other("it is gone"));
        assert_eq!(of(StopError::Failed(failed)), 502);
        assert_eq!(of(StopError::Abandoned), 504);
        assert_eq!(of(StopError::Held), 504);
        assert_eq!(of(StopError::Closed), 503);
        assert_eq!(of(StopError::Panicked), 500);
    }
}
