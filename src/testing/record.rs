//! What was called, how it ended, and what must never be.

use super::watch::Watched;
use crate::{
    Incarnation,
    sync::{Arc, panicking},
};
use std::fmt;

/// A method of [`Backend`](crate::Backend) or [`Agent`](crate::Agent).
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
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It returned what is well.
    Passed,
    /// It returned an error, or that the session is not healthy.
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
    /// Whose session it was of.
    pub key: K,
    /// Which of its sessions.
    pub incarnation: Incarnation,
    /// What was called.
    pub method: Method,
    /// `None` while it runs.
    pub end: Option<End>,
}

/// All calls of a backend, in the order of their begin.
#[derive(Debug)]
pub(super) struct Record<K> {
    pub(super) calls: Vec<Call<K>>,
    /// Sessions that were started and neither stopped nor dropped.
    alive: Vec<(K, Incarnation)>,
    /// What was seen and must never be, in words.
    pub(super) faults: Vec<String>,
}

impl<K: Clone + Eq + fmt::Debug> Record<K> {
    pub(super) fn new() -> Self {
        Self {
            calls: Vec::new(),
            alive: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Writes the call down, and what is wrong with it: its index.
    fn begin(&mut self, key: &K, incarnation: Incarnation, method: Method) -> usize {
        let call = Call {
            key: key.clone(),
            incarnation,
            method,
            end: None,
        };
        let running = self
            .calls
            .iter()
            .filter(|other| other.end.is_none() && other.key == *key);
        let faults = running.map(|other| format!("{call:?} begins during {other:?}"));
        self.faults.extend(faults);
        let lives = self.alive.iter().find(|(of, _)| of == key);
        match (method, lives) {
            (Method::Start, Some((_, other))) => {
                let fault =
                    format!("{call:?} begins while {other:?} is neither stopped nor dropped");
                self.faults.push(fault);
            }
            (Method::Start | Method::StartAbandoned, _) => {}
            (Method::IsHealthy | Method::Send | Method::Stop, _) => {
                if !self.alive.contains(&(key.clone(), incarnation)) {
                    self.faults
                        .push(format!("{call:?} of a session that has ended"));
                }
            }
        }
        self.calls.push(call);
        self.calls.len() - 1
    }
}

/// A call that runs. Without a word it was cut short, or panicked.
pub(super) struct Running<K: Clone + Eq + fmt::Debug> {
    record: Arc<Watched<Record<K>>>,
    call: usize,
    end: Option<End>,
}

impl<K: Clone + Eq + fmt::Debug> Running<K> {
    pub(super) fn begin(
        record: &Arc<Watched<Record<K>>>,
        key: &K,
        incarnation: Incarnation,
        method: Method,
    ) -> Self {
        Self {
            call: record.change(|record| record.begin(key, incarnation, method)),
            record: Arc::clone(record),
            end: None,
        }
    }

    pub(super) fn ends(mut self, is_well: bool) {
        self.end = Some(if is_well { End::Passed } else { End::Failed });
    }
}

impl<K: Clone + Eq + fmt::Debug> Drop for Running<K> {
    fn drop(&mut self) {
        let unsaid = || {
            if panicking() {
                End::Panicked
            } else {
                End::CutShort
            }
        };
        let end = self.end.unwrap_or_else(unsaid);
        self.record
            .change(|record| record.calls[self.call].end = Some(end));
    }
}

/// One session, from the end of its start until it has been stopped or dropped.
pub(super) struct Life<K: Clone + Eq + fmt::Debug> {
    record: Arc<Watched<Record<K>>>,
    pub(super) key: K,
    pub(super) incarnation: Incarnation,
}

impl<K: Clone + Eq + fmt::Debug> Life<K> {
    pub(super) fn begin(
        record: &Arc<Watched<Record<K>>>,
        key: &K,
        incarnation: Incarnation,
    ) -> Self {
        let key = key.clone();
        record.change(|record| record.alive.push((key.clone(), incarnation)));
        Self {
            record: Arc::clone(record),
            key,
            incarnation,
        }
    }
}

impl<K: Clone + Eq + fmt::Debug> Drop for Life<K> {
    fn drop(&mut self) {
        self.record.change(|record| {
            let is_this = |(key, incarnation): &(K, Incarnation)| {
                *key == self.key && *incarnation == self.incarnation
            };
            let index = record.alive.iter().position(is_this);
            // Once in, once out, also of a number that a fault made live twice.
            index.map(|index| record.alive.swap_remove(index))
        });
    }
}
