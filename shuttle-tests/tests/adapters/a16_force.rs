//! A16: a stop behind a plain turn that does not end reports that, and a forced one takes its key. Each session is stopped once.
//!
//! Two sessions of a key are right here, so the backend is one without the ledger that reports them.

use crate::backend::step;
use crate::world::{LONG, Scenario, join};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::time::{clear_triggers, trigger_timeouts};
use turnwise::manager::{SessionTurn, StopError, StopReason};
use turnwise::{Backend, SessionManager, TurnContext};

/// Numbers of sessions that were started, and of those that were stopped.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<(Vec<u64>, Vec<u64>)>>);

impl Backend for Counted {
    type Key = u8;
    type Session = u64;
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(&self, _: &u8, cx: &TurnContext<()>) -> Result<(u64, ()), Infallible> {
        let number = cx.incarnation().get();
        step().await;
        self.0.lock().expect("no panics").0.push(number);
        Ok((number, ()))
    }

    async fn stop(&self, _: &u8, session: u64, _: StopReason) -> Result<(), Infallible> {
        step().await;
        self.0.lock().expect("no panics").1.push(session);
        Ok(())
    }
}

impl Counted {
    fn check(&self) {
        let (mut started, mut stopped) = self.0.lock().expect("no panics").clone();
        started.sort_unstable();
        stopped.sort_unstable();
        assert_eq!(started, stopped, "A16: each session is stopped once");
    }
}

/// Every limit that runs now passes, until the task has ended.
async fn in_time<T>(task: tokio::task::JoinHandle<T>) -> T {
    while !task.is_finished() {
        shuttle::future::yield_now().await;
        trigger_timeouts(|_| true);
        clear_triggers();
    }
    join(task).await
}

/// A forced stop against the end of the turn, while a call waits: the call gets another session, and the first is stopped by its slot or
/// after it.
#[test]
fn a_forced_stop_against_the_end_of_a_turn() {
    let ends = &["true"];
    let name = "a16_force::a_forced_stop_against_the_end_of_a_turn";
    Scenario::new(name, "A16", 2).ends_in(ends, || async {
        let counted = Counted::default();
        let m = SessionManager::builder(counted.clone()).shards(1).build();
        let m = m.expect("in a runtime");
        let turn = m.turn(&1).await.expect("it starts");
        let first = SessionTurn::incarnation(&turn);
        let waits = tokio::spawn(m.turn(&1));
        let forcing = m.force_stop(&1);
        let ending = tokio::spawn(async move {
            for _ in 0..3 {
                step().await;
            }
            drop(turn);
        });
        let forced = in_time(tokio::spawn(forcing)).await;
        let next = join(waits).await.expect("it starts");
        let number = SessionTurn::incarnation(&next);
        assert!(number > first, "A16: the next call has the stopped session");
        drop(next);
        join(ending).await;
        in_time(tokio::spawn(m.shutdown(LONG))).await;
        drop(m);
        // What was given back late is stopped in a task of its own.
        while counted.0.lock().expect("no panics").1.len() < 2 {
            shuttle::future::yield_now().await;
        }
        counted.check();
        forced.expect("it is stopped or taken").to_string()
    });
}

/// A stop against the end of a turn that is not dropped in time: the stop is of the session in any case.
#[test]
fn a_held_stop_against_the_end_of_a_turn() {
    let ends = &["Held", "true"];
    let name = "a16_force::a_held_stop_against_the_end_of_a_turn";
    Scenario::new(name, "A16", 2).ends_in(ends, || async {
        let counted = Counted::default();
        let m = SessionManager::builder(counted.clone()).shards(1).build();
        let m = m.expect("in a runtime");
        let turn = m.turn(&1).await.expect("it starts");
        let ending = tokio::spawn(async move {
            for _ in 0..3 {
                step().await;
            }
            drop(turn);
        });
        let stopped = in_time(tokio::spawn(m.stop(&1))).await;
        join(ending).await;
        // One that comes later joins it, or finds nothing: it is held no more.
        let again = in_time(tokio::spawn(m.stop(&1))).await;
        assert!(
            again.is_ok() || matches!(again, Err(StopError::Held)) && stopped.is_err(),
            "A16: a stop is held by nobody"
        );
        in_time(tokio::spawn(m.shutdown(LONG))).await;
        drop(m);
        while counted.0.lock().expect("no panics").1.is_empty() {
            shuttle::future::yield_now().await;
        }
        counted.check();
        match stopped {
            Ok(stopped) => stopped.to_string(),
            Err(error) => format!("{error:?}"),
        }
    });
}
