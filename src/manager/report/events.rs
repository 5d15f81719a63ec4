//! Subscriptions: bounded and lossy. A slow reader loses events and receives their number. It never slows a turn.

use super::{
    ring::{EventId, Past, Ring},
    unread::{Bounds, Unread, Update},
};
use crate::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};
use futures_core::Stream;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A stream of events. Await [`next`](Self::next), or use it as a [`Stream`]. It ends with the manager's shutdown.
///
/// # Details
///
/// It keeps at most [`unread_events`](crate::manager::ManagerBuilder::unread_events) unread events, of at most
/// [`unread_bytes`](crate::manager::ManagerBuilder::unread_bytes) together. A new event pushes out as many of the oldest as necessary,
/// and [`Update::Lagged`] reports their number. An event that
/// exceeds the limit by itself is dropped, and the others stay. An agent's event counts as
/// [`Backend::weight`](crate::Backend::weight) bytes. A [`SessionEvent`](crate::manager::SessionEvent) counts with its texts and the lists
/// of its report, but without the heap memory of keys.
#[must_use = "a subscription that is dropped receives nothing"]
pub struct Subscription<E> {
    queue: Queue<E>,
    hub: Arc<Hub<E>>,
    /// Names the queue in the hub.
    number: u64,
    /// What is read before the queue.
    past: Box<Past<E>>,
    /// The last event that the past knows of. What the queue has up to this one is read already.
    known: Option<EventId>,
    last: Option<EventId>,
}

type Queue<E> = Arc<Unread<(E, Option<EventId>)>>;

impl<E> Subscription<E> {
    /// Returns the next event, or `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Update<E>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Returns the id of the event that was returned last, for [`listen_from`](crate::SessionManager::listen_from). `None` before the first
    /// one, and if the manager [keeps no events](crate::manager::ManagerBuilder::keep_events).
    ///
    /// The events of one task are returned in the order of their numbers. Those that two tasks emit at the same moment may change places.
    pub fn last_id(&self) -> Option<EventId> {
        self.last
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Update<E>>> {
        match self.past.pop_front() {
            Some(Update::Event((event, id))) => {
                self.last = Some(id);
                return Poll::Ready(Some(Update::Event(event)));
            }
            Some(Update::Lagged(count)) => return Poll::Ready(Some(Update::Lagged(count))),
            None => {}
        }
        loop {
            return Poll::Ready(match ready!(self.queue.poll_next(cx)) {
                Some(Update::Event((_, Some(id)))) if self.knows(id) => continue,
                Some(Update::Event((event, id))) => {
                    self.last = id;
                    Some(Update::Event(event))
                }
                Some(Update::Lagged(count)) => Some(Update::Lagged(count)),
                None => None,
            });
        }
    }

    fn knows(&self, id: EventId) -> bool {
        let known =
            |known: EventId| id.incarnation == known.incarnation && id.number <= known.number;
        self.known.is_some_and(known)
    }

    /// Reads the events of the ring after this one first. The queue is there already, so what comes after the copy is in the queue; what
    /// is in both is left out there. Without a ring, something may be missed. Schedules: `a15_catch_up`.
    ///
    /// If more events than a queue may have come between the two, some count as dropped although the copy has them.
    pub(crate) fn catch_up(&mut self, ring: Option<&Ring<E>>, after: EventId)
    where
        E: Clone,
    {
        let Some(ring) = ring else {
            return self.past.push_back(Update::Lagged(1));
        };
        let (known, past) = ring.after(after);
        self.known = Some(known);
        *self.past = past;
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Update<E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update<E>>> {
        self.get_mut().poll(cx)
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue.fmt("Subscription", f)
    }
}

impl<E> Subscription<E> {
    /// Ends all subscriptions of this hub.
    pub(crate) fn end_all(&self) {
        self.hub.end();
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.hub.leave(self.number);
    }
}

/// The readers of one source of events. To subscribe and to leave costs O(log n).
pub(crate) struct Hub<E> {
    /// Read before an event is made: without readers, an event costs one load.
    readers: AtomicUsize,
    queues: Mutex<Queues<E>>,
    home: Option<(Weak<dyn Home<E>>, u64)>,
    /// Of each queue.
    bounds: Bounds,
}

struct Queues<E> {
    /// By number. The drop of a subscription removes its queue.
    live: BTreeMap<u64, Queue<E>>,
    next: u64,
    /// No more events follow.
    ended: bool,
}

/// The collection that keeps a hub while it has readers.
pub(crate) trait Home<E>: Send + Sync {
    /// The last reader has left, but others may have come since. `hash` is the hub's own.
    fn left(&self, hub: &Arc<Hub<E>>, hash: u64);
}

impl<E> Hub<E> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self::kept(bounds, None)
    }

