//! The backend of a program: its calls play what the program scripts, and what its sessions receive is written down.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use turnwise::testing::{Act as Scripts, Method};
use turnwise::{Agent, Backend, TurnContext};

use super::real::ms;
use super::words::{Act, Id, KEYS, Step};

/// What the sessions of each key have received.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<[Vec<Id>; KEYS]>);

impl Heard {
    pub(crate) fn all(&self) -> [Vec<Id>; KEYS] {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) heard: Arc<Heard>,
    /// Its other references count what is left of the manager.
    pub(crate) _here: Arc<()>,
}

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) id: Id,
    pub(crate) act: Act,
}

#[derive(Debug)]
pub(crate) struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program asks for a failure")
    }
}

impl Error for Failure {}

impl Act {
    pub(crate) fn scripted(self) -> Scripts<Failure> {
        match self {
            Self::Pass => Scripts::pass(),
            Self::Fail => Scripts::fail(Failure),
            Self::Panic => Scripts::panic(),
            Self::Hang => Scripts::hang(),
            Self::Take(time) => Scripts::take(ms(time)),
            Self::Obey => Scripts::until_cancelled(),
            Self::ObeyAndFail => Scripts::hang().or_cancelled(Failure),
        }
    }
}

impl Step {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Start => Method::Start,
            Self::Abandoned => Method::StartAbandoned,
            Self::Health => Method::IsHealthy,
            Self::Stop => Method::Stop,
        }
    }
}

impl Backend for Worker {
    type Key = u8;
    type Session = u8;
    type Handle = ();
    type Event = Id;
    type Error = Failure;

    async fn start(&self, key: &u8, _: &TurnContext<Self::Event>) -> Result<(u8, ()), Failure> {
        Ok((*key, ()))
    }
}

impl Agent for Worker {
    type Message = Said;
    type Reply = Id;

    async fn send(&self, key: &mut u8, said: Said, cx: &TurnContext<Id>) -> Result<Id, Failure> {
        {
            let mut heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard[usize::from(*key)].push(said.id);
        }
        cx.emit(said.id);
        said.act.scripted().play(cx.cancelled()).await?;
        Ok(said.id)
    }
}
