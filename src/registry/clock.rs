//! The clock of a registry, and the hand that moves it in tests.

use crate::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    coarse_millis,
};
use std::time::Duration;

/// Nanoseconds in a tick.
const NANOS: u64 = 1_000_000;

/// The clock of a registry: coarse, monotonic, under 10 ns a reading.
///
/// The default is the platform's coarse monotonic clock, which is exact to a few milliseconds (4 ms on most Linux kernels).
/// A manual clock stands still until its [`ClockHand`] moves it, so that a test controls time:
///
/// ```
/// use std::time::Duration;
/// use turnwise::{Clock, Registry};
///
/// let (clock, hand) = Clock::manual();
/// let sessions: Registry<String, u32> = Registry::builder().clock(clock).build();
/// drop(sessions.enter_blocking("a")?.or_insert(1));
///
/// hand.advance(Duration::from_secs(60));
/// assert_eq!(sessions.claim_idle(Duration::from_secs(60)).count(), 1);
/// # Ok::<(), turnwise::EnterError>(())
/// ```
///
/// [`Enter::wait_timeout`](crate::Enter::wait_timeout) uses real time with either clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Coarse,
    /// In nanoseconds, so that small steps add up. A reading is still in whole milliseconds.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Returns the platform's coarse monotonic clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a clock that stands still, and the hand that moves it.
    pub fn manual() -> (Self, ClockHand) {
        let nanos = Arc::new(AtomicU64::new(0));
        let hand = ClockHand(Arc::clone(&nanos));
        (Self(Source::Manual(nanos)), hand)
    }

    /// Returns the current time.
    #[inline]
    pub fn now(&self) -> Tick {
        match &self.0 {
            Source::Coarse => Tick(coarse_millis()),
            Source::Manual(nanos) => Tick(nanos.load(Ordering::Relaxed) / NANOS),
        }
    }
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<AtomicU64>);

impl ClockHand {
    /// Moves the clock forward. Steps of less than a millisecond add up. After 139 years the clock stands still.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now.saturating_add(nanos).min(Tick::LAST.0 * NANOS))
            });
    }
}

/// A moment of one registry's clock, in whole milliseconds. Moments of different clocks cannot be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tick(pub(crate) u64);

impl Tick {
    /// The last moment that fits into the 42 bits of a status: 139 years.
    pub(crate) const LAST: Self = Self((1 << 42) - 1);

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
