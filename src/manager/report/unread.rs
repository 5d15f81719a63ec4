//! The unread events of one reader, and the calls of `send` that wait for room among them.

use crate::manager::run::quietly;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    fmt, mem,
    task::{Context, Poll, Waker},
};

/// An item of a [`Subscription`](crate::manager::Subscription), or of the stream of a [`Sending`](crate::manager::Sending).
///
/// A `Subscription` never yields [`Done`](Self::Done), and a `match` on its updates needs no arm for it.
///
/// ```
/// use turnwise::manager::Update;
///
/// fn show(update: Update<String>) -> String {
///     match update {
///         Update::Event(text) => text,
///         Update::Lagged(count) => format!("[{count} events skipped]"),
///     }
/// }
/// # assert_eq!(show(Update::Lagged(3)), "[3 events skipped]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update<E, R = Infallible> {
    /// The next event.
    Event(E),
    /// The reader was too slow, or came too late: this many events were dropped here.
    Lagged(u64),
    /// The final result. It is the last item.
    Done(R),
}

/// How many events may be unread, and of how many bytes together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    /// Unless the builder sets others: 16 KiB for each of 1024 events. A piece of a model's text has a few hundred bytes, so ordinary
    /// events reach the other limit first.
    pub(crate) const DEFAULT: Self = Self {
        events: 1024,
        bytes: 16 << 20,
    };
}

/// The unread events of one reader.
pub(crate) struct Unread<E> {
    queue: Mutex<Queue<E>>,
    bounds: Bounds,
}

struct Queue<E> {
    events: VecDeque<Event<E>>,
    /// Their weight together. It exceeds the limit only if one event alone does.
    bytes: usize,
    /// How many of them were sent, and their weight.
    sent: usize,
    sent_bytes: usize,
    /// How many events were dropped after the last of them.
    missed: u64,
    ended: bool,
    /// Nobody reads any more: what is sent is only emitted.
    deaf: bool,
    reader: Option<Waker>,
    /// The calls of `send` that wait, if any has ever waited.
    senders: Option<Box<Senders>>,
}

/// In their order. The first one has no waker from when it is woken to its next poll.
type Senders = BTreeMap<u64, Option<Waker>>;

struct Event<E> {
    event: E,
    bytes: usize,
    /// It is not given up.
    sent: bool,
    /// How many events were dropped before it.
    missed: u64,
}

impl<E> Queue<E> {
    /// Whether an event can have room. Emitted events make room for it, and sent ones do not.
    fn fits(&self, bytes: usize, most: Bounds) -> bool {
        let sum = self.sent_bytes.checked_add(bytes);
        self.sent < most.events && sum.is_some_and(|sum| sum <= most.bytes)
    }

    /// Adds an event that fits, or one that is sent while no other sent one is there. Returns what made room for it.
    fn add(&mut self, event: E, bytes: usize, sent: bool, most: Bounds) -> (Option<E>, Vec<E>) {
        // Usually at most one is removed, and then nothing is allocated.
        let (mut given_up, mut more) = (None, Vec::new());
        while self.bytes > most.bytes.saturating_sub(bytes) || self.events.len() >= most.events {
            let Some(oldest) = self.give_up() else {
                break;
            };
            more.extend(given_up.replace(oldest));
        }
        self.bytes += bytes;
        if sent {
            self.sent += 1;
            self.sent_bytes += bytes;
        }
        let missed = mem::take(&mut self.missed);
        self.events.push_back(Event {
            event,
            bytes,
            sent,
            missed,
        });
        (given_up, more)
    }

    /// Removes the oldest event that was not sent, and counts it as dropped, with those before it.
    fn give_up(&mut self) -> Option<E> {
        if self.sent == self.events.len() {
            return None;
        }
        let oldest = self.events.iter().position(|event| !event.sent)?;
        let event = self.events.remove(oldest)?;
        self.bytes -= event.bytes;
        let after = match self.events.get_mut(oldest) {
            Some(next) => &mut next.missed,
            None => &mut self.missed,
        };
        *after += event.missed + 1;
        Some(event.event)
    }

    /// Takes the waker of the first call that waits.
    fn first_sender(&mut self) -> Option<Waker> {
        self.senders.as_mut()?.values_mut().next()?.take()
    }
}

