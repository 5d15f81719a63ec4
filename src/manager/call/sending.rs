//! A message: a position in the queue, then a turn in a task of its own, then the reply.

use crate::manager::{
    backend::{Agent, TurnContext},
    call::{
        place::Place,
        turn::{Drove, SessionTurn, drive},
    },
    error::{SendError, TurnError},
    listen::Outputs,
    reach::{Call, Cause, Switched},
    report::{
        events::{Queue, Update},
        trace,
    },
    run::{discard, let_go, quietly},
    settings::TurnOptions,
    shared::Shared,
};
use crate::{Ticket, sync::Arc};
use futures_core::Stream;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::oneshot;

type Sent<A> = Result<<A as Agent>::Reply, SendError<<A as Agent>::Message, Failed<A>>>;
type Failed<A> = <A as crate::manager::backend::Backend>::Error;

/// The future of [`SessionManager::send_message`](crate::SessionManager::send_message): await it for the reply.
///
/// Before that, you can read its [events](Self::next_event), or turn it into a [stream](Self::into_stream) of events and the reply.
/// It need not be polled: the message is delivered by a task of its own.
///
/// # Cancel safety
///
/// Dropping it cancels the message; [`detach`](Self::detach) lets the message run. A queued message leaves the queue. In a turn, the
/// agent is [cancelled](crate::TurnContext::cancelled), and has `Timeouts::abort` to end.
#[must_use = "dropping it cancels the message: await it, or `detach` it"]
pub struct Sending<A: Agent> {
    key: Arc<A::Key>,
    ticket: Option<Ticket>,
    call: Arc<Call<A::Error>>,
    events: Arc<Queue<A::Event>>,
    started: Started<A>,
    reply: oneshot::Receiver<Sent<A>>,
    /// It was polled to its end, or detached, so there is nothing to cancel.
    over: bool,
    shared: Arc<Shared<A>>,
}

/// Whether the message is past the queue and the start.
enum Started<A: Agent> {
    Waits(oneshot::Receiver<Result<(), TurnError<A::Error>>>),
    Yes,
    Refused(TurnError<A::Error>),
}

impl<A: Agent> Sending<A> {
    pub(crate) fn begin(
        shared: &Arc<Shared<A>>,
        place: Place<A>,
        key: A::Key,
        message: A::Message,
        options: &TurnOptions,
        keep: impl Send + 'static,
    ) -> Self {
        let events = Arc::new(Queue::new(shared.settings.unread_bytes));
        let (started, starts) = oneshot::channel();
        let (reply, replied) = oneshot::channel();
        let key = Arc::new(key);
        let sending = Self {
            key: Arc::clone(&key),
            ticket: place.ticket(),
            call: Arc::clone(&place.call),
            events: Arc::clone(&events),
            started: Started::Waits(starts),
            reply: replied,
            over: false,
            shared: Arc::clone(shared),
        };
        let told = Told {
            events,
            message: Some(message),
            started: Some(started),
            reply: Some(reply),
        };
        let limit = options.turn.or(shared.timeouts().turn);
        let delivering = Arc::clone(shared);
        shared.runtime.spawn(async move {
            deliver(delivering, key, place, limit, told).await;
            drop(keep); // until here, the message keeps the manager alive
        });
        sending
    }

    /// Returns the ticket, which the turn will have too. `None` if the message was refused in the call.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// Returns the number of calls before it in the queue; 0 if it is not queued. Costs O(n) in that number.
    pub fn ahead(&self) -> usize {
        let ahead = |ticket| self.shared.registry.ahead(&*self.key, ticket);
        self.ticket.map_or(0, ahead)
    }

    /// Resolves when the message is delivered: it is past the queue and the start. A server can await this, and choose the status
    /// of its response by the result. Cancel-safe.
    ///
    /// # Errors
    ///
    /// A [`TurnError`], never `Agent`. Await the `Sending` for the same error with the message.
    pub async fn started(&mut self) -> Result<(), TurnError<A::Error>> {
        if let Started::Waits(starts) = &mut self.started {
            self.started = match starts.await {
                Ok(Ok(())) => Started::Yes,
                Ok(Err(error)) => Started::Refused(error),
                Err(_) => Started::Refused(TurnError::Closed),
            };
        }
        match &self.started {
            Started::Refused(error) => Err(error.again().unwrap_or(TurnError::Closed)),
            _ => Ok(()),
        }
    }

