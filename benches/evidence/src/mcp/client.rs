//! A client that sees the status of each answer, and what its stream contains.

use reqwest::{Client as Http, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::error::Error;

pub(super) type Failed = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
pub(super) struct Client {
    http: Http,
    url: String,
    session: String,
}

impl Client {
    pub(super) async fn open(url: &str) -> Result<Self, Failed> {
        // Each request on a connection of its own: none goes to a server that has been killed.
        let http = Http::builder().pool_max_idle_per_host(0).build()?;
        let mut client = Self {
            http,
            url: url.to_owned(),
            session: String::new(),
        };
        let info = json!({ "name": "evidence", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let initialize = json!({ "jsonrpc": "2.0", "id": "initialize", "method": "initialize", "params": params });
        let answer = client.post(&initialize).send().await?.error_for_status()?;
        let session = answer.headers().get("mcp-session-id");
        client.session = session.ok_or("no session")?.to_str()?.to_owned();
        answer.text().await?;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        client.post(&initialized).send().await?.error_for_status()?;
        Ok(client)
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, &self.url);
        let request = request.header("mcp-protocol-version", "2025-11-25");
        match &*self.session {
            "" => request,
            session => request.header("mcp-session-id", session),
        }
    }

    fn post(&self, message: &Value) -> RequestBuilder {
        let request = self.request(Method::POST);
        let request = request.header("accept", "application/json, text/event-stream");
        request.json(message)
    }

    /// Begins a call, which takes so long.
    pub(super) async fn begin(&self, call: &str, ms: u64) -> Result<Response, Failed> {
        let arguments = json!({ "text": call, "ms": ms });
        let params = json!({ "name": "echo", "arguments": arguments });
        let call =
            json!({ "jsonrpc": "2.0", "id": call, "method": "tools/call", "params": params });
        Ok(self.post(&call).send().await?)
    }

    /// Makes a call. Its answer must be its own.
    pub(super) async fn call(&self, call: &str, ms: u64) -> Result<(), Failed> {
        let answer = self.begin(call, ms).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if answers(&text).iter().any(|answer| is_of(answer, call)) {
            return Ok(());
        }
        Err(format!("{status} {text}").into())
    }

    /// Resumes a stream. Returns what it contains until it ends.
    pub(super) async fn resume(&self, last_event: &str) -> Result<String, Failed> {
        let request = self
            .request(Method::GET)
            .header("accept", "text/event-stream");
        let answer = request.header("last-event-id", last_event).send().await?;
        Ok(answer.text().await?)
    }
}

pub(super) fn answers(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    let messages = data.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
    messages
        .filter(|message| message.get("result").or(message.get("error")).is_some())
        .collect()
}

fn is_of(answer: &Value, call: &str) -> bool {
    answer["id"] == call && answer["result"]["content"][0]["text"] == call
}

/// Reads until the first event with an identifier.
pub(super) async fn first_event(stream: &mut Response) -> Result<String, Failed> {
    let mut text = String::new();
    loop {
        let id = text.lines().find_map(|line| line.strip_prefix("id:"));
        if let Some(id) = id.filter(|_| text.contains("\n\n")) {
            return Ok(id.trim().to_owned());
        }
        let part = stream.chunk().await?.ok_or("the stream has ended")?;
        text += str::from_utf8(&part)?;
    }
}
