//! rmcp's calls of sessions.

use crate::{
    error::McpError,
    events::{Generation, Named, Resumed, lost},
    live::{Live, Locals, Stage},
    snapshot::{McpSession, snapshot},
    transport::{McpTransport, Serving, Side},
    used::{Kept, Once},
};
use futures_core::Stream;
use rmcp::{
    ServerHandler,
    model::{ClientJsonRpcMessage, GetExtensions, JsonRpcMessage, ServerJsonRpcMessage},
    transport::{
        common::server_side_http::session_id,
        streamable_http_server::{
            SessionId, StreamableHttpServerConfig, StreamableHttpService,
            session::{
                EventStore, RestoreOutcome, ServerSseMessage, SessionManager as RmcpSessionManager,
                SessionRestoreMarker, SessionStore,
            },
        },
    },
};
use std::{collections::HashMap, fmt, io, mem, sync::Arc, time::Duration};
use tokio::time::timeout;
use turnwise::{
    SessionManager,
    manager::{KeepAlive, SessionTurn, StopError, TurnError},
};

/// The sessions of an MCP server: rmcp's session manager, over turnwise. See the [crate's page](crate).
pub struct McpSessions {
    pub(crate) sessions: SessionManager<Locals>,
    pub(crate) store: Option<Arc<dyn SessionStore>>,
    pub(crate) events: Option<Arc<dyn EventStore>>,
    pub(crate) most: Option<usize>,
    /// How long a call waits for the handshake of its session.
    pub(crate) handshake: Option<Duration>,
    pub(crate) serving: Arc<Serving>,
}

impl McpSessions {
    /// Returns rmcp's service for these sessions. The factory makes one handler for each session.
    ///
    /// The [store](crate::McpSessionsBuilder::store) replaces `session_store` of the configuration, because rmcp would use that one without this
    /// crate. The rest of the configuration applies. When its `cancellation_token` is cancelled, all sessions end, and stay in
    /// the store.
    #[must_use = "a service does nothing until it is routed to"]
    pub fn service<S: ServerHandler + Send + 'static>(
        self: &Arc<Self>,
        factory: impl Fn() -> Result<S, io::Error> + Send + Sync + 'static,
        mut config: StreamableHttpServerConfig,
    ) -> StreamableHttpService<S, Self> {
        config.session_store = self.store.clone();
        StreamableHttpService::new(factory, Arc::clone(self), config)
    }

    /// Returns what each session is doing. Waits for nothing.
    ///
    /// Sessions that are only in the store are not listed. The list is copied in steps, so it need not be that of one moment.
    #[must_use = "it has no other effect"]
    pub fn snapshot(&self) -> Vec<McpSession> {
        snapshot(&self.sessions)
    }

    /// Keeps the session alive, once it takes calls. `None` if there is none, or it ends before.
    async fn ready(&self, id: &SessionId) -> Option<KeepAlive<Locals>> {
        let kept = self.sessions.keep_alive(id)?;
        let takes_calls = kept.takes_calls();
        let takes_calls = match self.handshake {
            None => takes_calls.await,
            Some(limit) => timeout(limit, takes_calls).await.unwrap_or_else(|_| {
                kept.control.discard("its handshake took too long");
                false
            }),
        };
        takes_calls.then_some(kept)
    }

    async fn found(&self, id: &SessionId) -> Result<KeepAlive<Locals>, McpError> {
        self.ready(id).await.ok_or_else(|| missing(id))
    }

    fn live(&self, id: &SessionId) -> Result<Arc<Live>, McpError> {
        self.sessions.handle(id).ok_or_else(|| missing(id))
    }

    async fn turn(&self, id: &SessionId) -> Result<SessionTurn<Locals>, McpError> {
        let turn = self.sessions.turn(id).await;
        turn.map_err(|error| match (error, self.most) {
            (TurnError::RegistryFull, Some(most)) => McpError::TooManySessions(most),
            (error, _) => McpError::NotStarted(error),
        })
    }

    /// Gives the session its service, and ends the turn. `None` if it has one.
    fn open(&self, mut turn: SessionTurn<Locals>, stage: Stage) -> Option<McpTransport> {
        let raw = turn.take()?;
        let (id, live) = (
            Arc::clone(SessionTurn::key(&turn)),
            SessionTurn::handle(&turn),
        );
        // In the turn, so that the session does not expire before it takes calls.
        live.open(stage, self.sessions.keep_alive(&id));
        let side = Side::Session {
            id,
            live,
            sessions: self.sessions.clone(),
            calls: HashMap::new(),
        };
        SessionTurn::done(turn);
        Some(McpTransport::new(raw, &self.serving, side))
    }

    /// Gives a session from the store its service. `None` if it is not in the store.
    ///
    /// rmcp has looked into the store already. Here nobody else can start or end the session, so a DELETE removed it from the store
    /// before this, or ends it after this.
    async fn open_stored(
        &self,
        store: &dyn SessionStore,
        turn: SessionTurn<Locals>,
    ) -> Result<Option<McpTransport>, McpError> {
        let state = tokio::select! {
            state = store.load(SessionTurn::key(&turn)) => state,
            () = SessionTurn::cancelled(&turn) => Ok(None),
        };
        match state {
            Ok(Some(_)) => Ok(self.open(turn, Stage::Restoring)),
            Ok(None) => {
                SessionTurn::discard(turn);
                Ok(None)
            }
            Err(error) => {
                SessionTurn::discard(turn);
                Err(McpError::Store(error))
            }
        }
    }

    /// The transport of a handshake that leads to nothing.
    ///
    /// A request found no session of this id, and before it came to restore it, another one had done so. If rmcp hears so, it answers
    /// 500. So it may repeat the handshake, with a handler that nobody uses, and then the request uses the session that is there.
    async fn repeat(&self, id: &SessionId, live: Arc<Live>) -> Result<McpTransport, McpError> {
        let (local, raw) = live.again(id).await?;
        let local = Arc::new(local);
        live.repeats.lock().new.push_back(Arc::clone(&local));
        let side = Side::Repeat { live, local };
        Ok(McpTransport::new(raw, &self.serving, side))
    }
}

