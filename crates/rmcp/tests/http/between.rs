//! Between rmcp's service and its sessions: places where a test can hold a call.

use crate::gate::Place;
use futures_core::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        SessionId,
        session::{EventStore, RestoreOutcome, ServerSseMessage, SessionManager},
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use turnwise_rmcp::{McpError, McpSessions, McpTransport};

pub(crate) struct Between {
    pub(crate) sessions: Arc<McpSessions>,
    /// How often it was asked for a session.
    pub(crate) asked: AtomicUsize,
    /// Behind the answer that there is no such session.
    pub(crate) absent: Place,
    /// Before the calls of these names.
    pub(crate) restore: Place,
    pub(crate) initialize: Place,
    pub(crate) accept: Place,
    pub(crate) close: Place,
    /// How many closes have returned.
    pub(crate) closed: AtomicUsize,
}

impl Between {
    pub(crate) fn of(sessions: Arc<McpSessions>) -> Arc<Self> {
        Arc::new(Self {
            sessions,
            asked: AtomicUsize::new(0),
            absent: Place::default(),
            restore: Place::default(),
            initialize: Place::default(),
            accept: Place::default(),
            close: Place::default(),
            closed: AtomicUsize::new(0),
        })
    }
}

type Sse<S> = Result<S, McpError>;

impl SessionManager for Between {
    type Error = McpError;
    type Transport = McpTransport;

    async fn create_session(&self) -> Result<(SessionId, McpTransport), McpError> {
        self.sessions.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, McpError> {
        self.initialize.pass().await;
        self.sessions.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, McpError> {
        self.asked.fetch_add(1, SeqCst);
        let has = self.sessions.has_session(id).await?;
        if !has {
            self.absent.pass().await;
        }
        Ok(has)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), McpError> {
        self.close.pass().await;
        let closed = self.sessions.close_session(id).await;
        self.closed.fetch_add(1, SeqCst);
        closed
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Sse<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.sessions.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), McpError> {
        self.accept.pass().await;
        self.sessions.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Sse<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.sessions.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Sse<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        self.sessions.resume(id, last_event_id).await
    }

    async fn restore_session(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<McpTransport>, McpError> {
        self.restore.pass().await;
        self.sessions.restore_session(id).await
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.sessions.event_store()
    }
}
