//! The settings of a manager, and the options of one call.

use crate::manager::{
    backend::Backend, ownership::Ownership, report::unread::Bounds, run::discard,
};
use crate::{
    Clock, Incarnation, Registry,
    sync::{Arc, catch_unwind},
};
use std::{error::Error, fmt, time::Duration};
use tokio::{runtime::Handle, time::Instant};

/// Time limits, on tokio's clock: `Timeouts::default().abort(Duration::from_secs(2))`. None of them may be zero.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Limits the wait in the queue and for room, without the start. It begins with the call. A call that exceeds it ends with
    /// [`TurnError::WaitTimedOut`](crate::manager::TurnError::WaitTimedOut); while it waits for room, with
    /// [`TurnError::RegistryFull`](crate::manager::TurnError::RegistryFull). Default: `None`, no limit.
    pub wait: Option<Duration>,
    /// Limits the wait for room, when the session limit is reached ([`WhenFull`]). A call that exceeds it ends with
    /// [`TurnError::RegistryFull`](crate::manager::TurnError::RegistryFull). `None`: only `wait` limits it. Default: 30 s.
    pub room: Option<Duration>,
    /// Limits a start, a health check, and the [acquisition](crate::manager::Ownership::acquire) of a key. A start that exceeds it is dropped
    /// and cleaned up, and its caller gets [`TurnError::StartTimedOut`](crate::manager::TurnError::StartTimedOut). A session whose check exceeds it is replaced.
    /// Default: 30 s.
    pub start: Duration,
    /// Limits a message, or a closure of `with_turn`. One that exceeds it is cancelled, and has `abort` to finish. If it
    /// finishes with a reply, the caller gets the reply; otherwise
    /// [`TurnError::TurnTimedOut`](crate::manager::TurnError::TurnTimedOut). A plain turn has no limit. Default: `None`, no limit.
    pub turn: Option<Duration>,
    /// Limits the silence of a message or a start: the time without an event or a note of it. A message that
    /// exceeds it is cancelled, and has `abort` to finish, as with `turn`; then its caller gets
    /// [`TurnError::Silent`](crate::manager::TurnError::Silent). A start that exceeds it ends as if it had exceeded `start`. While a
    /// [`send`](crate::TurnContext::send) waits, the turn is not silent; if its reader takes nothing for this time, the turn stops waiting for it.
    /// Default: `None`, no limit.
    pub quiet: Option<Duration>,
    /// Limits how long a cancelled message, closure or start may continue. One that exceeds it is dropped, and its session is stopped, or
    /// its start cleaned up. Default: 5 s.
    pub abort: Duration,
    /// Limits a stop, and the cleanup after a start that was cut short. One that exceeds it is dropped, and the key goes to the
    /// next caller; a stop ends with [`StopError::Abandoned`](crate::manager::StopError::Abandoned). Default: 10 s.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            wait: None,
            room: Some(Duration::from_secs(30)),
            start: Duration::from_secs(30),
            turn: None,
            quiet: None,
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

    /// Sets [`room`](Self#structfield.room).
    pub fn room(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.room = limit.into();
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

    /// Sets [`quiet`](Self#structfield.quiet).
    pub fn quiet(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.quiet = limit.into();
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

/// What a start does when the session limit is reached.
///
/// A start that waits for room holds its key, so other calls for that key wait behind it. All such starts wait in one FIFO queue. Each gets
/// the room of the next session that has been stopped, whatever the reason. The wait is limited by [`Timeouts::room`] and
/// [`Timeouts::wait`]. It ends at once if the call is cancelled, and at the beginning of a shutdown. See [the guide](crate::guide::room).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The start is refused with [`TurnError::RegistryFull`](crate::manager::TurnError::RegistryFull).
    Refuse,
    /// The start waits until another session has been stopped. It stops none itself.
    Wait,
    /// The least recently used idle session is stopped to make room. If no session is idle, the start waits for one. Each start evicts at
    /// most one session.
    ///
    /// Sessions that were touched since their last turn come last. A session that is in use, has a queue or is
    /// [kept alive](crate::SessionManager::keep_alive) is never stopped for this. Among sessions whose last turns
    /// ended within one tick of the clock (a few milliseconds), the choice is arbitrary.
    EvictIdle,
}

/// Why [`ManagerBuilder::build`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `build` was called outside of a tokio runtime.
    NoRuntime,
    /// The timer of the runtime is disabled: call `enable_time` on its builder.
    NoTime,
    /// One of the [`Timeouts`], [`ManagerBuilder::stop_idle_after`] or [`ManagerBuilder::max_age`] is zero.
    ZeroTimeout,
    /// [`ManagerBuilder::max_sessions`], [`ManagerBuilder::unread_bytes`] or [`ManagerBuilder::unread_events`] is zero.
    ZeroLimit,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => "no tokio runtime: build the session manager inside of one",
            Self::NoTime => {
                "the timer of the tokio runtime is disabled: call `enable_time` on its builder"
            }
            Self::ZeroTimeout => {
                "a timeout, `stop_idle_after` or `max_age` is zero: set it to a longer time"
            }
            Self::ZeroLimit => {
                "the limit `max_sessions`, `unread_bytes` or `unread_events` is zero: set it to at least 1"
            }
        })
    }
}

