//! A message: a position in the queue, then a turn in a task of its own, then the reply.

use crate::manager::{
    backend::Agent,
    call::{
        deliver::{Told, deliver},
        parcel::{Parcel, Sent},
        place::Place,
    },
    circle::{Wait, in_scope},
    error::{SendError, TurnError},
    options::TurnOptions,
    reach::Awaited,
    report::unread::Update,
    run::quietly,
    shared::Shared,
    switch::Cause,
};
use crate::{Ticket, sync::Arc};
use futures_core::Stream;
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The future of [`SessionManager::send_message`](crate::SessionManager::send_message): await it for the reply.
///
/// Before that, you can read its [events](Self::next_event), or turn it into a [stream](Self::into_stream) of events and the reply.
/// It need not be polled: a task of the manager delivers the message. An agent that [sends](crate::TurnContext::send) its events
/// waits until they are read, or until this is polled for the reply, detached or dropped.
///
/// # Errors
///
/// A [`SendError`](crate::manager::SendError). It contains the message if no session has received it.
///
/// # Cancel safety
///
/// Dropping it cancels the message; [`detach`](Self::detach) lets the message run. A queued message leaves the queue. In a turn, the
/// agent is [cancelled](crate::TurnContext::cancelled), and has `Timeouts::abort` to end.
#[must_use = "dropping it cancels the message: await it, or `detach` it"]
pub struct Sending<A: Agent> {
    ticket: Option<Ticket>,
    parcel: Arc<Parcel<A>>,
    shared: Arc<Shared<A>>,
    /// It was polled for its reply.
    waits: bool,
    /// It was polled to its end, or detached, so there is nothing to cancel.
    over: bool,
    /// It waits in the queue for a limited time.
    limited: bool,
    wait: Wait<A>,
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
        let parcel = Arc::new(Parcel::new(key, shared, &place.call));
        let sending = Self {
            ticket: place.ticket(),
            parcel: Arc::clone(&parcel),
            shared: Arc::clone(shared),
            waits: false,
            over: false,
            limited: place.is_limited(),
            wait: Wait::NONE,
        };
        let told = Told::new(parcel, message);
        let limit = options.turn.or(shared.timeouts().turn);
        let delivering = Arc::clone(shared);
        let deliver = deliver(delivering, place, limit, told, keep);
        shared.runtime.spawn(deliver);
        sending
    }

    /// Returns the ticket, which the turn will have too. `None` if the message was refused in the call.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// Returns the number of calls ahead of it in the queue; 0 if it is not queued. Takes O(n) for n such calls.
    pub fn ahead(&self) -> usize {
        let ahead = |ticket| self.shared.registry.ahead(&self.parcel.key, ticket);
        self.ticket.map_or(0, ahead)
    }

    /// Resolves when the message is delivered: it is past the queue and the start. A server can await this, and choose the status
    /// of its response by the result.
    ///
    /// # Errors
    ///
    /// A [`TurnError`], never `Agent`. Await the `Sending` for the same error with the message.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn started(&mut self) -> Result<(), TurnError<A::Error>> {
        let mut part = Part(self);
        poll_fn(|cx| {
            let Part(this) = &mut part;
            let mut polled = this.parcel.poll_started(cx);
            if this.given_up(polled.is_pending()) {
                polled = this.parcel.poll_started(cx);
            }
            polled.map_err(|error| this.why(error))
        })
        .await
    }

    /// Returns the next event of the answer, or `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Option<Update<A::Event>> {
        let part = Part(self);
        poll_fn(|cx| part.0.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Update<A::Event>>> {
        let polled = self.parcel.events.poll_next(cx);
        if self.given_up(polled.is_pending()) {
            return Poll::Ready(None);
        }
        polled
    }

    /// Turns it into a stream of the events, with the reply as its last item.
    pub fn into_stream(self) -> SendingStream<A> {
        SendingStream {
            sending: Some(self),
        }
    }

    /// Cancels the message. You can still await its end.
    pub fn abort(&self) {
        self.cancel(Cause::Abort);
    }

    fn cancel(&self, cause: Cause) {
        if let Some(ticket) = self.ticket {
            let Parcel { key, call, .. } = &*self.parcel;
            self.shared.cancel(key, ticket, call, None, cause);
        }
    }

    /// Lets the message run without this future. Its reply is dropped.
    pub fn detach(mut self) {
        self.over = true;
        drop(self.parcel.leave());
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Sent<A>> {
        let waited = mem::replace(&mut self.waits, true);
        let polled = self.parcel.poll_reply(cx, waited);
        self.over = polled.is_ready();
        if self.wait.is_none() && (self.over || !in_scope()) {
            return polled;
        }
        self.poll_in_turn(polled, cx)
    }

    /// The same in a turn, where the wait may be given up.
    #[cold]
    fn poll_in_turn(&mut self, polled: Poll<Sent<A>>, cx: &mut Context<'_>) -> Poll<Sent<A>> {
        let reply = match polled {
            Poll::Pending if self.given_up(true) => ready!(self.parcel.poll_given_up(cx)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(reply) => reply,
        };
        self.over = true;
        self.wait.end();
        Poll::Ready(reply.map_err(|SendError { error, message }| SendError {
            error: self.why(error),
            message,
        }))
    }

    /// Whether it is pending, and the wait for it has closed a circle, now or before. Then it is cancelled, and its message is on its way
    /// back, unless it was delivered.
    #[inline]
    fn given_up(&mut self, is_pending: bool) -> bool {
        if !is_pending {
            self.wait.end();
            return false;
        }
        let Self {
            wait,
            shared,
            parcel,
            ..
        } = self;
        let (ticket, limited) = (self.ticket, self.limited);
        let awaited = || {
            let mut call = None;
            // The hash of a key may panic.
            quietly(|| call = ticket.and_then(|ticket| shared.registry.spot(&parcel.key, ticket)));
            call.map(|call| Awaited { call, limited })
        };
        if wait.pending(shared, awaited) {
            // The waker of the next caller may panic.
            let cause = Cause::Left;
            quietly(|| self.cancel(cause));
        }
        self.wait.is_refused()
    }

    /// The error of a cancelled message is that for which it was cancelled.
    fn why(&mut self, error: TurnError<A::Error>) -> TurnError<A::Error> {
        match error {
            TurnError::Aborted => self.wait.refused(&self.shared).unwrap_or(error),
            error => error,
        }
    }
}

/// A wait for a part of what comes of a message. It ends with this, also if it is dropped: then nothing waits for the message.
struct Part<'a, A: Agent>(&'a mut Sending<A>);

impl<A: Agent> Drop for Part<'_, A> {
    fn drop(&mut self) {
        self.0.wait.end();
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
        if self.over {
            return;
        }
        // The waker of the next caller may panic, and so may the hash of a key.
        quietly(|| self.cancel(Cause::Left));
        // A reply that nobody will read is not kept, even if a context of the turn is. A panic of its drop is its reader's.
        drop(self.parcel.leave());
    }
}

impl<A: Agent> fmt::Debug for Sending<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("key", &self.parcel.key)
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
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
        match sending.poll_event(cx) {
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
