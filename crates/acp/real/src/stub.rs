//! The models' services, on loopback: they stream what the last message of the user asks for.
//!
//! | message | answer |
//! |---|---|
//! | `recall` | all that the user said before, a line each |
//! | `hang` | not even a head, until the client goes away |
//! | `begin` | three words, and no more until the client goes away |
//! | `tool COMMAND` | the command, for the tool that runs commands; then what that told |
//! | any other | itself |

use crate::dialects::{Dialect, Said};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::HashMap,
    future::pending,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
};

/// See the module. Ends with its drop.
#[derive(Debug)]
pub struct Stub {
    port: u16,
    heard: Arc<Heard>,
    serves: JoinHandle<io::Result<()>>,
}

/// The last message of each request.
#[derive(Debug, Default)]
struct Heard {
    messages: Mutex<Vec<String>>,
    more: Notify,
    taught: Mutex<HashMap<String, String>>,
}

impl Stub {
    /// Serves on a port of its own.
    ///
    /// # Panics
    ///
    /// If there is no port.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let heard = Arc::new(Heard::default());
        let router = Router::new()
            .fallback(complete)
            // Conversations grow.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&heard));
        let serves = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            port,
            heard,
            serves,
        }
    }

    /// Where.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, the answer to this message is that to another one: people write no words of the table.
    pub fn teach(&self, message: &str, other: &str) {
        let mut taught = self.heard.taught.lock();
        taught.insert(message.to_owned(), other.to_owned());
    }

    /// How many requests had this as their last message of the user. A tool's result makes one more.
    pub fn heard(&self, message: &str) -> usize {
        let messages = self.heard.messages.lock();
        messages.iter().filter(|heard| *heard == message).count()
    }

    /// Waits for a request with this as its last message.
    pub async fn hears(&self, message: &str) {
        loop {
            let more = self.heard.more.notified();
            let mut more = pin!(more);
            more.as_mut().enable();
            if self.heard(message) > 0 {
                return;
            }
            more.await;
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

async fn complete(State(heard): State<Arc<Heard>>, uri: Uri, request: Bytes) -> Response {
    let Some(dialect) = Dialect::of(uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let request: Value = serde_json::from_slice(&request).unwrap_or_default();
    let Said { user, told } = dialect.said(&request);
    let last = user.last().cloned().unwrap_or_default();
    // Without tools, an agent asks for a title.
    if request["tools"]
        .as_array()
        .is_some_and(|tools| !tools.is_empty())
    {
        heard.messages.lock().push(last.clone());
        heard.more.notify_waiters();
    }
    let last = heard.taught.lock().get(&last).cloned().unwrap_or(last);
    let (into, body) = mpsc::channel(64);
    let mut frames = dialect.begin(&request);
    let mut goes_on = false;
    match (last.split_once(' ').unwrap_or((&last, "")), told) {
        (_, Some(told)) => frames.extend(dialect.text(&told)),
        (("recall", _), _) => frames.extend(dialect.text(&user[..user.len() - 1].join("\n"))),
        (("hang", _), _) => pending().await,
        (("begin", _), _) => {
            frames.extend(dialect.begin_text());
            for word in ["one ", "two ", "three "] {
                frames.extend(dialect.piece(word));
            }
            goes_on = true;
        }
        (("tool", command), _) => frames.extend(dialect.tool(&request, command)),
        _ => frames.extend(dialect.text(&last)),
    }
    tokio::spawn(async move {
        for frame in frames {
            if into.send(Ok(frame.into())).await.is_err() {
                return; // the client has gone away
            }
        }
        if goes_on {
            into.closed().await;
        }
    });
    let body = Body::from_stream(Events(body));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// A channel as a body.
struct Events(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Events {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