impl Error for BuildError {}

/// Settings of a [`SessionManager`](crate::SessionManager). [`SessionManager::builder`](crate::SessionManager::builder) returns
/// it, and [`build`](Self::build) makes the manager. No setting is required.
#[must_use = "a builder does nothing until `build`"]
pub struct ManagerBuilder<B: Backend> {
    pub(crate) backend: B,
    pub(crate) settings: Settings,
    pub(crate) ownership: Option<Arc<dyn Ownership<B::Key>>>,
    max_waiting: Option<usize>,
    first_incarnation: u64,
    clock: Clock,
    shards: Option<usize>,
}

pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    pub(crate) max_sessions: Option<(usize, WhenFull)>,
    pub(crate) stop_idle_after: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) unread: Bounds,
    pub(crate) keep_events: usize,
}

impl<B: Backend> ManagerBuilder<B> {
    pub(crate) fn new(backend: B) -> Self {
        Self {
            backend,
            settings: Settings {
                timeouts: Timeouts::default(),
                max_sessions: None,
                stop_idle_after: None,
                max_age: None,
                unread: Bounds::DEFAULT,
                keep_events: 0,
            },
            ownership: None,
            max_waiting: None,
            first_incarnation: 1,
            clock: Clock::new(),
            shards: None,
        }
    }

    /// Shares the keys with other processes: the manager acquires each key before its session starts. The number of the acquisition becomes
    /// the session's [`Incarnation`](crate::Incarnation). Default: no sharing.
    pub fn ownership(mut self, ownership: Arc<dyn Ownership<B::Key>>) -> Self {
        self.ownership = Some(ownership);
        self
    }

    /// Sets the time limits.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Limits the number of sessions. A session counts from the beginning of its start to the end of its stop. `full` decides what the next
    /// start does. Default: no limit.
    pub fn max_sessions(mut self, most: usize, full: WhenFull) -> Self {
        self.settings.max_sessions = Some((most, full));
        self
    }

