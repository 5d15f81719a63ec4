//! What a message and its sender share: events, and the reply.

use crate::manager::{
    backend::{Agent, Backend},
    context::{Outlet, Wait},
    error::{SendError, TurnError},
    listen::Outputs,
    reach::Call,
    report::unread::Unread,
    run::{either, quietly},
    shared::Shared,
    switch::Switch,
};
use crate::{Ticket, sync::Arc};
use parking_lot::Mutex;
use std::{
    future::poll_fn,
    mem,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// What the sender gets in the end.
pub(crate) type Sent<A> = Result<<A as Agent>::Reply, SendError<<A as Agent>::Message, Failed<A>>>;
type Failed<A> = <A as Backend>::Error;

/// What a message and its sender share, in one allocation.
pub(crate) struct Parcel<A: Agent> {
    pub(crate) key: A::Key,
    pub(crate) call: Arc<Call<A>>,
    /// The sender's.
    pub(crate) events: Unread<A::Event>,
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
    /// The reply was asked for, or the sender has gone: nobody reads the events any more.
    deaf: bool,
    /// Something was sent, and may wait for a reader.
    sends: bool,
    reader: Option<Waker>,
}

impl<A: Agent> Post<A> {
    /// Nobody reads the events any more. Returns whether a `send` may wait for a reader: then the queue must be notified. One that comes
    /// later finds this here.
    fn deafen(&mut self) -> bool {
        self.deaf = true;
        mem::take(&mut self.sends)
    }
}

impl<A: Agent> Parcel<A> {
    pub(crate) fn new(key: A::Key, shared: &Shared<A>, call: &Arc<Call<A>>) -> Self {
        Self {
            key,
            call: Arc::clone(call),
            events: Unread::new(shared.settings.unread),
            outputs: Arc::clone(&shared.outputs),
            post: Mutex::new(Post {
                started: None,
                reply: None,
                over: false,
                deaf: false,
                sends: false,
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

    /// From the first poll on, nobody reads the events.
    pub(crate) fn poll_reply(&self, cx: &Context<'_>, waited: bool) -> Poll<Sent<A>> {
        let mut sends = false;
        let reply = self.poll(cx, waited, |post| {
            sends |= post.deafen();
            let reply = post.reply.take();
            assert!(
                reply.is_some() || !post.over,
                "`Sending` was polled after it was ready"
            );
            reply
        });
        if sends {
            self.events.deafen();
        }
        reply
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
        mut look: impl FnMut(&mut Post<A>) -> Option<T>,
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
        let sends = post.deafen();
        let left = (post.reader.take(), post.reply.take());
        drop(post);
        if sends {
            self.events.deafen();
        }
        left
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
        let emit = |event, bytes| Ok(self.events.emit(event, bytes));
        let _always = self.put(ticket, event, None, emit);
    }

    fn send<'a>(&'a self, ticket: Ticket, event: A::Event) -> Option<Wait<'a>>
    where
        A::Event: 'a,
    {
        let mut post = self.post.lock();
        let deaf = post.deaf;
        post.sends |= !deaf;
        drop(post);
        if deaf {
            self.emit(ticket, event);
            return None;
        }
        let send = |event, bytes| self.events.send(event, bytes, None);
        let (event, bytes) = self.put(ticket, event, None, send).err()?;
        Some(Box::pin(self.wait(ticket, event, bytes)))
    }
}

impl<A: Agent> Parcel<A> {
    /// Puts an event into the sender's queue, and then into the ring and the queues of the listeners. Returns it, and its weight, if the sender's has no
    /// room.
    fn put(
        &self,
        ticket: Ticket,
        event: A::Event,
        bytes: Option<usize>,
        put: impl FnOnce(A::Event, usize) -> Result<bool, A::Event>,
    ) -> Result<(), (A::Event, usize)> {
        if self.events.has_ended() {
            return Ok(());
        }
        if bytes.is_none() {
            self.call.switch.alive(ticket);
        }
        let bytes = bytes.unwrap_or_else(|| A::weight(&event));
        let heard = self.outputs.find(&self.key);
        let heard = heard.map(|heard| (heard, event.clone()));
        // The turn may have ended meanwhile. The sender's queue decides that for the listeners too.
        let put = put(event, bytes).map_err(|event| (event, bytes))?;
        if let (true, Some(((hub, ring), event))) = (put, heard) {
            hub.emit(ring.as_deref(), event, bytes);
        }
        Ok(())
    }

    /// Waits for room, and sends the event.
    ///
    /// The waker is stored before the look at the queue, so a reader that takes an event between the two wakes it. The bell of the
    /// switch does the same with a cancellation. A reader that goes away sets `deaf` and takes `sends` under one lock, and a `send`
    /// looks at `deaf` and sets `sends` under the same lock. So either the call finds that nobody reads, or the reader finds that a call
    /// may wait, and notifies the queue. Schedules: `a13_arrive`.
    async fn wait(&self, ticket: Ticket, event: A::Event, bytes: usize) {
        let mut event = Some(event);
        {
            let mut place = Place::new(self, ticket);
            let put = poll_fn(|cx| {
                let number = place.wait(cx.waker().clone());
                let Some(unsent) = event.take() else {
                    return Poll::Ready(());
                };
                let send = |event, bytes| self.events.send(event, bytes, Some(number));
                match self.put(ticket, unsent, Some(bytes), send) {
                    Ok(()) => Poll::Ready(()),
                    Err((unsent, _)) => {
                        event = Some(unsent);
                        Poll::Pending
                    }
                }
            });
            let ends = self.call.switch.send_ends(ticket);
            if either(pin!(put), ends).await.is_ok() {
                return;
            }
        }
        // Of a cancelled call nothing waits, and a lost reader is none any more.
        if self.call.switch.cause(ticket).is_none() {
            self.events.deafen();
        }
        if let Some(event) = event {
            self.emit(ticket, event);
        }
    }
}

/// A `send` that waits. Its drop leaves the queue, and then a sign of life: its wait was no silence.
struct Place<'a, A: Agent> {
    parcel: &'a Parcel<A>,
    ticket: Ticket,
    number: Option<u64>,
}

impl<'a, A: Agent> Place<'a, A> {
    fn new(parcel: &'a Parcel<A>, ticket: Ticket) -> Self {
        parcel.call.switch.send_waits(ticket, true);
        Self {
            parcel,
            ticket,
            number: None,
        }
    }

    /// Stores its waker. If it was woken, the reader has taken something, which is a sign of life.
    fn wait(&mut self, waker: Waker) -> u64 {
        let (number, woken) = self.parcel.events.wait(self.number, waker);
        self.number = Some(number);
        if woken {
            self.parcel.call.switch.read(self.ticket);
        }
        number
    }
}

impl<A: Agent> Drop for Place<'_, A> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.parcel.events.leave(number);
        }
        self.parcel.call.switch.send_waits(self.ticket, false);
    }
}
