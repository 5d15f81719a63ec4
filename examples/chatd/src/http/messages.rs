//! Send a message; its answer, whole or in parts; what a session says. A client that goes away cancels its message.

use super::{
    input::{Body, Key},
    refusal::Refusal,
};
use crate::{
    agent::{Chat, Part},
    desk::{Answer, Desk, Step},
    limits,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use turnwise::manager::{EventId, TurnOptions, Update};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    message: String,
    /// `false`: a session that is not free at once is busy.
    wait: Option<bool>,
    /// Do not wait for the answer, and go on without the client.
    #[serde(default)]
    detach: bool,
    /// Only if the session exists.
    #[serde(default)]
    existing: bool,
    /// Before the messages that wait.
    #[serde(default)]
    first: bool,
    /// How long to wait for the turn, and how long it may take.
    wait_seconds: Option<f64>,
    turn_seconds: Option<f64>,
}

impl Message {
    fn options(&self) -> Result<TurnOptions, Refusal> {
        let mut options = TurnOptions::default();
        options.no_wait = self.wait == Some(false);
        options.existing = self.existing;
        options.first = self.first;
        options.wait = seconds("wait_seconds", self.wait_seconds)?;
        options.turn = seconds("turn_seconds", self.turn_seconds)?;
        Ok(options)
    }
}

/// Nothing can be done in no time: a client that will not wait says so by `wait`.
fn seconds(name: &str, given: Option<f64>) -> Result<Option<Duration>, Refusal> {
    let seconds = given.map(Duration::try_from_secs_f64).transpose();
    match seconds.map_err(|error| Refusal::bad_input(format!("{name}: {error}")))? {
        Some(Duration::ZERO) => Err(Refusal::bad_input(format!("{name} must be more than 0"))),
        seconds => Ok(seconds),
    }
}

pub(super) async fn send<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
    headers: HeaderMap,
    Body(message): Body<Message>,
) -> Result<Response, Refusal> {
    limits::check_message(&message.message).map_err(Refusal::bad_input)?;
    let options = message.options()?;
    let detach = message.detach;
    let mut answer = desk.send(&key, message.message, options);
    if detach && desk.may_be_elsewhere(&key) {
        tokio::select! {
            biased;
            started = answer.started() => started.map_err(|error| Refusal::turn(&error))?,
            () = is_here(&desk, &key) => {}
        }
    }
    if let (true, Some(ticket)) = (detach, answer.ticket()) {
        tokio::spawn(answer.whole());
        let accepted = Json(json!({ "key": key, "turn": ticket }));
        return Ok((StatusCode::ACCEPTED, accepted).into_response());
    }
    // Past the line and the start, or refused: now the status is known.
    answer
        .started()
        .await
        .map_err(|error| Refusal::turn(&error))?;
    if in_parts(&headers) {
        return Ok(parts(answer).into_response());
    }
    let ticket = answer.ticket();
    let reply = answer
        .whole()
        .await
        .map_err(|error| Refusal::turn(&error))?;
    Ok(Json(json!({ "key": key, "turn": ticket, "reply": reply })).into_response())
}

/// Resolves when no other node can own the session.
async fn is_here<A: Chat>(desk: &Desk<A>, key: &str) {
    let (mut happened, _) = desk.news();
    while desk.may_be_elsewhere(key) && happened.next().await.is_some() {}
}

fn in_parts(headers: &HeaderMap) -> bool {
    let wanted = |accepts: &header::HeaderValue| {
        accepts
            .to_str()
            .is_ok_and(|accepts| accepts.contains("text/event-stream"))
    };
    headers.get_all(header::ACCEPT).iter().any(wanted)
}

/// `started`, then `part` by part, and `done` or `failed`.
fn parts<A: Chat>(answer: Answer<A>) -> impl IntoResponse {
    let started = sse::Event::default().event("started");
    let started = data(started, &json!({ "turn": answer.ticket() }));
    let parts = stream::unfold((answer, Some(started)), |(mut answer, started)| async {
        let event = match started {
            Some(started) => started,
            None => event(&answer.step().await?),
        };
        Some((Ok::<_, Infallible>(event), (answer, None)))
    });
    Sse::new(parts).keep_alive(KeepAlive::default())
}

/// What a session says, whoever asks: `part` by part. A client that comes back goes on after the last one that it has.
pub(super) async fn listen<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refusal> {
    let bad = || Refusal::bad_input("Last-Event-ID is not an id of this daemon");
    let after = match headers.get("last-event-id") {
        Some(id) => Some(
            id.to_str()
                .ok()
                .and_then(|id| id.parse::<EventId>().ok())
                .ok_or_else(bad)?,
        ),
        None => None,
    };
    let parts = stream::unfold(desk.listen(&key, after), |mut listener| async {
        let event = match listener.next().await? {
            Update::Event(said) => {
                let id = listener.last_id().map(|id| id.to_string());
                part(&said).id(id.unwrap_or_default())
            }
            Update::Lagged(count) => lagged(count),
        };
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(parts).keep_alive(KeepAlive::default()))
}

fn part(part: &Part) -> sse::Event {
    let event = sse::Event::default();
    match part {
        Part::Text(text) => data(event.event("part"), &json!({ "text": text })),
        Part::Question(question) => data(event.event("question"), &json!(question)),
    }
}

fn lagged(count: u64) -> sse::Event {
    let event = sse::Event::default().event("lagged");
    data(event, &json!({ "parts": count }))
}

fn event<E: std::error::Error + 'static>(step: &Step<E>) -> sse::Event {
    let event = sse::Event::default();
    match step {
        Step::Part(said) => part(said),
        Step::Lagged(count) => lagged(*count),
        Step::Done(Ok(reply)) => data(event.event("done"), &json!({ "reply": reply })),
        Step::Done(Err(error)) => data(event.event("failed"), &json!(Refusal::turn(error))),
    }
}

/// JSON has no line breaks that are not escaped.
fn data(event: sse::Event, value: &serde_json::Value) -> sse::Event {
    event.data(value.to_string())
}