    /// Limits the number of calls in the queue of each key. The next call ends with
    /// [`TurnError::QueueFull`](crate::manager::TurnError::QueueFull). With 0, no call waits. A stop is never refused, but counts while it waits. Default: no limit.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.max_waiting = Some(most);
        self
    }

    /// Stops sessions that have been idle for this time. Default: never.
    ///
    /// A task checks every quarter of this time, at intervals between 1 ms and 30 s.
    pub fn stop_idle_after(mut self, idle: Duration) -> Self {
        self.settings.stop_idle_after = Some(idle);
        self
    }

    /// Stops sessions that are older than this. The limit varies by up to a tenth, so sessions that start together do not all stop together.
    /// Default: never.
    ///
    /// A session that is too old is stopped in the background while it is idle, or by the next call, which gets a new one. It is not stopped in a turn,
    /// nor while it is [kept alive](crate::SessionManager::keep_alive).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = Some(age);
        self
    }

    /// Limits the unread events of one [`Subscription`](crate::manager::Subscription) or [`Sending`](crate::manager::Sending), in
    /// bytes of [`Backend::weight`](crate::Backend::weight). Default: 16 MiB.
    ///
    /// A new event pushes out the oldest ones. An event of more bytes than the limit is itself dropped. An event that was
    /// [sent](crate::TurnContext::send) is neither pushed out nor dropped: `send` waits for room instead.
    pub fn unread_bytes(mut self, most: usize) -> Self {
        self.settings.unread.bytes = most;
        self
    }

    /// Limits the number of unread events in the same way. Default: 1024.
    pub fn unread_events(mut self, most: usize) -> Self {
        self.settings.unread.events = most;
        self
    }

    /// Keeps the last events of each session, up to `bytes` bytes by [`Backend::weight`](crate::Backend::weight), for listeners that
    /// come late: [`listen_from`](crate::SessionManager::listen_from). Default: 0, so no event is kept.
    ///
    /// A new event pushes out the oldest ones. An event of more bytes than the limit is not kept. The events end with their session. Each
    /// event then costs one more allocation, clone and lock. If ids outlive the process, set
    /// [`first_incarnation`](Self::first_incarnation), so that no number comes twice.
    pub fn keep_events(mut self, bytes: usize) -> Self {
        self.settings.keep_events = bytes;
        self
    }

    /// Sets the first generation number; see [`Builder::first_incarnation`](crate::Builder::first_incarnation). Ignored with an
    /// [`ownership`](Self::ownership).
    pub fn first_incarnation(mut self, number: u64) -> Self {
        self.first_incarnation = number;
        self
    }

    /// Sets the clock of idle times; see [`Builder::clock`](crate::Builder::clock). Timeouts use tokio's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the number of shards of the map; see [`Builder::shards`](crate::Builder::shards).
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// The registry of a manager with these settings.
    pub(crate) fn registry<V, H>(&self) -> Registry<B::Key, V, H> {
        let mut builder = Registry::builder()
            .clock(self.clock.clone())
            .first_incarnation(self.first_incarnation);
        if let Some(most) = self.max_waiting {
            builder = builder.max_waiting(most);
        }
        if let Some((_, WhenFull::EvictIdle)) = self.settings.max_sessions {
            builder = builder.ranked();
        }
        if let Some(shards) = self.shards {
            builder = builder.shards(shards);
        }
        if self.ownership.is_some() {
            builder = builder.unnumbered();
        }
        builder.build()
    }
}

impl Settings {
    /// When a session that starts now is too old. The number chooses a part of the tolerance.
    pub(crate) fn ages(&self, session: Incarnation) -> Option<Instant> {
        let age = self.max_age?;
        // 64 bits of Fibonacci hashing, of which the highest 10 are used: numbers in a row are far apart.
        let part = session.get().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let tenth = age / 10;
        let moment = Instant::now().checked_add(age - tenth)?;
        moment.checked_add((tenth * 2).mul_f64(part as f64 / 1024.0))
    }

    /// Refuses zeros.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let Timeouts {
            wait,
            room,
            start,
            turn,
            quiet,
            abort,
            stop,
        } = self.timeouts;
        let given = [wait, room, turn, quiet, self.stop_idle_after, self.max_age];
        let zero = |limit: &Duration| limit.is_zero();
        if [start, abort, stop]
            .iter()
            .chain(given.iter().flatten())
            .any(zero)
        {
            return Err(BuildError::ZeroTimeout);
        }
        let Bounds { events, bytes } = self.unread;
        if matches!(self.max_sessions, Some((0, _))) || events == 0 || bytes == 0 {
            return Err(BuildError::ZeroLimit);
        }
        Ok(())
    }
}

/// The runtime of the caller, if its timer is enabled.
pub(crate) fn runtime() -> Result<Handle, BuildError> {
    let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
    // tokio has no call that asks for this. Without this check, it would panic in the middle of a turn.
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
            .field("max_age", &self.settings.max_age)
            .field("unread", &self.settings.unread)
            .finish_non_exhaustive()
    }
}
