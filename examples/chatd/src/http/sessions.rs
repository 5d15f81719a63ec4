//! Look at sessions, abort their turns, end them. To look waits for nothing, whatever the sessions do.

use super::{
    input::{Body, Key},
    refusal::Refusal,
    rows,
};
use crate::{
    agent::Chat,
    cluster::Cluster,
    desk::{Desk, Queued, View},
    question::{Reply, Unanswered},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use turnwise::Ticket;

/// A list. In a cluster, an object with that of all nodes.
pub(super) async fn all<A: Chat>(
    State(desk): State<Desk<A>>,
    Extension(cluster): Extension<Option<Cluster>>,
) -> Response {
    let Some(cluster) = cluster else {
        return Json(desk.look_at_all()).into_response();
    };
    let others = cluster.others().await;
    Json(rows::all(&desk.look_at_all(), Some(&others))).into_response()
}

pub(super) async fn one<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
) -> Result<Json<View>, Refusal> {
    desk.look(&key).map(Json).ok_or_else(Refusal::no_session)
}

/// The messages that wait. None wait for a session that is not there.
pub(super) async fn queue<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
) -> Json<Vec<Queued>> {
    Json(desk.queue(&key))
}

/// The question that an address names.
#[derive(Deserialize)]
pub(super) struct Asked {
    id: String,
}

/// One of both.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    answer: Option<String>,
    yes: Option<bool>,
}

/// Answers a question, while its turn runs.
pub(super) async fn answer<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
    Path(Asked { id }): Path<Asked>,
    Body(answer): Body<Answer>,
) -> Result<Json<Value>, Refusal> {
    let reply = match answer {
        Answer {
            answer: Some(text),
            yes: None,
        } => Reply::Text(text),
        Answer {
            answer: None,
            yes: Some(yes),
        } => Reply::Yes(yes),
        _ => return Err(Refusal::bad_input("send either `answer` or `yes`")),
    };
    // What is no number is the name of none.
    let answered = id
        .parse()
        .map_err(|_| Unanswered::NotOpen)
        .and_then(|id| desk.answer(&key, id, reply));
    answered.map_err(Refusal::unanswered)?;
    Ok(Json(json!({ "answered": true })))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Abort {
    /// Only the message or turn with this ticket.
    turn: Option<Ticket>,
}

/// Cancels the turn under way: it ends by itself soon, or its session is stopped. Or takes a message back that waits.
pub(super) async fn abort<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
    Body(abort): Body<Abort>,
) -> Result<Json<Value>, Refusal> {
    if desk.abort(&key, abort.turn) {
        return Ok(Json(json!({ "aborting": true })));
    }
    match desk.look(&key) {
        Some(_) => Err(Refusal::no_turn()),
        None => Err(Refusal::no_session()),
    }
}

/// Stops the session, if there is one, and starts it anew. Who waits in line goes on with the new one.
pub(super) async fn afresh<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
) -> Result<Json<View>, Refusal> {
    let afresh = desk.afresh(&key).await;
    let kept = afresh.map_err(|error| Refusal::turn(&error))?;
    kept.map_err(|unkept| Refusal::unkept(&unkept))?;
    one(State(desk), Key(key)).await
}

/// Sends the line away, cancels the turn and stops the session.
pub(super) async fn delete<A: Chat>(
    State(desk): State<Desk<A>>,
    Key(key): Key,
) -> Result<Json<Value>, Refusal> {
    let ended = desk.end(&key).await;
    let (was_there, kept) = ended.map_err(|error| Refusal::stop(&error))?;
    kept.map_err(|unkept| Refusal::unkept(&unkept))?;
    if was_there {
        Ok(Json(json!({ "stopped": true })))
    } else {
        Err(Refusal::no_session())
    }
}
