//! Sessions in use: calls, streams, limits, and what operators see.

use crate::{client::ByHand, config, gate::until, lasting, server::Server, short, store::Store};
use reqwest::StatusCode;
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, ClientConfig, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_server::session::SessionManager as _,
    },
};
use std::{sync::Arc, time::Duration};
use turnwise::manager::BuildError;
use turnwise_rmcp::{McpError, McpPhase, McpSessions};

#[tokio::test]
async fn rmcps_client_calls_and_ends_its_session() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ClientConfig::default()
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
        .serve(StreamableHttpClientTransport::from_uri(server.url()))
        .await
        .expect("it begins");
    for _ in 0..3 {
        let which = CallToolRequestParams::new("which");
        let answer = client.call_tool(which).await.expect("an answer");
        let text = answer.content[0].as_text().expect("a text");
        assert_eq!(text.text, "1");
    }
    // Its stream for notifications keeps it alive.
    until(|| {
        let session = &server.sessions().snapshot()[0];
        (session.phase, session.calls, session.streams) == (McpPhase::Used, 0, 1)
    })
    .await;
    let id = Arc::clone(&server.sessions().snapshot()[0].id);
    assert!(store.has(&id));
    client.cancel().await.expect("it ends");
    until(|| server.sessions().snapshot().is_empty()).await;
    assert!(!store.has(&id));
}

#[tokio::test]
async fn a_call_whose_client_has_left_does_not_expire() {
    let server = Server::start(None, short());
    let client = ByHand::open(&server.url()).await;
    let call = client.tool(7, "wait").send().await.expect("an answer");
    server.gate.reached(1).await;
    drop(call);
    let status = || {
        server
            .session(&client.id)
            .map(|it| (it.phase, it.calls, it.streams))
    };
    until(|| status() == Some((McpPhase::Used, 1, 0))).await;
    for _ in 0..2 {
        // A session that begins later, and is not used, expires.
        let other = ByHand::open(&server.url()).await;
        until(|| server.session(&other.id).is_none()).await;
    }
    assert_eq!(status(), Some((McpPhase::Used, 1, 0)));
    assert_eq!(client.which().await.as_deref(), Ok("1"));
    server.gate.open();
    until(|| server.session(&client.id).is_none()).await;
    assert_eq!(client.which().await, Err(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn an_open_stream_does_not_expire() {
    let server = Server::start(None, short());
    let client = ByHand::open(&server.url()).await;
    let stream = client.get(None).await;
    for _ in 0..2 {
        let other = ByHand::open(&server.url()).await;
        until(|| server.session(&other.id).is_none()).await;
    }
    assert_eq!(server.phase(&client.id), Some(McpPhase::Used));
    drop(stream);
    until(|| server.session(&client.id).is_none()).await;
}

#[tokio::test]
async fn a_handshake_does_not_expire() {
    let server = Server::start(None, short());
    let initialize = server.between.initialize.close();
    let url = server.url();
    let opening = tokio::spawn(async move { ByHand::try_open(&url).await });
    initialize.reached(1).await;
    server.between.initialize.free();
    for _ in 0..2 {
        // A session that begins later, and is not used, expires.
        let other = ByHand::open(&server.url()).await;
        until(|| server.session(&other.id).is_none()).await;
    }
    assert_eq!(server.sessions().snapshot()[0].phase, McpPhase::Opening);
    initialize.open();
    let client = opening.await.expect("it ends").expect("it begins");
    assert_eq!(client.which().await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn a_call_that_its_client_cancels_is_no_use() {
    let server = Server::start(None, short());
    let client = ByHand::open(&server.url()).await;
    let call = client.tool(7, "wait").send().await.expect("an answer");
    server.gate.reached(1).await;
    let cancelled = serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    let accepted = client.post(&cancelled).send().await.expect("an answer");
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    drop(call);
    until(|| server.session(&client.id).is_none()).await;
}

#[tokio::test]
async fn the_limit_of_sessions_refuses_the_next_one() {
    let server = Server::start(None, lasting().max_sessions(2));
    let first = ByHand::open(&server.url()).await;
    let second = ByHand::open(&server.url()).await;
    let (status, text) = ByHand::try_open(&server.url())
        .await
        .err()
        .expect("it is full");
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("session limit reached (2)"), "{text}");
    let refused = server.sessions().create_session().await;
    assert!(matches!(refused, Err(McpError::TooManySessions(2))));
    assert_eq!(second.which().await.as_deref(), Ok("2"));
    assert_eq!(first.delete().await, StatusCode::ACCEPTED);
    ByHand::open(&server.url()).await;
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let built = |builder: turnwise_rmcp::McpSessionsBuilder| builder.build().err();
    assert_eq!(
        built(lasting().max_sessions(0)),
        Some(BuildError::ZeroLimit)
    );
    let idle = McpSessions::builder().config(config(Some(Duration::ZERO)));
    assert_eq!(built(idle), Some(BuildError::ZeroTimeout));
    let mut hasty = config(None);
    hasty.init_timeout = Some(Duration::ZERO);
    assert_eq!(
        built(McpSessions::builder().config(hasty)),
        Some(BuildError::ZeroTimeout)
    );
}
