//! Keys and bodies, as they come: checked here, and bounded.

use super::refusal::Refusal;
use crate::{limits, names};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;

/// The session that an address names.
pub(crate) struct Key(pub(crate) String);

/// It may name more.
#[derive(Deserialize)]
struct Named {
    key: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<Named>::from_request_parts(parts, state).await;
        let Path(Named { key }) =
            path.map_err(|rejected| Refusal::bad_input(rejected.body_text()))?;
        names::check(&key).map_err(|why| Refusal::bad_input(why.to_string()))?;
        Ok(Self(key))
    }
}

/// A body: a JSON object. None at all stands for what nobody has to say.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let json = is_json(request.headers());
        let body = bytes(request, state).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        // A form of another page cannot say that it is JSON.
        if !json {
            return Err(Refusal::no_json());
        }
        // Fields without names, which serde takes for those of a struct, are not.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::bad_input("the body must be a JSON object"));
        }
        let parsed = serde_json::from_slice(&body);
        parsed
            .map(Self)
            .map_err(|error| Refusal::bad_input(error.to_string()))
    }
}

/// The same as bytes, without a look at them.
#[cfg(all(feature = "cluster", unix))]
pub(crate) async fn body(request: Request) -> Result<Bytes, Refusal> {
    bytes(request, &()).await
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    let body = timeout(limits::BODY_TIME, Bytes::from_request(request, state)).await;
    let body = body.map_err(|_| Refusal::slow_body())?;
    body.map_err(|rejected| Refusal::body(&rejected))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body, http::StatusCode, response::IntoResponse};
    use futures_util::stream;
    use std::convert::Infallible;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = body::Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let read = Body::<()>::from_request(Request::new(never), &()).await;
        let refused = read.map(|_| ()).map_err(IntoResponse::into_response);
        assert_eq!(
            refused.err().map(|refused| refused.status()),
            Some(StatusCode::REQUEST_TIMEOUT)
        );
    }
}
