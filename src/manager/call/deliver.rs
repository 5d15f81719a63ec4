//! A message on its way: the task that takes its turn, and ends it.

use crate::manager::{
    backend::Agent,
    call::{
        establish::establish,
        parcel::Parcel,
        place::Place,
        turn::{Drove, SessionTurn, drive},
    },
    context::{Outlet, TurnContext},
    error::{SendError, TurnError},
    report::trace,
    run::{caught, discard, let_go, quietly},
    shared::Shared,
};
use crate::sync::Arc;
use std::{future::Future, mem, pin::pin, time::Duration};

/// The message on its way. The sender receives an end, whatever becomes of the task.
pub(crate) struct Told<A: Agent> {
    parcel: Arc<Parcel<A>>,
    /// Until it is delivered.
    message: Option<A::Message>,
    /// Its events have ended.
    quiet: bool,
    ended: bool,
}

impl<A: Agent> Told<A> {
    pub(crate) fn new(parcel: Arc<Parcel<A>>, message: A::Message) -> Self {
        Self {
            parcel,
            message: Some(message),
            quiet: false,
            ended: false,
        }
    }

    fn start(&self, started: Result<(), TurnError<A::Error>>) {
        self.parcel.tell(|post| {
            let first = post.started.is_none();
            if first {
                post.started.replace(started).map(Ok)
            } else {
                Some(Err(started))
            }
        });
    }

    /// No more events follow.
    fn end_events(&mut self) {
        self.parcel.events.end();
        self.quiet = true;
    }

    /// The first end stays.
    fn end(&mut self, reply: Result<A::Reply, TurnError<A::Error>>) {
        if mem::replace(&mut self.ended, true) {
            return;
        }
        if let Err(error) = &reply {
            self.start(error.again().map_or(Ok(()), Err));
        }
        if !self.quiet {
            self.end_events();
        }
        let message = self.message.take();
        let reply = reply.map_err(|error| SendError { error, message });
        self.parcel.tell(|post| {
            if post.over {
                return Some(reply);
            }
            post.over = true;
            post.reply.replace(reply)
        });
    }
}

/// If nothing else has ended the message, the runtime is gone.
impl<A: Agent> Drop for Told<A> {
    fn drop(&mut self) {
        self.end(Err(TurnError::Closed));
    }
}

/// The task of a message. Until its end, `keep` keeps the manager alive.
pub(crate) fn deliver<A: Agent>(
    shared: Arc<Shared<A>>,
    place: Place<A>,
    limit: Option<Duration>,
    mut told: Told<A>,
    keep: impl Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let Place { call, want, state } = place;
    async move {
        let reply = 'reply: {
            // Each value is moved as a whole, so the future stores it once.
            let entry = match state.entry(&call, &want, &shared).await {
                Ok(entry) => entry,
                Err(error) => break 'reply Err(error),
            };
            let early = |error| told.end(Err(error));
            // Not in a task of its own: nobody cuts this one short.
            let mut turn = match establish(shared, entry, call, &want, None, early).await {
                Ok(turn) => SessionTurn::taken(turn),
                Err(error) => break 'reply Err(error),
            };
            let reply = run(&mut turn, &mut told, limit).await;
            // The events end before the turn, and the turn ends before its reply is sent.
            told.end_events();
            let_go(turn);
            reply
        };
        told.end(reply);
        drop((told, keep));
    }
}

/// The message in its turn.
fn run<A: Agent>(
    turn: &mut SessionTurn<A>,
    told: &mut Told<A>,
    limit: Option<Duration>,
) -> impl Future<Output = Result<A::Reply, TurnError<A::Error>>> + Send {
    async move {
        told.start(Ok(()));
        let message = told.message.take().expect("it is sent once");
        let parcel = Arc::clone(&told.parcel);
        let cx = TurnContext {
            incarnation: SessionTurn::incarnation(turn),
            ticket: SessionTurn::ticket(turn),
            first: parcel.call.first,
            out: parcel as Arc<dyn Outlet<A::Event>>,
            port: Arc::clone(SessionTurn::port(turn)),
        };
        let (session, of_turn, shared) = SessionTurn::session(turn);
        let drove = {
            let work = pin!(Some(caught(|| {
                let work = shared.backend.send(session, message, &cx);
                trace::in_turn(&told.parcel.key, cx.incarnation, cx.ticket, work)
            })));
            let quiet = shared.timeouts().quiet;
            drive(shared, work, of_turn, limit, quiet).await
        };
        let cause = SessionTurn::cause(turn);
        SessionTurn::drove(turn, &drove);
        match drove {
            Drove::Done(Ok(reply)) => Ok(reply),
            Drove::Done(Err(error)) => {
                SessionTurn::failed(turn, cause);
                Err(match cause {
                    None => TurnError::Agent(error),
                    Some(cause) => {
                        quietly(|| drop(error));
                        TurnError::of(cause)
                    }
                })
            }
            Drove::Cut(cause) => Err(TurnError::of(cause)),
            Drove::Panicked(payload) => {
                discard(payload);
                Err(TurnError::Panicked)
            }
        }
    }
}
