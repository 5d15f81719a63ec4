//! How sessions end: by DELETE, by expiry, with their service; and that no end is of another session.

use crate::{client::ByHand, gate::until, lasting, server::Server, short, store::Store};
use reqwest::StatusCode;
use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};
use turnwise_rmcp::McpPhase;

#[tokio::test]
async fn a_delete_is_for_good() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
    assert_eq!(server.phase(&client.id), None);
    assert!(!store.has(&client.id));
    assert_eq!(client.which().await, Err(StatusCode::NOT_FOUND));
    // Once more, and of a session that has never been.
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_delete_that_the_store_refuses_ends_nothing() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    *store.broken.lock() = true;
    assert_eq!(client.delete().await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(client.which().await.as_deref(), Ok("1"));
    *store.broken.lock() = false;
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
    assert_eq!(client.which().await, Err(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn what_expired_is_restored_by_its_next_call() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), short());
    let client = ByHand::open(&server.url()).await;
    for handler in 1..4 {
        assert_eq!(client.which().await, Ok(handler.to_string()));
        until(|| server.session(&client.id).is_none()).await;
        // The close of its service comes too, and removes nothing.
        until(|| server.between.closed.load(SeqCst) == handler).await;
        assert!(store.has(&client.id));
    }
}

#[tokio::test]
async fn a_late_close_of_an_old_service_leaves_the_restored_session_alone() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), short());
    let client = ByHand::open(&server.url()).await;
    let first = server.session(&client.id).expect("it is there").incarnation;
    let late = server.between.close.close();
    late.reached(1).await; // it has expired
    server.between.close.free();
    let stream = client.get(None).await; // restores it, and keeps it
    assert_eq!(client.which().await.as_deref(), Ok("2"));
    let second = server
        .session(&client.id)
        .expect("it is restored")
        .incarnation;
    assert!(second > first);
    late.open();
    until(|| server.between.closed.load(SeqCst) == 1).await;
    assert_eq!(client.which().await.as_deref(), Ok("2"));
    assert_eq!(
        server.session(&client.id).map(|it| it.incarnation),
        Some(second)
    );
    assert!(store.has(&client.id));
    drop(stream);
}

#[tokio::test]
async fn a_delete_ends_a_running_call() {
    let server = Server::start(None, lasting());
    let client = ByHand::open(&server.url()).await;
    let call = client.tool(7, "wait").send().await.expect("an answer");
    server.gate.reached(1).await;
    let deleting = tokio::spawn({
        let client = client.clone();
        async move { client.delete().await }
    });
    until(|| server.phase(&client.id) == Some(McpPhase::Closing)).await;
    assert_eq!(client.which().await, Err(StatusCode::NOT_FOUND));
    server.gate.open(); // rmcp waits some seconds for handlers that run
    assert_eq!(deleting.await.expect("it ends"), StatusCode::ACCEPTED);
    assert_eq!(server.phase(&client.id), None);
    let _cut = call.text().await; // its stream ends
}

#[tokio::test]
async fn a_delete_ends_a_session_whose_client_does_not_read() {
    let server = Server::start(None, lasting());
    let client = ByHand::open(&server.url()).await;
    let call = client.tool(7, "flood").send().await.expect("an answer");
    // Until nothing goes on: its channel and the connection are full. If it goes on all the same, this test shows less.
    let mut sent = usize::MAX;
    while sent != server.sent.load(SeqCst) || sent == 0 {
        sent = server.sent.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
    assert_eq!(server.phase(&client.id), None);
    drop(call);
}
