//! A running pi.
use crate::{
    PiError,
    builder::Settings,
    drive::{Driver, Gone, Order, Phase},
    message::{PiEvent, PiMessage, PiReply},
    protocol::Report,
    questions::PiHandle,
    words::{self, bounded},
};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::{ffi::OsString, fmt, pin::pin};
use tokio::{
    process::Command,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use turnwise::{TurnContext, manager::SessionControl};
use turnwise_process::{Launcher, Process, SpawnError, Stderr};

/// The most events that wait for a slow turn.
const HEARD: usize = 64;

/// A running pi with its conversation: the session of a [`PiAgent`](super::PiAgent). Dropping it kills its process.
pub struct PiSession {
    id: String,
    pid: u32,
    orders: mpsc::UnboundedSender<Order>,
    phase: watch::Receiver<Phase>,
    stderr: Stderr,
}

impl PiSession {
    /// Creates the process and the task that owns it. The process is not ready yet.
    pub(crate) async fn spawn(
        settings: &Arc<Settings>,
        key: &str,
        control: SessionControl<PiEvent>,
    ) -> Result<(Self, PiHandle), PiError> {
        let id = super::session_id::of(key);
        let process = launch(settings, key, &id).await?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let (sets, phase) = watch::channel(Phase::Serves);
        let session = Self {
            id,
            pid: process.id(),
            orders,
            phase,
            stderr: process.stderr().clone(),
        };
        let settings = Arc::clone(settings);
        let driver = Driver::new(process, ordered, sets, settings, control);
        let handle = driver.handle();
        tokio::spawn(driver.run());
        Ok((session, handle))
    }

    /// Returns pi's id of the conversation. When this process has ended, `pi --session-id ID` in the same directory resumes it.
    pub fn session_id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the process, which is also that of its process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the end of what pi wrote to stderr, at most 16 KiB.
    pub fn stderr(&self) -> String {
        self.stderr.text()
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
    pub(crate) async fn stop(&mut self) -> Gone {
        self.order(Order::Stop);
        self.gone().await
    }

    /// Kills the process, waits for its end, and returns its stderr.
    pub(crate) async fn kill(self) -> String {
        let Self {
            orders,
            mut phase,
            stderr,
            ..
        } = self;
        drop(orders);
        gone(&mut phase).await;
        stderr.text()
    }

    /// To wait for its end without the session.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    fn order(&self, order: Order) {
        // If the process is gone, the missing answer shows it.
        drop(self.orders.send(order));
    }

    async fn gone(&mut self) -> Gone {
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
pub(crate) async fn gone(phase: &mut watch::Receiver<Phase>) -> Gone {
    let seen = phase
        .wait_for(|phase| matches!(phase, Phase::Gone(_)))
        .await;
    match seen.as_deref() {
        Ok(Phase::Gone(gone)) => gone.clone(),
        // Its task is gone, and has killed it.
        _ => Gone {
            status: None,
            killed: true,
            fault: None,
        },
    }
}

/// Starts the process.
async fn launch(settings: &Settings, key: &str, id: &str) -> Result<Process, PiError> {
    let mut command = Command::new(&settings.program);
    if settings.clear_environment {
        command.env_clear();
    }
    command.args(&settings.arguments);
    command.args(["--mode", "rpc", "--session-id", id]);
    if let Some(folder) = &settings.session_dir {
        command.arg("--session-dir").arg(folder);
    }
    if let Some(folder) = &settings.working_dir {
        command.current_dir(folder);
    }
    let set = |(name, value): &(_, _)| (OsString::clone(name), OsString::clone(value));
    command.envs(settings.environment.iter().map(set));
    if let Some(configure) = &settings.configure {
        configure(key, &mut command);
    }
    let launcher = Launcher::new()
        .input_grace(settings.grace)
        .term_grace(settings.grace)
        .keep_children(true)
        .mark("TURNWISE_PI")
        .guard(settings.guard.clone());
    let spawned = launcher.spawn(&mut command).await;
    spawned.map_err(|SpawnError { source, .. }| PiError::Spawn {
        program: settings.program.clone().into(),
        source,
    })
}

impl fmt::Debug for PiSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PiSession")
            .field("id", &self.id)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
