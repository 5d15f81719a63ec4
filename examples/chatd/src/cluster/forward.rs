//! One request to the node that owns its session, and the answer as it comes.

use super::{
    Cluster, Owner,
    client::{Connection, Failure},
};
use crate::http::{Call, OWNER, Refusal};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use serde_json::Value;
use std::{future::Future, io, pin::Pin, time::Duration};
use tokio::time::{sleep, timeout};

/// Seconds after which a node may have been given the right token.
const MISSET: u64 = 60;
/// Bytes of a refusal.
const REFUSAL: usize = 64 * 1024;
/// For the rest of a refusal to arrive.
const ANSWER: Duration = Duration::from_secs(1);
/// Bytes of an event.
pub(super) const LONGEST: usize = 64 << 20;

/// A request that can be sent again.
pub(super) struct Asked {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) call: Call,
}

/// What has become of it.
pub(super) enum Outcome {
    Answered(Response),
    /// The session has certainly not received it.
    Undelivered(String),
    /// The node is gone, or does not own the session any more. The session may have received it.
    Lost,
}

/// Sends it to a node.
pub(super) async fn forward(cluster: &Cluster, owner: &Owner, key: &str, asked: &Asked) -> Outcome {
    let address = owner.address();
    let mut connection = match Connection::open(address).await {
        Ok(connection) => connection,
        Err(why) => return Outcome::Undelivered(why),
    };
    // From here on its session may receive the request, so it cannot be sent again.
    if !connection.is_alive(cluster, address).await {
        return Outcome::Undelivered(format!("the node {address} does not answer"));
    }
    cluster.0.counts.forwarded.inc();
    let lost = lost(cluster.clone(), owner.clone(), key.to_owned(), asked.call);
    let mut lost = Box::pin(lost);
    let mut request = Request::builder()
        .method(&asked.parts.method)
        .uri(asked.parts.uri.path());
    for name in [header::ACCEPT.as_str(), "content-type", "last-event-id"] {
        for value in asked.parts.headers.get_all(name) {
            request = request.header(name, value);
        }
    }
    let answer = tokio::select! {
        biased;
        answer = connection.send(cluster, address, request, asked.body.clone()) => answer,
        () = &mut lost => return Outcome::Lost,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::Unsent) => {
            return Outcome::Undelivered(format!("the node {address} is gone"));
        }
        Err(Failure::Broken) => return Outcome::Lost,
    };
    let (head, body) = answer.into_parts();
    let streamed = head
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "text/event-stream");
    let body = if head.headers.contains_key(&OWNER) {
        return Outcome::Undelivered(format!(
            "the node {address} does not own the session any more"
        ));
    } else if head.status == StatusCode::UNAUTHORIZED {
        // It is this node that has shown no right token, not the client. No later try will.
        let words = format!(
            "the --peer-token of the node {address} differs from that of this node: all nodes need the same"
        );
        tracing::warn!("{words}");
        return Outcome::Answered(Refusal::unavailable(words, MISSET).into_response());
    } else if head.status == StatusCode::SERVICE_UNAVAILABLE {
        let text = timeout(ANSWER, Limited::new(body, REFUSAL).collect()).await;
        let Ok(Ok(text)) = text else {
            return Outcome::Lost;
        };
        let text = text.to_bytes();
        if let Some(why) = goes(&text) {
            return Outcome::Undelivered(format!("the node {address}: {why}"));
        }
        Body::from(text)
    } else {
        let passing = Passing {
            body,
            _connection: connection,
            lost,
            broken: cluster.0.counts.lost.clone(),
            events: streamed.then(|| Events::new(asked.call)),
            over: false,
        };
        Body::from_stream(stream::unfold(passing, |mut passing| async {
            let part = passing.next().await?;
            Some((part, passing))
        }))
    };
    let mut response = Response::builder().status(head.status);
    for name in [
        header::CONTENT_TYPE,
        header::CACHE_CONTROL,
        header::RETRY_AFTER,
    ] {
        for value in head.headers.get_all(&name) {
            response = response.header(&name, value);
        }
    }
    let response = response.body(body);
    response.map_or(Outcome::Lost, Outcome::Answered)
}

/// The node is about to give its sessions to others: why it did not take the request.
fn goes(refusal: &[u8]) -> Option<String> {
    let refusal: Value = serde_json::from_slice(refusal).ok()?;
    let goes = ["closing", "not_accepting", "unavailable"].map(Value::from);
    let why = refusal["message"].as_str()?;
    goes.contains(&refusal["error"]).then(|| why.to_owned())
}