    /// A hub that its home removes when the last reader leaves.
    pub(crate) fn kept(bounds: Bounds, home: Option<(Weak<dyn Home<E>>, u64)>) -> Self {
        Self {
            readers: AtomicUsize::new(0),
            queues: Mutex::new(Queues {
                live: BTreeMap::new(),
                next: 0,
                ended: false,
            }),
            home,
            bounds,
        }
    }

    pub(crate) fn subscribe(this: &Arc<Self>) -> Subscription<E> {
        let mut queues = this.queues.lock();
        let queue = Arc::new(Unread::made(this.bounds, queues.ended));
        let number = queues.next;
        queues.next += 1;
        if !queues.ended {
            queues.live.insert(number, Arc::clone(&queue));
            this.readers.store(queues.live.len(), Ordering::Relaxed);
        }
        drop(queues);
        let hub = Arc::clone(this);
        Subscription {
            queue,
            hub,
            number,
            past: Box::default(),
            known: None,
            last: None,
        }
    }

    /// A subscription is dropped. The destructors of its events run after the locks are released.
    fn leave(self: &Arc<Self>, number: u64) {
        let mut queues = self.queues.lock();
        let left = queues.live.remove(&number);
        self.readers.store(queues.live.len(), Ordering::Relaxed);
        let last = queues.live.is_empty();
        drop(queues);
        if let Some((home, hash)) = self.home.as_ref().filter(|_| last) {
            if let Some(home) = home.upgrade() {
                home.left(self, *hash);
            }
        }
        drop(left);
    }

    pub(crate) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn end(&self) {
        let mut queues = self.queues.lock();
        queues.ended = true;
        let live = mem::take(&mut queues.live);
        self.readers.store(0, Ordering::Relaxed);
        drop(queues);
        live.values().for_each(|queue| queue.end());
    }
}

impl<E: Clone> Hub<E> {
    /// Keeps an event of so many bytes, if there is a ring, and gives it to each reader.
    ///
    /// Events that are kept at the same moment may be given in another order. A reader that comes after this one is kept has it from the
    /// ring. One that came before its copy of the ring is found here, because the lock of the ring is between the two.
    pub(crate) fn emit(&self, ring: Option<&Ring<E>>, event: E, bytes: usize) {
        let Some(ring) = ring else {
            return self.publish(None, || (event, bytes));
        };
        let event = Arc::new(event);
        let id = ring.keep(&event, bytes);
        self.publish(Some(id), || (E::clone(&event), bytes));
    }

    /// Gives a clone of the event, with its weight, to each reader.
    pub(crate) fn publish(&self, id: Option<EventId>, event: impl FnOnce() -> (E, usize)) {
        if !self.has_readers() {
            return;
        }
        let mut live: Vec<_> = self.queues.lock().live.values().map(Arc::clone).collect();
        let Some(last) = live.pop() else {
            return;
        };
        let (event, bytes) = event();
        for queue in live {
            queue.emit((event.clone(), id), bytes);
        }
        last.emit((event, id), bytes);
    }
}
