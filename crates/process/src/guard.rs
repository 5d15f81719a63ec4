//! What a user sees of guards: settings, deadlines, errors.
//!
//! | module | its one idea |
//! |---|---|
//! | `carry` | a command, as bytes that a shim reads |
//! | `wire` | the records between the daemon and its guard, and descriptors in a message |
//! | `serve` | the guard and the shim: the program, started again |
//! | `family` | all descendants of a guard |
//! | `held` | a guarded process, from the side of the daemon |

#[cfg(target_os = "linux")]
mod carry;
#[cfg(target_os = "linux")]
mod family;
#[cfg(target_os = "linux")]
mod held;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub(crate) use held::{Guarded, Start};

use std::{error::Error, fmt, io, ops::Add, time::Duration};
use tokio::sync::watch;

/// Ends a process when this program is killed or stopped. [`Launcher::guard`](crate::Launcher::guard) sets it. Linux only.
///
/// Without a guard, the process goes on after `kill -9` of this program, and acts while this program is stopped. A guard is a small
/// parent of the process, outside of the process group of this program. It has a deadline, which this program renews. It kills the
/// process and everything that the process started:
/// - when the deadline passes on CLOCK_BOOTTIME, which counts the time that the machine is suspended;
/// - at once when this program ends, in whatever way.
///
/// If the guard itself is killed, the kernel kills the process, and this program ends what the process left running.
///
/// A guard also finds children that left the group and have another environment: they are its descendants.
///
/// ```standalone_crate
/// use std::time::Duration;
/// use tokio::process::Command;
/// use turnwise_process::{Guard, Launcher};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // First of all, before there is a runtime.
///     Guard::init();
///     serve()
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn serve() -> Result<(), Box<dyn std::error::Error>> {
///     let launcher = Launcher::new().guard(Guard::new(Duration::from_secs(5)));
///     let mut cat = launcher.spawn(&mut Command::new("cat")).await?;
///     assert!(cat.stop().await.status.is_some_and(|status| status.success()));
///     Ok(())
/// }
/// ```
///
/// # Details
///
/// - The guard is this program, started again with a mark in its environment. [`init`](Self::init) finds the mark. So there is no
///   second binary to install, to find, or to have another version: `/proc/self/exe` is the file that this program runs from, also
///   after an upgrade has replaced it.
/// - The deadline is renewed by a task of the runtime. A runtime that runs no task for so long counts as stopped.
/// - A suspended machine does not renew a deadline. After a suspend that was longer, the process is killed.
/// - A deadline that has passed is final. If the whole machine was paused, the process may act until its guard runs again, for an
///   instant. Only the resource that it acts on can refuse that.
/// - The kernel kills a process at the death of the thread that forked it. The guard forks from its main thread.
/// - The guard runs the program of the command with its arguments, its environment and its directory. A command with a user id, a
///   group id or groups is refused. `arg0` and `pre_exec` have no effect.
/// - A program that is set-user-ID or has file capabilities does not die with a guard that is killed.
/// - If this program and the guard are killed in the same instant, the process dies, and its children do not.
/// - An orphan of the process has the guard as its parent, not process 1.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // no guard reads it there
pub struct Guard(pub(crate) Source);

/// Where deadlines come from.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // no guard reads them there
pub(crate) enum Source {
    /// From this crate: it renews them for so long.
    Limit(Duration),
    /// From their owner.
    Owner(watch::Receiver<Term>),
}

impl Default for Guard {
    /// A process may act for 10 s after this program was stopped.
    fn default() -> Self {
        Self::new(Duration::from_secs(10))
    }
}

impl Guard {
    /// Sets how long a process may act after this program was stopped. The crate renews the deadline when a third of this time
    /// has passed. Less than 100 ms counts as 100 ms.
    pub fn new(limit: Duration) -> Self {
        Self(Source::Limit(limit.max(Duration::from_millis(100))))
    }

    /// Leaves the deadline to its owner. For whoever holds a lease, and may not act after its end.
    pub fn until(deadline: &GuardDeadline) -> Self {
        Self(Source::Owner(deadline.0.subscribe()))
    }

    /// Becomes a guard if this program was started as one: then it does not return. Otherwise it returns at once.
    ///
    /// Call it at the top of `main`, before there is a runtime or another thread, and before the program does anything. If it was
    /// not called so, [`spawn`](crate::Launcher::spawn) fails with [`GuardError::NotInitialized`], and starts nothing.
    ///
    /// The guard leaves signals such as SIGTERM unheeded: it ends with this program. Elsewhere than on Linux, this does nothing.
    pub fn init() {
        #[cfg(target_os = "linux")]
        serve::init();
    }
}

/// A deadline that its owner sets. See [`Guard::until`]. A clone is the same deadline.
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
    /// Processes may act until then.
    pub fn new(until: BootTime) -> Self {
        Self(watch::Sender::new(Term::new(until)))
    }

    /// Moves the deadline of each process whose deadline has not passed, and of those that are started from now on. An earlier one
    /// is possible too. If all clones are dropped, the last deadline stands.
    pub fn set(&self, until: BootTime) {
        self.0.send_replace(Term::new(until));
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
/// Elsewhere than on Linux it is CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// Returns the present instant.
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

    /// Returns the time from `earlier` to this instant. Zero if it is later.
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

/// Why a process has no guard, and therefore was not started. [`SpawnError::guard`](crate::SpawnError::guard) returns it.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardError {
    /// [`Guard::init`] was not called on the main thread before.
    NotInitialized,
    /// The guard cannot be started.
    Start(io::Error),
    /// The guard was started, and did not answer in 10 s: for example because `main` does something else before it calls
    /// [`Guard::init`], or because the guard is stopped.
    NoAnswer,
    /// The guard ended before the program ran: for example because the deadline passed, or because somebody killed it.
    Ended,
    /// The [deadline](GuardDeadline) had passed.
    DeadlinePassed,
    /// The command has a user id, a group id or groups.
    Identity,
    /// There are guards on Linux only.
    Unsupported,
}

impl fmt::Display for GuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitialized => f.write_str(
                "no guard: call `turnwise_process::Guard::init` at the top of `main`, on the main thread",
            ),
            Self::Start(source) => write!(f, "the guard cannot be started: {source}"),
            Self::NoAnswer => f.write_str(
                "the guard does not answer: call `turnwise_process::Guard::init` before anything else in `main`",
            ),
            Self::Ended => f.write_str("the guard ended before the program ran"),
            Self::DeadlinePassed => f.write_str("the deadline of the guard has passed"),
            Self::Identity => {
                f.write_str("a guarded command cannot set a user id, a group id or groups")
            }
            Self::Unsupported => f.write_str("guards need Linux"),
        }
    }
}

impl Error for GuardError {}

impl From<GuardError> for io::Error {
    fn from(error: GuardError) -> Self {
        let kind = match error {
            GuardError::NoAnswer | GuardError::DeadlinePassed => io::ErrorKind::TimedOut,
            GuardError::Identity | GuardError::Unsupported => io::ErrorKind::Unsupported,
            // Not the kind of its cause: a guard that is not found is not a program that is not found.
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
