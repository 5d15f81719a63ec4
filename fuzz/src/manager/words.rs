//! The nouns of the model: what a call is, how it may end, and what a backend may do.

use turnwise::manager::{Outcome, StopReason};

pub(crate) const KEYS: usize = 3;
/// Milliseconds since the program began.
pub(crate) type Ms = u64;
/// Calls are numbered in the order in which they are made.
pub(crate) type Id = usize;

pub(crate) const START: Ms = 11_003;
pub(crate) const ABORT: Ms = 3_007;
pub(crate) const STOP: Ms = 5_011;
pub(crate) const TURN: Ms = 17_013;
pub(crate) const WAIT: Ms = 4_019;
pub(crate) const ROOM: Ms = 6_037;
pub(crate) const IDLE: Ms = 9_028;

/// What a call of the backend does, or a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Pass,
    /// Of a health check: the session is not healthy.
    Fail,
    Panic,
    /// For ever, whoever cancels it.
    Hang,
    Take(Ms),
    /// Of a message or a start: passes when it is cancelled. Other calls hang.
    Obey,
    /// The same, and then fails.
    ObeyAndFail,
}

/// How such a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Pass,
    Fail,
    Panic,
    /// Cut short at its limit.
    Overran,
}

impl Act {
    /// How long it takes, and how it ends; `None` if it does not by itself.
    pub(crate) fn end(self) -> Option<(Ms, Ended)> {
        match self {
            Self::Pass => Some((0, Ended::Pass)),
            Self::Fail => Some((0, Ended::Fail)),
            Self::Panic => Some((0, Ended::Panic)),
            Self::Take(time) => Some((time, Ended::Pass)),
            Self::Hang | Self::Obey | Self::ObeyAndFail => None,
        }
    }

    /// The same, but it is cut short at a limit.
    pub(crate) fn within(self, limit: Ms) -> (Ms, Ended) {
        let end = self.end().filter(|(time, _)| *time < limit);
        end.unwrap_or((limit, Ended::Overran))
    }
}

/// The calls of a backend that a program scripts, by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Abandoned,
    Health,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Turn,
    Closure,
    Restart,
    Stop,
    Sweep,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Busy,
    Closed,
    QueueFull,
    RegistryFull,
    WaitTimedOut,
    Dismissed,
    Start,
    StartTimedOut,
    StartPanicked,
    Agent,
    TurnTimedOut,
    Aborted,
    Panicked,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A reply, a value of a closure.
    Done,
    /// The turn is its caller's.
    Turn,
    Failed(Why),
    /// True if a session was stopped.
    Stopped(bool),
    StopFailed(Ended),
    /// A turn still has the key.
    StopHeld,
    StopClosed,
    /// Keys that were stopped, whose stop failed, whose stop was abandoned; then those that were passed over, and why.
    Report([Vec<usize>; 3], Vec<(usize, Skip)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skip {
    Busy,
    Waiting,
    Touched,
    Young,
}

/// What subscribers get, of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Started,
    StartFailed,
    Began(Id),
    Ended(Id, Outcome),
    /// The reason, and whether the stop went well.
    Stopped(StopReason, bool),
}

/// Why a turn is to end. The first cause stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its sender has gone away.
    Left,
    Abort,
    Limit,
    Stop,
    Shutdown,
}

impl Cause {
    pub(crate) fn why(self) -> Why {
        match self {
            Self::Limit => Why::TurnTimedOut,
            Self::Left | Self::Abort | Self::Stop | Self::Shutdown => Why::Aborted,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Limit => Outcome::TimedOut,
            Self::Left | Self::Abort | Self::Stop | Self::Shutdown => Outcome::Aborted,
        }
    }
}

/// Where a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum At {
    #[default]
    Absent,
    Idle,
    /// Somebody has it who has not been polled since. `held`: since the call, which found the key free.
    Granted {
        held: bool,
    },
    /// A stop has it, whose task has not run.
    GrantedToStop,
    Health,
    /// A session is stopped, so that the same call can start another one.
    Renewal(StopReason),
    /// A start waits for room.
    Room,
    Start,
    /// A start that was cut short or panicked is cleaned up.
    Abandoned(Why),
    Running,
    Stopping(StopReason),
}

/// A fault put into the model, to see that the corpus notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // The replay's canaries use them.
pub(crate) enum Lie {
    /// The last in the queue goes first.
    LastGoesFirst,
    /// Who waited for a start that failed tries again.
    FailureIsNotShared,
    /// A session whose turn was cut short goes on.
    DirtyGoesOn,
    /// A stop waits for the turn and does not cancel it.
    StopIsPatient,
    /// A stop that joins another is a stop of its own.
    StopsDoNotJoin,
    /// A dismissed queue includes the call that has the key.
    DismissTakesTheGranted,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) max_sessions: Option<usize>,
    /// When there is no room, the least recently used session is stopped, or a start waits for one. Else the start is refused.
    pub(crate) evicts: bool,
    pub(crate) max_waiting: Option<usize>,
    pub(crate) reaps: bool,
    pub(crate) turn: Option<Ms>,
}
