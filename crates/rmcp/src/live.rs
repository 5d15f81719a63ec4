//! One session between its start and its end, and how the manager starts and stops it.
//!
//! What a session contains is rmcp's: each has a [`LocalSessionManager`] of its own, with this session in it and no other. So rmcp
//! routes the messages, numbers the events and replays them. The map, the idle times, the limit and the identities are turnwise's.

use crate::events::Generation;
use parking_lot::Mutex;
use rmcp::transport::{
    WorkerTransport,
    streamable_http_server::{
        SessionId,
        session::{
            EventStore, RestoreOutcome, SessionManager as _,
            local::{
                LocalSessionManager, LocalSessionManagerError, LocalSessionWorker, SessionConfig,
            },
        },
    },
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use turnwise::{
    Backend, TurnContext,
    manager::{KeepAlive, SessionControl, StopReason},
};

/// rmcp's transport between a session and its service.
pub(crate) type Raw = WorkerTransport<LocalSessionWorker>;

/// What a worker gets to take the messages before the end. It takes none while it waits for a client that does not read.
const GRACE: Duration = Duration::from_secs(1);

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody serves it yet.
    Blank,
    /// Its first client initializes it.
    Opening,
    /// It was in the store, and its handshake is repeated.
    Restoring,
    /// It takes calls.
    Ready,
    /// Its service has ended.
    Ended,
}

/// The state of one session, shared by all that refer to it.
pub(crate) struct Live {
    pub(crate) local: LocalSessionManager,
    pub(crate) control: SessionControl<()>,
    /// `None` if a store names the events.
    pub(crate) generation: Option<Generation>,
    pub(crate) calls: AtomicUsize,
    pub(crate) streams: AtomicUsize,
    stage: watch::Sender<Stage>,
    /// Keeps the session alive until it takes calls. It refers to this very session, until [`ready`](Self::ready) or
    /// [`end`](Self::end), one of which comes.
    opening: Mutex<Option<KeepAlive<Locals>>>,
    /// Repeated handshakes that are not for this session; see `McpSessions::repeat`.
    pub(crate) repeats: Mutex<Repeats>,
}

/// Handshakes that rmcp repeats for nothing: those that have not begun, and those that wait for `notifications/initialized`.
/// They are alike, so it does not matter which message belongs to which.
#[derive(Default)]
pub(crate) struct Repeats {
    pub(crate) new: VecDeque<Arc<LocalSessionManager>>,
    pub(crate) initialized: VecDeque<Arc<LocalSessionManager>>,
}

impl Live {
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// The session has a service from now on.
    pub(crate) fn open(&self, stage: Stage, opening: Option<KeepAlive<Locals>>) {
        self.stage.send_replace(stage);
        *self.opening.lock() = opening;
    }

    /// The session takes calls from now on, unless it has ended.
    pub(crate) fn ready(&self) {
        self.advance(Stage::Ready);
    }

    /// The service has ended, and so has the session. It is stopped, and no other session of its key is.
    pub(crate) fn end(&self) {
        self.advance(Stage::Ended);
        self.control.discard("its service has ended");
    }

    fn advance(&self, next: Stage) {
        self.stage.send_if_modified(|stage| {
            let advances = *stage != Stage::Ended && *stage != next;
            if advances {
                *stage = next;
            }
            advances
        });
        // Dropped without the lock: the drop is a call of the manager.
        let opening = self.opening.lock().take();
        drop(opening);
    }

    /// Waits until the session takes calls. False if it has ended, or if nobody serves it.
    pub(crate) async fn takes_calls(&self) -> bool {
        let is_settled = |stage: &Stage| !matches!(stage, Stage::Opening | Stage::Restoring);
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(is_settled).await;
        matches!(settled.as_deref(), Ok(Stage::Ready))
    }

    /// Another session of rmcp with this id, for a handshake that is repeated for nothing.
    pub(crate) async fn again(
        &self,
        id: &SessionId,
    ) -> Result<(LocalSessionManager, Raw), LocalSessionManagerError> {
        make(id, &self.local.session_config, self.local.event_store()).await
    }

