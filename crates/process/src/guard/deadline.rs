//! Deadlines, on a clock that goes on while the machine is suspended.

use std::{ops::Add, time::Duration};
use tokio::sync::watch;

/// A deadline after which guarded processes are killed, unless you move it. See [`Guard::until`](crate::Guard::until). A clone is the same
/// deadline.
///
/// ```
/// # use std::time::Duration;
/// # use turnwise_process::{BootTime, Guard, GuardDeadline, Launcher};
/// # struct Lease;
/// # impl Lease { fn renew(&self) -> Duration { Duration::from_secs(15) } }
/// # let lease = Lease;
/// // Read before the request is sent: the lease lasts at least so long from here on.
/// let before = BootTime::now();
/// let deadline = GuardDeadline::new(before + lease.renew());
/// let launcher = Launcher::new().guard(Guard::until(&deadline));
/// // And again and again:
/// let before = BootTime::now();
/// deadline.set(before + lease.renew());
/// ```
#[derive(Clone, Debug)]
pub struct GuardDeadline(watch::Sender<Term>);

impl GuardDeadline {
    /// Returns a deadline at this instant. Processes that are guarded by it are killed when it passes.
    pub fn new(until: BootTime) -> Self {
        Self(watch::Sender::new(Term::new(until)))
    }

    /// Moves the deadline, for each process whose deadline has not passed and for those that are started from now on. The new
    /// deadline may be earlier; one in the past kills the processes. If all clones are dropped, the last deadline stands.
    pub fn set(&self, until: BootTime) {
        self.0.send_replace(Term::new(until));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Term> {
        self.0.subscribe()
    }
}

/// A deadline, and when it was made. It replaces one that had not passed then: a machine that was paused for longer cannot prolong
/// what had passed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) struct Term {
    pub(crate) made: BootTime,
    pub(crate) until: BootTime,
}

impl Term {
    pub(crate) fn new(until: BootTime) -> Self {
        Self {
            made: BootTime::now(),
            until,
        }
    }
}

/// An instant on CLOCK_BOOTTIME, which goes on while the machine is suspended, as [`Instant`](std::time::Instant) does not.
/// On systems other than Linux it is CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// Returns the current instant.
    pub fn now() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let now = clock_gettime(clock);
        // Since the machine was started: none is negative, and 64 bits hold 584 years.
        Self((now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64)
    }

    /// Returns the time from `earlier` to this instant. Zero if `earlier` is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn to_nanos(self) -> u64 {
        self.0
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    /// The last instant that there is, if the sum is later.
    fn add(self, time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
