//! The backend of a program: each key's calls do what the program says, and what its sessions receive is written down.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

use super::words::{Act, Id, KEYS, Step};

/// What the program and its backend share.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    scripts: Mutex<[[VecDeque<Act>; 4]; KEYS]>,
    heard: Mutex<[Vec<Id>; KEYS]>,
}

impl Desk {
    pub(crate) fn script(&self, key: usize, step: Step, act: Act) {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts[key][step as usize].push_back(act);
    }

    fn next(&self, key: u8, step: Step) -> Act {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let act = scripts[usize::from(key)][step as usize].pop_front();
        act.unwrap_or(Act::Pass)
    }

    pub(crate) fn heard(&self) -> [Vec<Id>; KEYS] {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) desk: Arc<Desk>,
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

/// A panic that the program asks for. Nothing is printed, and the fuzzer does not end.
fn explode() -> ! {
    resume_unwind(Box::new("the program asks for a panic"))
}

pub(crate) async fn perform(act: Act, cancelled: impl Future<Output = ()>) -> Result<(), Failure> {
    match act {
        Act::Pass => Ok(()),
        Act::Fail => Err(Failure),
        Act::Panic => explode(),
        Act::Hang => pending().await,
        Act::Take(time) => {
            tokio::time::sleep(Duration::from_millis(time)).await;
            Ok(())
        }
        Act::Obey => {
            cancelled.await;
            Ok(())
        }
        Act::ObeyAndFail => {
            cancelled.await;
            Err(Failure)
        }
    }
}

impl Backend for Worker {
    type Key = u8;
    type Session = u8;
    type Error = Failure;

    async fn start(&self, key: &u8, _: Incarnation) -> Result<u8, Failure> {
        perform(self.desk.next(*key, Step::Start), pending()).await?;
        Ok(*key)
    }

    async fn start_abandoned(&self, key: &u8, _: Incarnation) {
        let _ = perform(self.desk.next(*key, Step::Abandoned), pending()).await;
    }

    async fn stop(&self, key: &u8, _: u8, _: StopReason) -> Result<(), Failure> {
        perform(self.desk.next(*key, Step::Stop), pending()).await
    }

    async fn is_healthy(&self, key: &mut u8) -> bool {
        let act = self.desk.next(*key, Step::Health);
        perform(act, pending()).await.is_ok()
    }
}

impl Agent for Worker {
    type Message = Said;
    type Event = Id;
    type Reply = Id;

    async fn send(&self, key: &mut u8, said: Said, cx: &TurnContext<Id>) -> Result<Id, Failure> {
        {
            let mut heard = self
                .desk
                .heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            heard[usize::from(*key)].push(said.id);
        }
        cx.emit(said.id);
        perform(said.act, cx.cancelled()).await?;
        Ok(said.id)
    }
}
