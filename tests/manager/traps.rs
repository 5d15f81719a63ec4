//! User code whose drop panics: futures that are cut short, and what a panic carried. Each call has its error, and its key is
//! free.

use std::future::pending;
use std::panic::resume_unwind;
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::script::{Failure, explode};
use crate::{SECOND, settled};

/// Panics when it is dropped.
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        explode();
    }
}

/// Panics when it is dropped, with what panics when it is dropped.
struct TrapOfATrap;

impl Drop for TrapOfATrap {
    fn drop(&mut self) {
        resume_unwind(Box::new(Trap));
    }
}

/// Does what the key says.
struct Traps;

/// Until it is cut short, which is a trap.
async fn hangs() {
    let _trap = Trap;
    pending::<()>().await;
}

impl Backend for Traps {
    type Key = String;
    type Session = &'static str;
    type Handle = ();
    type Event = ();
    type Error = Failure;

    async fn start(
        &self,
        key: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(&'static str, ()), Failure> {
        match &**key {
            "start hangs" => hangs().await,
            "start panics" => resume_unwind(Box::new(Trap)),
            "start panics twice" => resume_unwind(Box::new(TrapOfATrap)),
            _ => {}
        }
        Ok(("here", ()))
    }

    async fn stop(&self, key: &String, _: &'static str, reason: StopReason) -> Result<(), Failure> {
        match &**key {
            "stop hangs" => hangs().await,
            "stop panics" => resume_unwind(Box::new(Trap)),
            "message hangs" | "message panics" => assert_eq!(reason, StopReason::Dirty),
            _ => {}
        }
        Ok(())
    }
}

impl Agent for Traps {
    type Message = ();
    type Reply = ();

    async fn send(
        &self,
        _: &mut &'static str,
        (): (),
        cx: &TurnContext<()>,
    ) -> Result<(), Failure> {
        if cx.ticket().get() > 1 {
            hangs().await;
        }
        resume_unwind(Box::new(Trap))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_short_may_panic_in_its_drop() {
    let limits = Timeouts::default().turn(SECOND);
    let m = SessionManager::builder(Traps).timeouts(limits).build();
    let m = m.expect("in a runtime");
    let is_free = async |key: &str| {
        settled().await;
        assert_eq!(m.status(key), None, "{key}");
    };

    let error = m.turn("start hangs").await.err();
    assert!(matches!(error, Some(TurnError::StartTimedOut)), "{error:?}");
    is_free("start hangs").await;
    for key in ["start panics", "start panics twice"] {
        let error = m.turn(key).await.err();
        assert!(matches!(error, Some(TurnError::StartPanicked)), "{error:?}");
        is_free(key).await;
    }

    drop(m.turn("stop hangs").await.expect("free"));
    let error = m.stop("stop hangs").await.err();
    assert!(matches!(error, Some(StopError::Abandoned)), "{error:?}");
    is_free("stop hangs").await;
    drop(m.turn("stop panics").await.expect("free"));
    let error = m.stop("stop panics").await.err();
    assert!(matches!(error, Some(StopError::Panicked)), "{error:?}");
    is_free("stop panics").await;

    let error = m.send_message("message panics", ()).await.err();
    let error = error.map(|error| error.error);
    assert!(matches!(error, Some(TurnError::Panicked)), "{error:?}");
    is_free("message panics").await;
    drop(m.turn("message hangs").await.expect("free"));
    let error = m.send_message("message hangs", ()).await.err();
    let error = error.map(|error| error.error);
    // Its drop, which came last, says how it ended.
    assert!(matches!(error, Some(TurnError::Panicked)), "{error:?}");
    is_free("message hangs").await;

    let report = m.shutdown(Duration::ZERO).await;
    assert_eq!(report.stopped.len() + report.failed.len(), 0, "{report:?}");
}
