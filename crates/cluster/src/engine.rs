//! What an engine does, in one request each.

use crate::sync::Arc;
use std::{fmt, future::Future, time::Duration};

/// A store with leases that owns the truth about keys, such as etcd. An implementation is thin: [`Node`](crate::Node) holds the protocol.
///
/// # What an engine must ensure
///
/// - Each request takes effect at one moment, or never. All requests, of all nodes, have one order.
/// - The records that were written under a lease go at once when the lease expires or is revoked. A lease does not expire before its time
///   to live has passed since the last renewal took effect.
/// - A request under a lease that has gone changes nothing.
/// - The fence of each acquisition is higher than those of all earlier acquisitions of that key, and lower than 2^63.
/// - It compares revisions, never the owner's name alone, before it writes or deletes a record.
///
/// # Cancel safety
///
/// All futures may be dropped, which happens when a request takes too long. The request may still take effect.
pub trait Engine: Send + Sync + 'static {
    /// Grants a lease. The engine may choose another time to live.
    fn grant(&self, time: Duration) -> impl Future<Output = Result<Grant, Fault>> + Send;

    /// Renews a lease, and returns its time to live from now. `grant`, `renew` and `revoke` should have a connection of their own, so that
    /// no batch delays them.
    fn renew(&self, lease: u64) -> impl Future<Output = Result<Duration, Fault>> + Send;

    /// Ends a lease and deletes all its records.
    fn revoke(&self, lease: u64) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Does what a batch asks for: at most 100 requests, each of another key. Returns one answer for each request, in their order. At most
    /// two batches of a node are under way.
    fn ask(&self, batch: Batch) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;
}

/// An engine may be shared.
impl<E: Engine> Engine for Arc<E> {
    fn grant(&self, time: Duration) -> impl Future<Output = Result<Grant, Fault>> + Send {
        E::grant(self, time)
    }

    fn renew(&self, lease: u64) -> impl Future<Output = Result<Duration, Fault>> + Send {
        E::renew(self, lease)
    }

    fn revoke(&self, lease: u64) -> impl Future<Output = Result<(), Fault>> + Send {
        E::revoke(self, lease)
    }

    fn ask(&self, batch: Batch) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send {
        E::ask(self, batch)
    }
}

/// A lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number.
    pub lease: u64,
    /// Its time to live. The engine may let it live longer, never shorter.
    pub time: Duration,
}

/// Requests of one node under one lease.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The name to be written into the records, which no other process has.
    pub owner: Arc<str>,
    /// The lease that the records are written under.
    pub lease: u64,
    /// What is asked for.
    pub requests: Vec<Request>,
}

/// A request for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key.
    pub key: Arc<[u8]>,
    /// What is asked for.
    pub action: Action,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes the record if there is none, or if it has this owner's name *and* still has the revision `seen`. Answered by
    /// [`Acquired`](Answer::Acquired), [`Ours`](Answer::Ours) or [`Other`](Answer::Other).
    Acquire {
        /// The fence of an [`Acquired`](Answer::Acquired), or the revision of an [`Ours`](Answer::Ours), of this key.
        seen: Option<u64>,
    },
    /// Deletes the record if it has this owner's name *and* still has this revision. Answered by [`Free`](Answer::Free) if it did or if there
    /// is none, by [`Ours`](Answer::Ours) or by [`Other`](Answer::Other).
    Release {
        /// As `seen`.
        revision: u64,
    },
    /// Changes nothing. Answered by [`Free`](Answer::Free), [`Ours`](Answer::Ours) or [`Other`](Answer::Other).
    Look,
}

/// What the record of a key is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This request has written the record.
    Acquired {
        /// The number of this acquisition, and the revision of the record.
        fence: u64,
    },
    /// It has this owner's name, and another revision.
    Ours {
        /// Its revision.
        revision: u64,
    },
    /// Another owner's.
    Other {
        /// The name in it.
        owner: Arc<str>,
    },
    /// There is none.
    Free,
    /// The engine has no place for such a key, for example because it is too long: why. Nothing was changed.
    Refused(Arc<str>),
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The lease has expired or was revoked. Nothing was changed.
    Gone,
    /// The engine cannot be reached, or refused: why. The request may have taken effect, or may still.
    Failed(Arc<str>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the lease has expired"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}
