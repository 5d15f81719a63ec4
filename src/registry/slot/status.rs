//! The status of a session, and the board by which anyone reads it without waiting.

use crate::{
    Incarnation, Tick, Ticket,
    sync::{Posted, atomic::Ordering},
};
use std::time::Duration;

/// What a session is doing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Phase {
    /// The vacancy is held or granted: there is no session yet.
    Starting,
    /// A turn is held or granted.
    Busy,
    /// The session is free, and no call waits for it.
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
    /// The number of callers in the queue. A call that was granted is not counted. It counts up to 2^20 - 1, about a million.
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

    /// Returns the time in this phase up to `now`.
    pub fn age(&self, now: Tick) -> Duration {
        now.since(self.since)
    }
}

/// The status of a slot, written under the slot lock and read without it. There is no other copy of it: the writer reads
/// back what it has posted.
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
    sequence: Posted,
    /// Phase, waiting and since.
    word: Posted,
    number: Posted,
    /// The ticket of the holder, or of the last one while the session is idle.
    ticket: Posted,
}

/// The word has 2 bits of phase, 20 of waiting and 42 of since (139 years of milliseconds).
const WAITING_BITS: u32 = 20;
const WAITING_MAX: u32 = (1 << WAITING_BITS) - 1;

/// The contents of one word of the board: of one moment, and all that a scan needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) phase: Phase,
    pub(crate) since: Tick,
    pub(crate) waiting: u32,
}

impl Glance {
    #[inline]
    fn pack(self) -> u64 {
        let phase = match self.phase {
            Phase::Starting => 0,
            Phase::Busy => 1,
            Phase::Idle => 2,
            Phase::Closing => 3,
        };
        self.since.0 << (WAITING_BITS + 2) | u64::from(self.waiting) << 2 | phase
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self {
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

    #[inline]
    fn status(self, number: u64, ticket: u64) -> Status {
        let turn = Ticket::new(ticket).filter(|_| self.phase != Phase::Idle);
        Status {
            phase: self.phase,
            since: self.since,
            waiting: self.waiting,
            incarnation: Incarnation(number),
            turn,
        }
    }
}

impl Board {
    pub(crate) fn new(glance: Glance, number: Incarnation, ticket: Ticket) -> Self {
        Self {
            sequence: Posted::new(0),
            word: Posted::new(glance.pack()),
            number: Posted::new(number.0),
            ticket: Posted::new(ticket.get()),
        }
    }

    /// Reads the status and its version without a lock; `None` if a transition came between. Always succeeds while nothing
    /// is written.
    #[inline]
    pub(crate) fn read(&self) -> Option<(Status, u64)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let word = self.word.load(Ordering::Acquire);
        let number = self.number.load(Ordering::Acquire);
        let ticket = self.ticket.load(Ordering::Acquire);
        let whole = sequence % 2 == 0 && self.sequence.load(Ordering::Relaxed) == sequence;
        whole.then(|| (Glance::unpack(word).status(number, ticket), sequence))
    }

    /// The incarnation, for its holder: it was posted before, and no other thread changes it.
    #[inline]
    pub(crate) fn number(&self) -> Incarnation {
        Incarnation(self.number.load(Ordering::Relaxed))
    }

    /// The ticket of the holder, for the holder.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        of_a_slot(self.ticket.load(Ordering::Relaxed))
    }

    /// One load, without a lock.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        Glance::unpack(self.word.load(Ordering::Relaxed))
    }
}

#[inline]
fn of_a_slot(ticket: u64) -> Ticket {
    Ticket::new(ticket).expect("every slot was made for a ticket")
}

/// For the writer, under the slot lock. It changes words between [`open`](Self::open) and [`close`](Self::close).
impl Board {
    #[inline]
    pub(crate) fn open(&self) {
        let version = self.sequence.read_back();
        self.sequence.store(version + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set_ticket(&self, ticket: Ticket) {
        self.ticket.store(ticket.get(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn set_number(&self, number: Incarnation) {
        self.number.store(number.0, Ordering::Release);
    }

    #[inline]
    pub(crate) fn set_glance(&self, glance: Glance) {
        self.word.store(glance.pack(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn close(&self) {
        let odd = self.sequence.read_back();
        self.sequence.store(odd + 1, Ordering::Release);
    }

    #[inline]
    pub(crate) fn posted(&self) -> Glance {
        Glance::unpack(self.word.read_back())
    }

    /// The number of the last incarnation.
    #[inline]
    pub(crate) fn last_number(&self) -> Incarnation {
        Incarnation(self.number.read_back())
    }

    /// The ticket of the last call that had the slot.
    #[inline]
    pub(crate) fn last_ticket(&self) -> Ticket {
        of_a_slot(self.ticket.read_back())
    }

    #[inline]
    pub(crate) fn status(&self) -> Status {
        let (number, ticket) = (self.number.read_back(), self.ticket.read_back());
        self.posted().status(number, ticket)
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.sequence.read_back()
    }
}
