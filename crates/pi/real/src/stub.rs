//! The model's service, on loopback: chat completions that stream, as the last message of the user says.
//!
//! | message | answer |
//! |---|---|
//! | `recall` | all that the user said before, a line each |
//! | `hang` | not even a head, until the client goes away |
//! | `begin` | three words, and no more until the client goes away |
//! | `slow N` | N words, 10 ms between them |
//! | `big N` | N bytes |
//! | `cut` | a word, and the connection is closed |
//! | `status CODE` | an error with this status |
//! | `fails N` | an error 500, N times; then as any other |
//! | `tool COMMAND` | the command, for the tool `bash`; then what that told |
//! | any other | itself |

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    future::pending,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
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

    /// How many requests had this as their last message of the user. A tool's result makes one more.
    pub fn heard(&self, message: &str) -> usize {
        let messages = self.heard.messages.lock();
        messages.iter().filter(|heard| *heard == message).count()
    }

    /// Waits for a request with this as its last message.
    pub async fn hears(&self, message: &str) {
        loop {
            let more = self.heard.more.notified();
            let mut more = std::pin::pin!(more);
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

async fn complete(State(heard): State<Arc<Heard>>, request: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&request).unwrap_or_default();
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let said: Vec<String> = messages
        .iter()
        .filter(|message| message["role"] == "user")
        .map(text)
        .collect();
    let last = said.last().cloned().unwrap_or_default();
    let times = {
        let mut heard = heard.messages.lock();
        heard.push(last.clone());
        heard.iter().filter(|heard| **heard == last).count()
    };
    heard.more.notify_waiters();
    let told = messages
        .last()
        .filter(|last| last["role"] == "tool")
        .map(text);
    let (word, rest) = last.split_once(' ').unwrap_or((&last, ""));
    let number = rest.parse().unwrap_or(0_usize);
    match word {
        "hang" => pending().await,
        "status" => failure(u16::try_from(number).unwrap_or(500)),
        "fails" if times <= number => failure(500),
        _ => {
            let (into, body) = mpsc::channel(16);
            let words = Words { said, told };
            let (word, rest) = (word.to_owned(), rest.to_owned());
            tokio::spawn(async move {
                // The client has gone away.
                let _ = words.stream(&word, &rest, number, &into).await;
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

/// What a message says, in one piece or in many.
fn text(message: &Value) -> String {
    match &message["content"] {
        Value::Array(blocks) => blocks
            .iter()
            .filter_map(|block| block["text"].as_str())
            .collect(),
        content => content.as_str().unwrap_or_default().to_owned(),
    }
}

type Into = mpsc::Sender<io::Result<Bytes>>;
/// `None` when the client has gone away.
type Sent = Option<()>;

/// What an answer is made of.
struct Words {
    said: Vec<String>,
    /// A tool's result, if it is the last message.
    told: Option<String>,
}

impl Words {
    async fn stream(&self, word: &str, rest: &str, number: usize, into: &Into) -> Sent {
        match (word, &self.told) {
            (_, Some(told)) => say(into, told).await?,
            ("recall", _) => say(into, &self.said[..self.said.len() - 1].join("\n")).await?,
            ("begin", _) => {
                for word in ["one ", "two ", "three "] {
                    say(into, word).await?;
                }
                into.closed().await;
                return None;
            }
            ("slow", _) => {
                for index in 0..number {
                    say(into, &format!("{index} ")).await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            ("big", _) => {
                let piece = "0123456789abcdef".repeat(4 << 10);
                let mut left = number;
                while left > 0 {
                    let length = left.min(piece.len());
                    say(into, &piece[..length]).await?;
                    left -= length;
                }
            }
            // JSON as JavaScript writes it, which serde_json would not.
            ("half", _) => {
                let delta = r#""delta":{"role":"assistant","content":"half \ud83d"}"#;
                let chunk = format!(
                    r#"{{"id":"1","object":"chat.completion.chunk","created":1,"model":"stub-1","choices":[{{"index":0,{delta},"finish_reason":null}}]}}"#
                );
                into.send(Ok(format!("data: {chunk}\n\n").into()))
                    .await
                    .ok()?;
                return end(into, "length").await;
            }
            ("cut", _) => {
                say(into, "cut ").await?;
                let cut = io::Error::from(io::ErrorKind::ConnectionReset);
                return into.send(Err(cut)).await.ok();
            }
            ("tool", _) => {
                let arguments = json!({"command": rest}).to_string();
                let function = json!({"name": "bash", "arguments": arguments});
                let call =
                    json!({"index": 0, "id": "call-1", "type": "function", "function": function});
                send(
                    into,
                    &chunk(&json!({"role": "assistant", "tool_calls": [call]}), None),
                )
                .await?;
                return end(into, "tool_calls").await;
            }
            _ => say(into, self.said.last().map_or("", String::as_str)).await?,
        }
        end(into, "stop").await
    }
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "stub-1", "choices": [choice]})
}

async fn say(into: &Into, text: &str) -> Sent {
    send(
        into,
        &chunk(&json!({"role": "assistant", "content": text}), None),
    )
    .await
}

async fn end(into: &Into, finish: &str) -> Sent {
    let mut last = chunk(&json!({}), Some(finish));
    last["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    send(into, &last).await?;
    into.send(Ok(Bytes::from_static(b"data: [DONE]\n\n")))
        .await
        .ok()
}

async fn send(into: &Into, chunk: &Value) -> Sent {
    into.send(Ok(format!("data: {chunk}\n\n").into()))
        .await
        .ok()
}

/// A channel as a body.
struct Events(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Events {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
