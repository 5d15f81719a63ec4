//! Other programs where a node should be.

use crate::{client::*, nodes::*};
use data_encoding::BASE64;
use etcd_tests::post;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// By its record, a session is at a program that answers like this, again and again.
async fn stranger(nodes: &Nodes, key: &str, begin: &'static str, more: &'static [u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.expect("it listens");
            tokio::spawn(async move {
                let mut head = [0; 4096];
                // It seems to be there.
                let _ = client.read(&mut head).await;
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                let _ = client.read(&mut head).await;
                let _ = client.write_all(begin.as_bytes()).await;
                while !more.is_empty() && client.write_all(more).await.is_ok() {}
                let _ = client.read(&mut head).await;
            });
        }
    });
    let record = |text: String| BASE64.encode(text.as_bytes());
    let body = json!({
        "key": record(format!("turnwise/chatd/k/{key}")),
        "value": record(format!("0 {address}#0000000000000000")),
    });
    let put = post(nodes.etcd.port(0), "/v3/kv/put", &body.to_string()).await;
    assert!(put.expect("etcd answers")["header"].is_object());
}

#[tokio::test]
async fn a_node_with_another_token_is_none() {
    let nodes = Nodes::start(1, "1", &[]).await;
    let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    stranger(&nodes, "a", refusal, b"").await;
    let answer = nodes[0].say("a", "hello").answer().await;
    assert_eq!(refused(&answer), (503, "unavailable"));
}

#[tokio::test]
async fn a_refusal_without_an_end_is_not_waited_for() {
    let nodes = Nodes::start(1, "1", &[]).await;
    let refusal = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\n";
    stranger(&nodes, "a", refusal, b"").await;
    let answer = nodes[0].say("a", "hello").answer().await;
    assert_eq!(refused(&answer), (502, "owner_lost"));
    // A question is asked again.
    let answer = nodes[0].get("/sessions/a").answer().await;
    assert_eq!(refused(&answer), (503, "unavailable"));
}

#[tokio::test]
async fn an_event_without_an_end_is_not_kept() {
    let nodes = Nodes::start(1, "60", &[]).await;
    let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    stranger(&nodes, "a", begin, &[b'x'; 1 << 20]).await;
    let mut events = nodes[0].say("a", "hello").events().await;
    let (name, data) = events.next().await.expect("an end");
    assert_eq!((&*name, &data["error"]), ("failed", &json!("owner_lost")));
}

#[tokio::test]
async fn words_that_are_no_answer() {
    let nodes = Nodes::start(1, "1", &[]).await;
    stranger(&nodes, "a", "hello\r\n\r\n", b"").await;
    let answer = nodes[0].say("a", "hello").answer().await;
    assert_eq!(refused(&answer), (502, "owner_lost"));
    let response = nodes[0].ask("HEAD", "/sessions/a").response().await;
    assert_eq!(response.status(), 503);
}
