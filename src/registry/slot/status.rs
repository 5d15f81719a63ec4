//! The status of a session, and the board by which anyone reads it without waiting.

use crate::{
    Tick,
    sync::atomic::{AtomicU64, Ordering},
};
use std::{fmt, num::NonZeroU64, time::Duration};

/// A generation number, usable as a fencing token: one life of a session, from the start of its start to the end of its close.
///
/// The incarnations of a key strictly increase, though not one by one, and no two sessions of a registry have the same. A
/// superseded holder that starts another session outside the map keeps its number, which is lower than its replacement's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Incarnation(pub(crate) u64);

impl Incarnation {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The number of a call of one key, in its queue and then in its turn. The tickets of a key strictly increase, even if it
/// is absent in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ticket(pub(crate) NonZeroU64);

impl Ticket {
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` for 0, which is no ticket.
    #[inline]
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Lasts for 292 years at a billion a second.
    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a session is doing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Phase {
    /// The vacancy is held or granted: there is no session yet.
    Starting,
    /// A turn is held or granted.
    Busy,
    /// The session is free, and nobody waits for it.
    Idle,
    /// The session is being closed. Its key is still held.
    Closing,
}

/// The status of a session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// What the session is doing.
    pub phase: Phase,
    /// When the phase began. [`Registry::touch`](crate::Registry::touch) does not change it.
    pub since: Tick,
    /// The number of callers in the queue. A call that was granted is not counted. Stops at 2^20 - 1, about a million.
    pub waiting: u32,
    /// The incarnation. Its number is drawn when its vacancy begins.
    pub incarnation: Incarnation,
    /// The ticket of the call that holds it or was granted it; `None` while it is idle.
    pub turn: Option<Ticket>,
}

impl Status {
    /// The number of callers as a status can show it.
    #[inline]
    pub(crate) fn waiting(count: usize) -> u32 {
        u32::try_from(count).map_or(WAITING_MAX, |count| count.min(WAITING_MAX))
    }

    /// The duration of the phase up to `now`.
    pub fn age(&self, now: Tick) -> Duration {
        now.since(self.since)
    }
}

/// The status of a slot, written under the slot lock and read without it.
///
/// It is a sequence lock made of atomics. The sequence is odd while the words are written. A reader that loads two
/// different sequences has read from two moments; it does not retry but takes the slot lock once, so transitions cannot
/// starve it. The even sequences are the slot's *versions*: if one is unchanged under the lock, nothing has happened.
///
/// Between the two loads of the sequence, a writer may come and go. If the reader has loaded one of the writer's words,
/// then by that word's release its second load sees the odd sequence before it, or a later one. It loads no word older than
/// its first load, by the release of that sequence. Models: `c15_snapshot`.
#[derive(Debug)]
pub(crate) struct Board {
    sequence: AtomicU64,
    /// Phase, waiting and since.
    word: AtomicU64,
    number: AtomicU64,
    /// 0 for no holder.
    ticket: AtomicU64,
}

/// The word has 2 bits of phase, 20 of waiting and 42 of since (139 years of milliseconds).
const WAITING_BITS: u32 = 20;
const WAITING_MAX: u32 = (1 << WAITING_BITS) - 1;

#[inline]
fn pack(status: &Status) -> u64 {
    let phase = match status.phase {
        Phase::Starting => 0,
        Phase::Busy => 1,
        Phase::Idle => 2,
        Phase::Closing => 3,
    };
    let waiting = u64::from(status.waiting);
    status.since.0 << (WAITING_BITS + 2) | waiting << 2 | phase
}

#[inline]
fn unpack(word: u64) -> Glance {
    Glance {
        phase: match word & 3 {
            0 => Phase::Starting,
            1 => Phase::Busy,
            2 => Phase::Idle,
            _ => Phase::Closing,
        },
        since: Tick(word >> (WAITING_BITS + 2)),
        waiting: (word >> 2) as u32 & WAITING_MAX,
    }
}

/// The contents of one word of the board: of one moment, and all that a scan needs.
pub(crate) struct Glance {
    pub(crate) phase: Phase,
    pub(crate) since: Tick,
    pub(crate) waiting: u32,
}

/// What a transition changed besides the word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) number: bool,
    pub(crate) ticket: bool,
}

impl Board {
    pub(crate) fn new(status: &Status) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            word: AtomicU64::new(pack(status)),
            number: AtomicU64::new(status.incarnation.0),
            ticket: AtomicU64::new(status.turn.map_or(0, Ticket::get)),
        }
    }

    /// Under the slot lock. Writes only the words that changed, and reads none. The writer does not need to, and loom takes
    /// a read by the writer for the last access: then it misses the race of the write with an earlier reader.
    #[inline]
    pub(crate) fn post(&self, status: &Status, changes: Changes, version: u64) {
        self.sequence.store(version - 1, Ordering::Relaxed);
        self.word.store(pack(status), Ordering::Release);
        if changes.number {
            let number = status.incarnation.0;
            self.number.store(number, Ordering::Release);
        }
        if changes.ticket {
            let ticket = status.turn.map_or(0, Ticket::get);
            self.ticket.store(ticket, Ordering::Release);
        }
        self.sequence.store(version, Ordering::Release);
    }

    /// Reads the status and its version without a lock; `None` if a transition came between. Always succeeds under the slot
    /// lock, or while nothing is written.
    #[inline]
    pub(crate) fn read(&self) -> Option<(Status, u64)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let word = self.word.load(Ordering::Acquire);
        let number = self.number.load(Ordering::Acquire);
        let ticket = self.ticket.load(Ordering::Acquire);
        let whole = sequence % 2 == 0 && self.sequence.load(Ordering::Relaxed) == sequence;
        whole.then(|| {
            let Glance {
                phase,
                since,
                waiting,
            } = unpack(word);
            let status = Status {
                phase,
                since,
                waiting,
                incarnation: Incarnation(number),
                turn: Ticket::new(ticket),
            };
            (status, sequence)
        })
    }

    /// The incarnation, for its holder: it was posted before, and no other thread changes it.
    #[inline]
    pub(crate) fn number(&self) -> Incarnation {
        Incarnation(self.number.load(Ordering::Relaxed))
    }

    /// The ticket of the holder, for the holder.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::new(self.ticket.load(Ordering::Relaxed)).expect("a holder has a ticket")
    }

    /// One load, without a lock.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        unpack(self.word.load(Ordering::Relaxed))
    }
}
