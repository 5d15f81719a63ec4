//! The settings of a manager, and how one call may differ from them.

use crate::manager::{backend::Backend, report::events::KEPT_BYTES, run::discard};
use crate::{Clock, Registry, sync::catch_unwind};
use std::{error::Error, fmt, time::Duration};
use tokio::runtime::Handle;

/// How long things may take. With units: all are [`Duration`]s of tokio's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the turn to come. `None`, the default, waits for as long as it takes.
    pub wait: Option<Duration>,
    /// For a start, and for a look at a session's health. By default 30 s.
    pub start: Duration,
    /// For a turn: a message, or a closure of `with_turn`; a plain turn is its holder's. `None`, the default: for as long as
    /// it takes.
    pub turn: Option<Duration>,
    /// For a cancelled turn to end by itself, before its session is stopped. By default 5 s.
    pub abort: Duration,
    /// For a stop, and for a start that was cut short to be put away. By default 10 s.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            wait: None,
            start: Duration::from_secs(30),
            turn: None,
            abort: Duration::from_secs(5),
            stop: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// Sets [`wait`](Self#structfield.wait).
    pub fn wait(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.wait = limit.into();
        self
    }

    /// Sets [`start`](Self#structfield.start).
    pub fn start(mut self, limit: Duration) -> Self {
        self.start = limit;
        self
    }

    /// Sets [`turn`](Self#structfield.turn).
    pub fn turn(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.turn = limit.into();
        self
    }

    /// Sets [`abort`](Self#structfield.abort).
    pub fn abort(mut self, limit: Duration) -> Self {
        self.abort = limit;
        self
    }

    /// Sets [`stop`](Self#structfield.stop).
    pub fn stop(mut self, limit: Duration) -> Self {
        self.stop = limit;
        self
    }
}

/// What happens to a start when there are as many sessions as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is refused with [`TurnError::RegistryFull`](crate::manager::TurnError::RegistryFull).
    Refuse,
    /// The session that has been idle longest is stopped first, touched ones last; never one that is used or waited for. If
    /// there is none, the start is refused. Of sessions whose last turns ended within one tick of the clock (a few milliseconds),
    /// any one may be stopped first.
    StopLongestIdle,
}

/// How one call differs from the manager's settings.
///
/// ```
/// use std::time::Duration;
/// use turnwise::manager::TurnOptions;
///
/// let options = TurnOptions::default().wait(Duration::from_secs(5)).turn(Duration::from_secs(60));
/// # let _ = (options, TurnOptions::no_wait());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnOptions {
    /// A session that is not free at once is refused with [`TurnError::Busy`](crate::manager::TurnError::Busy).
    pub no_wait: bool,
    /// Instead of [`Timeouts::wait`](Timeouts#structfield.wait).
    pub wait: Option<Duration>,
    /// Instead of [`Timeouts::turn`](Timeouts#structfield.turn).
    pub turn: Option<Duration>,
}

impl TurnOptions {
    /// Now or never.
    pub fn no_wait() -> Self {
        Self {
            no_wait: true,
            ..Self::default()
        }
    }

    /// For how long the call waits in the queue.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = Some(limit);
        self
    }

    /// For how long the turn may last.
    pub fn turn(mut self, limit: Duration) -> Self {
        self.turn = Some(limit);
        self
    }
}

/// Why there is no manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `build` was not called in a tokio runtime.
    NoRuntime,
    /// The runtime has no time: see `enable_time` of its builder.
    NoTime,
    /// A time is zero, in which nothing can be done.
    ZeroTimeout,
    /// No session may be there, or no event may wait.
    ZeroLimit,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => "a session manager is built in a tokio runtime",
            Self::NoTime => "the tokio runtime of a session manager has its time enabled",
            Self::ZeroTimeout => "a timeout is zero",
            Self::ZeroLimit => "the limit of sessions or of unread bytes is zero",
        })
    }
}

impl Error for BuildError {}

/// Settings of a [`SessionManager`](crate::SessionManager); see [`SessionManager::builder`](crate::SessionManager::builder).
#[must_use = "a builder does nothing until `build`"]
pub struct ManagerBuilder<B: Backend> {
    pub(crate) backend: B,
    pub(crate) settings: Settings,
    max_waiting: Option<usize>,
    first_incarnation: u64,
    clock: Clock,
    shards: Option<usize>,
}

pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    pub(crate) max_sessions: Option<(usize, WhenFull)>,
    pub(crate) stop_idle_after: Option<Duration>,
    pub(crate) unread_bytes: usize,
}

impl<B: Backend> ManagerBuilder<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self {
            backend,
            settings: Settings {
                timeouts: Timeouts::default(),
                max_sessions: None,
                stop_idle_after: None,
                unread_bytes: KEPT_BYTES,
            },
            max_waiting: None,
            first_incarnation: 1,
            clock: Clock::new(),
            shards: None,
        }
    }

    /// How long things may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How many sessions may be there at once, from the beginning of a start to the end of a stop. By default, as many as come.
    pub fn max_sessions(mut self, most: usize, full: WhenFull) -> Self {
        self.settings.max_sessions = Some((most, full));
        self
    }

    /// How many calls may wait in the queue of one key; the next gets [`TurnError::QueueFull`](crate::manager::TurnError::QueueFull). With 0, a
    /// call of a key that is not free is refused. A stop is never refused, but one that waits takes a place. By default, there is no
    /// limit.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.max_waiting = Some(most);
        self
    }

    /// A task stops sessions that have been idle for so long. It looks four times in that time, at most once in a millisecond
    /// and at least once in 30 seconds. By default there is none.
    pub fn stop_idle_after(mut self, idle: Duration) -> Self {
        self.settings.stop_idle_after = Some(idle);
        self
    }

    /// How many bytes of events may wait for one reader: for a [`Subscription`](crate::manager::Subscription), or in a
    /// [`Sending`](crate::manager::Sending). By default 16 MiB. Beside this, up to 1024 events may wait.
    ///
    /// When an event does not fit, the oldest are given up. An event that weighs more than this is missed by every reader. Events
    /// weigh what [`Agent::weight`](crate::Agent::weight) returns.
    pub fn unread_bytes(mut self, most: usize) -> Self {
        self.settings.unread_bytes = most;
        self
    }

    /// See [`Builder::first_incarnation`](crate::Builder::first_incarnation).
    pub fn first_incarnation(mut self, number: u64) -> Self {
        self.first_incarnation = number;
        self
    }

    /// Where idle times are read; see [`Builder::clock`](crate::Builder::clock). Timeouts are tokio's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// See [`Builder::shards`](crate::Builder::shards).
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// What a manager of these settings keeps its sessions in.
    pub(crate) fn registry<V, H>(&self) -> Registry<B::Key, V, H> {
        let mut builder = Registry::builder()
            .clock(self.clock.clone())
            .first_incarnation(self.first_incarnation);
        if let Some(most) = self.max_waiting {
            builder = builder.max_waiting(most);
        }
        if let Some((_, WhenFull::StopLongestIdle)) = self.settings.max_sessions {
            builder = builder.ranked();
        }
        if let Some(shards) = self.shards {
            builder = builder.shards(shards);
        }
        builder.build()
    }
}

impl Settings {
    /// They make sense.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let Timeouts {
            wait,
            start,
            turn,
            abort,
            stop,
        } = self.timeouts;
        let given = [wait, turn, self.stop_idle_after];
        let zero = |limit: &Duration| limit.is_zero();
        if [start, abort, stop]
            .iter()
            .chain(given.iter().flatten())
            .any(zero)
        {
            return Err(BuildError::ZeroTimeout);
        }
        if matches!(self.max_sessions, Some((0, _))) || self.unread_bytes == 0 {
            return Err(BuildError::ZeroLimit);
        }
        Ok(())
    }
}

/// The runtime of the caller, if it will do.
pub(crate) fn runtime() -> Result<Handle, BuildError> {
    let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
    // tokio has no question for this, and would panic in the middle of a turn.
    if let Err(payload) = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))) {
        discard(payload);
        return Err(BuildError::NoTime);
    }
    Ok(runtime)
}

impl<B: Backend> fmt::Debug for ManagerBuilder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder")
            .field("timeouts", &self.settings.timeouts)
            .field("max_sessions", &self.settings.max_sessions)
            .field("max_waiting", &self.max_waiting)
            .field("stop_idle_after", &self.settings.stop_idle_after)
            .field("unread_bytes", &self.settings.unread_bytes)
            .finish_non_exhaustive()
    }
}
