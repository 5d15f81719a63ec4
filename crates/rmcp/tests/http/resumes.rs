//! Streams that are resumed: at the same session, and at one that was restored.

use crate::{
    client::{ByHand, messages, result},
    events::Events,
    gate::until,
    lasting,
    server::Server,
    store::Store,
};
use reqwest::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Waits until the client's session has so many streams.
async fn streams(server: &Server, client: &ByHand, count: usize) {
    until(|| {
        server
            .session(&client.id)
            .is_some_and(|session| session.streams == count)
    })
    .await;
}

/// Reads a stream until its text is enough.
async fn read(stream: &mut Response, is_enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    while !is_enough(&text) {
        let chunk = stream.chunk().await.expect("it goes on").expect("a part");
        text += str::from_utf8(&chunk).expect("a text");
    }
    text
}

/// Reads so many messages of a stream. Returns its text, and the identifier of the last event.
async fn until_messages(stream: &mut Response, count: usize) -> (String, String) {
    let text = read(stream, |text| messages(text).len() >= count).await;
    let last = last_event(&text).expect("an id");
    (text, last)
}

fn last_event(text: &str) -> Option<String> {
    let mut ids = text.lines().filter_map(|line| line.strip_prefix("id:"));
    ids.next_back().map(|id| id.trim().to_owned())
}

/// Begins a call that does not end, and returns the identifier of its stream's first event.
async fn begin(server: &Server, client: &ByHand, id: &Value) -> (Response, String) {
    let params = json!({ "name": "wait", "arguments": {} });
    let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
    let mut stream = client.post(&call).send().await.expect("an answer");
    server.gate.reached(1).await;
    let text = read(&mut stream, |text| last_event(text).is_some()).await;
    let last = last_event(&text).expect("an id");
    (stream, last)
}

#[tokio::test]
async fn a_stream_that_broke_is_resumed() {
    let server = Server::start(None, lasting());
    let client = ByHand::open(&server.url()).await;
    let mut stream = client.tool(7, "report").send().await.expect("an answer");
    let (text, last) = until_messages(&mut stream, 1).await;
    assert_eq!(messages(&text)[0]["params"]["progress"], 1.0);
    drop(stream);
    streams(&server, &client, 0).await;
    let resumed = tokio::spawn({
        let client = client.clone();
        async move { client.get(Some(&last)).await.text().await.expect("a text") }
    });
    streams(&server, &client, 1).await;
    server.gate.open();
    let rest = resumed.await.expect("it is resumed");
    let missed = messages(&rest);
    // Nothing is sent twice.
    assert_eq!(missed.len(), 2, "{rest}");
    assert_eq!(missed[0]["params"]["progress"], 2.0);
    assert_eq!(result(&rest), "1");
}

#[tokio::test]
async fn a_call_that_a_kill_cut_gets_an_error_and_no_answer_of_another_call() {
    let long = "é".repeat(100);
    for id in [json!(7), json!(-7), json!("seven é@/"), json!(long)] {
        let store = Arc::new(Store::default());
        let server = Server::start(Some(&store), lasting());
        let client = ByHand::open(&server.url()).await;
        let (stream, last) = begin(&server, &client, &id).await;
        let server = server.restart(Some(&store), lasting());
        drop(stream);
        // To rmcp, its stream has the number that the other one had.
        let (other, _) = begin(&server, &client, &json!("other")).await;
        let rest = client.get(Some(&last)).await.text().await.expect("a text");
        server.gate.open();
        assert_eq!(result(&other.text().await.expect("a text")), "1");
        let answers = messages(&rest);
        assert!(last.len() < 200 && last.is_ascii(), "{last}");
        if id == json!(long) {
            assert!(answers.is_empty(), "{rest}");
            continue;
        }
        assert_eq!(answers.len(), 1, "{rest}");
        assert_eq!(answers[0]["id"], id);
        let error = answers[0]["error"]["message"].as_str();
        assert!(error.is_some_and(|text| text.contains("lost")), "{rest}");
    }
}

#[tokio::test]
async fn a_stream_of_notifications_that_a_kill_cut_misses_none_of_the_restored_session() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    let mut stream = client.get(None).await;
    for number in 0..3 {
        client.call(number, "announce").await.expect("an answer");
    }
    let (_, last) = until_messages(&mut stream, 3).await;
    let server = server.restart(Some(&store), lasting());
    drop(stream);
    client.call(3, "announce").await.expect("an answer");
    let mut stream = client.get(Some(&last)).await;
    let (text, last) = until_messages(&mut stream, 1).await;
    assert_eq!(
        messages(&text)[0]["method"],
        "notifications/tools/list_changed"
    );
    drop(stream);
    // After the last one, if the session is the same.
    streams(&server, &client, 0).await;
    client.call(4, "announce").await.expect("an answer");
    let mut stream = client.get(Some(&last)).await;
    let (text, _) = until_messages(&mut stream, 1).await;
    assert_ne!(last_event(&text).as_ref(), Some(&last));
}

#[tokio::test]
async fn an_identifier_that_is_not_of_this_crate_resumes_no_call() {
    let server = Server::start(None, lasting());
    let client = ByHand::open(&server.url()).await;
    assert_eq!(client.which().await.as_deref(), Ok("1"));
    for strange in ["1/0", "1/0@", "1/0@x@n1", "1/0@x@s0"] {
        let rest = client.get(Some(strange)).await.text().await;
        let answers = messages(&rest.expect("a text"));
        assert!(answers.iter().all(|answer| answer["result"].is_null()));
    }
}

#[tokio::test]
async fn with_a_store_of_events_a_stream_is_resumed_after_a_kill() {
    let (store, events) = (Arc::new(Store::default()), Arc::new(Events::default()));
    let sessions = || lasting().events(Arc::clone(&events) as _);
    let server = Server::start(Some(&store), sessions());
    let client = ByHand::open(&server.url()).await;
    let mut stream = client.tool(7, "report").send().await.expect("an answer");
    let (_, last) = until_messages(&mut stream, 1).await;
    server.gate.open();
    let rest = stream.text().await.expect("a text");
    assert_eq!(result(&rest), "1");
    let _server = server.restart(Some(&store), sessions());
    let resumed = client.get(Some(&last)).await;
    let resumed = resumed.text().await.expect("a text");
    let missed = messages(&resumed);
    assert_eq!(missed.len(), 2, "{resumed}");
    assert_eq!(missed[0]["params"]["progress"], 2.0);
    assert_eq!(result(&resumed), "1");
}
