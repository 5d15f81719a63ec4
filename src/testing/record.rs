//! One call: what was called, and how it ended.

use crate::{Incarnation, Ticket, manager::StopReason};
use std::fmt;

/// A method of [`Backend`](crate::Backend) or [`Agent`](crate::Agent), or a plain turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// [`Backend::start`](crate::Backend::start).
    Start,
    /// [`Backend::start_abandoned`](crate::Backend::start_abandoned).
    StartAbandoned,
    /// [`Backend::is_healthy`](crate::Backend::is_healthy).
    IsHealthy,
    /// [`Agent::send`](crate::Agent::send).
    Send,
    /// [`Backend::stop`](crate::Backend::stop).
    Stop,
    /// [`ScriptedSession::in_turn`](crate::testing::ScriptedSession::in_turn). No act is played for it.
    Turn,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It succeeded.
    Passed,
    /// It returned an error, or reported an unhealthy session.
    Failed,
    /// It was dropped before its end.
    CutShort,
    /// It panicked.
    Panicked,
}

/// One call of a scripted backend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call<K> {
    /// The key of its session.
    pub key: K,
    /// The number of its session.
    pub incarnation: Incarnation,
    /// What was called.
    pub method: Method,
    /// Of a `send`: the ticket of its turn.
    pub ticket: Option<Ticket>,
    /// Of a `send`: its call went before the queue.
    pub first: bool,
    /// Of a `stop`: why.
    pub reason: Option<StopReason>,
    /// `None` while it runs.
    pub end: Option<End>,
}

impl<K> Call<K> {
    pub(super) fn new(key: K, incarnation: Incarnation, method: Method) -> Self {
        Self {
            key,
            incarnation,
            method,
            ticket: None,
            first: false,
            reason: None,
            end: None,
        }
    }

    /// Its session may be used: it has been started, and no stop of it has begun.
    pub(super) fn leaves_alive(&self) -> bool {
        match self.method {
            Method::Start => self.end == Some(End::Passed),
            Method::IsHealthy | Method::Send | Method::Turn => true,
            Method::StartAbandoned | Method::Stop => false,
        }
    }

    /// Its start was cut short, or panicked.
    pub(super) fn leaves_something(&self) -> bool {
        self.method == Method::Start && matches!(self.end, Some(End::CutShort | End::Panicked))
    }
}

impl<K> fmt::Display for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            incarnation,
            ..
        } = self;
        match self.reason {
            Some(reason) => write!(f, "{method:?} of #{incarnation} as {reason:?}"),
            None => write!(f, "{method:?} of #{incarnation}"),
        }
    }
}
