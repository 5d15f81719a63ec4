//! The models' services, on loopback: they stream what the last message of the user asks for.
//!
//! | message | answer |
//! |---|---|
//! | `recall` | all that the user said before, a line each |
//! | `hang` | not even a head, until the client goes away |
//! | `begin` | three words, and no more until the client goes away |
//! | `slow N` | N words |
//! | `big N` | N bytes |
//! | `half` | half a character, by chat completions |
//! | `cut` | a word, and the connection is closed |
//! | `status CODE` | an error with this status |
//! | `fails N` | an error 500, N times; then as any other |
//! | `tool COMMAND` | the command, for the tool that runs commands; then what that told |
//! | any other | itself |
//!
//! A text of several pieces has 10 ms between two of them.

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
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    future::pending,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::sleep,
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

impl Heard {
    fn times(&self, message: &str) -> usize {
        let messages = self.messages.lock();
        messages.iter().filter(|heard| *heard == message).count()
    }
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

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, this message has the answer to another one. So a test can send what a person would write.
    pub fn teach(&self, message: &str, other: &str) {
        let mut taught = self.heard.taught.lock();
        taught.insert(message.to_owned(), other.to_owned());
    }

    /// How many requests had this as their last message of the user. A tool's result makes one more.
    pub fn heard(&self, message: &str) -> usize {
        self.heard.times(message)
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
    let said = dialect.said(&request);
    let last = said.user.last().cloned().unwrap_or_default();
    // Without tools, an agent asks for a title.
    let tools = request["tools"].as_array();
    if tools.is_some_and(|tools| !tools.is_empty()) {
        heard.messages.lock().push(last.clone());
        heard.more.notify_waiters();
    }
    let times = heard.times(&last);
    let last = heard.taught.lock().get(&last).cloned().unwrap_or(last);
    let (word, rest) = last.split_once(' ').unwrap_or((&last, ""));
    let number = rest.parse().unwrap_or(0_usize);
    match word {
        "hang" => pending().await,
        "status" => failure(u16::try_from(number).unwrap_or(500)),
        "fails" if times <= number => failure(500),
        _ => {
            let (into, body) = mpsc::channel(16);
            let answer = Answer {
                dialect,
                request,
                said,
                into,
            };
            tokio::spawn(async move {
                // The client has gone away.
                let _ = answer.stream(&last, number).await;
            });
            let body = Body::from_stream(Events(body));
            ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
    }
}

fn failure(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({"error": {"message": "as you asked"}});
    (status, body.to_string()).into_response()
}

/// `None` when the client has gone away.
type Sent = Option<()>;

/// One that streams.
struct Answer {
    dialect: Dialect,
    request: Value,
    said: Said,
    into: mpsc::Sender<io::Result<Bytes>>,
}

impl Answer {
    /// To this message, which may end with a number.
    async fn stream(&self, message: &str, number: usize) -> Sent {
        let (word, rest) = message.split_once(' ').unwrap_or((message, ""));
        self.send(self.dialect.begin(&self.request)).await?;
        match (word, &self.said.told) {
            (_, Some(told)) => self.say([told.clone()]).await,
            ("recall", _) => {
                let before = &self.said.user[..self.said.user.len() - 1];
                self.say([before.join("\n")]).await
            }
            ("begin", _) => {
                self.pieces(["one ", "two ", "three "].map(str::to_owned))
                    .await?;
                self.into.closed().await;
                None
            }
            ("slow", _) => self.say((0..number).map(|index| format!("{index} "))).await,
            ("big", _) => {
                let piece = "0123456789abcdef".repeat(4 << 10);
                let lengths = (0..number).step_by(piece.len());
                let lengths = lengths.map(|at| piece.len().min(number - at));
                self.say(lengths.map(|length| piece[..length].to_owned()))
                    .await
            }
            ("half", _) => self.send(self.dialect.half()).await,
            ("cut", _) => {
                self.pieces(["cut ".to_owned()]).await?;
                let cut = io::Error::from(io::ErrorKind::ConnectionReset);
                self.into.send(Err(cut)).await.ok()
            }
            ("tool", _) => self.send(self.dialect.tool(&self.request, rest)).await,
            _ => self.say([message.to_owned()]).await,
        }
    }

    /// The whole text, in pieces.
    async fn say(&self, pieces: impl IntoIterator<Item = String>) -> Sent {
        let text = self.pieces(pieces).await?;
        self.send(self.dialect.end_text(&text)).await
    }

    /// A text that goes on. Returns what was sent.
    async fn pieces(&self, pieces: impl IntoIterator<Item = String>) -> Option<String> {
        self.send(self.dialect.begin_text()).await?;
        let mut text = String::new();
        for piece in pieces {
            if !text.is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
            self.send(self.dialect.piece(&piece)).await?;
            text += &piece;
        }
        Some(text)
    }

    async fn send(&self, frames: Vec<String>) -> Sent {
        for frame in frames {
            self.into.send(Ok(frame.into())).await.ok()?;
        }
        Some(())
    }
}

/// A channel as a body.
struct Events(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Events {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
