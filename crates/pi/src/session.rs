//! A pi that runs.

use crate::{
    PiError,
    builder::Settings,
    drive::{Driver, Order, Phase},
    message::{PiEvent, PiMessage, PiReply},
    process::{Ended, Process},
    protocol::Told,
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

/// How much of an answer waits for a turn that is slow to take it.
const HEARD: usize = 64;

/// A pi that runs, with its conversation; see [`PiAgent`](super::PiAgent).
///
/// Dropped, its process is killed.
pub struct PiSession {
    id: String,
    pid: Option<u32>,
    orders: mpsc::UnboundedSender<Order>,
    phase: watch::Receiver<Phase>,
    tail: Arc<Mutex<Tail>>,
}

impl PiSession {
    /// Makes the process, and the task that owns it. It is not ready yet.
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

    /// pi's name of the conversation. `pi --session-id` with it, in the same directory, resumes it, when this one has ended.
    pub fn session_id(&self) -> &str {
        &self.id
    }

    /// The number of the process; that of its group too.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The end of what it has written to stderr so far: 16 KiB at most.
    pub fn stderr(&self) -> String {
        self.tail.lock().text()
    }

    /// A command of pi's RPC that is no message, such as `get_session_stats` or `set_model`, and the data of its response.
    /// For [`SessionManager::with_turn`](turnwise::SessionManager::with_turn).
    ///
    /// **Cancel-safe**: dropped, the command is carried out all the same, and its response goes nowhere.
    ///
    /// # Errors
    ///
    /// [`PiError::Refused`] with pi's words. It is refused here too if it would begin work, whose end nobody would wait for:
    /// `prompt`, `steer`, `follow_up`. [`PiError::Exited`] if pi ends, or has ended, before it answers.
    pub async fn request(
        &mut self,
        command: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, PiError> {
        if ["prompt", "steer", "follow_up"].contains(&command) {
            let why = format!("{command} is a message: send it as one");
            return Err(PiError::Refused(why));
        }
        let (reply, replied) = oneshot::channel();
        self.order(Order::Request(command.to_owned(), arguments, reply));
        match replied.await {
            Ok(response) => response,
            Err(_) => Err(self.exited().await),
        }
    }

    /// A look whether it answers, and is the session that was asked for.
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
                    Some(Told::Event(event)) => cx.emit(event),
                    Some(Told::Note(note)) => cx.note(note),
                    Some(Told::End(end)) => return end,
                    None => return Err(self.exited().await),
                },
                () = cancelled.as_mut(), if !told => {
                    told = true;
                    self.order(Order::Cancel);
                }
            }
        }
    }

    /// Asks the process to end, and waits for that.
    pub(crate) async fn stop(&mut self) -> Ended {
        self.order(Order::Stop);
        self.gone().await
    }

    /// Kills it, waits for its end, and gives what it wrote to stderr.
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

    /// To wait for its end without it.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    fn order(&self, order: Order) {
        // To a process that is gone: then its answer is missing, which says so.
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
        // Its task has gone, and killed it.
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
