//! How often things have happened, since the manager was built.

use crate::manager::{
    backend::{Backend, StopReason},
    error::TurnError,
    report::reports::Outcome,
};
use crate::{
    Incarnation,
    sync::atomic::{AtomicU64, Ordering},
};
use crossbeam_utils::CachePadded;

/// How often things have happened since the manager was built. [`SessionManager::stats`](crate::SessionManager::stats) returns it.
///
/// The counters are read one after the other while calls go on, so two of them may be from different moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Starts that made a session.
    pub starts: u64,
    /// Starts that failed, timed out, panicked or were cut short.
    pub failed_starts: u64,
    /// Sessions that were stopped, by reason.
    pub stops: Stops,
    /// Stops among these that failed, timed out or panicked.
    pub unclean_stops: u64,
    /// Turns that have ended, by outcome.
    pub turns: Turns,
    /// Calls that were refused, by reason. Calls that were cancelled, or that share the error of a start, are not among them.
    pub refused: Refused,
}

/// Stopped sessions, by [`StopReason`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)] // the names are those of the reasons
#[non_exhaustive]
pub struct Stops {
    pub idle: u64,
    pub capacity: u64,
    pub requested: u64,
    pub restarted: u64,
    pub unhealthy: u64,
    pub dirty: u64,
    pub shutdown: u64,
    pub discarded: u64,
    pub aged: u64,
    pub lost: u64,
}

/// Ended turns, by [`Outcome`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)] // the names are those of the outcomes
#[non_exhaustive]
pub struct Turns {
    pub done: u64,
    pub failed: u64,
    pub aborted: u64,
    pub timed_out: u64,
    pub dropped: u64,
    pub panicked: u64,
    pub lost: u64,
}

/// Refused calls, by [`TurnError`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)] // the names are those of the errors
#[non_exhaustive]
pub struct Refused {
    pub busy: u64,
    pub closed: u64,
    pub not_found: u64,
    pub not_accepting: u64,
    pub queue_full: u64,
    pub registry_full: u64,
    pub wait_timed_out: u64,
    pub dismissed: u64,
    pub deadlock: u64,
    pub elsewhere: u64,
    pub unavailable: u64,
}

/// What is counted.
#[derive(Clone, Copy)]
enum Count {
    Start,
    FailedStart,
    UncleanStop,
    Stop(StopReason),
    Turn(Outcome),
    Refused(Why),
}

#[derive(Clone, Copy)]
enum Why {
    Busy,
    Closed,
    NotFound,
    NotAccepting,
    QueueFull,
    RegistryFull,
    WaitTimedOut,
    Dismissed,
    Deadlock,
    Elsewhere,
    Unavailable,
}

const STOPS: usize = 3;
const TURNS: usize = STOPS + StopReason::Lost as usize + 1;
const REFUSED: usize = TURNS + Outcome::Lost as usize + 1;
const COUNTS: usize = REFUSED + Why::Unavailable as usize + 1;

impl Count {
    fn place(self) -> usize {
        match self {
            Self::Start => 0,
            Self::FailedStart => 1,
            Self::UncleanStop => 2,
            Self::Stop(reason) => STOPS + reason as usize,
            Self::Turn(outcome) => TURNS + outcome as usize,
            Self::Refused(why) => REFUSED + why as usize,
        }
    }
}

/// The counters. A session counts in one stripe, so that the turns of different sessions seldom write the same word.
pub(crate) struct Counters(Box<[CachePadded<[AtomicU64; COUNTS]>]>);

const STRIPES: usize = 16;

impl Counters {
    pub(crate) fn new() -> Self {
        let stripe = |_| CachePadded::new([(); COUNTS].map(|()| AtomicU64::new(0)));
        Self((0..STRIPES).map(stripe).collect())
    }

