//! Restores: after a restart of the server, of calls at once, and of requests that go away.

use crate::{client::ByHand, config, gate::until, lasting, server::Server, short, store::Store};
use reqwest::StatusCode;
use rmcp::{
    ServiceExt,
    model::{
        CallToolRequestParams, ClientConfig, ClientJsonRpcMessage, InitializeRequest,
        ProtocolVersion, RequestId,
    },
    transport::{
        StreamableHttpClientTransport,
        streamable_http_server::{
            SessionId,
            session::{RestoreOutcome, SessionManager as _, SessionState, SessionStore as _},
        },
    },
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering::SeqCst},
    task::Poll,
    time::Duration,
};
use tokio::task::{JoinHandle, JoinSet, consume_budget};
use turnwise_rmcp::{McpError, McpPhase, McpSessions};

fn which(client: &ByHand) -> JoinHandle<Result<String, StatusCode>> {
    let client = client.clone();
    tokio::spawn(async move { client.which().await })
}

/// Another session begins, makes a call and ends. Meanwhile all else goes on.
async fn a_while(server: &Server) {
    let other = ByHand::open(&server.url()).await;
    assert!(other.which().await.is_ok());
    assert_eq!(other.delete().await, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn four_calls_at_once_after_each_kill_are_all_answered() {
    let store = Arc::new(Store::default());
    let mut server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    for _ in 0..25 {
        server = server.restart(Some(&store), lasting());
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let client = client.clone();
            calls.spawn(async move { client.call(number, "which").await });
        }
        let session = server.sessions();
        for answer in calls.join_all().await {
            // Handlers of repeated handshakes answer no call.
            assert_eq!(answer.as_deref(), Ok("1"), "{:?}", session.snapshot());
        }
    }
}

#[tokio::test]
async fn rmcps_client_goes_on_after_a_kill() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ClientConfig::default()
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
        .serve(StreamableHttpClientTransport::from_uri(server.url()))
        .await
        .expect("it begins");
    let call = async || {
        let params = CallToolRequestParams::new("which");
        client.call_tool(params).await.map(drop)
    };
    call().await.expect("an answer");
    let id = Arc::clone(&server.sessions().snapshot()[0].id);
    let server = server.restart(Some(&store), lasting());
    // Its connection broke with the server, which the next call may notice.
    if call().await.is_err() {
        call().await.expect("an answer");
    }
    assert_eq!(&*server.sessions().snapshot()[0].id, &*id);
    client.cancel().await.expect("it ends");
    until(|| !store.has(&id)).await;
}

#[tokio::test]
async fn calls_wait_until_the_handshake_has_been_repeated() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    let server = server.restart(Some(&store), lasting());
    let between = &server.between;
    let (initialize, accept) = (between.initialize.close(), between.accept.close());
    let first = which(&client);
    initialize.reached(1).await;
    between.initialize.free();
    let early: Vec<_> = (0..3).map(|_| which(&client)).collect();
    until(|| between.asked.load(SeqCst) == 4).await;
    assert_eq!(server.phase(&client.id), Some(McpPhase::Restoring));
    initialize.open();
    accept.reached(1).await; // `initialize` is answered, and `notifications/initialized` waits
    between.accept.free();
    let late = which(&client);
    until(|| between.asked.load(SeqCst) == 5).await;
    a_while(&server).await;
    assert_eq!(server.phase(&client.id), Some(McpPhase::Restoring));
    assert!(!first.is_finished() && !late.is_finished());
    assert!(early.iter().all(|call| !call.is_finished()));
    accept.open();
    for call in early.into_iter().chain([first, late]) {
        assert_eq!(call.await.expect("it ends").as_deref(), Ok("1"));
    }
}

#[tokio::test]
async fn a_request_that_comes_late_to_a_restore_is_answered() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    let server = server.restart(Some(&store), lasting());
    let absent = server.between.absent.close();
    let late: Vec<_> = (0..2).map(|_| which(&client)).collect();
    absent.reached(2).await; // there was no session
    server.between.absent.free();
    assert_eq!(client.which().await.as_deref(), Ok("1")); // now there is
    a_while(&server).await; // and rmcp has forgotten that it restored one
    let first = server.session(&client.id).expect("it is there");
    absent.open();
    for call in late {
        assert_eq!(call.await.expect("it ends").as_deref(), Ok("1"));
    }
    assert!(
        server.handlers.load(SeqCst) >= 3,
        "a handshake was repeated"
    );
    let closes = server.handlers.load(SeqCst) - 1;
    until(|| server.between.closed.load(SeqCst) >= closes).await;
    let last = server.session(&client.id).expect("it is there");
    assert_eq!(last.incarnation, first.incarnation);
    assert!(store.has(&client.id));
    assert_eq!(client.which().await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn a_delete_during_a_restore_wins() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    let server = server.restart(Some(&store), lasting());
    let restore = server.between.restore.close();
    let call = which(&client);
    restore.reached(1).await; // rmcp has found it in the store
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
    restore.open();
    assert_eq!(call.await.expect("it ends"), Err(StatusCode::NOT_FOUND));
    until(|| server.phase(&client.id).is_none()).await;
    assert!(!store.has(&client.id));
}

