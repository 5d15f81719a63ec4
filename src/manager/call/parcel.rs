//! What a message and its sender share: events, and the reply.

use crate::manager::{
    backend::{Agent, Backend},
    context::Outlet,
    error::{SendError, TurnError},
    listen::Outputs,
    reach::Call,
    report::events::Queue,
    run::quietly,
    shared::Shared,
    switch::Switch,
};
use crate::{Ticket, sync::Arc};
use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};

/// What the sender gets in the end.
pub(crate) type Sent<A> = Result<<A as Agent>::Reply, SendError<<A as Agent>::Message, Failed<A>>>;
type Failed<A> = <A as Backend>::Error;

/// What a message and its sender share, in one allocation.
pub(crate) struct Parcel<A: Agent> {
    pub(crate) key: A::Key,
    pub(crate) call: Arc<Call<A>>,
    /// The sender's.
    pub(crate) events: Queue<A::Event>,
    /// Everybody's.
    outputs: Arc<Outputs<A::Key, A::Event>>,
    post: Mutex<Post<A>>,
}

/// What the sender receives, besides events. No user code runs under its lock.
pub(crate) struct Post<A: Agent> {
    /// Whether the message is past the queue and the start.
    pub(crate) started: Option<Result<(), TurnError<A::Error>>>,
    pub(crate) reply: Option<Sent<A>>,
    /// The reply was given, or the sender has gone.
    pub(crate) over: bool,
    reader: Option<Waker>,
}

impl<A: Agent> Parcel<A> {
    pub(crate) fn new(key: A::Key, shared: &Shared<A>, call: &Arc<Call<A>>) -> Self {
        Self {
            key,
            call: Arc::clone(call),
            events: Queue::new(shared.settings.unread_bytes),
            outputs: Arc::clone(&shared.outputs),
            post: Mutex::new(Post {
                started: None,
                reply: None,
                over: false,
                reader: None,
            }),
        }
    }

    /// Changes what the sender receives, and wakes it. What `change` returns is dropped after the lock.
    pub(crate) fn tell<T>(&self, change: impl FnOnce(&mut Post<A>) -> T) {
        let mut post = self.post.lock();
        let unused = change(&mut post);
        let reader = post.reader.take();
        drop(post);
        if let Some(reader) = reader {
            quietly(|| reader.wake());
        }
        quietly(|| drop(unused));
    }

    pub(crate) fn poll_started(&self, cx: &Context<'_>) -> Poll<Result<(), TurnError<A::Error>>> {
        self.poll(cx, true, |post| {
            let started = post.started.as_ref()?;
            let again = |error: &TurnError<_>| error.again().unwrap_or(TurnError::Closed);
            Some(started.as_ref().map_err(again).copied())
        })
    }

    /// The reply of a message for which its sender waits no more: nothing if it was delivered, else the message.
    pub(crate) fn poll_given_up(&self, cx: &Context<'_>) -> Poll<Sent<A>> {
        self.poll(cx, true, |post| {
            let delivered = matches!(post.started, Some(Ok(())));
            post.over |= delivered;
            let error = TurnError::Aborted;
            let message = None;
            let nothing = || delivered.then_some(Err(SendError { error, message }));
            post.reply.take().or_else(nothing)
        })
    }

    pub(crate) fn poll_reply(&self, cx: &Context<'_>, waited: bool) -> Poll<Sent<A>> {
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
    pub(crate) fn leave(&self) -> (Option<Waker>, Option<Sent<A>>) {
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

    fn note(&self, ticket: Ticket, note: Arc<str>) {
        self.call.switch.set_note(ticket, note);
    }

    fn emit(&self, ticket: Ticket, event: A::Event) {
        if self.events.has_ended() {
            return;
        }
        self.call.switch.alive(ticket);
        let bytes = A::weight(&event);
        let hub = self.outputs.find(&self.key);
        let heard = hub.map(|hub| (hub, event.clone()));
        // The turn may have ended meanwhile. The sender's queue decides that for the listeners too.
        if let (true, Some((hub, event))) = (self.events.push(event, bytes), heard) {
            hub.publish(|| (event, bytes));
        }
    }
}