    /// Returns the next event of the answer, or `None` after the last one. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Update<A::Event>> {
        poll_fn(|cx| self.events.poll_next(cx)).await
    }

    /// Turns it into a stream of the events and then the reply.
    pub fn into_stream(self) -> SendingStream<A> {
        SendingStream {
            sending: Some(self),
        }
    }

    /// Cancels the message. You can still await its end.
    pub fn abort(&self) {
        if let Some(ticket) = self.ticket {
            self.shared
                .cancel(&*self.key, ticket, &self.call, Cause::Abort);
        }
    }

    /// Lets the message run without this future. Its reply is dropped.
    pub fn detach(mut self) {
        self.over = true;
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Sent<A>> {
        Pin::new(&mut self.reply).poll(cx).map(|reply| {
            self.over = true;
            // The runtime is gone.
            reply.unwrap_or(Err(SendError {
                error: TurnError::Closed,
                message: None,
            }))
        })
    }
}

impl<A: Agent> Future for Sending<A> {
    type Output = Result<A::Reply, SendError<A::Message, A::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_reply(cx)
    }
}

/// Nothing in it is pinned.
impl<A: Agent> Unpin for Sending<A> {}

impl<A: Agent> Drop for Sending<A> {
    fn drop(&mut self) {
        if !self.over {
            // The waker of the next caller may panic, and so may the hash of a key.
            quietly(|| self.abort());
        }
    }
}

impl<A: Agent> fmt::Debug for Sending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("key", &self.key)
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}

/// What the sender receives. It receives an end, whatever becomes of the task.
struct Told<A: Agent> {
    events: Arc<Queue<A::Event>>,
    /// Until it is delivered.
    message: Option<A::Message>,
    started: Option<oneshot::Sender<Result<(), TurnError<A::Error>>>>,
    reply: Option<oneshot::Sender<Sent<A>>>,
}

impl<A: Agent> Told<A> {
    fn start(&mut self, started: Result<(), TurnError<A::Error>>) {
        if let Some(told) = self.started.take() {
            quietly(|| drop(told.send(started)));
        }
    }

    fn end(&mut self, reply: Result<A::Reply, TurnError<A::Error>>) {
        if let Err(error) = &reply {
            self.start(error.again().map_or(Ok(()), Err));
        }
        self.events.end();
        let message = self.message.take();
        let reply = reply.map_err(|error| SendError { error, message });
        if let Some(told) = self.reply.take() {
            quietly(|| drop(told.send(reply)));
        }
    }
}

/// If nothing else has ended the message, the runtime is gone.
impl<A: Agent> Drop for Told<A> {
    fn drop(&mut self) {
        if self.reply.is_some() {
            self.end(Err(TurnError::Closed));
        }
    }
}

async fn deliver<A: Agent>(
    shared: Arc<Shared<A>>,
    key: Arc<A::Key>,
    place: Place<A>,
    limit: Option<Duration>,
    mut told: Told<A>,
) {
    let mut turn = match place.turn().await {
        Ok(turn) => turn,
        Err(error) => return told.end(Err(error)),
    };
    told.start(Ok(()));
    let message = told.message.take().expect("it is sent once");
    let cx = TurnContext {
        incarnation: SessionTurn::incarnation(&turn),
        ticket: SessionTurn::ticket(&turn),
        call: Arc::clone(SessionTurn::call(&turn)) as Arc<dyn Switched>,
        out: Outputs::emitter(&shared, Arc::clone(&key), Arc::clone(&told.events)),
    };
    let (session, switch) = SessionTurn::session(&mut turn);
    let work = || {
        let work = shared.backend.send(session, message, &cx);
        trace::in_turn(&*key, cx.incarnation, cx.ticket, work)
    };
    let drove = drive(&shared, work, switch, limit).await;
    let cause = switch.cause();
    SessionTurn::drove(&mut turn, &drove);
    let reply = match drove {
        Drove::Done(Ok(reply)) => Ok(reply),
        Drove::Done(Err(error)) => {
            SessionTurn::failed(&mut turn, cause);
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
    };
    // The events end before the turn, and the turn ends before its reply is sent.
    told.events.end();
    let_go(turn);
    told.end(reply);
}

/// A [`Sending`] as a stream of its events, and its reply as the last item.
#[must_use = "dropping it cancels the message"]
pub struct SendingStream<A: Agent> {
    sending: Option<Sending<A>>,
}

impl<A: Agent> Stream for SendingStream<A> {
    type Item = Update<A::Event, Sent<A>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(sending) = &mut self.sending else {
            return Poll::Ready(None);
        };
        match sending.events.poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Update::Event(event))) => Poll::Ready(Some(Update::Event(event))),
            Poll::Ready(Some(Update::Lagged(count))) => Poll::Ready(Some(Update::Lagged(count))),
            Poll::Ready(None) => sending.poll_reply(cx).map(|reply| {
                self.sending = None;
                Some(Update::Done(reply))
            }),
        }
    }
}

impl<A: Agent> fmt::Debug for SendingStream<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendingStream").field(&self.sending).finish()
    }
}
