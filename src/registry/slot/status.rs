//! What anyone may know of a session without waiting for it, and the board where it is posted.

use crate::{
    Tick,
    sync::atomic::{AtomicU64, Ordering},
};
use std::{fmt, num::NonZeroU64, time::Duration};

/// One life of a session, from the beginning of its start to the end of its close. A fencing token: the numbers of a key's
/// incarnations strictly increase, though not one by one, and no two sessions of a registry have the same. (But
/// who is superseded and starts another session outside the map keeps his number: it is lower than that of who replaced him.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Incarnation(pub(crate) u64);

impl Incarnation {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A place in the order of one key: names an entry in the queue and then its turn. The tickets of a key strictly increase,
/// also over times when it had no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ticket(pub(crate) NonZeroU64);

impl Ticket {
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` of 0, which no ticket is.
    #[inline]
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// At a billion a second they would last for 292 years.
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

/// What happens to a session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Phase {
    /// Somebody holds the vacancy, or was granted it: there is no session yet.
    Starting,
    /// Somebody has the turn, or was granted it.
    Busy,
    /// The session is idle; nobody waits for it.
    Idle,
    /// The session is on its way out, its key still held.
    Closing,
}

/// A session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// What happens to it.
    pub phase: Phase,
    /// When that began. [`Registry::touch`](crate::Registry::touch) does not change it.
    pub since: Tick,
    /// How many wait in the queue. Who was granted does not wait any more. Exact up to a million (2^20 - 1), which it does not
    /// exceed.
    pub waiting: u32,
    /// Which session: the number is drawn when its vacancy begins.
    pub incarnation: Incarnation,
    /// Who holds it, or was granted it; `None` while it is idle.
    pub turn: Option<Ticket>,
}

impl Status {
    /// A number of waiters as a status tells it.
    #[inline]
    pub(crate) fn waiting(count: usize) -> u32 {
        u32::try_from(count).map_or(WAITING_MAX, |count| count.min(WAITING_MAX))
    }

    /// How long the phase has lasted.
    pub fn age(&self, now: Tick) -> Duration {
        now.since(self.since)
    }
}

/// The status of a slot, written under the slot lock and read without it.
///
/// A sequence lock of atomics: the sequence is odd while the words are being written, and a reader whose two looks at it
/// differ has read from two moments. It does not try again, but takes the slot lock once: a status is never starved by
/// transitions. The even sequences are the slot's *versions*: whoever finds one unchanged under the lock knows that nothing
/// has happened.
///
/// Between a reader's first look at the sequence and its second, a writer may come and go. If the reader saw one of the
/// writer's words, then by that word's release it sees the odd sequence before it too, at the second look. It sees no word
/// that is older than its first look, by the release of that sequence. Models: `c15_snapshot`.
#[derive(Debug)]
pub(crate) struct Board {
    sequence: AtomicU64,
    /// Phase, waiting and since.
    word: AtomicU64,
    number: AtomicU64,
    /// 0: nobody.
    ticket: AtomicU64,
}

/// The word: two bits of phase, 20 of waiting, 42 of since (139 years of milliseconds).
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

/// What one word of the board says: of one moment, and all that a scan asks.
pub(crate) struct Glance {
    pub(crate) phase: Phase,
    pub(crate) since: Tick,
    pub(crate) waiting: u32,
}

/// What a transition changed beside the word.
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

    /// Under the slot lock. The words that did not change are not written. None is read: who writes knows them, and loom
    /// takes a read by the writer for the last access, and then does not see that its write races with a reader before.
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

    /// Without a lock: the status and its version, or `None` if a transition came between. Under the slot lock, or when
    /// nobody writes, it always succeeds.
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

    /// The number of the incarnation, for its holder: it was posted before, and nobody else changes it.
    #[inline]
    pub(crate) fn number(&self) -> Incarnation {
        Incarnation(self.number.load(Ordering::Relaxed))
    }

    /// The ticket of the holder, for the holder.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::new(self.ticket.load(Ordering::Relaxed)).expect("a holder has a ticket")
    }

    /// Without a lock, in one load.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        unpack(self.word.load(Ordering::Relaxed))
    }
}