#[tokio::test]
async fn a_delete_cuts_a_restore_that_waits_for_the_store() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), lasting());
    let client = ByHand::open(&server.url()).await;
    let server = server.restart(Some(&store), lasting());
    let restore = server.between.restore.close();
    let call = which(&client);
    restore.reached(1).await;
    let loaded = store.loaded.close();
    restore.open();
    loaded.reached(1).await; // it was in the store, seen once more
    assert_eq!(client.delete().await, StatusCode::ACCEPTED);
    assert_eq!(call.await.expect("it ends"), Err(StatusCode::NOT_FOUND));
    until(|| server.phase(&client.id).is_none()).await;
    assert!(!store.has(&client.id));
}

#[tokio::test]
async fn a_restore_whose_client_leaves_is_begun_anew() {
    let store = Arc::new(Store::default());
    let mut hasty = config(None);
    hasty.init_timeout = Some(Duration::from_millis(200));
    let hasty = || McpSessions::builder().config(hasty.clone());
    let server = Server::start(Some(&store), hasty());
    let client = ByHand::open(&server.url()).await;
    let mut server = server.restart(Some(&store), hasty());
    for place in 0..3 {
        server = server.restart(Some(&store), hasty());
        let between = &server.between;
        let place = [&between.restore, &between.initialize, &between.accept][place];
        let gate = place.close();
        let leaves = which(&client);
        gate.reached(1).await;
        leaves.abort();
        assert!(leaves.await.is_err());
        place.free();
        // At first it may be told that there is no session: rmcp gives one answer to all who wait for one restore.
        while client.which().await.is_err() {}
    }
}

#[tokio::test]
async fn bursts_around_the_idle_limit_are_all_answered() {
    let store = Arc::new(Store::default());
    let server = Server::start(Some(&store), short());
    let client = ByHand::open(&server.url()).await;
    // Bursts, with pauses about as long as the idle limit.
    for pause in [190, 200, 210, 220, 230].repeat(2) {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let burst: Vec<_> = (0..4).map(|_| which(&client)).collect();
        for call in burst {
            assert!(call.await.expect("it ends").is_ok());
        }
    }
    assert!(
        server.handlers.load(SeqCst) > 1,
        "it has expired in between"
    );
}

/// Polls a future once, by a task that has used up its budget: so even what is ready makes it wait. Then drops it.
async fn polled_once<T>(future: impl Future<Output = T>) {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        while pin!(consume_budget()).poll(cx).is_ready() {}
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_session_that_nobody_serves_holds_up_no_call() {
    let store = Arc::new(Store::default());
    let sessions = lasting()
        .store(Arc::clone(&store) as _)
        .build()
        .expect("it is valid");
    let id: SessionId = "a".into();
    let state = SessionState::new(ClientConfig::default());
    store.store(&id, &state).await.expect("it is kept");
    polled_once(sessions.restore_session(Arc::clone(&id))).await; // the client has left
    let phase = || sessions.snapshot().first().map(|session| session.phase);
    until(|| phase() == Some(McpPhase::Idle)).await;
    assert!(!sessions.has_session(&id).await.expect("an answer"));
    let initialize = InitializeRequest::new(ClientConfig::default());
    let initialize = ClientJsonRpcMessage::request(initialize.into(), RequestId::Number(0));
    let refused = sessions.initialize_session(&id, initialize).await;
    assert!(matches!(refused, Err(McpError::NotFound(_))), "{refused:?}");
    let restored = sessions.restore_session(Arc::clone(&id)).await;
    assert!(matches!(restored, Ok(RestoreOutcome::Restored(_))));
    drop(restored); // its service has ended
    until(|| sessions.snapshot().is_empty()).await;
    polled_once(sessions.create_session()).await;
    assert_eq!(sessions.snapshot().len(), 1);
    // Nobody knows its id, so it is stopped.
    until(|| sessions.snapshot().is_empty()).await;
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_restore() {
    let server = Server::start(None, lasting());
    let client = ByHand::open(&server.url()).await;
    let server = server.restart(None, lasting());
    assert_eq!(client.which().await, Err(StatusCode::NOT_FOUND));
    assert!(server.sessions().snapshot().is_empty());
}
