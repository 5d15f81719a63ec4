//! The transport between a session and its service: from it the crate knows the calls that run, and the end of the service.

use crate::{
    live::{Live, Locals, Raw},
    used::Used,
};
use parking_lot::Mutex;
use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    },
    transport::{
        Transport,
        streamable_http_server::{
            SessionId,
            session::local::{LocalSessionManager, LocalSessionWorkerError},
        },
    },
};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::Future,
    sync::Arc,
};
use tokio::task::{self, Id};
use turnwise::SessionManager;

/// The tasks in which rmcp serves sessions.
///
/// Such a task ends with a call of `close_session`, after its transport has been dropped. That call and the one for a DELETE have
/// the same argument, the id. By then the id may have its next session. So the call is known by its task, which receives the first
/// message of its transport.
#[derive(Default)]
pub(crate) struct Serving(Mutex<HashSet<Id>>);

impl Serving {
    fn begin(&self) {
        if let Some(task) = task::try_id() {
            self.0.lock().insert(task);
        }
    }

    /// Whether the current task served a session, which has ended.
    pub(crate) fn end(&self) -> bool {
        task::try_id().is_some_and(|task| self.0.lock().remove(&task))
    }
}

/// The transport of a session. [`McpSessions`](crate::McpSessions) makes it, and rmcp serves it.
#[must_use = "without its transport a session ends"]
pub struct McpTransport {
    raw: Raw,
    serving: Arc<Serving>,
    is_served: bool,
    side: Side,
}

/// Whose messages it carries.
pub(crate) enum Side {
    /// Those of a session.
    Session {
        id: SessionId,
        live: Arc<Live>,
        sessions: SessionManager<Locals>,
        calls: HashMap<RequestId, Used>,
    },
    /// Those of a handshake that is repeated for nothing.
    Repeat {
        live: Arc<Live>,
        local: Arc<LocalSessionManager>,
    },
}

impl McpTransport {
    pub(crate) fn new(raw: Raw, serving: &Arc<Serving>, side: Side) -> Self {
        Self {
            raw,
            serving: Arc::clone(serving),
            is_served: false,
            side,
        }
    }

    /// A call begins with its request. It ends with its response, or the client cancels it: rmcp then drops the response.
    fn note(&mut self, message: &ClientJsonRpcMessage) {
        let Side::Session {
            id,
            sessions,
            calls,
            ..
        } = &mut self.side
        else {
            return;
        };
        match message {
            JsonRpcMessage::Request(request) => {
                if let Some(kept) = sessions.keep_alive(id) {
                    calls.insert(request.id.clone(), Used::by_a_call(kept));
                }
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(call) = &cancelled.params.request_id
                {
                    calls.remove(call);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }

    fn call_of(&mut self, message: &ServerJsonRpcMessage) -> Option<Used> {
        let Side::Session { calls, .. } = &mut self.side else {
            return None;
        };
        match message {
            JsonRpcMessage::Response(response) => calls.remove(&response.id),
            JsonRpcMessage::Error(error) => calls.remove(error.id.as_ref()?),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        }
    }
}

impl Transport<RoleServer> for McpTransport {
    type Error = LocalSessionWorkerError;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let call = self.call_of(&message);
        let send = self.raw.send(message);
        async move {
            // Until the response is in its stream.
            let _call = call;
            send.await
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        if !self.is_served {
            self.is_served = true;
            self.serving.begin();
        }
        let cancelled = self.raw.cancel_token();
        let message = tokio::select! {
            message = self.raw.receive() => message?,
            // The worker may wait for a client that does not read. Its service ends all the same.
            () = cancelled.cancelled() => return None,
        };
        self.note(&message);
        Some(message)
    }

    /// Ends the worker, and does not wait for it: it may wait for a client that does not read.
    async fn close(&mut self) -> Result<(), Self::Error> {
        self.raw.cancel_token().cancel();
        Ok(())
    }
}

impl Drop for McpTransport {
    /// The service has ended, and with it the session: this one, and no later one of the same id.
    fn drop(&mut self) {
        match &self.side {
            Side::Session { live, .. } => live.end(),
            Side::Repeat { live, local } => {
                let mut repeats = live.repeats.lock();
                let is_other = |other: &Arc<LocalSessionManager>| !Arc::ptr_eq(other, local);
                repeats.new.retain(is_other);
                repeats.initialized.retain(is_other);
            }
        }
    }
}

impl fmt::Debug for McpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpTransport").finish_non_exhaustive()
    }
}
