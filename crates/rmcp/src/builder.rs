//! The settings.

use crate::{live::Locals, sessions::McpSessions};
use rmcp::transport::streamable_http_server::session::{
    EventStore, SessionStore, local::SessionConfig,
};
use std::{fmt, sync::Arc};
use turnwise::{
    SessionManager,
    manager::{BuildError, WhenFull},
};

/// Settings of [`McpSessions`]. [`McpSessions::builder`] returns it, and [`build`](Self::build) makes the sessions. No setting is required.
#[must_use = "a builder does nothing until `build`"]
pub struct McpSessionsBuilder {
    config: SessionConfig,
    store: Option<Arc<dyn SessionStore>>,
    events: Option<Arc<dyn EventStore>>,
    max_sessions: Option<usize>,
}

impl McpSessions {
    /// Returns a builder for the settings. [`build`](McpSessionsBuilder::build) makes the sessions.
    pub fn builder() -> McpSessionsBuilder {
        McpSessionsBuilder {
            config: SessionConfig::default(),
            store: None,
            events: None,
            max_sessions: None,
        }
    }
}

impl McpSessionsBuilder {
    /// Sets the store that keeps what a session needs to be restored: after a restart of the server, after it expired, or by another server.
    /// Without a store, a session that has ended is gone, and its client gets 404 and begins a new one.
    ///
    /// A DELETE removes a session from the store before it ends the session. Expiry does not: remove old entries by an age of their own, for
    /// example with a time to live. rmcp deletes once more after a DELETE, so deleting a missing entry must succeed.
    pub fn store(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the store of the events of streams, for clients that resume with `Last-Event-ID` after a restart or at another server. Without it,
    /// a client can resume only within the same session.
    pub fn events(mut self, events: Arc<dyn EventStore>) -> Self {
        self.events = Some(events);
        self
    }

    /// Sets rmcp's settings of each session. Default: rmcp's.
    ///
    /// [`SessionConfig::keep_alive`] is the time after which an idle session is stopped. `None`: never. Unlike in rmcp's own manager, a session
    /// with a call or an open stream is not idle, even if nothing is sent for hours. Use seconds at least: rmcp first looks a session up and then
    /// uses it, and the session must not expire in between. [`SessionConfig::init_timeout`] also limits how long
    /// calls wait for the handshake of their session.
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = config;
        self
    }

    /// Limits the number of sessions in memory. A session counts until its service has ended. The next one is refused with
    /// [`McpError::TooManySessions`](crate::McpError::TooManySessions), even if it would be restored. Default: no limit.
    pub fn max_sessions(mut self, most: usize) -> Self {
        self.max_sessions = Some(most);
        self
    }

    /// Builds the sessions. Their tasks run on the tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there is no usable runtime, if `max_sessions` is 0, or if `keep_alive` or `init_timeout` is zero.
    pub fn build(mut self) -> Result<Arc<McpSessions>, BuildError> {
        if self
            .config
            .init_timeout
            .is_some_and(|limit| limit.is_zero())
        {
            return Err(BuildError::ZeroTimeout);
        }
        let handshake = self.config.init_timeout;
        // rmcp's own expiry counts messages, not calls: it would cut a call that is silent.
        let idle = self.config.keep_alive.take();
        let mut manager = SessionManager::builder(Locals {
            config: self.config,
            events: self.events.clone(),
        });
        if let Some(idle) = idle {
            manager = manager.stop_idle_after(idle);
        }
        if let Some(most) = self.max_sessions {
            manager = manager.max_sessions(most, WhenFull::Refuse);
        }
        Ok(Arc::new(McpSessions {
            sessions: manager.build()?,
            store: self.store,
            events: self.events,
            most: self.max_sessions,
            handshake,
            serving: Arc::default(),
        }))
    }
}

impl fmt::Debug for McpSessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessionsBuilder")
            .field("config", &self.config)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}
