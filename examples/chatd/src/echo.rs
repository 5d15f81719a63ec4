//! An agent without a process: says what it is told, word by word, so that a turn takes a while.
//!
//! To show what the manager does about an agent that behaves badly, some messages are orders:
//!
//! | message | the echo |
//! |---|---|
//! | `!hold` | says nothing until it is cancelled |
//! | `!deaf` | does not even hear that: the turn is cut short after the abort timeout, its session is stopped |
//! | `!fail` | answers with an error |
//! | `!panic` | panics |
//! | `!stuck` | answers, and never ends when it is stopped: abandoned after the stop timeout |

use crate::agent::{Chat, Part};
use std::{error::Error, fmt, future::pending, time::Duration};
use turnwise::{Agent, Backend, TurnContext, manager::StopReason};

#[derive(Clone, Debug)]
pub(crate) struct EchoAgent {
    delay: Duration,
}

impl EchoAgent {
    pub(crate) fn new(delay: Duration) -> Self {
        Self { delay }
    }
}

/// One conversation.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    heard: u64,
    stuck: bool,
}

impl Backend for EchoAgent {
    type Key = String;
    type Session = Echo;
    type Handle = ();
    type Event = Part;
    type Error = EchoError;

    async fn start(
        &self,
        _key: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Echo, ()), EchoError> {
        tokio::time::sleep(self.delay).await;
        Ok((Echo::default(), ()))
    }

    async fn stop(&self, _key: &String, echo: Echo, _reason: StopReason) -> Result<(), EchoError> {
        if echo.stuck {
            pending::<()>().await;
        }
        Ok(())
    }

    fn weight(event: &Part) -> usize {
        event.weight()
    }
}

impl Agent for EchoAgent {
    type Message = String;
    type Reply = String;

    async fn send(
        &self,
        echo: &mut Echo,
        message: String,
        cx: &TurnContext<Part>,
    ) -> Result<String, EchoError> {
        echo.heard += 1;
        match message.as_str() {
            "!hold" => {
                cx.note("holding until it is stopped");
                cx.cancelled().await;
                return Err(EchoError::Cancelled);
            }
            "!deaf" => pending().await,
            "!fail" => return Err(EchoError::Asked),
            "!panic" => panic!("asked to panic"),
            "!stuck" => echo.stuck = true,
            _ => {}
        }
        // Numbered, so that one sees who came first, and who starts afresh.
        let answer = format!("({}) {message}", echo.heard);
        for word in answer.split_inclusive(' ') {
            tokio::select! {
                () = cx.cancelled() => return Err(EchoError::Cancelled),
                () = tokio::time::sleep(self.delay) => cx.send(Part::Text(word.to_owned())).await,
            }
        }
        Ok(answer)
    }
}

impl Chat for EchoAgent {}

#[derive(Debug)]
pub(crate) enum EchoError {
    Cancelled,
    Asked,
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "the echo was cancelled",
            Self::Asked => "the echo was asked to fail",
        })
    }
}

impl Error for EchoError {}
