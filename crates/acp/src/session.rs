//! A session of an agent, from the side of its turns.

use crate::{
    AcpBuilder, AcpError, AcpEvent, AcpHandle, AcpMessage, AcpReply,
    drive::{Order, Reader},
    link::Lease,
    state::{Opened, Opening, Report},
};
use serde_json::{Value, json};
use std::{pin::pin, sync::Arc};
use tokio::sync::{mpsc, oneshot};
use turnwise::TurnContext;

/// The most events that wait for a slow turn.
const READY: usize = 64;

/// A session of an [`AcpAgent`](crate::AcpAgent): a conversation with a running agent. Dropping it ends the session.
#[derive(Debug)]
pub struct AcpSession {
    pub(crate) lease: Lease,
    opened: Opened,
}

/// A mode or a model that a session may have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcpChoice {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Whether the session had it when it was opened.
    pub current: bool,
}

impl AcpSession {
    /// Opens a session of this process, once the agent is ready.
    pub(crate) async fn open(
        lease: Lease,
        saved: Option<String>,
        settings: &AcpBuilder,
        key: &str,
        cx: &TurnContext<AcpEvent>,
    ) -> Result<Self, AcpError> {
        let (reply, opened) = oneshot::channel();
        let dir = settings.session_dir.as_ref();
        let folder = dir.map_or_else(|| settings.working_dir.clone(), |dir| dir(key));
        let opening = Opening {
            saved,
            folder,
            reply,
        };
        lease.order(Order::Open(lease.token, opening, cx.session()));
        match opened.await {
            Ok(Ok(opened)) => Ok(Self { lease, opened }),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let source = Box::new(lease.link.gone().await.error);
                Err(AcpError::NotStarted { source })
            }
        }
    }

    /// Returns the agent's id of the session.
    pub fn id(&self) -> &str {
        &self.opened.id
    }

    /// Returns whether this session continues a conversation of an earlier process.
    pub fn resumed(&self) -> bool {
        self.opened.resumed
    }

    /// Returns the id of the process, which is also that of its process group. `None` if it is ending.
    pub fn pid(&self) -> Option<u32> {
        self.lease.link.pid()
    }

    /// Returns what the agent reported when it opened the session: modes, models and options, as the protocol defines them.
    pub fn info(&self) -> &Value {
        &self.opened.info
    }

    /// Returns the modes that the session may have.
    pub fn modes(&self) -> Vec<AcpChoice> {
        self.choices("mode", "modes", "availableModes", "id", "currentModeId")
    }

    /// Returns the models that the session may have.
    pub fn models(&self) -> Vec<AcpChoice> {
        let old = "availableModels";
        self.choices("model", "models", old, "modelId", "currentModelId")
    }

    /// Agents report both as options, or as older versions of the protocol have it.
    fn choices(&self, of: &str, old: &str, list: &str, id: &str, current: &str) -> Vec<AcpChoice> {
        match self.option(of) {
            Some(option) => choices(&option["options"], "value", &option["currentValue"]),
            None => choices(&self.info()[old][list], id, &self.info()[old][current]),
        }
    }

    fn option(&self, category: &str) -> Option<&Value> {
        let options = self.info()["configOptions"].as_array()?;
        options.iter().find(|it| it["category"] == category)
    }

    /// Sets the mode, by the id of one of [`modes`](Self::modes).
    ///
    /// # Errors
    ///
    /// Those of [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Those of [`request`](Self::request).
    pub async fn set_mode(&mut self, id: &str) -> Result<(), AcpError> {
        self.set("mode", id, "session/set_mode", "modeId").await
    }

    /// Sets the model, by the id of one of [`models`](Self::models).
    ///
    /// # Errors
    ///
    /// Those of [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Those of [`request`](Self::request).
    pub async fn set_model(&mut self, id: &str) -> Result<(), AcpError> {
        self.set("model", id, "session/set_model", "modelId").await
    }

    async fn set(&mut self, of: &str, id: &str, old: &str, name: &str) -> Result<(), AcpError> {
        let (method, params) = match self.option(of) {
            Some(option) => {
                let params = json!({"configId": option["id"], "value": id});
                ("session/set_config_option", params)
            }
            None => (old, json!({name: id})),
        };
        self.request(method, params).await.map(drop)
    }

    /// Sends a request about this session, and returns its result. `params` is an object, to which this adds the id of the session. Use it in
    /// [`SessionManager::with_turn`](turnwise::SessionManager::with_turn). For prompts, send messages instead.
    ///
    /// # Errors
    ///
    /// [`AcpError::Refused`] if the agent refuses the request, and [`AcpError::AuthRequired`] if it refuses with the code -32000. If the
    /// process ends before it answers, the error with which the process ended, such as [`AcpError::Exited`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the agent still executes the request, and its response is ignored.
    ///
    /// # Panics
    ///
    /// If `params` is not an object.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, AcpError> {
        assert!(
            params.is_object(),
            "the params of {method} are not an object"
        );
        let (reply, replied) = oneshot::channel();
        let method = method.to_owned();
        self.lease
            .order(Order::Request(self.lease.token, method, params, reply));
        match replied.await {
            Ok(result) => result,
            Err(_) => Err(self.lease.link.gone().await.error),
        }
    }

    pub(crate) fn handle(&self) -> AcpHandle {
        AcpHandle {
            token: self.lease.token,
            id: Arc::clone(&self.opened.id),
            questions: self.opened.questions.clone(),
            orders: self.lease.link.orders.clone(),
        }
    }

    /// Why the session before it was not resumed.
    pub(crate) fn lost(&mut self) -> Option<AcpEvent> {
        let (id, error) = self.opened.lost.take()?;
        Some(AcpEvent::NotResumed { id, error })
    }

    pub(crate) async fn turn(
        &mut self,
        message: AcpMessage,
        cx: &TurnContext<AcpEvent>,
    ) -> Result<AcpReply, AcpError> {
        if cx.is_cancelled() {
            return Err(AcpError::Aborted); // the agent never receives it
        }
        message.check(&self.opened.can)?;
        let token = self.lease.token;
        let (events, mut reports) = mpsc::channel(READY);
        let (end, mut ended) = oneshot::channel();
        self.lease.order(Order::Prompt(
            token,
            message.0,
            Reader {
                events,
                end: Some(end),
            },
        ));
        let mut cancelled = pin!(cx.cancelled());
        let mut cancels = false;
        let end = loop {
            tokio::select! {
                // What was reported before the end comes before it.
                biased;
                () = cancelled.as_mut(), if !cancels => {
                    cancels = true;
                    self.lease.order(Order::Cancel(token));
                }
                Some(report) = reports.recv() => match report {
                    Report::Event(event) => cx.send(event).await, // a slow reader slows the agent
                    Report::Note(note) => cx.note(note),
                    Report::End(_) | Report::Unasked(_) | Report::Over(_) => {}
                },
                end = &mut ended => break end,
            }
        };
        let end = match end {
            Ok(end) => end,
            Err(_) => Err(self.lease.link.gone().await.error),
        };
        if let Err(AcpError::AbortTimedOut { .. }) = &end {
            self.lease.retire();
        }
        end
    }
}

/// Values with an id and a name. Agents may put options into groups.
fn choices(values: &Value, id: &str, current: &Value) -> Vec<AcpChoice> {
    let mut found = Vec::new();
    for value in values.as_array().into_iter().flatten() {
        match value[id].as_str() {
            None => found.extend(choices(&value["options"], id, current)),
            Some(it) => found.push(AcpChoice {
                id: it.to_owned(),
                name: value["name"].as_str().unwrap_or(it).to_owned(),
                current: value[id] == *current,
            }),
        }
    }
    found
}
