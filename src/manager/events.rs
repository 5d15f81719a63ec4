//! Subscriptions: bounded, lossy, and saying so. A slow reader misses; it never slows a turn.

use super::run::quietly;
use crate::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};
use futures_core::Stream;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// How many events wait for a reader; the oldest go first.
pub(super) const KEPT: usize = 1024;

/// An event, or how many were missed because the reader was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missable<E> {
    /// An event.
    Event(E),
    /// So many were missed here.
    Missed(u64),
}

/// Events as they happen: a stream, or [`next`](Self::next). Up to 1024 wait to be read; then the oldest are given up, and
/// the reader is told how many. Ends when what it listens to has ended.
#[must_use = "a subscription that is dropped hears nothing"]
pub struct Subscription<E> {
    queue: Arc<Queue<E>>,
    hub: Arc<Hub<E>>,
    /// Names the queue in the hub.
    number: u64,
}

impl<E> Subscription<E> {
    /// The next event. `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Missable<E>> {
        poll_fn(|cx| self.queue.poll_next(cx)).await
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Missable<E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Missable<E>>> {
        self.queue.poll_next(cx)
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue.fmt("Subscription", f)
    }
}

impl<E> Subscription<E> {
    /// There will be no more for any reader of this hub.
    pub(super) fn end_all(&self) {
        self.hub.end();
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.hub.leave(self.number);
    }
}

/// What waits for one reader.
pub(super) struct Queue<E>(Mutex<Waiting<E>>);

struct Waiting<E> {
    events: VecDeque<E>,
    missed: u64,
    ended: bool,
    reader: Option<Waker>,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self::made(false)
    }

    fn made(ended: bool) -> Self {
        Self(Mutex::new(Waiting {
            events: VecDeque::new(),
            missed: 0,
            ended,
            reader: None,
        }))
    }

    pub(super) fn push(&self, event: E) {
        let mut waiting = self.0.lock();
        let oldest = if waiting.events.len() < KEPT {
            None
        } else {
            waiting.missed += 1;
            waiting.events.pop_front()
        };
        waiting.events.push_back(event);
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            quietly(|| reader.wake());
        }
        drop(oldest);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// There will be no more.
    pub(super) fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.ended = true;
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            quietly(|| reader.wake());
        }
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Missable<E>>> {
        let waker = cx.waker().clone();
        let mut waiting = self.0.lock();
        if waiting.missed > 0 {
            return Poll::Ready(Some(Missable::Missed(mem::take(&mut waiting.missed))));
        }
        if let Some(event) = waiting.events.pop_front() {
            return Poll::Ready(Some(Missable::Event(event)));
        }
        if waiting.ended {
            return Poll::Ready(None);
        }
        let before = waiting.reader.replace(waker);
        drop(waiting);
        drop(before);
        Poll::Pending
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.0.lock();
        f.debug_struct(name)
            .field("unread", &waiting.events.len())
            .field("missed", &waiting.missed)
            .finish_non_exhaustive()
    }
}

/// Those who listen to one thing. To come, to leave and to look whether somebody is there costs O(log n).
pub(super) struct Hub<E> {
    /// Read before anything is made to be published: without readers an event costs one load.
    readers: AtomicUsize,
    queues: Mutex<Queues<E>>,
    home: Option<(Weak<dyn Home<E>>, u64)>,
}

struct Queues<E> {
    /// By number. Each goes with its subscription.
    live: BTreeMap<u64, Arc<Queue<E>>>,
    next: u64,
    /// There will be no more.
    ended: bool,
}

/// Where a hub is kept while somebody reads.
pub(super) trait Home<E>: Send + Sync {
    /// The last reader has left; others may have come since. `hash` is what the hub was made with.
    fn left(&self, hub: &Arc<Hub<E>>, hash: u64);
}

impl<E> Hub<E> {
    pub(super) fn new() -> Self {
        Self::kept(None)
    }

    /// One that its home forgets when the last reader leaves.
    pub(super) fn kept(home: Option<(Weak<dyn Home<E>>, u64)>) -> Self {
        Self {
            readers: AtomicUsize::new(0),
            queues: Mutex::new(Queues {
                live: BTreeMap::new(),
                next: 0,
                ended: false,
            }),
            home,
        }
    }

    pub(super) fn subscribe(this: &Arc<Self>) -> Subscription<E> {
        let mut queues = this.queues.lock();
        let queue = Arc::new(Queue::made(queues.ended));
        let number = queues.next;
        queues.next += 1;
        if !queues.ended {
            queues.live.insert(number, Arc::clone(&queue));
            this.readers.store(queues.live.len(), Ordering::Relaxed);
        }
        drop(queues);
        let hub = Arc::clone(this);
        Subscription { queue, hub, number }
    }

    /// A subscription is dropped. Its events go with it, after the locks.
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

    pub(super) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn end(&self) {
        let mut queues = self.queues.lock();
        queues.ended = true;
        let live = mem::take(&mut queues.live);
        self.readers.store(0, Ordering::Relaxed);
        drop(queues);
        live.values().for_each(|queue| queue.end());
    }
}

impl<E: Clone> Hub<E> {
    pub(super) fn publish(&self, event: impl FnOnce() -> E) {
        if !self.has_readers() {
            return;
        }
        let mut live: Vec<_> = self.queues.lock().live.values().map(Arc::clone).collect();
        let Some(last) = live.pop() else {
            return;
        };
        let event = event();
        for queue in live {
            queue.push(event.clone());
        }
        last.push(event);
    }
}
