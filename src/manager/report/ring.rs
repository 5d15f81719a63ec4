//! The last events of one incarnation, for listeners that come late.

use super::unread::Update;
use crate::{Incarnation, InvalidNumber, sync::Arc};
use parking_lot::Mutex;
use std::{collections::VecDeque, fmt, mem, str::FromStr};

/// The id of an event. As a text it is `14.153`: the 153rd event of session 14. Send it as the `id` of a server-sent event.
///
/// An id with the number 0 stands before the first event of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The session's generation number.
    pub incarnation: Incarnation,
    /// Counts the events of that session from 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.number)
    }
}

impl FromStr for EventId {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let (incarnation, number) = text.split_once('.').ok_or(InvalidNumber)?;
        Ok(Self {
            incarnation: incarnation.parse()?,
            number: number.parse().map_err(|_| InvalidNumber)?,
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The last events of one incarnation.
pub(crate) struct Ring<E> {
    incarnation: Incarnation,
    /// How many bytes the events may have together.
    most: usize,
    kept: Mutex<Kept<E>>,
}

struct Kept<E> {
    events: VecDeque<Numbered<E>>,
    bytes: usize,
    /// The number of the last event.
    last: u64,
}

/// In an `Arc`, so that it is cloned outside of the lock.
struct Numbered<E> {
    number: u64,
    event: Arc<E>,
    bytes: usize,
}

/// What a late listener reads first.
pub(crate) type Past<E> = VecDeque<Update<(E, EventId)>>;

impl<E> Ring<E> {
    pub(crate) fn new(incarnation: Incarnation, most: usize) -> Arc<Self> {
        let kept = Mutex::new(Kept {
            events: VecDeque::new(),
            bytes: 0,
            last: 0,
        });
        Arc::new(Self {
            incarnation,
            most,
            kept,
        })
    }

    fn id(&self, number: u64) -> EventId {
        let incarnation = self.incarnation;
        EventId {
            incarnation,
            number,
        }
    }

    /// Numbers an event of so many bytes, and keeps it if it is not too heavy. The oldest make room for it; they are dropped after the
    /// lock.
    ///
    /// The number and the event come under one lock, so a listener that copies the events up to a number has all of them.
    pub(crate) fn keep(&self, event: &Arc<E>, bytes: usize) -> EventId {
        // An event without weight needs room, too.
        let bytes = bytes.max(1);
        let event = Arc::clone(event);
        let mut gone = Vec::new();
        let mut kept = self.kept.lock();
        kept.last += 1;
        let number = kept.last;
        if bytes <= self.most {
            while kept.bytes > self.most - bytes {
                let Some(oldest) = kept.events.pop_front() else {
                    break;
                };
                kept.bytes -= oldest.bytes;
                gone.push(oldest);
            }
            kept.bytes += bytes;
            kept.events.push_back(Numbered {
                number,
                event,
                bytes,
            });
        }
        drop(kept);
        drop(gone);
        self.id(number)
    }

    /// The events after this one, with the gaps before, between and after them, and the id of the last event so far.
    pub(crate) fn after(&self, after: EventId) -> (EventId, Past<E>)
    where
        E: Clone,
    {
        let same = after.incarnation == self.incarnation;
        let mut before = if same { after.number } else { 0 };
        let kept = self.kept.lock();
        let first = kept.events.partition_point(|event| event.number <= before);
        let share = |event: &Numbered<E>| (event.number, Arc::clone(&event.event));
        let events: Vec<_> = kept.events.range(first..).map(share).collect();
        let last = kept.last;
        drop(kept);
        let mut past = VecDeque::with_capacity(events.len());
        // How many the listener missed of another incarnation is not known.
        let mut least = u64::from(!same);
        let mut miss = |past: &mut Past<E>, count: u64| {
            let count = count.max(mem::take(&mut least));
            if count > 0 {
                past.push_back(Update::Lagged(count));
            }
        };
        for (number, event) in events {
            miss(&mut past, number - before - 1);
            past.push_back(Update::Event((E::clone(&event), self.id(number))));
            before = number;
        }
        miss(&mut past, last.saturating_sub(before));
        (self.id(last), past)
    }
}
