//! A session that speaks, and ends, by its own code: while it is idle, in a turn, while it starts. And sessions that grow old.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use turnwise::{Agent, Backend, Phase, SessionManager, TurnContext, manager::*};

use crate::script::Gate;
use crate::{HOUR, MINUTE, SECOND, all_events, settled};

/// Sessions whose controls the test has, and what was stopped.
#[derive(Clone, Default)]
pub(crate) struct Processes(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    controls: BTreeMap<&'static str, SessionControl<u32>>,
    /// The next start waits for this gate.
    gate: Option<Gate>,
    /// The next stop waits for this one.
    pub(crate) stop: Option<Gate>,
    stops: Vec<(&'static str, StopReason)>,
}

impl Processes {
    fn control(&self, key: &str) -> SessionControl<u32> {
        let state = self.0.lock().expect("nothing panics with it");
        state.controls[key].clone()
    }

    pub(crate) fn stops(&self) -> Vec<(&'static str, StopReason)> {
        self.0.lock().expect("nothing panics with it").stops.clone()
    }

    /// The next stop waits for this gate.
    pub(crate) fn next_stop(&self, gate: &Gate) {
        self.0.lock().expect("nothing panics with it").stop = Some(gate.clone());
    }

    pub(crate) fn manager(&self) -> SessionManager<Self> {
        let built = SessionManager::builder(self.clone()).build();
        built.expect("in a runtime")
    }
}

impl Backend for Processes {
    type Key = &'static str;
    type Session = ();
    type Handle = ();
    type Event = u32;
    type Error = Infallible;

    async fn start(
        &self,
        key: &&'static str,
        cx: &TurnContext<u32>,
    ) -> Result<((), ()), Infallible> {
        let gate = {
            let mut state = self.0.lock().expect("nothing panics with it");
            state.controls.insert(key, cx.session());
            state.gate.take()
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        Ok(((), ()))
    }

    async fn stop(&self, key: &&'static str, _: (), why: StopReason) -> Result<(), Infallible> {
        let gate = self.0.lock().expect("nothing panics with it").stop.take();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let mut state = self.0.lock().expect("nothing panics with it");
        state.stops.push((key, why));
        Ok(())
    }
}

impl Agent for Processes {
    type Message = Gate;
    type Reply = u64;

    async fn send(&self, _: &mut (), gate: Gate, cx: &TurnContext<u32>) -> Result<u64, Infallible> {
        gate.pass().await;
        Ok(cx.incarnation().get())
    }
}

pub(crate) fn opened() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[tokio::test(start_paused = true)]
async fn a_session_that_dies_at_rest_is_gone() {
    let processes = Processes::default();
    let m = processes.manager();
    let mut events = m.subscribe();
    let first = m.send_message(&"a", opened()).await.expect("it starts");
    processes.control("a").discard("it has exited");
    processes.control("a").discard("a second reason");
    settled().await;
    assert_eq!(m.status(&"a"), None, "gone at once, and nobody has asked");
    assert_eq!(processes.stops(), [("a", StopReason::Discarded)]);
    assert_eq!(m.stats().stops.discarded, 1);
    let reason = |event| match event {
        SessionEvent::Discarded { reason, .. } => Some(reason),
        _ => None,
    };
    let reasons: Vec<_> = all_events(&mut events)
        .into_iter()
        .filter_map(reason)
        .collect();
    assert_eq!(*reasons, ["it has exited".into()]);
    // What is left of it reaches nothing.
    let old = processes.control("a");
    let next = m.send_message(&"a", opened()).await.expect("a new one");
    assert!(next > first);
    let mut listener = m.listen(&"a");
    old.discard("late");
    old.emit(1);
    old.note("late");
    settled().await;
    assert_eq!(m.status(&"a").expect("there").note, None);
    assert_eq!(processes.stops().len(), 1);
    processes.control("a").emit(2);
    assert_eq!(listener.next().await, Some(Update::Event(2)));
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_discarded_in_a_turn_ends_with_it() {
    let processes = Processes::default();
    let m = processes.manager();
    let gate = Gate::new();
    let mut running = m.send_message(&"a", gate.clone());
    running.started().await.expect("it starts");
    let queued = m.send_message(&"a", opened());
    processes.control("a").discard("its pipe is broken");
    settled().await;
    assert_eq!(m.status(&"a").expect("there").phase, Phase::Busy);
    assert_eq!(processes.stops(), []);
    gate.open();
    let first = running.await.expect("its turn goes on");
    let second = queued.await.expect("with a new session");
    assert!(second > first);
    assert_eq!(processes.stops(), [("a", StopReason::Discarded)]);
    m.shutdown(SECOND).await;
}

/// Granted out of the queue, and not looked at: the call that gets the session gets a new one.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_discarded_before_a_turn_begins_is_replaced() {
    let processes = Processes::default();
    let m = processes.manager();
    let turn = m.turn(&"a").await.expect("it starts");
    let first = SessionTurn::incarnation(&turn);
    let granted = m.turn(&"a");
    drop(turn);
    processes.control("a").discard("dead");
    let turn = granted.await.expect("a new one");
    assert!(SessionTurn::incarnation(&turn) > first);
    drop(turn);
    // Taken in the call, too.
    let taken = m.turn(&"a");
    processes.control("a").discard("dead");
    let turn = taken.await.expect("a new one");
    assert_eq!(processes.stops(), [("a", StopReason::Discarded); 2]);
    drop(turn);
    settled().await;
    assert_eq!(m.status(&"a").expect("there").phase, Phase::Idle);
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_discarded_while_it_starts_has_not_started() {
    let processes = Processes::default();
    let gate = Gate::new();
    processes.0.lock().expect("unpoisoned").gate = Some(gate.clone());
    let m = processes.manager();
    let sending = m.send_message(&"a", opened());
    let queued = m.turn(&"a");
    gate.reached().await;
    processes.control("a").discard("no such program");
    gate.open();
    let error = sending.await.expect_err("it has not started");
    assert_eq!(
        error.to_string(),
        "message not delivered: the session was discarded while it started: no such program"
    );
    assert!(error.message.is_some());
    assert!(matches!(queued.await, Err(TurnError::Discarded(_))));
    assert_eq!(processes.stops(), [("a", StopReason::Discarded)]);
    m.send_message(&"a", opened()).await.expect("another try");
    m.shutdown(SECOND).await;
}

/// A stop that comes after a discard cancels the turn, for which the discard waits.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_behind_a_discard() {
    let processes = Processes::default();
    let m = processes.manager();
    let turn = m.turn(&"a").await.expect("it starts");
    processes.control("a").discard("dead");
    let stopping = m.stop(&"a");
    SessionTurn::cancelled(&turn).await;
    drop(turn);
    stopping.await.expect("it stops");
    assert_eq!(processes.stops().len(), 1);
    assert_eq!(m.status(&"a"), None);
    m.shutdown(SECOND).await;
}

/// What a session says counts as a sign of life of its turn.
#[tokio::test(start_paused = true)]
async fn what_a_session_says_is_a_sign_of_life() {
    let processes = Processes::default();
    let m = SessionManager::builder(processes.clone())
        .timeouts(Timeouts::default().quiet(MINUTE))
        .build()
        .expect("in a runtime");
    let gate = Gate::new();
    let mut running = m.send_message(&"a", gate.clone());
    running.started().await.expect("it starts");
    for _ in 0..5 {
        tokio::time::sleep(40 * SECOND).await;
        processes.control("a").note("still compiling");
        processes.control("a").emit(1);
    }
    let status = m.status(&"a").expect("there");
    assert_eq!(status.note.as_deref(), Some("still compiling"));
    assert_eq!(status.quiet, Some(Duration::ZERO));
    gate.open();
    running.await.expect("it was not silent");
    let silent = m.send_message(&"a", Gate::new()).await;
    assert!(matches!(
        silent.expect_err("silent").error,
        TurnError::Silent
    ));
    m.shutdown(SECOND).await;
}

/// A manager whose sessions grow ten minutes old, more or less.
fn aging(processes: &Processes) -> SessionManager<Processes> {
    let built = SessionManager::builder(processes.clone()).max_age(10 * MINUTE);
    built.build().expect("in a runtime")
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_too_old_has_no_further_turn() {
    let processes = Processes::default();
    let m = aging(&processes);
    let gate = Gate::new();
    let running = m.send_message(&"a", gate.clone());
    let queued = m.send_message(&"a", opened());
    tokio::time::sleep(HOUR).await;
    assert_eq!(processes.stops(), [], "its turn goes on");
    gate.open();
    let first = running.await.expect("it is answered");
    let second = queued.await.expect("by a new session");
    assert!(second > first);
    assert_eq!(processes.stops(), [("a", StopReason::Aged)]);
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_ends_when_it_is_too_old_and_a_kept_one_does_not() {
    let processes = Processes::default();
    let m = aging(&processes);
    for key in ["idle", "kept"] {
        m.send_message(&key, opened()).await.expect("it starts");
    }
    let kept = m.keep_alive(&"kept").expect("there");
    tokio::time::sleep(8 * MINUTE).await;
    assert_eq!(processes.stops(), [], "a tenth less at most");
    tokio::time::sleep(6 * MINUTE).await;
    assert_eq!(processes.stops(), [("idle", StopReason::Aged)]);
    let before = m.status(&"kept").expect("kept").incarnation.get();
    let now = m.send_message(&"kept", opened()).await.expect("there");
    assert_eq!(now, before, "the same one");
    drop(kept);
    let next = m.send_message(&"kept", opened()).await.expect("a new one");
    assert!(next > before, "it was too old before its turn");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn sessions_of_one_moment_do_not_end_in_one() {
    let processes = Processes::default();
    let m = aging(&processes);
    let keys: Vec<&'static str> = (0..20).map(|n| &*format!("{n}").leak()).collect();
    for key in &keys {
        m.send_message(key, opened()).await.expect("it starts");
    }
    tokio::time::sleep(10 * MINUTE).await;
    let ended = processes.stops().len();
    assert!((1..20).contains(&ended), "{ended} of 20 at the middle");
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(processes.stops().len(), 20);
    m.shutdown(SECOND).await;
}

/// Behind a start that hangs, the stop of a discard waits. That is no call which wants the session.
#[tokio::test(start_paused = true)]
async fn an_abort_cuts_a_start_that_was_discarded() {
    let processes = Processes::default();
    let gate = Gate::new();
    processes.0.lock().expect("unpoisoned").gate = Some(gate.clone());
    let m = processes.manager();
    let starts = tokio::spawn(m.turn(&"a"));
    gate.reached().await;
    processes.control("a").discard("dead");
    settled().await;
    assert!(m.abort(&"a", None));
    let ended = starts.await.expect("it does not panic");
    assert!(matches!(ended, Err(TurnError::Aborted)));
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(m.status(&"a"), None, "it was cut after the abort timeout");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_joins_the_running_stop_of_a_discard() {
    let processes = Processes::default();
    let m = processes.manager();
    drop(m.turn(&"a").await.expect("it starts"));
    let gate = Gate::new();
    processes.next_stop(&gate);
    processes.control("a").discard("dead");
    gate.reached().await;
    let stop = m.stop(&"a");
    processes
        .control("a")
        .discard("in its stop this does nothing");
    settled().await;
    gate.open();
    assert!(stop.await.expect("it stops"));
    assert_eq!(processes.stops(), [("a", StopReason::Discarded)]);
    m.shutdown(SECOND).await;
}

/// Who cannot get a new one keeps the old one.
#[tokio::test(start_paused = true)]
async fn a_session_that_cannot_be_replaced_does_not_age() {
    let processes = Processes::default();
    let m = aging(&processes);
    let first = m.send_message(&"a", opened()).await.expect("it starts");
    m.accept_new(false);
    tokio::time::sleep(HOUR).await;
    let reply = m.send_message(&"a", opened()).await;
    assert_eq!(reply.expect("it goes on"), first);
    m.accept_new(true);
    let kept = m.keep_alive(&"a").expect("there");
    tokio::time::sleep(HOUR).await;
    drop(kept);
    let existing = m.with(TurnOptions::existing());
    let reply = existing.send_message(&"a", opened()).await;
    assert_eq!(reply.expect("it exists"), first);
    let reply = m.send_message(&"a", opened()).await;
    assert!(reply.expect("a new one") > first);
    m.shutdown(SECOND).await;
}
