//! A running pi.
use crate::{
    PiError,
    builder::Settings,
    drive::{Driver, Order, Phase},
    message::{PiEvent, PiMessage, PiReply},
    process::{Ended, Process},
    protocol::Report,
    tail::Tail,
    words::{self, bounded},
};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::{fmt, pin::pin};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use turnwise::{Incarnation, TurnContext};

/// The most events that wait for a slow turn.
const HEARD: usize = 64;

/// A running pi with its conversation: the session of a [`PiAgent`](super::PiAgent). A drop kills its process.
pub struct PiSession {
    id: String,
    pid: Option<u32>,
    orders: mpsc::UnboundedSender<Order>,
    phase: watch::Receiver<Phase>,
    tail: Arc<Mutex<Tail>>,
}

impl PiSession {
    /// Creates the process and the task that owns it. The process is not ready yet.
    pub(crate) fn spawn(
        settings: &Arc<Settings>,
        key: &str,
        incarnation: Incarnation,
    ) -> Result<Self, PiError> {
        let id = super::session_id::of(key);
        let made = Process::spawn(settings, key, &id)?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let (sets, phase) = watch::channel(Phase::Serves);
        let session = Self {
            id,
            pid: made.0.child.id(),
            orders,
            phase,
            tail: Arc::clone(&made.0.tail),
        };
        let settings = Arc::clone(settings);
        let driver = Driver::new(made, ordered, sets, settings, key.to_owned(), incarnation);
        tokio::spawn(driver.run());
        Ok(session)
    }

    /// Returns pi's id of the conversation. When this process has ended, `pi --session-id ID` in the same directory resumes it.
    pub fn session_id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the process, which is also that of its process group.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Returns the end of its stderr, at most 16 KiB.
    pub fn stderr(&self) -> String {
        self.tail.lock().text()
    }

    /// Sends a command of pi's RPC, such as `get_session_stats` or `set_model`, and returns the data of its response. Use it in
    /// [`SessionManager::with_turn`](turnwise::SessionManager::with_turn).
    ///
    /// # Errors
    ///
    /// [`PiError::Refused`] if pi refuses the command, and for `prompt`, `steer` and `follow_up`: they begin work, so send them as
    /// messages. [`PiError::Exited`] if pi ends before it answers.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, pi still executes the command, and its response is discarded.
    pub async fn request(
        &mut self,
        command: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, PiError> {
        if ["prompt", "steer", "follow_up"].contains(&command) {
            let why = format!("`{command}` begins work: send it as a message");
            return Err(PiError::Refused(why));
        }
        let (reply, replied) = oneshot::channel();
        self.order(Order::Request(command.to_owned(), arguments, reply));
        match replied.await {
            Ok(response) => response,
            Err(_) => Err(self.exited().await),
        }
    }

    /// Checks that pi answers, and that it has the right conversation.
    pub(crate) async fn ready(&mut self) -> Result<(), PiError> {
        let state = self.request("get_state", Map::new()).await?;
        let id = &state["sessionId"];
        if id != self.id.as_str() {
            let id = bounded(id.to_string(), words::SHORT);
            return Err(PiError::Protocol {
                what: format!("session {id} instead of {:?}", self.id),
                stderr: self.stderr(),
            });
        }
        Ok(())
    }

    pub(crate) async fn healthy(&mut self, limit: std::time::Duration) -> bool {
        let serves = matches!(*self.phase.borrow(), Phase::Serves);
        serves && matches!(timeout(limit, self.ready()).await, Ok(Ok(())))
    }

    pub(crate) async fn turn(
        &mut self,
        message: PiMessage,
        cx: &TurnContext<PiEvent>,
    ) -> Result<PiReply, PiError> {
        if cx.is_cancelled() {
            return Err(PiError::Aborted); // pi never sees it
        }
        let (hears, mut heard) = mpsc::channel(HEARD);
        self.order(Order::Turn(message, hears));
        let mut cancelled = pin!(cx.cancelled());
        let mut told = false;
        loop {
            tokio::select! {
                next = heard.recv() => match next {
                    Some(Report::Event(event)) => cx.send(event).await, // a slow reader slows pi
                    Some(Report::Note(note)) => cx.note(note),
                    Some(Report::End(end)) => return end,
                    None => return Err(self.exited().await),
                },
                () = cancelled.as_mut(), if !told => {
                    told = true;
                    self.order(Order::Cancel);
                }
            }
        }
    }

    /// Stops the process, and waits for its end.
    pub(crate) async fn stop(&mut self) -> Ended {
        self.order(Order::Stop);
        self.gone().await
    }

    /// Kills the process, waits for its end, and returns its stderr.
    pub(crate) async fn kill(self) -> String {
        let Self {
            orders,
            mut phase,
            tail,
            ..
        } = self;
        drop(orders);
        gone(&mut phase).await;
        tail.lock().text()
    }

    /// To wait for its end without the session.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    fn order(&self, order: Order) {
        // If the process is gone, the missing answer shows it.
        drop(self.orders.send(order));
    }

    async fn gone(&mut self) -> Ended {
        gone(&mut self.phase).await
    }

    async fn exited(&mut self) -> PiError {
        let status = self.gone().await.status;
        PiError::Exited {
            status,
            stderr: self.stderr(),
        }
    }
}

/// Waits for the end of a process. Cancel-safe.
pub(crate) async fn gone(phase: &mut watch::Receiver<Phase>) -> Ended {
    let seen = phase
        .wait_for(|phase| matches!(phase, Phase::Gone(_)))
        .await;
    match seen.as_deref() {
        Ok(Phase::Gone(ended)) => ended.clone(),
        // Its task is gone, and has killed it.
        _ => Ended {
            status: None,
            killed: true,
            fault: None,
        },
    }
}

impl fmt::Debug for PiSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PiSession")
            .field("id", &self.id)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