impl RmcpSessionManager for McpSessions {
    type Error = McpError;
    type Transport = McpTransport;

    async fn create_session(&self) -> Result<(SessionId, McpTransport), McpError> {
        let id = session_id();
        let abandoned = Abandoned(self, &id);
        let turn = self.turn(&id).await?;
        let transport = self.open(turn, Stage::Opening);
        let transport = transport.ok_or_else(|| missing(&id))?;
        mem::forget(abandoned);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, McpError> {
        let live = self.live(id)?;
        match live.stage() {
            Stage::Opening => {
                let answer = live.local.initialize_session(id, message).await?;
                live.ready();
                Ok(answer)
            }
            Stage::Restoring => Ok(live.local.initialize_session(id, message).await?),
            Stage::Ready => {
                let new = live.repeats.lock().new.pop_front();
                let local = new.ok_or_else(|| missing(id))?;
                let answer = local.initialize_session(id, message).await?;
                if matches!(answer, JsonRpcMessage::Response(_)) {
                    live.repeats.lock().initialized.push_back(local);
                }
                Ok(answer)
            }
            Stage::Blank | Stage::Ended => Err(missing(id)),
        }
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, McpError> {
        // The drop of what it returns counts as activity: the session does not expire before the call that follows.
        Ok(self.ready(id).await.is_some())
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), McpError> {
        if self.serving.end() {
            // The end of a service. Its session has ended with its transport; what else there is under this id is another one.
            return Ok(());
        }
        if let Some(store) = &self.store {
            // First, so that a restore that begins now finds nothing.
            store.delete(id).await.map_err(McpError::Store)?;
        }
        match self.sessions.stop(id).await {
            Ok(_) | Err(StopError::Closed) => Ok(()),
            Err(error) => Err(McpError::NotStopped(error)),
        }
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, McpError> {
        let kept = self.found(id).await?;
        let named = match (&kept.generation, &message) {
            (Some(generation), JsonRpcMessage::Request(request)) => generation.call(&request.id),
            _ => Named::default(),
        };
        let stream = kept.local.create_stream(id, message).await?;
        Ok(Kept::new(stream, named, kept))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), McpError> {
        if !is_restore(&message) {
            let kept = self.found(id).await?;
            return Ok(kept.local.accept_message(id, message).await?);
        }
        let live = self.live(id)?;
        if live.stage() == Stage::Restoring {
            live.local.accept_message(id, message).await?;
            live.ready();
            return Ok(());
        }
        let initialized = live.repeats.lock().initialized.pop_front();
        let local = initialized.ok_or_else(|| missing(id))?;
        local.accept_message(id, message).await?;
        Ok(local.close_session(id).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, McpError> {
        let kept = self.found(id).await?;
        let generation = kept.generation.as_ref();
        let named = generation.map(Generation::common).unwrap_or_default();
        let stream = kept.local.create_standalone_stream(id).await?;
        Ok(Kept::new(stream, named, kept))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, McpError> {
        let kept = self.found(id).await?;
        let resumed = match &kept.generation {
            Some(generation) => generation.resume(&last_event_id),
            None => Resumed::Here(last_event_id, Named::default()),
        };
        match resumed {
            Resumed::Here(last, named) => {
                let stream = kept.local.resume(id, last).await?;
                Ok(Kept::new(stream, named, kept))
            }
            Resumed::Lost(call) => {
                let stream = Once(Some(lost(call)));
                Ok(Kept::new(stream, Named::default(), kept))
            }
            Resumed::Unknown => Err(missing(id)),
        }
    }

    async fn restore_session(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<McpTransport>, McpError> {
        let Some(store) = &self.store else {
            return Ok(RestoreOutcome::NotSupported);
        };
        loop {
            // Behind the end of the session before, if that is under way.
            let turn = self.turn(&id).await?;
            if turn.is_blank() {
                let opened = self.open_stored(&**store, turn).await?;
                return Ok(opened.map_or(RestoreOutcome::NotSupported, RestoreOutcome::Restored));
            }
            SessionTurn::done(turn);
            if let Some(kept) = self.ready(&id).await {
                let live = Arc::clone(&kept);
                return Ok(RestoreOutcome::Restored(self.repeat(&id, live).await?));
            }
        }
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.events.clone()
    }
}

/// Ends the session of a client that went away before it got one.
struct Abandoned<'a>(&'a McpSessions, &'a SessionId);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        drop(self.0.sessions.stop(self.1));
    }
}

fn is_restore(message: &ClientJsonRpcMessage) -> bool {
    let JsonRpcMessage::Notification(notification) = message else {
        return false;
    };
    let extensions = notification.notification.extensions();
    extensions.get::<SessionRestoreMarker>().is_some()
}

fn missing(id: &SessionId) -> McpError {
    McpError::NotFound(Arc::clone(id))
}

impl fmt::Debug for McpSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessions")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}