impl<E> Unread<E> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self::made(bounds, false)
    }

    pub(crate) fn made(bounds: Bounds, ended: bool) -> Self {
        let queue = Mutex::new(Queue {
            events: VecDeque::new(),
            bytes: 0,
            sent: 0,
            sent_bytes: 0,
            missed: 0,
            ended,
            deaf: false,
            reader: None,
            senders: None,
        });
        Self { queue, bounds }
    }

    /// Adds an event of so many bytes. The oldest emitted events make room for it; their destructors run after the lock is released.
    /// Without room, it is dropped itself. False if the queue has ended.
    pub(crate) fn emit(&self, event: E, bytes: usize) -> bool {
        let mut queue = self.queue.lock();
        if queue.ended {
            drop(queue); // before the event
            return false;
        }
        let given_up = if queue.fits(bytes, self.bounds) {
            queue.add(event, bytes, false, self.bounds)
        } else {
            queue.missed += 1;
            (Some(event), Vec::new())
        };
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
        drop(given_up);
        true
    }

    /// Adds an event that is not given up. Returns it if there is no room, or if another call waits already and is not this one.
    /// Without a reader, this is the same as [`emit`](Self::emit).
    pub(crate) fn send(&self, event: E, bytes: usize, number: Option<u64>) -> Result<bool, E> {
        let mut queue = self.queue.lock();
        if queue.deaf || queue.ended {
            drop(queue);
            return Ok(self.emit(event, bytes));
        }
        let senders = queue.senders.as_ref();
        let first = senders.and_then(|senders| senders.keys().next().copied());
        let its_turn = first.is_none() || first == number;
        // One that exceeds the limit by itself passes alone.
        if !its_turn || (queue.sent > 0 && !queue.fits(bytes, self.bounds)) {
            drop(queue);
            return Err(event);
        }
        let given_up = queue.add(event, bytes, true, self.bounds);
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
        drop(given_up);
        Ok(true)
    }

    /// Stores the waker of a call that waits, before its look. Returns its number, and whether it was woken since the last time.
    pub(crate) fn wait(&self, number: Option<u64>, waker: Waker) -> (u64, bool) {
        let mut queue = self.queue.lock();
        let senders = queue.senders.get_or_insert_default();
        let last = senders.keys().next_back();
        let number = number.unwrap_or_else(|| last.map_or(0, |last| last + 1));
        let before = senders.insert(number, Some(waker));
        drop(queue);
        (number, matches!(before, Some(None)))
    }

    /// A call waits no more. The next one may have room.
    pub(crate) fn leave(&self, number: u64) {
        let mut queue = self.queue.lock();
        let Some(senders) = &mut queue.senders else {
            return;
        };
        let first = senders.keys().next() == Some(&number);
        let own = senders.remove(&number);
        let next = if first { queue.first_sender() } else { None };
        drop(queue);
        wake(next);
        drop(own);
    }

    /// Nobody reads any more. The calls that wait go on.
    pub(crate) fn deafen(&self) {
        let mut queue = self.queue.lock();
        queue.deaf = true;
        let senders = queue.senders.take();
        drop(queue);
        wake_senders(senders);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.queue.lock().ended
    }

    /// No more events follow.
    pub(crate) fn end(&self) {
        let mut queue = self.queue.lock();
        queue.ended = true;
        let (reader, senders) = (queue.reader.take(), queue.senders.take());
        drop(queue);
        wake(reader);
        wake_senders(senders);
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Update<E>>> {
        let waker = cx.waker().clone();
        let mut queue = self.queue.lock();
        let missed = match queue.events.front_mut() {
            Some(next) => mem::take(&mut next.missed),
            None => mem::take(&mut queue.missed),
        };
        if missed > 0 {
            return Poll::Ready(Some(Update::Lagged(missed)));
        }
        if let Some(event) = queue.events.pop_front() {
            queue.bytes -= event.bytes;
            if event.sent {
                queue.sent -= 1;
                queue.sent_bytes -= event.bytes;
            }
            // Also without more room: the sender learns that somebody reads.
            let sender = queue.first_sender();
            drop(queue);
            wake(sender);
            return Poll::Ready(Some(Update::Event(event.event)));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        let before = queue.reader.replace(waker);
        drop(queue);
        drop(before);
        Poll::Pending
    }

    pub(crate) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.lock();
        let missed: u64 = queue.events.iter().map(|event| event.missed).sum();
        f.debug_struct(name)
            .field("unread", &queue.events.len())
            .field("missed", &(missed + queue.missed))
            .finish_non_exhaustive()
    }
}

/// Wakes a reader or a sender, after the lock. A panic of a waker does not reach the caller.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        quietly(|| waker.wake());
    }
}

fn wake_senders(senders: Option<Box<Senders>>) {
    if let Some(senders) = senders {
        senders.into_values().for_each(wake);
    }
}