/// Resolves when the session has another owner or none, and when this node has ended. Until it is dropped, a message is under way.
async fn lost(cluster: Cluster, owner: Owner, key: String, call: Call) {
    let _counted = matches!(call, Call::Send).then(|| cluster.0.under_way.subscribe());
    let mut ended = cluster.0.ended.subscribe();
    tokio::select! {
        () = goes_elsewhere(&cluster, &owner, &key) => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

/// Two looks must say so: a session that is restarted has no owner for a moment.
async fn goes_elsewhere(cluster: &Cluster, owner: &Owner, key: &str) {
    let pause = cluster.0.ttl / 4;
    let mut misses = 0;
    while misses < 2 {
        sleep(pause).await;
        match cluster.owner(key).await {
            Ok(Some(now)) if now == *owner => misses = 0,
            Ok(_) => misses += 1,
            // Nobody else has it while etcd is away.
            Err(_) => {}
        }
    }
}

/// An answer under way.
struct Passing {
    body: Incoming,
    _connection: Connection,
    lost: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Counts it if it breaks off.
    broken: Counter,
    events: Option<Events>,
    over: bool,
}

impl Passing {
    fn has_room(&self, data: &[u8]) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.has_room(data))
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        while !self.over {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame.map(|frame| frame.map_err(io::Error::other)),
                () = &mut self.lost => Some(Err(io::Error::other("the session has another owner"))),
            };
            let data = match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(data))) if self.has_room(&data) => data,
                Some(Ok(Err(_))) => continue,
                end => {
                    self.over = true;
                    return match &self.events {
                        Some(events) => events.end().map(|end| {
                            self.broken.inc();
                            Ok(end)
                        }),
                        None => end.and_then(Result::err).map(Err),
                    };
                }
            };
            match &mut self.events {
                None => return Some(Ok(data)),
                Some(events) => {
                    if let Some(whole) = events.add(&data) {
                        return Some(Ok(whole));
                    }
                }
            }
        }
        None
    }
}

/// Server-sent events, passed on one by one, so that an answer that breaks off ends with a whole one.
pub(super) struct Events {
    /// The beginning of one.
    begun: Vec<u8>,
    /// Whether its last event, `done` or `failed`, is still due.
    due: bool,
}

const BREAK: &[u8] = b"\n\n";

impl Events {
    pub(super) fn new(call: Call) -> Self {
        Self {
            begun: Vec::new(),
            due: matches!(call, Call::Send),
        }
    }

    /// Whether the event that has begun may be so long.
    pub(super) fn has_room(&self, data: &[u8]) -> bool {
        self.begun.len() + data.len() <= LONGEST
    }

    /// The events that are whole now.
    pub(super) fn add(&mut self, data: &[u8]) -> Option<Bytes> {
        let old = self.begun.len().saturating_sub(1);
        self.begun.extend_from_slice(data);
        let is_break = |place: &usize| self.begun[*place..].starts_with(BREAK);
        let last = (old..self.begun.len()).rev().find(is_break)?;
        let rest = self.begun.split_off(last + BREAK.len());
        let whole = std::mem::replace(&mut self.begun, rest);
        let ends = |text: &[u8]| {
            text.starts_with(b"event: done\n") || text.starts_with(b"event: failed\n")
        };
        let starts =
            (0..whole.len()).filter(|place| *place == 0 || whole[..*place].ends_with(BREAK));
        if self.due && starts.into_iter().any(|place| ends(&whole[place..])) {
            self.due = false;
        }
        Some(whole.into())
    }

    /// The last event, if it is still due.
    fn end(&self) -> Option<Bytes> {
        let lost = serde_json::to_string(&Refusal::owner_lost()).unwrap_or_default();
        self.due
            .then(|| format!("event: failed\ndata: {lost}\n\n").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(events: &mut Events, data: &str) -> String {
        let whole = events.add(data.as_bytes()).unwrap_or_default();
        String::from_utf8(whole.to_vec()).expect("it is text")
    }

    #[test]
    fn events_are_passed_on_whole() {
        let mut events = Events::new(Call::Send);
        assert_eq!(added(&mut events, "event: started\nda"), "");
        assert_eq!(added(&mut events, "ta: {}\n"), "");
        assert_eq!(
            added(&mut events, "\nevent: pa"),
            "event: started\ndata: {}\n\n"
        );
        assert_eq!(added(&mut events, "rt\n\n:\n\ne"), "event: part\n\n:\n\n");
        let end = events.end().expect("it is not over");
        let end = std::str::from_utf8(&end).expect("it is text");
        assert!(
            end.starts_with("event: failed\ndata: {\"error\":\"owner_lost\""),
            "{end}"
        );
        assert!(end.ends_with("}\n\n"));
    }

    #[test]
    fn an_answer_that_is_over_has_no_second_end() {
        for end in ["event: done\ndata: {}\n\n", "event: failed\ndata: {}\n\n"] {
            for begin in ["", "event: part\ndata: 1\n\n"] {
                let mut events = Events::new(Call::Send);
                let text = format!("{begin}{end}");
                assert_eq!(added(&mut events, &text), text);
                assert_eq!(events.end(), None);
            }
        }
        // A text of the session is no end.
        let mut events = Events::new(Call::Send);
        added(&mut events, "data: event: done\n\n");
        assert!(events.end().is_some());
    }

    #[test]
    fn a_listener_gets_no_last_event() {
        let mut events = Events::new(Call::Listen);
        added(&mut events, "event: part\n\nevent: pa");
        assert_eq!(events.end(), None);
    }
}
