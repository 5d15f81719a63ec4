//! One cell of the table: a call in its state, another call, and what becomes of both.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use turnwise::{Phase, Ticket, manager::*};

use super::{Other, State};
use crate::owner::{Answer, Owner};
use crate::script::{Actor, Failure, Gate, Say, Step, fail, say, until};
use crate::{HOUR, MINUTE, Manager, Stage, plain, settled, stage};
use turnwise::testing::End;

type Closure = Pin<Box<dyn Future<Output = Result<(), TurnError<Failure>>>>>;

/// The call whose states these are.
enum Call {
    None,
    Message(Sending<Actor>),
    Closure(Closure),
    Plain(SessionTurn<Actor>),
}

/// One cell, under way.
pub(super) struct Scene {
    m: Manager,
    stage: Stage,
    /// What the state waits for.
    gate: Gate,
    call: Call,
    ticket: Option<Ticket>,
    /// The turn before it.
    before: Option<SessionTurn<Actor>>,
}

fn message() -> Say {
    say("hello").in_parts(1)
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

impl Scene {
    /// The call, in its state. Where it has not been polled, nothing has run since.
    pub(super) async fn new(state: State) -> Self {
        // An event of the parts that fill the queue of an event waits.
        let owner = Owner::default();
        let (m, stage) = match state {
            State::Sends => stage(|builder| builder.unread_events(1)),
            State::Room => stage(|builder| builder.max_sessions(1, WhenFull::Wait)),
            State::Owner => stage(|builder| builder.ownership(Arc::new(owner.clone()))),
            _ => plain(),
        };
        let (gate, key) = (Gate::new(), "a");
        let until = || until(&gate);
        let (mut call, mut before, mut ticket) = (Call::None, None, None);
        // A session that is idle, and the ticket of an ended turn.
        if !matches!(
            state,
            State::Queued | State::Granted | State::Owner | State::Room | State::Starting
        ) {
            let turn = m.turn(key).await.expect("free");
            ticket = Some(SessionTurn::ticket(&turn));
            drop(turn);
        }
        let send = || m.send_message(key, message());
        match state {
            State::Idle => {}
            State::Absent => assert!(m.stop(key).await.expect("it stops")),
            State::Queued | State::Granted => {
                before = Some(m.turn(key).await.expect("free"));
                call = Call::Message(send());
                settled().await;
                if state == State::Granted {
                    drop(before.take());
                }
            }
            State::Taken => call = Call::Message(send()),
            State::Owner => {
                owner.next_at(&gate, Answer::Owned);
                call = Call::Message(send());
                gate.reached().await;
            }
            State::Room => {
                drop(m.turn("other").await.expect("room"));
                stage.script.tell("other", Step::Stop, until());
                drop(m.stop("other"));
                gate.reached().await;
                call = Call::Message(send());
                settled().await;
            }
            State::Starting => {
                let heeds = until().or_cancelled(Failure("it was cancelled"));
                stage.script.tell(key, Step::Start, heeds);
                call = Call::Message(send());
                gate.reached().await;
            }
            State::Health => {
                stage.script.tell(key, Step::IsHealthy, until());
                call = Call::Message(send());
                gate.reached().await;
            }
            State::Renewing => {
                stage.script.tell(key, Step::IsHealthy, fail());
                stage.script.tell(key, Step::Stop, until());
                call = Call::Message(send());
                gate.reached().await;
            }
            State::Message => {
                let heeds = message().and(until().or_cancelled(Failure("it was cancelled")));
                call = Call::Message(m.send_message(key, heeds));
                gate.reached().await;
            }
            State::Sends => {
                let heeds = until().or_cancelled(Failure("it was cancelled"));
                call = Call::Message(m.send_message(key, message().sends(2).and(heeds)));
                settled().await;
            }
            State::Closure => {
                let gate = gate.clone();
                let mut closure: Closure =
                    Box::pin(m.with_turn(key, async move |_| gate.pass().await));
                assert!(poll_once(&mut closure).is_pending());
                call = Call::Closure(closure);
            }
            State::Plain => call = Call::Plain(m.turn(key).await.expect("free")),
            State::Dirty => {
                stage.script.tell(key, Step::Stop, until());
                let turn = m.turn(key).await.expect("free");
                ticket = Some(SessionTurn::ticket(&turn));
                SessionTurn::discard(turn);
                gate.reached().await;
            }
            State::Stopping => {
                stage.script.tell(key, Step::Stop, until());
                drop(m.stop(key));
                gate.reached().await;
            }
        }
        let of_call = match &call {
            Call::None => ticket,
            Call::Message(sending) => sending.ticket(),
            Call::Closure(_) => m.status(key).expect("it runs").turn,
            Call::Plain(turn) => Some(SessionTurn::ticket(turn)),
        };
        Self {
            m,
            stage,
            gate,
            call,
            ticket: of_call,
            before,
        }
    }

    /// What the other call answers, and what becomes of the call.
    pub(super) async fn play(mut self, state: State, other: Other) -> String {
        let (m, key) = (self.m.clone(), "a");
        let mut later = None;
        let mut listens: Option<Subscription<(&str, usize)>> = None;
        let answer = match other {
            Other::AbortTicket => m.abort(key, self.ticket).to_string(),
            Other::Abort => {
                let reached = m.abort(key, None).to_string();
                match &self.before {
                    Some(before) if SessionTurn::is_cancelled(before) => {
                        format!("{reached}, cancels the turn before it")
                    }
                    _ => reached,
                }
            }
            Other::Drop => {
                let text = self.drop_call(state).await;
                drop(m);
                self.stage.end(self.m).await;
                return text;
            }
            Other::Dismiss => m.dismiss(key).to_string(),
            Other::Stop => {
                let stopping = m.stop(key);
                later = Some(tokio::spawn(async move {
                    stopping.await.expect("nothing fails").to_string()
                }));
                String::new()
            }
            Other::Restart => {
                let entering = m.restart(key);
                later = Some(tokio::spawn(async move {
                    drop(entering.await.expect("its turn comes"));
                    "its turn".to_owned()
                }));
                String::new()
            }
            Other::Shutdown | Other::ShutdownNow => {
                let now = other == Other::ShutdownNow;
                let report = m.shutdown(if now { Default::default() } else { HOUR });
                later = Some(tokio::spawn(async move {
                    let report = report.await;
                    assert!(report.failed.is_empty() && report.abandoned.is_empty());
                    let stopped = report.stopped.iter().any(|stopped| stopped == key);
                    if stopped { "stopped" } else { "not reported" }.to_owned()
                }));
                String::new()
            }
            Other::Status => self.status(),
            Other::Listen => {
                listens = Some(m.listen(key));
                String::new()
            }
        };
        let became = self.rest_of_call(state).await;
        self.call = Call::None;
        let answer = match (later, listens) {
            (Some(later), _) => later.await.expect("it ends"),
            (_, Some(mut listens)) => match (&became[..], poll_once(&mut Box::pin(listens.next())))
            {
                ("", _) => "-".to_owned(),
                (_, Poll::Ready(Some(Update::Event((_, 1))))) => {
                    "the event that waits, and later ones".to_owned()
                }
                (_, Poll::Ready(Some(Update::Event(_)))) => "all events".to_owned(),
                _ if state == State::Message => "later events".to_owned(),
                _ => "no events".to_owned(),
            },
            _ => answer,
        };
        let stops = self.stage.script.stops(key);
        let cut = self.stage.script.count(key, Step::Start, End::Failed);
        let answer = match (state, other) {
            (State::Closure, Other::Stop) if stops == [StopReason::Dirty] => {
                format!("{answer}, session dirty")
            }
            (State::Stopping, Other::Stop) if stops.len() == 1 => {
                format!("{answer}, joins that stop")
            }
            (State::Starting, _) if cut > 0 => format!("{answer}, start cut short"),
            _ => answer,
        };
        drop(m);
        self.stage.end(self.m).await;
        if became.is_empty() {
            answer
        } else {
            format!("{answer}; {became}")
        }
    }

    fn status(&self) -> String {
        let Some(status) = self.m.status("a") else {
            return "none".to_owned();
        };
        let phase = format!("{:?}", status.phase);
        match (&self.call, status.waiting) {
            (Call::None, _) => phase,
            (_, 0) if status.turn == self.ticket => format!("{phase}, with its ticket"),
            (_, waiting) => format!("{phase}, {waiting} waiting"),
        }
    }

    /// How the call ends: by itself, or when what it waits for has ended.
    async fn rest_of_call(&mut self, state: State) -> String {
        settled().await;
        let number = self.m.status("a").map(|status| status.incarnation.get());
        match &mut self.call {
            Call::None => {
                self.gate.open();
                String::new()
            }
            Call::Message(sending) => {
                let at_once = poll_once(sending);
                let when = if at_once.is_ready() {
                    " at once"
                } else {
                    " when that ends"
                };
                self.gate.open();
                drop(self.before.take());
                let reply = match at_once {
                    Poll::Ready(reply) => reply,
                    Poll::Pending => sending.await,
                };
                match reply {
                    Ok(reply) if state == State::Queued && Some(reply.number) != number => {
                        "reply from the next session".to_owned()
                    }
                    Ok(_) => "reply".to_owned(),
                    Err(SendError { error, message, .. }) => match message {
                        Some(_) => format!("`{error:?}`{when}, message returned"),
                        None if state == State::Sends => format!("woken{when}, `{error:?}`"),
                        None => format!("cancelled, `{error:?}`"),
                    },
                }
            }
            Call::Closure(closure) => {
                match tokio::time::timeout(2 * MINUTE, closure.as_mut()).await {
                    Ok(Err(error)) => format!("`{error:?}` after `Timeouts::abort`"),
                    Ok(Ok(())) => panic!("nobody has opened its gate"),
                    Err(_) => {
                        self.gate.open();
                        closure.as_mut().await.expect("nobody has cancelled it");
                        "value".to_owned()
                    }
                }
            }
            Call::Plain(turn) => {
                let cancelled = SessionTurn::is_cancelled(turn);
                self.call = Call::None;
                let words = ["goes on", "cancelled, ends when dropped"];
                words[usize::from(cancelled)].to_owned()
            }
        }
    }

    /// What the drop of the call does.
    async fn drop_call(&mut self, state: State) -> String {
        if matches!(self.call, Call::None) {
            self.gate.open();
            return "-".to_owned();
        }
        self.call = Call::None;
        if matches!(state, State::Owner | State::Room) {
            settled().await;
            assert_eq!(self.m.status("a"), None);
            self.gate.open();
            return "leaves at once".to_owned();
        }
        let status = self.m.status("a").expect("a session or a start");
        let idle = |m: &Manager| {
            m.status("a")
                .is_some_and(|status| status.phase == Phase::Idle)
        };
        let text = match state {
            State::Queued if status.waiting == 0 => "leaves the queue at once",
            _ if status.phase == Phase::Idle => "idle at once",
            _ => {
                settled().await;
                match state {
                    State::Taken if idle(&self.m) => "idle once its task runs",
                    State::Message | State::Sends if idle(&self.m) => "cancelled",
                    State::Closure if self.m.status("a").is_none() => "session dirty",
                    State::Starting | State::Health | State::Renewing => {
                        let goes_on = self.m.status("a").map(|status| status.phase);
                        assert_eq!(goes_on, Some(status.phase), "it is not cut short");
                        self.gate.open();
                        settled().await;
                        if idle(&self.m) {
                            "goes on, for the next caller"
                        } else {
                            "the stop goes on"
                        }
                    }
                    _ => "stays",
                }
            }
        };
        self.gate.open();
        drop(self.before.take());
        text.to_owned()
    }
}
