//! A session manager by hand, as a daemon has it that has outgrown a map of mutexes. Sessions start on demand, each behind a
//! lock of its own. A message runs in a task, so a caller that goes away does not cut a session short; it cancels the message.
//! Partial output goes through a channel. The status waits for nothing, idle sessions are stopped, and an interrupted session
//! is not used again.

use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot},
    time::{Instant, timeout},
};

type Session = u64;

#[derive(Clone, Copy)]
enum Phase {
    Idle,
    Starting,
    Busy,
}

struct Slot {
    session: AsyncMutex<Option<Session>>,
    status: Mutex<(Phase, Instant)>,
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            session: AsyncMutex::new(None),
            status: Mutex::new((Phase::Idle, Instant::now())),
        })
    }

    fn set(&self, phase: Phase) {
        *self.status.lock() = (phase, Instant::now());
    }
}

pub(crate) struct Manager {
    slots: RwLock<HashMap<String, Arc<Slot>>>,
    limit: Duration,
}

/// The reply of a message; its drop cancels the message.
pub(crate) struct Reply {
    reply: oneshot::Receiver<Result<u64, &'static str>>,
    cancel: Arc<Notify>,
    #[expect(dead_code, reason = "the readers of partial output hold it open")]
    events: mpsc::Receiver<u64>,
}

impl Manager {
    /// Stops idle sessions in the background.
    pub(crate) fn new(idle: Duration) -> Arc<Self> {
        let manager = Arc::new(Self {
            slots: RwLock::new(HashMap::new()),
            limit: Duration::from_secs(600),
        });
        let reaped = Arc::downgrade(&manager);
        tokio::spawn(async move {
            while let Some(manager) = reaped.upgrade() {
                manager.cleanup_idle(idle);
                drop(manager);
                tokio::time::sleep(idle / 4).await;
            }
        });
        manager
    }

    fn slot(&self, key: &str) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().get(key) {
            return Arc::clone(slot);
        }
        let mut slots = self.slots.write();
        Arc::clone(slots.entry(key.to_owned()).or_insert_with(Slot::new))
    }

    pub(crate) fn send(self: &Arc<Self>, key: &str, message: u64) -> Reply {
        let (answer, reply) = oneshot::channel();
        let (emit, events) = mpsc::channel(64);
        let cancel = Arc::new(Notify::new());
        let cancelled = Arc::clone(&cancel);
        let (manager, slot) = (Arc::clone(self), self.slot(key));
        tokio::spawn(async move {
            let mut session = slot.session.lock().await;
            let turn = manager.turn(&slot, &mut session, message, emit);
            let ended = tokio::select! {
                biased;
                ended = timeout(manager.limit, turn) => ended.unwrap_or(Err("timed out")),
                () = cancelled.notified() => Err("cancelled"),
            };
            if ended.is_err() {
                *session = None;
            }
            slot.set(Phase::Idle);
            drop(session);
            let _ = answer.send(ended);
        });
        Reply {
            reply,
            cancel,
            events,
        }
    }

    async fn turn(
        &self,
        slot: &Slot,
        session: &mut Option<Session>,
        message: u64,
        _emit: mpsc::Sender<u64>,
    ) -> Result<u64, &'static str> {
        if session.is_none() {
            slot.set(Phase::Starting);
            *session = Some(start().await.map_err(|_| "cannot start")?);
        }
        slot.set(Phase::Busy);
        let session = session.as_mut().expect("it was started");
        *session += message;
        Ok(*session)
    }

    fn cleanup_idle(&self, idle: Duration) {
        let seen: Vec<_> = self.slots.read().values().cloned().collect();
        for slot in seen {
            let (phase, since) = *slot.status.lock();
            if matches!(phase, Phase::Idle) && since.elapsed() >= idle {
                if let Ok(mut session) = slot.session.try_lock() {
                    *session = None;
                }
            }
        }
    }
}

async fn start() -> Result<Session, Infallible> {
    Ok(0)
}

impl Future for Reply {
    type Output = Result<u64, &'static str>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = Pin::new(&mut self.reply).poll(cx);
        reply.map(|reply| reply.unwrap_or(Err("its task is gone")))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.cancel.notify_one();
    }
}
