//! A client by hand: it makes requests that rmcp's client does not make, and sees what comes.

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[derive(Clone)]
pub(crate) struct ByHand {
    http: Client,
    url: String,
    pub(crate) id: String,
}

impl ByHand {
    /// Begins a session.
    pub(crate) async fn open(url: &str) -> Self {
        Self::try_open(url).await.expect("it begins")
    }

    pub(crate) async fn try_open(url: &str) -> Result<Self, (StatusCode, String)> {
        // Each request on a connection of its own: none goes to a server that has been killed.
        let http = Client::builder().pool_max_idle_per_host(0).build();
        let mut client = Self {
            http: http.expect("a client"),
            url: url.to_owned(),
            id: String::new(),
        };
        let response = client.initialize().send().await.expect("an answer");
        let status = response.status();
        let id = response.headers().get("mcp-session-id").cloned();
        let text = response.text().await.expect("a text");
        if status != StatusCode::OK {
            return Err((status, text));
        }
        let id = id.expect("an id");
        client.id = id.to_str().expect("it is printable").to_owned();
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = client.post(&initialized).send().await.expect("an answer");
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        Ok(client)
    }

    fn initialize(&self) -> RequestBuilder {
        let info = json!({ "name": "by hand", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        self.post(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }))
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, &self.url);
        let request = request.header("mcp-protocol-version", "2025-11-25");
        match &*self.id {
            "" => request,
            id => request.header("mcp-session-id", id),
        }
    }

    pub(crate) fn post(&self, message: &Value) -> RequestBuilder {
        let request = self.request(Method::POST);
        let request = request.header("accept", "application/json, text/event-stream");
        request.json(message)
    }

    /// The request for a tool, with its number as token of progress.
    pub(crate) fn tool(&self, number: u32, tool: &str) -> RequestBuilder {
        let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": number } });
        self.post(
            &json!({ "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params }),
        )
    }

    /// Calls a tool, and returns its text.
    pub(crate) async fn call(&self, number: u32, tool: &str) -> Result<String, StatusCode> {
        let response = self.tool(number, tool).send().await.expect("an answer");
        match response.status() {
            StatusCode::OK => Ok(result(&response.text().await.expect("a text"))),
            status => Err(status),
        }
    }

    pub(crate) async fn which(&self) -> Result<String, StatusCode> {
        // No two calls of a session at once have the same number.
        static NUMBERS: AtomicU32 = AtomicU32::new(100);
        self.call(NUMBERS.fetch_add(1, Relaxed), "which").await
    }

    pub(crate) async fn get(&self, last_event: Option<&str>) -> Response {
        let request = self.request(Method::GET);
        let mut request = request.header("accept", "text/event-stream");
        if let Some(last) = last_event {
            request = request.header("last-event-id", last);
        }
        request.send().await.expect("an answer")
    }

    pub(crate) async fn delete(&self) -> StatusCode {
        let response = self.request(Method::DELETE).send().await;
        response.expect("an answer").status()
    }
}

/// The messages of a stream.
pub(crate) fn messages(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

/// The text that a tool returned.
pub(crate) fn result(stream: &str) -> String {
    let all = messages(stream);
    let text = all
        .iter()
        .find_map(|message| message["result"]["content"][0]["text"].as_str());
    text.unwrap_or_else(|| panic!("no result in {stream:?}"))
        .to_owned()
}