    #[inline]
    fn add(&self, stripe: u64, count: Count) {
        // The low bits of a number may be a place in a batch, which is mostly 0.
        let stripe = &self.0[(stripe ^ stripe >> 7) as usize % STRIPES];
        stripe[count.place()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn start(&self, session: Incarnation, started: bool) {
        let count = if started {
            Count::Start
        } else {
            Count::FailedStart
        };
        self.add(session.get(), count);
    }

    pub(crate) fn stop(&self, session: Incarnation, reason: StopReason, clean: bool) {
        self.add(session.get(), Count::Stop(reason));
        if !clean {
            self.add(session.get(), Count::UncleanStop);
        }
    }

    #[inline]
    pub(crate) fn turn(&self, session: Incarnation, outcome: Outcome) {
        self.add(session.get(), Count::Turn(outcome));
    }

    /// A call ends with this error, and is counted if that is a refusal.
    pub(crate) fn refused<B: Backend>(&self, error: &TurnError<B::Error>) {
        let why = match error {
            TurnError::Busy => Why::Busy,
            TurnError::Closed => Why::Closed,
            TurnError::NotFound => Why::NotFound,
            TurnError::NotAccepting => Why::NotAccepting,
            TurnError::QueueFull => Why::QueueFull,
            TurnError::RegistryFull => Why::RegistryFull,
            TurnError::WaitTimedOut => Why::WaitTimedOut,
            TurnError::Dismissed => Why::Dismissed,
            TurnError::Deadlock(_) => Why::Deadlock,
            TurnError::Elsewhere(_) => Why::Elsewhere,
            TurnError::Unavailable(_) => Why::Unavailable,
            _ => return,
        };
        self.add(0, Count::Refused(why));
    }

    /// The sums.
    pub(crate) fn read(&self) -> Stats {
        let of = |count: Count| {
            let words = self.0.iter().map(|stripe| &stripe[count.place()]);
            words.map(|word| word.load(Ordering::Relaxed)).sum()
        };
        Stats {
            starts: of(Count::Start),
            failed_starts: of(Count::FailedStart),
            stops: Stops {
                idle: of(Count::Stop(StopReason::Idle)),
                capacity: of(Count::Stop(StopReason::Capacity)),
                requested: of(Count::Stop(StopReason::Requested)),
                restarted: of(Count::Stop(StopReason::Restarted)),
                unhealthy: of(Count::Stop(StopReason::Unhealthy)),
                dirty: of(Count::Stop(StopReason::Dirty)),
                shutdown: of(Count::Stop(StopReason::Shutdown)),
                discarded: of(Count::Stop(StopReason::Discarded)),
                aged: of(Count::Stop(StopReason::Aged)),
                lost: of(Count::Stop(StopReason::Lost)),
            },
            unclean_stops: of(Count::UncleanStop),
            turns: Turns {
                done: of(Count::Turn(Outcome::Done)),
                failed: of(Count::Turn(Outcome::Failed)),
                aborted: of(Count::Turn(Outcome::Aborted)),
                timed_out: of(Count::Turn(Outcome::TimedOut)),
                dropped: of(Count::Turn(Outcome::Dropped)),
                panicked: of(Count::Turn(Outcome::Panicked)),
                lost: of(Count::Turn(Outcome::Lost)),
            },
            refused: Refused {
                busy: of(Count::Refused(Why::Busy)),
                closed: of(Count::Refused(Why::Closed)),
                not_found: of(Count::Refused(Why::NotFound)),
                not_accepting: of(Count::Refused(Why::NotAccepting)),
                queue_full: of(Count::Refused(Why::QueueFull)),
                registry_full: of(Count::Refused(Why::RegistryFull)),
                wait_timed_out: of(Count::Refused(Why::WaitTimedOut)),
                dismissed: of(Count::Refused(Why::Dismissed)),
                deadlock: of(Count::Refused(Why::Deadlock)),
                elsewhere: of(Count::Refused(Why::Elsewhere)),
                unavailable: of(Count::Refused(Why::Unavailable)),
            },
        }
    }
}
