//! A message: a position in the queue, then a turn in a task of its own, then the reply.

use crate::manager::{
    backend::{Agent, TurnContext},
    call::{
        place::Place,
        turn::{Drove, SessionTurn, drive},
    },
    error::{SendError, TurnError},
    listen::Outputs,
    reach::{Call, Cause, Outlet, Switch},
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
use parking_lot::Mutex;
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

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
    ticket: Option<Ticket>,
    parcel: Arc<Parcel<A>>,
    shared: Arc<Shared<A>>,
    /// It was polled for its reply.
    waits: bool,
    /// It was polled to its end, or detached, so there is nothing to cancel.
    over: bool,
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
        let parcel = Arc::new(Parcel {
            key,
            call: Arc::clone(&place.call),
            events: Queue::new(shared.settings.unread_bytes),
            outputs: Outputs::of(shared),
            post: Mutex::new(Post {
                started: None,
                reply: None,
                over: false,
                reader: None,
            }),
        });
        let sending = Self {
            ticket: place.ticket(),
            parcel: Arc::clone(&parcel),
            shared: Arc::clone(shared),
            waits: false,
            over: false,
        };
        let told = Told {
            parcel,
            message: Some(message),
            quiet: false,
            ended: false,
        };
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

    /// Returns the number of calls before it in the queue; 0 if it is not queued. Costs O(n) in that number.
    pub fn ahead(&self) -> usize {
        let ahead = |ticket| self.shared.registry.ahead(&self.parcel.key, ticket);
        self.ticket.map_or(0, ahead)
    }

    /// Resolves when the message is delivered: it is past the queue and the start. A server can await this, and choose the status
    /// of its response by the result. Cancel-safe.
    ///
    /// # Errors
    ///
    /// A [`TurnError`], never `Agent`. Await the `Sending` for the same error with the message.
    pub async fn started(&mut self) -> Result<(), TurnError<A::Error>> {
        poll_fn(|cx| self.parcel.poll_started(cx)).await
    }

    /// Returns the next event of the answer, or `None` after the last one. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Update<A::Event>> {
        poll_fn(|cx| self.parcel.events.poll_next(cx)).await
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
            let Parcel { key, call, .. } = &*self.parcel;
            self.shared.cancel(key, ticket, call, Cause::Abort);
        }
    }

    /// Lets the message run without this future. Its reply is dropped.
    pub fn detach(mut self) {
        self.over = true;
        drop(self.parcel.leave());
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Sent<A>> {
        let waited = mem::replace(&mut self.waits, true);
        self.parcel.poll_reply(cx, waited).map(|reply| {
            self.over = true;
            reply
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
        if self.over {
            return;
        }
        // The waker of the next caller may panic, and so may the hash of a key.
        quietly(|| self.abort());
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

/// What a message and its sender share, in one allocation.
struct Parcel<A: Agent> {
    key: A::Key,
    call: Arc<Call<A::Error>>,
    /// The sender's.
    events: Queue<A::Event>,
    /// Everybody's.
    outputs: Arc<Outputs<A::Key, A::Event>>,
    post: Mutex<Post<A>>,
}

/// What the sender receives, besides events. No user code runs under its lock.
struct Post<A: Agent> {
    /// Whether the message is past the queue and the start.
    started: Option<Result<(), TurnError<A::Error>>>,
    reply: Option<Sent<A>>,
    /// The reply was given, or the sender has gone.
    over: bool,
    reader: Option<Waker>,
}

impl<A: Agent> Parcel<A> {
    /// Changes what the sender receives, and wakes it. What `change` returns is dropped after the lock.
    fn tell<T>(&self, change: impl FnOnce(&mut Post<A>) -> T) {
        let mut post = self.post.lock();
        let unused = change(&mut post);
        let reader = post.reader.take();
        drop(post);
        if let Some(reader) = reader {
            quietly(|| reader.wake());
        }
        quietly(|| drop(unused));
    }

    fn poll_started(&self, cx: &Context<'_>) -> Poll<Result<(), TurnError<A::Error>>> {
        self.poll(cx, true, |post| {
            let started = post.started.as_ref()?;
            let again = |error: &TurnError<_>| error.again().unwrap_or(TurnError::Closed);
            Some(started.as_ref().map_err(again).copied())
        })
    }

    fn poll_reply(&self, cx: &Context<'_>, waited: bool) -> Poll<Sent<A>> {
        self.poll(cx, waited, |post| {
            let reply = post.reply.take();
            assert!(
                reply.is_some() || !post.over,
                "`Sending` was polled after it was ready"
            );
            reply
        })
    }

    /// What `look` finds. Without it, the waker waits for a change.
    ///
    /// A clone of a waker is user code, so it is made between two holds of the lock. A change in between finds no reader to
    /// wake, or wakes the one before; the second look finds that change, and otherwise the waker is there for the next one.
    ///
    /// A look without a waker saves its clone. It is left out at the first poll, which usually comes before the reply.
    fn poll<T>(
        &self,
        cx: &Context<'_>,
        waited: bool,
        look: impl Fn(&mut Post<A>) -> Option<T>,
    ) -> Poll<T> {
        if waited {
            if let Some(found) = look(&mut self.post.lock()) {
                return Poll::Ready(found);
            }
        }
        let waker = cx.waker().clone(); // outside the lock
        let mut post = self.post.lock();
        if let Some(found) = look(&mut post) {
            drop(post); // before the waker
            return Poll::Ready(found);
        }
        let before = post.reader.replace(waker);
        drop(post);
        drop(before);
        Poll::Pending
    }

    /// The sender goes. Returns its waker, and the reply that it has not read.
    fn leave(&self) -> (Option<Waker>, Option<Sent<A>>) {
        let mut post = self.post.lock();
        post.over = true;
        (post.reader.take(), post.reply.take())
    }
}

/// What a turn emits goes to the sender and to all listeners, and after the end of the turn to nobody.
impl<A: Agent> Outlet<A::Event> for Parcel<A> {
    fn switch(&self) -> &Switch {
        &self.call.switch
    }

    fn emit(&self, event: A::Event) {
        if self.events.has_ended() {
            return;
        }
        let bytes = A::weight(&event);
        let hub = self.outputs.find(&self.key);
        let heard = hub.map(|hub| (hub, event.clone()));
        // The turn may have ended meanwhile. The sender's queue decides that for the listeners too.
        if let (true, Some((hub, event))) = (self.events.push(event, bytes), heard) {
            hub.publish(|| (event, bytes));
        }
    }
}

/// The message on its way. The sender receives an end, whatever becomes of the task.
struct Told<A: Agent> {
    parcel: Arc<Parcel<A>>,
    /// Until it is delivered.
    message: Option<A::Message>,
    /// Its events have ended.
    quiet: bool,
    ended: bool,
}

impl<A: Agent> Told<A> {
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

    fn end(&mut self, reply: Result<A::Reply, TurnError<A::Error>>) {
        if let Err(error) = &reply {
            self.start(error.again().map_or(Ok(()), Err));
        }
        if !self.quiet {
            self.end_events();
        }
        self.ended = true;
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
        if !self.ended {
            self.end(Err(TurnError::Closed));
        }
    }
}

/// The task of a message. Until its end, `keep` keeps the manager alive.
fn deliver<A: Agent>(
    shared: Arc<Shared<A>>,
    place: Place<A>,
    limit: Option<Duration>,
    mut told: Told<A>,
    keep: impl Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    async move {
        // Not in a task of its own: nobody cuts this one short.
        let reply = match place.establish(shared).await {
            Ok(turn) => run(turn, &mut told, limit).await,
            Err(error) => Err(error),
        };
        told.end(reply);
        drop((told, keep));
    }
}

/// The message in its turn.
fn run<A: Agent>(
    mut turn: SessionTurn<A>,
    told: &mut Told<A>,
    limit: Option<Duration>,
) -> impl Future<Output = Result<A::Reply, TurnError<A::Error>>> + Send {
    async move {
        told.start(Ok(()));
        let message = told.message.take().expect("it is sent once");
        let parcel = Arc::clone(&told.parcel);
        let cx = TurnContext {
            incarnation: SessionTurn::incarnation(&turn),
            ticket: SessionTurn::ticket(&turn),
            out: parcel as Arc<dyn Outlet<A::Event>>,
        };
        let (session, of_turn, shared) = SessionTurn::session(&mut turn);
        let work = || {
            let work = shared.backend.send(session, message, &cx);
            trace::in_turn(&told.parcel.key, cx.incarnation, cx.ticket, work)
        };
        let drove = drive(shared, work, of_turn, limit).await;
        let cause = of_turn.cause();
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
        told.end_events();
        let_go(turn);
        reply
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
        match sending.parcel.events.poll_next(cx) {
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
