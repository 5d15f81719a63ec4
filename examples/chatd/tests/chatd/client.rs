//! A small HTTP client: each request on a connection of its own, answers of JSON, and events.

use crate::daemon::{Daemon, PATIENCE};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

/// A request to be changed before it is sent.
pub(crate) struct Ask {
    address: SocketAddr,
    request: Builder,
    body: Bytes,
}

/// A status, and a body of JSON.
pub(crate) type Answer = (u16, Value);

impl Daemon {
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask {
            address: self.address,
            request: Request::builder().method(method).uri(path),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Ask {
        self.ask("POST", path).json(body)
    }

    /// A message to a session.
    pub(crate) fn say(&self, key: &str, message: &str) -> Ask {
        self.post(
            &format!("/sessions/{key}/messages"),
            &json!({ "message": message }),
        )
    }

    /// All sessions as they change, from now on.
    pub(crate) async fn feed(&self) -> Events {
        self.get("/events").events().await
    }

    /// Waits until a session is as it should be. It is given with `Null` if there is none.
    pub(crate) async fn until(&self, key: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.feed().await.until(key, is).await
    }
}

impl Ask {
    /// Instead of the host of the address, or in addition.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// At another address of the daemon.
    #[allow(dead_code)] // the tests of clusters use it
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    pub(crate) async fn response(mut self) -> Response<Incoming> {
        let host = self.address.to_string();
        if self
            .request
            .headers_ref()
            .is_some_and(|headers| !headers.contains_key("host"))
        {
            self = self.header("host", &host);
        }
        let stream = TcpStream::connect(self.address)
            .await
            .expect("the daemon listens");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("the daemon speaks HTTP");
        tokio::spawn(connection);
        let request = self.request.body(Full::new(self.body)).expect("a request");
        let response = timeout(PATIENCE, sender.send_request(request)).await;
        response.expect("an answer comes").expect("an answer")
    }

    pub(crate) async fn answer(self) -> Answer {
        let response = self.response().await;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let json = serde_json::from_slice(&body);
        (
            status,
            json.unwrap_or_else(|_| panic!("not JSON: {body:?}")),
        )
    }

    /// In a task of its own: an answer that takes a while.
    pub(crate) fn later(self) -> JoinHandle<Answer> {
        tokio::spawn(self.answer())
    }

    pub(crate) async fn events(self) -> Events {
        let response = self.header("accept", "text/event-stream").response().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body(),
            text: String::new(),
            id: None,
        }
    }
}

/// Server-sent events.
pub(crate) struct Events {
    body: Incoming,
    text: String,
    /// Of the last event that had one.
    pub(crate) id: Option<String>,
}

impl Events {
    /// The next one, its name and its data; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                let read = field("event: ").zip(field("data: ")).map(|(name, data)| {
                    (
                        name.to_owned(),
                        serde_json::from_str(data).expect("the data is JSON"),
                    )
                });
                let id = field("id: ").map(str::to_owned);
                self.id = id.or(self.id.take());
                self.text = rest.to_owned();
                if read.is_some() {
                    return read;
                }
            }
            let frame = timeout(PATIENCE, self.body.frame())
                .await
                .expect("an event comes")?;
            let data = frame.expect("a whole body").into_data().expect("data");
            self.text += std::str::from_utf8(&data).expect("text");
        }
    }

    /// On the feed: waits until a session is as it should be.
    pub(crate) async fn until(&mut self, key: &str, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (_, data) = self.next().await.expect("the feed goes on");
            let sessions = data["sessions"].as_array().expect("sessions");
            let session = sessions.iter().find(|session| session["key"] == key);
            let session = session.cloned().unwrap_or(Value::Null);
            if is(&session) {
                return session;
            }
        }
    }
}

/// Which error an answer tells, and its status.
pub(crate) fn refused((status, body): &Answer) -> (u16, &str) {
    assert!(body["message"].is_string(), "{body}");
    (*status, body["error"].as_str().expect("an error"))
}

/// A session that is in a turn, and so many wait.
pub(crate) fn busy(waiting: u64) -> impl Fn(&Value) -> bool {
    move |session| session["phase"] == "busy" && session["waiting"] == waiting
}
