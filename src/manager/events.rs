//! Subscriptions: bounded, lossy, and saying so. A slow reader misses; it never slows a turn.

use super::run::quietly;
use crate::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};
use futures_core::Stream;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
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
pub struct Subscription<E>(Arc<Queue<E>>);

impl<E> Subscription<E> {
    /// The next event. `None` when there will be no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Missable<E>> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl<E> Stream for Subscription<E> {
    type Item = Missable<E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Missable<E>>> {
        self.0.poll_next(cx)
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Subscription", f)
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
        Self(Mutex::new(Waiting {
            events: VecDeque::new(),
            missed: 0,
            ended: false,
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

/// Those who listen to one thing.
pub(super) struct Hub<E> {
    /// Read before anything is made to be published: without readers an event costs one load.
    readers: AtomicUsize,
    queues: Mutex<Option<Vec<Weak<Queue<E>>>>>,
}

impl<E> Hub<E> {
    pub(super) fn new() -> Self {
        Self {
            readers: AtomicUsize::new(0),
            queues: Mutex::new(Some(Vec::new())),
        }
    }

    pub(super) fn subscribe(&self) -> Subscription<E> {
        let queue = Arc::new(Queue::new());
        let mut queues = self.queues.lock();
        match &mut *queues {
            Some(queues) => {
                queues.retain(|queue| queue.strong_count() > 0);
                queues.push(Arc::downgrade(&queue));
                self.readers.store(queues.len(), Ordering::Relaxed);
            }
            None => queue.end(),
        }
        drop(queues);
        Subscription(queue)
    }

    /// True if somebody still reads.
    pub(super) fn heard(&self) -> bool {
        let queues = self.queues.lock();
        queues
            .iter()
            .flatten()
            .any(|queue| queue.strong_count() > 0)
    }

    fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn end(&self) {
        let queues = self.queues.lock().take();
        for queue in queues.iter().flatten().filter_map(Weak::upgrade) {
            queue.end();
        }
    }
}

impl<E: Clone> Hub<E> {
    pub(super) fn publish(&self, event: impl FnOnce() -> E) {
        if !self.has_readers() {
            return;
        }
        let mut live: Vec<Arc<Queue<E>>> = Vec::new();
        if let Some(queues) = &mut *self.queues.lock() {
            queues.retain(|queue| match queue.upgrade() {
                Some(queue) => {
                    live.push(queue);
                    true
                }
                None => false,
            });
            self.readers.store(queues.len(), Ordering::Relaxed);
        }
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