    /// Waits until the service has ended.
    async fn ended(&self) {
        let mut stage = self.stage.subscribe();
        let _ended = stage.wait_for(|stage| *stage == Stage::Ended).await;
    }
}

/// A session, for the manager.
pub(crate) struct Local {
    live: Arc<Live>,
    /// Until a service has it.
    transport: Option<Raw>,
    /// Ends the worker without asking.
    cancel: CancellationToken,
}

impl Local {
    /// Nobody has served it.
    pub(crate) fn is_blank(&self) -> bool {
        self.transport.is_some()
    }

    /// The transport, for the first caller.
    pub(crate) fn take(&mut self) -> Option<Raw> {
        self.transport.take()
    }
}

/// Makes the sessions.
pub(crate) struct Locals {
    pub(crate) config: SessionConfig,
    pub(crate) events: Option<Arc<dyn EventStore>>,
}

/// A session of rmcp with this id, which nobody else knows of.
async fn make(
    id: &SessionId,
    config: &SessionConfig,
    events: Option<Arc<dyn EventStore>>,
) -> Result<(LocalSessionManager, Raw), LocalSessionManagerError> {
    let mut local = LocalSessionManager::default();
    local.session_config = config.clone();
    if let Some(events) = events {
        local = local.with_event_store(events);
    }
    // "Restore": of rmcp's calls, this one makes a session whose id is given.
    match local.restore_session(Arc::clone(id)).await? {
        RestoreOutcome::Restored(transport) => Ok((local, transport)),
        // It was empty.
        _ => Err(LocalSessionManagerError::SessionNotFound(Arc::clone(id))),
    }
}

impl Backend for Locals {
    type Key = SessionId;
    type Session = Local;
    type Handle = Arc<Live>;
    type Event = ();
    type Error = LocalSessionManagerError;

    async fn start(
        &self,
        id: &SessionId,
        cx: &TurnContext<()>,
    ) -> Result<(Local, Arc<Live>), LocalSessionManagerError> {
        let (local, transport) = make(id, &self.config, self.events.clone()).await?;
        let live = Arc::new(Live {
            local,
            control: cx.session(),
            generation: self.events.is_none().then(Generation::new),
            calls: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            stage: watch::Sender::new(Stage::Blank),
            opening: Mutex::new(None),
            repeats: Mutex::default(),
        });
        let session = Local {
            live: Arc::clone(&live),
            cancel: transport.cancel_token(),
            transport: Some(transport),
        };
        Ok((session, live))
    }

    async fn is_healthy(&self, session: &mut Local) -> bool {
        session.live.stage() != Stage::Ended
    }

    /// Ends the service, and waits for that: the next session of the id starts after the handlers of this one.
    async fn stop(
        &self,
        id: &SessionId,
        session: Local,
        _: StopReason,
    ) -> Result<(), LocalSessionManagerError> {
        if session.is_blank() {
            return Ok(());
        }
        let live = &session.live;
        let closed = timeout(GRACE, async {
            // Behind the messages that were accepted before.
            let _closed = live.local.close_session(id).await;
            live.ended().await;
        });
        if closed.await.is_err() {
            session.cancel.cancel();
            live.ended().await;
        }
        Ok(())
    }
}

impl Drop for Local {
    /// Also after a stop that took too long, and with the manager.
    fn drop(&mut self) {
        self.cancel.cancel();
        self.live.end();
    }
}

/// Counts one more while it lives.
pub(crate) struct Counted(Arc<Live>, fn(&Live) -> &AtomicUsize);

impl Counted {
    pub(crate) fn new(live: &Arc<Live>, counter: fn(&Live) -> &AtomicUsize) -> Self {
        counter(live).fetch_add(1, Relaxed);
        Self(Arc::clone(live), counter)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Relaxed);
    }
}
