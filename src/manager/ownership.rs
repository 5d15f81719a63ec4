//! Keys that several processes share: who may have the session of a key, and for how long.

use crate::{Incarnation, sync::Arc};
use std::{fmt, future::Future, pin::Pin, time::Duration};

/// Decides which process of several may have the session of a key.
///
/// A manager with an [`ownership`](crate::manager::ManagerBuilder::ownership) acquires each key before it starts the session, and releases
/// the key when that session has been stopped. It starts no session of a key that another process owns: the call ends with
/// [`TurnError::Elsewhere`](crate::manager::TurnError::Elsewhere). A session whose [`Term`] has ended gets no more turns. Its turn is cut
/// short, and the session is stopped. A plain [`SessionTurn`](crate::manager::SessionTurn) is cancelled, and cannot be taken away.
///
/// [`force_stop`](crate::SessionManager::force_stop) starts a session beside the old one here too. The new one has a higher number, and
/// [`is_owned`](crate::manager::SessionTurn::is_owned) is false for the old one.
///
/// `turnwise-cluster` implements this on an engine with leases, such as etcd.
///
/// # What an implementation must ensure
///
/// - While a term holds, and for its [`grace`](Term::grace) after that, no other process owns the keys that were acquired under it.
/// - The number of each acquisition is higher than those of all earlier acquisitions of the same key, by any process. No two acquisitions
///   have the same number.
/// - A key counts as owned only if the answer to this very request grants it. A process that finds a record of its own takes it over only with
///   a new number.
///
/// # Panics
///
/// A panic of [`acquire`](Self::acquire) is caught, and counts as [`NotOwned::Unavailable`]. A panic of [`release`](Self::release) is caught
/// and ignored. One of [`watch`](Self::watch) reaches the caller of `build`. A [`Term`] must not panic.
pub trait Ownership<K>: Send + Sync + 'static {
    /// Acquires the key for this process. The manager calls it before it makes room for the session, and never twice at once for one key. A key
    /// that this process has released, or still owns, is acquired anew, with a higher number.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped: after [`Timeouts::start`](crate::manager::Timeouts#structfield.start), or because no caller wants the session
    /// any more. The implementation then releases what it has acquired, or what it acquires later by that request.
    ///
    /// # Errors
    ///
    /// [`NotOwned`]. All calls that wait for this session get the error, and their messages back.
    fn acquire<'a>(&'a self, key: &'a K) -> Acquiring<'a>;

    /// Releases a key. Called exactly once for each acquisition, when its session has been stopped, whatever the result, or was not started.
    /// Must not block: implementations queue the request.
    ///
    /// The manager may acquire the key anew at once, for a restart or the next call in the queue, and that request may overtake this one. So
    /// an implementation releases the key only if it still has this number, and lets an acquisition take the place of a release that has not
    /// been sent.
    fn release(&self, key: &K, number: Incarnation);

    /// Stores the notice. The implementation calls it when a term has ended. Called once, when the manager is built.
    fn watch(&self, notice: LossNotice);
}

/// The future of [`Ownership::acquire`].
pub type Acquiring<'a> = Pin<Box<dyn Future<Output = Result<Owned, NotOwned>> + Send + 'a>>;

/// The time for which this process owns what it has acquired: a lease. All keys of a process may share one.
pub trait Term: Send + Sync + 'static {
    /// Returns whether the term holds now, by a clock that goes on while the process is stopped or the machine is suspended. After it has
    /// returned false, it never returns true again. Called before each turn, so it must be fast.
    fn holds(&self) -> bool;

    /// Returns the time that another process must still wait after the end of this term. A stop or a cleanup that runs when the term ends is
    /// dropped after this time. Zero once that time is over; a stop that begins then has all its time.
    fn grace(&self) -> Duration;
}

/// What [`Ownership::acquire`] has acquired.
#[derive(Clone)]
pub struct Owned {
    pub(crate) number: Incarnation,
    pub(crate) term: Arc<dyn Term>,
}

impl Owned {
    /// Returns the acquisition of a key, with its number and its term. The number becomes the session's
    /// [`Incarnation`]: `Incarnation::try_from(fence)`. It must be lower than 2^63.
    pub fn new(number: Incarnation, term: Arc<dyn Term>) -> Self {
        Self { number, term }
    }

    /// Returns the number of this acquisition, for [`Ownership::release`]. A manager releases its keys itself.
    pub fn number(&self) -> Incarnation {
        self.number
    }

    /// Returns whether its term holds now.
    pub fn holds(&self) -> bool {
        self.term.holds()
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned")
            .field("number", &self.number)
            .field("holds", &self.term.holds())
            .finish()
    }
}

/// Why a key was not acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOwned {
    /// Another process owns it: its name or address.
    Elsewhere(Arc<str>),
    /// The engine did not answer, or refused: why.
    Unavailable(Arc<str>),
}

/// Reports to a manager that a term has ended. Clones are for the same manager, which they do not keep alive.
#[derive(Clone)]
pub struct LossNotice(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl LossNotice {
    /// Makes the manager check the terms of all its sessions. A session whose term has ended is stopped, with
    /// [`StopReason::Lost`](crate::manager::StopReason::Lost). Its start, message or closure is dropped at once, and a plain turn is cancelled.
    /// Never waits; call it from any thread.
    pub fn notify(&self) {
        (self.0)();
    }
}

impl fmt::Debug for LossNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossNotice").finish_non_exhaustive()
    }
}
